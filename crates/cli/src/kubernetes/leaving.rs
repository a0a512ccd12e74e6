//! A server leaves for good. Its unsealer, which does nothing else any more, takes it out of raft, ends it with its data in
//! the same moment, sees that it stays out and says so. The volume stays, and holds nothing of the cluster.
//! One that is dead is taken out by the unsealer beside the leader.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use http::StatusCode;
use jiff::Timestamp;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::sleep;
use tracing::{info, warn};
use vaultyard_engine::departure::stays_out;
use vaultyard_model::access::Identity;
use vaultyard_model::observed::Observed;
use vaultyard_model::port::host::Host;
use vaultyard_model::port::keeper::{Keeper, Round, Waiting};
use vaultyard_model::port::server::Operator;
use vaultyard_model::{ServerName, chain};
use vaultyard_render::kubernetes::Names;
use vaultyard_target_kubernetes::pod::{Paths, watch_server};
use vaultyard_vault::Session;

use super::mounted::Mounted;
use super::pod::ServerPod;
use super::standing::{self, Role};
use super::{door, sites};
use crate::failure::{Failure, Kind, failed};
use crate::identities;

/// What the unsealer answers to whoever asks for its report when nothing of its server is left.
pub(crate) const LEFT: &str = "its server has left the cluster, and its data is removed";
/// What it answers where its server is none of the cluster's.
const OUTSIDE: &str = "its server does not stand: its pod goes soon, and nothing is done for it";
/// What it answers before.
const LEAVES: &str = "its server leaves the cluster";
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(500);
/// Between two rounds while nobody leaves.
const CALM: Duration = Duration::from_secs(5);

/// Has the server of this pod leave, and goes on saying that it has; for one that is outside already nothing is done.
pub(crate) async fn leave(pod: &ServerPod, role: Role, door: TcpListener) -> Failure {
    let left = Arc::new(AtomicBool::new(false));
    let answers = left.clone();
    let answers = door::answer(door, move |path| {
        let (status, line) = match (role, answers.load(Ordering::Relaxed)) {
            (Role::Outside, _) => (StatusCode::SERVICE_UNAVAILABLE, OUTSIDE),
            (_, true) => (StatusCode::GONE, LEFT),
            (_, false) => (StatusCode::SERVICE_UNAVAILABLE, LEAVES),
        };
        std::future::ready(match path.as_str() {
            "/drained" => Some(door::word("it does not lead")),
            "/ready" | "/report" => Some(door::text(status, line)),
            _ => None,
        })
    });
    let leaves = async {
        if role == Role::Outside {
            info!(server = %pod.server, "{OUTSIDE}");
            return std::future::pending().await;
        }
        if let Err(failure) = end(pod).await {
            return failure;
        }
        left.store(true, Ordering::Relaxed);
        info!(server = %pod.server, "{LEFT}");
        std::future::pending().await
    };
    tokio::select! {
        failure = leaves => failure,
        () = answers => Failure::text(Kind::Failed, "the door is closed"),
    }
}

/// Takes the server out of raft, ends it with its data, and returns when it stays out.
async fn end(pod: &ServerPod) -> Result<(), Failure> {
    let paths = Paths::default();
    let root = std::fs::read_to_string(paths.certificates().join("ca.crt")).map_err(failed)?;
    let login = Mounted::open(&paths.identities(), Identity::Vaultyard.as_str())?;
    let tls = identities::tls_with(&root, login.shown.clone())?;
    let sites = sites::of(&pod.cluster)?;
    let clients = identities::clients(&sites, pod.cluster.servers.software, &tls)?;
    let session = Session::new(clients, Identity::Vaultyard);
    let clock = Arc::new(crate::system::SystemClock);
    let (host, looker) = watch_server(pod.server.clone(), paths, clock);
    let removed = async {
        // Of two servers both are needed to agree on this, so it lives to see it; and not a moment longer. Its
        // container begins anew: with data, one with a seal of its own would speak up again.
        while let Err(error) = session.remove_peer(&pod.server).await {
            warn!("it cannot be taken out of raft: {}", chain(&error));
            sleep(PAUSE).await;
        }
        while let Err(error) = host.wipe("it leaves the cluster").await {
            warn!("{error}");
            sleep(PAUSE).await;
        }
        stays_out(&pod.server, &session).await;
    };
    tokio::select! {
        () = removed => {}
        () = looker.run() => {}
    }
    Ok(())
}

/// Takes a server that is to leave and does not live out of raft, while its own leads.
pub(crate) struct DepartureKeeper {
    /// Its own.
    pub(crate) server: ServerName,
    pub(crate) names: Names,
    /// The `VaultCluster`.
    pub(crate) declared: watch::Receiver<Value>,
    pub(crate) observed: watch::Receiver<Option<Observed>>,
    pub(crate) operator: Arc<dyn Operator>,
}

impl DepartureKeeper {
    /// The member that is to leave, when it is for this one to take it out.
    fn leaving(&self) -> Option<ServerName> {
        let leaving = standing::leaving(&self.declared.borrow(), &self.names)?;
        let seen = self.observed.borrow();
        let seen = seen.as_ref()?;
        let is_member = seen.peers.as_ref()?.iter().any(|peer| peer.server == leaving);
        let lives = seen.servers.get(&leaving).is_some_and(|seen| seen.health.is_ok());
        (seen.leader() == Some(&self.server) && is_member && !lives).then_some(leaving)
    }
}

#[async_trait]
impl Keeper for DepartureKeeper {
    async fn round(&mut self, _: Timestamp) -> Round {
        let Some(leaving) = self.leaving() else {
            let leaves = standing::leaving(&self.declared.borrow(), &self.names).is_some();
            let next = if leaves { PAUSE } else { CALM };
            return Round { did: None, waiting: None, next };
        };
        match self.operator.remove_peer(&leaving).await {
            Ok(()) => {
                info!(server = %leaving, "taken out of raft: it leaves");
                Round { did: Some("remove-peer"), waiting: None, next: PAUSE }
            }
            Err(error) => {
                let reason = format!("{leaving} cannot be taken out of raft: {}", chain(&error));
                warn!("{reason}");
                Round { did: None, waiting: Some(Waiting { reason, stuck: false }), next: PAUSE }
            }
        }
    }
}
