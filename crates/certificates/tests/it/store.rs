//! What both kinds of store do alike, and the authority in entries.

use std::collections::BTreeMap;

use vaultyard_certificates::authority::AuthorityError;
use vaultyard_certificates::store::Access;
use vaultyard_certificates::{Authority, Entries, Folder, PemStore};
use vaultyard_model::ClusterName;

use crate::scene::Scene;

const TITLE: &str = "Secret vault-authority in the namespace vault-operations";

fn open(scene: &Scene, entries: &mut Entries) -> Result<Authority, AuthorityError> {
    let cluster = ClusterName::new("vault").unwrap();
    Authority::open(entries, &cluster, &scene.random, scene.now)
}

fn filled(scene: &Scene) -> Entries {
    let mut entries = Entries::new(TITLE, BTreeMap::new());
    open(scene, &mut entries).unwrap();
    assert!(entries.changed());
    Entries::new(TITLE, entries.into_data())
}

fn keeps_the_contract(store: &mut dyn PemStore) {
    let text = |store: &dyn PemStore, name: &str| {
        store.read(name).unwrap().map(|bytes| String::from_utf8(bytes.to_vec()).unwrap())
    };
    store.prepare().unwrap();
    store.prepare().unwrap();
    assert_eq!(text(store, "a.crt"), None);
    store.write("a.crt", b"one", Access::Public).unwrap();
    store.write("a.crt", b"two", Access::Public).unwrap();
    assert_eq!(text(store, "a.crt").as_deref(), Some("two"));
    store.write_pair(("a.key", b"key"), ("a.crt", b"three")).unwrap();
    assert_eq!(text(store, "a.key").as_deref(), Some("key"));
    assert_eq!(text(store, "a.crt").as_deref(), Some("three"));
    assert_eq!(store.location("a.crt").name(), "a.crt");
    assert!(store.location("a.crt").to_string().contains("a.crt"));
}

#[test]
fn a_folder_and_entries_keep_the_same_contract() {
    let scene = Scene::new();
    keeps_the_contract(&mut Folder::new(scene.path("store")));
    keeps_the_contract(&mut Entries::new(TITLE, BTreeMap::new()));
}

#[test]
fn an_authority_in_entries_is_made_once_and_then_the_same() {
    let scene = Scene::new();
    let mut entries = filled(&scene);
    let names: Vec<_> = entries.data().keys().map(String::as_str).collect();
    let expected =
        ["clients.crt", "clients.key", "root.crt", "root.key", "servers.crt", "servers.key"];
    assert_eq!(names, expected);
    let authority = open(&scene, &mut entries).unwrap();
    assert!(!entries.changed());
    assert_eq!(authority.root_pem().as_bytes(), entries.data()["root.crt"].as_slice());
}

#[test]
fn what_is_wrong_in_entries_is_named_with_their_holder_and_nothing_is_changed() {
    let scene = Scene::new();
    let refused = |damage: fn(&mut BTreeMap<String, zeroize::Zeroizing<Vec<u8>>>)| {
        let mut data = filled(&scene).into_data();
        damage(&mut data);
        let mut entries = Entries::new(TITLE, data);
        let error = open(&scene, &mut entries).err().unwrap();
        assert!(!entries.changed());
        let said = error.to_string();
        assert!(said.contains(&format!("restore the {TITLE} from a backup, or save")), "{said}");
        error
    };
    let error = refused(|data| drop(data.remove("clients.key")));
    assert!(error.to_string().starts_with(&format!("clients.key of the {TITLE} is missing")));
    let error = refused(|data| data.retain(|name, _| !name.starts_with("root")));
    assert!(matches!(error, AuthorityError::RootMissing { .. }), "{error}");
    let error = refused(|data| drop(data.insert("servers.crt".to_owned(), b"x".to_vec().into())));
    assert!(matches!(error, AuthorityError::Damaged { .. }), "{error}");
}
