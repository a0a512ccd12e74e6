//! What tests look at again and again, asked of the API server itself: a `kubectl` for each look takes
//! more of the processors than what is looked at.

use std::sync::OnceLock;
use std::time::Duration;

use kube::{Client, Config};
use serde_json::Value;

use super::Kube;
use crate::journal::runtime;

/// The longest that one look may take: the API server may be away.
const PATIENCE: Duration = Duration::from_secs(10);

impl Kube {
    /// A pod of any namespace; `None` when there is none, or nobody who knows.
    #[must_use]
    pub fn pod_in(&self, namespace: &str, name: &str) -> Option<Value> {
        get(&format!("/api/v1/namespaces/{namespace}/pods/{name}"))
    }

    /// A pod of the cluster's namespace.
    #[must_use]
    pub fn pod(&self, name: &str) -> Option<Value> {
        self.pod_in(self.name(), name)
    }

    /// All pods of the cluster's namespace.
    #[must_use]
    pub fn pods(&self) -> Option<Vec<Value>> {
        let list = get(&format!("/api/v1/namespaces/{}/pods", self.name()))?;
        list["items"].as_array().cloned()
    }

    /// The names of the pods of a part of the cluster.
    #[must_use]
    pub fn pods_of(&self, namespace: &str, part: &str) -> Vec<String> {
        let label = format!("app.kubernetes.io/component%3D{part}");
        let list = get(&format!("/api/v1/namespaces/{namespace}/pods?labelSelector={label}"));
        let pods = list.as_ref().and_then(|list| list["items"].as_array()).into_iter().flatten();
        pods.filter_map(|pod| pod["metadata"]["name"].as_str().map(str::to_owned)).collect()
    }

    /// The pod of a controller that leads.
    #[must_use]
    pub fn leading(&self, controller: &str) -> Option<String> {
        let (namespace, lease) = (self.operations(), format!("{}-{controller}", self.name()));
        let leases = format!("/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases");
        let lease = get(&format!("{leases}/{lease}"))?;
        let holder = lease["spec"]["holderIdentity"].as_str()?;
        (!holder.is_empty()).then(|| holder.to_owned())
    }
}

impl Kube {
    /// What every container of the cluster's pods has written within the last `within`, line by line.
    #[must_use]
    pub fn lines_of_all(&self, within: Duration) -> Vec<String> {
        let label = format!("app.kubernetes.io/instance%3D{}", self.name());
        let seconds = within.as_secs();
        let mut lines = Vec::new();
        for namespace in [self.name().to_owned(), self.operations()] {
            let pods = format!("/api/v1/namespaces/{namespace}/pods");
            let list = get(&format!("{pods}?labelSelector={label}")).unwrap_or_default();
            for pod in list["items"].as_array().into_iter().flatten() {
                let name = pod["metadata"]["name"].as_str().unwrap_or_default();
                let spec = &pod["spec"];
                let containers = [&spec["initContainers"], &spec["containers"]];
                let containers = containers.iter().filter_map(|all| all.as_array()).flatten();
                for container in containers.filter_map(|container| container["name"].as_str()) {
                    let log = format!("{pods}/{name}/log?container={container}");
                    // One that has not begun yet has written nothing.
                    let said = text(&format!("{log}&sinceSeconds={seconds}")).unwrap_or_default();
                    lines.extend(said.lines().map(str::to_owned));
                }
            }
        }
        lines
    }
}

fn text(path: &str) -> Option<String> {
    let request = http::Request::get(path).body(Vec::new()).unwrap();
    let client = client();
    runtime().block_on(async {
        let answer = tokio::time::timeout(PATIENCE, client.request_text(request)).await;
        answer.ok()?.ok()
    })
}

fn get(path: &str) -> Option<Value> {
    serde_json::from_str(&text(path)?).ok()
}

/// One for all tests of a process: as `$KUBECONFIG` says.
fn client() -> &'static Client {
    static CLIENT: OnceLock<Client> = OnceLock::new();
    CLIENT.get_or_init(|| {
        runtime().block_on(async {
            let config = Config::infer().await.expect("KUBECONFIG names the test cluster");
            Client::try_from(config).expect("its credentials can be used")
        })
    })
}
