//! One authority: loaded from its two files, or made.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use vaultyard_model::Secret;
use vaultyard_model::port::clock::Random;
use zeroize::Zeroizing;

use super::{AuthorityError, Issued};
use crate::inspect::{self, Certificate, InspectError};
use crate::sign::{self, Validity};
use crate::store;
use crate::wanted::{Usage, Wanted};

/// One authority: what it says, and the key it signs with.
pub(super) struct Ca {
    pub(super) certificate: Certificate,
    pub(super) der: CertificateDer<'static>,
    pub(super) pem: String,
    pub(super) issuer: rcgen::Issuer<'static, KeyPair>,
}

/// Where a CA lies, and what it is to be when it is not there yet.
pub(super) struct Place<'a> {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
    pub(super) common_name: String,
    pub(super) lifetime: Duration,
    pub(super) below: u8,
    pub(super) usage: Option<Usage>,
    pub(super) parent: Option<&'a Ca>,
}

impl Place<'_> {
    /// Loads the CA, after making what is not there.
    pub(super) fn open(&self, random: &dyn Random, now: Timestamp) -> Result<Ca, AuthorityError> {
        let key = match (store::read(&self.key)?, store::exists(&self.certificate)?) {
            (Some(bytes), _) => self.read_key(Zeroizing::new(bytes))?,
            (None, true) => {
                let (key, certificate) = (self.key.clone(), self.certificate.clone());
                return Err(AuthorityError::KeyMissing { key, certificate });
            }
            (None, false) => self.make_key()?,
        };
        let pem = match store::read(&self.certificate)? {
            Some(bytes) => String::from_utf8(bytes)
                .map_err(|_| damaged(&self.certificate, InspectError::NotPem))?,
            None => self.make_certificate(&key, random, now)?,
        };
        self.load(pem, key)
    }

    fn read_key(&self, pem: Zeroizing<Vec<u8>>) -> Result<KeyPair, AuthorityError> {
        let text = std::str::from_utf8(&pem).ok();
        // The library's reason is left out: an error about a key says nothing of what is in it.
        text.and_then(|text| KeyPair::from_pem(text).ok())
            .ok_or_else(|| damaged(&self.key, "holds no private key that can be read"))
    }

    fn make_key(&self) -> Result<KeyPair, AuthorityError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(crypto)?;
        let pem = Zeroizing::new(key.serialize_pem());
        store::write(&self.key, pem.as_bytes(), store::PRIVATE)?;
        Ok(key)
    }

    fn make_certificate(
        &self,
        key: &KeyPair,
        random: &dyn Random,
        now: Timestamp,
    ) -> Result<String, AuthorityError> {
        let end = self.parent.map_or(Timestamp::MAX, |parent| parent.certificate.not_after);
        let validity = Validity::new(now, self.lifetime, end);
        let serial = sign::serial(random).map_err(AuthorityError::Crypto)?;
        let params = sign::authority(&self.common_name, self.below, self.usage, validity, serial);
        let signed = match self.parent {
            Some(parent) => params.signed_by(key, &parent.issuer),
            None => params.self_signed(key),
        };
        let pem = signed.map_err(crypto)?.pem();
        store::write(&self.certificate, pem.as_bytes(), store::PUBLIC)?;
        Ok(pem)
    }

    /// Checks that certificate, key and parent belong together. The dates are looked at when
    /// something is signed.
    fn load(&self, pem: String, key: KeyPair) -> Result<Ca, AuthorityError> {
        let damaged_certificate = |what: InspectError| damaged(&self.certificate, what);
        let der = CertificateDer::from_pem_slice(pem.as_bytes())
            .map_err(|_| damaged_certificate(InspectError::NotPem))?;
        let certificate = Certificate::from_der(&der).map_err(damaged_certificate)?;
        if !certificate.is_ca {
            return Err(damaged(&self.certificate, "is not the certificate of an authority"));
        }
        let public_key = inspect::public_key(&der).map_err(damaged_certificate)?;
        if public_key != key.subject_public_key_info() {
            let (key, certificate) = (self.key.clone(), self.certificate.clone());
            return Err(AuthorityError::KeyMismatch { key, certificate });
        }
        let signer = self.parent.map_or(&der, |parent| &parent.der);
        if !inspect::signed_by(&der, signer).map_err(damaged_certificate)? {
            let root = self.certificate.with_file_name("root.crt");
            return Err(AuthorityError::ForeignIssuer { file: self.certificate.clone(), root });
        }
        let issuer = rcgen::Issuer::from_ca_cert_der(&der, key)
            .map_err(|error| damaged(&self.certificate, error))?;
        Ok(Ca { certificate, der, pem, issuer })
    }
}

fn damaged(file: &Path, what: impl ToString) -> AuthorityError {
    AuthorityError::Damaged { file: file.to_owned(), what: what.to_string() }
}

fn crypto(error: rcgen::Error) -> AuthorityError {
    AuthorityError::Crypto(error.to_string())
}

impl Ca {
    /// Makes a key and a leaf for it. The dates of the authority itself are the caller's matter.
    pub(super) fn issue(
        &self,
        wanted: &Wanted,
        random: &dyn Random,
        now: Timestamp,
    ) -> Result<Issued, String> {
        let validity = Validity::new(now, wanted.lifetime, self.certificate.not_after);
        let serial = sign::serial(random)?;
        self.sign(wanted, validity, serial).map_err(|error| error.to_string())
    }

    fn sign(
        &self,
        wanted: &Wanted,
        validity: Validity,
        serial: rcgen::SerialNumber,
    ) -> Result<Issued, rcgen::Error> {
        let params = sign::leaf(wanted, validity, serial)?;
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let leaf = params.signed_by(&key, &self.issuer)?;
        let chain = format!("{}{}", leaf.pem(), self.pem);
        Ok(Issued { chain, key: Secret::from(key.serialize_pem()) })
    }
}
