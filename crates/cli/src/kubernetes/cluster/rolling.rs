//! Replaces the pods of servers, one at a time, by evicting them: the StatefulSet makes each anew as it
//! is declared. Before a pod goes its unsealer hands over what it leads, while the proxies hold requests.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;
use tokio::sync::watch;
use vaultyard_engine::keeping::{self, Report};
use vaultyard_engine::rollout::Roller;
use vaultyard_model::observed::Observed;
use vaultyard_model::port::host::HostError;
use vaultyard_model::port::rollout::{Rollout, Stale, Standing};
use vaultyard_model::{Cluster, ServerName, Version};
use vaultyard_render::kubernetes::Names;
use vaultyard_target_kubernetes::kind::POD;
use vaultyard_target_kubernetes::{Api, Reference};

use crate::kubernetes::leading::Post;
use crate::system::SystemClock;

/// What one look tells of the pods.
#[derive(Debug, Clone, PartialEq)]
struct Pods {
    /// Those that are not as they would be made now, each with its `uid`.
    outdated: BTreeMap<ServerName, String>,
    /// Why none may go now.
    hindrance: Option<String>,
}

/// A rollout, from where the servers are looked at.
pub(super) struct Rolling {
    observed: watch::Sender<Option<Observed>>,
    pods: watch::Sender<Option<Pods>>,
    report: watch::Receiver<Report>,
}

/// The rollout of what is declared now, and what carries it out for as long as it is polled.
pub(super) fn begin(
    post: &Post,
    cluster: &Cluster,
    declared: &Value,
) -> (Rolling, impl Future<Output = ()> + use<>) {
    let (observed, looks) = watch::channel(None);
    let (pods, of_pods) = watch::channel(None);
    let (publish, report) = watch::channel(Report::default());
    let port = PodRollout {
        api: post.api.clone(),
        names: post.names.clone(),
        version: cluster.servers.version.clone(),
        generation: declared["metadata"]["generation"].as_u64().unwrap_or_default(),
        pods: of_pods.clone(),
    };
    let roller = Box::new(Roller::new(Arc::new(port), looks));
    let (clock, never) = (Arc::new(SystemClock), watch::channel(false).1);
    let work = keeping::keep("rollout", roller, of_pods, publish, clock, never);
    (Rolling { observed, pods, report }, work)
}

impl Rolling {
    /// Tells what a look has brought. What is not known of the pods any more is held to be as it was,
    /// and none of them goes.
    pub(super) fn look(
        &self,
        observed: &Observed,
        outdated: Option<BTreeMap<ServerName, String>>,
        hindrance: Option<String>,
    ) {
        // Whoever reads of the pods first, and then this, knows of a pod that goes no earlier than that
        // it is not to be counted on.
        self.observed.send_replace(Some(observed.clone()));
        self.pods.send_if_modified(|last| {
            let next = match (outdated, &*last) {
                (Some(outdated), _) => Some(Pods { outdated, hindrance }),
                (None, Some(last)) => {
                    let why = "the StatefulSet is not as it is declared".to_owned();
                    Some(Pods { hindrance: Some(why), ..last.clone() })
                }
                (None, None) => None,
            };
            let news = *last != next;
            *last = next;
            news
        });
    }

    /// How far it is; `None` before that is known.
    pub(super) fn report(&self) -> Option<Report> {
        let report = self.report.borrow().clone();
        (report.begun && self.pods.borrow().is_some()).then_some(report)
    }
}

struct PodRollout {
    api: Api,
    names: Names,
    version: Version,
    generation: u64,
    pods: watch::Receiver<Option<Pods>>,
}

impl PodRollout {
    fn pods(&self, what: &str) -> Result<Pods, HostError> {
        let not_seen = || refused(what, "they are not all known yet");
        self.pods.borrow().clone().ok_or_else(not_seen)
    }
}

#[async_trait]
impl Rollout for PodRollout {
    async fn standing(&self) -> Result<Standing, HostError> {
        let Pods { outdated, hindrance } = self.pods("tell which pods are as declared")?;
        Ok(Standing {
            generation: self.generation,
            version: self.version.clone(),
            // Another version is not followed here, see `plan::change::another_version`.
            stale: outdated.into_keys().map(|server| (server, Stale::Configuration)).collect(),
            snapshot: true,
            hindrance,
        })
    }

    async fn take_snapshot(&self) -> Result<(), HostError> {
        Err(refused("take a snapshot", "none is taken on Kubernetes"))
    }

    /// Whether it leads is for the unsealer to see when it goes: by then another one may.
    async fn replace(&self, server: &ServerName, _: bool, _: &Version) -> Result<(), HostError> {
        let what = format!("replace {server}");
        let pods = self.pods(&what)?;
        let uid = pods.outdated.get(server).ok_or_else(|| refused(&what, "it goes already"))?;
        let pod = Reference::within(POD, self.names.namespace(), server.as_str());
        self.api.evict(&pod, uid).await.map_err(|error| refused(&what, &error.to_string()))
    }

    /// What a pod was made of is told by its StatefulSet.
    async fn note_well(&self, _: &ServerName) -> Result<(), HostError> {
        Ok(())
    }
}

fn refused(what: &str, why: &str) -> HostError {
    HostError { what: what.to_owned(), why: why.to_owned() }
}
