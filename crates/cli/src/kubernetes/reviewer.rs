//! Logins with service accounts: gives the servers the token with which they ask Kubernetes whose a
//! token is, a fresh one well before the old one ends, and tries again and again that a login works.
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
use vaultyard_engine::keeping::Report;
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

/// How long the servers' token is asked to live. After half of it there is a fresh one.
const LIFETIME: Duration = Duration::from_secs(1200);
/// How often a login is tried while all is well. Servers reach the API server by themselves, so only
/// this tells whether they still do.
const PROVE_EVERY: SignedDuration = SignedDuration::from_secs(30);
/// How long everything together may take.
const DEADLINE: Duration = Duration::from_secs(10);
/// How long a login may take.
const LOGIN: Duration = Duration::from_secs(5);
/// Between two tries after one that failed.
const AGAIN: SignedDuration = SignedDuration::from_secs(5);

/// How soon it is looked again whether this pod's server leads, and whether anything is due.
const LOOK: Duration = Duration::from_millis(250);

#[async_trait]
impl Keeper for Reviewer {
    async fn round(&mut self, now: Timestamp) -> Round {
        let waiting = self.keep(now).await.err();
        let waiting = waiting.map(|reason| Waiting { reason, stuck: false });
        Round { did: None, waiting, next: LOOK }
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
    /// What the keeper of access tells: before its work is done nobody can log in.
    access: watch::Receiver<Report>,
    /// The API server, as pods reach it.
    host: String,
    given: Option<Given>,
    /// A token that must be let in, and its life.
    own: Option<(Secret, Span)>,
    failed: Option<Failed>,
}

/// What the servers have now.
struct Given {
    reviewer: Span,
    authorities: String,
    /// When a login was let in; `None` when the last try was not.
    proven: Option<Timestamp>,
}

/// The life of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    since: Timestamp,
    until: Timestamp,
}

struct Failed {
    at: Timestamp,
    why: String,
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
        access: watch::Receiver<Report>,
    ) -> Result<Self, Failure> {
        let host = pod::variable("KUBERNETES_SERVICE_HOST")?;
        let host = url(&host, &pod::variable("KUBERNETES_SERVICE_PORT")?);
        let (given, own, failed) = (None, None, None);
        Ok(Self { api, names, server, administrator, observed, access, host, given, own, failed })
    }

    /// Sees to it that the servers have a token that lives and that logins work, if it is ours to
    /// do; why they do not.
    async fn keep(&mut self, now: Timestamp) -> Result<(), String> {
        let leads =
            self.observed.borrow().as_ref().and_then(Observed::leader) == Some(&self.server);
        let set_up = self.access.borrow().lacks().is_none();
        if !(leads && set_up) {
            (self.given, self.failed) = (None, None);
            let before = if leads { "logins are set up" } else { "it leads" };
            return Err(format!("it tries no login with a service account before {before}"));
        }
        let file = PathBuf::from(TOKEN_FOLDER).join("ca.crt");
        let authorities = std::fs::read_to_string(&file)
            .map_err(|error| format!("{}: {error}", file.display()))?;
        let due = match &self.failed {
            Some(failed) => now.duration_since(failed.at).abs() >= AGAIN,
            None => self.given.as_ref().is_none_or(|given| given.is_due(&authorities, now)),
        };
        if due {
            match timeout(DEADLINE, self.renew(authorities, now)).await {
                Ok(Ok(())) => self.failed = None,
                Ok(Err(error)) => self.note(&error, now),
                Err(_) => self.note(&GiveError::Late, now),
            }
        }
        let works = self.given.as_ref().is_some_and(|given| given.works(now));
        match &self.failed {
            Some(failed) if !works => Err(failed.why.clone()),
            _ => Ok(()),
        }
    }

    fn note(&mut self, error: &GiveError, now: Timestamp) {
        let why = format!("logins with service accounts: {error}");
        if self.failed.as_ref().is_none_or(|failed| failed.why != why) {
            warn!("{why}");
        }
        self.failed = Some(Failed { at: now, why });
    }

    /// Gives the servers a token if the one that they have is old or of other authorities, and
    /// proves that a login works. What they have stays known when something of that fails.
    async fn renew(&mut self, authorities: String, now: Timestamp) -> Result<(), GiveError> {
        let given = self.given.as_ref().filter(|given| given.serves(&authorities, now));
        if given.is_none() {
            let (token, span) = self.ask(None, LIFETIME, now).await?;
            self.write(&authorities, &token).await?;
            info!(until = %span.until, "the servers have a token to review others with");
            self.given = Some(Given { reviewer: span, authorities, proven: None });
        }
        let own = match self.own.take().filter(|(_, span)| span.is_young(now)) {
            Some(own) => own,
            None => self.ask(Some(&self.names.audience()), token_request::SHORTEST, now).await?,
        };
        let proof = self.prove(&own.0).await;
        self.own = Some(own);
        if let Some(given) = &mut self.given {
            given.proven = proof.is_ok().then_some(now);
        }
        let (host, account) = (self.host.clone(), self.names.token_reviewer());
        proof.map_err(|error| GiveError::Unproven { error, host, account })
    }

    async fn ask(
        &self,
        audience: Option<&str>,
        lifetime: Duration,
        now: Timestamp,
    ) -> Result<(Secret, Span), GiveError> {
        let (operations, account) = (self.names.operations(), self.names.token_reviewer());
        let token = self.api.request_token(operations, &account, audience, lifetime).await?;
        Ok((token.token, Span { since: now, until: token.until }))
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
    /// Whether logins work as far as is known.
    fn works(&self, now: Timestamp) -> bool {
        self.proven.is_some() && now < self.reviewer.until
    }

    /// Whether the servers need no other token.
    fn serves(&self, authorities: &str, now: Timestamp) -> bool {
        self.authorities == authorities && self.reviewer.is_young(now)
    }

    /// Whether something is to be done although all was well when it was looked last.
    fn is_due(&self, authorities: &str, now: Timestamp) -> bool {
        let quiet = |at| now >= at && now.duration_since(at) < PROVE_EVERY;
        !self.proven.is_some_and(quiet) || !self.serves(authorities, now)
    }
}

impl Span {
    /// Whether less than half of it is over, and the clock was not put back.
    fn is_young(self, now: Timestamp) -> bool {
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
    fn a_token_is_young_for_half_of_the_life_that_it_was_given() {
        let span = Span { since: at(1_000), until: at(1_600) };
        assert!(span.is_young(at(1_299)));
        assert!(!span.is_young(at(1_300)));
        assert!(!span.is_young(at(999)));
        // The API server has cut it short, or the clock was wrong.
        assert!(!Span { until: at(900), ..span }.is_young(at(1_000)));
    }

    #[test]
    fn a_login_is_tried_again_and_again_and_whenever_anything_has_changed() {
        let reviewer = Span { since: at(1_000), until: at(2_200) };
        let given = Given { reviewer, authorities: "ours".to_owned(), proven: Some(at(1_500)) };
        assert!(!given.is_due("ours", at(1_529)));
        assert!(given.is_due("ours", at(1_530)));
        assert!(given.is_due("others", at(1_529)));
        assert!(given.is_due("ours", at(1_499)), "the clock was put back");
        let late = Given { proven: Some(at(1_599)), ..given };
        assert!(late.is_due("ours", at(1_600)), "its token is old");
        assert!(late.works(at(2_199)) && !late.works(at(2_200)));
        let refused = Given { proven: None, ..late };
        assert!(refused.is_due("ours", at(1_500)) && !refused.works(at(1_500)));
    }

    #[test]
    fn an_api_server_is_reached_by_either_kind_of_address() {
        assert_eq!(url("10.96.0.1", "443"), "https://10.96.0.1:443");
        assert_eq!(url("fd00::1", "443"), "https://[fd00::1]:443");
    }
}
