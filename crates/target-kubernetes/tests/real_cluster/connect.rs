use kube::config::{AuthInfo, Kubeconfig};
use vaultyard_target_kubernetes::error::Refused;
use vaultyard_target_kubernetes::kind::SECRET;
use vaultyard_target_kubernetes::{Api, Reason, Reference};

use crate::place::{api, in_a_place, kubeconfig};

#[tokio::test]
async fn the_api_server_tells_its_version() {
    let api = Api::from_kubeconfig(&[kubeconfig()], None).await.unwrap();
    assert!(api.version().await.unwrap().starts_with("v1."));
}

#[tokio::test]
async fn credentials_that_are_not_accepted_are_told_from_rights_that_are_missing() {
    let mut wrong = Kubeconfig::read_from(kubeconfig()).unwrap();
    let user = AuthInfo { token: Some("expired".to_owned().into()), ..AuthInfo::default() };
    wrong.auth_infos[0].auth_info = Some(user);
    let error = api(&wrong).await.version().await.unwrap_err();
    assert!(matches!(error.reason, Reason::Credentials { .. }), "{error}");

    in_a_place(async |place| {
        let nobody = place.as_account(place.names.namespace(), "nobody").await;
        let error = nobody.get(&place.secret("a")).await.unwrap_err();
        let Reason::Forbidden { refused, .. } = &error.reason else { panic!("{error}") };
        assert_eq!(*refused, Refused::Rights, "{error}");
    })
    .await;
}

#[tokio::test]
async fn what_is_missing_is_told_apart() {
    let api = Api::from_kubeconfig(&[kubeconfig()], None).await.unwrap();
    assert_eq!(api.get(&Reference::within(SECRET, "default", "no-such")).await.unwrap(), None);
    assert_eq!(api.get(&Reference::within(SECRET, "no-such", "a")).await.unwrap(), None);
    assert!(api.list(SECRET, Some("no-such"), &[]).await.unwrap().is_empty());
    assert!(!api.delete(&Reference::within(SECRET, "default", "no-such"), "u").await.unwrap());
}
