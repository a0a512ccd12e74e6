//! What an unsealer tells of its server: `/report`, as JSON. The cluster controller makes the status
//! of the cluster from the reports of all servers.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use vaultyard_engine::keeping;
use vaultyard_model::observed::{
    Health, LeaderSeen, Observed, Peer, Probe, ProcessSeen, ServerSeen, State,
};
use vaultyard_model::port::keeper::Waiting;
use vaultyard_model::status::CertificateStatus;
use vaultyard_model::{ClusterName, ServerName, Version};

use super::operation::Progress;
use super::snapshots::Answered;
use crate::snapshots::Listed;

/// What one unsealer tells.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    /// Its server.
    pub(crate) server: String,
    /// Since when the server's process runs; `None` while none does.
    pub(crate) since: Option<Timestamp>,
    /// What the server says of itself.
    pub(crate) health: Result<HealthTold, String>,
    /// What it says of raft.
    pub(crate) raft: Option<RaftTold>,
    /// Whether its leader has reached it since it was unsealed. Unsealers of before do not tell.
    #[serde(default = "told_by_nobody")]
    pub(crate) reached: bool,
    /// Room on its volume, in bytes.
    pub(crate) free_bytes: Option<u64>,
    /// The certificate that it serves.
    pub(crate) certificate: Option<CertificateTold>,
    /// The keepers beside it.
    pub(crate) unsealer: KeeperTold,
    /// See `unsealer`.
    pub(crate) access: KeeperTold,
    /// See `unsealer`.
    pub(crate) logins: KeeperTold,
    /// See `unsealer`.
    pub(crate) custody: KeeperTold,
    /// See `unsealer`.
    pub(crate) certificates: KeeperTold,
    /// See `unsealer`. Unsealers of before take none.
    #[serde(default)]
    pub(crate) snapshots: KeeperTold,
    /// See `unsealer`.
    #[serde(default)]
    pub(crate) schedule: KeeperTold,
    /// The snapshot that was asked for last, once it is taken.
    #[serde(default)]
    pub(crate) snapshot: Option<Answered>,
    /// How far the last operation is that it has begun.
    #[serde(default)]
    pub(crate) operation: Option<Progress>,
    /// The snapshots on its server's volume; unsealers of before do not tell.
    #[serde(default)]
    pub(crate) kept_snapshots: Option<Vec<Listed>>,
    /// What is known of a root token that lives.
    pub(crate) root_token: Option<String>,
    /// Whether who copies the disk has both the keys and what opens them.
    pub(crate) key_beside_data: bool,
    /// The raft configuration, as the leader tells it.
    pub(crate) peers: Option<Vec<PeerTold>>,
    /// The read through the leader.
    pub(crate) probe: ProbeTold,
}

fn told_by_nobody() -> bool {
    true
}

/// See [`Health`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct HealthTold {
    state: StateTold,
    version: Option<String>,
}

/// See [`State`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum StateTold {
    Uninitialised,
    Sealed,
    Standby,
    Active,
}

/// See [`LeaderSeen`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RaftTold {
    is_self: bool,
    leader_address: String,
    committed: u64,
    applied: u64,
}

/// See [`CertificateStatus`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CertificateTold {
    serial: String,
    not_after: Timestamp,
}

/// See [`keeping::Report`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct KeeperTold {
    last_success: Option<Timestamp>,
    waiting: Option<String>,
    stuck: bool,
    begun: bool,
}

/// See [`Peer`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct PeerTold {
    server: String,
    voter: bool,
    leader: bool,
}

/// See [`Probe`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum ProbeTold {
    NotTried,
    Read { micros: u64 },
    Answered { error: String },
    Silent { leader: String, lasted_micros: u64, times: u32 },
}

/// What an unsealer has to tell, as its loops publish it.
pub(crate) struct Sources<'a> {
    pub(crate) server: &'a ServerName,
    pub(crate) observed: &'a Observed,
    pub(crate) unsealer: &'a keeping::Report,
    pub(crate) access: &'a keeping::Report,
    pub(crate) logins: &'a keeping::Report,
    pub(crate) custody: &'a keeping::Report,
    pub(crate) snapshots: &'a keeping::Report,
    pub(crate) schedule: keeping::Report,
    pub(crate) snapshot: Option<Answered>,
    pub(crate) operation: Option<Progress>,
    pub(crate) kept_snapshots: Option<Vec<Listed>>,
    pub(crate) certificates: &'a keeping::Report,
    pub(crate) served: Option<&'a CertificateStatus>,
    pub(crate) root_token: Option<String>,
    pub(crate) key_beside_data: bool,
}

impl From<Sources<'_>> for Report {
    fn from(sources: Sources<'_>) -> Self {
        let Sources { server, observed, served, root_token, .. } = sources;
        let seen = observed.servers.get(server);
        let not_seen = || Err("it has not been looked at yet".to_owned());
        Self {
            server: server.to_string(),
            since: seen.and_then(|seen| match &seen.process {
                ProcessSeen::Running { since, .. } => Some(*since),
                _ => None,
            }),
            health: seen.map_or_else(not_seen, |seen| {
                seen.health.as_ref().map(Into::into).map_err(Clone::clone)
            }),
            raft: seen.and_then(|seen| seen.raft.as_ref()).map(Into::into),
            reached: seen.is_none_or(|seen| seen.reached),
            free_bytes: seen.and_then(|seen| seen.free_bytes),
            certificate: served.map(Into::into),
            unsealer: sources.unsealer.into(),
            access: sources.access.into(),
            logins: sources.logins.into(),
            custody: sources.custody.into(),
            snapshots: sources.snapshots.into(),
            schedule: (&sources.schedule).into(),
            snapshot: sources.snapshot,
            operation: sources.operation,
            kept_snapshots: sources.kept_snapshots,
            certificates: sources.certificates.into(),
            root_token,
            key_beside_data: sources.key_beside_data,
            peers: observed.peers.as_ref().map(|peers| peers.iter().map(Into::into).collect()),
            probe: (&observed.probe).into(),
        }
    }
}

impl Report {
    /// What was seen of the server; its process is in another pod.
    pub(crate) fn seen(&self) -> ServerSeen {
        let health = self.health.as_ref().map(Into::into).map_err(Clone::clone);
        ServerSeen {
            process: ProcessSeen::Elsewhere,
            health,
            raft: self.raft.as_ref().map(Into::into),
            reached: self.reached,
            last_end: None,
            free_bytes: self.free_bytes,
        }
    }

    /// The raft configuration, without strangers.
    pub(crate) fn peers(&self, cluster: &ClusterName) -> Option<Vec<Peer>> {
        let peer = |told: &PeerTold| {
            let server = cluster.server_named(&told.server)?;
            Some(Peer { server, voter: told.voter, leader: told.leader })
        };
        Some(self.peers.as_ref()?.iter().filter_map(peer).collect())
    }

    /// The read through the leader.
    pub(crate) fn probe(&self, cluster: &ClusterName) -> Probe {
        match &self.probe {
            ProbeTold::NotTried => Probe::NotTried,
            ProbeTold::Read { micros } => Probe::Read(Duration::from_micros(*micros)),
            ProbeTold::Answered { error } => Probe::Answered(error.clone()),
            ProbeTold::Silent { leader, lasted_micros, times } => {
                let lasted = Duration::from_micros(*lasted_micros);
                match cluster.server_named(leader) {
                    Some(leader) => Probe::Silent { leader, lasted, times: *times },
                    None => Probe::NotTried,
                }
            }
        }
    }

    /// The certificate that the server shows.
    pub(crate) fn served(&self) -> Option<CertificateStatus> {
        let CertificateTold { serial, not_after } = self.certificate.clone()?;
        Some(CertificateStatus { serial, not_after })
    }
}

impl From<&Health> for HealthTold {
    fn from(health: &Health) -> Self {
        let state = match health.state {
            State::Uninitialised => StateTold::Uninitialised,
            State::Sealed => StateTold::Sealed,
            State::Standby => StateTold::Standby,
            State::Active => StateTold::Active,
        };
        Self { state, version: health.version.as_ref().map(ToString::to_string) }
    }
}

impl From<&HealthTold> for Health {
    fn from(told: &HealthTold) -> Self {
        let state = match told.state {
            StateTold::Uninitialised => State::Uninitialised,
            StateTold::Sealed => State::Sealed,
            StateTold::Standby => State::Standby,
            StateTold::Active => State::Active,
        };
        let version = told.version.as_deref().and_then(|text| Version::new(text).ok());
        Self { state, version }
    }
}

impl From<&LeaderSeen> for RaftTold {
    fn from(seen: &LeaderSeen) -> Self {
        let LeaderSeen { is_self, leader_address, committed, applied } = seen.clone();
        Self { is_self, leader_address, committed, applied }
    }
}

impl From<&RaftTold> for LeaderSeen {
    fn from(told: &RaftTold) -> Self {
        let RaftTold { is_self, leader_address, committed, applied } = told.clone();
        Self { is_self, leader_address, committed, applied }
    }
}

impl From<&CertificateStatus> for CertificateTold {
    fn from(status: &CertificateStatus) -> Self {
        Self { serial: status.serial.clone(), not_after: status.not_after }
    }
}

impl From<&keeping::Report> for KeeperTold {
    fn from(report: &keeping::Report) -> Self {
        let waiting = report.waiting.as_ref();
        Self {
            last_success: report.last_success,
            waiting: waiting.map(|waiting| waiting.reason.clone()),
            stuck: waiting.is_some_and(|waiting| waiting.stuck),
            begun: report.begun,
        }
    }
}

impl From<&KeeperTold> for keeping::Report {
    fn from(told: &KeeperTold) -> Self {
        let KeeperTold { last_success, waiting, stuck, begun } = told.clone();
        Self { last_success, waiting: waiting.map(|reason| Waiting { reason, stuck }), begun }
    }
}

impl From<&Peer> for PeerTold {
    fn from(peer: &Peer) -> Self {
        Self { server: peer.server.to_string(), voter: peer.voter, leader: peer.leader }
    }
}

impl From<&Probe> for ProbeTold {
    fn from(probe: &Probe) -> Self {
        let micros = |time: &Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        match probe {
            Probe::NotTried => Self::NotTried,
            Probe::Read(took) => Self::Read { micros: micros(took) },
            Probe::Answered(error) => Self::Answered { error: error.clone() },
            Probe::Silent { leader, lasted, times } => Self::Silent {
                leader: leader.to_string(),
                lasted_micros: micros(lasted),
                times: *times,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn sources(cluster: &ClusterName, probe: Probe) -> Report {
        let server = cluster.server(1);
        let seen = ServerSeen {
            process: ProcessSeen::Running { pid: 7, since: at(5) },
            health: Ok(Health { state: State::Standby, version: Version::new("2.7.2").ok() }),
            raft: Some(LeaderSeen {
                is_self: false,
                leader_address: "https://a:8200".to_owned(),
                committed: 9,
                applied: 8,
            }),
            reached: false,
            last_end: None,
            free_bytes: Some(1 << 30),
        };
        let observed = Observed {
            at: at(10),
            uptime: Duration::from_secs(1),
            servers: [(server.clone(), seen)].into(),
            peers: Some(vec![Peer { server: cluster.server(0), voter: true, leader: true }]),
            probe,
            elections_won: [].into(),
        };
        let waiting = Waiting { reason: "it waits".to_owned(), stuck: true };
        let keeper =
            keeping::Report { last_success: Some(at(3)), waiting: Some(waiting), begun: true };
        let served = CertificateStatus { serial: "0a".to_owned(), not_after: at(99) };
        Report::from(Sources {
            server: &server,
            observed: &observed,
            unsealer: &keeper,
            access: &keeper,
            logins: &keeper,
            custody: &keeper,
            snapshots: &keeper,
            schedule: keeping::Report::default(),
            snapshot: None,
            operation: None,
            kept_snapshots: None,
            certificates: &keeping::Report::default(),
            served: Some(&served),
            root_token: Some("one lives".to_owned()),
            key_beside_data: true,
        })
    }

    #[test]
    fn what_is_told_is_what_was_seen() {
        let cluster = ClusterName::new("vault").unwrap();
        let leader = cluster.server(0);
        let silent = Probe::Silent { leader, lasted: Duration::from_micros(1_500_001), times: 3 };
        let probes = [
            Probe::NotTried,
            Probe::Read(Duration::from_millis(2)),
            Probe::Answered("500".to_owned()),
            silent,
        ];
        for probe in probes {
            let told = sources(&cluster, probe.clone());
            let text = serde_json::to_string(&told).unwrap();
            let read: Report = serde_json::from_str(&text).unwrap();
            assert_eq!(read, told);
            assert_eq!(read.probe(&cluster), probe);
            let seen = read.seen();
            assert_eq!(seen.process, ProcessSeen::Elsewhere);
            assert_eq!(seen.state(), Some(State::Standby));
            assert!(!seen.reached);
            assert_eq!(seen.raft.map(|raft| (raft.committed, raft.applied)), Some((9, 8)));
            assert_eq!(read.peers(&cluster).map(|peers| peers.len()), Some(1));
            assert_eq!(read.served().map(|served| served.not_after), Some(at(99)));
            let unsealer = keeping::Report::from(&read.unsealer);
            assert!(unsealer.waiting.is_some_and(|waiting| waiting.stuck));
        }
    }

    #[test]
    fn strangers_are_no_peers() {
        let told = sources(&ClusterName::new("vault").unwrap(), Probe::NotTried);
        let other = ClusterName::new("other").unwrap();
        assert_eq!(told.peers(&other), Some(Vec::new()));
    }
}
