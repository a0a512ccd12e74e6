//! The same servers from plain manifests, and the unavoidable calls to a cluster of three voters: the
//! floor of what bringing up takes on Kubernetes.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use http::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use vaultyard_e2e::{Access, Client};

use super::pods::{Pods, container, is_ready};
use super::{kubectl, wait_until_gone};
use crate::bare::{COUNT, until};
use crate::pki::{Files, Pki};
use crate::runtime;

/// The user of the servers, and the owner of their volumes.
const USER: u32 = 65532;
/// The key as it is split.
const SHARES: u8 = 5;
const THRESHOLD: usize = 3;

/// How long it took, from the first object.
#[derive(Debug, Clone, Copy)]
pub(super) struct Took {
    /// All servers run.
    pub(super) running: Duration,
    /// All are unsealed.
    pub(super) unsealed: Duration,
    /// All vote and count as ready.
    pub(super) ready: Duration,
}

/// A cluster without Vaultyard. Dropped, it goes with its namespace.
pub(super) struct Plain {
    name: String,
    folder: TempDir,
    pki: Pki,
    files: Files,
}

/// What `init` gave.
struct Keys {
    shares: Vec<String>,
    token: String,
}

impl Plain {
    /// Everything written down, and nothing asked for.
    pub(super) fn prepare(round: u32) -> Self {
        let name = format!("plain{}-{round}", std::process::id());
        let folder = TempDir::new().unwrap();
        let pki = Pki::new(folder.path());
        let files = pki.issue(format!("*.servers.{name}.svc"));
        let plain = Self { name, folder, pki, files };
        fs::write(plain.folder.path().join("objects.json"), plain.objects().to_string()).unwrap();
        plain
    }

    /// Applies all and makes a cluster of it.
    pub(super) fn bring_up(&self) -> Took {
        let mut pods = Pods::watch(&self.name);
        let began = Instant::now();
        let objects = self.folder.path().join("objects.json");
        kubectl(&["apply", "--server-side", "-f", objects.to_str().unwrap()]);
        let (at, addresses) = pods.until("all servers run", |pods| {
            let address = |pod: &Value| -> Option<IpAddr> {
                container(pod, "server")?["state"]["running"].as_object()?;
                pod["status"]["podIP"].as_str()?.parse().ok()
            };
            let all: Vec<IpAddr> = pods.values().filter_map(address).collect();
            (all.len() == usize::from(COUNT)).then_some(all)
        });
        let running = at - began;
        let unsealed = runtime().block_on(async {
            let keys = self.initialise(addresses[0]).await;
            unseal(&mut self.client(0, addresses[0], ""), &keys).await;
            let mut leader = self.client(0, addresses[0], &keys.token);
            until(&mut leader, "sys/health", |answer| answer.status == 200).await;
            shorten_stabilisation(&mut leader).await;
            tokio::join!(self.join(1, addresses[1], &keys), self.join(2, addresses[2], &keys));
            let unsealed = began.elapsed();
            all_vote(&mut leader).await;
            unsealed
        });
        let vote = began.elapsed();
        let (at, ()) = pods.until("all pods are ready", |pods| {
            (pods.values().filter(|pod| is_ready(pod)).count() == usize::from(COUNT)).then_some(())
        });
        Took { running, unsealed, ready: vote.max(at.saturating_duration_since(began)) }
    }

    fn host(&self, ordinal: u8) -> String {
        format!("server-{ordinal}.servers.{}.svc", self.name)
    }

    fn client(&self, ordinal: u8, address: IpAddr, token: &str) -> Client {
        let authority = fs::read(self.pki.authority()).unwrap();
        let address = SocketAddr::from((address, 8200));
        Client::new(&Access::named(address, &self.host(ordinal), &authority, token))
    }

    async fn initialise(&self, address: IpAddr) -> Keys {
        let mut client = self.client(0, address, "");
        until(&mut client, "sys/health", |_| true).await;
        let split = json!({"secret_shares": SHARES, "secret_threshold": THRESHOLD});
        let made = client.send(Method::PUT, "sys/init", &split).await.unwrap().body;
        let share = |number: usize| made["keys_base64"][number].as_str().unwrap().to_owned();
        let shares = (0..THRESHOLD).map(share).collect();
        Keys { shares, token: made["root_token"].as_str().unwrap().to_owned() }
    }

    async fn join(&self, ordinal: u8, address: IpAddr, keys: &Keys) {
        let mut client = self.client(ordinal, address, "");
        let authority = fs::read_to_string(self.pki.authority()).unwrap();
        let leader = format!("https://{}:8200", self.host(0));
        let wish = json!({"leader_api_addr": leader, "leader_ca_cert": authority});
        // The name of the leader may not be known yet where this server is.
        let joined = async |client: &mut Client| {
            let answer = client.send(Method::POST, "sys/storage/raft/join", &wish).await;
            answer.is_ok_and(|answer| answer.body["joined"] == true)
        };
        while !joined(&mut client).await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        unseal(&mut client, keys).await;
        until(&mut client, "sys/health", |answer| answer.status == 429).await;
    }

    /// A namespace, the files of the servers, their Service and the StatefulSet.
    fn objects(&self) -> Value {
        let own = |kind: &str, version: &str, name: &str, rest: Value| {
            let mut object = json!({
                "apiVersion": version,
                "kind": kind,
                "metadata": {"name": name, "namespace": self.name},
            });
            object.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
            object
        };
        let read = |path| fs::read_to_string(path).unwrap();
        let configurations: serde_json::Map<String, Value> = (0..COUNT)
            .map(|ordinal| {
                (format!("server-{ordinal}.json"), self.configuration(ordinal).to_string().into())
            })
            .collect();
        let files = json!({"stringData": {
            "tls.crt": read(&self.files.certificate),
            "tls.key": read(&self.files.key),
        }});
        let service = json!({"spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": true,
            "selector": {"app": "server"},
            "ports": [{"name": "api", "port": 8200}, {"name": "cluster", "port": 8201}],
        }});
        json!({"apiVersion": "v1", "kind": "List", "items": [
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.name}},
            own("Secret", "v1", "files", files),
            own("ConfigMap", "v1", "configuration", json!({"data": configurations})),
            own("Service", "v1", "servers", service),
            own("StatefulSet", "apps/v1", "server", self.stateful_set()),
        ]})
    }

    /// As Vaultyard writes it, so that the servers are equally fast on both sides.
    fn configuration(&self, ordinal: u8) -> Value {
        json!({
            "cluster_name": self.name,
            "api_addr": format!("https://{}:8200", self.host(ordinal)),
            "cluster_addr": format!("https://{}:8201", self.host(ordinal)),
            "disable_standby_reads": true,
            "log_level": "info",
            "log_format": "json",
            "storage": {"raft": {
                "path": "/data",
                "node_id": format!("server-{ordinal}"),
                "performance_multiplier": 1,
                "autopilot_reconcile_interval": "1s",
                "autopilot_update_interval": "1s",
            }},
            "listener": [{"tcp": {
                "address": "0.0.0.0:8200",
                "cluster_address": "0.0.0.0:8201",
                "tls_cert_file": "/files/tls.crt",
                "tls_key_file": "/files/tls.key",
            }}],
            "audit": [{
                "type": "file",
                "path": "file",
                "description": "declared",
                "options": {"file_path": "audit.log", "mode": "0600"},
            }],
        })
    }

    fn stateful_set(&self) -> Value {
        let labels = json!({"app": "server"});
        let selector = json!({"matchLabels": labels});
        let ask = json!({"path": "/v1/sys/health?standbyok=true", "port": 8200, "scheme": "HTTPS"});
        let mount = |name: &str| json!({"name": name, "mountPath": format!("/{name}")});
        let container = json!({
            "name": "server",
            "image": std::env::var("VAULTYARD_SERVER_IMAGE").unwrap(),
            "command": ["bao", "server", "-config=/configuration/$(NAME).json"],
            "workingDir": "/data",
            "env": [{"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
            "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}},
            "readinessProbe": {"httpGet": ask, "periodSeconds": 1, "failureThreshold": 2},
            "volumeMounts": [mount("data"), mount("files"), mount("configuration")],
        });
        let apart = json!([{
            "labelSelector": selector,
            "topologyKey": "topology.kubernetes.io/zone",
        }]);
        let repelled = json!({"requiredDuringSchedulingIgnoredDuringExecution": apart});
        let pod = json!({
            "automountServiceAccountToken": false,
            "securityContext": {"runAsUser": USER, "runAsGroup": USER, "fsGroup": USER},
            "affinity": {"podAntiAffinity": repelled},
            "containers": [container],
            "volumes": [
                {"name": "files", "secret": {"secretName": "files"}},
                {"name": "configuration", "configMap": {"name": "configuration"}},
            ],
        });
        let claim = json!({
            "metadata": {"name": "data"},
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "resources": {"requests": {"storage": "10Gi"}},
            },
        });
        json!({"spec": {
            "serviceName": "servers",
            "replicas": COUNT,
            "podManagementPolicy": "Parallel",
            "selector": selector,
            "template": {"metadata": {"labels": labels}, "spec": pod},
            "volumeClaimTemplates": [claim],
        }})
    }
}

impl Drop for Plain {
    fn drop(&mut self) {
        kubectl(&["delete", "namespace", &self.name, "--ignore-not-found", "--wait=false"]);
        wait_until_gone(&[&self.name]);
    }
}

async fn unseal(client: &mut Client, keys: &Keys) {
    for key in &keys.shares {
        let answer = client.send(Method::PUT, "sys/unseal", &json!({"key": key})).await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
}

async fn shorten_stabilisation(leader: &mut Client) {
    let wish = json!({"server_stabilization_time": "1s"});
    let place = "sys/storage/raft/autopilot/configuration";
    let answer = leader.send(Method::POST, place, &wish).await.unwrap();
    assert_eq!(answer.status, 204, "{}", answer.body);
}

async fn all_vote(leader: &mut Client) {
    until(leader, "sys/storage/raft/configuration", |answer| {
        let servers = answer.body["data"]["config"]["servers"].as_array();
        let voters = servers.map(|all| all.iter().filter(|one| one["voter"] == true).count());
        voters == Some(usize::from(COUNT))
    })
    .await;
}
