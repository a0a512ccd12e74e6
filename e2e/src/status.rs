//! The answer of `vaultyard status --output json`, as the README promises it.

use serde::Deserialize;

/// How a cluster is.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// `metadata.name`.
    pub name: String,
    /// `local` here.
    pub target: String,
    /// `Pending`, `Initialising`, `Ready`, `Degraded`, `Upgrading` or `Failed`.
    pub phase: String,
    /// Why, in a sentence.
    pub reason: String,
    /// Where clients go.
    pub address: String,
    /// By ordinal.
    pub servers: Vec<Server>,
    /// What works for them.
    pub controllers: Vec<Controller>,
    /// What holds and what does not.
    pub conditions: Vec<Condition>,
}

/// A loop that works for the cluster.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Controller {
    /// `unsealer` and so on.
    pub name: String,
    /// Whether its last round succeeded.
    pub ready: bool,
    /// What it last failed with, when that is later than its last success.
    pub last_error: Option<String>,
}

/// Something that holds or does not.
#[derive(Debug, Clone, Deserialize)]
pub struct Condition {
    /// `KeyBesideData` and so on.
    #[serde(rename = "type")]
    pub kind: String,
    /// `True` or `False`.
    pub status: String,
    /// In a word.
    pub reason: String,
    /// In a sentence.
    pub message: String,
}

/// How a server is.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Server {
    /// `vault-0` and so on.
    pub name: String,
    /// Its failure domain, once it has one.
    pub zone: Option<String>,
    /// Its API.
    pub address: String,
    /// As it says itself.
    pub version: Option<String>,
    /// Whether it was initialised.
    pub initialized: Option<bool>,
    /// Whether it is sealed.
    pub sealed: Option<bool>,
    /// `leader`, `standby` or `none`.
    pub role: String,
    /// Whether it votes.
    pub voter: Option<bool>,
    /// The highest raft index it has applied.
    pub applied_index: Option<u64>,
    /// `serial` and `notAfter` of the certificate it serves.
    pub certificate: Option<Certificate>,
    /// How its process last ended.
    pub last_end: Option<LastEnd>,
    /// Why it is not as it should be.
    pub why: Vec<String>,
}

/// How a server's process last ended.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct LastEnd {
    /// RFC 3339.
    pub at: String,
    /// In words.
    pub reason: String,
}

/// A certificate that is served.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Certificate {
    /// Hexadecimal.
    pub serial: String,
    /// RFC 3339.
    pub not_after: String,
}

impl Status {
    /// Every server is an unsealed voter and one of them leads.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.phase == "Ready"
    }

    /// Whether the condition of this type holds; `None` when there is none.
    #[must_use]
    pub fn holds(&self, kind: &str) -> Option<bool> {
        let condition = self.conditions.iter().find(|condition| condition.kind == kind);
        condition.map(|condition| condition.status == "True")
    }

    /// How a server's process last ended.
    #[must_use]
    pub fn last_end(&self, server: &str) -> Option<&LastEnd> {
        self.servers.iter().find(|it| it.name == server)?.last_end.as_ref()
    }

    /// The name of the leader.
    #[must_use]
    pub fn leader(&self) -> Option<&str> {
        self.named("leader").next()
    }

    /// The names of the servers with this role.
    pub fn named<'a>(&'a self, role: &'a str) -> impl Iterator<Item = &'a str> {
        self.servers.iter().filter(move |s| s.role == role).map(|s| s.name.as_str())
    }
}
