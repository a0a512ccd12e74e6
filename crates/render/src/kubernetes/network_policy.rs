//! Who may speak to whom: nobody to anybody, but for what is opened here by name. Kubelet's probes
//! come from the pod's own node, which no policy shuts out.
//!
//! What a server needs beyond its cluster (databases, directories) is for a person to open, in a
//! policy of his own: policies add up.

mod keys;

use k8s_openapi::api::networking::v1::{
    NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer,
    NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use vaultyard_model::Cluster;

use super::labels::{Component, Scope, metadata, pods_of};
use super::names::Names;
use super::object::Object;
use super::optional::scrapers;
use super::pod::{API, CLUSTER, PROBES, UNSEALER};

/// The label that every namespace has of itself.
pub(super) const NAMESPACE: &str = "kubernetes.io/metadata.name";

/// What the application namespace needs.
pub(super) fn of_the_application(cluster: &Cluster, names: &Names) -> Vec<Object> {
    vec![deny(names, Scope::Application), servers(cluster, names), proxies(cluster, names)]
}

/// What the operations namespace needs.
pub(super) fn of_operations(cluster: &Cluster, names: &Names) -> Vec<Object> {
    vec![
        deny(names, Scope::Operations),
        controller(cluster, names, Component::ClusterController, names.cluster_controller()),
        controller(
            cluster,
            names,
            Component::CertificatesController,
            names.certificates_controller(),
        ),
    ]
}

/// Closes a namespace, in both directions.
fn deny(names: &Names, scope: Scope) -> Object {
    Object::of(&NetworkPolicy {
        metadata: metadata(names, scope, None, names.deny()),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(LabelSelector::default()),
            policy_types: Some(both()),
            ..Default::default()
        }),
    })
}

/// Servers and their unsealers: among themselves, from the proxies and the controllers; out to the
/// API server, and to where the keys are.
fn servers(cluster: &Cluster, names: &Names) -> Object {
    let own = peer(names, Component::Server, Scope::Application, Scope::Application);
    let proxy = peer(names, Component::Proxy, Scope::Application, Scope::Application);
    let from_operations = |component| peer(names, component, Scope::Operations, Scope::Application);
    let controllers = vec![
        from_operations(Component::ClusterController),
        from_operations(Component::CertificatesController),
    ];
    policy(
        names,
        Policy {
            component: Component::Server,
            scope: Scope::Application,
            name: names.servers(),
            ingress: with_metrics(
                cluster,
                vec![
                    from(vec![own.clone()], &[API, CLUSTER, UNSEALER]),
                    from(vec![proxy], &[API, UNSEALER]),
                    from(controllers, &[API, UNSEALER, PROBES]),
                ],
            ),
            egress: [to(vec![own], &[API, CLUSTER, UNSEALER]), resolving(), https()]
                .into_iter()
                .chain(keys::ways(cluster))
                .collect(),
        },
    )
}

/// Proxies: from everywhere, since clients and load balancers are; out to the servers alone.
fn proxies(cluster: &Cluster, names: &Names) -> Object {
    let own = peer(names, Component::Server, Scope::Application, Scope::Application);
    policy(
        names,
        Policy {
            component: Component::Proxy,
            scope: Scope::Application,
            name: names.proxy(),
            ingress: with_metrics(cluster, vec![from(Vec::new(), &[API])]),
            egress: vec![to(vec![own], &[API, UNSEALER]), resolving()],
        },
    )
}

/// A controller: out to the API server, the servers and the proxies; nobody comes in but for its
/// metrics.
fn controller(cluster: &Cluster, names: &Names, component: Component, name: String) -> Object {
    let out = |component| peer(names, component, Scope::Application, Scope::Operations);
    policy(
        names,
        Policy {
            component,
            scope: Scope::Operations,
            name,
            ingress: with_metrics(cluster, Vec::new()),
            egress: vec![
                to(vec![out(Component::Server)], &[API, UNSEALER, PROBES]),
                to(vec![out(Component::Proxy)], &[API]),
                resolving(),
                https(),
            ],
        },
    )
}

struct Policy {
    component: Component,
    scope: Scope,
    name: String,
    ingress: Vec<NetworkPolicyIngressRule>,
    egress: Vec<NetworkPolicyEgressRule>,
}

fn policy(names: &Names, policy: Policy) -> Object {
    let Policy { component, scope, name, ingress, egress } = policy;
    Object::of(&NetworkPolicy {
        metadata: metadata(names, scope, Some(component), name),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(pods_of(names, component)),
            policy_types: Some(both()),
            ingress: (!ingress.is_empty()).then_some(ingress),
            egress: Some(egress),
        }),
    })
}

/// Lets in who reads the metrics, if anybody does.
fn with_metrics(
    cluster: &Cluster,
    mut rules: Vec<NetworkPolicyIngressRule>,
) -> Vec<NetworkPolicyIngressRule> {
    let scrapers = scrapers(cluster);
    if !scrapers.is_empty() {
        rules.push(from(scrapers, &[PROBES]));
    }
    rules
}

fn both() -> Vec<String> {
    vec!["Ingress".to_owned(), "Egress".to_owned()]
}

/// The pods of a component, which stand in `there`, as seen from `here`.
fn peer(names: &Names, component: Component, there: Scope, here: Scope) -> NetworkPolicyPeer {
    let namespace = if there == Scope::Operations { names.operations() } else { names.namespace() };
    let named = LabelSelector {
        match_labels: Some([(NAMESPACE.to_owned(), namespace.to_owned())].into_iter().collect()),
        ..Default::default()
    };
    NetworkPolicyPeer {
        namespace_selector: (there != here).then_some(named),
        pod_selector: Some(pods_of(names, component)),
        ip_block: None,
    }
}

/// From these peers, or from everywhere when there are none.
fn from(peers: Vec<NetworkPolicyPeer>, ports: &[i32]) -> NetworkPolicyIngressRule {
    NetworkPolicyIngressRule {
        from: (!peers.is_empty()).then_some(peers),
        ports: Some(ports.iter().map(|number| port("TCP", *number)).collect()),
    }
}

fn to(peers: Vec<NetworkPolicyPeer>, ports: &[i32]) -> NetworkPolicyEgressRule {
    NetworkPolicyEgressRule {
        to: Some(peers),
        ports: Some(ports.iter().map(|number| port("TCP", *number)).collect()),
    }
}

/// Names, wherever the resolver is: as a pod, on the node, or at a cloud's own address.
fn resolving() -> NetworkPolicyEgressRule {
    NetworkPolicyEgressRule { to: None, ports: Some(vec![port("UDP", 53), port("TCP", 53)]) }
}

/// Where the API server and clouds' APIs answer. 6443 is where API servers listen behind their
/// Service.
const HTTPS: [i32; 2] = [443, 6443];

/// The API server and clouds' APIs, whose addresses nobody can name.
fn https() -> NetworkPolicyEgressRule {
    let ports = HTTPS.map(|number| port("TCP", number));
    NetworkPolicyEgressRule { to: None, ports: Some(ports.into()) }
}

fn port(protocol: &str, number: i32) -> NetworkPolicyPort {
    NetworkPolicyPort {
        protocol: Some(protocol.to_owned()),
        port: Some(IntOrString::Int(number)),
        end_port: None,
    }
}
