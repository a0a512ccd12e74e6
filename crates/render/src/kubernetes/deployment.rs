//! The Deployments: the proxies, and the controllers.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{
    Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment,
};
use k8s_openapi::api::core::v1::{
    Affinity, Container, Lifecycle, LifecycleHandler, PodSpec, PodTemplateSpec, SleepAction,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use vaultyard_model::Cluster;

use super::affinity::{in_named_zones, spread_evenly, zones};
use super::labels::{Component, Scope, labels, metadata, pods_of};
use super::names::Names;
use super::object::Object;
use super::pod::{self, CERTIFICATES, CERTIFICATES_FOLDER, DOCUMENT, DOCUMENT_FOLDER};
use super::release::Release;
use super::server_configuration::hash;
use super::stateful_set::CONFIGURATION_HASH;

/// The container of a proxy.
pub const PROXY: &str = "proxy";
/// The container of a controller.
pub const CONTROLLER: &str = "controller";

/// How many pods more than wanted there are while a Deployment is rolled: the new one serves before
/// an old one goes.
const SURGE: i32 = 1;
/// How many pods a controller has: one works, the other waits for its lease.
const CONTROLLERS: i32 = 2;
/// How long a pod that ends is still sent new connections, until every node knows.
const LEAVING_SECONDS: i64 = 5;
/// The same where Google's load balancer sends them straight to the pod: taking a pod out of its group
/// is an operation of its own, and every front end must hear of it. Google's example sleeps 40 s
/// (cloud.google.com/knowledge/kb, 000006416); how long it takes at most it does not say.
const LEAVING_GOOGLE_SECONDS: i64 = 60;
/// How long a proxy that ends then goes on with the connections that it has, and asks their clients to
/// come by another one.
pub const LINGER_SECONDS: u64 = 3;
/// The longest a request may take at a server, by the servers' own default.
pub const REQUEST_SECONDS: u64 = 90;

/// How many proxies run: one a zone, no more than servers, two where there is more than one server.
pub fn proxies(cluster: &Cluster) -> i32 {
    let servers = i32::from(cluster.servers.replicas.count());
    let zones = i32::try_from(zones(cluster)).unwrap_or(i32::MAX);
    zones.min(servers).max(servers.min(2))
}

/// The proxies.
pub(super) fn proxy(cluster: &Cluster, names: &Names, release: &Release) -> Object {
    let at_most = proxies(cluster) + SURGE;
    let leaving = leaving_seconds(cluster);
    let mut container = Container {
        ports: Some(vec![pod::port("api", pod::API), pod::port("probes", pod::PROBES)]),
        readiness_probe: Some(pod::probe("/ready", 1, 2)),
        liveness_probe: Some(pod::alive()),
        resources: Some(pod::small(pod::LIMIT_MIB + held_mib(cluster, at_most))),
        lifecycle: Some(Lifecycle {
            pre_stop: Some(LifecycleHandler {
                sleep: Some(SleepAction { seconds: leaving }),
                ..Default::default()
            }),
            ..Default::default()
        }),
        volume_mounts: Some(vec![
            pod::read(DOCUMENT, DOCUMENT_FOLDER),
            pod::read(CERTIFICATES, CERTIFICATES_FOLDER),
        ]),
        ..pod::controller(PROXY, PROXY, &release.vaultyard)
    };
    container.env.get_or_insert_default().extend([
        pod::document_variable(),
        // Each takes its share of what all may have in flight, also while one more runs.
        pod::variable("VAULTYARD_PROXIES", at_most.to_string()),
        // On the way to another number of servers the document says another one.
        pod::variable("VAULTYARD_SERVERS", cluster.servers.replicas.count().to_string()),
    ]);
    let hold = i64::try_from(cluster.ingress.proxy.hold.as_secs()).unwrap_or(i64::MAX);
    let pod = PodSpec {
        automount_service_account_token: Some(false),
        // What waits may wait, and then take as long as a request may.
        termination_grace_period_seconds: Some(
            hold.saturating_add((LINGER_SECONDS + REQUEST_SECONDS).cast_signed() + leaving),
        ),
        containers: vec![container],
        volumes: Some(vec![
            pod::document(names),
            pod::secret(CERTIFICATES, names.proxy_certificate()),
        ]),
        ..pod::hardened(&names.proxy())
    };
    let workload = Workload {
        scope: Scope::Application,
        component: Component::Proxy,
        name: names.proxy(),
        replicas: proxies(cluster),
        annotations: Some(BTreeMap::from([(
            CONFIGURATION_HASH.to_owned(),
            proxy_configuration_hash(cluster),
        )])),
    };
    workload.deployment(cluster, names, pod)
}

/// A hash of what a proxy reads in the document, once, when it starts: proxies are replaced when it
/// changes. Another form of the text in another version of Vaultyard does no harm: proxies are
/// replaced then anyway.
fn proxy_configuration_hash(cluster: &Cluster) -> String {
    let Cluster { name, namespace, servers, ingress, .. } = cluster;
    hash(&format!("{name} {namespace} {} {:?}", servers.replicas.count(), ingress.proxy))
}

/// How long a proxy goes on as before when it is told to end.
fn leaving_seconds(cluster: &Cluster) -> i64 {
    let front = cluster.ingress.front.as_ref();
    let google = front.is_some_and(|front| front.google.is_some());
    if google { LEAVING_GOOGLE_SECONDS } else { LEAVING_SECONDS }
}

/// The memory that one proxy's share of waiting bodies takes, in MiB.
fn held_mib(cluster: &Cluster, proxies: i32) -> u64 {
    let share = u64::try_from(proxies).unwrap_or(1).max(1);
    cluster.ingress.proxy.max_held_bytes.div_ceil(share).div_ceil(1 << 20)
}

/// The controller that keeps the objects. It is told the images: it writes the workloads.
pub(super) fn cluster_controller(cluster: &Cluster, names: &Names, release: &Release) -> Object {
    let mut container = controller("cluster", names, release);
    container.env.get_or_insert_default().extend([
        pod::variable("VAULTYARD_IMAGE", &release.vaultyard),
        pod::variable("VAULTYARD_SERVER_IMAGE", &release.server),
    ]);
    let name = names.cluster_controller();
    in_operations(cluster, names, Component::ClusterController, name, container)
}

/// The controller that keeps the certificates.
pub(super) fn certificates_controller(
    cluster: &Cluster,
    names: &Names,
    release: &Release,
) -> Object {
    let container = controller("certificates", names, release);
    let name = names.certificates_controller();
    in_operations(cluster, names, Component::CertificatesController, name, container)
}

fn controller(work: &str, names: &Names, release: &Release) -> Container {
    let mut container = Container {
        ports: Some(vec![pod::port("probes", pod::PROBES)]),
        readiness_probe: Some(pod::probe("/ready", 5, 2)),
        liveness_probe: Some(pod::alive()),
        ..pod::controller(CONTROLLER, work, &release.vaultyard)
    };
    container.env.get_or_insert_default().extend([
        pod::variable("VAULTYARD_CLUSTER", names.cluster()),
        pod::variable("VAULTYARD_NAMESPACE", names.namespace()),
    ]);
    container
}

fn in_operations(
    cluster: &Cluster,
    names: &Names,
    component: Component,
    name: String,
    container: Container,
) -> Object {
    let pod = PodSpec {
        automount_service_account_token: Some(true),
        containers: vec![container],
        ..pod::hardened(&name)
    };
    let workload = Workload {
        scope: Scope::Operations,
        component,
        name,
        replicas: CONTROLLERS,
        annotations: None,
    };
    workload.deployment(cluster, names, pod)
}

/// What tells one Deployment from another, beside its pod.
struct Workload {
    scope: Scope,
    component: Component,
    name: String,
    replicas: i32,
    /// Of its pods.
    annotations: Option<BTreeMap<String, String>>,
}

impl Workload {
    /// The Deployment: spread over the zones, rolled without ever having fewer pods than wanted.
    fn deployment(self, cluster: &Cluster, names: &Names, pod: PodSpec) -> Object {
        let Self { scope, component, name, replicas, annotations } = self;
        let affinity = in_named_zones(cluster)
            .map(|zones| Affinity { node_affinity: Some(zones), ..Default::default() });
        let pod = PodSpec {
            affinity,
            topology_spread_constraints: Some(spread_evenly(names, component)),
            ..pod
        };
        Object::of(&Deployment {
            metadata: metadata(names, scope, Some(component), name),
            spec: Some(DeploymentSpec {
                replicas: Some(replicas),
                selector: pods_of(names, component),
                revision_history_limit: Some(10),
                strategy: Some(DeploymentStrategy {
                    type_: Some("RollingUpdate".to_owned()),
                    rolling_update: Some(RollingUpdateDeployment {
                        max_surge: Some(IntOrString::Int(SURGE)),
                        max_unavailable: Some(IntOrString::Int(0)),
                    }),
                }),
                template: PodTemplateSpec {
                    metadata: Some(ObjectMeta {
                        labels: Some(labels(names, Some(component))),
                        annotations,
                        ..Default::default()
                    }),
                    spec: Some(pod),
                },
                ..Default::default()
            }),
            ..Default::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use vaultyard_model::Zone;
    use vaultyard_model::cluster::FrontTls;
    use vaultyard_testkit::matrix::{PLAIN, behind, ingress};

    use super::*;
    use crate::sample;

    #[test]
    fn proxies_are_replaced_for_their_own_limits_and_for_nothing_else() {
        let hash = proxy_configuration_hash(&sample::cluster(3));
        let mut changed = sample::cluster(3);
        changed.servers.raft_bytes += 1;
        assert_eq!(hash, proxy_configuration_hash(&changed));
        changed.ingress.proxy.max_held += 1;
        assert_ne!(hash, proxy_configuration_hash(&changed));
    }

    #[test]
    fn there_is_a_proxy_in_each_zone_and_two_at_least_beside_several_servers() {
        let with = |replicas, zones: &[&str]| {
            let mut cluster = sample::cluster(replicas);
            cluster.servers.zones = zones.iter().map(|zone| Zone::new(zone).unwrap()).collect();
            proxies(&cluster)
        };
        assert_eq!(with(1, &[]), 1);
        assert_eq!(with(1, &["a", "b"]), 1);
        assert_eq!(with(3, &[]), 3);
        assert_eq!(with(3, &["a"]), 2);
        assert_eq!(with(3, &["a", "b", "c", "d", "e"]), 3);
        assert_eq!(with(5, &["a", "b", "c", "d", "e"]), 5);
    }

    #[test]
    fn a_proxy_stays_until_whatever_sends_it_requests_knows_that_it_leaves() {
        let own = FrontTls::OwnCertificate;
        let google = behind(3, ingress("gce"), own.clone(), Some(PLAIN));
        assert_eq!(leaving_seconds(&google), LEAVING_GOOGLE_SECONDS);
        assert_eq!(leaving_seconds(&behind(3, ingress("nginx"), own, None)), LEAVING_SECONDS);
        assert_eq!(leaving_seconds(&sample::cluster(3)), LEAVING_SECONDS);
    }
}
