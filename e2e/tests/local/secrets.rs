//! Secrets are nowhere in clear: not in a file, not in the arguments or environment of a process.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use vaultyard_e2e::{Cluster, Home};

/// Every file and folder below `folder`, itself included.
fn everything(folder: &Path) -> Vec<PathBuf> {
    let mut found = vec![folder.to_path_buf()];
    if folder.is_dir() && !folder.is_symlink() {
        for entry in fs::read_dir(folder).expect("a folder").flatten() {
            found.extend(everything(&entry.path()));
        }
    }
    found
}

/// Whether the bytes hold an OpenBao token: `s.` and 24 letters or digits, as a word of its own.
fn holds_a_token(bytes: &[u8]) -> bool {
    let in_word = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_alphanumeric);
    let begins = |at: usize| at == 0 || !in_word(at - 1);
    (0..bytes.len().saturating_sub(25)).any(|at| {
        bytes[at..].starts_with(b"s.")
            && begins(at)
            && (at + 2..at + 26).all(in_word)
            && !in_word(at + 26)
    })
}

/// A cluster that has done everything that touches secrets.
fn used() -> Cluster {
    let cluster = Cluster::new();
    cluster.keys_verify();
    let line = "eval \"$(vaultyard env)\"; vaultyard login --print >/dev/null; vaultyard login; \
                bao kv put secret/hello name=world; vaultyard logs; vaultyard certificates";
    let said = cluster.home().shell(line);
    assert!(!holds_a_token(said.stdout.as_bytes()) && !holds_a_token(said.stderr.as_bytes()));
    let _ = said.done();
    cluster
}

#[test]
fn no_token_is_in_a_file_an_argument_or_an_environment() {
    let mut cluster = used();
    assert!(!holds_a_token(cluster.up().said().as_bytes()));

    let processes = cluster.home().processes();
    let up = cluster.up().id();
    for id in processes.servers().into_iter().chain([up]) {
        for what in ["cmdline", "environ"] {
            let bytes = fs::read(format!("/proc/{id}/{what}")).expect("a living process");
            assert!(!holds_a_token(&bytes), "process {id}: {what}");
        }
    }

    let home = cluster.stop();
    let files = everything(home.folder()).into_iter().filter(|path| path.is_file());
    let with_token: Vec<PathBuf> =
        files.filter(|path| holds_a_token(&fs::read(path).expect("a file"))).collect();
    assert_eq!(with_token, [token_file(&home)]);
}

#[test]
fn nobody_else_can_read_what_is_kept() {
    let home = used().stop();
    for path in everything(&home.state()).into_iter().chain([token_file(&home)]) {
        let mode = fs::symlink_metadata(&path).expect("it is there").permissions().mode();
        let allowed = if is_certificate(&path) { 0o044 } else { 0 };
        assert_eq!(mode & 0o077 & !allowed, 0, "{} has mode {:o}", path.display(), mode & 0o777);
    }
}

/// Whether the file holds certificates and nothing else. They are public; the folder is not.
fn is_certificate(path: &Path) -> bool {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.starts_with("-----BEGIN CERTIFICATE-----") && !text.contains("PRIVATE KEY")
}

/// Where `login` writes for `bao`: the one place for a token in clear.
fn token_file(home: &Home) -> PathBuf {
    home.folder().join(".vault-token")
}

#[test]
fn a_token_is_recognised() {
    let token = format!("s.{}", "a1B2".repeat(6));
    assert!(holds_a_token(format!("token={token}\n").as_bytes()));
    assert!(!holds_a_token(format!("x{token}").as_bytes()));
    assert!(!holds_a_token(format!("{token}x").as_bytes()));
}
