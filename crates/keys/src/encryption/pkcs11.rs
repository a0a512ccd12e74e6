//! A key encryption that is an AES key in a hardware security module.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use aws_lc_rs::digest::{SHA256, digest};
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::aead::GcmParams;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::AuthPin;
use tokio::task::spawn_blocking;
use vaultyard_model::Secret;
use vaultyard_model::cluster::Label;
use vaultyard_model::port::clock::Random;
use vaultyard_model::port::custody::{Custody, CustodyError, KeyEncryption, WrappedKey};

use super::file::read_private;
use crate::text::hex;

/// What AES-GCM is meant to be used with, in bytes and bits.
const NONCE: usize = 12;
const TAG_BITS: u64 = 128;

/// Where a key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The library that speaks to the module.
    pub module: PathBuf,
    /// The label of the token.
    pub token: Label,
    /// The label of the key.
    pub key: Label,
    /// The file with the PIN of the token's user. It is read for each use.
    pub pin_file: PathBuf,
}

/// Encrypts data keys in a module.
pub struct Pkcs11Encryption {
    module: Arc<Module>,
    random: Arc<dyn Random>,
}

struct Module {
    place: Place,
    library: Pkcs11,
    /// One call at a time: a module has one login for the whole program. Kept with it is a digest of
    /// the PIN that the module refused, which is never shown to it again: the third wrong one in a row
    /// locks a token.
    refused_pin: Mutex<Option<Vec<u8>>>,
}

/// Why there is no encryption.
#[derive(Debug, thiserror::Error)]
pub enum ModuleError {
    /// The library cannot be loaded.
    #[error(
        "the module {} cannot be loaded: {why}; it must be a library of PKCS#11 for this machine, and \
         a program without shared libraries, as in our image, loads none", path.display()
    )]
    Load {
        /// The library.
        path: PathBuf,
        /// Why.
        why: Error,
    },
    /// It cannot be made ready.
    #[error("the module {} cannot be used: {why}", path.display())]
    Initialise {
        /// The library.
        path: PathBuf,
        /// Why.
        why: Error,
    },
}

impl Pkcs11Encryption {
    /// Loads the module's library. Token and key are looked for at each use.
    ///
    /// # Errors
    /// [`ModuleError`].
    pub fn new(place: Place, random: Arc<dyn Random>) -> Result<Self, ModuleError> {
        let path = || place.module.clone();
        let library =
            Pkcs11::new(&place.module).map_err(|why| ModuleError::Load { path: path(), why })?;
        match library.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
            Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
            Err(why) => return Err(ModuleError::Initialise { path: path(), why }),
        }
        let module = Module { place, library, refused_pin: Mutex::default() };
        Ok(Self { module: Arc::new(module), random })
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Module) -> Result<T, CustodyError> + Send + 'static,
    ) -> Result<T, CustodyError> {
        let module = self.module.clone();
        let done = spawn_blocking(move || work(&module)).await;
        done.unwrap_or_else(|error| Err(CustodyError::Retryable(error.to_string())))
    }
}

impl Module {
    /// Runs `work` in a session of the token's user, with every key of the label and its name.
    fn with_keys<T>(
        &self,
        work: impl FnOnce(&Session, Vec<(ObjectHandle, String)>) -> Result<T, CustodyError>,
    ) -> Result<T, CustodyError> {
        let mut refused_pin = self.refused_pin.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = self.slot()?;
        let session = self.library.open_ro_session(slot);
        let session = session.map_err(|why| self.failed("open a session", &why))?;
        self.log_in(&session, &mut refused_pin)?;
        let keys = self.keys(&session)?;
        work(&session, keys)
    }

    fn slot(&self) -> Result<Slot, CustodyError> {
        let wanted = self.place.token.as_str();
        let act = "look for its token";
        let slots = self.library.get_slots_with_token().map_err(|why| self.failed(act, &why))?;
        let mut found = Vec::new();
        for slot in slots {
            let info = self.library.get_token_info(slot).map_err(|why| self.failed(act, &why))?;
            if info.label().trim_end() == wanted {
                found.push(slot);
            }
        }
        match found.as_slice() {
            [slot] => Ok(*slot),
            [] => Err(CustodyError::Retryable(format!(
                "{} shows no token with the label {wanted:?}; is the module connected, and is \
                 spec.keys.encryption.pkcs11.tokenLabel right?",
                self.place.module.display()
            ))),
            several => Err(CustodyError::Fatal(format!(
                "{} shows {} tokens with the label {wanted:?}; give each its own label",
                self.place.module.display(),
                several.len()
            ))),
        }
    }

    fn log_in(&self, session: &Session, refused: &mut Option<Vec<u8>>) -> Result<(), CustodyError> {
        let file = self.place.pin_file.display();
        let bytes = read_private(&self.place.pin_file).map_err(|error| {
            let text = format!("spec.keys.encryption.pkcs11.pinFile: {error}");
            if error.passes() { CustodyError::Retryable(text) } else { CustodyError::Fatal(text) }
        })?;
        let no_text = |_| CustodyError::Fatal(format!("{file} does not hold a PIN"));
        let pin = std::str::from_utf8(bytes.trim_ascii()).map_err(no_text)?;
        let fingerprint = digest(&SHA256, pin.as_bytes()).as_ref().to_vec();
        let wrong = || {
            CustodyError::Fatal(format!(
                "the token {} refuses the PIN in {file}; it is not tried again, so that the token is \
                 not locked: write the right one",
                self.place.token
            ))
        };
        if refused.as_ref() == Some(&fingerprint) {
            return Err(wrong());
        }
        match session.login(UserType::User, Some(&AuthPin::from(pin))) {
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => {
                *refused = None;
                Ok(())
            }
            Err(Error::Pkcs11(
                RvError::PinIncorrect | RvError::PinInvalid | RvError::PinLenRange,
                _,
            )) => {
                *refused = Some(fingerprint);
                Err(wrong())
            }
            Err(why) => Err(self.failed("log in", &why)),
        }
    }

    fn keys(&self, session: &Session) -> Result<Vec<(ObjectHandle, String)>, CustodyError> {
        let act = "look for the key";
        let wanted = [
            Attribute::Class(ObjectClass::SECRET_KEY),
            Attribute::KeyType(KeyType::AES),
            Attribute::Label(self.place.key.as_str().as_bytes().to_vec()),
        ];
        let found = session.find_objects(&wanted).map_err(|why| self.failed(act, &why))?;
        let mut keys = Vec::new();
        for key in found {
            let attributes = session.get_attributes(key, &[AttributeType::Id]);
            let attributes = attributes.map_err(|why| self.failed(act, &why))?;
            let id = attributes.into_iter().find_map(|attribute| match attribute {
                Attribute::Id(id) => Some(hex(&id)),
                _ => None,
            });
            let Place { token, key: label, .. } = &self.place;
            keys.push((key, format!("pkcs11/{token}/{label}/{}", id.unwrap_or_default())));
        }
        Ok(keys)
    }

    fn failed(&self, act: &str, why: &Error) -> CustodyError {
        let text = format!("the module {} cannot {act}: {why}", self.place.module.display());
        let passes = matches!(
            why,
            Error::Pkcs11(
                RvError::DeviceError
                    | RvError::DeviceMemory
                    | RvError::DeviceRemoved
                    | RvError::FunctionCanceled
                    | RvError::HostMemory
                    | RvError::SessionClosed
                    | RvError::SessionCount
                    | RvError::SessionHandleInvalid
                    | RvError::TokenNotPresent
                    | RvError::UserNotLoggedIn,
                _,
            )
        );
        if passes { CustodyError::Retryable(text) } else { CustodyError::Fatal(text) }
    }

    fn encrypt(
        &self,
        mut nonce: [u8; NONCE],
        key: &Secret,
        context: &[u8],
    ) -> Result<WrappedKey, CustodyError> {
        self.with_keys(|session, keys| {
            let [(handle, key_id)] = keys.as_slice() else {
                let Place { token, key, .. } = &self.place;
                return Err(CustodyError::Fatal(format!(
                    "the token {token} shows {} AES keys with the label {key}, and one is needed",
                    keys.len()
                )));
            };
            let failed = |why| self.failed("encrypt a data key", &why);
            // Some modules take no nonce, but make their own and write it over the one they are given.
            let gcm = GcmParams::new(&mut nonce, context, TAG_BITS.into()).map_err(failed)?;
            let sealed = session.encrypt(&Mechanism::AesGcm(gcm), *handle, key.expose());
            let bytes = [nonce.as_slice(), &sealed.map_err(failed)?].concat();
            Ok(WrappedKey { key_id: key_id.clone(), bytes })
        })
    }

    fn decrypt(&self, wrapped: &WrappedKey, context: &[u8]) -> Result<Secret, CustodyError> {
        self.with_keys(|session, keys| {
            let named = keys.iter().find(|(_, key_id)| *key_id == wrapped.key_id);
            let Some((handle, _)) = named else {
                let Place { token, key, .. } = &self.place;
                return Err(CustodyError::Fatal(format!(
                    "it was encrypted under {}, and the token {token} has no such key with the label \
                     {key}; put the right one back",
                    wrapped.key_id
                )));
            };
            let changed = || CustodyError::Fatal("the encrypted data key was changed".to_owned());
            let (nonce, sealed) =
                wrapped.bytes.split_first_chunk::<NONCE>().ok_or_else(changed)?;
            let mut iv = *nonce;
            let failed = |why| self.failed("decrypt a data key", &why);
            let gcm = GcmParams::new(&mut iv, context, TAG_BITS.into()).map_err(failed)?;
            session.decrypt(&Mechanism::AesGcm(gcm), *handle, sealed).map(Secret::new).map_err(failed)
        })
    }
}

#[async_trait]
impl KeyEncryption for Pkcs11Encryption {
    fn describe(&self) -> Custody {
        let Place { module, token, key, .. } = &self.module.place;
        let location = format!("key {key} of the token {token} ({})", module.display());
        Custody { location, key_beside_data: false }
    }

    async fn wrap_key(&self, key: &Secret, context: &[u8]) -> Result<WrappedKey, CustodyError> {
        let mut nonce = [0; NONCE];
        self.random.fill(&mut nonce).map_err(CustodyError::Retryable)?;
        let (key, context) = (key.duplicate(), context.to_vec());
        self.blocking(move |module| module.encrypt(nonce, &key, &context)).await
    }

    async fn unwrap_key(&self, key: &WrappedKey, context: &[u8]) -> Result<Secret, CustodyError> {
        let (key, context) = (key.clone(), context.to_vec());
        self.blocking(move |module| module.decrypt(&key, &context)).await
    }
}
