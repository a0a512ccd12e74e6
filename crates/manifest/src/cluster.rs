//! A document that was found right, as the cluster that it declares.

mod ingress;
mod keys;
mod seal;

use serde_json::Value as Json;
use vaultyard_model::cluster::{self, Cluster, DnsProvider, Prefix, Replicas};
use vaultyard_model::{ClusterName, Namespace, Value, Zone};

pub(crate) use ingress::{front_tls, way};
pub(crate) use keys::encryption;
pub(crate) use seal::seal;

use crate::document::{
    Certificates, Dns, DnsPolicy, Issuer, PrivateCa, Resources, Servers, SnapshotStore, Snapshots,
    Software, Spec, VaultCluster,
};
use crate::finding::{Problem, quoted};
use crate::format::Readable;
use crate::node::Node;
use crate::report::Report;
use crate::rules;
use crate::scalar::{Misread, Written};

/// The cluster; `None` when something is wrong that the check did not report before.
pub(crate) fn settle(
    document: &VaultCluster,
    root: &Node,
    report: &mut Report<'_>,
) -> Option<Cluster> {
    match cluster(document) {
        Ok(cluster) => Some(cluster),
        Err(Misread { text, allowed }) => {
            if report.is_empty() {
                let finding = report.add(root.at, "", Problem::WrongValue);
                finding.found = Some(quoted(&text));
                finding.allowed = Some(allowed);
            }
            None
        }
    }
}

fn cluster(document: &VaultCluster) -> Result<Cluster, Misread> {
    let spec = &document.spec;
    let name = document.metadata.name.value()?;
    let dns = dns(&spec.dns, &name)?;
    let namespace = document.metadata.namespace.as_ref().map(Written::value).transpose()?;
    Ok(Cluster {
        namespace: namespace.unwrap_or_else(|| Namespace::of(&name)),
        servers: servers(&spec.servers)?,
        seal: spec.seal.as_ref().map(seal).transpose()?.flatten(),
        keys: keys::keys(&spec.keys, &name)?,
        snapshots: snapshots(&spec.snapshots, &name)?,
        certificates: certificates(&spec.certificates)?,
        dns,
        ingress: ingress::ingress(&spec.ingress)?,
        monitoring: ingress::monitoring(&spec.monitoring)?,
        name,
    })
}

fn servers(servers: &Servers) -> Result<cluster::Servers, Misread> {
    let Servers { replicas, configuration, .. } = servers;
    let software = match servers.software {
        Software::Openbao => vaultyard_model::Software::OpenBao,
        Software::Vault => vaultyard_model::Software::Vault,
    };
    Ok(cluster::Servers {
        software,
        version: servers.version.value()?,
        binary: servers.binary.as_ref().map(Written::value).transpose()?,
        replicas: Replicas::new(u64::from(*replicas))
            .ok_or_else(|| Misread { text: replicas.to_string(), allowed: "1 to 9".to_owned() })?,
        zones: values::<Zone>(&servers.zones)?,
        raft_bytes: servers.raft_size().value()?.0,
        performance_multiplier: servers.performance_multiplier(),
        storage_class: servers.storage_class().map(Written::value).transpose()?,
        configuration: Value::Map(
            configuration.iter().map(|(key, json)| (key.clone(), value(json))).collect(),
        ),
        account_annotations: servers.service_account.annotations.clone(),
        resources: resources(&servers.resources)?,
    })
}

/// What each server is given on Kubernetes.
pub(crate) fn resources(resources: &Resources) -> Result<cluster::Resources, Misread> {
    let Resources { requests, limits } = resources;
    Ok(cluster::Resources {
        requests: cluster::Requests {
            cpu: requests.cpu.value()?,
            memory: requests.memory.value()?.0,
        },
        limits: cluster::Limits { cpu: optional(&limits.cpu)?, memory: limits.memory.value()?.0 },
    })
}

/// Where the keys are kept, and where the snapshots are.
pub(crate) fn stores(spec: &Spec, name: &ClusterName) -> Result<[cluster::Store; 2], Misread> {
    Ok([keys::keys(&spec.keys, name)?.store, snapshots(&spec.snapshots, name)?.store])
}

fn snapshots(snapshots: &Snapshots, name: &ClusterName) -> Result<cluster::Snapshots, Misread> {
    let interval = snapshots.interval.as_ref().map(Written::value).transpose()?;
    let SnapshotStore { google_storage, s3, .. } = &snapshots.store;
    let bucket = keys::bucket(google_storage.as_ref(), s3.as_ref(), Prefix::of_snapshots(name))?;
    let store = bucket.unwrap_or(cluster::Store::Directory { path: None });
    Ok(cluster::Snapshots { interval, retain: snapshots.retain, store })
}

fn certificates(certificates: &Certificates) -> Result<cluster::Certificates, Misread> {
    Ok(cluster::Certificates {
        servers: issuer(&certificates.servers)?,
        public: issuer(&certificates.public)?,
    })
}

fn issuer(issuer: &Issuer) -> Result<cluster::Issuer, Misread> {
    let default = PrivateCa::default();
    let lifetime = issuer.private_ca.as_ref().unwrap_or(&default).lifetime.value()?;
    Ok(cluster::Issuer::PrivateCa { lifetime })
}

fn dns(dns: &Dns, name: &vaultyard_model::ClusterName) -> Result<cluster::Dns, Misread> {
    let zone = dns.zone.value()?;
    let host = rules::host(dns, name, &zone)
        .ok_or_else(|| Misread { text: name.to_string(), allowed: "a shorter name".to_owned() })?;
    let policy = match dns.policy {
        DnsPolicy::CreateOnly => cluster::DnsPolicy::CreateOnly,
        DnsPolicy::UpsertOnly => cluster::DnsPolicy::UpsertOnly,
        DnsPolicy::Sync => cluster::DnsPolicy::Sync,
    };
    Ok(cluster::Dns { zone, host, provider: DnsProvider::Embedded, policy })
}

fn values<T: Readable>(written: &[Written<T>]) -> Result<Vec<T>, Misread> {
    written.iter().map(Written::value).collect()
}

fn optional<T: Readable>(written: &Option<Written<T>>) -> Result<Option<T>, Misread> {
    written.as_ref().map(Written::value).transpose()
}

/// A setting of the server. Numbers that are neither 64-bit integers nor finite do not get here.
fn value(json: &Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => match number.as_i64() {
            Some(integer) => Value::Integer(integer),
            None => Value::Float(number.as_f64().unwrap_or_default()),
        },
        Json::String(text) => Value::Text(text.clone()),
        Json::Array(entries) => Value::List(entries.iter().map(value).collect()),
        Json::Object(entries) => {
            Value::Map(entries.iter().map(|(key, json)| (key.clone(), value(json))).collect())
        }
    }
}
