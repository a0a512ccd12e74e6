//! The login with the tokens of service accounts of Kubernetes: its roles, and how the server asks
//! Kubernetes whose a token is.

use serde::Serialize;
use vaultyard_model::Secret;
use vaultyard_model::port::server::CallError;

use super::Authorised;
use crate::call::Call;
use crate::json::Exposed;

/// Which service account may log in, and what its token may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceAccountRole {
    /// The role's name.
    pub name: String,
    /// The service account.
    pub account: String,
    /// Its namespace.
    pub namespace: String,
    /// Whom the account's token must be meant for.
    pub audience: String,
    /// The token's policies.
    pub policies: Vec<String>,
    /// How long a token lives, in seconds.
    pub ttl: u64,
    /// How long a token can be renewed, in seconds.
    pub max_ttl: u64,
    /// Whether the token has the `default` policy too.
    pub default_policy: bool,
}

/// How the server asks Kubernetes whose a token is (`TokenReview`).
pub struct TokenReview<'a> {
    /// The URL of the API server.
    pub host: &'a str,
    /// The authorities that its certificate comes from, PEM.
    pub authorities: &'a str,
    /// The token of the account that asks.
    pub reviewer: &'a Secret,
}

/// Every field of a role: the server merges, so a field that is left out keeps an old value.
#[derive(Serialize)]
struct RoleBody<'a> {
    bound_service_account_names: [&'a str; 1],
    bound_service_account_namespaces: [&'a str; 1],
    bound_service_account_namespace_selector: &'a str,
    audience: &'a str,
    alias_name_source: &'a str,
    token_policies: &'a [String],
    token_ttl: u64,
    token_max_ttl: u64,
    token_period: u64,
    token_explicit_max_ttl: u64,
    token_num_uses: u64,
    token_bound_cidrs: [&'a str; 0],
    token_no_default_policy: bool,
    token_type: &'a str,
}

#[derive(Serialize)]
struct ConfigurationBody<'a> {
    kubernetes_host: &'a str,
    kubernetes_ca_cert: &'a str,
    token_reviewer_jwt: Exposed<'a>,
    /// What lies in the server's pod is never taken: it has no token, and must not ask with the one
    /// that somebody logs in with.
    disable_local_ca_jwt: bool,
}

impl Authorised<'_> {
    /// Writes a role of the login at `mount` as a whole.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn write_service_account_role(
        &self,
        mount: &str,
        role: &ServiceAccountRole,
    ) -> Result<(), CallError> {
        let body = RoleBody {
            bound_service_account_names: [&role.account],
            bound_service_account_namespaces: [&role.namespace],
            bound_service_account_namespace_selector: "",
            audience: &role.audience,
            // An account that is made anew under the old name is somebody else.
            alias_name_source: "serviceaccount_uid",
            token_policies: &role.policies,
            token_ttl: role.ttl,
            token_max_ttl: role.max_ttl,
            token_period: 0,
            token_explicit_max_ttl: 0,
            token_num_uses: 0,
            token_bound_cidrs: [],
            token_no_default_policy: !role.default_policy,
            token_type: "default",
        };
        let path = format!("auth/{mount}/role/{}", role.name);
        self.ask(Call::put(path).json(&body)?).await.map(drop)
    }

    /// Writes the configuration of the login at `mount` as a whole. The server does not try it.
    ///
    /// # Errors
    /// [`CallError`]; 400 when the authorities are not PEM.
    pub async fn configure_token_review(
        &self,
        mount: &str,
        review: &TokenReview<'_>,
    ) -> Result<(), CallError> {
        let body = ConfigurationBody {
            kubernetes_host: review.host,
            kubernetes_ca_cert: review.authorities,
            token_reviewer_jwt: Exposed(review.reviewer),
            disable_local_ca_jwt: true,
        };
        self.ask(Call::put(format!("auth/{mount}/config")).json(&body)?).await.map(drop)
    }
}
