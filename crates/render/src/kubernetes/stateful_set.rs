//! The StatefulSet of the servers.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{
    StatefulSet, StatefulSetPersistentVolumeClaimRetentionPolicy, StatefulSetSpec,
    StatefulSetUpdateStrategy,
};
use k8s_openapi::api::core::v1::{
    PersistentVolumeClaim, PersistentVolumeClaimSpec, PodTemplateSpec, VolumeResourceRequirements,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use vaultyard_model::Cluster;
use vaultyard_model::bytes::Binary;
use vaultyard_model::cluster::Seal;

use super::labels::{Component, Scope, labels, metadata, pods_of, selector};
use super::names::Names;
use super::object::Object;
use super::release::Release;
use super::server_configuration::configuration_hash;
use super::server_pod::{DATA, PREPARE, PROVER, SERVER, UNSEALER, server_pod};

/// The annotation of pods that changes when they need a restart for their configuration.
pub const CONFIGURATION_HASH: &str = "vaultyard.dev/configuration-hash";

/// The annotation of pods that names the containers which are given no role of AWS.
const WITHOUT_AWS_ROLE: &str = "eks.amazonaws.com/skip-containers";

/// The servers. Kubernetes starts all pods at once, since the unsealers know who initialises, and
/// replaces none by itself, since only Vaultyard knows who leads. Volumes outlive everything. So many
/// `servers` run now, of as many as `cluster` will have or has had.
pub(super) fn stateful_set(
    cluster: &Cluster,
    servers: u8,
    names: &Names,
    release: &Release,
) -> Object {
    let keep = || Some("Retain".to_owned());
    let component = Some(Component::Server);
    Object::of(&StatefulSet {
        metadata: metadata(names, Scope::Application, component, names.stateful_set()),
        spec: Some(StatefulSetSpec {
            service_name: Some(names.servers()),
            replicas: Some(servers.into()),
            selector: pods_of(names, Component::Server),
            pod_management_policy: Some("Parallel".to_owned()),
            update_strategy: Some(StatefulSetUpdateStrategy {
                type_: Some("OnDelete".to_owned()),
                rolling_update: None,
            }),
            persistent_volume_claim_retention_policy: Some(
                StatefulSetPersistentVolumeClaimRetentionPolicy {
                    when_deleted: keep(),
                    when_scaled: keep(),
                },
            ),
            revision_history_limit: Some(10),
            template: PodTemplateSpec {
                metadata: Some(ObjectMeta {
                    labels: Some(labels(names, component)),
                    annotations: Some(annotations(cluster)),
                    ..Default::default()
                }),
                spec: Some(server_pod(cluster, names, release)),
            },
            volume_claim_templates: Some(vec![claim(cluster, names)]),
            ..Default::default()
        }),
        ..Default::default()
    })
}

/// What is noted on pods. At AWS also whom its webhook does not give the account's role: only who opens the
/// keys and keeps snapshots needs it, and a server whose seal is there.
fn annotations(cluster: &Cluster) -> BTreeMap<String, String> {
    let mut all = BTreeMap::from([(CONFIGURATION_HASH.to_owned(), configuration_hash(cluster))]);
    let without = match &cluster.seal {
        Some(Seal::Awskms(_)) if cluster.keeps_at_aws() => Some(format!("{PREPARE},{PROVER}")),
        Some(Seal::Awskms(_)) => Some(format!("{PREPARE},{PROVER},{UNSEALER}")),
        _ => cluster.keeps_at_aws().then(|| format!("{PREPARE},{PROVER},{SERVER}")),
    };
    all.extend(without.map(|without| (WITHOUT_AWS_ROLE.to_owned(), without)));
    all
}

/// The volume of one server. Nothing here can be changed later, so nothing here depends on what
/// changes, but for the size and the class, of which `vaultyard_plan::change` refuses another.
fn claim(cluster: &Cluster, names: &Names) -> PersistentVolumeClaim {
    let size = Quantity(Binary(cluster.servers.raft_bytes).to_string());
    PersistentVolumeClaim {
        metadata: ObjectMeta {
            name: Some(DATA.to_owned()),
            labels: Some(selector(names, Component::Server)),
            ..Default::default()
        },
        spec: Some(PersistentVolumeClaimSpec {
            access_modes: Some(vec!["ReadWriteOnce".to_owned()]),
            resources: Some(VolumeResourceRequirements {
                requests: Some(BTreeMap::from([("storage".to_owned(), size)])),
                limits: None,
            }),
            storage_class_name: cluster.servers.storage_class.as_ref().map(ToString::to_string),
            volume_mode: Some("Filesystem".to_owned()),
            ..Default::default()
        }),
        ..Default::default()
    }
}
