//! The JSON of `status --output json` and of the control socket. Public: changed only by adding.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use vaultyard_model::port::rollout::Stale;
use vaultyard_model::status;

use crate::failure::{Failure, Kind};
use crate::local::change::{Accepted, Changed};
use crate::snapshots::Listed;

/// Where a document is brought that is to be followed.
pub(crate) const CHANGE: &str = "/v1/change";
/// The query that goes with it where no snapshot is wanted before another version.
pub(crate) const WITHOUT_SNAPSHOT: &str = "without-snapshot";

/// The servers that a document changes, each with `version` or `configuration`, in which it is replaced, or with
/// `added` or `removed`.
pub(crate) type ChangedServers = BTreeMap<String, String>;

pub(crate) fn accepted(accepted: &Accepted) -> ChangedServers {
    let word = |changed: &Changed| match changed {
        Changed::Replaced(Stale::Version) => "version",
        Changed::Replaced(Stale::Configuration) => "configuration",
        Changed::Added => "added",
        Changed::Removed => "removed",
    };
    accepted.iter().map(|(server, it)| (server.to_string(), word(it).to_owned())).collect()
}

/// Why a document is not followed.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Refusal {
    /// The exit code of the command that brought it.
    code: u8,
    message: String,
    hint: Option<String>,
}

impl From<&Failure> for Refusal {
    fn from(failure: &Failure) -> Self {
        let hint = failure.what_to_do().map(str::to_owned);
        Self { code: failure.kind() as u8, message: failure.message().to_owned(), hint }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let kinds = [Kind::BadInput, Kind::NotInTime, Kind::Refused];
        let kind = kinds.into_iter().find(|kind| *kind as u8 == refusal.code);
        let failure = Self::text(kind.unwrap_or(Kind::Failed), refusal.message);
        match refusal.hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

/// See `vaultyard_model::status::Status`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Status {
    pub(crate) name: String,
    pub(crate) target: String,
    pub(crate) phase: String,
    pub(crate) reason: String,
    pub(crate) address: String,
    pub(crate) servers: Vec<Server>,
    pub(crate) controllers: Vec<Controller>,
    pub(crate) conditions: Vec<Condition>,
    /// The snapshots there are, when that is known. Whoever keeps them adds them: the command here, on
    /// Kubernetes a part of the status of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) snapshots: Option<Vec<Listed>>,
}

/// One server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Server {
    pub(crate) name: String,
    pub(crate) zone: Option<String>,
    pub(crate) address: String,
    pub(crate) version: Option<String>,
    pub(crate) initialized: Option<bool>,
    pub(crate) sealed: Option<bool>,
    pub(crate) role: String,
    pub(crate) voter: Option<bool>,
    pub(crate) applied_index: Option<u64>,
    pub(crate) certificate: Option<Certificate>,
    pub(crate) image: Option<String>,
    pub(crate) last_end: Option<LastEnd>,
    pub(crate) why: Vec<String>,
}

/// The certificate that a server shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Certificate {
    pub(crate) serial: String,
    pub(crate) not_after: String,
}

/// How a server's process last ended, by itself or because of how it lived.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct LastEnd {
    pub(crate) at: String,
    pub(crate) reason: String,
}

/// A loop that works for the cluster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Controller {
    pub(crate) name: String,
    pub(crate) ready: bool,
    pub(crate) last_success: Option<String>,
    pub(crate) last_error: Option<String>,
}

impl Status {
    /// How far what was declared is, when the servers do not follow all of it yet.
    pub(crate) fn under_way(&self) -> Option<&Condition> {
        let rolled_out = self.conditions.iter().find(|condition| condition.kind == "RolledOut");
        rolled_out.filter(|condition| condition.status != "True")
    }

    /// Whether the servers follow it only when a person says so once more.
    pub(crate) fn is_frozen(&self) -> bool {
        self.under_way().is_some_and(|condition| condition.reason == "Frozen")
    }
}

/// A condition, as Kubernetes has them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Condition {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) status: String,
    pub(crate) reason: String,
    pub(crate) message: String,
}

/// Where it is asked how requests were held, in the last so many milliseconds of the query.
pub(crate) const WAITS: &str = "/v1/waits";

/// How requests were held.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Waits {
    /// How many since the proxy began.
    pub(crate) held: u64,
    /// The longest of the time that was asked about.
    pub(crate) longest_seconds: f64,
}

/// A name that the DNS server answers for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) name: String,
    pub(crate) ttl: u32,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) value: String,
}

impl From<&status::Status> for Status {
    fn from(status: &status::Status) -> Self {
        Self {
            name: status.name.to_string(),
            target: status.target.to_owned(),
            phase: status.phase.as_str().to_owned(),
            reason: status.reason.clone(),
            address: status.address.clone(),
            servers: status.servers.iter().map(Server::from).collect(),
            controllers: status.controllers.iter().map(Controller::from).collect(),
            conditions: status.conditions.iter().map(Condition::from).collect(),
            snapshots: None,
        }
    }
}

impl From<&status::ServerStatus> for Server {
    fn from(server: &status::ServerStatus) -> Self {
        Self {
            name: server.name.to_string(),
            zone: server.zone.as_ref().map(ToString::to_string),
            address: format!("https://{}", server.address),
            version: server.version.as_ref().map(ToString::to_string),
            initialized: server.initialized,
            sealed: server.sealed,
            role: server.role.as_str().to_owned(),
            voter: server.voter,
            applied_index: server.applied_index,
            certificate: server.certificate.as_ref().map(|certificate| Certificate {
                serial: certificate.serial.clone(),
                not_after: certificate.not_after.to_string(),
            }),
            image: server.image.clone(),
            last_end: server
                .last_end
                .as_ref()
                .map(|(at, reason)| LastEnd { at: at.to_string(), reason: reason.clone() }),
            why: server.why.clone(),
        }
    }
}

impl From<&status::ControllerStatus> for Controller {
    fn from(controller: &status::ControllerStatus) -> Self {
        Self {
            name: controller.name.to_owned(),
            ready: controller.ready,
            last_success: controller.last_success.map(|at| at.to_string()),
            last_error: controller.last_error.clone(),
        }
    }
}

impl From<&status::Condition> for Condition {
    fn from(condition: &status::Condition) -> Self {
        Self {
            kind: condition.kind.to_owned(),
            status: if condition.holds { "True" } else { "False" }.to_owned(),
            reason: condition.reason.to_owned(),
            message: condition.message.clone(),
        }
    }
}
