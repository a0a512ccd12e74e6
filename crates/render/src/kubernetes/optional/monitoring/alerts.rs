//! Rules for alerts, in the form that Google's Rules and prometheus-operator's PrometheusRule share.

use serde_json::{Value as Json, json};
use vaultyard_model::Cluster;
use vaultyard_model::cluster::Issuer;

use crate::kubernetes::names::{MOST_SERVERS, Names};

/// How much of a certificate's life is left when somebody must know: it is renewed when a third is.
const LIFE_LEFT: u64 = 6;
/// After so many intervals without a snapshot somebody must know: one may have failed, and was tried again since.
const INTERVALS: u64 = 2;

/// One alert.
struct Alert {
    name: &'static str,
    expression: String,
    /// How long it must hold.
    lasting: &'static str,
    severity: &'static str,
    summary: String,
    description: &'static str,
}

/// The labels of the servers' metrics, which their unsealers have.
pub(super) fn of_servers(names: &Names) -> String {
    let most = MOST_SERVERS - 1;
    format!(r#"namespace="{}",pod=~"{}-[0-{most}]""#, names.namespace(), names.cluster())
}

/// The labels of the proxies' metrics.
pub(super) fn of_proxies(names: &Names) -> String {
    format!(r#"namespace="{}",pod=~"{}-.+""#, names.namespace(), names.proxy())
}

/// The labels of the metrics of a controller, whose Deployment has this name.
fn of_controller(names: &Names, controller: &str) -> String {
    format!(r#"namespace="{}",pod=~"{controller}-.+""#, names.operations())
}

/// The rules about what serves.
pub(super) fn of_application(cluster: &Cluster, names: &Names) -> Json {
    group(names, names.namespace(), &alerts(cluster, names))
}

/// The rules about the controllers, whose metrics carry another namespace: Google's Rules see only the
/// metrics of the namespace that they lie in.
pub(super) fn of_operations(names: &Names) -> Json {
    let mut all = controller_alerts(names);
    all.push(drift(names));
    group(names, names.operations(), &all)
}

fn group(names: &Names, namespace: &str, alerts: &[Alert]) -> Json {
    let rules: Vec<Json> = alerts.iter().map(|alert| rule(alert, names)).collect();
    let name = format!("vaultyard-{namespace}-{}", names.cluster());
    json!({"name": name, "interval": "30s", "rules": rules})
}

fn rule(alert: &Alert, names: &Names) -> Json {
    json!({
        "alert": alert.name,
        "expr": alert.expression,
        "for": alert.lasting,
        "labels": {"severity": alert.severity, "namespace": names.namespace()},
        "annotations": {"summary": alert.summary, "description": alert.description},
    })
}

fn alerts(cluster: &Cluster, names: &Names) -> Vec<Alert> {
    let (servers, proxies) = (of_servers(names), of_proxies(names));
    let replicas = cluster.servers.replicas;
    let whole = format!("{}/{}", names.namespace(), names.cluster());
    let ends = |name: &'static str, labels: &str, issuer: &Issuer| {
        let Issuer::PrivateCa { lifetime } = issuer;
        let left = lifetime.as_secs() / LIFE_LEFT;
        Alert {
            name,
            expression: format!(
                "vaultyard_certificate_expiry_timestamp_seconds{{{labels}}} - time() < {left}"
            ),
            lasting: "1m",
            severity: "critical",
            summary: "A certificate of {{ $labels.pod }} ends in \
                      {{ $value | humanizeDuration }} and was not renewed"
                .to_owned(),
            description: "Look at the log of the certificates controller. When the certificate \
                          ends, nobody can connect any more.",
        }
    };
    let missing = |name, least: u8, lasting, severity| Alert {
        name,
        expression: format!("(count(vaultyard_server_sealed{{{servers}}}) or vector(0)) < {least}"),
        lasting,
        severity,
        summary: format!("{whole} has {{{{ $value }}}} of {} servers", replicas.count()),
        description: "A pod does not run, or its metrics cannot be read. Without a majority of the \
                      servers nobody leads, and nothing is answered.",
    };
    let old = cluster.snapshots.interval.map(|interval| Alert {
        name: "VaultyardSnapshotOld",
        // Where there is none at all, nothing would be compared; and where nobody tells, nothing is known.
        expression: format!(
            "time() - (max(vaultyard_snapshot_taken_timestamp_seconds{{{servers}}}) or vector(0)) > {} \
             and on() count(vaultyard_server_sealed{{{servers}}}) > 0",
            interval.as_secs() * INTERVALS
        ),
        lasting: "10m",
        severity: "warning",
        summary: format!("No new snapshot of {whole} was taken"),
        description: "It is due every `spec.snapshots.interval`, and twice that has passed. `vaultyard status` and the \
                      log of the container unsealer of the server that leads say why none could be taken.",
    });
    let mut all = vec![
        Alert {
            name: "VaultyardServerSealed",
            expression: format!("vaultyard_server_sealed{{{servers}}} == 1"),
            lasting: "2m",
            severity: "critical",
            summary: "{{ $labels.pod }} is sealed".to_owned(),
            description: "Its unsealer should have unsealed it within seconds. `vaultyard why` and \
                          the log of the container unsealer say what it waits for.",
        },
        Alert {
            name: "VaultyardNoLeader",
            // Where no server is read at all, there is no sum either, and nothing would be compared.
            expression: format!("(sum(vaultyard_server_leader{{{servers}}}) or vector(0)) < 1"),
            lasting: "1m",
            severity: "critical",
            summary: format!("No server of {whole} leads"),
            description: "Requests wait at the proxies and are then answered with 503. A majority \
                          of the servers must be unsealed and reach each other.",
        },
        missing("VaultyardServersMissing", replicas.count(), "5m", "warning"),
        missing("VaultyardMajorityMissing", replicas.quorum(), "2m", "critical"),
        Alert {
            name: "VaultyardRequestsFailed",
            expression: format!(
                "sum(increase(vaultyard_proxy_requests_total{{{proxies},\
                 outcome=~\"unavailable|broken|silent\"}}[5m])) > 0"
            ),
            lasting: "1m",
            severity: "warning",
            summary: format!("Requests to {whole} found no leader in time, or lost it"),
            description: "Clients saw a 502, 503 or 504. The metric's label outcome says why.",
        },
        Alert {
            name: "VaultyardLeaderUnsteady",
            expression: format!(
                "max(increase(vaultyard_proxy_leader_changes_total{{{proxies}}}[1h])) > 5"
            ),
            lasting: "1m",
            severity: "warning",
            summary: format!("The leader of {whole} changes again and again"),
            description: "Look for slow disks, a slow network or servers without CPU.",
        },
        ends("VaultyardServerCertificateEnds", &servers, &cluster.certificates.servers),
        ends("VaultyardProxyCertificateEnds", &proxies, &cluster.certificates.public),
    ];
    all.extend(old);
    all
}

/// One for each controller, since nothing tells that a series is missing but the name of who should
/// have had it.
fn controller_alerts(names: &Names) -> Vec<Alert> {
    let controllers = [
        ("VaultyardNoClusterController", names.cluster_controller(), NO_CLUSTER_CONTROLLER),
        (
            "VaultyardNoCertificatesController",
            names.certificates_controller(),
            NO_CERTIFICATES_CONTROLLER,
        ),
    ];
    let alert = |(name, controller, description): (&'static str, String, &'static str)| Alert {
        name,
        expression: format!(
            "(max(vaultyard_controller_leads{{{}}}) or vector(0)) < 1",
            of_controller(names, &controller)
        ),
        lasting: "2m",
        severity: "warning",
        summary: format!("No pod of {controller} in {} works", names.operations()),
        description,
    };
    controllers.map(alert).into()
}

const NO_CLUSTER_CONTROLLER: &str = "Servers and proxies go on by themselves. Meanwhile nothing that \
                                     is changed or deleted by hand is put back, no change of the \
                                     document is followed, and the status is not kept true.";
const NO_CERTIFICATES_CONTROLLER: &str = "Servers and proxies go on by themselves until their \
                                          certificates end: meanwhile nobody renews them.";

fn drift(names: &Names) -> Alert {
    let labels = of_controller(names, &names.cluster_controller());
    Alert {
        name: "VaultyardDriftCorrected",
        expression: format!("sum(increase(vaultyard_drift_corrected_total{{{labels}}}[15m])) > 0"),
        lasting: "0s",
        severity: "warning",
        summary: format!(
            "Objects of {}/{} were changed, and were put back",
            names.namespace(),
            names.cluster()
        ),
        description: "Somebody or something changes objects of the cluster by hand. The condition \
                      DriftCorrected of the VaultCluster says which.",
    }
}
