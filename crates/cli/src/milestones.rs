//! From one status to the next: which steps of bringing up are done. Pure.

use vaultyard_model::status::{Phase, Role};

use crate::control::wire::Status;

/// What a person is told once, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Milestone {
    /// Every server's process answers.
    Answering(usize),
    /// The first server is initialised.
    Initialised(String),
    /// Somebody leads.
    Leads(String),
    /// Logins work and the root token is gone.
    Access,
    /// Every server is unsealed.
    Unsealed(usize),
    /// All is proven.
    Ready(String),
}

impl std::fmt::Display for Milestone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Answering(1) => f.write_str("the server answers"),
            Self::Answering(count) => write!(f, "all {count} servers answer"),
            Self::Initialised(server) => {
                write!(f, "{server} is initialised; its keys are kept and proven")
            }
            Self::Leads(server) => write!(f, "{server} is unsealed and leads"),
            Self::Access => f.write_str("logins work, and the first root token is revoked"),
            Self::Unsealed(1) => f.write_str("the server is unsealed"),
            Self::Unsealed(count) => write!(f, "all {count} servers are unsealed"),
            Self::Ready(sentence) => f.write_str(sentence),
        }
    }
}

/// Every milestone that this status shows to be behind us.
pub(crate) fn passed(status: &Status) -> Vec<Milestone> {
    let servers = &status.servers;
    let mut all = Vec::new();
    if servers.iter().all(|server| server.sealed.is_some()) {
        all.push(Milestone::Answering(servers.len()));
    }
    // Keys are proven to be kept before anything is unsealed with them.
    if let Some(first) = servers.iter().find(|server| server.sealed == Some(false)) {
        all.push(Milestone::Initialised(first.name.clone()));
    }
    if let Some(leader) = servers.iter().find(|server| server.role == Role::Leader.as_str()) {
        all.push(Milestone::Leads(leader.name.clone()));
    }
    let access = status.conditions.iter().find(|it| it.kind == "RootTokenRevoked");
    if access.is_some_and(|condition| condition.status == "True") {
        all.push(Milestone::Access);
    }
    if servers.iter().all(|server| server.sealed == Some(false)) {
        all.push(Milestone::Unsealed(servers.len()));
    }
    if status.phase == Phase::Ready.as_str() {
        all.push(Milestone::Ready(status.reason.clone()));
    }
    all
}

/// Tells each kind of milestone once, however the statuses jump.
#[derive(Default)]
pub(crate) struct Told(Vec<std::mem::Discriminant<Milestone>>);

impl Told {
    /// Those of `passed` that were not told yet.
    pub(crate) fn news(&mut self, status: &Status) -> Vec<Milestone> {
        let mut news = passed(status);
        news.retain(|milestone| !self.0.contains(&std::mem::discriminant(milestone)));
        self.0.extend(news.iter().map(std::mem::discriminant));
        news
    }
}
