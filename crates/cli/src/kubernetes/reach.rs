//! Which API server a person means, and which cluster there.

use std::path::PathBuf;

use jiff::Timestamp;
use serde_json::Value;
use vaultyard_model::port::clock::Clock;
use vaultyard_model::{ClusterName, Namespace};
use vaultyard_render::kubernetes::Names;
use vaultyard_target_kubernetes::cluster::ClusterObject;
use vaultyard_target_kubernetes::kind::{LEASE, VAULT_CLUSTER};
use vaultyard_target_kubernetes::lease::{self, Pulse};
use vaultyard_target_kubernetes::{Api, ApiError, Reason, Reference};

use crate::arguments::{Common, Kubernetes};
use crate::control::wire;
use crate::failure::{Failure, Kind, bad_input, failed};
use crate::system::{self, SystemClock};

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

impl Found {
    /// How the cluster is. When no controller is there to keep that true, it says so.
    pub(crate) async fn status(&self) -> Result<wire::Status, Failure> {
        let silence = silence(&self.api, &self.names).await;
        let status = self.written_status().await?;
        Ok(match silence {
            Some(reason) => outdated(status, reason),
            None => status,
        })
    }

    /// How the cluster was when its controller wrote it down last.
    pub(crate) async fn written_status(&self) -> Result<wire::Status, Failure> {
        let object = ClusterObject::new(self.api.clone(), &self.names).read().await;
        let gone = || Failure::text(Kind::Failed, "the VaultCluster was deleted");
        let object = object.map_err(failed)?.ok_or_else(gone)?;
        let silent = || {
            Failure::text(Kind::Failed, "the cluster controller has written no status yet").hint(
                format!("its pods: `kubectl get pods --namespace {}`", self.names.operations()),
            )
        };
        status(&object).ok_or_else(silent)
    }
}

/// The status in a `VaultCluster`; `None` while nobody has written one.
pub(crate) fn status(object: &Value) -> Option<wire::Status> {
    serde_json::from_value(object["status"].clone()).ok()
}

/// Why the status is not to be believed: no controller keeps it true. Who may not look at Leases
/// cannot tell, and believes it.
pub(crate) async fn silence(api: &Api, names: &Names) -> Option<String> {
    let lease = Reference::within(LEASE, names.operations(), &names.cluster_controller());
    match lease::pulse(api, &lease, SystemClock.now()).await {
        Ok(Pulse::Still { since }) => Some(silent_since(since, names.operations())),
        Ok(Pulse::Beats) | Err(_) => None,
    }
}

fn silent_since(since: Option<Timestamp>, operations: &str) -> String {
    let since = since.map(|since| format!(" since {since:.0}")).unwrap_or_default();
    format!(
        "no cluster controller has been at work{since}, and the status is as it was then: look at \
         its pods in the namespace {operations}, and whether they reach the API server"
    )
}

/// A status that nobody keeps true any more: what it says of the servers is what was seen last.
fn outdated(status: wire::Status, reason: String) -> wire::Status {
    let ready = wire::Condition {
        kind: "Ready".into(),
        status: "Unknown".into(),
        reason: "ControllerSilent".into(),
        message: reason.clone(),
    };
    let others = status.conditions.into_iter().filter(|condition| condition.kind != ready.kind);
    let conditions = std::iter::once(ready.clone()).chain(others).collect();
    wire::Status { phase: "Unknown".into(), reason, conditions, ..status }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_status_that_nobody_keeps_true_is_not_ready_and_says_since_when() {
        let condition = |kind: &str| json!({"type": kind, "status": "True", "reason": "AllVoters", "message": "all"});
        let object = json!({"status": {
            "name": "vault", "target": "kubernetes", "phase": "Ready", "reason": "all servers vote",
            "address": "https://vault", "servers": [], "controllers": [],
            "conditions": [condition("Initialized"), condition("Ready")],
        }});
        let since = "2026-11-29T04:00:00.123456Z".parse().unwrap();
        let reason = silent_since(Some(since), "vault-operations");
        let old = outdated(status(&object).unwrap(), reason);
        assert_eq!(old.phase, "Unknown");
        assert!(old.reason.contains("since 2026-11-29T04:00:00Z, and"), "{}", old.reason);
        assert!(old.reason.contains("namespace vault-operations"), "{}", old.reason);
        let conditions: Vec<_> =
            old.conditions.iter().map(|it| (it.kind.as_str(), it.status.as_str())).collect();
        assert_eq!(conditions, [("Ready", "Unknown"), ("Initialized", "True")]);
    }
}
