//! What a certificate says, as plain values. Pure.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use jiff::Timestamp;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{ExtendedKeyUsage, GeneralName};
use x509_parser::prelude::FromDer;

/// One certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The subject's distinguished name, `O=Vaultyard, CN=vault-0`.
    pub subject: String,
    /// The subject's common name, where it has one.
    pub common_name: Option<String>,
    /// The issuer's distinguished name.
    pub issuer: String,
    /// The subject alternative names, sorted.
    pub sans: Vec<San>,
    /// The serial number, hexadecimal, lower case, without separators or leading zero bytes.
    pub serial: String,
    /// The first moment of its validity.
    pub not_before: Timestamp,
    /// The last moment of its validity.
    pub not_after: Timestamp,
    /// Whether it may sign other certificates.
    pub is_ca: bool,
    /// What it is good for: extended key usages by their names (`serverAuth`), others by OID.
    pub usages: Vec<String>,
    /// The SHA-256 digest of the whole certificate, hexadecimal.
    pub fingerprint: String,
}

/// A subject alternative name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum San {
    /// A DNS name.
    Dns(String),
    /// An IP address.
    Address(IpAddr),
    /// Something else, as text: Vaultyard issues none of these.
    Other(String),
}

impl fmt::Display for San {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(name) | Self::Other(name) => f.write_str(name),
            Self::Address(address) => address.fmt(f),
        }
    }
}

/// Why bytes are not a certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InspectError {
    /// There is no PEM block with a certificate.
    #[error("holds no PEM block CERTIFICATE that can be read")]
    NotPem,
    /// The block holds something else.
    #[error("holds no X.509 certificate: {0}")]
    NotX509(String),
}

impl Certificate {
    /// Reads the first certificate of a PEM text.
    ///
    /// # Errors
    /// [`InspectError`] when there is none.
    pub fn from_pem(pem: &[u8]) -> Result<Self, InspectError> {
        let der = CertificateDer::from_pem_slice(pem).map_err(|_| InspectError::NotPem)?;
        Self::from_der(&der)
    }

    /// Reads a certificate in DER.
    ///
    /// # Errors
    /// [`InspectError::NotX509`] when it is something else.
    pub fn from_der(der: &[u8]) -> Result<Self, InspectError> {
        Self::from_x509(&x509(der)?, der)
    }

    fn from_x509(x509: &X509Certificate<'_>, der: &[u8]) -> Result<Self, InspectError> {
        let common_name = x509.subject().iter_common_name().next();
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, der);
        let digits = x509.raw_serial();
        let leading = digits.iter().take_while(|byte| **byte == 0).count();
        Ok(Self {
            subject: x509.subject().to_string(),
            common_name: common_name.and_then(|name| name.as_str().ok()).map(str::to_owned),
            issuer: x509.issuer().to_string(),
            sans: sans(x509)?,
            serial: hexadecimal(&digits[leading..]),
            not_before: moment(x509.validity().not_before.timestamp())?,
            not_after: moment(x509.validity().not_after.timestamp())?,
            is_ca: x509.is_ca(),
            usages: x509
                .extended_key_usage()
                .map_err(not_x509)?
                .map(|usage| usages(usage.value))
                .unwrap_or_default(),
            fingerprint: hexadecimal(digest.as_ref()),
        })
    }
}

/// The certificate's public key, as the whole `SubjectPublicKeyInfo` in DER.
pub(crate) fn public_key(der: &[u8]) -> Result<Vec<u8>, InspectError> {
    Ok(x509(der)?.public_key().raw.to_vec())
}

/// Whether `issuer` signed `der`. Validity and usages are not looked at.
pub(crate) fn signed_by(der: &[u8], issuer: &[u8]) -> Result<bool, InspectError> {
    let (subject, issuer) = (x509(der)?, x509(issuer)?);
    Ok(subject.issuer().as_raw() == issuer.subject().as_raw()
        && subject.verify_signature(Some(issuer.public_key())).is_ok())
}

fn x509(der: &[u8]) -> Result<X509Certificate<'_>, InspectError> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Ok(certificate),
        Ok(_) => Err(InspectError::NotX509("bytes follow the certificate".to_owned())),
        Err(error) => Err(not_x509(error)),
    }
}

fn not_x509(error: impl fmt::Display) -> InspectError {
    InspectError::NotX509(error.to_string())
}

fn moment(seconds: i64) -> Result<Timestamp, InspectError> {
    Timestamp::from_second(seconds).map_err(not_x509)
}

fn sans(x509: &X509Certificate<'_>) -> Result<Vec<San>, InspectError> {
    let Some(extension) = x509.subject_alternative_name().map_err(not_x509)? else {
        return Ok(Vec::new());
    };
    let mut sans: Vec<San> = extension.value.general_names.iter().map(san).collect();
    sans.sort();
    Ok(sans)
}

fn san(name: &GeneralName<'_>) -> San {
    match name {
        GeneralName::DNSName(name) => San::Dns((*name).to_owned()),
        GeneralName::IPAddress(bytes) => {
            address(bytes).map_or_else(|| San::Other(hexadecimal(bytes)), San::Address)
        }
        other => San::Other(other.to_string()),
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(|octets| IpAddr::V4(Ipv4Addr::from(octets)));
    let v6 = || <[u8; 16]>::try_from(bytes).map(|octets| IpAddr::V6(Ipv6Addr::from(octets)));
    v4.or_else(|_| v6()).ok()
}

fn usages(usage: &ExtendedKeyUsage<'_>) -> Vec<String> {
    let known = [
        (usage.any, "any"),
        (usage.server_auth, "serverAuth"),
        (usage.client_auth, "clientAuth"),
        (usage.code_signing, "codeSigning"),
        (usage.email_protection, "emailProtection"),
        (usage.time_stamping, "timeStamping"),
        (usage.ocsp_signing, "OCSPSigning"),
    ];
    let known = known.iter().filter(|(set, _)| *set).map(|(_, name)| (*name).to_owned());
    known.chain(usage.other.iter().map(ToString::to_string)).collect()
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_no_certificate_is_an_error() {
        assert_eq!(Certificate::from_pem(b"hello"), Err(InspectError::NotPem));
        let block = b"-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n";
        assert!(matches!(Certificate::from_pem(block), Err(InspectError::NotX509(_))));
    }

    proptest! {
        #[test]
        fn no_bytes_crash_it(bytes: Vec<u8>) {
            let _ = Certificate::from_pem(&bytes);
            let _ = Certificate::from_der(&bytes);
        }
    }
}
