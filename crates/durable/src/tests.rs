use super::*;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn a_file_is_replaced_with_its_mode_and_nothing_is_left_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tls.key");
    replace(&path, b"one", PUBLIC).unwrap();
    assert_eq!(mode(&path), PUBLIC);
    replace(&path, b"two", PRIVATE).unwrap();
    assert_eq!(read(&path).unwrap().unwrap(), b"two");
    assert_eq!(mode(&path), PRIVATE);
    assert_eq!(names(folder.path()), ["tls.key"]);
}

#[test]
fn a_file_that_is_there_is_never_created_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys-1");
    assert!(create(&path, b"first").unwrap());
    assert!(!create(&path, b"second").unwrap());
    assert_eq!(read(&path).unwrap().unwrap(), b"first");
    assert_eq!(mode(&path), PRIVATE);
    assert_eq!(names(folder.path()), ["keys-1"]);
}

#[test]
fn when_one_of_two_cannot_be_written_the_other_stays_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (folder.path().join("tls.key"), folder.path().join("gone/tls.crt"));
    replace(&first, b"old", PRIVATE).unwrap();
    let both: [(&Path, &[u8], u32); 2] = [(&first, b"new", PRIVATE), (&second, b"new", PUBLIC)];
    let error = replace_together(&both).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("gone"), "{error}");
    assert_eq!(read(&first).unwrap().unwrap(), b"old");
    assert_eq!(names(folder.path()), ["tls.key"]);
}

#[test]
fn folders_are_made_private_one_below_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a/b");
    make_private_folder(&path).unwrap();
    make_private_folder(&path).unwrap();
    assert_eq!((mode(&path), mode(&folder.path().join("a"))), (0o700, 0o700));
    fs::write(folder.path().join("file"), "").unwrap();
    assert!(make_private_folder(&folder.path().join("file")).is_err());
}

#[test]
fn what_is_not_there_is_no_error_unless_its_folder_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    assert_eq!(read(&path).unwrap(), None);
    assert_eq!(read_from_standing_folder(&path).unwrap(), None);
    remove(&path).unwrap();
    let lost = folder.path().join("gone/file");
    assert_eq!(read(&lost).unwrap(), None);
    assert!(read_from_standing_folder(&lost).is_err());
}

#[test]
fn what_a_killed_writer_leaves_is_known_by_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let left = stage(&folder.path().join("state.json"), b"{", PRIVATE).unwrap().keep().unwrap().1;
    let name = left.file_name().unwrap().to_str().unwrap();
    assert!(is_temporary_of("state.json", name), "{name}");
    for other in ["state.json", "state.json.new", ".state.json", ".cluster.yaml.x.new"] {
        assert!(!is_temporary_of("state.json", other), "{other}");
    }
}
