//! Tokens of service accounts, as unsealers and people who log in ask for them.

use kube::config::{AuthInfo, Kubeconfig};
use vaultyard_target_kubernetes::error::Refused;
use vaultyard_target_kubernetes::token_request::SHORTEST;
use vaultyard_target_kubernetes::{Api, ApiError, Reason};

use crate::place::{api, in_a_place, kubeconfig};
use crate::rights::grant;

/// The API server, as the bearer of a token sees it.
async fn bearer(token: &vaultyard_model::Secret) -> Api {
    let token = token.expose_text().unwrap().to_owned();
    let mut kubeconfig = Kubeconfig::read_from(kubeconfig()).unwrap();
    let user = AuthInfo { token: Some(token.into()), ..AuthInfo::default() };
    kubeconfig.auth_infos[0].auth_info = Some(user);
    api(&kubeconfig).await
}

#[track_caller]
fn is_refused_for_want_of_rights(error: Option<ApiError>) {
    let error = error.unwrap();
    let Reason::Forbidden { refused, .. } = &error.reason else { panic!("{error}") };
    assert_eq!(*refused, Refused::Rights, "{error}");
}

#[tokio::test]
async fn an_unsealer_gets_tokens_of_the_account_that_reviews_and_of_no_other() {
    in_a_place(async |place| {
        grant(&place).await;
        let names = &place.names;
        let unsealer = place.as_account(names.namespace(), names.stateful_set()).await;
        let ask = async |account: &str, audience| {
            unsealer.request_token(names.operations(), account, audience, SHORTEST).await
        };
        let made = ask(&names.token_reviewer(), None).await.unwrap();
        let left = made.until.duration_since(jiff::Timestamp::now());
        assert!((500..=600).contains(&left.as_secs()), "{left}");
        bearer(&made.token).await.version().await.unwrap();

        for other in [names.administrator(), names.cluster_controller()] {
            is_refused_for_want_of_rights(ask(&other, None).await.err());
        }
        let own = unsealer.request_token(names.namespace(), names.stateful_set(), None, SHORTEST);
        is_refused_for_want_of_rights(own.await.err());
    })
    .await;
}

#[tokio::test]
async fn a_token_for_somebody_else_does_not_open_the_api_server() {
    in_a_place(async |place| {
        grant(&place).await;
        let (operations, account) = (place.names.operations(), place.names.administrator());
        let audience = place.names.audience();
        let made = place.api.request_token(operations, &account, Some(&audience), SHORTEST).await;
        let error = bearer(&made.unwrap().token).await.version().await.unwrap_err();
        assert!(matches!(error.reason, Reason::Credentials { .. }), "{error}");
    })
    .await;
}

#[tokio::test]
async fn who_may_not_and_what_is_not_there_are_told_apart() {
    in_a_place(async |place| {
        let operations = place.names.operations();
        let missing = place.api.request_token(operations, "no-such", None, SHORTEST).await;
        assert_eq!(missing.err().unwrap().reason, Reason::NotFound);
        let nobody = place.as_account(place.names.namespace(), "nobody").await;
        let refused = nobody.request_token(operations, "no-such", None, SHORTEST).await;
        is_refused_for_want_of_rights(refused.err());
    })
    .await;
}
