//! Container images as OCI archives in `target/images`, each made from nothing: ours, and those
//! that pods of the test cluster start from. The same files give the same bytes on every machine.

mod archive;
mod layer;
mod module;
mod programs;
mod unchanged;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::parts;
use crate::shell::{self, fault};
use layer::Entry;

/// What holds the namespaces of a pod, by name and tag.
pub(crate) const PAUSE: &str = "pause:3.10";

/// Where Debian keeps the certificates of public authorities, and where programs look for them.
const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Which image.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    /// As people get it.
    Vaultyard,
    /// Told to end at named points, for the tests.
    VaultyardWithFaults,
    /// With a PKCS#11 module, as people make one who have a hardware security module.
    VaultyardWithModule,
    OpenBao,
    /// An earlier one.
    Earlier(&'static str),
    /// HashiCorp's, of this version.
    Vault(&'static str),
    /// Debian's nginx, which stands in for an ingress controller.
    Nginx,
    Pause,
}

/// An image as a file.
pub(crate) struct Archive {
    pub(crate) path: PathBuf,
    /// The image's name and tag, without a host.
    pub(crate) name: String,
    /// The digest by which registries and pods name the image.
    manifest: String,
    /// In bytes.
    size: u64,
}

/// What an image is called, what it holds and how it is started.
struct Image {
    /// Name and tag, without a host.
    name: String,
    entries: Vec<Entry>,
    /// The `config` of the OCI image specification.
    config: Value,
}

/// Makes the image that the words name, and says what came of it.
pub(crate) fn run(words: &[&str]) -> Result<(), String> {
    let kind = match words {
        [] => Kind::Vaultyard,
        ["--fault-injection"] => Kind::VaultyardWithFaults,
        ["module"] => Kind::VaultyardWithModule,
        ["openbao"] => Kind::OpenBao,
        ["nginx"] => Kind::Nginx,
        ["pause"] => Kind::Pause,
        [server] if let Some((_, kind)) = servers().find(|(name, _)| name == server) => kind,
        _ => {
            let servers: Vec<_> = servers().map(|(name, _)| name).collect();
            return Err(format!(
                "no image is called {words:?}: module, openbao, {}, nginx, pause, or none for ours, \
                 which may have --fault-injection",
                servers.join(", ")
            ));
        }
    };
    let made = make(kind)?;
    println!("{}", made.path.display());
    println!("manifest {}", made.manifest);
    println!("size     {:.1} MB compressed", made.size as f64 / 1e6);
    Ok(())
}

/// The images of servers that are called SOFTWARE-VERSION.
fn servers() -> impl Iterator<Item = (String, Kind)> {
    let earlier = parts::earlier_openbaos()
        .map(|version| (format!("openbao-{version}"), Kind::Earlier(version)));
    let vaults =
        parts::vault::VERSIONS.map(|version| (format!("vault-{version}"), Kind::Vault(version)));
    earlier.chain(vaults)
}

/// The program in our image, as people get it.
pub(crate) fn program() -> Result<PathBuf, String> {
    programs::vaultyard(false)
}

/// Makes an image, in silence but for what is built, fetched or missing.
pub(crate) fn make(kind: Kind) -> Result<Archive, String> {
    let architecture = architecture(std::env::consts::ARCH)?;
    let (file, image) = match kind {
        Kind::Vaultyard => ("vaultyard", vaultyard(false)?),
        Kind::VaultyardWithFaults => ("vaultyard-with-faults", vaultyard(true)?),
        Kind::VaultyardWithModule => ("vaultyard-with-module", module::image(&folder())?),
        Kind::OpenBao => ("openbao", openbao(parts::OPENBAO_VERSION)?),
        Kind::Earlier(version) => (&*format!("openbao-{version}"), openbao(version)?),
        Kind::Vault(version) => (&*format!("vault-{version}"), vault(version)?),
        Kind::Nginx => ("nginx", nginx()?),
        Kind::Pause => ("pause", pause()?),
    };
    archive::write(&image, architecture, &folder().join(format!("{file}.tar")))
}

/// The static binary, the certificates that a cloud's API is known by, and nothing else. Names are
/// found with the `/etc/resolv.conf` and `/etc/hosts` that the kubelet puts into every container.
fn vaultyard(with_faults: bool) -> Result<Image, String> {
    let program = programs::vaultyard(with_faults)?;
    let mut entries = vec![Entry::program("bin/vaultyard", read(&program)?)];
    if Path::new(AUTHORITIES).is_file() {
        entries.push(Entry::file(AUTHORITIES.trim_start_matches('/'), read(AUTHORITIES.as_ref())?));
    } else {
        eprintln!(
            "{AUTHORITIES} is missing, so this image trusts no public authority: cloud APIs will \
             not be reached from it. Debian, Ubuntu: apt-get install ca-certificates"
        );
    }
    let version = env!("CARGO_PKG_VERSION");
    let tag = if with_faults { format!("{version}-faults") } else { version.to_owned() };
    Ok(Image {
        name: format!("vaultyard:{tag}"),
        entries,
        config: json!({
            "User": "65532:65532",
            "Entrypoint": ["/bin/vaultyard"],
            "WorkingDir": "/",
            "Labels": {
                "org.opencontainers.image.title": "vaultyard",
                "org.opencontainers.image.version": version,
                "org.opencontainers.image.licenses": "Apache-2.0",
            },
        }),
    })
}

/// The server of the tests in the shape of `openbao/openbao`.
fn openbao(version: &str) -> Result<Image, String> {
    server("openbao", "bao", version, &parts::openbao_of(version)?)
}

/// And in that of `hashicorp/vault`.
fn vault(version: &str) -> Result<Image, String> {
    server("vault", "vault", version, &parts::vault::program(version))
}

/// Upstream's entry point is a shell script: given the same arguments, this one starts the same server
/// without a shell.
fn server(software: &str, name: &str, version: &str, program: &Path) -> Result<Image, String> {
    programs::demand_static(program)?;
    let owner = (100, 1000);
    let owned = ["", "/config", "/file", "/logs"].map(|path| format!("{software}{path}"));
    let mut entries =
        vec![Entry::program(&format!("bin/{name}"), read(program)?), Entry::scratch()];
    entries.extend(owned.iter().map(|path| Entry::folder(path, owner)));
    let volumes = ["file", "logs"].map(|path| (format!("/{software}/{path}"), json!({})));
    Ok(Image {
        name: format!("{software}:{version}"),
        entries,
        config: json!({
            "User": "100:1000",
            // A dozen of them and more share the processors of a test machine, most of the time idle: with
            // this each takes a third less of them.
            "Env": ["PATH=/bin", "GOMAXPROCS=1", "GOGC=300"],
            "Entrypoint": [format!("/bin/{name}")],
            "Cmd": ["server", "-dev", "-dev-no-store-token"],
            "ExposedPorts": { "8200/tcp": {} },
            "Volumes": BTreeMap::from(volumes),
            "WorkingDir": "/",
        }),
    })
}

/// nginx with the libraries that it asks for. It is told where its configuration is, and writes to `/tmp`
/// alone.
fn nginx() -> Result<Image, String> {
    let (home, program) = parts::nginx()?;
    let mut entries = vec![Entry::program("bin/nginx", read(&program)?), Entry::scratch()];
    entries.extend(libraries(&[&program], &home)?);
    Ok(Image {
        name: "nginx:debian".to_owned(),
        entries,
        config: json!({
            "User": "65532:65532",
            "Env": [format!("LD_LIBRARY_PATH=/{}", programs::LIBRARIES)],
            "Entrypoint": ["/bin/nginx", "-e", "stderr", "-g", "daemon off;"],
            "WorkingDir": "/",
        }),
    })
}

/// What holds the namespaces of a pod.
fn pause() -> Result<Image, String> {
    let program = programs::pause(&folder())?;
    Ok(Image {
        name: PAUSE.to_owned(),
        entries: vec![Entry::program("pause", read(&program)?)],
        config: json!({ "User": "65535:65535", "Entrypoint": ["/pause"], "WorkingDir": "/" }),
    })
}

/// What these programs and libraries load, each once.
fn libraries(programs: &[&Path], packages: &Path) -> Result<Vec<Entry>, String> {
    let mut all = BTreeMap::new();
    for program in programs {
        let libraries = programs::libraries(program, packages)?;
        all.extend(libraries.into_iter().map(|library| (library.place, library.file)));
    }
    all.iter().map(|(place, file)| Ok(Entry::program(place, read(file)?))).collect()
}

fn folder() -> PathBuf {
    shell::root().join("target/images")
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| fault(path, &error))
}

/// The name that images have for a processor, from Rust's.
fn architecture(rust: &str) -> Result<&'static str, String> {
    match rust {
        "x86_64" => Ok("amd64"),
        "aarch64" => Ok("arm64"),
        other => Err(format!("no image is made on {other}: build it on x86-64 or 64-bit ARM")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_have_the_names_that_registries_use() {
        assert_eq!(architecture("x86_64"), Ok("amd64"));
        assert_eq!(architecture("aarch64"), Ok("arm64"));
        assert!(architecture("riscv64").is_err());
    }

    #[test]
    fn an_unknown_image_is_refused_with_the_names_that_exist() {
        let reason = run(&["vault"]).unwrap_err();
        assert!(
            reason.starts_with(r#"no image is called ["vault"]: module, openbao, openbao-2."#),
            "{reason}"
        );
    }
}
