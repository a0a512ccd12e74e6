//! The way out to where keys and snapshots are kept, what opens them and what opens the servers, as far as 443
//! is not it.

use std::collections::BTreeSet;

use k8s_openapi::api::networking::v1::{IPBlock, NetworkPolicyEgressRule, NetworkPolicyPeer};
use vaultyard_model::Cluster;
use vaultyard_model::cluster::{Encryption, Seal, Store, Transit, Web};

use super::{HTTPS, port, to};

/// Where pods ask who they are, and on which ports. At Google they are led to a process of their node,
/// in two ways.
const GOOGLE_IDENTITY: [(&str, &[i32]); 2] =
    [("169.254.169.254/32", &[80, 8080]), ("169.254.169.252/32", &[987, 988])];
/// At AWS: the role of the machine, and the pod identity by either protocol. A web identity is asked
/// of a service like any other.
const AWS_IDENTITY: [(&str, &[i32]); 3] =
    [("169.254.169.254/32", &[80]), ("169.254.170.23/32", &[80]), ("fd00:ec2::23/128", &[80])];

/// What this document takes.
pub(super) fn ways(cluster: &Cluster) -> Vec<NetworkPolicyEgressRule> {
    let mut all = Vec::new();
    let ports = ports(cluster);
    if !ports.is_empty() {
        // By port alone: addresses are of Services or of balancers, which no policy can name.
        let ports = ports.into_iter().map(|number| port("TCP", number)).collect();
        all.push(NetworkPolicyEgressRule { to: None, ports: Some(ports) });
    }
    if matches!(cluster.keys.encryption, Encryption::GoogleKms { .. })
        || cluster.stores().iter().any(|store| matches!(store, Store::GoogleStorage { .. }))
        || matches!(cluster.seal, Some(Seal::Gcpckms(_)))
    {
        all.extend(GOOGLE_IDENTITY.map(|(block, ports)| identity(block, ports)));
    }
    if cluster.keeps_at_aws() || matches!(cluster.seal, Some(Seal::Awskms(_))) {
        all.extend(AWS_IDENTITY.map(|(block, ports)| identity(block, ports)));
    }
    all
}

/// The ports of services that do not answer where all others do.
fn ports(cluster: &Cluster) -> BTreeSet<i32> {
    let encryption: Option<&Web> = match &cluster.keys.encryption {
        Encryption::Transit(Transit { address, .. }) => Some(address),
        Encryption::AwsKms { endpoint, .. } => endpoint.as_ref(),
        _ => None,
    };
    let stores = cluster.stores().into_iter().filter_map(|store| match store {
        Store::S3 { endpoint, .. } => endpoint.as_ref(),
        _ => None,
    });
    let seal = cluster.seal.as_ref().and_then(Seal::address);
    let ports = [encryption, seal].into_iter().flatten().chain(stores);
    let ports = ports.map(|service| i32::from(service.address().port));
    ports.filter(|port| !HTTPS.contains(port)).collect()
}

fn identity(block: &str, ports: &[i32]) -> NetworkPolicyEgressRule {
    let peer = NetworkPolicyPeer {
        ip_block: Some(IPBlock { cidr: block.to_owned(), except: None }),
        ..Default::default()
    };
    to(vec![peer], ports)
}
