//! Doing (I/O, no choices): each function does exactly the step it is named after.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use vaultyard_model::Secret;
use vaultyard_model::access::{Identity, OWN_MOUNT, PROBE_PATH, SERVICE_ACCOUNT_MOUNT};
use vaultyard_model::port::server::CallError;
use vaultyard_vault::{Authorised, Client};

use super::decide::Marker;
use super::policy::{policy, role, service_policies, service_roles};
use super::step::Step;
use super::{Access, Leader, MARKER_PATH, ServiceAccounts};
use crate::generate_root::{GenerateRootError, generate_root};

const LOGIN: Duration = Duration::from_secs(5);
/// As it is called where the configuration declares it.
const AUDIT_DEVICE: &str = "file";
const SECRET_MOUNT: &str = "secret";
const CERTIFICATES: &str = "cert";
const KUBERNETES: &str = "kubernetes";

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("the server {0}")]
    Call(#[from] CallError),
    #[error("{}: the server {error}", identity.as_str())]
    As { identity: Identity, error: CallError },
    #[error(
        "the first root token is gone and the administrator cannot log in: the server {0}. \
         `vaultyard keys generate-root` is the way back in"
    )]
    NoWayIn(CallError),
    #[error("the way back in: {0}")]
    WayBack(#[from] GenerateRootError),
    #[error("the record of root tokens: {0}")]
    Record(#[from] std::io::Error),
    #[error("the root token is still accepted after it was revoked")]
    RootLives,
    #[error("a token made from the stored shares is not a root token")]
    NotRoot,
    #[error("{0} root tokens are left after the sweep")]
    RootsLeft(usize),
}

pub(super) async fn log_in(client: &Client, identity: Identity) -> Result<Secret, CallError> {
    client.log_in(identity.as_str(), LOGIN).await.map(|login| login.token)
}

impl Access {
    pub(super) async fn execute(
        &mut self,
        step: Step,
        leader: Leader<'_>,
        now: Timestamp,
    ) -> Result<(), Failure> {
        let root = leader.vaultyard.with_token(&self.keys.root_token);
        match step {
            Step::SetAutopilot => {
                Ok(root.set_stabilization_time(&self.settings.stabilization_time).await?)
            }
            Step::EnableAudit => match &self.settings.audit_file {
                Some(file) => enable_audit(root, file).await,
                None => Ok(()),
            },
            Step::EnableLogin => enable_login(root, CERTIFICATES, CERTIFICATES).await,
            Step::WritePolicies => write_policies(root).await,
            Step::WriteRoles => write_roles(root, &self.settings.client_authorities).await,
            Step::MountOwn => mount(root, OWN_MOUNT).await,
            Step::WriteProbe => write_probe(root, now).await,
            Step::MountSecret => mount(root, SECRET_MOUNT).await,
            Step::ProveLogins => prove_logins(leader).await,
            Step::ProveWayBack => self.prove_way_back(leader, now).await,
            Step::RevokeRoot => self.revoke_root(leader).await,
            Step::Sweep => self.sweep(leader).await,
            Step::AllowServiceAccounts => match &self.settings.service_accounts {
                Some(accounts) => allow_service_accounts(leader, accounts).await,
                None => Ok(()),
            },
            Step::Mark => self.mark(leader, now).await,
        }
    }

    async fn prove_way_back(&self, leader: Leader<'_>, now: Timestamp) -> Result<(), Failure> {
        let made = generate_root(leader.socket, &self.keys, &self.record, now).await?;
        let root = leader.vaultyard.with_token(&made.token);
        let is_root = root.look_up_self().await?.is_root();
        root.revoke_self().await?;
        self.record.revoked(&made.accessor)?;
        if is_root { Ok(()) } else { Err(Failure::NotRoot) }
    }

    async fn revoke_root(&self, leader: Leader<'_>) -> Result<(), Failure> {
        let root = leader.vaultyard.with_token(&self.keys.root_token);
        root.revoke_self().await?;
        match root.look_up_self().await {
            Err(CallError::Refused { status: 403, .. }) => Ok(()),
            Err(error) => Err(error.into()),
            Ok(_) => Err(Failure::RootLives),
        }
    }

    async fn sweep(&mut self, leader: Leader<'_>) -> Result<(), Failure> {
        let client = leader.administrator;
        let known = self.record.tokens()?;
        let token = log_in(client, Identity::Administrator).await.map_err(Failure::NoWayIn)?;
        let administrator = client.with_token(&token);
        let swept = self.sweep_as(administrator).await;
        // Also when it failed: it is tried again, each time with a token of its own.
        administrator.revoke_self().await?;
        swept?;
        self.memory.root_accessor = None;
        Ok(self.record.swept(&known)?)
    }

    async fn sweep_as(&self, administrator: Authorised<'_>) -> Result<(), Failure> {
        for accessor in root_accessors(administrator).await? {
            administrator.revoke_accessor(&accessor).await?;
        }
        let left = root_accessors(administrator).await?.len();
        if left > 0 {
            return Err(Failure::RootsLeft(left));
        }
        // The list could have been cut short; the accessor of the first one is asked for by name.
        let Some(first) = &self.memory.root_accessor else { return Ok(()) };
        match administrator.look_up_accessor(first).await {
            Ok(Some(_)) => Err(Failure::RootLives),
            // Others could be looked up.
            Ok(None) | Err(CallError::Refused { status: 403, .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    async fn mark(&mut self, leader: Leader<'_>, now: Timestamp) -> Result<(), Failure> {
        let token = as_identity(leader.vaultyard, Identity::Vaultyard).await?;
        let since = self.memory.marked.unwrap_or(now);
        let fields = Marker::fields(&self.keys.header.generation, since, self.service_accounts());
        leader.vaultyard.with_token(&token).write_kv(OWN_MOUNT, MARKER_PATH, &fields).await?;
        self.memory.established = Some(since);
        Ok(())
    }
}

async fn as_identity(client: &Client, identity: Identity) -> Result<Secret, Failure> {
    log_in(client, identity).await.map_err(|error| Failure::As { identity, error })
}

async fn enable_login(by: Authorised<'_>, kind: &str, path: &str) -> Result<(), Failure> {
    if by.login_methods().await?.contains(path) {
        return Ok(());
    }
    Ok(by.enable_login(kind, path).await?)
}

async fn enable_audit(root: Authorised<'_>, file: &str) -> Result<(), Failure> {
    if root.audit_devices().await?.contains(AUDIT_DEVICE) {
        return Ok(());
    }
    Ok(root.enable_audit_file(AUDIT_DEVICE, file).await?)
}

/// As the administrator: the root token may be gone long since.
async fn allow_service_accounts(
    leader: Leader<'_>,
    accounts: &ServiceAccounts,
) -> Result<(), Failure> {
    let token = as_identity(leader.administrator, Identity::Administrator).await?;
    let administrator = leader.administrator.with_token(&token);
    let allowed = allow_as(administrator, accounts).await;
    // Also when it failed: it is tried again, each time with a token of its own.
    administrator.revoke_self().await?;
    allowed
}

async fn allow_as(by: Authorised<'_>, accounts: &ServiceAccounts) -> Result<(), Failure> {
    enable_login(by, KUBERNETES, SERVICE_ACCOUNT_MOUNT).await?;
    for (name, text) in service_policies(accounts) {
        by.write_policy(name, text).await?;
    }
    for role in service_roles(accounts) {
        by.write_service_account_role(SERVICE_ACCOUNT_MOUNT, &role).await?;
    }
    Ok(())
}

async fn write_policies(root: Authorised<'_>) -> Result<(), Failure> {
    for identity in Identity::ALL {
        root.write_policy(identity.as_str(), policy(identity)).await?;
    }
    Ok(())
}

async fn write_roles(root: Authorised<'_>, client_authorities: &str) -> Result<(), Failure> {
    for identity in Identity::ALL {
        root.write_certificate_role(&role(identity, client_authorities)).await?;
    }
    Ok(())
}

async fn mount(root: Authorised<'_>, path: &str) -> Result<(), Failure> {
    if root.mounts().await?.contains(path) {
        return Ok(());
    }
    Ok(root.mount_kv(path).await?)
}

async fn write_probe(root: Authorised<'_>, now: Timestamp) -> Result<(), Failure> {
    let fields = BTreeMap::from([("written".to_owned(), now.to_string())]);
    Ok(root.write_kv(OWN_MOUNT, PROBE_PATH, &fields).await?)
}

/// Each identity does what it cannot be without: Vaultyard reads the probe and the members, the
/// administrator lists all tokens, which the sweep needs.
async fn prove_logins(leader: Leader<'_>) -> Result<(), Failure> {
    let failed = |identity| move |error| Failure::As { identity, error };

    let token = as_identity(leader.vaultyard, Identity::Vaultyard).await?;
    let vaultyard = leader.vaultyard.with_token(&token);
    let read = vaultyard.probe_kv(OWN_MOUNT, PROBE_PATH, LOGIN).await;
    read.map_err(failed(Identity::Vaultyard))?;
    vaultyard.check_raft().await.map_err(failed(Identity::Vaultyard))?;
    vaultyard.revoke_self().await.map_err(failed(Identity::Vaultyard))?;

    let token = as_identity(leader.administrator, Identity::Administrator).await?;
    let administrator = leader.administrator.with_token(&token);
    administrator.accessors().await.map_err(failed(Identity::Administrator))?;
    Ok(administrator.revoke_self().await?)
}

/// The accessors of all tokens with the policy `root`. Every token of the cluster is looked up, so
/// this is for rare use. A token that ends in between is none.
///
/// # Errors
/// [`CallError`].
pub async fn root_accessors(authorised: Authorised<'_>) -> Result<Vec<String>, CallError> {
    let mut found = Vec::new();
    for accessor in authorised.accessors().await? {
        let token = authorised.look_up_accessor(&accessor).await;
        found.push((accessor, token.map(|token| token.map(|token| token.is_root()))));
    }
    roots_among(found)
}

/// What was found about a token: whether it is a root token, if there is such a token.
type Found = Result<Option<bool>, CallError>;

/// A server that is killed while it makes or ends a token may keep its accessor for ever, and
/// answers 403 when that is looked up. This is no want of rights as long as another can be looked
/// up: the token that asks is one of them.
fn roots_among(found: Vec<(String, Found)>) -> Result<Vec<String>, CallError> {
    let allowed = found.iter().any(|(_, token)| matches!(token, Ok(Some(_))));
    let mut roots = Vec::new();
    for (accessor, token) in found {
        match token {
            Ok(Some(true)) => roots.push(accessor),
            Ok(_) => {}
            Err(CallError::Refused { status: 403, .. }) if allowed => {}
            Err(error) => return Err(error),
        }
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(all: &[(&str, Found)]) -> Vec<(String, Found)> {
        all.iter().map(|(accessor, token)| ((*accessor).to_owned(), token.clone())).collect()
    }

    #[test]
    fn an_accessor_without_its_token_hides_no_root_token_and_want_of_rights_is_an_error() {
        let refused = Err(CallError::Refused { status: 403, errors: vec!["denied".to_owned()] });
        let own = ("own", Ok(Some(false)));
        let all = [own.clone(), ("half", refused.clone()), ("root", Ok(Some(true)))];
        assert_eq!(roots_among(found(&all)), Ok(vec!["root".to_owned()]));
        let all = [("half", refused.clone()), own.clone(), ("ended", Ok(None))];
        assert_eq!(roots_among(found(&all)), Ok(Vec::new()));
        assert!(roots_among(found(&[("half", refused.clone()), ("ended", Ok(None))])).is_err());
        let silent = Err(CallError::NoAnswer("nothing".to_owned()));
        assert!(roots_among(found(&[own, ("other", silent)])).is_err());
    }
}
