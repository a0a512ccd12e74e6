//! `spec.keys` as the model has it.

use std::path::PathBuf;

use vaultyard_model::ClusterName;
use vaultyard_model::cluster::{self, Encryption, Prefix, Store, TransitLogin};

use super::{optional, values};
use crate::document::keys::{self as document, Keys};
use crate::scalar::{Misread, Written};

pub(super) fn keys(keys: &Keys, name: &ClusterName) -> Result<cluster::Keys, Misread> {
    Ok(cluster::Keys {
        shares: keys.shares,
        threshold: keys.threshold,
        encryption: encryption(&keys.encryption)?,
        store: store(&keys.store, name)?,
        files_secret: optional(&keys.files_secret)?,
    })
}

/// The one that is given. That it is exactly one was checked before.
pub(crate) fn encryption(encryption: &document::Encryption) -> Result<Encryption, Misread> {
    if let Some(document::GoogleKms { key }) = &encryption.google_kms {
        return Ok(Encryption::GoogleKms { key: key.value()? });
    }
    if let Some(document::AwsKms { key_id, region, endpoint }) = &encryption.aws_kms {
        let (key, region) = (key_id.value()?, region.value()?);
        return Ok(Encryption::AwsKms { key, region, endpoint: optional(endpoint)? });
    }
    if let Some(wanted) = &encryption.transit {
        return transit(wanted).map(Encryption::Transit);
    }
    if let Some(document::Age { recipients, identity_file }) = &encryption.age {
        let recipients = values(recipients)?;
        return Ok(Encryption::Age { recipients, identity_file: identity_file.value()? });
    }
    if let Some(document::Pkcs11 { module, token_label, key_label, pin_file }) = &encryption.pkcs11
    {
        return Ok(Encryption::Pkcs11 {
            module: module.value()?,
            token: token_label.value()?,
            key: key_label.value()?,
            pin_file: pin_file.value()?,
        });
    }
    Ok(Encryption::Local)
}

fn transit(transit: &document::Transit) -> Result<cluster::Transit, Misread> {
    let file = |file: &Option<Written<PathBuf>>| optional(file);
    let document::TransitAuth { token_file, kubernetes } = &transit.auth;
    let login = match (file(token_file)?, kubernetes) {
        (Some(token_file), _) => TransitLogin::TokenFile(token_file),
        (None, Some(login)) => TransitLogin::Kubernetes {
            mount: login.mount.value()?,
            role: login.role.value()?,
            token_file: login.token_file.value()?,
        },
        (None, None) => {
            let allowed = "tokenFile or kubernetes".to_owned();
            return Err(Misread { text: "auth without a login".to_owned(), allowed });
        }
    };
    Ok(cluster::Transit {
        address: transit.address.value()?,
        mount: transit.mount.value()?,
        key: transit.key.value()?,
        ca_file: file(&transit.ca_cert)?,
        login,
    })
}

/// The bucket that is given, if one is; `own` is the folder there when none is named.
pub(super) fn bucket(
    google: Option<&document::GoogleStorage>,
    s3: Option<&document::S3>,
    own: Prefix,
) -> Result<Option<Store>, Misread> {
    if let Some(wanted) = google {
        let (bucket, prefix) = (wanted.bucket.value()?, optional(&wanted.prefix)?.unwrap_or(own));
        return Ok(Some(Store::GoogleStorage { bucket, prefix }));
    }
    let Some(wanted) = s3 else { return Ok(None) };
    Ok(Some(Store::S3 {
        bucket: wanted.bucket.value()?,
        prefix: optional(&wanted.prefix)?.unwrap_or(own),
        region: wanted.region.value()?,
        endpoint: optional(&wanted.endpoint)?,
    }))
}

fn store(store: &document::Store, name: &ClusterName) -> Result<Store, Misread> {
    let bucket = bucket(store.google_storage.as_ref(), store.s3.as_ref(), Prefix::of(name))?;
    if let Some(bucket) = bucket {
        return Ok(bucket);
    }
    if store.kubernetes_secret.is_some() {
        return Ok(Store::KubernetesSecret);
    }
    let path = store.directory.as_ref().and_then(|directory| directory.path.as_ref());
    Ok(Store::Directory { path: path.map(Written::value).transpose()? })
}
