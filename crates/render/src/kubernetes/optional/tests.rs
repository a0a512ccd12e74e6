//! What holds for the optional objects.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value as Json, json};
use vaultyard_model::cluster::{Collector, FrontTls};
use vaultyard_model::{Cluster, DnsName};
use vaultyard_testkit::matrix::{self, PLAIN, behind, ingress, operator, watched};

use super::*;
use crate::kubernetes::tests::{everything, the};
use crate::kubernetes::{workload, yaml};
use crate::sample;

#[test]
fn what_is_asked_for_is_as_it_was() {
    for (name, cluster) in matrix::optional() {
        let plain = everything(&sample::cluster(cluster.servers.replicas.count().into()));
        let mut objects = everything(&cluster);
        objects.retain(|object| !plain.contains(object));
        sample::golden(&format!("kubernetes/optional/{name}.yaml"), &yaml(&objects));
    }
}

#[test]
fn every_optional_kind_is_used_and_listed() {
    let mut used: Vec<(String, String)> = Vec::new();
    for (_, cluster) in matrix::optional() {
        let all = objects(&cluster, &Names::of(&cluster));
        used.extend(all.into_iter().map(|object| (object.api_version, object.kind)));
    }
    used.sort();
    used.dedup();
    let mut listed: Vec<(String, String)> = RESOURCES
        .iter()
        .map(|resource| (resource.api_version.to_owned(), resource.kind.to_owned()))
        .collect();
    listed.sort();
    assert_eq!(used, listed);
}

#[test]
fn what_any_document_can_ask_for_is_wanted_or_unwanted() {
    let matrix = matrix::optional().map(|(_, cluster)| cluster);
    let could = |cluster: &Cluster| objects(cluster, &Names::of(cluster));
    let all: Vec<Object> = matrix.iter().flat_map(could).collect();
    for cluster in &matrix {
        let (wanted, unwanted) = (could(cluster), unwanted(cluster));
        assert!(!wanted.iter().any(|object| unwanted.iter().any(|other| other.is(object))));
        for object in &all {
            let mut either = wanted.iter().chain(&unwanted);
            assert!(either.any(|other| other.is(object)), "{} {}", object.kind, object.name);
        }
    }
}

#[test]
fn who_asks_for_nothing_gets_nothing() {
    let cluster = sample::cluster(3);
    assert_eq!(objects(&cluster, &Names::of(&cluster)), []);
    assert_eq!(scrapers(&cluster), []);
}

#[test]
fn a_balancer_waits_longer_than_the_longest_hold_and_request() {
    for (hold, timeout) in [(30_000, 130), (1, 101), (300_000, 400)] {
        let mut cluster = behind(3, ingress("gce"), FrontTls::OwnCertificate, Some(PLAIN));
        cluster.ingress.proxy.hold = Duration::from_millis(hold);
        let all = everything(&cluster);
        let backend = &the(&all, "BackendConfig", "vault")["spec"];
        assert_eq!(backend["timeoutSec"], timeout);
        assert_eq!(backend["connectionDraining"]["drainingTimeoutSec"], timeout - 10);
    }
}

#[test]
fn a_probe_answers_within_its_interval_and_asks_for_what_the_proxy_says_while_nobody_leads() {
    let cluster = behind(3, ingress("gce"), FrontTls::OwnCertificate, Some(PLAIN));
    let check = the(&everything(&cluster), "BackendConfig", "vault")["spec"]["healthCheck"].clone();
    assert!(check["timeoutSec"].as_u64() <= check["checkIntervalSec"].as_u64());
    assert_eq!(check["requestPath"], "/-/healthy");
    assert_eq!(check["port"], 8200);
}

/// Google's probers and proxies come from 130.211.0.0/22 and 35.191.0.0/16, as clients come from
/// anywhere.
#[test]
fn the_proxies_are_open_to_balancers_and_their_metrics_are_not() {
    let cluster = behind(3, ingress("gce"), FrontTls::OwnCertificate, Some(PLAIN));
    let all = everything(&cluster);
    let policy = &the(&all, "NetworkPolicy", "vault-proxy")["spec"]["ingress"];
    assert_eq!(*policy, json!([{"ports": [{"protocol": "TCP", "port": 8200}]}]));
}

#[test]
fn metrics_are_open_to_who_collects_them_alone() {
    let all = everything(&watched(3, operator()));
    for policy in ["vault-proxy", "vault-servers", "vault-cluster-controller"] {
        let rules = the(&all, "NetworkPolicy", policy)["spec"]["ingress"].clone();
        let last = rules.as_array().unwrap().last().unwrap().clone();
        assert_eq!(last["ports"], json!([{"protocol": "TCP", "port": 8204}]), "{policy}");
        let namespaces = &last["from"][0]["namespaceSelector"]["matchExpressions"][0]["values"];
        assert_eq!(*namespaces, json!(["monitoring"]), "{policy}");
    }
}

/// The expression of the alert of this name.
fn alert(rules: &Json, name: &str) -> Option<String> {
    let groups = rules["spec"]["groups"].as_array().unwrap().iter();
    let mut all = groups.flat_map(|group| group["rules"].as_array().unwrap());
    let found = all.find(|rule| rule["alert"] == name)?;
    Some(found["expr"].as_str().unwrap().to_owned())
}

/// No series is no number: what is compared must be there when nothing is read any more.
#[test]
fn what_is_gone_is_alerted_of() {
    let all = everything(&watched(3, operator()));
    let rules = the(&all, "PrometheusRule", "vault");
    for (name, ending) in [
        ("VaultyardNoLeader", "or vector(0)) < 1"),
        ("VaultyardServersMissing", "or vector(0)) < 3"),
        ("VaultyardMajorityMissing", "or vector(0)) < 2"),
        ("VaultyardNoClusterController", "or vector(0)) < 1"),
        ("VaultyardNoCertificatesController", "or vector(0)) < 1"),
    ] {
        let expression = alert(rules, name).unwrap();
        // Anything that keeps labels would stand beside the zero instead of before it.
        assert!(expression.ends_with(ending) && !expression.contains(" by "), "{expression}");
    }
}

#[test]
fn old_snapshots_are_alerted_of_where_they_are_taken_by_themselves() {
    let mut cluster = watched(3, operator());
    let expression = |cluster: &Cluster| {
        let all = everything(cluster);
        alert(the(&all, "PrometheusRule", "vault"), "VaultyardSnapshotOld")
    };
    assert_eq!(expression(&cluster), None);
    cluster.snapshots.interval = Some(Duration::from_secs(3600));
    let expression = expression(&cluster).unwrap();
    assert!(expression.contains("or vector(0)) > 7200 and on() count("), "{expression}");
}

/// Google shows a rule the metrics of its own namespace only.
#[test]
fn rules_of_google_lie_where_their_metrics_are() {
    let all = everything(&watched(3, Collector::Google));
    let rules: Vec<_> = all.iter().filter(|object| object.kind == "Rules").collect();
    assert_eq!(rules.len(), 2);
    for object in rules {
        let own = format!("namespace=\"{}\"", object.namespace.as_ref().unwrap());
        for rule in object.body["spec"]["groups"][0]["rules"].as_array().unwrap() {
            let expression = rule["expr"].as_str().unwrap();
            assert!(expression.contains(&own), "{expression}");
        }
    }
}

#[test]
fn a_persons_annotation_stands_where_vaultyard_has_the_same() {
    let mut cluster = behind(3, ingress("nginx"), FrontTls::OwnCertificate, None);
    let name = "nginx.ingress.kubernetes.io/proxy-read-timeout";
    let front = cluster.ingress.front.as_mut().unwrap();
    front.annotations.insert(name.to_owned(), "7".to_owned());
    let all = everything(&cluster);
    assert_eq!(the(&all, "Ingress", "vault")["metadata"]["annotations"][name], "7");
}

#[test]
fn a_persons_labels_do_not_replace_ours() {
    let labels = BTreeMap::from([
        ("release".to_owned(), "prometheus".to_owned()),
        ("app.kubernetes.io/managed-by".to_owned(), "somebody".to_owned()),
    ]);
    let all = everything(&watched(3, Collector::Operator { labels, namespace: None }));
    let labels = &the(&all, "PodMonitor", "vault")["metadata"]["labels"];
    assert_eq!(labels["release"], "prometheus");
    assert_eq!(labels["app.kubernetes.io/managed-by"], "vaultyard");
}

/// Everything in front of the proxies names a port of their Service, and the host.
#[test]
fn all_ways_lead_to_the_proxies() {
    for (name, mut cluster) in matrix::optional() {
        cluster.dns.host = DnsName::new("secrets.vault.test").unwrap();
        let all = workload(&cluster, &crate::kubernetes::tests::release(), "");
        let ports = the(&all, "Service", "vault")["spec"]["ports"].clone();
        let has = |field: &str, value: &Json| {
            ports.as_array().unwrap().iter().any(|port| port[field] == *value)
        };
        for object in all.iter().filter(|object| object.name == "vault") {
            let spec = &object.body["spec"];
            match object.kind.as_str() {
                "Ingress" => {
                    let rule = &spec["rules"][0];
                    assert_eq!(rule["host"], "secrets.vault.test", "{name}");
                    let service = &rule["http"]["paths"][0]["backend"]["service"];
                    assert_eq!(service["name"], "vault", "{name}");
                    assert!(has("name", &service["port"]["name"]), "{name}");
                }
                "HTTPRoute" | "TLSRoute" => {
                    assert_eq!(spec["hostnames"], json!(["secrets.vault.test"]), "{name}");
                    let backend = &spec["rules"][0]["backendRefs"][0];
                    assert_eq!(backend["name"], "vault", "{name}");
                    assert!(has("port", &backend["port"]), "{name}");
                }
                "BackendTLSPolicy" => {
                    assert!(has("name", &spec["targetRefs"][0]["sectionName"]), "{name}");
                    assert_eq!(spec["validation"]["hostname"], "secrets.vault.test", "{name}");
                    let vouches = &spec["validation"]["caCertificateRefs"][0];
                    assert_eq!(vouches["name"], Names::of(&cluster).trust(), "{name}");
                }
                _ => {}
            }
        }
    }
}
