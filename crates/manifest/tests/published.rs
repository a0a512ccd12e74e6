//! What is published about the document stands in files, compared with what is generated now.
//! `UPDATE_GOLDEN=1` writes them anew.

#![allow(clippy::unwrap_used, reason = "helpers of tests are not marked as tests")]
#![allow(clippy::disallowed_methods, reason = "expected texts are files, and written on demand")]

use std::fs;
use std::path::Path;

use vaultyard_manifest::{crd, explain, outline, schema};

fn check(file: &str, generated: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, generated).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(written == generated, "{file} is stale; UPDATE_GOLDEN=1 cargo test writes it anew");
}

#[test]
fn the_json_schema_in_the_repository_is_fresh() {
    check("../../schema/vaultcluster.schema.json", &schema());
}

#[test]
fn the_resource_definition_in_the_repository_is_fresh() {
    check("../../schema/vaultcluster.crd.yaml", &crd());
}

/// The rules for structural schemas that a mistake here could break.
#[test]
fn the_resource_definition_is_structural() {
    let definition: serde_json::Value = serde_saphyr::from_str(&crd()).unwrap();
    let version = &definition["spec"]["versions"][0];
    assert_eq!(version["subresources"], serde_json::json!({"status": {}}));
    walk(&version["schema"]["openAPIV3Schema"], "");
}

fn walk(schema: &serde_json::Value, path: &str) {
    let schema = schema.as_object().unwrap();
    let int_or_string = schema.get("x-kubernetes-int-or-string").is_some();
    assert_ne!(schema.get("type").is_some_and(|kind| kind.is_string()), int_or_string, "{path}");
    for forbidden in ["$ref", "oneOf", "anyOf", "uniqueItems", "default", "definitions"] {
        assert!(!schema.contains_key(forbidden), "{path}: {forbidden}");
    }
    assert!(!schema.get("additionalProperties").is_some_and(|value| value.is_boolean()), "{path}");
    assert!(schema.keys().all(|key| !key.starts_with("x-vaultyard")), "{path}");
    let properties = schema.get("properties").and_then(|properties| properties.as_object());
    for (name, property) in properties.into_iter().flatten() {
        walk(property, &format!("{path}.{name}"));
    }
    schema.get("items").into_iter().for_each(|items| walk(items, &format!("{path}[]")));
}

#[test]
fn fields_are_explained() {
    for path in [
        "",
        "metadata",
        "metadata.name",
        "spec",
        "spec.servers",
        "spec.servers.software",
        "spec.servers.replicas",
        "spec.servers.storage.raft",
        "spec.servers.storage.raft.performanceMultiplier",
        "spec.servers.storage.raft.storageClassName",
        "spec.servers.configuration",
        "spec.servers.resources",
        "spec.servers.resources.requests",
        "spec.servers.resources.limits.cpu",
        "spec.servers.resources.limits.memory",
        "spec.servers.serviceAccount.annotations",
        "spec.seal",
        "spec.seal.gcpckms",
        "spec.seal.transit",
        "spec.seal.transit.tokenFile",
        "spec.keys",
        "spec.keys.encryption",
        "spec.keys.encryption.local",
        "spec.keys.encryption.googleKms",
        "spec.keys.encryption.transit",
        "spec.keys.encryption.transit.auth.kubernetes.tokenFile",
        "spec.keys.encryption.azureKeyVault",
        "spec.keys.store.directory.path",
        "spec.keys.store.googleStorage",
        "spec.keys.store.kubernetesSecret",
        "spec.keys.store.s3.prefix",
        "spec.certificates.public.privateCa.lifetime",
        "spec.dns.host",
        "spec.dns.policy",
        "spec.ingress",
        "spec.ingress.className",
        "spec.ingress.gatewayApi",
        "spec.ingress.gce",
        "spec.ingress.gce.connectionDraining",
        "spec.ingress.tls",
        "spec.ingress.proxy",
        "spec.ingress.proxy.maxInFlight",
        "spec.ingress.proxy.open",
        "spec.monitoring",
        "spec.monitoring.podMonitor",
        "spec.settings",
        "spec.snapshots",
    ] {
        let name = if path.is_empty() { "document" } else { path };
        check(&format!("tests/golden/explain/{name}.txt"), &explain(path).unwrap().to_string());
    }
    check("tests/golden/explain/outline.txt", &outline("").unwrap());
}

#[test]
fn a_path_may_begin_with_the_kind_and_may_hold_indices() {
    let plain = explain("spec.servers.zones").unwrap();
    assert_eq!(explain("vaultcluster.spec.servers.zones[0]").unwrap(), plain);
    assert_eq!(outline("spec.dns.provider.embedded").unwrap(), "");
}

#[test]
fn a_wrong_path_is_answered_with_the_right_one() {
    for (path, hint) in [
        ("spec.keys.treshold", "did you mean \"threshold\"?"),
        ("spec.replicas", "there is spec.servers.replicas"),
        ("spec.keys.shares.many", "spec.keys.shares has no fields"),
        ("spec.ingress.colour", "it has proxy, className, gatewayApi, tls, gce, annotations"),
    ] {
        assert_eq!(explain(path).unwrap_err().hint, hint);
        assert_eq!(outline(path).unwrap_err().hint, hint);
    }
}
