//! Certificates of the side that Vaultyard has no part in.

use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

/// A CA in a folder, as `ca.pem`.
pub(crate) struct Pki {
    folder: PathBuf,
    issuer: Issuer<'static, KeyPair>,
}

/// The files of a certificate.
pub(crate) struct Files {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    /// Both in one, as HAProxy takes them.
    pub(crate) both: PathBuf,
}

impl Pki {
    pub(crate) fn new(folder: &Path) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "bench");
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        fs::write(folder.join("ca.pem"), certificate.pem()).unwrap();
        Self { folder: folder.to_owned(), issuer: Issuer::new(params, key) }
    }

    pub(crate) fn authority(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// A certificate for one address, or for one name.
    pub(crate) fn issue(&self, whom: impl Display) -> Files {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![whom.to_string()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        let file = |ending: &str, content: &str| {
            let path = self.folder.join(format!("{whom}.{ending}"));
            fs::write(&path, content).unwrap();
            path
        };
        Files {
            certificate: file("crt", &certificate),
            key: file("key", &key.serialize_pem()),
            both: file("pem", &(certificate + &key.serialize_pem())),
        }
    }
}
