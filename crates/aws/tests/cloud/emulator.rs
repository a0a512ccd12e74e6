//! moto, a child process of the test.

use std::net::Ipv4Addr;

use vaultyard_aws::{Account, AwsKms, S3};
use vaultyard_emulators::moto::{BUCKET, Moto, REGION, signature};
use vaultyard_model::Secret;
use vaultyard_model::cluster::{AwsKey, AwsRegion, Bucket, Prefix, Web};

/// The emulator. It ends when this is dropped.
pub(crate) struct Emulator {
    server: Moto,
    pub(crate) http: reqwest::Client,
}

pub(crate) fn region() -> AwsRegion {
    AwsRegion::new(REGION).unwrap()
}

pub(crate) fn account() -> Account {
    Account::of_key("AKIATEST", &Secret::from("secret-of-the-test".to_owned())).unwrap()
}

impl Emulator {
    /// Starts it, with an empty bucket.
    pub(crate) async fn start() -> Self {
        let server = Moto::start(Ipv4Addr::LOCALHOST.into()).await;
        let emulator = Self { server, http: reqwest::Client::new() };
        let made = emulator.http.put(format!("{}/{BUCKET}", emulator.url())).send().await.unwrap();
        assert!(made.status().is_success(), "{made:?}");
        emulator
    }

    pub(crate) fn url(&self) -> &str {
        &self.server.url
    }

    pub(crate) fn web(&self) -> Web {
        Web::new(self.url()).unwrap()
    }

    /// A store in this folder of a bucket.
    pub(crate) fn store(&self, bucket: &str, prefix: &str) -> S3 {
        let (bucket, prefix) = (Bucket::new(bucket).unwrap(), Prefix::new(prefix).unwrap());
        S3::new(account(), region(), Some(&self.web()), bucket, prefix).unwrap()
    }

    /// Asks KMS by hand; the answer.
    pub(crate) async fn kms(&self, operation: &str, body: serde_json::Value) -> serde_json::Value {
        let request = self
            .http
            .post(self.url())
            .header("x-amz-target", format!("TrentService.{operation}"))
            .header("content-type", "application/x-amz-json-1.1")
            .header("authorization", signature("kms"));
        let answer = request.body(body.to_string()).send().await.unwrap();
        assert!(answer.status().is_success(), "{operation}: {answer:?}");
        serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default()
    }

    /// A new key; its ARN.
    pub(crate) async fn new_key(&self) -> String {
        let made = self.kms("CreateKey", serde_json::json!({})).await;
        made["KeyMetadata"]["Arn"].as_str().unwrap().to_owned()
    }

    pub(crate) fn key(&self, key: &str) -> AwsKms {
        let key = AwsKey::new(key).unwrap();
        AwsKms::new(account(), region(), Some(&self.web()), key).unwrap()
    }
}
