//! What documents come out as.

#![allow(clippy::unwrap_used, reason = "helpers of tests are not marked as tests")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use vaultyard_manifest::{BUILT_IN, Cluster, OWNED_SETTINGS, Problem, Target, built_in, parse};
use vaultyard_model::cluster::{
    Collector, Cpu, DnsPolicy, Encryption, FrontTls, GoogleLoadBalancer, GoogleName, Guarded,
    Issuer, Limits, Monitoring, Network, ObjectName, Requests, Resources, Store, Transit,
    TransitLogin, Way,
};
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
        assert_eq!((servers.raft_bytes, &servers.storage_class), (10 << 30, &None));
        assert_eq!(servers.performance_multiplier, 1);
        assert_eq!(servers.configuration, Value::empty_map());
        assert_eq!(servers.resources, Resources::default());
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
        assert_eq!(cluster.ingress.front, None);
        assert_eq!(cluster.monitoring, Monitoring::default());
    }
}

/// A load balancer of Google with nothing said about it.
fn plain() -> GoogleLoadBalancer {
    GoogleLoadBalancer {
        static_address: None,
        ssl_policy: None,
        security_policy: None,
        connection_draining: None,
    }
}

#[test]
fn what_stands_in_front_arrives() {
    let google = |name: &str| GoogleName::new(name);
    let object = |name: &str| ObjectName::new(name).unwrap();
    let cluster = read(include_str!("good/ingress-gce.yaml"));
    let front = cluster.ingress.front.unwrap();
    assert_eq!(front.way, Way::Ingress { class: object("gce") });
    let names = ["vault-2026", "vault-2027"].map(|name| google(name).unwrap());
    assert_eq!(front.tls, FrontTls::PreShared(names.to_vec()));
    assert_eq!(front.annotations["networking.gke.io/suppress-firewall-xpn-error"], "true");
    let balancer = GoogleLoadBalancer {
        static_address: google("vault"),
        ssl_policy: google("modern"),
        security_policy: google("office-only"),
        connection_draining: Some(Duration::ZERO),
    };
    assert_eq!(front.google, Some(balancer));
    let collector = Some(Collector::Google);
    assert_eq!(cluster.monitoring, Monitoring { collector, alerts: true, dashboard: true });

    let cluster = read(include_str!("good/ingress-nginx.yaml"));
    let front = cluster.ingress.front.unwrap();
    assert_eq!(front.tls, FrontTls::Secret(object("web")));
    assert_eq!(front.google, None);
    let labels = BTreeMap::from([("release".to_owned(), "prometheus".to_owned())]);
    let namespace = Some(object("monitoring"));
    assert_eq!(cluster.monitoring.collector, Some(Collector::Operator { labels, namespace }));

    let front = read(include_str!("good/ingress-gateway.yaml")).ingress.front.unwrap();
    let (namespace, listener) = (Some(object("infra")), Some(object("https")));
    assert_eq!(front.way, Way::SharedGateway { name: object("shared"), namespace, listener });
    assert_eq!(front.tls, FrontTls::OwnCertificate);
    assert_eq!(front.google, Some(plain()));

    let front = read(include_str!("good/kubernetes-ingress-passthrough.yaml")).ingress.front;
    let front = front.unwrap();
    assert_eq!(front.way, Way::Gateway { class: object("istio") });
    assert_eq!((front.tls, front.google), (FrontTls::Passthrough, None));
}

#[test]
fn a_class_of_google_needs_no_word_about_it() {
    for front in ["className: gce-internal", "gatewayApi: {gatewayClassName: gke-l7-rilb}"] {
        let text = format!("{BUILT_IN}spec: {{ingress: {{{front}}}}}\n");
        assert_eq!(read(&text).ingress.front.unwrap().google, Some(plain()), "{front}");
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
    assert_eq!(cluster.servers.performance_multiplier, 5);
    assert_eq!(cluster.servers.storage_class, ObjectName::new("fast"));
    assert_eq!(cluster.servers.binary, Some(PathBuf::from("/opt/openbao/bin/bao")));
    let Value::Map(settings) = &cluster.servers.configuration else { panic!("a map") };
    assert_eq!(settings["ui"], Value::Bool(true));
    assert_eq!(settings["max_lease_ttl"], Value::Text("87600h".to_owned()));
    let Value::Map(nested) = &settings["nested"] else { panic!("a map") };
    let numbers = vec![Value::Integer(1), Value::Integer(-2), Value::Float(3.5)];
    assert_eq!(nested["numbers"], Value::List(numbers));
    assert_eq!(nested["nothing"], Value::Null);
    let account = &cluster.servers.account_annotations["iam.gke.io/gcp-service-account"];
    assert_eq!(account, "vault@p.iam.gserviceaccount.com");
    let resources = Resources {
        requests: Requests { cpu: Cpu::new("0.5").unwrap(), memory: 4 << 30 },
        limits: Limits { cpu: Cpu::new("2"), memory: 6 << 30 },
    };
    assert_eq!(cluster.servers.resources, resources);
    assert_eq!(cluster.keys.files_secret, ObjectName::new("handed-over"));
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
fn stores_and_encryptions_arrive_with_their_defaults() {
    let google = read(include_str!("good/keys-google.yaml")).keys;
    assert_eq!(google.store.to_string(), "gs://vault-keys/clusters/vault");
    let key = "Google Cloud KMS projects/p/locations/europe-west4/keyRings/r/cryptoKeys/k";
    assert_eq!(google.encryption.to_string(), key);

    let aws = read(include_str!("good/keys-aws.yaml")).keys;
    assert_eq!(aws.store.to_string(), "s3://vault-keys/vault in eu-central-1", "its own folder");
    let Store::S3 { endpoint: Some(endpoint), .. } = aws.store else { panic!("an endpoint") };
    assert_eq!(endpoint.to_string(), "http://127.0.0.1:9000");
    let Encryption::AwsKms { key, endpoint: None, .. } = aws.encryption else { panic!("a key") };
    assert_eq!(key.as_str(), "alias/vault");

    let text = include_str!("good/kubernetes-keys-transit.yaml");
    let transit = parse("test.yaml", text, Target::Kubernetes).unwrap().keys;
    assert_eq!(transit.store, Store::KubernetesSecret);
    let Encryption::Transit(Transit { address, mount, login, .. }) = transit.encryption else {
        panic!("a transit engine")
    };
    assert_eq!(
        (address.to_string().as_str(), mount.as_str()),
        ("https://vault.example:443", "transit")
    );
    let TransitLogin::Kubernetes { mount, token_file, .. } = login else { panic!("a role") };
    assert_eq!(mount.as_str(), "kubernetes");
    let token = "/var/run/secrets/kubernetes.io/serviceaccount/token";
    assert_eq!(token_file, PathBuf::from(token));

    let pkcs11 = read(include_str!("good/keys-pkcs11.yaml")).keys.encryption;
    assert_eq!(pkcs11.to_string(), "the key unseal of the token vault");
    let age = read(include_str!("good/keys-age.yaml")).keys.encryption;
    assert!(matches!(age, Encryption::Age { recipients, .. } if recipients.len() == 1));
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
    assert_eq!(
        finding.allowed.as_deref(),
        Some("shares, threshold, encryption, store, filesSecret")
    );
    assert_eq!(finding.hint.as_deref(), Some("did you mean \"threshold\"?"));
}
