//! Folders that cannot serve as state directory: each is refused by what is wrong with it, and left
//! as it was.

use std::fs;
use std::time::Duration;

use vaultyard_e2e::{Home, contents};

/// `up` on a state folder that holds this file is refused, and says each of `words`.
#[track_caller]
fn refuses(file: &str, text: &str, words: &[&str]) {
    let home = Home::new();
    fs::create_dir(home.state()).unwrap();
    fs::write(home.state().join(file), text).unwrap();
    let before = contents(&home.state());

    let mut up = home.up(&[]);
    let code = up.wait(Duration::from_secs(10)).code();
    let said = up.said();
    assert_eq!(code, Some(2), "{said}");
    for word in words.iter().chain(&[home.state().display().to_string().as_str()]) {
        assert!(said.contains(word), "{word:?} is missing:\n{said}");
    }
    assert_eq!(contents(&home.state()), before, "something was changed");
    assert!(home.processes().servers().is_empty());
}

#[test]
fn one_with_something_else_in_it() {
    refuses("letter.txt", "dear", &["letter.txt"]);
}

#[test]
fn one_of_a_newer_vaultyard() {
    refuses("state.json", r#"{"format": 99, "vaultyard": "7.0.0"}"#, &["7.0.0", "99"]);
}

#[test]
fn one_whose_record_is_damaged() {
    refuses("state.json", r#"{"format": 1, "clus"#, &["state.json", "damaged"]);
}

#[test]
fn one_of_another_cluster() {
    let record = r#"{"format": 1, "cluster": "other", "created": "2026-01-01T00:00:00Z",
                     "vaultyard": "0.1.0"}"#;
    refuses("state.json", record, &["other", "vault"]);
}

#[test]
fn places_where_nothing_can_be_written() {
    let home = Home::new();
    let file = home.write("file", "").display().to_string();
    for place in [format!("{file}/state"), file, "/proc/vaultyard-state".to_owned()] {
        let mut up = home.up(&["--state", &place]);
        let code = up.wait(Duration::from_secs(10)).code();
        assert_eq!(code, Some(2), "{place}: {}", up.said());
        assert!(up.said().contains(&place), "{place}: {}", up.said());
        assert!(!up.said().contains("panicked"), "{}", up.said());
    }
}
