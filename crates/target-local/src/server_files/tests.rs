use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use jiff::Timestamp;
use vaultyard_model::ClusterName;

use super::*;
use crate::StateDirectory;

fn server(ordinal: u8) -> ServerName {
    ClusterName::new("vault").unwrap().server(ordinal)
}

fn folder(root: &Path) -> ServerFolder {
    let name = ClusterName::new("vault").unwrap();
    let (state, _lock) = StateDirectory::take(root, &name, "0.1.0", Timestamp::UNIX_EPOCH).unwrap();
    let folder = state.paths().server(&server(0));
    make_folders(&folder).unwrap();
    write_certificates(
        &folder,
        &Certificates {
            certificate: "leaf",
            key: &Secret::from("key".to_owned()),
            authority: "ca",
        },
    )
    .unwrap();
    folder
}

fn refused(folder: &ServerFolder) -> String {
    vaultyard_model::chain(&check(folder, &server(0)).unwrap_err())
}

#[test]
fn new_data_is_marked_and_found_again() {
    let root = tempfile::tempdir().unwrap();
    let folder = folder(root.path());
    check(&folder, &server(0)).unwrap();
    std::fs::write(folder.data().join("vault.db"), "").unwrap();
    check(&folder, &server(0)).unwrap();
    let mode = |path: PathBuf| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(folder.key()), 0o600);
    assert_eq!(mode(folder.audit()), 0o600);
    assert_eq!(mode(folder.data()), 0o700);
}

#[test]
fn data_of_another_server_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let folder = folder(root.path());
    check(&folder, &server(0)).unwrap();
    std::fs::write(folder.data_owner(), "vault-2\n").unwrap();
    assert!(refused(&folder).contains("belongs to vault-2, not to vault-0"));
}

#[test]
fn data_of_unknown_origin_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let folder = folder(root.path());
    std::fs::create_dir(folder.data()).unwrap();
    std::fs::write(folder.data().join("vault.db"), "").unwrap();
    assert!(refused(&folder).contains("an unknown server"));
}

#[test]
fn data_without_its_database_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let folder = folder(root.path());
    check(&folder, &server(0)).unwrap();
    std::fs::create_dir(folder.data().join("raft")).unwrap();
    assert!(refused(&folder).contains("incomplete"));
}

#[test]
fn an_audit_file_that_cannot_be_opened_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let folder = folder(root.path());
    std::fs::create_dir(folder.audit()).unwrap();
    assert!(refused(&folder).contains("cannot open the audit file"));
}

#[test]
fn a_missing_key_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let folder = folder(root.path());
    std::fs::remove_file(folder.key()).unwrap();
    assert!(refused(&folder).contains("tls.key is missing"));
}

#[test]
fn removing_data_leaves_the_unsealers_records() {
    let root = tempfile::tempdir().unwrap();
    let folder = folder(root.path());
    check(&folder, &server(0)).unwrap();
    std::fs::write(folder.unsealer().join("intent.json"), "{}").unwrap();
    std::fs::create_dir(folder.removed_data()).unwrap();
    remove_data(&folder).unwrap();
    remove_data(&folder).unwrap();
    assert!(!folder.data().exists() && !folder.removed_data().exists());
    assert!(folder.unsealer().join("intent.json").exists());
}
