//! Logins with service accounts: gives the servers the token with which they ask Kubernetes whose a
//! token is, a fresh one well before the old one ends, and sees that a login works with it.
//!
//! Only the unsealer whose server leads does so, and first of all when its server begins to lead.
//! The token that another has given is good until it ends, so a change of leaders is no gap.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;
use tokio::time::timeout;
use tracing::{info, warn};
use vaultyard_keys::access::ServiceAccounts;
use vaultyard_model::access::{Identity, SERVICE_ACCOUNT_MOUNT, ServiceIdentity};
use vaultyard_model::observed::Observed;
use vaultyard_model::port::keeper::{Keeper, Round, Waiting};
use vaultyard_model::port::server::CallError;
use vaultyard_model::{Secret, ServerName};
use vaultyard_render::kubernetes::Names;
use vaultyard_render::kubernetes::server_pod::TOKEN_FOLDER;
use vaultyard_target_kubernetes::{Api, ApiError, token_request};
use vaultyard_vault::{Client, TokenReview};

use super::pod;
use crate::failure::Failure;
use crate::keepers::access::AccessKeeper;

/// How long the servers' token is asked to live. After half of it there is a fresh one, and with it
/// the next proof that logins work.
const LIFETIME: Duration = Duration::from_secs(1200);
/// How long everything together may take.
const DEADLINE: Duration = Duration::from_secs(10);
/// How long a login may take.
const LOGIN: Duration = Duration::from_secs(5);
/// Between two tries after one that failed.
const AGAIN: SignedDuration = SignedDuration::from_secs(5);

/// The keeper of all logins: those that are set up once, and what they need from hour to hour.
pub(crate) struct LoginsKeeper {
    pub(crate) access: AccessKeeper,
    pub(crate) reviewer: Reviewer,
}

#[async_trait]
impl Keeper for LoginsKeeper {
    async fn round(&mut self, now: Timestamp) -> Round {
        let round = self.access.round(now).await;
        if round.did.is_some() || round.waiting.is_some() {
            return round;
        }
        let waiting = self.reviewer.keep(now).await.err();
        Round { waiting: waiting.map(|reason| Waiting { reason, stuck: false }), ..round }
    }
}

/// Which accounts may log in.
pub(crate) fn service_accounts(names: &Names) -> ServiceAccounts {
    let name = |identity| match identity {
        ServiceIdentity::Administrator => names.administrator(),
        ServiceIdentity::TokenReviewer => names.token_reviewer(),
    };
    ServiceAccounts {
        names: ServiceIdentity::ALL.map(|identity| (identity, name(identity))).into(),
        namespace: names.operations().to_owned(),
        audience: names.audience(),
    }
}

/// What the servers are given, and by whom.
pub(crate) struct Reviewer {
    api: Api,
    names: Names,
    /// The server of this pod.
    server: ServerName,
    /// It, asked with the administrator's certificate.
    administrator: Arc<Client>,
    observed: watch::Receiver<Option<Observed>>,
    /// The API server, as pods reach it.
    host: String,
    given: Option<Given>,
    failed: Option<Failed>,
}

/// What the servers have now.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Given {
    since: Timestamp,
    until: Timestamp,
    authorities: String,
}

struct Failed {
    at: Timestamp,
    why: String,
    /// Whether logins fail now, also while the last token that was given lives.
    at_once: bool,
}

/// Why the servers were not given a token, or why it does not help them.
#[derive(Debug, thiserror::Error)]
enum GiveError {
    #[error("{0}")]
    Token(#[from] ApiError),
    #[error("the server {0}")]
    Call(#[from] CallError),
    #[error(
        "a login that must work is refused (the server {error}): is {host} reached from the \
         servers' pods, and may {account} create tokenreviews?"
    )]
    Unproven { error: CallError, host: String, account: String },
    #[error("it is not done after {} s", DEADLINE.as_secs())]
    Late,
}

impl Reviewer {
    /// Has given nothing yet.
    pub(crate) fn new(
        api: Api,
        names: Names,
        server: ServerName,
        administrator: Arc<Client>,
        observed: watch::Receiver<Option<Observed>>,
    ) -> Result<Self, Failure> {
        let host = pod::variable("KUBERNETES_SERVICE_HOST")?;
        let host = url(&host, &pod::variable("KUBERNETES_SERVICE_PORT")?);
        Ok(Self { api, names, server, administrator, observed, host, given: None, failed: None })
    }

    /// Sees to it that the servers have a token that lives, if it is ours to do; why they do not.
    async fn keep(&mut self, now: Timestamp) -> Result<(), String> {
        let leads =
            self.observed.borrow().as_ref().and_then(Observed::leader) == Some(&self.server);
        if !leads {
            (self.given, self.failed) = (None, None);
            return Ok(());
        }
        let file = PathBuf::from(TOKEN_FOLDER).join("ca.crt");
        let authorities = std::fs::read_to_string(&file)
            .map_err(|error| format!("{}: {error}", file.display()))?;
        let given = self.given.as_ref().filter(|given| given.authorities == authorities);
        if given.is_some_and(|given| given.lasts(now)) {
            return Ok(());
        }
        let still_good = given.is_some_and(|given| now < given.until);
        if self.failed.as_ref().is_none_or(|failed| now.duration_since(failed.at).abs() >= AGAIN) {
            match self.give(authorities, now).await {
                Ok(given) => {
                    info!(until = %given.until, "the servers have a token to review others with");
                    (self.given, self.failed) = (Some(given), None);
                }
                Err(error) => {
                    let at_once = matches!(error, GiveError::Unproven { .. });
                    let why = format!("logins with service accounts: {error}");
                    if self.failed.as_ref().is_none_or(|failed| failed.why != why) {
                        warn!("{why}");
                    }
                    self.failed = Some(Failed { at: now, why, at_once });
                }
            }
        }
        match &self.failed {
            Some(failed) if failed.at_once || !still_good => Err(failed.why.clone()),
            _ => Ok(()),
        }
    }

    async fn give(&self, authorities: String, now: Timestamp) -> Result<Given, GiveError> {
        let all = async {
            let account = self.names.token_reviewer();
            let ask = async |audience, lifetime| {
                let operations = self.names.operations();
                self.api.request_token(operations, &account, audience, lifetime).await
            };
            let reviewer = ask(None, LIFETIME).await?;
            self.write(&authorities, &reviewer.token).await?;
            let audience = self.names.audience();
            let own = ask(Some(&audience), token_request::SHORTEST).await?;
            let host = self.host.clone();
            self.prove(&own.token).await.map_err(|error| GiveError::Unproven {
                error,
                host,
                account: account.clone(),
            })?;
            Ok(Given { since: now, until: reviewer.until, authorities })
        };
        timeout(DEADLINE, all).await.unwrap_or(Err(GiveError::Late))
    }

    /// As the administrator: who may write this can let anybody in, so no lasting login may.
    async fn write(&self, authorities: &str, reviewer: &Secret) -> Result<(), CallError> {
        let login = self.administrator.log_in(Identity::Administrator.as_str(), LOGIN).await?;
        let administrator = self.administrator.with_token(&login.token);
        let review = TokenReview { host: &self.host, authorities, reviewer };
        let written = administrator.configure_token_review(SERVICE_ACCOUNT_MOUNT, &review).await;
        administrator.revoke_self().await?;
        written
    }

    /// Logs in with a service account and out again.
    async fn prove(&self, token: &Secret) -> Result<(), CallError> {
        let role = ServiceIdentity::TokenReviewer.as_str();
        let client = &self.administrator;
        let login =
            client.log_in_as_service_account(SERVICE_ACCOUNT_MOUNT, role, token, LOGIN).await?;
        client.with_token(&login.token).revoke_self().await
    }
}

impl Given {
    /// Whether less than half of its life is over, and the clock was not put back.
    fn lasts(&self, now: Timestamp) -> bool {
        let half = self.until.duration_since(self.since) / 2;
        now >= self.since && now.duration_since(self.since) < half
    }
}

/// The API server as pods reach it.
fn url(host: &str, port: &str) -> String {
    if host.contains(':') {
        format!("https://[{host}]:{port}")
    } else {
        format!("https://{host}:{port}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_token_lasts_for_half_of_the_life_that_it_was_given() {
        let given = Given { since: at(1_000), until: at(1_600), authorities: String::new() };
        assert!(given.lasts(at(1_299)));
        assert!(!given.lasts(at(1_300)));
        assert!(!given.lasts(at(999)));
        // The API server has cut it short, or the clock was wrong.
        let ended = Given { until: at(900), ..given };
        assert!(!ended.lasts(at(1_000)));
    }

    #[test]
    fn an_api_server_is_reached_by_either_kind_of_address() {
        assert_eq!(url("10.96.0.1", "443"), "https://10.96.0.1:443");
        assert_eq!(url("fd00::1", "443"), "https://[fd00::1]:443");
    }
}
