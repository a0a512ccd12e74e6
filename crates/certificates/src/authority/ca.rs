//! One authority: loaded from its two texts, or made.

use std::time::Duration;

use jiff::Timestamp;
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use vaultyard_model::Secret;
use vaultyard_model::port::clock::Random;
use zeroize::Zeroizing;

use super::{AuthorityError, Issued, ROOT};
use crate::inspect::{self, Certificate, InspectError};
use crate::sign::{self, Validity};
use crate::store::{Access, Location, PemStore, certificate_name, key_name};
use crate::wanted::{Usage, Wanted};

/// One authority: what it says, and the key it signs with.
pub(super) struct Ca {
    pub(super) certificate: Certificate,
    pub(super) der: CertificateDer<'static>,
    pub(super) pem: String,
    pub(super) issuer: rcgen::Issuer<'static, KeyPair>,
}

/// Under which name a CA is stored, and what it is to be when it is not there yet.
pub(super) struct Plan<'a> {
    pub(super) name: &'static str,
    pub(super) common_name: String,
    pub(super) lifetime: Duration,
    pub(super) below: u8,
    pub(super) usage: Option<Usage>,
    pub(super) parent: Option<&'a Ca>,
}

/// Where a CA lies.
struct Place {
    certificate: Location,
    key: Location,
    root: Location,
}

impl Plan<'_> {
    /// Loads the CA, after making what is not there.
    pub(super) fn open(
        &self,
        store: &mut dyn PemStore,
        random: &dyn Random,
        now: Timestamp,
    ) -> Result<Ca, AuthorityError> {
        let (certificate, key) = (certificate_name(self.name), key_name(self.name));
        let place = Place {
            certificate: store.location(&certificate),
            key: store.location(&key),
            root: store.location(&certificate_name(ROOT)),
        };
        let found = store.read(&certificate)?;
        let key = match (store.read(&key)?, &found) {
            (Some(pem), _) => place.read_key(&pem)?,
            (None, Some(_)) => {
                let Place { key, certificate, .. } = place;
                return Err(AuthorityError::KeyMissing { key, certificate });
            }
            (None, None) => make_key(store, &key)?,
        };
        let pem = match found {
            Some(pem) => String::from_utf8(pem.to_vec())
                .map_err(|_| damaged(&place.certificate, InspectError::NotPem))?,
            None => {
                let pem = self.make_certificate(&key, random, now)?;
                store.write(&certificate, pem.as_bytes(), Access::Public)?;
                pem
            }
        };
        place.load(pem, key, self.parent)
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
        Ok(signed.map_err(crypto)?.pem())
    }
}

fn make_key(store: &mut dyn PemStore, name: &str) -> Result<KeyPair, AuthorityError> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(crypto)?;
    let pem = Zeroizing::new(key.serialize_pem());
    store.write(name, pem.as_bytes(), Access::Private)?;
    Ok(key)
}

impl Place {
    fn read_key(&self, pem: &[u8]) -> Result<KeyPair, AuthorityError> {
        let text = std::str::from_utf8(pem).ok();
        // The library's reason is left out: an error about a key says nothing of what is in it.
        text.and_then(|text| KeyPair::from_pem(text).ok())
            .ok_or_else(|| damaged(&self.key, "holds no private key that can be read"))
    }

    /// Checks that certificate, key and parent belong together. The dates are looked at when
    /// something is signed.
    fn load(self, pem: String, key: KeyPair, parent: Option<&Ca>) -> Result<Ca, AuthorityError> {
        let damaged_certificate = |what: InspectError| damaged(&self.certificate, what);
        let der = CertificateDer::from_pem_slice(pem.as_bytes())
            .map_err(|_| damaged_certificate(InspectError::NotPem))?;
        let certificate = Certificate::from_der(&der).map_err(damaged_certificate)?;
        if !certificate.is_ca {
            return Err(damaged(&self.certificate, "is not the certificate of an authority"));
        }
        let public_key = inspect::public_key(&der).map_err(damaged_certificate)?;
        if public_key != key.subject_public_key_info() {
            let Self { key, certificate, .. } = self;
            return Err(AuthorityError::KeyMismatch { key, certificate });
        }
        let signer = parent.map_or(&der, |parent| &parent.der);
        if !inspect::signed_by(&der, signer).map_err(damaged_certificate)? {
            let Self { certificate: file, root, .. } = self;
            return Err(AuthorityError::ForeignIssuer { file, root });
        }
        let issuer = rcgen::Issuer::from_ca_cert_der(&der, key)
            .map_err(|error| damaged(&self.certificate, error))?;
        Ok(Ca { certificate, der, pem, issuer })
    }
}

fn damaged(file: &Location, what: impl ToString) -> AuthorityError {
    AuthorityError::Damaged { file: file.clone(), what: what.to_string() }
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
