//! Clusters whose keys lie elsewhere, or are opened by something else.

use vaultyard_model::cluster::{
    AgeRecipient, AwsKey, AwsRegion, AwsSeal, Bucket, Encryption, EnginePath, GoogleKey,
    GooglePart, GoogleSeal, Label, Prefix, Seal, Store, Transit, TransitLogin, TransitSeal, Web,
};
use vaultyard_model::{Cluster, Version};

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

/// Keys that people and the unsealers open, the latter with a file of a Secret.
pub(super) fn age() -> Cluster {
    let recipients = [
        "age1lggyhqrw2nlhcxprm67z43rta597azn8gknawjehu9d9dl0jq3yqqvfafg",
        "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p",
    ];
    let mut cluster = sample::cluster(3);
    cluster.keys.encryption = Encryption::Age {
        recipients: recipients.map(|key| AgeRecipient::new(key).unwrap()).to_vec(),
        identity_file: "/run/vaultyard/identity".into(),
    };
    cluster
}

/// Keys that a module opens, by a library in the image and a PIN of a Secret.
pub(super) fn pkcs11() -> Cluster {
    let label = |text: &str| Label::new(text).unwrap();
    let mut cluster = sample::cluster(3);
    cluster.keys.encryption = Encryption::Pkcs11 {
        module: "/usr/lib/softhsm/libsofthsm2.so".into(),
        token: label("vault"),
        key: label("unseal"),
        pin_file: "/run/vaultyard/pin".into(),
    };
    cluster
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

/// Servers that the transit engine of another cluster opens.
pub fn sealed_by_transit(replicas: u64) -> Cluster {
    let mut cluster = sample::cluster(replicas);
    cluster.seal = Some(Seal::Transit(TransitSeal {
        address: Web::new("https://vault.example:8200").unwrap(),
        mount_path: EnginePath::new("transit").unwrap(),
        key_name: EnginePath::new("unseal").unwrap(),
        namespace: EnginePath::new("ns1"),
        token_file: "/run/other/token".into(),
        disable_renewal: false,
        tls_ca_cert: Some("/etc/other/ca.pem".into()),
    }));
    cluster
}

/// Servers that a key in Google's cloud opens, in the last version that can do so without a plugin.
pub fn sealed_by_google() -> Cluster {
    let part = |name: &str| GooglePart::new(name).unwrap();
    let mut cluster = sample::cluster(3);
    cluster.servers.version = Version::new("2.6.2").unwrap();
    cluster.seal = Some(Seal::Gcpckms(GoogleSeal {
        project: part("p"),
        region: part("europe-west4"),
        key_ring: part("r"),
        crypto_key: part("seal"),
        credentials: None,
    }));
    cluster
}

/// Servers that a key in Amazon's cloud opens, in the last version that can do so without a plugin.
pub fn sealed_by_aws() -> Cluster {
    let mut cluster = sample::cluster(3);
    cluster.servers.version = Version::new("2.6.2").unwrap();
    cluster.seal = Some(Seal::Awskms(AwsSeal {
        region: AwsRegion::new("eu-central-1").unwrap(),
        kms_key_id: AwsKey::new("alias/seal").unwrap(),
        endpoint: Web::new("https://kms.example:4566"),
    }));
    cluster
}
