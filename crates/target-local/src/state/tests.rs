use std::os::unix::ffi::OsStrExt;

use super::*;

fn cluster() -> ClusterName {
    ClusterName::new("vault").unwrap()
}

fn take(folder: &Path) -> Result<(StateDirectory, Lock), StateError> {
    StateDirectory::take(folder, &cluster(), "0.1.0", Timestamp::UNIX_EPOCH)
}

fn refused(folder: &Path) -> String {
    let Err(error) = take(folder) else { panic!("{} was taken", folder.display()) };
    vaultyard_model::chain(&error)
}

#[test]
fn a_new_folder_is_made_for_its_owner_alone_and_found_again() {
    let above = tempfile::tempdir().unwrap();
    let folder = above.path().join("näme with spaces/state");
    let (state, lock) = take(&folder).unwrap();
    state.keep_first_address(Ipv4Addr::new(127, 9, 9, 1)).unwrap();
    state.keep_document("kind: VaultCluster\n").unwrap();
    assert_eq!(std::fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
    drop(lock);
    let state = StateDirectory::open(&folder).unwrap();
    assert_eq!(state.cluster(), &cluster());
    assert_eq!(state.created(), Timestamp::UNIX_EPOCH);
    assert_eq!(state.first_address().unwrap(), Some(Ipv4Addr::new(127, 9, 9, 1)));
    assert_eq!(state.document().unwrap().unwrap(), "kind: VaultCluster\n");
}

#[test]
fn a_second_taker_is_refused_with_the_process_id_of_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let _first = take(folder.path()).unwrap();
    assert!(refused(folder.path()).contains(&format!("process {}", std::process::id())));
}

#[test]
fn a_foreign_folder_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("letter.txt"), "dear").unwrap();
    std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    assert!(refused(folder.path()).contains("letter.txt"));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    assert_eq!(std::fs::metadata(folder.path()).unwrap().permissions().mode() & 0o777, 0o755);
    assert!(matches!(StateDirectory::open(folder.path()), Err(StateError::Foreign { .. })));
}

#[test]
fn what_a_killed_first_start_leaves_is_not_foreign() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("lock"), "1\n").unwrap();
    std::fs::write(folder.path().join(".state.json.Ab1cD2.new"), "{").unwrap();
    take(folder.path()).unwrap();
}

#[test]
fn the_state_of_a_newer_vaultyard_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let record = r#"{"format": 2, "vaultyard": "9.0.0", "anything": "else"}"#;
    std::fs::write(folder.path().join("state.json"), record).unwrap();
    let why = refused(folder.path());
    assert!(why.contains("9.0.0") && why.contains("format 2"), "{why}");
}

#[test]
fn a_damaged_record_is_named() {
    let folder = tempfile::tempdir().unwrap();
    for damaged in ["{\"form", "", "{\"format\": 1}"] {
        std::fs::write(folder.path().join("state.json"), damaged).unwrap();
        let why = refused(folder.path());
        assert!(why.contains("state.json is damaged"), "{why}");
    }
}

#[test]
fn the_state_of_another_cluster_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let other = ClusterName::new("other").unwrap();
    drop(StateDirectory::take(folder.path(), &other, "0.1.0", Timestamp::UNIX_EPOCH).unwrap());
    assert!(refused(folder.path()).contains("holds the cluster \"other\""));
}

#[test]
fn a_path_that_no_socket_can_have_is_refused() {
    let above = tempfile::tempdir().unwrap();
    let folder = above.path().join("x".repeat(100));
    assert!(refused(&folder).contains("bytes shorter"));
    assert!(!folder.exists());
}

#[test]
fn a_path_that_is_not_text_is_refused() {
    let folder = Path::new("/tmp").join(std::ffi::OsStr::from_bytes(b"\xff"));
    assert!(refused(&folder).contains("not UTF-8"));
}

#[test]
fn a_file_in_the_place_of_the_folder_is_refused() {
    let above = tempfile::tempdir().unwrap();
    let file = above.path().join("state");
    std::fs::write(&file, "").unwrap();
    assert!(refused(&file).contains("cannot use"));
    assert!(refused(&file.join("below")).contains("cannot use"));
}

#[test]
fn a_linked_folder_is_the_folder() {
    let above = tempfile::tempdir().unwrap();
    let (folder, link) = (above.path().join("state"), above.path().join("link"));
    std::fs::create_dir(&folder).unwrap();
    std::os::unix::fs::symlink(&folder, &link).unwrap();
    let _first = take(&link).unwrap();
    assert!(refused(&folder).contains("in use"));
}

#[test]
fn destroying_leaves_what_is_not_ours() {
    let above = tempfile::tempdir().unwrap();
    let folder = above.path().join("state");
    let (state, lock) = take(&folder).unwrap();
    std::fs::create_dir_all(state.paths().server(&cluster().server(0)).data()).unwrap();
    std::fs::write(folder.join("letter.txt"), "dear").unwrap();
    state.destroy(None, lock).unwrap();
    let left: Vec<_> =
        std::fs::read_dir(&folder).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["letter.txt"]);
    std::fs::remove_file(folder.join("letter.txt")).unwrap();
    let (state, lock) = take(&folder).unwrap();
    state.destroy(None, lock).unwrap();
    assert!(!folder.exists());
}

#[test]
fn a_program_that_was_fetched_before_the_first_start_is_not_foreign() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("binaries/2.7.2")).unwrap();
    assert!(matches!(StateDirectory::open(folder.path()), Err(StateError::Missing { .. })));
    take(folder.path()).unwrap();
}

#[test]
fn destroying_removes_what_a_killed_vaultyard_had_half_written() {
    let above = tempfile::tempdir().unwrap();
    let folder = above.path().join("state");
    let (state, lock) = take(&folder).unwrap();
    for name in [".cluster.yaml.Ab1cD2.new", ".last-unsealed.json.Ab1cD2.new"] {
        std::fs::write(folder.join(name), "").unwrap();
    }
    state.destroy(None, lock).unwrap();
    assert!(!folder.exists());
    for foreign in ["cluster.yaml.orig", "cluster.yaml.new", ".letter.Ab1cD2.new"] {
        assert!(!is_half_written(foreign), "{foreign}");
    }
}

#[test]
fn destroying_removes_our_keys_from_a_store_elsewhere_and_nothing_else() {
    let above = tempfile::tempdir().unwrap();
    let (folder, store) = (above.path().join("state"), above.path().join("store"));
    std::fs::create_dir(&store).unwrap();
    for name in [
        "keys-0001.json",
        "intent-0001.json",
        "probe-ab",
        ".keys-0001.json.Ab1cD2.new",
        "letter.txt",
    ] {
        std::fs::write(store.join(name), "").unwrap();
    }
    let (state, lock) = take(&folder).unwrap();
    state.destroy(Some(&store), lock).unwrap();
    let left: Vec<_> = std::fs::read_dir(&store).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["letter.txt"]);
}
