//! `vaultyard login --target kubernetes`

use std::time::Duration;

use vaultyard_certificates::tls::client_config;
use vaultyard_model::access::{SERVICE_ACCOUNT_MOUNT, ServiceIdentity};
use vaultyard_model::address::Host;
use vaultyard_model::port::server::CallError;
use vaultyard_model::{Address, DnsName};
use vaultyard_render::kubernetes::Names;
use vaultyard_target_kubernetes::error::Refused;
use vaultyard_target_kubernetes::{ApiError, Reason, token_request};
use vaultyard_vault::Login;

use super::forward::Forward;
use super::reach::{self, Found};
use super::trust;
use crate::arguments::Common;
use crate::failure::{Failure, Kind, bad_input, failed};
use crate::identities;

/// For the login alone. A proxy may hold it until a server leads.
const DEADLINE: Duration = Duration::from_secs(30);

/// Logs in as the administrator: with the person's own rights as that service account, through a
/// proxy. Says where.
pub(crate) async fn log_in(common: &Common) -> Result<(Login, String), Failure> {
    let found = reach::cluster(common).await?;
    let Found { api, names } = &found;
    let (account, audience) = (names.administrator(), names.audience());
    let lifetime = token_request::SHORTEST;
    let token = api.request_token(names.operations(), &account, Some(&audience), lifetime).await;
    let token = token.map_err(|error| may_not(error, names))?.token;
    let root = trust::read(api, names).await?;
    let tls = client_config(root.as_bytes(), None, &["http/1.1"]).map_err(failed)?;
    let name = Host::Name(DnsName::new(&names.service_host()).map_err(bad_input)?);
    let forward = Forward::open(found.clone()).await?;
    let address = Address::from(forward.address());
    let client = identities::client(address, identities::tls_name(&name)?, &tls);
    let role = ServiceIdentity::Administrator.as_str();
    let login = client.log_in_as_service_account(SERVICE_ACCOUNT_MOUNT, role, &token, DEADLINE);
    let login = tokio::select! {
        login = login => login.map_err(refused)?,
        failure = forward.run() => return Err(failure),
    };
    Ok((login, names.service_host()))
}

fn may_not(error: ApiError, names: &Names) -> Failure {
    let (account, namespace) = (names.administrator(), names.operations());
    match &error.reason {
        Reason::Forbidden { refused: Refused::Rights, .. } => {
            let what = format!(
                "you may not log in as the administrator: that takes the right to create a token of \
                 the ServiceAccount {account} in the namespace {namespace}"
            );
            Failure::text(Kind::Refused, what).hint(format!(
                "who runs the cluster gives it by a Role there with the rule {{apiGroups: [\"\"], \
                 resources: [serviceaccounts/token], resourceNames: [{account}], verbs: [create]}}"
            ))
        }
        Reason::NotFound => failed(error).hint("`vaultyard up --target kubernetes` makes it"),
        _ => failed(error),
    }
}

fn refused(error: CallError) -> Failure {
    let is_refusal = matches!(error, CallError::Refused { status: 400 | 403 | 404, .. });
    let failure = Failure::text(Kind::Failed, format!("the login failed: the server {error}"));
    if is_refusal {
        failure.hint(
            "`vaultyard status --target kubernetes` says whether logins with service accounts work",
        )
    } else {
        failure.hint("`vaultyard status --target kubernetes` says how the cluster is")
    }
}

#[cfg(test)]
mod tests {
    use vaultyard_model::{ClusterName, Namespace};

    use super::*;

    #[test]
    fn who_may_not_ask_for_the_token_is_told_which_right_it_takes() {
        let name = ClusterName::new("login").unwrap();
        let names = Names::new(&name, &Namespace::new("here").unwrap());
        let reason =
            Reason::Forbidden { message: "forbidden".to_owned(), refused: Refused::Rights };
        let failure = may_not(ApiError { act: "ask".to_owned(), reason }, &names);
        let said = failure.message();
        assert!(said.contains("login-administrator in the namespace here-operations"), "{said}");
        assert_eq!(failure.exit_code(), Failure::text(Kind::Refused, "").exit_code());
    }
}
