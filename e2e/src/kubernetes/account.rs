//! Service accounts: calls that are made as one of them, with a real token.

use std::path::PathBuf;

use http::header::CONTENT_TYPE;
use kube::config::AuthInfo;
use kube::{Client, Config};
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, Issuer, KeyPair, date_time_ymd};
use serde_json::{Value, json};

use super::Kube;
use crate::journal::runtime;

/// An account with a token of its own.
#[derive(Debug)]
pub struct Account {
    kubeconfig: String,
    client: Caller,
}

impl Kube {
    /// An account of the cluster.
    ///
    /// # Panics
    /// When there is none of that name.
    #[must_use]
    #[track_caller]
    pub fn account(&self, namespace: &str, name: &str) -> Account {
        let token = self.kubectl_in(namespace, &["create", "token", name, "--duration=1h"]);
        let kubeconfig = self.kubeconfig(&json!({"token": token.trim()}));
        let kubeconfig = self.write(&format!("as-{namespace}-{name}"), &kubeconfig);
        Account { kubeconfig, client: Caller::with(token.trim()) }
    }

    /// A kubeconfig for the same API server with these credentials.
    #[must_use]
    #[track_caller]
    pub fn kubeconfig(&self, user: &Value) -> String {
        let said = self.kubectl(&["config", "view", "--raw", "--minify", "-o", "json"]);
        let mut config: Value = serde_json::from_str(&said).unwrap();
        config["users"][0]["user"] = user.clone();
        config.to_string()
    }
}

impl Kube {
    /// The files of a client certificate that the API server's own authority has signed, and whose
    /// time is over; and of its key.
    ///
    /// # Panics
    /// When the authority does not lie beside the kubeconfig, as the test cluster has it.
    #[must_use]
    #[track_caller]
    pub fn expired_certificate(&self) -> (String, String) {
        let kubeconfig = PathBuf::from(std::env::var_os("KUBECONFIG").unwrap());
        let read = |name: &str| {
            std::fs::read_to_string(kubeconfig.with_file_name("pki").join(name)).unwrap()
        };
        let authority = KeyPair::from_pem(&read("ca.key")).unwrap();
        let authority = Issuer::from_ca_cert_pem(&read("ca.crt"), authority).unwrap();
        let mut params = CertificateParams::default();
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 1, 1);
        params.distinguished_name.push(DnType::CommonName, "somebody");
        params.distinguished_name.push(DnType::OrganizationName, "system:masters");
        params.extended_key_usages.push(ExtendedKeyUsagePurpose::ClientAuth);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &authority).unwrap().pem();
        (self.write("expired.crt", &certificate), self.write("expired.key", &key.serialize_pem()))
    }
}

/// Both namespaces of a cluster, made beforehand, and no pod may run in them until it is dropped.
#[derive(Debug)]
pub struct NoPods<'a> {
    cluster: &'a Kube,
}

impl Kube {
    /// Makes the namespaces as `up` would.
    #[track_caller]
    pub fn make_namespaces(&self) {
        for namespace in [self.name().to_owned(), self.operations()] {
            let _ = self.kubectl(&["create", "namespace", &namespace]);
            let ours = "app.kubernetes.io/managed-by=vaultyard";
            let own = format!("app.kubernetes.io/instance={}", self.name());
            let _ = self.kubectl(&["label", "namespace", &namespace, ours, &own]);
        }
    }

    /// Makes the namespaces, in which no pod may run.
    #[must_use]
    #[track_caller]
    pub fn allow_no_pods(&self) -> NoPods<'_> {
        self.make_namespaces();
        for namespace in [self.name().to_owned(), self.operations()] {
            let _ = self.kubectl_in(&namespace, &["create", "quota", "none", "--hard=pods=0"]);
        }
        NoPods { cluster: self }
    }
}

impl Drop for NoPods<'_> {
    fn drop(&mut self) {
        for namespace in [self.cluster.name().to_owned(), self.cluster.operations()] {
            // Kubernetes tries more and more seldom to make a pod; a new ReplicaSet is tried at once.
            for words in [["delete", "quota", "none"], ["delete", "replicasets", "--all"]] {
                let words = [&words[..], &["-n", &namespace]].concat();
                let said = self.cluster.try_kubectl(&words);
                if said.code != Some(0) {
                    eprintln!("{}", said.stderr);
                }
            }
        }
    }
}

impl Account {
    /// The kubeconfig with its token.
    #[must_use]
    pub fn kubeconfig(&self) -> &str {
        &self.kubeconfig
    }

    /// One call without a body.
    ///
    /// # Errors
    /// What the API server says when it refuses.
    pub fn call(&self, method: &str, path: &str) -> Result<(), String> {
        self.client.call(http::Request::builder().method(method).uri(path), Vec::new())
    }

    /// Applies the object, server-side, where `path` says.
    ///
    /// # Errors
    /// What the API server says when it refuses.
    pub fn apply(&self, path: &str, object: &Value) -> Result<(), String> {
        let path = format!("{path}?fieldManager=test&force=true");
        let request =
            http::Request::patch(path).header(CONTENT_TYPE, "application/apply-patch+yaml");
        self.client.call(request, object.to_string().into_bytes())
    }
}

/// Calls the API server with one token.
struct Caller(Client);

impl Caller {
    fn with(token: &str) -> Self {
        Self(runtime().block_on(async {
            let mut config = Config::infer().await.expect("KUBECONFIG names the test cluster");
            let token = Some(token.to_owned().into());
            config.auth_info = AuthInfo { token, ..AuthInfo::default() };
            Client::try_from(config).expect("its credentials can be used")
        }))
    }

    fn call(&self, request: http::request::Builder, body: Vec<u8>) -> Result<(), String> {
        let request = request.body(body).unwrap();
        let answer = runtime().block_on(self.0.request_text(request));
        answer.map(drop).map_err(|error| error.to_string())
    }
}

impl std::fmt::Debug for Caller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Caller")
    }
}
