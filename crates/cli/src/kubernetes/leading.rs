//! A controller of two equal pods: one works, the other waits for its turn.

use std::future::Future;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;
use tokio::sync::{oneshot, watch};
use vaultyard_model::{ClusterName, Namespace};
use vaultyard_render::kubernetes::Names;
use vaultyard_render::kubernetes::labels::{Component, labels};
use vaultyard_target_kubernetes::kind::LEASE;
use vaultyard_target_kubernetes::lease::{Candidate, Election};
use vaultyard_target_kubernetes::{Api, Reference};

use super::hindrance::Hindrance;
use super::{door, gauges, pod};
use crate::failure::{Failure, Kind, bad_input, failed};
use crate::metrics;
use crate::stops::Stops;
use crate::system::SystemClock;

/// The shortest and the longest pause before work that failed is begun anew.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(15));
/// How long the lease may take to be given back.
const RELEASE: Duration = Duration::from_secs(3);

/// What every controller is given.
#[derive(Clone)]
pub(crate) struct Post {
    /// The API server, as the controller's account.
    pub(crate) api: Api,
    /// What everything of the cluster is called.
    pub(crate) names: Names,
    /// Why the work cannot be done; for the door and for the Lease.
    pub(crate) hindrance: Hindrance,
    /// How often something was put back that somebody else had changed.
    pub(crate) corrected: Counter,
}

impl Post {
    /// Where this pod stands.
    fn take() -> Result<Self, Failure> {
        let cluster = ClusterName::new(&pod::variable("VAULTYARD_CLUSTER")?).map_err(bad_input)?;
        let namespace =
            Namespace::new(&pod::variable("VAULTYARD_NAMESPACE")?).map_err(bad_input)?;
        let names = Names::new(&cluster, &namespace);
        let api = Api::in_cluster().map_err(failed)?;
        let (hindrance, corrected) = (Hindrance::default(), Counter::default());
        Ok(Self { api, names, hindrance, corrected })
    }
}

/// Works whenever it is this pod's turn, and begins anew after a failure, until the program is told
/// to stop. Work ends by being dropped, at any of its waits.
pub(crate) async fn run<W, F>(component: Component, work: W) -> Result<ExitCode, Failure>
where
    W: Fn(Post) -> F,
    F: Future<Output = Failure>,
{
    let mut stops = Stops::listen()?;
    let post = Post::take()?;
    let door = door::open().await?;
    let lease = match component {
        Component::ClusterController => post.names.cluster_controller(),
        Component::CertificatesController => post.names.certificates_controller(),
        Component::Server | Component::Proxy => {
            return Err(Failure::text(Kind::Failed, "only controllers take turns"));
        }
    };
    let lease_name = lease.clone();
    let lease = Reference::within(LEASE, post.names.operations(), &lease);
    let (election, mut leads) = Election::new(
        post.api.clone(),
        lease,
        Candidate {
            identity: pod::name()?,
            labels: labels(&post.names, Some(component)),
            hindrance: post.hindrance.changes(),
        },
        Arc::new(SystemClock),
    );
    let (hindrance, corrected) = (post.hindrance.clone(), post.corrected.clone());
    let turn = leads.clone();
    tokio::spawn(door::answer(door, move |path| {
        std::future::ready(match path.as_str() {
            "/ready" => Some(door::readiness(hindrance.get().as_deref())),
            "/metrics" => {
                let mut registry = Registry::with_prefix("vaultyard");
                gauges::controller(&mut registry, &lease_name, *turn.borrow(), &corrected);
                Some(metrics::text(&registry))
            }
            _ => None,
        })
    }));
    let (stop, stopped) = oneshot::channel::<()>();
    let election = tokio::spawn(election.run(async {
        stopped.await.ok();
    }));
    tokio::select! {
        () = take_turns(&post, &mut leads, work) => {}
        _ = stops.next() => {}
    }
    stop.send(()).ok();
    tokio::time::timeout(RELEASE, election).await.ok();
    Ok(ExitCode::SUCCESS)
}

async fn take_turns<W, F>(post: &Post, leads: &mut watch::Receiver<bool>, work: W)
where
    W: Fn(Post) -> F,
    F: Future<Output = Failure>,
{
    let mut pause = PAUSES.0;
    let mut last = String::new();
    while leads.wait_for(|leads| *leads).await.is_ok() {
        let lost = {
            let mut leads = leads.clone();
            async move { leads.wait_for(|leads| !*leads).await.is_err() }
        };
        tokio::pin!(lost);
        tokio::select! {
            failure = work(post.clone()) => {
                // Another failure than the last one: it got on, if not to the end.
                if failure.message() != last {
                    pause = PAUSES.0;
                    last = failure.message().to_owned();
                }
                post.hindrance.set(Some(last.clone()));
                tokio::select! {
                    () = tokio::time::sleep(pause) => {
                        pause = (pause * 2).min(PAUSES.1);
                        continue;
                    }
                    _ = &mut lost => {}
                }
            }
            _ = &mut lost => {}
        }
        // Whoever leads now says how he gets on.
        post.hindrance.set(None);
        pause = PAUSES.0;
    }
}
