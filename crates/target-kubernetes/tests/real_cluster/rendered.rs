//! Everything that is rendered, shown to the API server, which judges it by the definition of its kind.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use vaultyard_model::Cluster;
use vaultyard_render::kubernetes::{Object, Release, installation, optional, workload};
use vaultyard_target_kubernetes::apply::{Applied, ApplyError, Options, Owner};
use vaultyard_target_kubernetes::{Kind, Reason, Reference};
use vaultyard_testkit::matrix;

use crate::place::{Place, in_a_place, within};

/// What others use of the cluster is taken for ours, and nothing is changed.
const REHEARSAL: Options<'_> =
    Options { manager: "vaultyard-test", force: true, dry_run: true, owner: Owner::Anybody };
const FOR_GOOD: Options<'_> = Options { dry_run: false, ..REHEARSAL };
/// How long the API server may take to serve kinds that were just defined.
const DEFINED: Duration = Duration::from_secs(60);

fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The definitions of all kinds that Vaultyard renders and Kubernetes does not have: those that their
/// projects publish, and for Google's, which are nowhere to be had, our own.
fn definitions() -> Vec<Value> {
    let folder = checkout().join("target/test-parts/definitions");
    let missing = "the definitions are missing: `cargo xtask cluster up` fetches them";
    let found = std::fs::read_dir(&folder).expect(missing).flatten().map(|entry| entry.path());
    let yaml = found.filter(|path| path.extension().is_some_and(|ending| ending == "yaml"));
    let google = checkout().join("crates/render/schemas/google.yaml");
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(path).unwrap();
        serde_saphyr::from_multiple::<Value>(&text).unwrap()
    };
    yaml.chain([google]).flat_map(read).filter(|definition| !definition.is_null()).collect()
}

/// Defines them. They stay: they change nothing for whoever does not use them.
async fn define(place: &Place) {
    let all = definitions();
    let expected = optional::RESOURCES.iter().filter(|it| it.api_version.contains('.'));
    let own = |resource: &&optional::Resource| resource.api_version != "networking.k8s.io/v1";
    assert_eq!(all.len(), expected.filter(own).count());
    for definition in &all {
        let object = Object {
            api_version: definition["apiVersion"].as_str().unwrap().to_owned(),
            kind: definition["kind"].as_str().unwrap().to_owned(),
            namespace: None,
            name: definition["metadata"]["name"].as_str().unwrap().to_owned(),
            body: definition.clone(),
        };
        let reference = Reference::try_from(&object).unwrap();
        place.api.apply(&reference, definition, FOR_GOOD).await.unwrap();
    }
    for resource in optional::RESOURCES {
        let kind = Kind::find(resource.api_version, resource.kind).unwrap();
        within(DEFINED, async {
            let own = place.names.namespace();
            while let Err(error) = place.api.list(kind, Some(own), &[]).await {
                assert!(matches!(error.reason, Reason::UnknownKind { .. }), "{error}");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        })
        .await;
    }
}

/// Everything that is rendered of a cluster, in this place. The definition of `VaultCluster` and the
/// document are the caller's, and empty here.
fn rendered(place: &Place, mut cluster: Cluster) -> Vec<Object> {
    cluster.namespace = place.cluster.namespace.clone();
    let image = "registry.test/image@sha256:".to_owned() + &"0".repeat(64);
    let release = Release { vaultyard: image.clone(), server: image };
    let mut all = installation(&cluster, &release, &json!({}), &json!({}));
    all.extend(workload(&cluster, &release, "{}"));
    all.retain(|object| !object.kind.is_empty());
    all
}

async fn rehearse(place: &Place, object: &Object) -> Result<Applied, ApplyError> {
    let reference = Reference::try_from(object).unwrap();
    place.api.apply(&reference, &object.body, REHEARSAL).await
}

#[tokio::test]
async fn everything_that_is_rendered_is_accepted_and_what_is_wrong_in_it_is_not() {
    in_a_place(async |place| {
        define(&place).await;
        let mut shown: Vec<Object> = Vec::new();
        for (name, cluster) in matrix::plain().into_iter().chain(matrix::optional()) {
            for object in rendered(&place, cluster) {
                if !shown.contains(&object) {
                    let outcome = rehearse(&place, &object).await;
                    assert!(outcome.is_ok(), "{name}: {}", outcome.unwrap_err());
                    shown.push(object);
                }
            }
        }
        for resource in optional::RESOURCES {
            let of_kind = |object: &&Object| {
                object.kind == resource.kind && object.api_version == resource.api_version
            };
            let mut object = shown.iter().find(of_kind).unwrap().clone();
            let within = if object.body.get("spec").is_some() { "/spec" } else { "" };
            object.body.pointer_mut(within).unwrap()["planted"] = json!("x");
            refused(&place, &object, "planted").await;
        }
        for (kind, field, value) in [
            ("Ingress", "/spec/rules/0/http/paths/0/pathType", json!("Any")),
            ("BackendConfig", "/spec/timeoutSec", json!(0)),
            ("FrontendConfig", "/spec/redirectToHttps/responseCodeName", json!("GONE")),
            ("HealthCheckPolicy", "/spec/default/timeoutSec", json!(30)),
            ("Gateway", "/spec/listeners/0/port", json!(70_000)),
            ("HTTPRoute", "/spec/rules/0/backendRefs/0/port", json!(0)),
            ("BackendTLSPolicy", "/spec/validation/hostname", json!("*.vault.test")),
            ("PodMonitoring", "/spec/endpoints", json!([])),
            ("PodMonitor", "/spec/podMetricsEndpoints/0/interval", json!("often")),
            ("PrometheusRule", "/spec/groups/0/rules/0/for", json!("soon")),
        ] {
            let holds = |object: &&Object| {
                object.kind == kind && object.body.pointer(field).is_some_and(|now| *now != value)
            };
            let mut object = shown.iter().find(holds).unwrap().clone();
            *object.body.pointer_mut(field).unwrap() = value;
            refused(&place, &object, "").await;
        }
    })
    .await;
}

/// Asserts that an object is refused for what it is, in a sentence with this word.
async fn refused(place: &Place, object: &Object, word: &str) {
    let outcome = rehearse(place, object).await;
    let invalid = |message: &str| message.contains(word);
    let is_refused = matches!(&outcome, Err(ApplyError::Api(error))
        if matches!(&error.reason, Reason::Invalid { message } if invalid(message)));
    assert!(is_refused, "{} {}: {outcome:?}", object.kind, object.name);
}
