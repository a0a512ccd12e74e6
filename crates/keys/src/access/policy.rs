//! Who may do what: the policies and roles of a cluster's first minute.

use vaultyard_model::access::Identity;
use vaultyard_vault::CertificateRole;

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
