//! The pod of one server: the server itself and, as a sidecar that starts before it and ends after
//! it, its unsealer. They share one user and one process namespace, so that the unsealer alone can
//! signal the server, end one that hangs and work on its volume; nobody needs `pods/exec`. Beside them stands what runs
//! a second server while a snapshot is proven.

use k8s_openapi::api::core::v1::{
    ConfigMapProjection, Container, DownwardAPIProjection, DownwardAPIVolumeFile,
    EmptyDirVolumeSource, EnvVar, KeyToPath, Lifecycle, LifecycleHandler, PodSpec,
    ProjectedVolumeSource, ResourceRequirements, ServiceAccountTokenProjection, Volume,
    VolumeMount, VolumeProjection,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use vaultyard_model::Cluster;
use vaultyard_model::bytes::Binary;
use vaultyard_model::cluster::Resources;

use super::names::Names;
use super::pod::{self, CERTIFICATES, CERTIFICATES_FOLDER, DOCUMENT, DOCUMENT_FOLDER};
use super::release::Release;
use super::{affinity, server_configuration};

/// The volume of the server's data and of the unsealer's records. It outlives the pod.
pub const DATA: &str = "data";
/// Where [`DATA`] is mounted; also the server's working directory.
pub const DATA_FOLDER: &str = "/vaultyard/data";
/// The volume, in memory, of what is made anew for every pod.
pub const RUN: &str = "run";
/// Where [`RUN`] is mounted.
pub const RUN_FOLDER: &str = "/vaultyard/run";
/// The volume of the certificates that Vaultyard logs in with.
pub const IDENTITIES: &str = "identities";
/// Where [`IDENTITIES`] is mounted.
pub const IDENTITIES_FOLDER: &str = "/vaultyard/identities";
/// The volume of the files that the document's encryption names.
pub const KEY_FILES: &str = "key-files";
/// Where [`KEY_FILES`] is mounted, for the unsealer alone.
pub const KEY_FILES_FOLDER: &str = "/vaultyard/key-files";
/// The volume of the unsealer's token for the API server.
pub const TOKEN: &str = "token";
/// The container of the server.
pub const SERVER: &str = "server";
/// The container that writes the configuration and ends.
pub const PREPARE: &str = "prepare";
/// The sidecar.
pub const UNSEALER: &str = "unsealer";
/// The container that runs throw-away servers.
pub const PROVER: &str = "prover";

/// Where every client of the API server looks for its token.
pub const TOKEN_FOLDER: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// A token lives this long and is replaced by kubelet after 80 % of it.
const TOKEN_SECONDS: i64 = 3600;
/// A server that has just stepped down sleeps up to 10 s before it ends, and requests may take as
/// long as the proxy holds them: 60 s leave room for both.
const GRACE_SECONDS: i64 = 60;

/// The pod. The server never sees the token: what it runs for its users must not speak to the API
/// server as the unsealer.
pub(super) fn server_pod(cluster: &Cluster, names: &Names, release: &Release) -> PodSpec {
    PodSpec {
        automount_service_account_token: Some(false),
        share_process_namespace: Some(true),
        termination_grace_period_seconds: Some(GRACE_SECONDS),
        init_containers: Some(vec![prepare(release), unsealer(cluster, release)]),
        containers: vec![server(cluster, release), prover(cluster, release)],
        volumes: Some(volumes(cluster, names)),
        affinity: Some(affinity::of_servers(cluster, names)),
        topology_spread_constraints: affinity::spread_of_servers(cluster, names),
        ..pod::hardened(names.stateful_set())
    }
}

/// The files of a Secret that somebody else writes, which the unsealer reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyFiles {
    /// The Secret, in the application namespace.
    pub secret: String,
    /// Its entries, each the name of a file.
    pub entries: Vec<String>,
}

/// Which files the document's encryption takes; `None` when it takes none.
pub fn key_files(cluster: &Cluster) -> Option<KeyFiles> {
    let files = cluster.keys.encryption.files();
    let entries: Vec<_> = files.iter().filter_map(|file| file.entry()).map(str::to_owned).collect();
    let secret = match &cluster.keys.files_secret {
        Some(name) => name.to_string(),
        None => Names::of(cluster).key_files(),
    };
    (!entries.is_empty()).then_some(KeyFiles { secret, entries })
}

/// What the server's container runs.
pub(super) fn command(cluster: &Cluster) -> Vec<String> {
    let program = cluster.servers.software.program();
    let configuration = format!("-config={}", server_configuration::FILE);
    vec![program.to_owned(), "server".to_owned(), configuration]
}

/// There is no liveness probe: kubelet starts a process that ended again by itself, and the
/// unsealer ends one that hangs. A probe could only kill a server for being sealed.
fn server(cluster: &Cluster, release: &Release) -> Container {
    Container {
        command: Some(command(cluster)),
        working_dir: Some(DATA_FOLDER.to_owned()),
        // The root file system is read-only; snapshots are restored by way of a temporary file.
        env: Some(vec![pod::variable("TMPDIR", DATA_FOLDER)]),
        ports: Some(vec![pod::port("api", pod::API), pod::port("cluster", pod::CLUSTER)]),
        resources: Some(resources(&cluster.servers.resources)),
        readiness_probe: Some(pod::probe("/ready", 1, 2)),
        lifecycle: Some(Lifecycle {
            pre_stop: Some(LifecycleHandler {
                http_get: Some(pod::ask("/drained")),
                ..Default::default()
            }),
            ..Default::default()
        }),
        volume_mounts: Some(own_folders()),
        ..pod::container(SERVER, &release.server)
    }
}

fn resources(resources: &Resources) -> ResourceRequirements {
    let Resources { requests, limits } = resources;
    let memory = |bytes: u64| Binary(bytes).to_string();
    let mut all =
        pod::resources(&requests.cpu.to_string(), &memory(requests.memory), &memory(limits.memory));
    if let Some(cpu) = limits.cpu {
        let limits = all.limits.get_or_insert_default();
        limits.insert("cpu".to_owned(), Quantity(cpu.to_string()));
    }
    all
}

fn prepare(release: &Release) -> Container {
    ours(pod::controller(PREPARE, PREPARE, &release.vaultyard))
}

/// It alone sees the files that open the keys.
fn unsealer(cluster: &Cluster, release: &Release) -> Container {
    let container = Container {
        restart_policy: Some("Always".to_owned()),
        ports: Some(vec![pod::port("unsealer", pod::UNSEALER), pod::port("probes", pod::PROBES)]),
        liveness_probe: Some(pod::alive()),
        ..pod::controller(UNSEALER, UNSEALER, &release.vaultyard)
    };
    let mut container = ours(container);
    if key_files(cluster).is_some() {
        let mounts = container.volume_mounts.get_or_insert_default();
        mounts.push(pod::read(KEY_FILES, KEY_FILES_FOLDER));
    }
    container
}

/// Starts the server that a snapshot is restored into to prove it, of the program of the server beside it. It sees what
/// that sees and nothing of the unsealer: programs that it runs come from where somebody may have put others. Nothing
/// is kept free for that second server, which ends with the proof, and it may take what a server may.
fn prover(cluster: &Cluster, release: &Release) -> Container {
    let limit_mib = pod::LIMIT_MIB + (cluster.servers.resources.limits.memory >> 20);
    Container {
        resources: Some(pod::small(limit_mib)),
        volume_mounts: Some(own_folders()),
        ..pod::controller(PROVER, PROVER, &release.vaultyard)
    }
}

/// What those of our containers see that keep the server.
fn ours(container: Container) -> Container {
    let mut mounts = own_folders();
    mounts.extend([
        pod::read(DOCUMENT, DOCUMENT_FOLDER),
        pod::read(CERTIFICATES, CERTIFICATES_FOLDER),
        pod::read(IDENTITIES, IDENTITIES_FOLDER),
        pod::read(TOKEN, TOKEN_FOLDER),
    ]);
    let mut env: Vec<EnvVar> = container.env.unwrap_or_default();
    env.push(pod::document_variable());
    Container { env: Some(env), volume_mounts: Some(mounts), ..container }
}

fn own_folders() -> Vec<VolumeMount> {
    vec![pod::write(DATA, DATA_FOLDER), pod::write(RUN, RUN_FOLDER)]
}

fn volumes(cluster: &Cluster, names: &Names) -> Vec<Volume> {
    let mut all = own_volumes(names);
    if let Some(KeyFiles { secret, entries }) = key_files(cluster) {
        all.push(pod::secret_entries(KEY_FILES, secret, entries));
    }
    all
}

fn own_volumes(names: &Names) -> Vec<Volume> {
    vec![
        Volume {
            name: RUN.to_owned(),
            empty_dir: Some(EmptyDirVolumeSource {
                medium: Some("Memory".to_owned()),
                size_limit: Some(Quantity("16Mi".to_owned())),
            }),
            ..Default::default()
        },
        pod::document(names),
        pod::secret(CERTIFICATES, names.server_certificates()),
        pod::secret(IDENTITIES, names.identities()),
        Volume {
            name: TOKEN.to_owned(),
            projected: Some(ProjectedVolumeSource {
                default_mode: Some(0o440),
                sources: Some(token_sources()),
            }),
            ..Default::default()
        },
    ]
}

/// What kubelet mounts by itself into pods that do not refuse it.
fn token_sources() -> Vec<VolumeProjection> {
    vec![
        VolumeProjection {
            service_account_token: Some(ServiceAccountTokenProjection {
                path: "token".to_owned(),
                expiration_seconds: Some(TOKEN_SECONDS),
                audience: None,
            }),
            ..Default::default()
        },
        VolumeProjection {
            config_map: Some(ConfigMapProjection {
                name: "kube-root-ca.crt".to_owned(),
                items: Some(vec![KeyToPath {
                    key: "ca.crt".to_owned(),
                    path: "ca.crt".to_owned(),
                    mode: None,
                }]),
                optional: None,
            }),
            ..Default::default()
        },
        VolumeProjection {
            downward_api: Some(DownwardAPIProjection {
                items: Some(vec![DownwardAPIVolumeFile {
                    path: "namespace".to_owned(),
                    field_ref: Some(pod::field_of("metadata.namespace")),
                    ..Default::default()
                }]),
            }),
            ..Default::default()
        },
    ]
}
