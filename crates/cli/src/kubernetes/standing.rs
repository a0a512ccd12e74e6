//! How many servers stand on Kubernetes, the one that comes and the one that leaves, as the status of the
//! `VaultCluster` keeps it: written by the cluster controller, followed by everybody else.
//!
//! One that comes does not stand before its pod has a name in DNS. Who asks for the name too early makes DNS keep
//! for seconds that there is none; then the leader does not reach the server that joins, and tries ever more
//! rarely.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::timeout;
use vaultyard_model::{Cluster, ServerName};
use vaultyard_render::kubernetes::Names;
use vaultyard_target_kubernetes::cluster::ClusterObject;
use vaultyard_target_kubernetes::kind::STATEFUL_SET;
use vaultyard_target_kubernetes::{Api, ApiError, Reference};

use super::declared;
use super::pod::ServerPod;

/// The field of the status with how many servers stand.
const STANDING: &str = "standing";
/// The field with the name of the one whose pod is being made.
const COMING: &str = "coming";
/// The field with the one that leaves: its name, and the generation of the document that does not ask for it.
const LEAVING: &str = "leaving";
/// How long whoever begins waits for the status. Without it the document says how many there are.
const FIRST_LOOK: Duration = Duration::from_secs(2);

/// How many stand, as this `VaultCluster` says; `None` where that was never noted.
pub(crate) fn of(object: &Value) -> Option<u8> {
    let noted = object["status"][STANDING].as_u64()?;
    u8::try_from(noted).ok().filter(|servers| (1..=9).contains(servers))
}

/// As many as stand or will, whichever is more.
pub(crate) fn largest(object: Option<&Value>, cluster: &Cluster) -> u8 {
    let wanted = cluster.servers.replicas.count();
    object.and_then(of).map_or(wanted, |standing| standing.max(wanted))
}

/// The server that comes. It may be a member already, so it comes to the end whatever is declared meanwhile, and
/// leaves then.
pub(crate) fn coming(object: &Value, cluster: &Cluster) -> Option<ServerName> {
    let coming = cluster.name.server_named(object["status"][COMING].as_str()?)?;
    (of(object) == Some(coming.ordinal())).then_some(coming)
}

/// What of the status it is worth to begin anew for.
pub(crate) fn identity(object: &Value) -> [Value; 2] {
    [STANDING, COMING].map(|field| object["status"][field].clone())
}

/// The server that leaves, the last one. The document of the same object must not ask for it: nobody but the person
/// who declares can have a server leave, whoever writes the status. What was decided of another document is over.
pub(crate) fn leaving(object: &Value, names: &Names) -> Option<ServerName> {
    let cluster = declared::read(object, names).ok()?.cluster;
    let said = &object["status"][LEAVING];
    let leaving = cluster.name.server_named(said["server"].as_str()?)?;
    let is_last = of(object).is_none_or(|standing| leaving.ordinal() + 1 >= standing);
    let generation = &object["metadata"]["generation"];
    let of_this = generation.is_u64() && said["generation"] == *generation;
    (of_this && is_last && !cluster.wanted().contains(&leaving)).then_some(leaving)
}

/// How many stand; noted where it was not yet: as many as the StatefulSet has, else as the document asks for. A note of
/// fewer than both has not come about by removing servers, and none goes for it.
pub(crate) async fn settle(
    api: &Api,
    names: &Names,
    object: &ClusterObject,
    declared: &Value,
    cluster: &Cluster,
    manager: &str,
) -> Result<u8, ApiError> {
    let set = Reference::within(STATEFUL_SET, names.namespace(), names.stateful_set());
    let set = api.get(&set).await?;
    let runs = set.and_then(|set| set["spec"]["replicas"].as_u64());
    let runs = runs.and_then(|runs| u8::try_from(runs).ok()).filter(|runs| *runs > 0);
    let wanted = cluster.servers.replicas.count();
    let noted = of(declared).filter(|noted| {
        let run = noted + u8::from(coming(declared, cluster).is_some());
        *noted >= wanted || runs.is_none_or(|runs| runs <= run)
    });
    let over = !declared["status"][LEAVING].is_null() && leaving(declared, names).is_none();
    if let Some(standing) = noted {
        if over {
            object.patch_status(manager, &json!({LEAVING: null})).await?;
        }
        return Ok(standing);
    }
    let standing = runs.unwrap_or(wanted);
    object.patch_status(manager, &stands(standing)).await?;
    Ok(standing)
}

/// Has this object say so, as the one that is kept does by now.
pub(crate) fn note(object: &mut Value, servers: u8) {
    object["status"][STANDING] = servers.into();
}

/// The status that says that so many stand, and none comes or leaves.
pub(crate) fn stands(servers: u8) -> Value {
    json!({STANDING: servers, COMING: null, LEAVING: null})
}

/// The status that has this one come.
pub(crate) fn comes(server: &ServerName) -> Value {
    json!({COMING: server.as_str()})
}

/// The status that has this one leave, by this generation of the document.
pub(crate) fn leaves(server: &ServerName, generation: u64) -> Value {
    json!({LEAVING: {"server": server.as_str(), "generation": generation}})
}

/// What the unsealer of a server goes by for as long as it runs; with another one it begins anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Part {
    /// How many servers there are.
    pub(crate) standing: u8,
    /// What its own one is.
    pub(crate) role: Role,
}

/// What a server is to the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// One of them, or about to be.
    Member,
    /// The one that leaves.
    Leaves,
    /// None of them: its pod goes soon, and nothing is done for it.
    Outside,
}

impl Part {
    /// What the status says, when that is known soon; else what the document does.
    pub(crate) async fn first(mut declared: watch::Receiver<Value>, pod: &ServerPod) -> Self {
        let known = declared.wait_for(|object| !object.is_null());
        let known = timeout(FIRST_LOOK, known).await;
        let known = known.ok().and_then(Result::ok).map(|object| object.clone());
        Self::of(&known.unwrap_or_default(), pod)
    }

    fn of(object: &Value, pod: &ServerPod) -> Self {
        let (noted, own) = (of(object), &pod.server);
        let standing = noted.unwrap_or(pod.cluster.servers.replicas.count());
        if leaving(object, &pod.names).as_ref() == Some(own) {
            return Self { standing, role: Role::Leaves };
        }
        if noted.is_some_and(|noted| own.ordinal() >= noted) {
            if coming(object, &pod.cluster).as_ref() != Some(own) {
                return Self { standing, role: Role::Outside };
            }
            // It knows itself already.
            return Self { standing: standing + 1, role: Role::Member };
        }
        Self { standing, role: Role::Member }
    }

    /// Returns when another part is to be played. An object that is gone says nothing.
    pub(crate) async fn is_over(self, pod: &ServerPod, mut declared: watch::Receiver<Value>) {
        let other = |object: &Value| !object.is_null() && Self::of(object, pod) != self;
        if declared.wait_for(other).await.is_err() {
            std::future::pending().await
        }
    }
}

#[cfg(test)]
mod tests {
    use vaultyard_testkit::sample;

    use super::*;

    fn object(replicas: u8, status: &Value) -> Value {
        json!({
            "apiVersion": "vaultyard.dev/v1alpha1", "kind": "VaultCluster",
            "metadata": {"name": "vault", "namespace": "vault", "generation": 7},
            "spec": {"servers": {"replicas": replicas}}, "status": status,
        })
    }

    #[test]
    fn what_is_noted_counts_and_what_cannot_be_does_not() {
        let noted = |standing: Value| of(&object(3, &json!({STANDING: standing})));
        assert_eq!(noted(json!(4)), Some(4));
        for wrong in [json!(0), json!(10), json!("4"), Value::Null] {
            assert_eq!(noted(wrong), None);
        }
        let cluster = sample::cluster(3);
        for (standing, expected) in [(5, 5), (3, 3), (1, 3)] {
            let object = object(3, &stands(standing));
            assert_eq!(largest(Some(&object), &cluster), expected);
        }
        assert_eq!(largest(None, &cluster), 3);
    }

    #[test]
    fn an_unsealer_does_nothing_for_a_server_that_neither_stands_nor_comes() {
        let pod = |ordinal| ServerPod {
            cluster: sample::cluster(3),
            built_in: false,
            server: sample::cluster(1).name.server(ordinal),
            names: Names::of(&sample::cluster(3)),
        };
        let part = |status: &Value, ordinal| {
            let Part { standing, role } = Part::of(&object(3, status), &pod(ordinal));
            (standing, role)
        };
        assert_eq!(part(&json!({}), 2), (3, Role::Member));
        assert_eq!(part(&stands(2), 1), (2, Role::Member));
        assert_eq!(part(&stands(2), 2), (2, Role::Outside));
        let mut comes_too = stands(2);
        comes_too[COMING] = comes(&pod(2).server)[COMING].clone();
        assert_eq!(part(&comes_too, 2), (3, Role::Member));
        assert_eq!(part(&comes_too, 1), (2, Role::Member));
        let mut goes = stands(4);
        goes[LEAVING] = leaves(&pod(3).server, 7)[LEAVING].clone();
        assert_eq!(part(&goes, 3), (4, Role::Leaves));
    }

    #[test]
    fn only_the_next_server_comes_and_goes_on_with_it_when_nobody_asks_for_it_any_more() {
        let cluster = sample::cluster(5);
        let server = |ordinal| cluster.name.server(ordinal);
        let comes = |standing, ordinal| {
            let mut status = stands(standing);
            status[COMING] = comes(&server(ordinal))[COMING].clone();
            object(5, &status)
        };
        assert_eq!(coming(&comes(3, 3), &cluster), Some(server(3)));
        assert_eq!(coming(&comes(3, 4), &cluster), None);
        assert_eq!(coming(&comes(3, 3), &sample::cluster(3)), Some(server(3)));
        assert_eq!(coming(&object(5, &stands(3)), &cluster), None);
    }

    #[test]
    fn only_a_server_that_the_document_does_not_ask_for_can_leave() {
        let names = Names::of(&sample::cluster(3));
        let server = |ordinal| sample::cluster(1).name.server(ordinal);
        let by = |replicas, ordinal, generation| {
            let mut status = stands(5);
            status[LEAVING] = leaves(&server(ordinal), generation)[LEAVING].clone();
            leaving(&object(replicas, &status), &names)
        };
        assert_eq!(by(3, 4, 7), Some(server(4)));
        assert_eq!(by(3, 4, 6), None, "by another document");
        assert_eq!(by(5, 4, 7), None, "it is asked for");
        assert_eq!(by(3, 3, 7), None, "it is not the last one");
        assert_eq!(by(3, 0, 7), None);
        assert_eq!(leaving(&object(3, &stands(3)), &names), None);
    }
}
