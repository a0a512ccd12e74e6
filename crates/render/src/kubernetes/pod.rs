//! What all our pods have in common. Every one of them passes the Pod Security level `restricted`.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Capabilities, ConfigMapVolumeSource, Container, ContainerPort, EnvVar, EnvVarSource,
    HTTPGetAction, KeyToPath, ObjectFieldSelector, PodSecurityContext, PodSpec, Probe,
    ResourceRequirements, SeccompProfile, SecretVolumeSource, SecurityContext, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use vaultyard_model::layout::{API_PORT, CLUSTER_PORT};

use super::names::Names;

/// The user and the group of every process. One user for server and unsealer lets the unsealer
/// signal the server and work on its files; nobody needs a capability for it.
pub const USER: u32 = 65532;
/// The API of servers and of the proxy.
pub const API: i32 = API_PORT as i32;
/// Raft and request forwarding.
pub const CLUSTER: i32 = CLUSTER_PORT as i32;
/// The unsealer, for others of the cluster: mutual TLS.
pub const UNSEALER: i32 = 8203;
/// Plain HTTP for kubelet and metrics: `/alive`, `/ready` and more.
pub const PROBES: i32 = 8204;
/// The folder of the document.
pub const DOCUMENT_FOLDER: &str = "/vaultyard/document";
/// The file in it, which is the key in the ConfigMap.
pub const DOCUMENT_FILE: &str = "cluster.yaml";
/// The folder of certificates.
pub const CERTIFICATES_FOLDER: &str = "/vaultyard/certificates";
/// The label of nodes that names their zone.
pub const ZONE: &str = "topology.kubernetes.io/zone";
/// The name of the volume that holds the document.
pub const DOCUMENT: &str = "document";
/// The name of the volume that holds the pod's certificates.
pub const CERTIFICATES: &str = "certificates";

/// The label of nodes that names their operating system, which kubelet sets on every node.
const OPERATING_SYSTEM: &str = "kubernetes.io/os";

/// What of a pod is the same for all. Its images are Linux's: where there are nodes of Windows too,
/// a pod would be bound to one of them and never start. Links to Services are left out: a Service
/// named `vault` would put `VAULT_PORT` and the like into the environment of a program that reads
/// `VAULT_*`.
pub(super) fn hardened(account: &str) -> PodSpec {
    PodSpec {
        service_account_name: Some(account.to_owned()),
        enable_service_links: Some(false),
        node_selector: Some(BTreeMap::from([(OPERATING_SYSTEM.to_owned(), "linux".to_owned())])),
        security_context: Some(PodSecurityContext {
            run_as_non_root: Some(true),
            run_as_user: Some(USER.into()),
            run_as_group: Some(USER.into()),
            fs_group: Some(USER.into()),
            fs_group_change_policy: Some("OnRootMismatch".to_owned()),
            seccomp_profile: Some(SeccompProfile {
                type_: "RuntimeDefault".to_owned(),
                localhost_profile: None,
            }),
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// A container without rights. Images are by digest, so one that is there need not be asked for.
pub(super) fn container(name: &str, image: &str) -> Container {
    Container {
        name: name.to_owned(),
        image: Some(image.to_owned()),
        image_pull_policy: Some("IfNotPresent".to_owned()),
        security_context: Some(SecurityContext {
            allow_privilege_escalation: Some(false),
            read_only_root_filesystem: Some(true),
            capabilities: Some(Capabilities {
                drop: Some(vec!["ALL".to_owned()]),
                ..Default::default()
            }),
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// A container that runs one of our controllers.
pub(super) fn controller(name: &str, controller: &str, image: &str) -> Container {
    Container {
        args: Some(vec!["controller".to_owned(), controller.to_owned()]),
        env: Some(identity()),
        resources: Some(small(LIMIT_MIB)),
        ..container(name, image)
    }
}

/// The memory limit of our containers, in MiB, where nothing asks for more.
pub(super) const LIMIT_MIB: u64 = 128;

/// Room for one of our processes.
pub(super) fn small(limit_mib: u64) -> ResourceRequirements {
    resources("20m", "32Mi", &format!("{limit_mib}Mi"))
}

/// Requests, and a limit of memory. There is none of CPU by itself: who is throttled misses elections.
pub(super) fn resources(cpu: &str, memory: &str, most_memory: &str) -> ResourceRequirements {
    let quantity = |name: &str, text: &str| (name.to_owned(), Quantity(text.to_owned()));
    ResourceRequirements {
        requests: Some(BTreeMap::from([quantity("cpu", cpu), quantity("memory", memory)])),
        limits: Some(BTreeMap::from([quantity("memory", most_memory)])),
        ..Default::default()
    }
}

/// Which pod this is.
fn identity() -> Vec<EnvVar> {
    vec![
        variable_from("POD_NAME", "metadata.name"),
        variable_from("POD_NAMESPACE", "metadata.namespace"),
    ]
}

/// Where the document lies.
pub(super) fn document_variable() -> EnvVar {
    variable("VAULTYARD_DOCUMENT", format!("{DOCUMENT_FOLDER}/{DOCUMENT_FILE}"))
}

/// An environment variable.
pub(super) fn variable(name: &str, value: impl Into<String>) -> EnvVar {
    EnvVar { name: name.to_owned(), value: Some(value.into()), value_from: None }
}

fn variable_from(name: &str, field: &str) -> EnvVar {
    EnvVar {
        name: name.to_owned(),
        value: None,
        value_from: Some(EnvVarSource { field_ref: Some(field_of(field)), ..Default::default() }),
    }
}

/// A field of the pod's own metadata.
pub(super) fn field_of(path: &str) -> ObjectFieldSelector {
    ObjectFieldSelector { api_version: Some("v1".to_owned()), field_path: path.to_owned() }
}

/// A port with a name.
pub(super) fn port(name: &str, number: i32) -> ContainerPort {
    ContainerPort {
        name: Some(name.to_owned()),
        container_port: number,
        protocol: Some("TCP".to_owned()),
        ..Default::default()
    }
}

/// A question to our own process, in plain HTTP.
pub(super) fn ask(path: &str) -> HTTPGetAction {
    HTTPGetAction {
        path: Some(path.to_owned()),
        port: IntOrString::Int(PROBES),
        ..Default::default()
    }
}

/// Asks [`PROBES`] every `seconds`; `failures` in turn count.
pub(super) fn probe(path: &str, seconds: i32, failures: i32) -> Probe {
    Probe {
        http_get: Some(ask(path)),
        period_seconds: Some(seconds),
        timeout_seconds: Some(seconds.min(5)),
        failure_threshold: Some(failures),
        ..Default::default()
    }
}

/// Whether one of our own processes lives. Three misses of 10 s each: a busy node is no reason.
pub(super) fn alive() -> Probe {
    probe("/alive", 10, 3)
}

/// A volume mounted for reading.
pub(super) fn read(volume: &str, folder: &str) -> VolumeMount {
    VolumeMount { read_only: Some(true), ..write(volume, folder) }
}

/// A volume mounted for writing.
pub(super) fn write(volume: &str, folder: &str) -> VolumeMount {
    VolumeMount { name: volume.to_owned(), mount_path: folder.to_owned(), ..Default::default() }
}

/// The volume with the document.
pub(super) fn document(names: &Names) -> Volume {
    Volume {
        name: DOCUMENT.to_owned(),
        config_map: Some(ConfigMapVolumeSource { name: names.document(), ..Default::default() }),
        ..Default::default()
    }
}

/// A volume from a Secret. A pod waits until its Secret is there; nothing starts half certified.
pub(super) fn secret(name: &str, secret: String) -> Volume {
    Volume {
        name: name.to_owned(),
        secret: Some(SecretVolumeSource {
            secret_name: Some(secret),
            default_mode: Some(0o440),
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// The same of some entries alone; the pod waits until each is there.
pub(super) fn secret_entries(name: &str, secret: String, entries: Vec<String>) -> Volume {
    let item = |entry: String| KeyToPath { key: entry.clone(), path: entry, mode: None };
    let mut volume = self::secret(name, secret);
    if let Some(source) = &mut volume.secret {
        source.items = Some(entries.into_iter().map(item).collect());
    }
    volume
}
