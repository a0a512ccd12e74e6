//! Certificates of what runs beside the tests and is asked by pods.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use tempfile::TempDir;

use super::BRIDGE;

/// Writes `ca.pem`, `tls.crt` and `tls.key`, for the address at which pods reach it.
pub(super) fn certify(folder: &TempDir) {
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "an authority of a test");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    write("ca.pem", &params.self_signed(&key).unwrap().pem());
    let authority = Issuer::new(params, key);
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new([BRIDGE.to_string()]).unwrap();
    write("tls.crt", &leaf.signed_by(&key, &authority).unwrap().pem());
    write("tls.key", &key.serialize_pem());
}
