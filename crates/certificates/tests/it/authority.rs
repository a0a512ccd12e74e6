use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use vaultyard_certificates::authority::{AuthorityError, IssueError};
use vaultyard_certificates::{Certificate, Usage};

use crate::scene::{Scene, wanted};

const FILES: [&str; 6] =
    ["clients.crt", "clients.key", "root.crt", "root.key", "servers.crt", "servers.key"];

fn contents(scene: &Scene) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = fs::read_dir(scene.path("ca")).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

/// Opens a folder that something was done to, and demands that nothing in it changes.
fn refused(damage: impl FnOnce(&Scene)) -> AuthorityError {
    let scene = Scene::new();
    scene.authority();
    damage(&scene);
    let before = contents(&scene);
    let error = scene.open().err().unwrap();
    assert_eq!(contents(&scene), before);
    assert!(error.to_string().contains("restore the folder"), "{error}");
    error
}

#[test]
fn the_files_are_private_and_a_second_opening_changes_nothing() {
    let scene = Scene::new();
    scene.authority();
    let first = contents(&scene);
    let names: Vec<_> = first.keys().map(|path| path.file_name().unwrap().to_owned()).collect();
    assert_eq!(names, FILES);
    for path in first.keys() {
        let mode = fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let key = path.extension().is_some_and(|ending| ending == "key");
        assert_eq!(mode, if key { 0o600 } else { 0o644 }, "{}", path.display());
    }
    let mode = fs::metadata(scene.path("ca")).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o700);
    scene.authority();
    assert_eq!(contents(&scene), first);
}

#[test]
fn each_authority_signs_for_one_usage() {
    let scene = Scene::new();
    let authority = scene.authority();
    let [root, servers, clients] = authority.certificates();
    assert_eq!(root.issuer, root.subject);
    assert_eq!(root.usages, [""; 0]);
    assert_eq!(servers.issuer, root.subject);
    assert_eq!(servers.usages, ["serverAuth"]);
    assert_eq!(clients.issuer, root.subject);
    assert_eq!(clients.usages, ["clientAuth"]);
    assert_eq!(servers.serial.len(), 32);
    assert!(root.is_ca && servers.is_ca && clients.is_ca);
    let years = |certificate: &Certificate| {
        certificate.not_after.duration_since(certificate.not_before).as_hours() / (24 * 365)
    };
    assert_eq!((years(root), years(servers), years(clients)), (10, 5, 5));
}

#[test]
fn a_certificate_lost_in_a_crash_is_made_for_the_key_that_is_there() {
    for lost in ["root.crt", "servers.crt", "clients.crt"] {
        let scene = Scene::new();
        scene.authority();
        let key = || {
            let file = scene.path("ca").join(lost).with_extension("key");
            fs::read(file).unwrap()
        };
        let before = key();
        fs::remove_file(scene.path("ca").join(lost)).unwrap();
        if lost == "root.crt" {
            for later in ["servers.crt", "servers.key", "clients.crt", "clients.key"] {
                fs::remove_file(scene.path("ca").join(later)).unwrap();
            }
        }
        scene.authority();
        assert_eq!(key(), before);
    }
}

#[test]
fn a_key_that_is_gone_is_named() {
    let error = refused(|scene| fs::remove_file(scene.path("ca/clients.key")).unwrap());
    assert!(matches!(&error, AuthorityError::KeyMissing { key, .. }
        if key.to_string().ends_with("/ca/clients.key")));
}

#[test]
fn a_damaged_file_is_named() {
    for name in FILES {
        for content in
            ["", "no PEM", "-----BEGIN CERTIFICATE-----\naGk=\n-----END CERTIFICATE-----"]
        {
            let error = refused(|scene| fs::write(scene.path("ca").join(name), content).unwrap());
            assert!(
                matches!(&error, AuthorityError::Damaged { file, .. }
                if file.name() == name),
                "{name}: {error}"
            );
        }
    }
}

#[test]
fn a_key_of_another_certificate_is_named() {
    let error = refused(|scene| {
        fs::copy(scene.path("ca/clients.key"), scene.path("ca/servers.key")).unwrap();
    });
    assert!(matches!(&error, AuthorityError::KeyMismatch { key, .. }
        if key.to_string().ends_with("/ca/servers.key")));
}

#[test]
fn a_leaf_is_no_authority() {
    let error = refused(|scene| {
        let (leaf, _) = scene.ensure("vault-0", &wanted(Usage::Server));
        fs::copy(leaf.certificate_file(), scene.path("ca/servers.crt")).unwrap();
        fs::copy(leaf.key_file(), scene.path("ca/servers.key")).unwrap();
    });
    assert!(error.to_string().contains("is not the certificate of an authority"), "{error}");
}

#[test]
fn an_authority_below_another_root_is_named() {
    let other = Scene::new();
    other.authority();
    let error = refused(|scene| {
        for name in ["ca/servers.crt", "ca/servers.key"] {
            fs::copy(other.path(name), scene.path(name)).unwrap();
        }
    });
    assert!(matches!(&error, AuthorityError::ForeignIssuer { file, .. }
        if file.to_string().ends_with("/ca/servers.crt")));
}

#[test]
fn a_lost_root_is_not_replaced_by_a_second_one() {
    let error = refused(|scene| {
        fs::remove_file(scene.path("ca/root.crt")).unwrap();
        fs::remove_file(scene.path("ca/root.key")).unwrap();
    });
    assert!(matches!(error, AuthorityError::RootMissing { .. }));
}

#[test]
fn an_authority_outside_its_validity_issues_nothing() {
    let scene = Scene::new();
    let authority = scene.authority();
    for now in [scene.after(-1), scene.after(6 * 366)] {
        let issued = authority.issue(&wanted(Usage::Server), &scene.random, now);
        assert!(matches!(issued, Err(IssueError::NotValid { .. })));
    }
}

#[test]
fn no_leaf_outlives_its_issuer() {
    let scene = Scene::new();
    let authority = scene.authority();
    let now = scene.after(5 * 365);
    let issued = authority.issue(&wanted(Usage::Server), &scene.random, now).unwrap();
    let leaf = Certificate::from_pem(issued.chain.as_bytes()).unwrap();
    assert_eq!(leaf.not_after, authority.certificates()[1].not_after);
}

/// Runs `openssl verify` over a leaf; whether it was accepted, and what was said.
fn openssl_verify(scene: &Scene, folder: &str, ca: &str, options: &[&str]) -> (bool, String) {
    let output = Command::new("openssl")
        .args(["verify", "-x509_strict", "-policy_check", "-CAfile"])
        .arg(scene.path("ca/root.crt"))
        .arg("-untrusted")
        .arg(scene.path("ca").join(ca))
        .args(options)
        .arg(scene.path(folder).join("tls.crt"))
        .output()
        .expect("openssl is missing; install it with: apt-get install openssl");
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn openssl_accepts_the_chains_for_what_they_are_good_for_and_nothing_else() {
    let scene = Scene::new();
    scene.ensure("server", &wanted(Usage::Server));
    scene.ensure("client", &wanted(Usage::Client));
    let server = |options: &[&str]| openssl_verify(&scene, "server", "servers.crt", options);
    let client = |options: &[&str]| openssl_verify(&scene, "client", "clients.crt", options);
    for (accepted, said) in [
        server(&["-purpose", "sslserver", "-verify_hostname", "vault-0.vault.test"]),
        server(&["-purpose", "sslserver", "-verify_ip", "127.0.0.1"]),
        client(&["-purpose", "sslclient"]),
    ] {
        assert!(accepted, "{said}");
    }
    for (accepted, said) in [
        server(&["-purpose", "sslclient"]),
        server(&["-purpose", "sslserver", "-verify_hostname", "vault-1.vault.test"]),
        client(&["-purpose", "sslserver"]),
        openssl_verify(&scene, "server", "clients.crt", &["-purpose", "sslserver"]),
    ] {
        assert!(!accepted, "{said}");
    }
}
