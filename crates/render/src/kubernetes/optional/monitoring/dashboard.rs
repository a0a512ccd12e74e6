//! A dashboard for Grafana.

use serde_json::{Value as Json, json};

use super::alerts::{of_proxies, of_servers};
use crate::kubernetes::labels::{Scope, metadata};
use crate::kubernetes::names::Names;
use crate::kubernetes::object::Object;
use crate::kubernetes::optional::{Resource, resource};

pub(in crate::kubernetes::optional) const RESOURCE: Resource =
    resource("v1", "ConfigMap", "configmaps");

/// The label by which Grafana's sidecar finds dashboards.
const GRAFANA: &str = "grafana_dashboard";

/// The columns of a dashboard.
const WIDTH: usize = 24;
/// The width and height of a panel.
const PANEL: (usize, usize) = (8, 8);

/// One panel: what it shows, in which unit, and by which expressions, each with its legend.
struct Panel {
    title: &'static str,
    unit: &'static str,
    lines: Vec<(String, &'static str)>,
}

/// A ConfigMap with the dashboard.
pub(super) fn config_map(names: &Names) -> Object {
    let mut metadata = metadata(names, Scope::Application, None, names.dashboard());
    metadata.labels.get_or_insert_default().insert(GRAFANA.to_owned(), "1".to_owned());
    let file = format!("{}-{}.json", names.namespace(), names.cluster());
    let text = format!("{:#}\n", dashboard(names));
    RESOURCE.object_with(metadata, json!({"data": {file: text}}))
}

/// The dashboard, as Grafana imports it.
fn dashboard(names: &Names) -> Json {
    let title = format!("Vaultyard {}/{}", names.namespace(), names.cluster());
    let panels: Vec<Json> =
        panels(names).iter().enumerate().map(|(index, panel)| drawn(panel, index)).collect();
    json!({
        "title": title,
        "tags": ["vaultyard"],
        "schemaVersion": 39,
        "editable": true,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {"list": [{
            "name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus",
        }]},
        "panels": panels,
    })
}

fn panels(names: &Names) -> Vec<Panel> {
    let (servers, proxies) = (of_servers(names), of_proxies(names));
    let of_server = |metric: &str| format!("{metric}{{{servers}}}");
    let of_proxy = |metric: &str| format!("{metric}{{{proxies}}}");
    let held = of_proxy("vaultyard_proxy_hold_seconds_bucket");
    let quantile =
        |share: &str| format!("histogram_quantile({share}, sum by (le) (rate({held}[5m])))");
    let panel = |title, unit, lines| Panel { title, unit, lines };
    vec![
        panel(
            "Sealed (1) and unsealed (0) servers",
            "none",
            vec![(of_server("vaultyard_server_sealed"), "{{pod}}")],
        ),
        panel("Leader", "none", vec![(of_server("vaultyard_server_leader"), "{{pod}}")]),
        panel(
            "Life of certificates",
            "s",
            vec![(
                format!(
                    "vaultyard_certificate_expiry_timestamp_seconds{{namespace=\"{}\"}} - time()",
                    names.namespace()
                ),
                "{{pod}} {{certificate}}",
            )],
        ),
        panel(
            "Requests by how they ended",
            "reqps",
            vec![(
                format!(
                    "sum by (kind, outcome) (rate({}[5m])) > 0",
                    of_proxy("vaultyard_proxy_requests_total")
                ),
                "{{kind}} {{outcome}}",
            )],
        ),
        panel(
            "Requests at the leader and waiting",
            "none",
            vec![
                (format!("sum({})", of_proxy("vaultyard_proxy_in_flight")), "at the leader"),
                (format!("sum({})", of_proxy("vaultyard_proxy_held")), "waiting"),
            ],
        ),
        panel(
            "How long requests wait",
            "s",
            vec![(quantile("0.5"), "half of them"), (quantile("0.99"), "99 of 100")],
        ),
        panel(
            "Requests sent once more",
            "reqps",
            vec![(
                format!(
                    "sum by (reason) (rate({}[5m]))",
                    of_proxy("vaultyard_proxy_replays_total")
                ),
                "{{reason}}",
            )],
        ),
        panel(
            "Connections of clients",
            "none",
            vec![(of_proxy("vaultyard_proxy_connections"), "{{pod}}")],
        ),
        panel(
            "Changes of leader in an hour",
            "none",
            vec![(
                format!("increase({}[1h])", of_proxy("vaultyard_proxy_leader_changes_total")),
                "{{pod}}",
            )],
        ),
    ]
}

fn drawn(panel: &Panel, index: usize) -> Json {
    let source = json!({"type": "prometheus", "uid": "${source}"});
    let (width, height) = PANEL;
    let a_row = WIDTH / width;
    let targets: Vec<Json> = ('A'..='Z')
        .zip(&panel.lines)
        .map(|(letter, (expression, legend))| {
            json!({
                "refId": letter.to_string(),
                "datasource": source,
                "expr": expression,
                "legendFormat": legend,
            })
        })
        .collect();
    json!({
        "id": index + 1,
        "type": "timeseries",
        "title": panel.title,
        "datasource": source,
        "gridPos": {
            "x": index % a_row * width, "y": index / a_row * height, "w": width, "h": height,
        },
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": targets,
    })
}
