//! Looking (I/O): how the server is, what stands on its volume and in the store, how the others
//! are. Keys that are found and opened stay in memory; nothing else changes.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::join_all;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use vaultyard_model::ServerName;
use vaultyard_model::access::{REKEY_FIELD, REKEY_PATH};
use vaultyard_model::observed::{LeaderSeen, State};
use vaultyard_model::port::custody::CustodyError;
use vaultyard_model::port::server::{CallError, KeyKind, Server};
use vaultyard_model::port::volume::Record;

use super::seen::{Absence, Answer, Membership, Own, PeerSeen, StoreSeen, Trouble, VolumeSeen};
use super::{HeldAnswer, Unsealer};
use crate::access::MARKER_PATH;
use crate::access::decide::Marker;
use crate::envelope::{self, Expected, Keys, OpenError};
use crate::last_unsealed::UnsealLog;
use crate::record::{self, Generation, Intent, Released};
use crate::stored::{self, KeyRing, LoadError};

impl From<CustodyError> for Trouble {
    fn from(error: CustodyError) -> Self {
        Self { passes: error.is_retryable(), text: error.to_string() }
    }
}

impl From<LoadError> for Trouble {
    fn from(error: LoadError) -> Self {
        Self { passes: error.is_retryable(), text: error.to_string() }
    }
}

impl From<OpenError> for Trouble {
    fn from(error: OpenError) -> Self {
        Self { passes: error.is_retryable(), text: error.to_string() }
    }
}

impl Unsealer {
    /// How the server is. What was given to a process that is gone is forgotten.
    pub(super) async fn observe_own(&mut self, now: Timestamp) -> Own {
        let own = own(&*self.ports.own).await;
        let pid = self.pid();
        if self.memory.keys.is_some() {
            self.memory.keys_since.get_or_insert(now);
        }
        let given = self
            .memory
            .given
            .take_if(|given| given.process != pid || !matches!(own, Own::Sealed { .. }));
        match own {
            Own::Unsealed => {
                // Shares that were given to this very process have unsealed it.
                if let Some(given) = given.filter(|given| given.process == pid) {
                    self.keep_in_log(&given, now);
                }
                self.memory.refused = None;
                self.memory.tried = None;
                self.memory.unanswered = 0;
                self.memory.uninitialised_since = None;
                self.memory.member_looked.get_or_insert(now);
            }
            Own::Uninitialised => {
                self.memory.uninitialised_since.get_or_insert(now);
            }
            // Keys that were refused are read anew each time: the store that fits may be back.
            Own::Sealed { .. } if self.memory.refused.is_some() => self.forget_keys(),
            // A server that hung when it was given the shares, and still does, did not answer twice.
            Own::Hangs(_) if self.memory.unanswered > 0 => {
                self.memory.unanswered = self.memory.unanswered.saturating_add(1);
            }
            Own::Absent(_) | Own::Hangs(_) | Own::Sealed { .. } => {}
        }
        if own != Own::Unsealed {
            self.memory.member_looked = None;
            self.memory.outside_since = None;
        }
        own
    }

    pub(super) fn pid(&self) -> Option<u32> {
        self.ports.host.process().pid()
    }

    /// The records on the volume. An answer that opens is taken into memory; keys that are not those
    /// of the records are forgotten.
    pub(super) async fn observe_volume(&mut self) -> Result<VolumeSeen, Trouble> {
        let intent = self.record::<Intent>(Record::Intent).await?.map(|intent| intent.generation);
        let released =
            self.record::<Released>(Record::Released).await?.map(|released| released.generation);
        let answer = match self.ports.volume.read(Record::Answer).await? {
            Some(bytes) => Some(self.open_answer(intent.as_ref(), bytes).await),
            None => None,
        };
        let volume = VolumeSeen { intent, answer, released };
        if let (Some(needed), Some(keys)) = (volume.generation(), &self.memory.keys)
            && needed != keys
        {
            self.forget_keys();
        }
        Ok(volume)
    }

    async fn record<T: DeserializeOwned>(&self, record: Record) -> Result<Option<T>, Trouble> {
        let damaged = |wrong| Trouble {
            passes: false,
            text: format!("{} on the server's volume {wrong}", record.file_name()),
        };
        match self.ports.volume.read(record).await? {
            Some(bytes) => record::read(&bytes).map(Some).map_err(damaged),
            None => Ok(None),
        }
    }

    async fn open_answer(
        &mut self,
        intent: Option<&Generation>,
        bytes: Vec<u8>,
    ) -> Result<Generation, Trouble> {
        let Some(intent) = intent else {
            let text = "it stands without its intent".to_owned();
            return Err(Trouble { passes: false, text });
        };
        if self.memory.proven.as_ref() == Some(intent) {
            return Ok(intent.clone());
        }
        let (cluster, attempt) = (&self.subject.cluster, intent.attempt);
        let expected = Expected { cluster, attempt, rekey: None };
        let keys = envelope::open(&bytes, expected, &*self.ports.encryption).await?;
        let generation = keys.header.generation.clone();
        self.memory.answer =
            Some(Answer { generation: generation.clone(), kept: Some(true), stored: false });
        self.secrets.answer = Some(HeldAnswer { keys, envelope: Some(bytes) });
        Ok(generation)
    }

    /// What the store holds. Keys that open are kept in memory.
    pub(super) async fn observe_store(&mut self) -> Result<StoreSeen, Trouble> {
        let stored = stored::look(&*self.ports.store).await?;
        let (cluster, place) = (&self.subject.cluster, self.ports.store.describe());
        let opened = stored.open(cluster, &place, &*self.ports.encryption).await;
        let keys = match opened {
            Ok(None) => None,
            Ok(Some(ring)) => Some(self.fitting(&place, ring).map(|ring| self.take(ring))),
            Err(error) => Some(Err(error.into())),
        };
        Ok(StoreSeen { attempts: stored.attempts, intents: stored.intents, keys })
    }

    /// Keys of the other kind than the document takes are not this cluster's any more.
    fn fitting(&self, place: &str, ring: KeyRing) -> Result<KeyRing, Trouble> {
        let kind = ring.current().header.kind();
        if kind == self.subject.split.kind {
            return Ok(ring);
        }
        let (there, wanted) = match kind {
            KeyKind::Unseal => ("unseal keys", "names one"),
            KeyKind::Recovery => ("recovery keys of servers with a seal", "names none"),
        };
        let text = format!(
            "{place} holds {there}, and spec.seal {wanted}: another seal is not supported by this \
             version; take the change of spec.seal back"
        );
        Err(Trouble { passes: false, text })
    }

    pub(super) async fn open_stored(&self, attempt: u32, bytes: &[u8]) -> Result<Keys, OpenError> {
        let expected = Expected { cluster: &self.subject.cluster, attempt, rekey: None };
        envelope::open(bytes, expected, &*self.ports.encryption).await
    }

    /// Keeps keys of the store in memory, so that unsealing again waits for nothing.
    pub(super) fn take(&mut self, ring: KeyRing) -> Generation {
        let generation = ring.current().header.generation.clone();
        self.memory.keys = Some(generation.clone());
        self.secrets.keys = Some(Arc::new(ring));
        generation
    }

    fn forget_keys(&mut self) {
        self.memory.keys = None;
        self.secrets.keys = None;
    }

    pub(super) async fn observe_peers(&self) -> BTreeMap<ServerName, PeerSeen> {
        let asked = self.ports.peers.iter().map(|(name, server)| async move {
            let seen = match server.health().await.map(|health| health.state) {
                Ok(State::Uninitialised) => PeerSeen::Uninitialised,
                Ok(State::Sealed | State::Standby | State::Active) => PeerSeen::Initialised,
                Err(_) => PeerSeen::Silent,
            };
            (name.clone(), seen)
        });
        join_all(asked).await.into_iter().collect()
    }

    /// Where the API of the leader is, if another server says that it leads.
    pub(super) async fn observe_leader(&self) -> Option<String> {
        let asked = self.ports.peers.values().map(|server| server.leader());
        let told = join_all(asked).await.into_iter().filter_map(Result::ok);
        let mut leaders = told.filter(|seen| seen.is_self);
        leaders.next().map(|leader| leader.leader_address)
    }

    pub(super) fn observe_free(&self) -> Result<u64, String> {
        self.ports.host.free_bytes().map_err(|error| error.to_string())
    }

    /// What the rest of the cluster says of this server: from the leader's raft configuration, and
    /// from each voter's own log.
    pub(super) async fn observe_membership(&self) -> Result<Membership, String> {
        let operator = self.ports.operator.as_ref().ok_or("there is no login to ask with")?;
        let unknown = |error: CallError| error.to_string();
        let members = operator.peers().await.map_err(unknown)?;
        let member = members.iter().any(|peer| peer.server == self.subject.server);
        if member && self.memory.member_looked.is_some() {
            // Of one that is unsealed nothing else is of interest.
            return Ok(Membership { quorum_without: false, keys_proven_elsewhere: false, member });
        }
        let voters = operator.voters().await.map_err(unknown)?;
        let own = &self.subject.server;
        let others = members.iter().filter(|peer| peer.voter && peer.server != *own);
        let servers =
            others.filter_map(|peer| Some((&peer.server, self.ports.peers.get(&peer.server)?)));
        let servers: Vec<_> = servers.collect();
        // While clients write, whoever is asked in the same moment is behind by what was just committed.
        let committed = committed(&logs_of(&servers).await);
        let logs = match committed {
            Some(_) => logs_of(&servers).await,
            None => Vec::new(),
        };
        let caught_up = caught_up(&logs, committed);
        let keys_proven_elsewhere = match self.subject.split.kind {
            KeyKind::Unseal => {
                // A store that was brought back from before a rekey has shares that once unsealed all.
                let marked = operator.read_own(REKEY_PATH).await.map_err(unknown)?;
                let marked = marked.and_then(|fields| fields.get(REKEY_FIELD)?.parse().ok());
                self.current_rekey() == Some(marked) && self.keys_have_unsealed_one_of(&caught_up)
            }
            KeyKind::Recovery => {
                let marked = operator.read_own(MARKER_PATH).await.map_err(unknown)?;
                let keys = self.memory.keys.as_ref();
                !caught_up.is_empty()
                    && marked
                        .zip(keys)
                        .is_some_and(|(fields, keys)| Marker::from_fields(&fields).is_of(keys))
            }
        };
        Ok(Membership {
            quorum_without: caught_up.len() > voters / 2,
            keys_proven_elsewhere,
            member,
        })
    }

    /// Since when the unsealed server is no member; what cannot be seen changes nothing.
    pub(super) fn note_membership(&mut self, seen: &Result<Membership, String>, now: Timestamp) {
        match seen {
            Ok(Membership { member: true, .. }) => self.memory.outside_since = None,
            Ok(_) => drop(self.memory.outside_since.get_or_insert(now)),
            Err(_) => {}
        }
    }

    /// Which rekey made the keys in memory that count.
    fn current_rekey(&self) -> Option<Option<u32>> {
        self.secrets.keys.as_ref().map(|ring| ring.current().header.rekey)
    }

    /// Whether the log says so of the keys in memory.
    fn keys_have_unsealed_one_of(&self, servers: &[&ServerName]) -> bool {
        self.ports.log.iter().flat_map(UnsealLog::unsealings).any(|(name, last)| {
            Some(&last.generation) == self.memory.keys.as_ref()
                && Some(last.rekey) == self.current_rekey()
                && servers.iter().any(|server| server.as_str() == name)
        })
    }
}

type Asked<'a> = (&'a ServerName, &'a Arc<dyn Server>);

/// What those that answer say of raft.
async fn logs_of<'a>(servers: &[Asked<'a>]) -> Vec<(&'a ServerName, LeaderSeen)> {
    let log = |(name, server): &Asked<'a>| {
        let (name, server) = (*name, *server);
        async move { Some((name, server.leader().await.ok()?)) }
    };
    join_all(servers.iter().map(log)).await.into_iter().flatten().collect()
}

/// What the leader among them has committed.
fn committed(logs: &[(&ServerName, LeaderSeen)]) -> Option<u64> {
    logs.iter().find(|(_, log)| log.is_self).map(|(_, leader)| leader.committed)
}

/// Which of the servers have applied what was committed before, while one of them leads.
fn caught_up<'a>(
    logs: &[(&'a ServerName, LeaderSeen)],
    committed_before: Option<u64>,
) -> Vec<&'a ServerName> {
    let (Some(before), Some(_)) = (committed_before, committed(logs)) else { return Vec::new() };
    let applied = logs.iter().filter(|(_, log)| log.applied >= before);
    applied.map(|(name, _)| *name).collect()
}

async fn own(server: &dyn Server) -> Own {
    let state = match server.health().await {
        Ok(health) => health.state,
        Err(CallError::Unreachable(why) | CallError::NoAnswer(why)) => {
            return Own::Absent(Absence::Silent(why));
        }
        Err(odd @ (CallError::Refused { .. } | CallError::Malformed(_))) => {
            return Own::Absent(Absence::Odd(odd.to_string()));
        }
    };
    match state {
        State::Uninitialised => Own::Uninitialised,
        State::Standby | State::Active => Own::Unsealed,
        State::Sealed => match server.seal_status().await {
            Ok(status) if status.sealed => Own::Sealed { threshold: status.threshold },
            Ok(_) => Own::Unsealed,
            Err(CallError::NoAnswer(why)) => Own::Hangs(why),
            Err(error) => Own::Absent(Absence::Silent(error.to_string())),
        },
    }
}
