//! The rules between fields that the API server checks by itself, from the definition, say the same as
//! those of this crate: what is broken there is refused here, and the other way round where all that
//! this crate says of some fields can be said there.

#![allow(clippy::unwrap_used, reason = "helpers of tests are not marked as tests")]
#![allow(clippy::disallowed_methods, reason = "the documents of other tests are files")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use serde_json::Value;
use vaultyard_manifest::{Target, crd, parse};

mod cel;

static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    let definition: Value = serde_saphyr::from_str(&crd()).unwrap();
    definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone()
});

fn rules(schema: &Value) -> impl Iterator<Item = (&str, &str)> {
    let rules = schema["x-kubernetes-validations"].as_array().into_iter().flatten();
    rules.map(|rule| (rule["rule"].as_str().unwrap(), rule["message"].as_str().unwrap()))
}

/// The messages of all rules that the value breaks. A rule that cannot be computed is broken, as in
/// the API server.
fn broken<'s>(schema: &'s Value, value: &Value, all: &mut BTreeSet<&'s str>) {
    // What has another type was refused before any rule is looked at.
    let Some(fields) = value.as_object() else { return };
    all.extend(
        rules(schema).filter(|(rule, _)| cel::holds(rule, value) != Ok(true)).map(|(_, told)| told),
    );
    for (name, value) in fields {
        broken(&schema["properties"][name], value, all);
    }
}

fn broken_by(text: &str) -> BTreeSet<&'static str> {
    let mut all = BTreeSet::new();
    if let Ok(document) = serde_saphyr::from_str::<Value>(text) {
        broken(&SCHEMA, &document, &mut all);
    }
    all
}

fn messages<'s>(schema: &'s Value, all: &mut BTreeSet<&'s str>) {
    all.extend(rules(schema).map(|(_, message)| message));
    let properties = schema["properties"].as_object().into_iter().flatten();
    properties.for_each(|(_, property)| messages(property, all));
}

fn is_taken(text: &str) -> bool {
    parse("test", text, Target::Kubernetes).is_ok()
}

/// The texts of the documents in a folder, those for one machine too, each with its name.
fn documents(folder: &str) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder);
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let documents = files.filter(|path| path.extension().is_some_and(|ending| ending == "yaml"));
    // Some are no text, which no API server takes.
    let read = documents.filter_map(|path| {
        Some((path.file_name()?.to_string_lossy().into_owned(), fs::read_to_string(path).ok()?))
    });
    read.collect()
}

#[test]
fn a_good_document_breaks_no_rule() {
    for (name, text) in documents("good") {
        if is_taken(&text) {
            assert_eq!(broken_by(&text), BTreeSet::new(), "{name}");
        }
    }
}

#[test]
fn every_rule_is_broken_by_a_document_and_all_such_are_refused() {
    let mut missing = BTreeSet::new();
    messages(&SCHEMA, &mut missing);
    assert!(missing.len() >= 7);
    for (name, text) in documents("bad") {
        let broken = broken_by(&text);
        assert!(broken.is_empty() || !is_taken(&text), "{name} is taken and breaks {broken:?}");
        missing.retain(|message| !broken.contains(message));
    }
    assert_eq!(missing, BTreeSet::new(), "no document of tests/bad breaks these");
}

/// All documents with one choice of each list; an empty choice leaves the field out.
fn combined(choices: &[&[&str]]) -> Vec<String> {
    let mut all: Vec<Vec<&str>> = vec![Vec::new()];
    for list in choices {
        let mut longer = Vec::new();
        for before in &all {
            for choice in *list {
                let given = (!choice.is_empty()).then_some(*choice);
                longer.push(before.iter().copied().chain(given).collect());
            }
        }
        all = longer;
    }
    all.iter().map(|fields| fields.join(", ")).collect()
}

/// Both say the same of all combinations.
#[track_caller]
fn agree(path: &str, choices: &[&[&str]]) {
    let (open, close): (Vec<_>, Vec<_>) =
        path.split('.').map(|name| (format!("{{{name}: "), "}")).unzip();
    let (mut taken, mut refused) = (0, 0);
    for fields in combined(choices) {
        let text = format!(
            "apiVersion: vaultyard.dev/v1alpha1\nkind: VaultCluster\nmetadata: {{name: vault}}\n\
             spec: {}{{{fields}}}{}\n",
            open.concat(),
            close.concat()
        );
        let broken = broken_by(&text);
        let answer = parse("test", text.as_str(), Target::Kubernetes);
        match answer {
            Ok(_) => taken += 1,
            Err(_) => refused += 1,
        }
        assert_eq!(answer.is_ok(), broken.is_empty(), "{text}{broken:?}\n{:?}", answer.err());
    }
    assert!(taken > 0 && refused > 0, "{taken} taken, {refused} refused");
}

#[test]
fn both_say_the_same_of_shares_and_threshold() {
    let numbers = |name: &str| -> Vec<String> {
        let given = (1..=6).map(|number| format!("{name}: {number}"));
        [String::new()].into_iter().chain(given).collect()
    };
    let (shares, threshold) = (numbers("shares"), numbers("threshold"));
    let texts = |all: &[String]| all.iter().map(|text| text.clone().leak() as &str).collect();
    let (shares, threshold): (Vec<&str>, Vec<&str>) = (texts(&shares), texts(&threshold));
    agree("keys", &[&shares, &threshold]);
}

#[test]
fn both_say_the_same_of_what_encrypts() {
    let recipient = "age1lggyhqrw2nlhcxprm67z43rta597azn8gknawjehu9d9dl0jq3yqqvfafg";
    let some = format!("recipients: [{recipient}]");
    agree("keys.encryption.age", &[&["recipients: []", &some], &["identityFile: /run/identity"]]);
    agree(
        "keys.encryption.transit",
        &[
            &["address: 'http://v.example:8200'", "address: 'https://v.example'"],
            &["key: unseal, auth: {tokenFile: /run/token}"],
        ],
    );
}

#[test]
fn both_say_the_same_of_zones_and_replicas() {
    let zones = ["", "zones: []", "zones: [a]", "zones: [a, b, c]", "zones: [a, b, c, d]"];
    agree("servers", &[&zones, &["", "replicas: 1", "replicas: 3", "replicas: 5"]]);
}

#[test]
fn both_say_the_same_of_host_and_zone() {
    let hosts = ["", "host: vault.test", "host: a.vault.test", "host: avault.test", "host: a.b.c"];
    agree("dns", &[&hosts, &["", "zone: vault.test", "zone: b.c"]]);
}

#[test]
fn both_say_the_same_of_the_way_in() {
    agree(
        "ingress",
        &[
            &["", "className: gce", "className: gce-internal", "className: nginx"],
            &[
                "",
                "gatewayApi: {gatewayClassName: istio}",
                "gatewayApi: {gatewayClassName: gke-l7-rilb}",
                "gatewayApi: {gateway: {name: shared}}",
            ],
            &[
                "",
                "tls: {ownCertificate: {}}",
                "tls: {secretName: web}",
                "tls: {preSharedCertificates: []}",
                "tls: {preSharedCertificates: [web]}",
                "tls: {passthrough: {}}",
            ],
            &[
                "",
                "gce: {}",
                "gce: {sslPolicy: modern}",
                "gce: {securityPolicy: office}",
                "gce: {staticIpName: vault}",
            ],
            &["", "annotations: {a: b}", "annotations: {kubernetes.io/ingress.class: c}"],
            &[
                "",
                "proxy: {proxyProtocol: false}",
                "proxy: {proxyProtocol: true}",
                "proxy: {proxyProtocol: true, trustedProxies: [10.0.0.0/8]}",
            ],
        ],
    );
}

#[test]
fn both_say_the_same_of_who_looks_at_metrics() {
    agree(
        "monitoring",
        &[
            &["", "podMonitoring: {}"],
            &["", "podMonitor: {}"],
            &["", "alerts: true", "alerts: false"],
            &["", "dashboard: true"],
        ],
    );
}
