//! Clusters whose keys lie elsewhere, or are opened by something else.

use vaultyard_model::Cluster;
use vaultyard_model::cluster::{
    AwsKey, AwsRegion, Bucket, Encryption, EnginePath, GoogleKey, Prefix, Store, Transit,
    TransitLogin, Web,
};

use crate::sample;

/// Keys that are opened by the transit engine of another cluster, by files of a Secret.
pub fn transit() -> Cluster {
    let mut cluster = sample::cluster(3);
    cluster.keys.encryption = Encryption::Transit(Transit {
        address: Web::new("https://vault.example:8200").unwrap(),
        mount: EnginePath::new("transit").unwrap(),
        key: EnginePath::new("unseal").unwrap(),
        ca_file: Some("/etc/other/ca.pem".into()),
        login: TransitLogin::TokenFile("/run/other/token".into()),
    });
    cluster
}

/// Keys in Google's cloud.
pub(super) fn google() -> Cluster {
    let key = GoogleKey::new("projects/p/locations/l/keyRings/r/cryptoKeys/k").unwrap();
    let (bucket, prefix) = (Bucket::new("vault-keys").unwrap(), Prefix::new("vault").unwrap());
    in_a_cloud(
        Encryption::GoogleKms { key },
        Store::GoogleStorage { bucket, prefix },
        ("iam.gke.io/gcp-service-account", "vault@p.iam.gserviceaccount.com"),
    )
}

/// Keys in Amazon's cloud.
pub(super) fn aws() -> Cluster {
    let region = || AwsRegion::new("eu-central-1").unwrap();
    let (bucket, prefix) = (Bucket::new("vault-keys").unwrap(), Prefix::new("vault").unwrap());
    let key = AwsKey::new("alias/vault").unwrap();
    let endpoint = Web::new("https://minio.example:9000");
    in_a_cloud(
        Encryption::AwsKms { key, region: region(), endpoint: None },
        Store::S3 { bucket, prefix, region: region(), endpoint },
        ("eks.amazonaws.com/role-arn", "arn:aws:iam::123456789012:role/vault"),
    )
}

/// A cloud knows the account by an annotation.
fn in_a_cloud(encryption: Encryption, store: Store, annotation: (&str, &str)) -> Cluster {
    let mut cluster = sample::cluster(3);
    cluster.keys.encryption = encryption;
    cluster.keys.store = store;
    let (name, value) = annotation;
    cluster.servers.account_annotations = [(name.to_owned(), value.to_owned())].into();
    cluster
}
