//! A port of this machine that leads to the proxies of a cluster, through the API server.

use std::net::{Ipv4Addr, SocketAddr};

use serde_json::Value;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tracing::debug;
use vaultyard_model::layout::API_PORT;
use vaultyard_render::kubernetes::Names;
use vaultyard_render::kubernetes::labels::{Component, selector};
use vaultyard_target_kubernetes::kind::POD;
use vaultyard_target_kubernetes::port_forward::PodConnection;
use vaultyard_target_kubernetes::{Api, ApiError, Reason, Reference};

use super::reach::Found;
use crate::failure::{Failure, Kind, failed};

/// The port, and where it leads.
pub(crate) struct Forward {
    listener: TcpListener,
    address: SocketAddr,
    to: Found,
}

impl Forward {
    /// A free port. That a proxy is reached is seen before anybody is told of it.
    pub(crate) async fn open(to: Found) -> Result<Self, Failure> {
        drop(connect(&to).await?);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address, to })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Carries every connection to a proxy, until it is dropped.
    pub(crate) async fn run(&self) -> Failure {
        let mut carried = JoinSet::new();
        loop {
            tokio::select! {
                accepted = self.listener.accept() => match accepted {
                    Ok((near, _)) => drop(carried.spawn(carry(near, self.to.clone()))),
                    Err(error) => return failed(error),
                },
                Some(_) = carried.join_next() => {}
            }
        }
    }
}

async fn carry(mut near: TcpStream, to: Found) {
    match connect(&to).await {
        Ok(mut far) => {
            // What ends a connection is seen by whoever speaks over it.
            let carried = async {
                near.set_nodelay(true)?;
                copy_bidirectional(&mut near, &mut far).await
            };
            carried.await.ok();
        }
        Err(failure) => debug!("{}", failure.message()),
    }
}

/// A connection to the first proxy that takes one.
async fn connect(to: &Found) -> Result<PodConnection, Failure> {
    let Found { api, names } = to;
    let mut last = None;
    for pod in ready_proxies(api, names).await? {
        match api.connect(&pod, API_PORT).await {
            Ok(connection) => return Ok(connection),
            Err(error) => last = Some(error),
        }
    }
    let none = || {
        let what = format!("no proxy of {} in {} is ready", names.cluster(), names.namespace());
        Failure::text(Kind::Failed, what)
            .hint("`vaultyard status --target kubernetes` says how the cluster is")
    };
    Err(last.map_or_else(none, |error| may_not(error, names)))
}

/// The API server asks for one right after the other, and says nothing of the second.
fn may_not(error: ApiError, names: &Names) -> Failure {
    let namespace = names.namespace();
    match &error.reason {
        Reason::Forbidden { .. } => {
            let what = format!(
                "you may not connect to the proxies: that takes the rights to get and to create \
                 pods/portforward in the namespace {namespace}"
            );
            Failure::text(Kind::Refused, what).hint(
                "who runs the cluster gives them by a Role there with the rule {apiGroups: [\"\"], \
                 resources: [pods/portforward], verbs: [get, create]}",
            )
        }
        _ => failed(error),
    }
}

async fn ready_proxies(api: &Api, names: &Names) -> Result<Vec<Reference>, Failure> {
    let labels = selector(names, Component::Proxy);
    let labels: Vec<_> = labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let narrowed = [("labelSelector", labels.join(","))];
    let narrowed = narrowed.each_ref().map(|(key, value)| (*key, value.as_str()));
    let pods = api.list(POD, Some(names.namespace()), &narrowed).await.map_err(failed)?;
    let name = |pod: &Value| pod["metadata"]["name"].as_str().map(str::to_owned);
    let ready = pods.iter().filter(|pod| is_ready(pod)).filter_map(name);
    Ok(ready.map(|name| Reference::within(POD, names.namespace(), &name)).collect())
}

fn is_ready(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let is_ready = |it: &Value| it["type"] == "Ready" && it["status"] == "True";
    pod["metadata"]["deletionTimestamp"].is_null() && conditions.iter().any(is_ready)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use vaultyard_target_kubernetes::error::Refused;

    use super::*;

    #[test]
    fn who_may_not_connect_is_told_which_rights_it_takes() {
        let name = vaultyard_model::ClusterName::new("login").unwrap();
        let names = Names::new(&name, &vaultyard_model::Namespace::new("here").unwrap());
        let (message, refused) = (String::new(), Refused::Admission);
        let reason = Reason::Forbidden { message, refused };
        let failure = may_not(ApiError { act: "connect".to_owned(), reason }, &names);
        assert!(failure.message().contains("in the namespace here"), "{}", failure.message());
        assert_eq!(failure.exit_code(), Failure::text(Kind::Refused, "").exit_code());
    }

    #[test]
    fn only_pods_that_are_ready_and_stay_are_taken() {
        let pod = |ready: &str, deleted: Value| {
            json!({
                "metadata": {"name": "a", "deletionTimestamp": deleted},
                "status": {"conditions": [
                    {"type": "PodScheduled", "status": "True"}, {"type": "Ready", "status": ready},
                ]},
            })
        };
        assert!(is_ready(&pod("True", Value::Null)));
        assert!(!is_ready(&pod("False", Value::Null)));
        assert!(!is_ready(&pod("True", json!("2026-11-28T12:00:00Z"))));
        assert!(!is_ready(&json!({"metadata": {"name": "a"}})));
    }
}
