//! The `seal` stanza: what opens a server by itself.

use serde_json::{Map, Value as Json, json};
use vaultyard_model::cluster::{AwsSeal, GoogleSeal, Seal, TransitSeal};

/// The stanza of this seal. Its values are texts, as the server takes them.
pub(super) fn stanza(seal: &Seal) -> Json {
    let entries = match seal {
        Seal::Transit(transit) => of_transit(transit),
        Seal::Gcpckms(google) => of_google(google),
        Seal::Awskms(aws) => of_aws(aws),
    };
    let present = entries.into_iter().filter_map(|(name, value)| Some((name, value?)));
    let stanza: Map<String, Json> =
        present.map(|(name, value)| (name.to_owned(), json!(value))).collect();
    json!([{ seal.kind(): stanza }])
}

type Entries = Vec<(&'static str, Option<String>)>;

/// The token is named by its file: the server takes a path behind `file://` for what stands there. So
/// the secret is in no configuration and in no environment.
fn of_transit(transit: &TransitSeal) -> Entries {
    let TransitSeal { address, mount_path, key_name, token_file, .. } = transit;
    let ca = transit.tls_ca_cert.as_ref();
    vec![
        ("address", Some(address.to_string())),
        ("mount_path", Some(format!("{mount_path}/"))),
        ("key_name", Some(key_name.to_string())),
        ("namespace", transit.namespace.as_ref().map(|namespace| format!("{namespace}/"))),
        ("token", Some(format!("file://{}", token_file.display()))),
        ("disable_renewal", Some(transit.disable_renewal.to_string())),
        ("tls_ca_cert", ca.map(|path| path.display().to_string())),
    ]
}

fn of_google(google: &GoogleSeal) -> Entries {
    let GoogleSeal { project, region, key_ring, crypto_key, credentials } = google;
    vec![
        ("project", Some(project.to_string())),
        ("region", Some(region.to_string())),
        ("key_ring", Some(key_ring.to_string())),
        ("crypto_key", Some(crypto_key.to_string())),
        ("credentials", credentials.as_ref().map(|path| path.display().to_string())),
    ]
}

fn of_aws(aws: &AwsSeal) -> Entries {
    let AwsSeal { region, kms_key_id, endpoint } = aws;
    vec![
        ("region", Some(region.to_string())),
        ("kms_key_id", Some(kms_key_id.to_string())),
        ("endpoint", endpoint.as_ref().map(ToString::to_string)),
    ]
}
