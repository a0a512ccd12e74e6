//! A key encryption in a token of SoftHSM, which is a hardware security module without hardware.

#![allow(clippy::unwrap_used)] // A test may end where it does not find what it expects.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::Attribute;
use cryptoki::session::UserType;
use cryptoki::types::AuthPin;
use vaultyard_keys::encryption::pkcs11::{Pkcs11Encryption, Place};
use vaultyard_model::Secret;
use vaultyard_model::cluster::Label;
use vaultyard_model::port::custody::{CustodyError, KeyEncryption};
use vaultyard_testkit::contract;
use vaultyard_testkit::fixed::SeededRandom;

const MODULE: &str = "/usr/lib/softhsm/libsofthsm2.so";
const CONFIGURATION: &str = "SOFTHSM2_CONF";
const PIN: &str = "5678";

/// Runs a test in a process of its own with a token of its own: the library finds its tokens through
/// the environment, and reads it once.
fn with_token(test: &str, body: impl FnOnce(&Path)) {
    if let Some(configuration) = std::env::var_os(CONFIGURATION) {
        return body(Path::new(&configuration).parent().unwrap());
    }
    assert!(Path::new(MODULE).exists(), "{MODULE} is missing: run `cargo xtask parts`");
    let folder = tempfile::tempdir().unwrap();
    let (configuration, tokens) =
        (folder.path().join("softhsm2.conf"), folder.path().join("tokens"));
    fs::create_dir(&tokens).unwrap();
    fs::write(&configuration, format!("directories.tokendir = {}\n", tokens.display())).unwrap();
    let made = Command::new("softhsm2-util")
        .args(["--init-token", "--free", "--label", "vault", "--so-pin", "1234", "--pin", PIN])
        .env(CONFIGURATION, &configuration)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let again = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(CONFIGURATION, &configuration)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&again.stdout).into_owned();
    assert!(again.status.success(), "{said}{}", String::from_utf8_lossy(&again.stderr));
    assert!(said.contains("1 passed"), "{test} was not run: {said}");
}

/// Makes AES keys in the token.
fn make_keys(keys: &[(&str, u8)]) {
    let library = Pkcs11::new(MODULE).unwrap();
    library.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)).unwrap();
    let slot = library.get_slots_with_initialized_token().unwrap()[0];
    let session = library.open_rw_session(slot).unwrap();
    session.login(UserType::User, Some(&AuthPin::from(PIN))).unwrap();
    for (label, id) in keys {
        let attributes = [
            Attribute::Token(true),
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
            Attribute::Encrypt(true),
            Attribute::Decrypt(true),
            Attribute::ValueLen(32.into()),
            Attribute::Label(label.as_bytes().to_vec()),
            Attribute::Id(vec![*id]),
        ];
        session.generate_key(&Mechanism::AesKeyGen, &attributes).unwrap();
    }
}

fn pin_file(folder: &Path, pin: &str) -> PathBuf {
    let path = folder.join("pin");
    fs::write(&path, format!("{pin}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path
}

fn encryption(folder: &Path, token: &str, key: &str) -> Pkcs11Encryption {
    let place = Place {
        module: MODULE.into(),
        token: Label::new(token).unwrap(),
        key: Label::new(key).unwrap(),
        pin_file: folder.join("pin"),
    };
    Pkcs11Encryption::new(place, Arc::new(SeededRandom::new(5))).unwrap()
}

fn run(work: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work);
}

async fn wrap(encryption: &Pkcs11Encryption) -> Result<(), CustodyError> {
    encryption.wrap_key(&Secret::new(vec![7; 32]), b"c").await.map(drop)
}

#[test]
fn a_key_of_a_token_keeps_the_contract_of_a_key_encryption() {
    with_token("a_key_of_a_token_keeps_the_contract_of_a_key_encryption", |folder| {
        make_keys(&[("unseal", 1), ("other", 2)]);
        pin_file(folder, PIN);
        run(contract::key_encryption(&encryption(folder, "vault", "unseal")));
    });
}

/// Gives the token's user another PIN, as the token's officer.
fn change_pin(pin: &str) {
    let library = Pkcs11::new(MODULE).unwrap();
    let slot = library.get_slots_with_initialized_token().unwrap()[0];
    let session = library.open_rw_session(slot).unwrap();
    session.login(UserType::So, Some(&AuthPin::from("1234"))).unwrap();
    session.init_pin(&AuthPin::from(pin)).unwrap();
}

#[test]
fn a_refused_pin_is_not_shown_to_the_token_again() {
    with_token("a_refused_pin_is_not_shown_to_the_token_again", |folder| {
        make_keys(&[("unseal", 1)]);
        pin_file(folder, "0000");
        let patient = encryption(folder, "vault", "unseal");
        run(async {
            let Err(CustodyError::Fatal(text)) = wrap(&patient).await else { panic!() };
            assert!(text.contains("refuses the PIN") && !text.contains("0000"), "{text}");
            change_pin("0000");
            assert!(wrap(&patient).await.is_err(), "it would be right now, and is not tried");
            assert_eq!(wrap(&encryption(folder, "vault", "unseal")).await, Ok(()));
            change_pin(PIN);
            pin_file(folder, PIN);
            assert_eq!(wrap(&patient).await, Ok(()), "another PIN is tried");
        });
    });
}

#[test]
fn a_token_or_key_that_is_not_there_is_said() {
    with_token("a_token_or_key_that_is_not_there_is_said", |folder| {
        make_keys(&[("unseal", 1), ("twice", 2), ("twice", 3)]);
        pin_file(folder, PIN);
        run(async {
            let absent = wrap(&encryption(folder, "no-such-token", "unseal")).await.unwrap_err();
            assert!(absent.is_retryable(), "a module can be plugged in: {absent}");
            for (key, said) in [("no-such-key", "shows 0 AES keys"), ("twice", "shows 2 AES keys")]
            {
                let Err(CustodyError::Fatal(text)) = wrap(&encryption(folder, "vault", key)).await
                else {
                    panic!("{key}")
                };
                assert!(text.contains(said), "{text}");
            }
        });
    });
}

#[test]
fn a_library_that_is_none_is_said() {
    let place = Place {
        module: "/etc/hostname".into(),
        token: Label::new("vault").unwrap(),
        key: Label::new("unseal").unwrap(),
        pin_file: "/nowhere".into(),
    };
    let error = Pkcs11Encryption::new(place, Arc::new(SeededRandom::new(5))).err().unwrap();
    assert!(error.to_string().contains("/etc/hostname cannot be loaded"), "{error}");
}
