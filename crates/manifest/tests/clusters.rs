//! What documents come out as.

#![allow(clippy::unwrap_used, reason = "helpers of tests are not marked as tests")]

use std::path::PathBuf;
use std::time::Duration;

use vaultyard_manifest::{BUILT_IN, Cluster, OWNED_SETTINGS, Problem, Target, built_in, parse};
use vaultyard_model::cluster::{DnsPolicy, Guarded, Issuer, Network, Store};
use vaultyard_model::{ClusterName, Software, Value, Version};

fn read(text: &str) -> Cluster {
    parse("test.yaml", text, Target::Local).unwrap_or_else(|findings| panic!("{findings}"))
}

#[test]
fn every_default_is_what_the_documentation_says() {
    for target in [Target::Local, Target::Kubernetes] {
        let cluster = parse("built-in", BUILT_IN, target).unwrap();
        assert_eq!(cluster.name.as_str(), "vault");
        let servers = &cluster.servers;
        assert_eq!(servers.software, Software::OpenBao);
        assert_eq!(servers.version, Version::new("2.7.2").unwrap());
        assert_eq!(servers.replicas.count(), 3);
        assert_eq!((servers.zones.len(), &servers.binary), (0, &None));
        assert_eq!(servers.raft_bytes, 10 << 30);
        assert_eq!(servers.configuration, Value::empty_map());
        assert_eq!((cluster.keys.shares, cluster.keys.threshold), (5, 3));
        assert_eq!(cluster.keys.store, Store::Directory { path: None });
        let month = Issuer::PrivateCa { lifetime: Duration::from_secs(720 * 3_600) };
        assert_eq!(cluster.certificates.servers, month);
        assert_eq!(cluster.certificates.public, month);
        assert_eq!(cluster.dns.zone.as_str(), "vault.test");
        assert_eq!(cluster.dns.host.as_str(), "vault.vault.test");
        assert_eq!(cluster.dns.policy, DnsPolicy::UpsertOnly);
        let proxy = &cluster.ingress.proxy;
        assert_eq!((proxy.max_in_flight, proxy.max_held), (40, 1_024));
        assert_eq!((proxy.hold, proxy.max_held_bytes), (Duration::from_secs(30), 64 << 20));
        assert!(proxy.trusted_proxies.is_empty() && proxy.open.is_empty());
        assert!(!proxy.proxy_protocol);
    }
}

#[test]
fn every_field_arrives() {
    let cluster = read(include_str!("good/everything.yaml"));
    assert_eq!(cluster.name.as_str(), "trial");
    assert_eq!(cluster.servers.replicas.count(), 5);
    let zones: Vec<&str> = cluster.servers.zones.iter().map(|zone| zone.as_str()).collect();
    assert_eq!(zones, ["a", "b", "c"]);
    assert_eq!(cluster.servers.raft_bytes, 3 << 29);
    assert_eq!(cluster.servers.binary, Some(PathBuf::from("/opt/openbao/bin/bao")));
    let Value::Map(settings) = &cluster.servers.configuration else { panic!("a map") };
    assert_eq!(settings["ui"], Value::Bool(true));
    assert_eq!(settings["max_lease_ttl"], Value::Text("87600h".to_owned()));
    let Value::Map(nested) = &settings["nested"] else { panic!("a map") };
    let numbers = vec![Value::Integer(1), Value::Integer(-2), Value::Float(3.5)];
    assert_eq!(nested["numbers"], Value::List(numbers));
    assert_eq!(nested["nothing"], Value::Null);
    let path = Some(PathBuf::from("/var/lib/keys"));
    assert_eq!(cluster.keys.store, Store::Directory { path });
    let lifetime = Duration::from_secs(5_400);
    assert_eq!(cluster.certificates.public, Issuer::PrivateCa { lifetime });
    assert_eq!(cluster.dns.host.as_str(), "secrets.trial.test");
    assert_eq!(cluster.dns.policy, DnsPolicy::Sync);
    let proxy = &cluster.ingress.proxy;
    assert_eq!((proxy.max_in_flight, proxy.max_held), (20, 0));
    let networks = ["10.0.0.0/8", "::1"].map(|text| Network::parse(text).unwrap());
    assert_eq!(proxy.trusted_proxies, networks);
    assert_eq!(proxy.open, [Guarded::Metrics, Guarded::StepDown]);
    assert!(proxy.proxy_protocol);
}

#[test]
fn the_built_in_cluster_takes_another_name() {
    for name in ["trial", "yes", "42", "x"] {
        let name = ClusterName::new(name).unwrap();
        let cluster = built_in(&name, Target::Local).unwrap();
        assert_eq!(cluster.name, name);
        assert_eq!(cluster.dns.host.as_str(), format!("{name}.vault.test"));
    }
    let taken = ClusterName::new("active").unwrap();
    assert!(built_in(&taken, Target::Local).is_err());
}

#[test]
fn every_setting_that_vaultyard_owns_is_refused_by_its_name() {
    for setting in OWNED_SETTINGS {
        let text = format!(
            "{BUILT_IN}spec: {{servers: {{configuration: {{ui: true, {}: x}}}}}}\n",
            setting.name.to_uppercase()
        );
        let findings = parse("test.yaml", text, Target::Local).unwrap_err();
        let finding = findings.iter().next().unwrap();
        assert_eq!(finding.problem, Problem::SetByVaultyard);
        assert!(finding.path.ends_with(&setting.name.to_uppercase()), "{}", finding.path);
    }
}

#[test]
fn findings_carry_what_a_program_needs() {
    let text = format!("{BUILT_IN}spec:\n  keys:\n    treshold: 3\n");
    let findings = parse("test.yaml", text, Target::Local).unwrap_err();
    let finding = findings.iter().next().unwrap();
    assert_eq!((finding.file.as_str(), finding.line, finding.column), ("test.yaml", 7, 5));
    assert_eq!(finding.path, "spec.keys.treshold");
    assert_eq!(finding.problem.as_str(), "unknown-field");
    assert_eq!(finding.found.as_deref(), Some("treshold"));
    assert_eq!(finding.allowed.as_deref(), Some("shares, threshold, encryption, store"));
    assert_eq!(finding.hint.as_deref(), Some("did you mean \"threshold\"?"));
}
