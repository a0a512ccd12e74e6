//! Where the servers of a cluster are reached within Kubernetes.

use vaultyard_model::address::Host;
use vaultyard_model::layout::{API_PORT, Site};
use vaultyard_model::{Address, Cluster, DnsName, ServerName};
use vaultyard_render::kubernetes::Names;

use crate::failure::{Failure, bad_input};

/// The servers by ordinal. Their zones are known once their pods have a node.
pub(crate) fn of(cluster: &Cluster) -> Result<Vec<Site>, Failure> {
    let names = Names::of(cluster);
    let site = |ordinal| {
        let name = cluster.name.server(ordinal);
        let host = Host::Name(host(&names, &name)?);
        Ok(Site { name, zone: None, address: Address { host, port: API_PORT } })
    };
    (0..cluster.servers.replicas.count()).map(site).collect()
}

/// The name that a server's pod has in the cluster's DNS.
pub(crate) fn host(names: &Names, server: &ServerName) -> Result<DnsName, Failure> {
    DnsName::new(&names.server_host(server.ordinal())).map_err(bad_input)
}

/// The URL that clients within Kubernetes use.
pub(crate) fn url(names: &Names) -> String {
    format!("https://{}:{API_PORT}", names.service_host())
}
