//! The configuration file of one server in a pod. Its form is that of
//! [`mod@crate::server_configuration`]; only where things lie and how servers reach each other differ.

use std::net::SocketAddr;

use aws_lc_rs::digest::{SHA256, digest};
use vaultyard_model::cluster::Network;
use vaultyard_model::layout::{API_PORT, CLUSTER_PORT};
use vaultyard_model::{Cluster, ServerName};

use super::names::Names;
use super::{pod, server_pod};
use crate::server_configuration::{Endpoints, Owner, Paths, configuration};

/// The file that `prepare` writes and the server reads.
pub const FILE: &str = "/vaultyard/run/server.json";

/// Where the parts of a server lie within its pod, the same in all pods.
pub fn paths() -> Paths {
    let run = |file: &str| format!("{}/{file}", server_pod::RUN_FOLDER);
    Paths {
        data: format!("{}/data", server_pod::DATA_FOLDER),
        tls_certificate: run("tls.crt"),
        tls_key: run("tls.key"),
        certificate_authority: run("ca.pem"),
        admin_socket: run("admin.sock"),
    }
}

/// The configuration of the server in this pod. It has no list of whom to join: a pod is slow to begin, and one that
/// joins by itself in the moment in which it is told to does both, fails at the second, and hangs.
///
/// `believed` are the networks that the proxies' addresses come from: what stands in
/// `X-Forwarded-For` is believed from there. A pod has another address after every restart, so
/// nobody can name the proxies alone; with no network given the header is not looked at, and audit
/// lines name the proxy as the client.
pub fn server_configuration(
    cluster: &Cluster,
    server: &ServerName,
    believed: &[Network],
) -> String {
    let names = Names::of(cluster);
    let own = server.ordinal();
    let url = |ordinal, port| format!("https://{}:{port}", names.server_host(ordinal));
    let endpoints = Endpoints {
        node: server.to_string(),
        api: url(own, API_PORT),
        cluster: url(own, CLUSTER_PORT),
        listen_api: format!("0.0.0.0:{API_PORT}"),
        listen_cluster: format!("0.0.0.0:{CLUSTER_PORT}"),
        others: Vec::new(),
        believed: believed.iter().map(|net| format!("{}/{}", net.address, net.prefix)).collect(),
    };
    configuration(cluster, &endpoints, &paths(), Owner { user: pod::USER, group: pod::USER })
}

/// The configuration of another server in a pod, which nobody joins and which is reached from within the pod alone.
pub fn throw_away(cluster: &Cluster, paths: &Paths, api: SocketAddr, raft: SocketAddr) -> String {
    let endpoints = Endpoints {
        node: "throw-away".to_owned(),
        api: format!("https://{api}"),
        cluster: format!("https://{raft}"),
        listen_api: api.to_string(),
        listen_cluster: raft.to_string(),
        others: Vec::new(),
        believed: Vec::new(),
    };
    configuration(cluster, &endpoints, paths, Owner { user: pod::USER, group: pod::USER })
}

/// A hash of what all servers' configurations share, in hexadecimal digits. Servers need a restart
/// when it changes.
pub fn configuration_hash(cluster: &Cluster) -> String {
    let shared = Endpoints {
        node: String::new(),
        api: String::new(),
        cluster: String::new(),
        listen_api: format!("0.0.0.0:{API_PORT}"),
        listen_cluster: format!("0.0.0.0:{CLUSTER_PORT}"),
        others: Vec::new(),
        believed: Vec::new(),
    };
    let owner = Owner { user: pod::USER, group: pod::USER };
    hash(&configuration(cluster, &shared, &paths(), owner))
}

/// SHA-256 of a text, in hexadecimal digits.
pub(super) fn hash(text: &str) -> String {
    digest(&SHA256, text.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use vaultyard_model::Value;

    use super::*;
    use crate::sample;

    #[test]
    fn servers_in_pods_join_each_other_by_name() {
        let cluster = sample::cluster(3);
        let text = server_configuration(&cluster, &cluster.name.server(1), &[]);
        sample::golden("kubernetes/server-2-of-3.json", &text);
    }

    #[test]
    fn forwarded_addresses_are_believed_from_the_networks_that_were_given() {
        let cluster = sample::cluster(1);
        let networks = [Network::parse("10.244.0.0/16").unwrap()];
        let text = server_configuration(&cluster, &cluster.name.server(0), &networks);
        let all: serde_json::Value = serde_json::from_str(&text).unwrap();
        let tcp = &all["listener"][0]["tcp"];
        assert_eq!(tcp["x_forwarded_for_authorized_addrs"], serde_json::json!(["10.244.0.0/16"]));
        assert_eq!(tcp["x_forwarded_for_reject_not_present"], false);
    }

    #[test]
    fn a_throw_away_server_listens_within_the_pod_and_joins_nobody() {
        let [api, raft] = [1, 2].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        let paths = Paths { data: "/elsewhere/data".to_owned(), ..paths() };
        let text = throw_away(&sample::cluster(3), &paths, api, raft);
        let all: serde_json::Value = serde_json::from_str(&text).unwrap();
        let tcp = &all["listener"][0]["tcp"];
        assert_eq!(
            (&tcp["address"], &tcp["cluster_address"]),
            (&"127.0.0.1:1".into(), &"127.0.0.1:2".into())
        );
        let raft = &all["storage"]["raft"];
        assert_eq!(
            (&raft["path"], raft["retry_join"].is_null()),
            (&"/elsewhere/data".into(), true)
        );
    }

    #[test]
    fn the_hash_changes_with_the_configuration_and_not_with_the_number_of_servers() {
        let hash = configuration_hash(&sample::cluster(3));
        assert_eq!(hash.len(), 64);
        assert_eq!(hash, configuration_hash(&sample::cluster(5)));
        let mut changed = sample::cluster(3);
        let ttl = ("max_lease_ttl".to_owned(), Value::Text("24h".to_owned()));
        changed.servers.configuration = Value::Map([ttl].into_iter().collect());
        assert_ne!(hash, configuration_hash(&changed));
    }
}
