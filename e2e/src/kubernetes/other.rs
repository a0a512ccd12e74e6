//! Another OpenBao, outside Kubernetes, whose transit engine opens keys.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;

use super::authority::certify;
use super::{BRIDGE, Kube};
use crate::home::{Said, openbao};
use crate::wait;

/// Its root token. Nothing but a test's own data is behind it.
const ROOT: &str = "root-of-the-test";

/// A server in memory with the transit key `unseal`. It ends when this is dropped.
#[derive(Debug)]
pub struct OtherCluster {
    folder: TempDir,
    address: String,
    child: Child,
}

impl OtherCluster {
    /// Starts it, with a certificate for the address at which pods reach it.
    ///
    /// # Panics
    /// When it does not answer.
    #[must_use]
    #[track_caller]
    pub fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("vaultyard-other-").tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        certify(&folder);
        let (own, outer) = (free_port(Ipv4Addr::LOCALHOST), free_port(BRIDGE));
        let configuration = json!({"listener": {"tcp": {
            "address": format!("{BRIDGE}:{outer}"),
            "tls_cert_file": file("tls.crt"),
            "tls_key_file": file("tls.key"),
        }}});
        std::fs::write(file("server.json"), configuration.to_string()).unwrap();
        let log = File::create(file("log")).unwrap();
        let child = Command::new(openbao().join("bao"))
            .args(["server", "-dev", "-dev-no-store-token"])
            .arg(format!("-dev-listen-address=127.0.0.1:{own}"))
            .arg(format!("-dev-root-token-id={ROOT}"))
            .arg(format!("-config={}", file("server.json").display()))
            .env_clear()
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let other = Self { folder, address: format!("https://{BRIDGE}:{outer}"), child };
        wait("the other cluster answers", Duration::from_secs(30), || {
            (other.bao(&["status"]).code == Some(0)).then_some(())
        });
        let _ = other.bao(&["secrets", "enable", "transit"]).done();
        let _ = other.bao(&["write", "-f", "transit/keys/unseal"]).done();
        other
    }

    /// Where it answers.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The file with the certificate of its authority.
    #[must_use]
    pub fn authority(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// A file with a token that may use the transit key and nothing else.
    ///
    /// # Panics
    /// When it is refused.
    #[must_use]
    #[track_caller]
    pub fn token(&self) -> PathBuf {
        self.allow();
        let words = ["token", "create", "-orphan", "-policy=unseal", "-field=token"];
        self.write("token", &self.bao(&words).done())
    }

    /// Lets the servers' account of a cluster log in as the role `unseal`, which may use the transit
    /// key and nothing else: by the Kubernetes auth method, with an account that reviews tokens.
    ///
    /// # Panics
    /// When it is refused.
    #[track_caller]
    pub fn admit(&self, cluster: &Kube) {
        self.allow();
        let name = cluster.name();
        let (reviewer, binding) = ("reviewer", format!("{name}-reviewer"));
        let _ = cluster.kubectl(&["create", "serviceaccount", reviewer]);
        let account = format!("--serviceaccount={name}:{reviewer}");
        let role = "--clusterrole=system:auth-delegator";
        let _ = cluster.kubectl(&["create", "clusterrolebinding", &binding, role, &account]);
        // It goes when the cluster goes.
        let label = format!("app.kubernetes.io/instance={name}");
        let _ = cluster.kubectl(&["label", "clusterrolebinding", &binding, &label]);
        let token = cluster.kubectl(&["create", "token", reviewer, "--duration=1h"]);
        let words = ["get", "configmap", "kube-root-ca.crt", "-o", "jsonpath={.data.ca\\.crt}"];
        let authority = self.write("kubernetes.pem", &cluster.kubectl(&words));
        let token = self.write("reviewer", &token);
        let _ = self.bao(&["auth", "enable", "kubernetes"]).done();
        let _ = self
            .bao(&[
                "write",
                "auth/kubernetes/config",
                &format!("kubernetes_host=https://{BRIDGE}:6443"),
                &format!("kubernetes_ca_cert=@{}", authority.display()),
                &format!("token_reviewer_jwt=@{}", token.display()),
            ])
            .done();
        let _ = self
            .bao(&[
                "write",
                "auth/kubernetes/role/unseal",
                &format!("bound_service_account_names={name}"),
                &format!("bound_service_account_namespaces={name}"),
                "token_policies=unseal",
                "token_ttl=10m",
            ])
            .done();
    }

    /// Makes the policy `unseal`.
    #[track_caller]
    fn allow(&self) {
        let policy = r#"path "transit/+/unseal" { capabilities = ["update"] }"#;
        let policy = self.write("policy.hcl", policy).display().to_string();
        let _ = self.bao(&["policy", "write", "unseal", &policy]).done();
    }

    fn write(&self, name: &str, content: &str) -> PathBuf {
        let file = self.folder.path().join(name);
        std::fs::write(&file, content.trim()).unwrap();
        file
    }

    fn bao(&self, words: &[&str]) -> Said {
        let mut command = Command::new(openbao().join("bao"));
        command
            .env_clear()
            .env("BAO_ADDR", &self.address)
            .env("BAO_TOKEN", ROOT)
            .env("BAO_CACERT", self.authority());
        Said::of(command.args(words))
    }
}

impl Drop for OtherCluster {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn free_port(address: Ipv4Addr) -> u16 {
    let listener = TcpListener::bind((address, 0));
    let listener = listener.unwrap_or_else(|error| {
        panic!("{address}: {error}; these tests run in `cargo xtask cluster exec`")
    });
    listener.local_addr().unwrap().port()
}
