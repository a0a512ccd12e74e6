//! Our image as people make it for themselves who keep their keys in a hardware security module: with
//! the library that speaks to it, which a static program cannot load. What stands in for the module
//! is SoftHSM.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use super::layer::Entry;
use super::{Image, libraries, programs, read};
use crate::builds;
use crate::shell::{self, fault};

/// The library that Vaultyard is told to load.
const MODULE: &str = "usr/lib/module.so";
const SOFTHSM: &str = "/usr/lib/softhsm/libsofthsm2.so";
const TOKENS: &str = "usr/share/tokens";
/// Where a pod may write.
const FOLDER: &str = "/vaultyard/run";

/// The image; library and token are made in `folder`.
pub(super) fn image(folder: &Path) -> Result<Image, String> {
    let (program, softhsm) = (builds::binary_with_faults()?, Path::new(SOFTHSM));
    let mut entries = libraries(&[&program, softhsm], folder)?;
    entries.push(Entry::program("bin/vaultyard", read(&program)?));
    entries.push(Entry::program(SOFTHSM.trim_start_matches('/'), read(softhsm)?));
    entries.push(Entry::program(MODULE, read(&module(folder)?)?));
    entries.extend(token(&folder.join("token"))?);
    Ok(Image {
        name: "vaultyard:with-module".to_owned(),
        entries,
        config: json!({
            "User": "65532:65532",
            "Env": [format!("LD_LIBRARY_PATH=/{}", programs::LIBRARIES)],
            "Entrypoint": ["/bin/vaultyard"],
            "WorkingDir": "/",
        }),
    })
}

fn module(folder: &Path) -> Result<PathBuf, String> {
    let built = folder.join("module.so");
    std::fs::create_dir_all(folder).map_err(|error| fault(folder, &error))?;
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-Os", "-s", "-Wall", "-Werror"]);
    let places = [("SOFTHSM", SOFTHSM), ("TOKENS", &format!("/{TOKENS}")), ("FOLDER", FOLDER)];
    compiler.args(places.map(|(name, place)| format!("-D{name}=\"{place}\"")));
    compiler.arg("-o").arg(&built).arg(shell::root().join("xtask/src/image/module.c"));
    shell::output(&mut compiler)?;
    Ok(built)
}

/// The files of a token with an AES key: token `vault`, key `unseal`, PIN 5678.
fn token(folder: &Path) -> Result<Vec<Entry>, String> {
    let tokens = folder.join("tokens");
    make_token(folder, &tokens)?;
    let mut entries = Vec::new();
    for token in files(&tokens)? {
        for file in files(&token)? {
            let inside = file.strip_prefix(&tokens).unwrap_or(&file).display();
            entries.push(Entry::file(&format!("{TOKENS}/{inside}"), read(&file)?));
        }
    }
    Ok(entries)
}

fn make_token(folder: &Path, tokens: &Path) -> Result<(), String> {
    let (settings, key) = (folder.join("softhsm2.conf"), folder.join("key"));
    if folder.exists() {
        std::fs::remove_dir_all(folder).map_err(|error| fault(folder, &error))?;
    }
    std::fs::create_dir_all(tokens).map_err(|error| fault(tokens, &error))?;
    let write = |path: &Path, bytes: &[u8]| {
        std::fs::write(path, bytes).map_err(|error| fault(path, &error))
    };
    write(&settings, format!("directories.tokendir = {}\n", tokens.display()).as_bytes())?;
    // What opens nothing but the keys of tests need not be random.
    write(&key, &[7; 32])?;
    let softhsm = |words: &[&str]| {
        let mut softhsm = Command::new("softhsm2-util");
        shell::output(softhsm.args(words).env("SOFTHSM2_CONF", &settings)).map(drop)
    };
    softhsm(&["--init-token", "--free", "--label", "vault", "--so-pin", "1234", "--pin", "5678"])?;
    let key = key.display().to_string();
    let import = ["--import", &key, "--aes", "--token", "vault", "--pin", "5678"];
    softhsm(&[&import[..], &["--label", "unseal", "--id", "01"]].concat())
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let listed = std::fs::read_dir(folder).map_err(|error| fault(folder, &error))?;
    listed.map(|entry| entry.map(|it| it.path()).map_err(|error| fault(folder, &error))).collect()
}
