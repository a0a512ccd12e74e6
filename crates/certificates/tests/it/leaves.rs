use std::collections::BTreeMap;
use std::fs;

use jiff::{SignedDuration, Timestamp};
use vaultyard_certificates::leaf::LeafError;
use vaultyard_certificates::leaves::{Content, UpToDate, bring_up_to_date};
use vaultyard_certificates::renew::Reason;
use vaultyard_certificates::{Ensured, Entries, Leaf, Usage};
use zeroize::Zeroizing;

use crate::scene::{Scene, wanted};

type Data = BTreeMap<String, Zeroizing<Vec<u8>>>;

fn content(scene: &Scene, names: &[&str]) -> Content {
    let root = scene.authority().root_pem().to_owned();
    Content {
        leaves: names.iter().map(|name| ((*name).to_owned(), wanted(Usage::Server))).collect(),
        authorities: BTreeMap::from([("ca.crt".to_owned(), root)]),
    }
}

fn attempt(
    scene: &Scene,
    data: Data,
    content: &Content,
    now: Timestamp,
) -> Result<UpToDate, LeafError> {
    let present = Entries::new("Secret vault-server-certificates", data);
    bring_up_to_date(&present, content, &scene.authority(), &scene.random, now)
}

fn run(scene: &Scene, data: Data, content: &Content, now: Timestamp) -> UpToDate {
    attempt(scene, data, content, now).unwrap()
}

fn reasons(done: &UpToDate) -> Vec<(&str, Ensured)> {
    done.leaves.iter().map(|(name, (_, ensured))| (name.as_str(), *ensured)).collect()
}

#[test]
fn leaves_are_issued_once_and_then_nothing_changes() {
    let scene = Scene::new();
    let content = content(&scene, &["a", "b"]);
    let first = run(&scene, Data::new(), &content, scene.now);
    assert!(first.entries.changed());
    let missing = Ensured::Issued(Reason::Missing);
    assert_eq!(reasons(&first), [("a", missing), ("b", missing)]);
    let data = first.entries.into_data();
    assert_eq!(data.keys().collect::<Vec<_>>(), ["a.crt", "a.key", "b.crt", "b.key", "ca.crt"]);
    let second = run(&scene, data.clone(), &content, scene.now);
    assert!(!second.entries.changed());
    assert_eq!(reasons(&second), [("a", Ensured::Kept), ("b", Ensured::Kept)]);
    assert_eq!(second.next, first.next);
    assert!(second.entries.into_data() == data);
}

#[test]
fn only_the_leaf_that_is_no_longer_right_is_issued_anew() {
    let scene = Scene::new();
    let content = content(&scene, &["a", "b"]);
    let mut data = run(&scene, Data::new(), &content, scene.now).entries.into_data();
    let before = data.clone();
    data.insert("b.key".to_owned(), data["a.key"].clone());
    let done = run(&scene, data, &content, scene.now);
    assert_eq!(reasons(&done), [("a", Ensured::Kept), ("b", Ensured::Issued(Reason::Damaged))]);
    let after = done.entries.into_data();
    for name in ["a.crt", "a.key", "ca.crt"] {
        assert!(after[name] == before[name], "{name}");
    }
    assert!(after["b.crt"] != before["b.crt"] && after["b.key"] != before["b.key"]);
}

#[test]
fn entries_that_nobody_asks_for_are_left_out_and_another_root_is_put_right() {
    let scene = Scene::new();
    let two = content(&scene, &["a", "b"]);
    let mut data = run(&scene, Data::new(), &two, scene.now).entries.into_data();
    data.insert("foreign".to_owned(), b"x".to_vec().into());
    data.insert("ca.crt".to_owned(), b"y".to_vec().into());
    let one = content(&scene, &["a"]);
    let done = run(&scene, data, &one, scene.now);
    assert!(done.entries.changed());
    assert_eq!(reasons(&done), [("a", Ensured::Kept)]);
    let data = done.entries.into_data();
    assert_eq!(data.keys().collect::<Vec<_>>(), ["a.crt", "a.key", "ca.crt"]);
    assert_eq!(data["ca.crt"].as_slice(), one.authorities["ca.crt"].as_bytes());
}

#[test]
fn the_first_leaf_that_is_due_says_when_and_is_renewed_then_and_not_before() {
    let scene = Scene::new();
    let mut content = content(&scene, &["long", "short"]);
    content.leaves.get_mut("short").unwrap().lifetime /= 10;
    let done = run(&scene, Data::new(), &content, scene.now);
    let next = done.next.unwrap();
    assert!(next > scene.after(1) && next < scene.after(2));
    let data = done.entries.into_data();
    let early = run(&scene, data.clone(), &content, next - SignedDuration::from_secs(1));
    assert!(!early.entries.changed());
    let due = run(&scene, data, &content, next);
    assert_eq!(reasons(&due), [("long", Ensured::Kept), ("short", Ensured::Issued(Reason::Age))]);
    assert!(due.next > Some(next));
}

#[test]
fn without_a_leaf_nothing_is_ever_due() {
    let scene = Scene::new();
    assert_eq!(run(&scene, Data::new(), &content(&scene, &[]), scene.now).next, None);
}

#[test]
fn an_authority_that_has_expired_is_an_error() {
    let scene = Scene::new();
    let done = attempt(&scene, Data::new(), &content(&scene, &["a"]), scene.after(6 * 366));
    assert!(matches!(done, Err(LeafError::Issue(_))));
}

#[test]
fn entries_that_were_mounted_as_files_are_read_by_their_names() {
    let scene = Scene::new();
    let content = content(&scene, &["vault-0", "vault-1"]);
    let done = run(&scene, Data::new(), &content, scene.now);
    let folder = scene.path("mounted");
    fs::create_dir(&folder).unwrap();
    for (name, text) in done.entries.data() {
        fs::write(folder.join(name), text.as_slice()).unwrap();
    }
    let leaf = Leaf::load_named(&folder, "vault-1").unwrap();
    assert_eq!(leaf.certificate, done.leaves["vault-1"].0);
    assert_eq!(leaf.key_file(), folder.join("vault-1.key"));
    leaf.pair().unwrap();
    let error = Leaf::load_named(&folder, "vault-2").unwrap_err();
    assert!(error.to_string().ends_with("/mounted/vault-2.crt or its key is missing"), "{error}");
}
