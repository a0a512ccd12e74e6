//! Roles of the login by client certificate.

use serde::Serialize;
use vaultyard_model::port::server::CallError;

use super::Authorised;
use crate::call::Call;

/// Who may log in by certificate, and what the token may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateRole {
    /// The role's name.
    pub name: String,
    /// The authorities that its certificates come from, PEM; several let all of them in.
    pub authorities: String,
    /// The common name that the certificate must have.
    pub common_name: String,
    /// The token's policies.
    pub policies: Vec<String>,
    /// How long a token lives, in seconds.
    pub ttl: u64,
    /// How long a token can be renewed, in seconds.
    pub max_ttl: u64,
    /// Whether the token has the `default` policy too.
    pub default_policy: bool,
}

/// Every field of a role: the server merges, so a field that is left out keeps an old value.
#[derive(Serialize)]
struct RoleBody<'a> {
    certificate: &'a str,
    allowed_common_names: [&'a str; 1],
    allowed_names: [&'a str; 0],
    allowed_dns_sans: [&'a str; 0],
    allowed_email_sans: [&'a str; 0],
    allowed_uri_sans: [&'a str; 0],
    allowed_organizational_units: [&'a str; 0],
    allowed_metadata_extensions: [&'a str; 0],
    required_extensions: [&'a str; 0],
    display_name: &'a str,
    ocsp_enabled: bool,
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

impl Authorised<'_> {
    /// Writes a role as a whole.
    ///
    /// # Errors
    /// [`CallError`]; 400 when the authorities are not PEM.
    pub async fn write_certificate_role(&self, role: &CertificateRole) -> Result<(), CallError> {
        let body = RoleBody {
            certificate: &role.authorities,
            allowed_common_names: [&role.common_name],
            allowed_names: [],
            allowed_dns_sans: [],
            allowed_email_sans: [],
            allowed_uri_sans: [],
            allowed_organizational_units: [],
            allowed_metadata_extensions: [],
            required_extensions: [],
            display_name: &role.name,
            ocsp_enabled: false,
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
        let path = format!("auth/cert/certs/{}", role.name);
        self.ask(Call::put(path).json(&body)?).await.map(drop)
    }
}
