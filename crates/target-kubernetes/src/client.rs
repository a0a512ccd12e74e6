//! The connection to one API server.

use std::path::PathBuf;
use std::time::Duration;

use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};
use serde_json::Value;
use vaultyard_model::chain;

use crate::error::{ApiError, Reason};

/// For so long an answer that is no stream may take, body included. The API server itself gives
/// up after a minute.
pub(crate) const ANSWER: Duration = Duration::from_secs(30);

/// The API server, for one identity. Clones share the connections.
#[derive(Clone)]
pub struct Api {
    client: Client,
    address: String,
}

/// Why there is no connection to try.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// No kubeconfig was named, or none of those that were named is there.
    #[error("there is no kubeconfig ({}); name one with --kubeconfig or $KUBECONFIG", list(looked))]
    NoKubeconfig {
        /// Where it was looked.
        looked: Vec<PathBuf>,
    },
    /// A file cannot be read or understood.
    #[error("the kubeconfig {} cannot be used; mend it, or name another", path.display())]
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<KubeconfigError>,
    },
    /// The context that was asked for is not in it.
    #[error(
        "the kubeconfig {} has no context {wanted}; it has: {}",
        list(paths), contexts.join(", ")
    )]
    UnknownContext {
        /// The files.
        paths: Vec<PathBuf>,
        /// The context.
        wanted: String,
        /// Those that it has.
        contexts: Vec<String>,
    },
    /// No context was asked for, and the kubeconfig prefers none.
    #[error(
        "the kubeconfig {} names no current context; name one with --context: {}",
        list(paths), contexts.join(", ")
    )]
    NoContext {
        /// The files.
        paths: Vec<PathBuf>,
        /// Those that it has.
        contexts: Vec<String>,
    },
    /// A context that leads nowhere: no cluster, a certificate that cannot be read, ...
    #[error(
        "the context of the kubeconfig {} cannot be used; mend it, or name another",
        list(paths)
    )]
    Context {
        /// The files.
        paths: Vec<PathBuf>,
        /// Why.
        source: Box<KubeconfigError>,
    },
    /// The pod has no account, or this is no pod.
    #[error(
        "the service account of this pod cannot be used; it needs a token and ca.crt in \
         /var/run/secrets/kubernetes.io/serviceaccount, and the variables KUBERNETES_SERVICE_*"
    )]
    InCluster {
        /// Why.
        source: Box<kube::config::InClusterError>,
    },
    /// Certificates, keys, or the command that gives credentials.
    #[error("the credentials cannot be used; log in anew")]
    Credentials {
        /// Why.
        source: Box<kube::Error>,
    },
}

fn list(paths: &[PathBuf]) -> String {
    let names: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
    if names.is_empty() { "none was named".to_owned() } else { names.join(", ") }
}

/// An answer that was not an error.
pub(crate) struct Answer {
    /// Whether the object was made by this request.
    pub(crate) created: bool,
    /// What it says.
    pub(crate) body: Value,
}

/// What is asked for.
pub(crate) struct Call<'a> {
    /// In words, with the object: `read the Secret a in the namespace b`.
    pub(crate) act: String,
    /// Version and kind of the object, in case that the server does not know it.
    pub(crate) kind: String,
    pub(crate) method: Method,
    /// With the query.
    pub(crate) path: String,
    /// Its media type, and what is sent.
    pub(crate) body: Option<(&'static str, &'a Value)>,
}

impl Api {
    /// The API server of a kubeconfig. Several files are read as one, as `$KUBECONFIG` may name them;
    /// files that are not there are passed over. Nothing is sent yet.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub async fn from_kubeconfig(
        paths: &[PathBuf],
        context: Option<&str>,
    ) -> Result<Self, ConnectError> {
        let kubeconfig = read(paths)?;
        let contexts = kubeconfig.contexts.iter().map(|context| context.name.clone()).collect();
        let options =
            KubeConfigOptions { context: context.map(str::to_owned), ..Default::default() };
        let config = Config::from_custom_kubeconfig(kubeconfig, &options).await;
        let config = config.map_err(|error| match error {
            KubeconfigError::LoadContext(wanted) => {
                ConnectError::UnknownContext { paths: paths.to_vec(), wanted, contexts }
            }
            KubeconfigError::CurrentContextNotSet => {
                ConnectError::NoContext { paths: paths.to_vec(), contexts }
            }
            error => ConnectError::Context { paths: paths.to_vec(), source: Box::new(error) },
        })?;
        Self::with(config)
    }

    /// The API server of the cluster whose pod this is, as the pod's account.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub fn in_cluster() -> Result<Self, ConnectError> {
        let config = Config::incluster()
            .map_err(|source| ConnectError::InCluster { source: Box::new(source) })?;
        Self::with(config)
    }

    fn with(mut config: Config) -> Result<Self, ConnectError> {
        // Whoever asks knows best whether and when to ask again; and a watch may be silent.
        config.default_retry = false;
        config.read_timeout = None;
        config.connect_timeout = Some(Duration::from_secs(10));
        let address = config.cluster_url.to_string();
        let client = Client::try_from(config)
            .map_err(|source| ConnectError::Credentials { source: Box::new(source) })?;
        Ok(Self { client, address })
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Where the API server is.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The version of the API server. The credentials are looked at, too.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn version(&self) -> Result<String, ApiError> {
        let call = Call {
            act: "ask the API server for its version".to_owned(),
            kind: "version".to_owned(),
            method: Method::GET,
            path: "/version".to_owned(),
            body: None,
        };
        let act = call.act.clone();
        match self.call(call).await?.body["gitVersion"].as_str() {
            Some(version) => Ok(version.to_owned()),
            None => {
                let reason = Reason::Strange { what: "it has no version".to_owned() };
                Err(ApiError { act, reason })
            }
        }
    }

    /// Asks, and reads the whole answer.
    pub(crate) async fn call(&self, call: Call<'_>) -> Result<Answer, ApiError> {
        let act = call.act.clone();
        let answer = tokio::time::timeout(ANSWER, async {
            let response = self.send(call).await?;
            let created = response.status() == StatusCode::CREATED;
            let bytes = response.into_body().collect().await;
            let bytes = bytes.map_err(|error| self.unreachable(&act, chain(&error)))?.to_bytes();
            let body = serde_json::from_slice(&bytes).map_err(|_| ApiError {
                act: act.clone(),
                reason: Reason::Strange { what: "it is not JSON".to_owned() },
            })?;
            Ok(Answer { created, body })
        });
        let late = || format!("no answer within {} s", ANSWER.as_secs());
        answer.await.unwrap_or_else(|_| Err(self.unreachable(&act, late())))
    }

    /// Asks; the answer is a stream. Its head has to come in time, what follows may take for ever.
    pub(crate) async fn stream(&self, call: Call<'_>) -> Result<Body, ApiError> {
        let act = call.act.clone();
        let response = tokio::time::timeout(ANSWER, self.send(call)).await;
        let late = || format!("no answer within {} s", ANSWER.as_secs());
        let response = response.unwrap_or_else(|_| Err(self.unreachable(&act, late())))?;
        Ok(response.into_body())
    }

    async fn send(&self, call: Call<'_>) -> Result<Response<Body>, ApiError> {
        let Call { act, kind, method, path, body } = call;
        // Compressed answers would have to be unpacked, and streams of them cannot be.
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(ACCEPT, "application/json")
            .header(ACCEPT_ENCODING, "identity");
        let mut bytes = Vec::new();
        if let Some((media_type, value)) = body {
            request = request.header(CONTENT_TYPE, media_type);
            bytes = value.to_string().into_bytes();
        }
        let request = request.body(Body::from(bytes)).map_err(|error| ApiError {
            act: act.clone(),
            reason: Reason::Invalid { message: error.to_string() },
        })?;
        let response = self.client.send(request).await;
        let response = response.map_err(|error| match error {
            kube::Error::Auth(error) => ApiError {
                act: act.clone(),
                reason: Reason::Credentials { message: chain(&error) },
            },
            error => self.unreachable(&act, chain(&error)),
        })?;
        if response.status().is_success() {
            return Ok(response);
        }
        let (head, body) = response.into_parts();
        let bytes = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        let body = serde_json::from_slice(&bytes).unwrap_or_default();
        let wait = head.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let wait = wait.and_then(|seconds| seconds.parse().ok()).map(Duration::from_secs);
        Err(ApiError::from_answer(act, kind, head.status, wait, &body))
    }

    pub(crate) fn unreachable(&self, act: &str, error: String) -> ApiError {
        let reason = Reason::Unreachable { address: self.address.clone(), error };
        ApiError { act: act.to_owned(), reason }
    }
}

/// The files that are there, as one.
fn read(paths: &[PathBuf]) -> Result<Kubeconfig, ConnectError> {
    let mut whole: Option<Kubeconfig> = None;
    for path in paths.iter().filter(|path| path.exists()) {
        let wrong =
            |source| ConnectError::Kubeconfig { path: path.clone(), source: Box::new(source) };
        let next = Kubeconfig::read_from(path).map_err(wrong)?;
        whole = Some(match whole {
            Some(before) => before.merge(next).map_err(wrong)?,
            None => next,
        });
    }
    whole.ok_or_else(|| ConnectError::NoKubeconfig { looked: paths.to_vec() })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const KUBECONFIG: &str = "
apiVersion: v1
kind: Config
current-context: here
clusters: [{name: c, cluster: {server: 'http://127.0.0.1:1'}}]
contexts: [{name: here, context: {cluster: c, user: u}}, {name: nowhere, context: {cluster: x, user: u}}]
users: [{name: u, user: {token: t}}]
";

    fn written(folder: &Path, text: &str) -> Vec<PathBuf> {
        let path = folder.join("config");
        std::fs::write(&path, text).unwrap();
        vec![folder.join("absent"), path]
    }

    async fn error(paths: &[PathBuf], context: Option<&str>) -> ConnectError {
        Api::from_kubeconfig(paths, context).await.err().unwrap()
    }

    #[tokio::test]
    async fn a_kubeconfig_that_is_missing_is_named() {
        let paths = [PathBuf::from("/nowhere/config")];
        let error = error(&paths, None).await.to_string();
        assert!(error.contains("no kubeconfig (/nowhere/config)"), "{error}");
    }

    #[tokio::test]
    async fn a_context_that_is_missing_is_told_with_those_that_are_there() {
        let folder = tempfile::tempdir().unwrap();
        let paths = written(folder.path(), KUBECONFIG);
        let unknown = error(&paths, Some("there")).await.to_string();
        assert!(unknown.contains("no context there; it has: here, nowhere"), "{unknown}");
        let broken = error(&paths, Some("nowhere")).await;
        assert!(matches!(broken, ConnectError::Context { .. }), "{broken}");
        let paths = written(folder.path(), &KUBECONFIG.replace("current-context: here", ""));
        assert!(matches!(error(&paths, None).await, ConnectError::NoContext { .. }));
        let paths = written(folder.path(), "[");
        assert!(matches!(error(&paths, None).await, ConnectError::Kubeconfig { .. }));
    }

    #[tokio::test]
    async fn an_api_server_that_is_not_there_is_unreachable() {
        let folder = tempfile::tempdir().unwrap();
        let paths = written(folder.path(), KUBECONFIG);
        let api = Api::from_kubeconfig(&paths, None).await.unwrap();
        let error = api.version().await.unwrap_err();
        assert!(matches!(error.reason, Reason::Unreachable { .. }), "{error}");
        assert!(error.again_after().is_some());
    }
}
