//! Who may do what: the policies and roles of a cluster's first minute.

use aws_lc_rs::digest::{SHA256, digest};
use vaultyard_model::access::{Identity, SERVICE_ACCOUNT_MOUNT, ServiceIdentity};
use vaultyard_vault::{CertificateRole, ServiceAccountRole};

use super::ServiceAccounts;

/// Vaultyard: watches raft, moves leadership, replaces members, reads and writes its own mount,
/// and sees whether root tokens live. It cannot read anybody's secrets.
const VAULTYARD: &str = r#"
path "sys/storage/raft/configuration"   { capabilities = ["read"] }
path "sys/storage/raft/autopilot/state" { capabilities = ["read"] }
path "sys/storage/raft/remove-peer"     { capabilities = ["update"] }
path "sys/step-down"                    { capabilities = ["update", "sudo"] }
path "vaultyard/data/*"                 { capabilities = ["create", "read", "update"] }
path "auth/token/accessors"             { capabilities = ["list", "sudo"] }
path "auth/token/accessors/"            { capabilities = ["list", "sudo"] }
path "auth/token/lookup-accessor"       { capabilities = ["create", "update"] }
path "auth/token/lookup-self"           { capabilities = ["read"] }
path "auth/token/revoke-self"           { capabilities = ["update"] }
"#;

/// The administrator: everything, for an hour at a time, by a certificate that can be revoked.
const ADMINISTRATOR: &str = r#"
path "*" { capabilities = ["create", "read", "update", "patch", "delete", "list", "sudo"] }
"#;

/// Who logs in to see that logging in works.
const TOKEN_REVIEWER: &str = r#"
path "auth/token/revoke-self" { capabilities = ["update"] }
"#;

/// The policy of [`ServiceIdentity::TokenReviewer`].
const TOKEN_REVIEWER_NAME: &str = "vaultyard-token-reviewer";

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;

/// The policy of an identity, in the server's own language.
pub fn policy(identity: Identity) -> &'static str {
    match identity {
        Identity::Vaultyard => VAULTYARD,
        Identity::Administrator => ADMINISTRATOR,
    }
}

/// The role of an identity: bound to its authority and to its name.
pub fn role(identity: Identity, client_authorities: &str) -> CertificateRole {
    let name = identity.as_str().to_owned();
    let (ttl, max_ttl, default_policy) = match identity {
        Identity::Vaultyard => (10 * MINUTE, HOUR, false),
        Identity::Administrator => (HOUR, HOUR, true),
    };
    CertificateRole {
        authorities: client_authorities.to_owned(),
        common_name: name.clone(),
        policies: vec![name.clone()],
        name,
        ttl,
        max_ttl,
        default_policy,
    }
}

/// The policies that only service accounts have: name and text. The administrator has that of his
/// certificate.
pub fn service_policies(accounts: &ServiceAccounts) -> Vec<(&'static str, &'static str)> {
    let policy = |identity: &ServiceIdentity| match identity {
        ServiceIdentity::Administrator => None,
        ServiceIdentity::TokenReviewer => Some((TOKEN_REVIEWER_NAME, TOKEN_REVIEWER)),
    };
    accounts.names.keys().filter_map(policy).collect()
}

/// The roles of service accounts: each bound to one account of one namespace, and to tokens that
/// are meant for this cluster.
pub fn service_roles(accounts: &ServiceAccounts) -> Vec<ServiceAccountRole> {
    let role = |(identity, account): (&ServiceIdentity, &String)| {
        let (policy, ttl, default_policy) = match identity {
            ServiceIdentity::Administrator => (Identity::Administrator.as_str(), HOUR, true),
            ServiceIdentity::TokenReviewer => (TOKEN_REVIEWER_NAME, MINUTE, false),
        };
        ServiceAccountRole {
            name: identity.as_str().to_owned(),
            account: account.clone(),
            namespace: accounts.namespace.clone(),
            audience: accounts.audience.clone(),
            policies: vec![policy.to_owned()],
            ttl,
            max_ttl: ttl,
            default_policy,
        }
    };
    accounts.names.iter().map(role).collect()
}

/// A text that is another one whenever anything differs that is set up for service accounts, so
/// that a cluster that was set up before gets what came later.
pub fn service_fingerprint(accounts: &ServiceAccounts) -> String {
    let all = (SERVICE_ACCOUNT_MOUNT, service_policies(accounts), service_roles(accounts));
    let digest = digest(&SHA256, format!("{all:?}").as_bytes());
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn accounts() -> ServiceAccounts {
        let name = |it: ServiceIdentity| (it, format!("vault-{}", it.as_str()));
        ServiceAccounts {
            names: BTreeMap::from(ServiceIdentity::ALL.map(name)),
            namespace: "vault-operations".to_owned(),
            audience: "https://vault.vault.svc".to_owned(),
        }
    }

    #[test]
    fn every_role_of_a_service_account_is_bound_and_its_tokens_end() {
        let roles = service_roles(&accounts());
        assert_eq!(roles.len(), ServiceIdentity::ALL.len());
        for role in roles {
            for bound in [&role.account, &role.namespace, &role.audience] {
                assert!(!bound.is_empty() && !bound.contains('*'), "{role:?}");
            }
            assert!((1..=HOUR).contains(&role.max_ttl) && role.ttl <= role.max_ttl, "{role:?}");
        }
    }

    #[test]
    fn the_account_that_asks_whose_tokens_are_may_do_nothing_itself() {
        let roles = service_roles(&accounts());
        let reviewer = roles.iter().find(|role| role.name == "token-reviewer").unwrap();
        assert_eq!(reviewer.policies, [TOKEN_REVIEWER_NAME]);
        assert!(!reviewer.default_policy);
        assert_eq!(TOKEN_REVIEWER.matches("path ").count(), 1);
    }

    #[test]
    fn the_fingerprint_changes_with_what_is_set_up() {
        let before = service_fingerprint(&accounts());
        assert_eq!(before, service_fingerprint(&accounts()));
        let other = ServiceAccounts { audience: "other".to_owned(), ..accounts() };
        assert_ne!(before, service_fingerprint(&other));
        let mut fewer = accounts();
        fewer.names.remove(&ServiceIdentity::TokenReviewer);
        assert_ne!(before, service_fingerprint(&fewer));
    }
}
