//! Which API server a person means, and which cluster there.

use std::path::PathBuf;

use serde_json::Value;
use vaultyard_model::{ClusterName, Namespace};
use vaultyard_render::kubernetes::Names;
use vaultyard_target_kubernetes::kind::VAULT_CLUSTER;
use vaultyard_target_kubernetes::{Api, ApiError, Reason};

use crate::arguments::{Common, Kubernetes};
use crate::control::wire;
use crate::failure::{Failure, Kind, bad_input, failed};
use crate::system;

/// The connection that the command line asks for. Nothing is sent yet.
pub(crate) async fn api(arguments: &Kubernetes) -> Result<Api, Failure> {
    let paths = match &arguments.kubeconfig {
        Some(path) => vec![path.clone()],
        None => kubeconfigs(),
    };
    let api = Api::from_kubeconfig(&paths, arguments.context.as_deref()).await;
    api.map_err(bad_input)
}

/// What the first answer of an API server says of the kubeconfig.
pub(crate) fn refused(error: ApiError) -> Failure {
    match error.reason {
        Reason::Credentials { .. } | Reason::Strange { .. } => bad_input(error),
        _ => failed(error),
    }
}

/// Where kubectl looks.
fn kubeconfigs() -> Vec<PathBuf> {
    match system::variable("KUBECONFIG") {
        Some(paths) => std::env::split_paths(&paths).collect(),
        None => system::home().into_iter().map(|home| home.join(".kube/config")).collect(),
    }
}

/// A cluster that stands there.
#[derive(Clone)]
pub(crate) struct Found {
    /// The connection.
    pub(crate) api: Api,
    /// What everything of it is called.
    pub(crate) names: Names,
}

/// The only cluster in the namespace that was named, or of all.
pub(crate) async fn cluster(common: &Common) -> Result<Found, Failure> {
    let api = api(&common.kubernetes).await?;
    let namespace = common.kubernetes.namespace.as_deref();
    let all = api.list(VAULT_CLUSTER, namespace, &[]).await.map_err(refused)?;
    let place = namespace.map(|name| format!(" in the namespace {name}")).unwrap_or_default();
    let text = |object: &Value, field: &str| {
        object["metadata"][field].as_str().unwrap_or_default().to_owned()
    };
    match all.as_slice() {
        [] => Err(Failure::text(Kind::BadInput, format!("there is no VaultCluster{place}"))
            .hint("`vaultyard up --target kubernetes` makes one")),
        [object] => {
            let cluster = ClusterName::new(&text(object, "name")).map_err(failed)?;
            let namespace = Namespace::new(&text(object, "namespace")).map_err(failed)?;
            Ok(Found { api, names: Names::new(&cluster, &namespace) })
        }
        several => {
            let name =
                |object| format!("{} in {}", text(object, "name"), text(object, "namespace"));
            let names: Vec<_> = several.iter().map(name).collect();
            let what = format!("there are several clusters{place}: {}", names.join(", "));
            Err(Failure::text(Kind::BadInput, what).hint("name one's namespace with --namespace"))
        }
    }
}

/// The status in a `VaultCluster`; `None` while nobody has written one.
pub(crate) fn status(object: &Value) -> Option<wire::Status> {
    serde_json::from_value(object["status"].clone()).ok()
}
