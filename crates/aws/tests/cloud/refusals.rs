//! What the services say when they do not do their work, in their documented forms.

use async_trait::async_trait;
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::Full;
use serde_json::json;
use vaultyard_aws::{AwsKms, S3};
use vaultyard_emulators::moto::BUCKET;
use vaultyard_emulators::service::{Service, json};
use vaultyard_model::Secret;
use vaultyard_model::cluster::{AwsKey, Bucket, Prefix, Web};
use vaultyard_model::port::custody::{
    CustodyError, KeyEncryption, KeyStore, ObjectName, WrappedKey,
};
use vaultyard_model::port::snapshots::{self, PIECE, Pieces};

use crate::emulator::{account, region};

const ARN: &str = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd";

fn xml(status: u16, code: &str) -> Response<Full<Bytes>> {
    let body = format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>{code}</Code><Message>because of the test</Message><RequestId>1</RequestId></Error>"#
    );
    Response::builder().status(status).body(Full::new(Bytes::from(body))).unwrap()
}

fn store(at: &Service) -> S3 {
    let (bucket, prefix) = (Bucket::new(BUCKET).unwrap(), Prefix::new("vault").unwrap());
    S3::new(account(), region(), Some(&Web::new(&at.url).unwrap()), bucket, prefix).unwrap()
}

fn key(at: &Service) -> AwsKms {
    AwsKms::new(
        account(),
        region(),
        Some(&Web::new(&at.url).unwrap()),
        AwsKey::new("alias/vault").unwrap(),
    )
    .unwrap()
}

#[tokio::test]
async fn what_passes_of_a_bucket_is_retryable_and_what_lasts_is_fatal() {
    for (status, code, retryable) in [
        (503, "SlowDown", true),
        (500, "InternalError", true),
        (409, "ConditionalRequestConflict", true),
        (400, "ExpiredToken", true),
        (403, "AccessDenied", false),
        (400, "InvalidRequest", false),
        (301, "PermanentRedirect", false),
    ] {
        let service = Service::serve(move |_| xml(status, code)).await;
        let failed = store(&service).create(&ObjectName::Keys(1), b"{}").await.unwrap_err();
        assert_eq!(failed.is_retryable(), retryable, "{failed}");
        assert!(failed.to_string().contains(&format!("{code}: because of the test")), "{failed}");
        let failed = store(&service).read(&ObjectName::Keys(1)).await.unwrap_err();
        assert_eq!(failed.is_retryable(), retryable, "{failed}");
    }
}

#[tokio::test]
async fn a_reader_who_may_not_see_the_bucket_cannot_take_an_object_for_missing() {
    let answer = |request: Request<Bytes>| match *request.method() {
        Method::HEAD => xml(403, ""),
        _ => xml(404, "NoSuchKey"),
    };
    let service = Service::serve(answer).await;
    let read = store(&service).read(&ObjectName::Keys(1)).await;
    let Err(CustodyError::Fatal(text)) = read else { panic!("{read:?}") };
    assert!(text.contains("s3:ListBucket"), "{text}");
}

#[tokio::test]
async fn an_object_is_created_on_the_condition_that_there_is_none() {
    let answer = |request: Request<Bytes>| {
        let condition = request.headers().get("if-none-match");
        assert_eq!(condition.map(|value| value.as_bytes()), Some(b"*".as_slice()));
        let signed = request.headers()["authorization"].to_str().unwrap();
        assert!(signed.contains("if-none-match"), "what is signed cannot be taken out: {signed}");
        xml(412, "PreconditionFailed")
    };
    let service = Service::serve(answer).await;
    let created = store(&service).create(&ObjectName::Keys(1), b"{}").await;
    assert_eq!(created, Ok(vaultyard_model::port::custody::Create::Exists));
}

#[tokio::test]
async fn what_passes_of_a_key_is_retryable_and_what_lasts_is_fatal() {
    for (status, code, retryable) in [
        (400, "ThrottlingException", true),
        (500, "KMSInternalException", true),
        (500, "com.amazonaws.kms#KeyUnavailableException", true),
        (400, "ExpiredTokenException", true),
        (400, "AccessDeniedException", false),
        (400, "DisabledException", false),
        (400, "KMSInvalidStateException", false),
    ] {
        let refusal = json!({"__type": code, "message": "because of the test"});
        let service = Service::serve(move |_| json(status, &refusal)).await;
        let failed = key(&service).wrap_key(&Secret::new(vec![7; 32]), b"c").await.unwrap_err();
        assert_eq!(failed.is_retryable(), retryable, "{failed}");
        assert!(failed.to_string().contains("because of the test"), "{failed}");
    }
}

#[tokio::test]
async fn a_service_that_used_another_key_is_not_believed() {
    let answer = json!({"KeyId": format!("{ARN}5"), "Plaintext": "AAAA"});
    let service = Service::serve(move |_| json(200, &answer)).await;
    let wrapped = WrappedKey { key_id: ARN.to_owned(), bytes: vec![1] };
    let Err(CustodyError::Fatal(text)) = key(&service).unwrap_key(&wrapped, b"c").await else {
        panic!("another key is believed")
    };
    assert!(text.contains("it used"), "{text}");
}

#[tokio::test]
async fn neither_the_context_nor_the_secret_key_is_sent() {
    let answer = |request: Request<Bytes>| {
        let shown = format!("{:?} {:?}", request.headers(), request.body());
        assert!(!shown.contains("vault-7") && !shown.contains("secret-of-the-test"), "{shown}");
        json(200, &json!({"KeyId": ARN, "CiphertextBlob": "AAAA"}))
    };
    let service = Service::serve(answer).await;
    let wrapped = key(&service).wrap_key(&Secret::new(vec![7; 32]), b"vault-7").await.unwrap();
    assert_eq!(wrapped.key_id, ARN);
}

fn said(text: String) -> Response<Full<Bytes>> {
    Response::builder().header("etag", "\"1\"").body(Full::new(Bytes::from(text))).unwrap()
}

fn page(objects: &[(&str, u64)], more: &str) -> Response<Full<Bytes>> {
    let contents = objects.iter().map(|(key, size)| {
        format!("<Contents><Key>vault/{key}</Key><Size>{size}</Size></Contents>")
    });
    let contents: String = contents.collect();
    said(format!("<ListBucketResult>{contents}{more}</ListBucketResult>"))
}

#[tokio::test]
async fn all_pages_of_a_bucket_are_read() {
    let answer = |request: Request<Bytes>| {
        let query = request.uri().query().unwrap_or_default().to_owned();
        if query.contains("continuation-token=more%2B1") {
            page(&[("b", 2)], "")
        } else {
            page(&[("a", 1)], "<NextContinuationToken>more+1</NextContinuationToken>")
        }
    };
    let service = Service::serve(answer).await;
    let listed = snapshots::SnapshotStore::list(&store(&service)).await.unwrap();
    let listed: Vec<_> = listed.iter().map(|it| (it.name.as_str(), it.bytes)).collect();
    assert_eq!(listed, [("a", 1), ("b", 2)]);
}

/// More than a piece.
struct Large(u64);

#[async_trait]
impl Pieces for Large {
    fn length(&self) -> u64 {
        PIECE as u64 + 1
    }

    async fn next(&mut self) -> std::io::Result<Option<Vec<u8>>> {
        let left = self.length() - self.0;
        let piece = usize::try_from(left).unwrap().min(PIECE);
        self.0 += piece as u64;
        Ok((piece > 0).then(|| vec![0; piece]))
    }
}

/// S3 may begin its answer with 200 before it knows how it ends.
#[tokio::test]
async fn an_object_of_parts_is_there_when_it_is_seen_and_not_when_its_answer_began_well() {
    for (listed, expected) in [(vec![("a", PIECE as u64 + 1)], true), (vec![("a", 1)], false)] {
        let answer = move |request: Request<Bytes>| {
            let query = request.uri().query().unwrap_or_default().to_owned();
            match *request.method() {
                Method::POST if query.starts_with("uploads") => said(
                    "<InitiateMultipartUploadResult><UploadId>1</UploadId>\
                     </InitiateMultipartUploadResult>"
                        .to_owned(),
                ),
                Method::POST => xml(200, "InternalError"),
                Method::GET => page(&listed, ""),
                _ => said(String::new()),
            }
        };
        let service = Service::serve(answer).await;
        let store = store(&service);
        let created = snapshots::SnapshotStore::create(&store, "a", &mut Large(0)).await;
        match expected {
            true => assert_eq!(created, Ok(true)),
            false => assert!(created.unwrap_err().is_retryable()),
        }
    }
}
