//! The rules between fields: each field alone may be right, and they still do not go together.

mod certificates;
mod ingress;
mod keys;
mod monitoring;
mod resources;
mod seal;
mod snapshots;

use vaultyard_model::cluster::Replicas;
use vaultyard_model::{ClusterName, DnsName};

use crate::Target;
use crate::document::{Dns, Servers, Software, VaultCluster};
use crate::finding::Problem;
use crate::node::{Node, field};
use crate::owned;
use crate::report::Report;

/// A rule that is broken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rule {
    /// More shares would be needed than there are.
    #[error("{threshold} shares cannot be required of {shares}")]
    ThresholdAboveShares {
        /// `spec.keys.threshold`
        threshold: u8,
        /// `spec.keys.shares`
        shares: u8,
    },
    /// A single one of several shares would unseal.
    #[error("a threshold of 1 of {shares} shares splits nothing: each share is the whole key")]
    ThresholdOfOne {
        /// `spec.keys.shares`
        shares: u8,
    },
    /// Who may remove snapshots could remove keys.
    #[error("who may remove snapshots in {snapshots} could remove the keys in {keys} too")]
    SnapshotsAmongKeys {
        /// The folder of the snapshots.
        snapshots: String,
        /// The folder of the keys.
        keys: String,
    },
    /// Nobody could decrypt.
    #[error("age encrypts to nobody: there are no recipients")]
    NoRecipients,
    /// Data keys would travel in the clear.
    #[error("the transit engine is spoken to over https only: data keys go there")]
    TransitInTheClear,
    /// The program does not have it.
    #[error(
        "OpenBao {version} has the seal {seal} in a plugin only, which Vaultyard does not deliver"
    )]
    SealInPlugin {
        /// The seal.
        seal: &'static str,
        /// `spec.servers.version`
        version: String,
    },
    /// A Secret cannot hold it.
    #[error("the file {name:?} cannot be the entry of a Secret")]
    NotAnEntry {
        /// The last part of its path.
        name: String,
    },
    /// Both would be the same entry of the Secret.
    #[error("two files are called {name:?}, and come from one Secret")]
    SameEntry {
        /// The last part of their paths.
        name: String,
    },
    /// The default is a version of OpenBao.
    #[error("which version of Vault runs is not said, and none is taken by default")]
    NoVersionOfVault,
    /// A zone would stay without a server.
    #[error("{zones} zones for {replicas} servers leave a zone empty")]
    MoreZonesThanServers {
        /// The number of `spec.servers.zones`.
        zones: usize,
        /// `spec.servers.replicas`
        replicas: u8,
    },
    /// No pod could be made.
    #[error("the request {request} is above the limit {limit}")]
    RequestAboveLimit {
        /// What a node would keep.
        request: String,
        /// What could be taken at most.
        limit: String,
    },
    /// The name that clients use would not be answered for.
    #[error("{host} does not lie in the zone {zone}")]
    HostOutsideZone {
        /// `spec.dns.host`
        host: String,
        /// `spec.dns.zone`
        zone: String,
    },
    /// The name that clients use is one that Vaultyard gives to something else.
    #[error("{host} is the name of {owner}")]
    HostTaken {
        /// `spec.dns.host`
        host: String,
        /// What has this name.
        owner: String,
    },
    /// The names in the zone would be longer than DNS allows.
    #[error(
        "the zone leaves no room for the names of the cluster: a name has at most 253 characters"
    )]
    ZoneTooLong,
    /// Nobody's header would be believed.
    #[error("proxyProtocol needs trustedProxies: without one, every connection would be refused")]
    NobodyTrusted,
    /// Two things would stand in front of the proxies under one name.
    #[error("className and gatewayApi exclude each other")]
    TwoFronts,
    /// A setting of something that is not there.
    #[error("only an Ingress or a Gateway has {field}, and none is declared")]
    NothingInFront {
        /// The field.
        field: &'static str,
    },
    /// Only Google's load balancer has it.
    #[error("only a load balancer of Google has {field}, and {class} is none")]
    NotOfGoogle {
        /// The field.
        field: &'static str,
        /// The class that was given.
        class: String,
    },
    /// Google's load balancer cannot do it.
    #[error("{field} cannot be had with {class}")]
    NotAtGoogle {
        /// The field.
        field: &'static str,
        /// The class that was given.
        class: String,
    },
    /// A setting of a Gateway that is not Vaultyard's.
    #[error("the Gateway is kept by somebody else, who sets {field} too")]
    OfTheGateway {
        /// The field.
        field: &'static str,
    },
    /// An Ingress ends TLS.
    #[error("an Ingress cannot pass TLS on")]
    PassthroughOfIngress,
    /// There would be no certificate at all.
    #[error("there is no certificate in the list")]
    NoCertificates,
    /// The API server would refuse it.
    #[error("{name:?} cannot be the name of an annotation or label")]
    NotAKey {
        /// What was written.
        name: String,
    },
    /// The API server would refuse it.
    #[error("{value:?} cannot be the value of a label")]
    NotALabel {
        /// What was written.
        value: String,
    },
    /// Two would collect the same metrics.
    #[error("podMonitoring and podMonitor exclude each other")]
    TwoCollectors,
    /// A certificate would be over before pods have the next one.
    #[error("on Kubernetes a certificate lives ten minutes at least: pods get the next one late")]
    OverBeforeItIsRenewed,
    /// Nobody would read the rules.
    #[error("alerts need somebody who collects metrics")]
    AlertsForNobody,
}

/// Looks at the rules whose fields are right in themselves.
pub(crate) fn check(document: &VaultCluster, root: &Node, target: Target, report: &mut Report<'_>) {
    let mut rules = Rules { root, report };
    rules.keys(&document.spec.keys);
    rules.snapshots(document);
    rules.seal(document);
    if target == Target::Kubernetes {
        rules.key_files(&document.spec.keys);
        rules.lifetimes(&document.spec.certificates);
    }
    rules.annotations_at("spec.servers.serviceAccount.annotations");
    rules.resources(&document.spec.servers.resources);
    rules.version(&document.spec.servers);
    rules.zones(&document.spec.servers);
    rules.names(document);
    rules.configuration();
    rules.ingress(&document.spec.ingress);
    rules.monitoring(&document.spec.monitoring);
}

/// The name that clients use: the one that was given, else the cluster's within the zone. `None`
/// when there is no room for it.
pub(crate) fn host(dns: &Dns, name: &ClusterName, zone: &DnsName) -> Option<DnsName> {
    match &dns.host {
        Some(host) => host.value().ok(),
        None => zone.child(name.as_str()).ok(),
    }
}

struct Rules<'r, 's> {
    root: &'r Node,
    report: &'r mut Report<'s>,
}

impl Rules<'_, '_> {
    /// Adds a finding unless one of the fields that take part is wrong in itself. It stands at the
    /// first of them that was written.
    fn broken(&mut self, rule: Rule, involved: &[&str], hint: &str) {
        if involved.iter().any(|path| self.report.is_faulty(path)) {
            return;
        }
        let written = involved.iter().find(|path| self.root.at_path(path).is_some());
        let Some(path) = written.or(involved.first()) else {
            return;
        };
        let finding = self.report.add(self.root.place(path), path, rule.into());
        finding.hint = Some(hint.to_owned());
    }

    fn version(&mut self, servers: &Servers) {
        let version = "spec.servers.version";
        if matches!(servers.software, Software::Vault) && self.root.at_path(version).is_none() {
            let hint = "add spec.servers.version, for example 1.21.1";
            self.broken(Rule::NoVersionOfVault, &["spec.servers.software", version], hint);
        }
    }

    fn zones(&mut self, servers: &Servers) {
        let (zones, replicas) = (servers.zones.len(), servers.replicas);
        if zones > usize::from(replicas) {
            let involved = ["spec.servers.zones", "spec.servers.replicas"];
            let hint = "name at most as many zones as there are servers";
            self.broken(Rule::MoreZonesThanServers { zones, replicas }, &involved, hint);
        }
    }

    fn names(&mut self, document: &VaultCluster) {
        let dns = &document.spec.dns;
        let involved = ["spec.dns.host", "spec.dns.zone", "metadata.name"];
        let (Ok(name), Ok(zone)) = (document.metadata.name.value(), dns.zone.value()) else {
            return;
        };
        let Some(host) = host(dns, &name, &zone) else {
            let hint = "take a shorter zone or a shorter name";
            return self.broken(Rule::ZoneTooLong, &involved[1..], hint);
        };
        if !host.is_in(&zone) {
            let hint = format!("write a name that ends with .{zone}");
            let (host, zone) = (host.to_string(), zone.to_string());
            return self.broken(Rule::HostOutsideZone { host, zone }, &involved[..2], &hint);
        }
        match taken(&name, &zone) {
            Some(names) => {
                if let Some((_, owner)) = names.into_iter().find(|(taken, _)| *taken == host) {
                    let host = host.to_string();
                    let hint = "take another name, or another spec.dns.host";
                    self.broken(Rule::HostTaken { host, owner }, &involved, hint);
                }
            }
            None => {
                let hint = "take a shorter zone or a shorter name";
                self.broken(Rule::ZoneTooLong, &involved[1..], hint);
            }
        }
    }

    fn configuration(&mut self) {
        let path = "spec.servers.configuration";
        let entries = self.root.at_path(path).and_then(Node::entries).unwrap_or_default();
        for entry in entries {
            let Some(setting) = owned::find(&entry.key) else {
                continue;
            };
            let path = field(path, &entry.key);
            let finding = self.report.add(entry.at, &path, Problem::SetByVaultyard);
            finding.found = Some(entry.key.clone());
            finding.hint = Some(setting.instead.to_owned());
        }
    }
}

/// The names in the zone that Vaultyard gives away, each with its owner; `None` when one does not
/// fit. All possible servers are looked at, so that the cluster can grow.
fn taken(name: &ClusterName, zone: &DnsName) -> Option<Vec<(DnsName, String)>> {
    let roles = ["active", "standby"].map(|role| (role.to_owned(), format!("the {role} servers")));
    let most = Replicas::ALLOWED.into_iter().max().unwrap_or_default();
    let servers = (0..most).map(|ordinal| {
        let server = name.server(ordinal).to_string();
        (server.clone(), format!("the server {server}"))
    });
    let all = roles.into_iter().chain(servers);
    all.map(|(label, owner)| Some((zone.child(&label).ok()?, owner))).collect()
}
