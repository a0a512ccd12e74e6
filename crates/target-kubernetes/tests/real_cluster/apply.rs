use std::time::Duration;

use serde_json::{Value, json};
use vaultyard_render::kubernetes::labels::{INSTANCE, MANAGED_BY};
use vaultyard_target_kubernetes::apply::{Applied, ApplyError, Options, Owner};
use vaultyard_target_kubernetes::kind::CONFIG_MAP;
use vaultyard_target_kubernetes::{Kind, Reason, Reference};

use crate::place::{body, in_a_place};

const OURS: Options<'_> = Options {
    manager: "vaultyard-test",
    force: false,
    dry_run: false,
    owner: Owner::Cluster("vault"),
};

fn config(object: &Reference, data: Value) -> Value {
    let labels = json!({MANAGED_BY: "vaultyard", INSTANCE: "vault"});
    body(object, json!({"metadata": {"labels": labels}, "data": data}))
}

#[tokio::test]
async fn applying_says_what_it_did() {
    in_a_place(async |place| {
        let (api, object) = (&place.api, place.object(CONFIG_MAP, "a"));
        let apply = async |data, options| {
            api.apply(&object, &config(&object, data), options).await.unwrap()
        };
        let trial = Options { dry_run: true, ..OURS };
        assert_eq!(apply(json!({"x": "1"}), trial).await, Applied::Created);
        assert_eq!(api.get(&object).await.unwrap(), None, "a trial changes nothing");
        assert_eq!(apply(json!({"x": "1", "y": "1"}), OURS).await, Applied::Created);
        assert_eq!(apply(json!({"x": "1", "y": "1"}), OURS).await, Applied::Unchanged);
        assert_eq!(apply(json!({"x": "1", "y": "1"}), trial).await, Applied::Unchanged);
        let changed = Applied::Changed(vec![".data.x".to_owned(), ".data.y".to_owned()]);
        assert_eq!(apply(json!({"x": "2"}), trial).await, changed);
        assert_eq!(apply(json!({"x": "2"}), OURS).await, changed);
        let found = api.get(&object).await.unwrap().unwrap();
        assert_eq!(found["data"], json!({"x": "2"}), "what is not applied any more goes");
    })
    .await;
}

#[tokio::test]
async fn a_field_that_somebody_else_owns_is_a_conflict_that_names_him() {
    in_a_place(async |place| {
        let (api, object) = (&place.api, place.object(CONFIG_MAP, "a"));
        let theirs = Options { manager: "somebody", ..OURS };
        api.apply(&object, &config(&object, json!({"x": "1"})), theirs).await.unwrap();
        let error =
            api.apply(&object, &config(&object, json!({"x": "2"})), OURS).await.unwrap_err();
        let ApplyError::Conflict { fields, .. } = &error else { panic!("{error}") };
        assert_eq!(fields[0].manager, "somebody");
        assert_eq!(fields[0].field, ".data.x");
        let force = Options { force: true, ..OURS };
        let forced = api.apply(&object, &config(&object, json!({"x": "2"})), force).await.unwrap();
        assert_eq!(forced, Applied::Changed(vec![".data.x".to_owned()]));
    })
    .await;
}

#[tokio::test]
async fn what_others_change_in_the_meantime_is_not_told_as_our_change() {
    in_a_place(async |place| {
        let (api, object) = (&place.api, place.object(CONFIG_MAP, "a"));
        let ours = config(&object, json!({"x": "1"}));
        api.apply(&object, &ours, OURS).await.unwrap();
        let others = async {
            for n in 0.. {
                let value = n.to_string();
                let annotated = json!({"metadata": {"annotations": {"others": value}}});
                let theirs = Options { manager: "somebody", owner: Owner::Anybody, ..OURS };
                api.apply(&object, &body(&object, annotated), theirs).await.unwrap();
                // Some times a second, as the controller of a Deployment that rolls. Where others
                // never cease, it is written all the same, and what is told need not be exact.
                tokio::time::sleep(Duration::from_millis(25)).await;
            }
        };
        let told = async {
            let mut told = Vec::new();
            for _ in 0..50 {
                told.push(api.apply(&object, &ours, OURS).await.unwrap());
            }
            told
        };
        let told = tokio::select! {
            told = told => told,
            () = others => unreachable!("others write without end"),
        };
        assert!(told.iter().all(|applied| *applied == Applied::Unchanged), "{told:?}");
    })
    .await;
}

#[tokio::test]
async fn what_belongs_to_somebody_else_is_not_taken_over() {
    in_a_place(async |place| {
        let (api, object) = (&place.api, place.object(CONFIG_MAP, "a"));
        let before = place.put(&object, json!({"data": {"x": "1"}})).await;
        let ours = config(&object, json!({"x": "2"}));
        let force = Options { force: true, ..OURS };
        let error = api.apply(&object, &ours, force).await.unwrap_err();
        assert!(matches!(error, ApplyError::Foreign { .. }), "{error}");
        assert_eq!(api.get(&object).await.unwrap(), Some(before), "nothing has changed");
        let adopt = Options { owner: Owner::Anybody, ..force };
        assert!(matches!(api.apply(&object, &ours, adopt).await, Ok(Applied::Changed(_))));
    })
    .await;
}

#[tokio::test]
async fn what_the_api_server_does_not_take_is_told_apart() {
    in_a_place(async |place| {
        let api = &place.api;
        let reason = async |object: &Reference, body: &Value| match api
            .apply(object, body, OURS)
            .await
            .unwrap_err()
        {
            ApplyError::Api(error) => error.reason,
            other => panic!("{other}"),
        };
        let object = place.object(CONFIG_MAP, "a");
        let mut unknown = config(&object, json!({}));
        unknown["dta"] = json!({});
        let found = reason(&object, &unknown).await;
        assert!(
            matches!(&found, Reason::Invalid { message } if message.contains("dta")),
            "{found}"
        );
        let service = Kind::find("v1", "Service").unwrap();
        let service = place.object(service, "a");
        let wrong = body(&service, json!({"spec": {"ports": [{"port": 70000}]}}));
        let found = reason(&service, &wrong).await;
        let named = |message: &str| message.contains("spec.ports[0].port");
        assert!(matches!(&found, Reason::Invalid { message } if named(message)), "{found}");
        let nowhere = Reference::within(CONFIG_MAP, "no-such", "a");
        let found = reason(&nowhere, &config(&nowhere, json!({}))).await;
        assert_eq!(found, Reason::NoNamespace { name: "no-such".to_owned() });
    })
    .await;
}

#[tokio::test]
async fn only_the_object_that_was_meant_is_deleted() {
    in_a_place(async |place| {
        let (api, object) = (&place.api, place.object(CONFIG_MAP, "a"));
        let found = place.put(&object, json!({})).await;
        let error = api.delete(&object, "another").await.unwrap_err();
        assert!(error.is_conflict(), "{error}");
        let uid = found["metadata"]["uid"].as_str().unwrap();
        assert!(api.delete(&object, uid).await.unwrap());
        assert!(!api.delete(&object, uid).await.unwrap());
    })
    .await;
}

#[tokio::test]
async fn a_status_is_patched_beside_what_others_wrote() {
    in_a_place(async |place| {
        let service = place.object(Kind::find("v1", "Service").unwrap(), "a");
        place.put(&service, json!({"spec": {"ports": [{"port": 80}]}})).await;
        let condition = json!([{"type": "Tried", "status": "True", "reason": "Test", "message": "",
            "lastTransitionTime": "2026-11-24T10:00:00Z"}]);
        let status = json!({"conditions": condition});
        let patched = place.api.patch_status(&service, "vaultyard-test", &status).await.unwrap();
        assert_eq!(patched["status"]["conditions"][0]["type"], "Tried");
        assert_eq!(patched["spec"]["ports"][0]["port"], 80);
    })
    .await;
}
