//! Doing (I/O, no choices): each function does exactly the step it is named after.

use jiff::Timestamp;
use vaultyard_model::port::custody::{Create, ObjectName};
use vaultyard_model::port::host::Signal;
use vaultyard_model::port::server::CallError;
use vaultyard_model::port::volume::Record;

use super::seen::{Answer, Given, LostAnswers, Refused, Trouble};
use super::step::{Step, Wipe};
use super::{HeldAnswer, Unsealer};
use crate::envelope::{Header, Keys, seal};
use crate::last_unsealed::Unsealing;
use crate::probe;
use crate::record::{self, Generation, Intent, IntentId, Released};
use crate::stored::KeyRing;

type Done = Result<(), Trouble>;

/// What a server does with the shares of some keys.
enum Taken {
    /// It has got as many as it takes.
    All,
    /// Its data is under other keys; in its words.
    Refused(String),
    /// It takes so many, and there are fewer.
    TooFew(usize),
}

fn passing(text: impl Into<String>) -> Trouble {
    Trouble { passes: true, text: text.into() }
}

fn lasting(text: impl Into<String>) -> Trouble {
    Trouble { passes: false, text: text.into() }
}

impl Unsealer {
    pub(super) async fn execute(&mut self, step: &Step, now: Timestamp) -> Done {
        match step {
            Step::ProbeEncryption => self.probe_encryption().await,
            Step::ProbeStore => self.probe_store().await,
            Step::RecordIntentInStore { attempt } => self.record_in_store(*attempt, now).await,
            Step::RecordIntentOnVolume(generation) => self.record_on_volume(generation).await,
            Step::Request(generation) => self.request(generation, now).await,
            Step::KeepAnswerOnVolume => self.keep_answer().await,
            Step::StoreKeys => self.store_keys().await,
            Step::ProveKeys(generation) => self.prove_keys(generation).await,
            Step::Release(generation) => self.release(generation, now).await,
            Step::Unseal => self.unseal(now).await,
            Step::ForgetAnswer => Ok(self.ports.volume.remove(Record::Answer).await?),
            Step::Wipe(why) => self.wipe(why).await,
            Step::DiscardIntent(_) => self.discard_intent().await,
            Step::RemovePeer(_) => self.remove_peer().await,
            Step::Join { leader } => self.join(leader, now).await,
        }
    }

    async fn probe_encryption(&mut self) -> Done {
        probe::encryption(&*self.ports.encryption, &*self.ports.random).await?;
        self.memory.encryption_probed = true;
        Ok(())
    }

    async fn probe_store(&mut self) -> Done {
        probe::store(&*self.ports.store, &*self.ports.random).await?;
        self.memory.store_probed = true;
        Ok(())
    }

    async fn record_in_store(&mut self, attempt: u32, now: Timestamp) -> Done {
        let intent = IntentId::random(&*self.ports.random).map_err(passing)?;
        let generation = Generation { attempt, intent };
        let bytes = self.intent_bytes(&generation, now)?;
        let (store, name) = (&self.ports.store, ObjectName::Intent(attempt));
        if store.create(&name, &bytes).await? == Create::Exists {
            return Err(passing(format!("{name} was created by somebody else in this moment")));
        }
        match store.read(&name).await? {
            Some(object) if object.bytes == bytes => {}
            _ => {
                return Err(lasting(format!("{} does not give {name} back", store.describe())));
            }
        }
        self.memory.recorded = Some(generation);
        Ok(())
    }

    /// The bytes are read from the store, so that both places hold the very same ones.
    async fn record_on_volume(&mut self, generation: &Generation) -> Done {
        let name = ObjectName::Intent(generation.attempt);
        let Some(object) = self.ports.store.read(&name).await? else {
            return Err(self.lost_by_store(&format!("{name} has vanished from the store")));
        };
        let stands = record::read::<Intent>(&object.bytes).map(|intent| intent.generation);
        if stands.as_ref() != Ok(generation) {
            return Err(self.lost_by_store(&format!("{name} in the store was replaced")));
        }
        self.ports.volume.write(Record::Intent, &object.bytes).await?;
        self.memory.may_request = Some(generation.clone());
        Ok(())
    }

    /// A store that does not keep what it has taken is probed anew before it takes the next intent.
    fn lost_by_store(&mut self, what: &str) -> Trouble {
        self.memory.recorded = None;
        self.memory.store_probed = false;
        lasting(what)
    }

    fn intent_bytes(&self, generation: &Generation, now: Timestamp) -> Result<Vec<u8>, Trouble> {
        let (cluster, server) = (&self.subject.cluster, &self.subject.server);
        let intent = Intent::new(generation.clone(), cluster, server, now);
        record::write(&intent).map_err(|error| lasting(error.to_string()))
    }

    /// From the moment that it is sent nobody knows what becomes of it, unless it brings keys. What
    /// did not reach the server may be sent again.
    async fn request(&mut self, generation: &Generation, now: Timestamp) -> Done {
        self.memory.may_request = None;
        let split = self.subject.split;
        let answered = self.ports.own.initialise(split.kind, split.shares, split.threshold).await;
        let keys = match answered {
            Ok(keys) => keys,
            Err(error @ CallError::Unreachable(_)) => {
                self.memory.may_request = Some(generation.clone());
                return Err(passing(format!("the server {error}; nothing was sent")));
            }
            Err(error) => return Err(self.lost_answer(&error, now)),
        };
        let (cluster, software) = (&self.subject.cluster, self.subject.software);
        let header = Header::new(cluster, generation.clone(), now, split, software);
        let keys = Keys { header, shares: keys.shares, root_token: keys.root_token };
        self.secrets.answer = Some(HeldAnswer { keys, envelope: None });
        self.memory.proven = None;
        self.memory.answer =
            Some(Answer { generation: generation.clone(), kept: None, stored: false });
        Ok(())
    }

    fn lost_answer(&mut self, error: &CallError, now: Timestamp) -> Trouble {
        let times = self.memory.lost.as_ref().map_or(0, |lost| lost.times).saturating_add(1);
        self.memory.lost = Some(LostAnswers { times, at: now, why: error.to_string() });
        passing(format!("the server {error}; whether it was initialised is not known"))
    }

    async fn keep_answer(&mut self) -> Done {
        let envelope = self.answer_envelope().await?;
        let kept = self.ports.volume.write(Record::Answer, &envelope).await;
        if let Some(answer) = &mut self.memory.answer {
            answer.kept = Some(kept.is_ok());
        }
        Ok(kept?)
    }

    async fn store_keys(&mut self) -> Done {
        let envelope = self.answer_envelope().await?;
        let Some(answer) = &mut self.memory.answer else {
            return Ok(());
        };
        let name = ObjectName::Keys(answer.generation.attempt);
        // Keys that exist may be ours, of a process before; the proof compares them.
        self.ports.store.create(&name, &envelope).await?;
        answer.stored = true;
        Ok(())
    }

    async fn answer_envelope(&mut self) -> Result<Vec<u8>, Trouble> {
        let held = self.secrets.answer.as_mut();
        let HeldAnswer { keys, envelope } = held.ok_or_else(|| lasting("there is no answer"))?;
        if let Some(envelope) = envelope {
            return Ok(envelope.clone());
        }
        let sealed = seal(keys, &*self.ports.encryption, &*self.ports.random).await;
        // Whatever the reason is, the keys are in memory and it is tried again.
        let sealed = sealed.map_err(|error| passing(error.to_string()))?;
        Ok(envelope.insert(sealed).clone())
    }

    async fn prove_keys(&mut self, generation: &Generation) -> Done {
        let name = ObjectName::Keys(generation.attempt);
        let place = self.ports.store.describe();
        let Some(object) = self.ports.store.read(&name).await? else {
            if let Some(answer) = &mut self.memory.answer {
                answer.stored = false;
            }
            return Err(lasting(format!("{place} has taken {name} and does not have it")));
        };
        let read = self.open_stored(generation.attempt, &object.bytes).await?;
        let same = match &self.secrets.answer {
            Some(answer) => read.same_as(&answer.keys),
            None => read.header.generation == *generation,
        };
        if !same {
            return Err(lasting(format!(
                "{name} in {place} holds other keys than the server gave"
            )));
        }
        self.take(KeyRing::of(read));
        self.secrets.answer = None;
        self.memory.answer = None;
        self.memory.proven = Some(generation.clone());
        Ok(())
    }

    async fn release(&mut self, generation: &Generation, now: Timestamp) -> Done {
        let bytes = record::write(&Released::new(generation.clone(), now));
        let bytes = bytes.map_err(|error| lasting(error.to_string()))?;
        Ok(self.ports.volume.write(Record::Released, &bytes).await?)
    }

    async fn unseal(&mut self, now: Timestamp) -> Done {
        let ring = self.secrets.keys.clone().ok_or_else(|| lasting("there are no keys"))?;
        let mut refused = None;
        let mut needed = 0;
        // A server that was given the data of an old snapshot needs the keys of that time.
        for keys in after(ring.newest_first(), self.memory.tried) {
            self.memory.tried = Some(keys.header.rekey);
            match self.give(keys).await {
                Ok(Taken::All) => return self.were_given(keys, now),
                Ok(Taken::Refused(why)) => refused = refused.or(Some(why)),
                Ok(Taken::TooFew(wanted)) => needed = wanted,
                Err(error) => {
                    let silent = matches!(error, CallError::NoAnswer(_));
                    self.memory.unanswered =
                        if silent { self.memory.unanswered.saturating_add(1) } else { 0 };
                    return Err(passing(format!("the server {error}")));
                }
            }
        }
        let Header { generation, shares, .. } = &ring.current().header;
        Err(match (refused, ring.lacks()) {
            // It may be of those that are not here.
            (Some(why), Some(lacks)) => lasting(format!(
                "the server refuses the stored keys ({why}), and not all could be read: {lacks}"
            )),
            (Some(why), None) => self.refused(generation, why, now),
            (None, _) => {
                lasting(format!("the server takes {needed} shares, and {shares} are kept"))
            }
        })
    }

    fn were_given(&mut self, keys: &Keys, now: Timestamp) -> Done {
        let Header { generation, rekey, .. } = &keys.header;
        self.memory.unanswered = 0;
        self.memory.refused = None;
        self.memory.proven = Some(generation.clone());
        let (keys, rekey, process) = (generation.clone(), *rekey, self.pid());
        self.memory.given = Some(Given { keys, rekey, at: now, process });
        Ok(())
    }

    async fn give(&self, keys: &Keys) -> Result<Taken, CallError> {
        let server = &self.ports.own;
        let needed = usize::from(server.reset_unseal().await?.threshold);
        if needed > keys.shares.len() {
            return Ok(Taken::TooFew(needed));
        }
        for (given, share) in (1..=needed).zip(&keys.shares) {
            match server.unseal(share).await {
                Ok(status) if !status.sealed => break,
                Ok(_) => {}
                Err(CallError::Refused { status: 400, errors })
                    if given == needed && of_other_keys(&errors) =>
                {
                    return Ok(Taken::Refused(errors.join("; ")));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Taken::All)
    }

    fn refused(&mut self, keys: &Generation, why: String, now: Timestamp) -> Trouble {
        let before = self.memory.refused.take().filter(|refused| refused.keys == *keys);
        let times = before.map_or(0, |refused| refused.times).saturating_add(1);
        self.memory.refused =
            Some(Refused { keys: keys.clone(), at: now, times, why: why.clone() });
        // What follows from it is decided, not left to how this failure is told.
        passing(format!("the server refuses the stored keys: {why}"))
    }

    /// Notes that these keys have unsealed this server. That it cannot be written keeps no
    /// server sealed.
    pub(super) fn keep_in_log(&self, given: &Given, now: Timestamp) {
        let Some(log) = &self.ports.log else { return };
        let (generation, rekey) = (given.keys.clone(), given.rekey);
        let unsealing = Unsealing { generation, rekey, at: now };
        if let Err(error) = log.keep(unsealing, &self.subject.server) {
            tracing::warn!(%error, "the last unsealing could not be kept");
        }
    }

    async fn wipe(&mut self, why: &Wipe) -> Done {
        let text = match why {
            Wipe::LostAnswer(intent) => format!(
                "the answer of its initialisation, {intent}, is lost, and nothing is in it yet"
            ),
            Wipe::ForeignData => {
                "its data is under other keys, and the cluster is active without it".to_owned()
            }
            Wipe::TakenOut => {
                "it was taken out of raft, and the cluster is active without it".to_owned()
            }
            Wipe::HalfJoined => {
                "it was ended in the middle of joining and can join no more, and the \
                                 cluster is active without it"
                    .to_owned()
            }
        };
        self.ports.host.wipe(&text).await.map_err(|error| passing(error.to_string()))?;
        self.memory.refused = None;
        self.memory.given = None;
        self.memory.unanswered = 0;
        self.memory.uninitialised_since = None;
        self.memory.told_to_join = None;
        self.memory.outside_since = None;
        if let Wipe::LostAnswer(intent) = why {
            self.memory.wiped = Some(intent.clone());
        }
        Ok(())
    }

    async fn join(&mut self, leader: &str, now: Timestamp) -> Done {
        let joined = self.ports.own.join(leader, &self.subject.authority).await;
        joined.map_err(|error| passing(format!("the server {error}")))?;
        self.memory.told_to_join = Some(now);
        Ok(())
    }

    async fn discard_intent(&mut self) -> Done {
        self.ports.volume.remove(Record::Intent).await?;
        self.memory.recorded = None;
        self.memory.may_request = None;
        self.memory.wiped = None;
        Ok(())
    }

    async fn remove_peer(&mut self) -> Done {
        let Some(operator) = &self.ports.operator else {
            return Err(lasting("there is no login to remove a peer with"));
        };
        let why = "it is taken out of the raft configuration, before its data is removed";
        let killed = self.ports.host.restart(Signal::Kill, why).await;
        killed.map_err(|error| passing(error.to_string()))?;
        let removed = operator.remove_peer(&self.subject.server).await;
        removed.map_err(|error| passing(error.to_string()))
    }
}

/// All of them, those first that come after the ones that were tried last.
fn after(all: &[Keys], tried: Option<Option<u32>>) -> impl Iterator<Item = &Keys> {
    let tried = all.iter().position(|keys| Some(keys.header.rekey) == tried);
    let (before, after) = all.split_at(tried.map_or(0, |tried| tried + 1));
    after.iter().chain(before)
}

/// Whether a server that was given all shares says that its data is under other keys. It answers
/// 400 to much else, and what follows from this may be a wipe.
pub(crate) fn of_other_keys(errors: &[String]) -> bool {
    let said = |text: &str| errors.iter().any(|error| error.contains(text));
    said("message authentication failed") || said("invalid key")
}
