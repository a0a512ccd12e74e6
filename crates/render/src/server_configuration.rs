//! The configuration file of one server, as JSON: on one machine here, in a pod in
//! [`mod@crate::kubernetes::server_configuration`], which fills in other endpoints.
//!
//! The form is the one that OpenBao 2.6 and 2.7, and Vault 1.21, take without a warning. Three of its rules are not
//! plain from the server's own documentation:
//! - Declared audit devices are one replicated table. They must be equal on all servers, letter for
//!   letter, or no other server can become active; hence a relative path and a working directory
//!   for each server.
//! - The mode of a unix socket counts only with its user and its group.
//! - A second TCP listener opens a second raft port; hence a unix socket for administration.

mod seal;

use std::net::{IpAddr, SocketAddr};

use serde_json::{Map, Value as Json, json};
use vaultyard_model::layout::Place;
use vaultyard_model::{Cluster, Layout, Software, Value};

/// The audit file's name, relative to the server's working directory; the same on all servers.
pub const AUDIT_FILE: &str = "audit.log";

/// The top-level keys that Vaultyard sets itself. A document that sets one of them is refused
/// where it is read; should one come here all the same, Vaultyard's value stands.
pub const OWNED: [&str; 11] = [
    "api_addr",
    "audit",
    "cluster_addr",
    "cluster_name",
    "disable_standby_reads",
    "enable_response_header_hostname",
    "enable_response_header_raft_node_id",
    "listener",
    "log_format",
    "storage",
    "telemetry",
];

/// The key of the list of those whom a server joins by itself.
const JOIN: &str = "retry_join";

/// Where the parts of one server lie: absolute paths as text, since JSON holds nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// The folder of the raft data.
    pub data: String,
    /// The certificate of the API, the authority's certificate behind it.
    pub tls_certificate: String,
    /// The private key of the API.
    pub tls_key: String,
    /// The authority that the other servers' certificates come from.
    pub certificate_authority: String,
    /// The unix socket for administration; at most 107 bytes.
    pub admin_socket: String,
}

/// Whose the unix socket is: numeric ids, as the server takes them without looking them up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// The user's id.
    pub user: u32,
    /// The group's id.
    pub group: u32,
}

/// Where one server listens and is reached.
pub(crate) struct Endpoints {
    /// The raft node id.
    pub(crate) node: String,
    /// The URL of its API, as the others and clients reach it.
    pub(crate) api: String,
    /// The URL of its cluster port, as the others reach it.
    pub(crate) cluster: String,
    /// The address and port that its API listens on.
    pub(crate) listen_api: String,
    /// The address and port that raft and request forwarding listen on.
    pub(crate) listen_cluster: String,
    /// The URLs of the other servers' APIs, where the server looks for one to join.
    pub(crate) others: Vec<String>,
    /// The networks whose `X-Forwarded-For` is believed. With none, the header is not looked at.
    pub(crate) believed: Vec<String>,
}

/// What stands when the document does not say otherwise.
fn defaults(software: Software) -> impl Iterator<Item = (&'static str, Json)> {
    // Locked or not, raft maps its data into memory, which nobody wants all of at all times.
    let mlock = software.locks_memory().then(|| ("disable_mlock", json!(true)));
    [("log_level", json!("info"))].into_iter().chain(mlock)
}

/// The configuration of the server at `place`: JSON with a final newline, its keys always in the
/// same order, so that equal input gives equal bytes.
pub fn server_configuration(
    cluster: &Cluster,
    layout: &Layout,
    place: &Place,
    paths: &Paths,
    owner: Owner,
) -> String {
    let others = layout.servers.iter().filter(|other| other.name != place.name);
    let endpoints = Endpoints {
        node: place.name.to_string(),
        api: url(place.api),
        cluster: url(place.cluster),
        listen_api: place.api.to_string(),
        listen_cluster: place.cluster.to_string(),
        others: others.map(|other| url(other.api)).collect(),
        believed: vec![single(layout.proxy.ip())],
    };
    configuration(cluster, &endpoints, paths, owner)
}

/// Whether two configurations mean the same to a server that has joined. Whom it would join counts only until
/// then, so that more servers are no reason to restart the ones that are there.
pub fn same_for_a_member(one: &str, other: &str) -> bool {
    let shared = |text: &str| {
        let mut all: Json = serde_json::from_str(text).ok()?;
        all.pointer_mut("/storage/raft")?.as_object_mut()?.shift_remove(JOIN);
        serde_json::to_string(&all).ok()
    };
    one == other || shared(one).is_some_and(|one| Some(one) == shared(other))
}

/// The same for a server with these endpoints, wherever it stands.
pub(crate) fn configuration(
    cluster: &Cluster,
    endpoints: &Endpoints,
    paths: &Paths,
    owner: Owner,
) -> String {
    let mut all = owned(cluster, endpoints, paths, owner);
    if let Value::Map(own) = &cluster.servers.configuration {
        for (key, value) in own {
            all.entry(key.as_str()).or_insert_with(|| to_json(value));
        }
    }
    for (key, value) in defaults(cluster.servers.software) {
        all.entry(key).or_insert(value);
    }
    format!("{:#}\n", Json::Object(all))
}

fn owned(
    cluster: &Cluster,
    endpoints: &Endpoints,
    paths: &Paths,
    owner: Owner,
) -> Map<String, Json> {
    let software = cluster.servers.software;
    // Servers are restarted for another order of the same keys too.
    let entries = [
        ("cluster_name", Some(json!(cluster.name.as_str()))),
        ("api_addr", Some(json!(endpoints.api))),
        ("cluster_addr", Some(json!(endpoints.cluster))),
        ("disable_standby_reads", software.reads_at_standbys().then(|| json!(true))),
        ("enable_response_header_hostname", Some(json!(true))),
        ("enable_response_header_raft_node_id", Some(json!(true))),
        ("log_format", Some(json!("json"))),
        ("storage", Some(json!({"raft": raft(cluster, endpoints, paths)}))),
        (
            "listener",
            Some(json!([
                {"tcp": tcp_listener(endpoints, paths)},
                {"unix": unix_listener(software, paths, owner)},
            ])),
        ),
        ("telemetry", Some(json!({"disable_hostname": true, "prometheus_retention_time": "30s"}))),
        ("audit", software.declares_audit().then(audit)),
        ("seal", cluster.seal.as_ref().map(seal::stanza)),
    ];
    entries.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
}

fn raft(cluster: &Cluster, endpoints: &Endpoints, paths: &Paths) -> Json {
    let other = |url: &String| {
        json!({
            "leader_api_addr": url,
            "leader_ca_cert_file": paths.certificate_authority,
        })
    };
    let mut raft = json!({
        "path": paths.data,
        "node_id": endpoints.node,
        // By itself it would be 5: elections in 8 to 22 s instead of 2 to 4.
        "performance_multiplier": cluster.servers.performance_multiplier,
        // A server that has joined gets its vote in one of these rounds, which are else 10 s apart.
        "autopilot_reconcile_interval": "1s",
        "autopilot_update_interval": "1s",
    });
    // A server with a seal would join, and be opened, before the keys of the one that it joins are
    // safe. The unsealer tells it when (invariant 1: until then no other server is initialised).
    if !endpoints.others.is_empty() && cluster.seal.is_none() {
        raft[JOIN] = endpoints.others.iter().map(other).collect();
    }
    raft
}

/// The API: it believes `X-Forwarded-For` from the named networks alone and shows metrics to nobody
/// without a token.
fn tcp_listener(endpoints: &Endpoints, paths: &Paths) -> Json {
    let mut listener = json!({
        "address": endpoints.listen_api,
        "cluster_address": endpoints.listen_cluster,
        "tls_cert_file": paths.tls_certificate,
        "tls_key_file": paths.tls_key,
    });
    if !endpoints.believed.is_empty() {
        listener["x_forwarded_for_authorized_addrs"] = json!(endpoints.believed);
        listener["x_forwarded_for_hop_skips"] = json!(0);
        listener["x_forwarded_for_reject_not_authorized"] = json!(false);
        listener["x_forwarded_for_reject_not_present"] = json!(false);
    }
    listener
}

/// The way in for the owner of the server's folder: metrics without a token, and a new root token
/// from the unseal shares.
fn unix_listener(software: Software, paths: &Paths, owner: Owner) -> Json {
    let mut listener = json!({
        "address": paths.admin_socket,
        "socket_mode": "0600",
        "socket_user": owner.user.to_string(),
        "socket_group": owner.group.to_string(),
    });
    if software.guards_generate_root() {
        listener["disable_unauthed_generate_root_endpoints"] = json!(false);
    }
    listener["telemetry"] = json!({"unauthenticated_metrics_access": true});
    listener
}

fn audit() -> Json {
    json!([{
        "type": "file",
        "path": "file",
        "description": "Declared by Vaultyard.",
        "options": {"file_path": AUDIT_FILE, "mode": "0600"},
    }])
}

fn url(address: SocketAddr) -> String {
    format!("https://{address}")
}

/// The network that holds this address alone.
fn single(address: IpAddr) -> String {
    let prefix = if address.is_ipv4() { 32 } else { 128 };
    format!("{address}/{prefix}")
}

fn to_json(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(value) => json!(value),
        Value::Integer(value) => json!(value),
        Value::Float(value) => json!(value),
        Value::Text(value) => json!(value),
        Value::List(values) => Json::Array(values.iter().map(to_json).collect()),
        Value::Map(values) => {
            values.iter().map(|(key, value)| (key.clone(), to_json(value))).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use vaultyard_testkit::matrix;

    use super::*;
    use crate::sample;

    fn configuration(replicas: u64, ordinal: usize) -> String {
        let cluster = sample::cluster(replicas);
        let layout = sample::layout(&cluster);
        let place = &layout.servers[ordinal];
        server_configuration(&cluster, &layout, place, &sample::paths(place), sample::OWNER)
    }

    #[test]
    fn one_server_joins_nobody() {
        sample::golden("server-1-of-1.json", &configuration(1, 0));
    }

    #[test]
    fn each_of_three_servers_joins_the_two_others() {
        sample::golden("server-1-of-3.json", &configuration(3, 0));
        sample::golden("server-2-of-3.json", &configuration(3, 1));
    }

    #[test]
    fn the_last_of_five_servers_joins_the_four_before_it() {
        sample::golden("server-5-of-5.json", &configuration(5, 4));
    }

    #[test]
    fn a_server_with_a_seal_names_the_file_of_its_token_and_joins_when_it_is_told_to() {
        let mut cluster = sample::cluster(3);
        let layout = sample::layout(&cluster);
        let place = &layout.servers[1];
        cluster.seal = matrix::sealed_by_transit(3).seal;
        let text =
            server_configuration(&cluster, &layout, place, &sample::paths(place), sample::OWNER);
        sample::golden("server-2-of-3-sealed-by-transit.json", &text);
    }

    #[test]
    fn whom_a_server_would_join_means_nothing_to_one_that_has_joined() {
        let now = configuration(3, 0);
        let mut before: Json = serde_json::from_str(&now).unwrap();
        before["storage"]["raft"][JOIN] = json!([{"leader_api_addr": "https://127.0.0.12:8200"}]);
        let before = format!("{before:#}\n");
        assert!(before != now && same_for_a_member(&before, &now));
        let mut patient = sample::cluster(3);
        patient.servers.performance_multiplier += 1;
        let layout = sample::layout(&patient);
        let place = &layout.servers[0];
        let paths = sample::paths(place);
        let other = server_configuration(&patient, &layout, place, &paths, sample::OWNER);
        assert!(!same_for_a_member(&before, &other));
    }

    #[test]
    fn audit_is_the_same_text_on_all_servers() {
        let audit = |ordinal| {
            let all: Json = serde_json::from_str(&configuration(3, ordinal)).unwrap();
            all["audit"].to_string()
        };
        assert_eq!(audit(0), audit(1));
        assert_eq!(audit(0), audit(2));
    }

    #[test]
    fn a_server_of_vault_declares_no_audit_and_locks_no_memory() {
        let mut cluster = sample::cluster(3);
        cluster.servers.software = Software::Vault;
        let layout = sample::layout(&cluster);
        let place = &layout.servers[0];
        let paths = sample::paths(place);
        let text = server_configuration(&cluster, &layout, place, &paths, sample::OWNER);
        sample::golden("server-1-of-3-vault.json", &text);
    }

    #[test]
    fn the_keys_that_vaultyard_owns_are_the_keys_it_sets() {
        let all: Json = serde_json::from_str(&configuration(3, 0)).unwrap();
        let mut keys: Vec<_> = all.as_object().unwrap().keys().map(String::as_str).collect();
        keys.retain(|key| defaults(Software::OpenBao).all(|(default, _)| *key != default));
        keys.sort_unstable();
        assert_eq!(keys, OWNED);
    }

    #[test]
    fn what_the_document_adds_lies_under_what_vaultyard_sets() {
        let mut cluster = sample::cluster(1);
        let added = [
            ("max_lease_ttl", Value::Text("24h".to_owned())),
            ("user_lockout", Value::List(vec![Value::Null, Value::Bool(true)])),
            ("api_addr", Value::Text("https://elsewhere".to_owned())),
            ("log_level", Value::Text("debug".to_owned())),
        ];
        cluster.servers.configuration =
            Value::Map(added.into_iter().map(|(key, value)| (key.to_owned(), value)).collect());
        let layout = sample::layout(&cluster);
        let place = &layout.servers[0];
        let text =
            server_configuration(&cluster, &layout, place, &sample::paths(place), sample::OWNER);
        let all: Json = serde_json::from_str(&text).unwrap();
        assert_eq!(all["max_lease_ttl"], "24h");
        assert_eq!(all["user_lockout"], json!([null, true]));
        assert_eq!(all["api_addr"], "https://127.0.0.11:8200");
        assert_eq!(all["log_level"], "debug");
    }
}
