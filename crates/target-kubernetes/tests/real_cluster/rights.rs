//! Everything that a service does here works with the Role that is rendered for it.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use serde_json::json;
use vaultyard_model::port::custody::{KeyStore, ObjectName};
use vaultyard_render::kubernetes::{Release, installation};
use vaultyard_target_kubernetes::access_review::Act;
use vaultyard_target_kubernetes::error::Refused;
use vaultyard_target_kubernetes::kind::{LEASE, NODE, SECRET, SERVICE_ACCOUNT};
use vaultyard_target_kubernetes::lease::Election;
use vaultyard_target_kubernetes::secret_map::SecretMap;
use vaultyard_target_kubernetes::secret_text::SecretText;
use vaultyard_target_kubernetes::watch::watch;
use vaultyard_target_kubernetes::{Reason, Reference, SecretData, SecretStore};
use zeroize::Zeroizing;

use crate::place::{Place, WallClock, in_a_place, random, within};

/// Applies the accounts and what they may do.
pub(crate) async fn grant(place: &Place) {
    let image = "registry.test/image@sha256:0".to_owned();
    let release = Release { vaultyard: image.clone(), server: image };
    let all = installation(&place.cluster, &release, &json!({}), &json!({}));
    let rights = ["ServiceAccount", "Role", "RoleBinding"];
    for object in all.iter().filter(|object| rights.contains(&object.kind.as_str())) {
        place.put(&Reference::try_from(object).unwrap(), object.body.clone()).await;
    }
}

#[tokio::test]
async fn an_unsealer_keeps_its_keys_with_its_rights_and_no_more() {
    in_a_place(async |place| {
        grant(&place).await;
        let names = &place.names;
        let api = place.as_account(names.namespace(), names.stateful_set()).await;
        let store = SecretStore::new(api.clone(), names.clone(), random());
        vaultyard_testkit::contract::key_store(&store).await;
        assert_eq!(store.read(&ObjectName::Keys(34)).await, Ok(None));
        let object = place.secret(&names.key_encryption());
        let text = SecretText::new(api.clone(), object, place.labels(), random());
        text.open_or_create(|| Ok(Zeroizing::new("text".to_owned()))).await.unwrap();

        let keys = place.secret(&names.keys(1));
        let uid = place.api.get(&keys).await.unwrap().unwrap();
        let refused = [
            api.delete(&keys, uid["metadata"]["uid"].as_str().unwrap()).await.map(drop),
            api.get(&place.secret(&names.server_certificates())).await.map(drop),
            api.list(SECRET, Some(names.namespace()), &[]).await.map(drop),
        ];
        for outcome in refused {
            let error = outcome.unwrap_err();
            let Reason::Forbidden { refused, .. } = &error.reason else { panic!("{error}") };
            assert_eq!(*refused, Refused::Rights);
        }
    })
    .await;
}

#[tokio::test]
async fn controllers_lead_and_keep_their_secrets_with_their_rights() {
    in_a_place(async |place| {
        grant(&place).await;
        let names = &place.names;
        for account in [names.cluster_controller(), names.certificates_controller()] {
            let api = place.as_account(names.operations(), &account).await;
            let lease = Reference::within(LEASE, names.operations(), &account);
            let (candidate, _) = place.candidate("pod");
            let clock = Arc::new(WallClock);
            let (election, mut leads) = Election::new(api, lease, candidate, clock);
            let task = tokio::spawn(election.run(std::future::pending()));
            within(Duration::from_secs(10), leads.wait_for(|leads| *leads)).await.unwrap();
            task.abort();
        }
        let api = place.as_account(names.operations(), &names.certificates_controller()).await;
        let authority = Reference::within(SECRET, names.operations(), &names.authority());
        let own = [names.server_certificates(), names.identities()].map(|name| place.secret(&name));
        for object in own.into_iter().chain([authority]) {
            let map = SecretMap::new(
                api.clone(),
                object.clone(),
                place.labels(),
                "Opaque",
                "vaultyard-test",
                random(),
            );
            let one = SecretData::from([("a".to_owned(), Zeroizing::new(vec![1]))]);
            let first = map.write(None, &one).await.unwrap();
            map.write(Some(&first), &SecretData::new()).await.unwrap();
            let mut seen = pin!(watch(api.clone(), object));
            assert!(within(Duration::from_secs(10), seen.next()).await.unwrap().unwrap().is_some());
        }
    })
    .await;
}

#[tokio::test]
async fn whoever_asks_is_told_what_he_may_do() {
    in_a_place(async |place| {
        grant(&place).await;
        let names = &place.names;
        assert_eq!(place.api.may(&Act::everything()).await, Ok(true));
        let unsealer = place.as_account(names.namespace(), names.stateful_set()).await;
        let namespace = Some(names.namespace());
        let (own, other) = (names.keys(1), names.server_certificates());
        let keys = |verb| Act::on(verb, SECRET, namespace, Some(&own));
        let reviewer = Act {
            resource: "serviceaccounts/token".to_owned(),
            ..Act::on(
                "create",
                SERVICE_ACCOUNT,
                Some(names.operations()),
                Some(&names.token_reviewer()),
            )
        };
        for (act, may) in [
            (Act::everything(), false),
            (keys("create"), true),
            (keys("delete"), false),
            (Act::on("get", SECRET, namespace, Some(&other)), false),
            (Act::on("get", SECRET, namespace, None), false),
            (Act::on("get", NODE, None, None), false),
            (reviewer.clone(), true),
            (Act { resource: "serviceaccounts".to_owned(), ..reviewer }, false),
        ] {
            assert_eq!(unsealer.may(&act).await, Ok(may), "{act:?}");
        }
    })
    .await;
}
