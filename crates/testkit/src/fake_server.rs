//! The API of one server of a [`FakeCluster`](crate::fake_cluster::FakeCluster).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use vaultyard_model::observed::{Health, LeaderSeen, Peer, SealStatus};
use vaultyard_model::port::server::{CallError, InitialKeys, KeyKind, Operator, Server};
use vaultyard_model::{Secret, ServerName};

use crate::fake_cluster::{Initialising, Model, refused, share};
use crate::lock::lock;

/// One fake server, asked without a token, or as an operator.
#[derive(Debug, Clone)]
pub struct FakeServer {
    pub(crate) name: ServerName,
    pub(crate) model: Arc<Mutex<Model>>,
}

impl Model {
    fn initialise(
        &mut self,
        name: &ServerName,
        kind: KeyKind,
        shares: u8,
        threshold: u8,
    ) -> Result<InitialKeys, CallError> {
        let how = self.next.take().unwrap_or(Initialising::Works);
        if how == Initialising::Unreachable {
            return Err(CallError::Unreachable("connection refused".to_owned()));
        }
        let (serial, seal) = (self.serial + 1, self.seal);
        let one = self.alive(name)?;
        if (kind == KeyKind::Recovery) != seal {
            return Err(refused(400, "the other kind of shares belongs to this seal"));
        }
        if one.data.is_some() {
            return Err(refused(400, "Vault is already initialized"));
        }
        if one.stuck {
            return Err(refused(
                400,
                "could not bootstrap clustered storage: cluster already has state",
            ));
        }
        if how == Initialising::GetsStuck {
            one.stuck = true;
            return Err(CallError::NoAnswer("connection reset".to_owned()));
        }
        one.data = Some(serial);
        one.sealed = true;
        self.serial = serial;
        self.splits.insert(serial, (shares, threshold));
        self.members.retain(|_, of| *of == serial);
        self.members.insert(name.clone(), serial);
        match how {
            Initialising::LosesAnswer => Err(CallError::NoAnswer("timed out".to_owned())),
            Initialising::RefusedButDone => Err(refused(400, "failed to create new audit device")),
            _ => Ok(InitialKeys {
                shares: (0..shares).map(|n| Secret::from(share(serial, n))).collect(),
                root_token: Secret::from(format!("s.root-of-initialisation-{serial}")),
            }),
        }
    }

    fn unseal(&mut self, name: &ServerName, given: &Secret) -> Result<SealStatus, CallError> {
        assert!(!self.seal, "recovery keys were given to a server");
        let text = given.expose_text().unwrap_or_default().to_owned();
        let one = self.alive(name)?;
        let Some(serial) = one.data else {
            return Err(refused(400, "Vault is not initialized"));
        };
        if one.sealed {
            if !one.given.contains(&text) {
                one.given.push(text);
            }
            let (shares, threshold) = self.splits.get(&serial).copied().unwrap_or((0, 0));
            let one = self.alive(name)?;
            if one.given.len() >= usize::from(threshold) {
                let given = std::mem::take(&mut one.given);
                let right = |text: &String| (0..shares).any(|n| *text == share(serial, n));
                if !given.iter().all(right) {
                    return Err(refused(400, "cipher: message authentication failed"));
                }
                one.sealed = false;
                self.members.insert(name.clone(), serial);
                self.unsealed_ever.push(serial);
            }
        }
        self.seal_status(name)
    }
}

#[async_trait]
impl Server for FakeServer {
    async fn health(&self) -> Result<Health, CallError> {
        let state = lock(&self.model).state(&self.name)?;
        Ok(Health { state, version: None })
    }

    async fn seal_status(&self) -> Result<SealStatus, CallError> {
        lock(&self.model).seal_status(&self.name)
    }

    async fn leader(&self) -> Result<LeaderSeen, CallError> {
        let mut model = lock(&self.model);
        let active = model.active();
        if model.alive(&self.name)?.sealed {
            return Err(refused(503, "Vault is sealed"));
        }
        Ok(LeaderSeen {
            is_self: active.as_ref() == Some(&self.name),
            leader_address: active.as_ref().map(url).unwrap_or_default(),
            committed: 100,
            applied: 100,
        })
    }

    async fn initialise(
        &self,
        kind: KeyKind,
        shares: u8,
        threshold: u8,
    ) -> Result<InitialKeys, CallError> {
        lock(&self.model).initialise(&self.name, kind, shares, threshold)
    }

    async fn join(&self, leader: &str, _: &str) -> Result<(), CallError> {
        let mut model = lock(&self.model);
        let active = model.active().filter(|name| leader == url(name));
        let serial = match active {
            Some(active) => model.alive(&active)?.data,
            None => return Err(refused(500, "failed to join raft cluster")),
        };
        let one = model.alive(&self.name)?;
        if one.data.is_none() && !one.stuck {
            one.data = serial;
            one.sealed = true;
            // With a seal nobody unseals; a cluster that others join is in use.
            if model.seal {
                model.unsealed_ever.extend(serial);
            }
        }
        Ok(())
    }

    async fn reset_unseal(&self) -> Result<SealStatus, CallError> {
        let mut model = lock(&self.model);
        model.alive(&self.name)?.given.clear();
        model.seal_status(&self.name)
    }

    async fn unseal(&self, share: &Secret) -> Result<SealStatus, CallError> {
        lock(&self.model).unseal(&self.name, share)
    }
}

#[async_trait]
impl Operator for FakeServer {
    async fn peers(&self) -> Result<Vec<Peer>, CallError> {
        let model = lock(&self.model);
        match model.active() {
            Some(_) => Ok(model.raft()),
            None => Err(CallError::Unreachable("no server is active".to_owned())),
        }
    }

    async fn probe(&self, leader: &ServerName) -> Result<(), CallError> {
        lock(&self.model).alive(leader).map(drop)
    }

    async fn advance(&self) -> Result<(), CallError> {
        let model = lock(&self.model);
        model
            .active()
            .map(drop)
            .ok_or_else(|| CallError::Unreachable("no server is active".to_owned()))
    }

    async fn read_own(&self, _: &str) -> Result<Option<BTreeMap<String, String>>, CallError> {
        Ok(None)
    }

    async fn remove_peer(&self, server: &ServerName) -> Result<(), CallError> {
        lock(&self.model).members.remove(server);
        Ok(())
    }
}

fn url(server: &ServerName) -> String {
    format!("https://{server}:8200")
}
