use std::fs;
use std::os::unix::fs::PermissionsExt;

use vaultyard_certificates::leaf::LeafError;
use vaultyard_certificates::renew::Reason;
use vaultyard_certificates::{Certificate, Ensured, Leaf, Usage};

use crate::scene::{Scene, wanted};

#[test]
fn a_leaf_is_issued_once_and_kept() {
    let scene = Scene::new();
    let (first, ensured) = scene.ensure("vault-0", &wanted(Usage::Server));
    assert_eq!(ensured, Ensured::Issued(Reason::Missing));
    let (second, ensured) = scene.ensure("vault-0", &wanted(Usage::Server));
    assert_eq!(ensured, Ensured::Kept);
    assert_eq!(first, second);
    assert_eq!(Leaf::load(&scene.path("vault-0")).unwrap(), first);
    assert_eq!(first.certificate.usages, ["serverAuth"]);
    assert_eq!(first.certificate.sans, wanted(Usage::Server).sans());
    assert!(!first.certificate.is_ca);
}

#[test]
fn a_name_that_is_wanted_twice_is_no_reason_for_another_leaf() {
    let scene = Scene::new();
    let mut wanted = wanted(Usage::Server);
    wanted.dns_names.extend(wanted.dns_names.clone());
    wanted.addresses.extend(wanted.addresses.clone());
    scene.ensure("vault-0", &wanted);
    assert_eq!(scene.ensure("vault-0", &wanted).1, Ensured::Kept);
}

#[test]
fn the_key_is_for_its_owner_alone_and_the_chain_leads_to_the_root() {
    let scene = Scene::new();
    let (leaf, _) = scene.ensure("vault-0", &wanted(Usage::Client));
    let key = fs::metadata(leaf.key_file()).unwrap();
    assert_eq!(key.permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(scene.path("vault-0")).unwrap().count(), 2);
    let pem = fs::read_to_string(leaf.key_file()).unwrap();
    assert!(pem.starts_with("-----BEGIN PRIVATE KEY-----"));
    let pair = leaf.pair().unwrap();
    let [_, issuer] = pair.chain.as_slice() else { panic!("leaf, then issuer") };
    let clients = Certificate::from_der(issuer).unwrap();
    assert_eq!(&clients, scene.authority().certificates()[2]);
}

#[test]
fn it_is_renewed_at_two_thirds_of_its_lifetime_with_another_serial_and_key() {
    let scene = Scene::new();
    let (old, _) = scene.ensure("vault-0", &wanted(Usage::Server));
    let ensure_after = |days| scene.ensure_at("vault-0", &wanted(Usage::Server), scene.after(days));
    assert_eq!(ensure_after(19).unwrap().1, Ensured::Kept);
    let key = fs::read(old.key_file()).unwrap();
    let (new, ensured) = ensure_after(20).unwrap();
    assert_eq!(ensured, Ensured::Issued(Reason::Age));
    assert_ne!(new.certificate.serial, old.certificate.serial);
    assert_ne!(fs::read(new.key_file()).unwrap(), key);
    assert!(new.renewal() > scene.after(39));
}

#[test]
fn it_is_issued_anew_when_the_files_do_not_fit_each_other() {
    let scene = Scene::new();
    scene.ensure("one", &wanted(Usage::Server));
    scene.ensure("two", &wanted(Usage::Server));
    fs::copy(scene.path("two/tls.key"), scene.path("one/tls.key")).unwrap();
    let (_, ensured) = scene.ensure("one", &wanted(Usage::Server));
    assert_eq!(ensured, Ensured::Issued(Reason::Damaged));
    fs::write(scene.path("one/tls.crt"), "half a certific").unwrap();
    let (_, ensured) = scene.ensure("one", &wanted(Usage::Server));
    assert_eq!(ensured, Ensured::Issued(Reason::Damaged));
    fs::remove_file(scene.path("one/tls.key")).unwrap();
    let (_, ensured) = scene.ensure("one", &wanted(Usage::Server));
    assert_eq!(ensured, Ensured::Issued(Reason::Missing));
}

#[test]
fn it_is_issued_anew_when_another_authority_issued_it() {
    let (scene, other) = (Scene::new(), Scene::new());
    other.authority();
    other.ensure("vault-0", &wanted(Usage::Server));
    let folder = other.path("vault-0");
    let ensured =
        Leaf::ensure(&folder, &wanted(Usage::Server), &scene.authority(), &scene.random, scene.now);
    assert_eq!(ensured.unwrap().1, Ensured::Issued(Reason::Issuer));
}

#[test]
fn when_none_can_be_issued_the_old_one_stays() {
    let scene = Scene::new();
    let (old, _) = scene.ensure("vault-0", &wanted(Usage::Server));
    let failed = scene.ensure_at("vault-0", &wanted(Usage::Server), scene.after(6 * 366));
    assert!(matches!(failed, Err(LeafError::Issue(_))));
    assert_eq!(Leaf::load(&scene.path("vault-0")).unwrap(), old);
}

#[test]
fn there_is_none_in_an_empty_folder() {
    let scene = Scene::new();
    assert!(matches!(Leaf::load(&scene.path("nowhere")), Err(LeafError::None { .. })));
}
