//! `spec.seal` as the model has it.

use vaultyard_model::cluster::{AwsSeal, GoogleSeal, Seal, TransitSeal};

use super::optional;
use crate::document::seal as document;
use crate::scalar::Misread;

/// The one that is given. That it is exactly one was checked before.
pub(crate) fn seal(seal: &document::Seal) -> Result<Option<Seal>, Misread> {
    if let Some(transit) = &seal.transit {
        return Ok(Some(Seal::Transit(TransitSeal {
            address: transit.address.value()?,
            mount_path: transit.mount_path.value()?,
            key_name: transit.key_name.value()?,
            namespace: optional(&transit.namespace)?,
            token_file: transit.token_file.value()?,
            disable_renewal: transit.disable_renewal,
            tls_ca_cert: optional(&transit.tls_ca_cert)?,
        })));
    }
    if let Some(google) = &seal.gcpckms {
        return Ok(Some(Seal::Gcpckms(GoogleSeal {
            project: google.project.value()?,
            region: google.region.value()?,
            key_ring: google.key_ring.value()?,
            crypto_key: google.crypto_key.value()?,
            credentials: optional(&google.credentials)?,
        })));
    }
    let aws = seal.awskms.as_ref();
    aws.map(|aws| {
        Ok(Seal::Awskms(AwsSeal {
            region: aws.region.value()?,
            kms_key_id: aws.kms_key_id.value()?,
            endpoint: optional(&aws.endpoint)?,
        }))
    })
    .transpose()
}
