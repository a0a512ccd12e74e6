//! A stand-in for an ingress controller: Debian's nginx in a pod, told what to do by the objects in the
//! cluster alone, as a controller is. It shows that what they say is enough, and right; not that a
//! certain controller, or Google's load balancer, reads them so.

mod configuration;
mod of_google;
mod of_nginx;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};

use super::registry::image;
use super::{Kube, is_ready, kubectl};
use crate::{Access, wait};
pub use configuration::PATIENCE_OF_NGINX;
use configuration::{Ports, Route};

/// Where it answers.
const PORTS: Ports = Ports { https: 8443, http: 8080, health: 8081 };
/// Who it is where it runs.
const USER: u32 = 65532;
/// How long image and pod may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// It runs in a namespace of its own, as controllers do. Dropped, it goes.
#[derive(Debug)]
pub struct Front {
    namespace: String,
    address: SocketAddr,
    host: String,
}

impl Kube {
    /// Puts it before the cluster, as its Ingress asks for it: one of nginx or of GKE.
    ///
    /// # Panics
    /// When there is no Ingress, when it says what is not understood, or when nginx does not take it.
    #[must_use]
    #[track_caller]
    pub fn front(&self) -> Front {
        let ingress =
            wait("there is an Ingress", PATIENCE, || self.object(&["ingress", self.name()]));
        let route = Route::of(&ingress);
        let service = self.object(&["service", &route.service]).expect("its Service is there");
        let treatment = if ingress["spec"]["ingressClassName"].is_string() {
            of_nginx::treatment(&route, &ingress, &service, self.name())
        } else {
            of_google::treatment(self, &route, &ingress, &service)
        };
        let mut front = Front {
            namespace: format!("{}-front", self.name()),
            address: SocketAddr::from(([0, 0, 0, 0], PORTS.https)),
            host: route.host.clone(),
        };
        let configuration = route.configuration(&treatment, PORTS);
        let secret = |name: &str| {
            let secret = self.object(&["secret", name]).expect("the Secret that it names is there");
            front.object("Secret", name, json!({"type": secret["type"], "data": secret["data"]}))
        };
        let secrets = route.secrets(&treatment);
        let mut objects = vec![
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": front.namespace}}),
            front.object("ConfigMap", "nginx", json!({"data": {"nginx.conf": configuration}})),
        ];
        objects.extend(secrets.iter().map(|name| secret(name)));
        objects.push(front.object("Pod", "nginx", json!({"spec": pod(&image("nginx"), &secrets)})));
        let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
        let file = self.write("front.json", &list.to_string());
        let _ = self.kubectl_in(&front.namespace, &["apply", "-f", &file]);
        let address = wait("nginx is ready", PATIENCE, || {
            let pod = self.pod_in(&front.namespace, "nginx")?;
            let said = || kubectl(&front.namespace, &["logs", "nginx", "--tail=20"]);
            let state = &pod["status"]["containerStatuses"][0];
            assert!(state["restartCount"].as_u64().unwrap_or_default() < 2, "{:#?}", said());
            let address = pod["status"]["podIP"].as_str().filter(|_| is_ready(&pod))?;
            Some(SocketAddr::new(address.parse().unwrap(), PORTS.https))
        });
        front.address = address;
        front
    }
}

impl Front {
    /// The way in through it for who believes this root and has this token.
    #[must_use]
    pub fn access(&self, root: &str, token: &str) -> Access {
        Access::named(self.address, &self.host, root.as_bytes(), token)
    }

    /// The name that it answers for.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// What it answers to a request for `path` that is not encrypted, head and body.
    #[must_use]
    #[track_caller]
    pub fn unencrypted(&self, path: &str) -> String {
        self.ask(PORTS.http, path)
    }

    /// What a backend answers to a health check, head and body.
    #[must_use]
    #[track_caller]
    pub fn check_health(&self) -> String {
        self.ask(PORTS.health, "/")
    }

    #[track_caller]
    fn ask(&self, port: u16, path: &str) -> String {
        let mut connection = TcpStream::connect((self.address.ip(), port)).unwrap();
        connection.set_read_timeout(Some(PATIENCE)).unwrap();
        let host = &self.host;
        let asked = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        connection.write_all(asked.as_bytes()).unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        answer
    }

    fn object(&self, kind: &str, name: &str, mut rest: Value) -> Value {
        rest["apiVersion"] = "v1".into();
        rest["kind"] = kind.into();
        rest["metadata"] = json!({"name": name, "namespace": self.namespace});
        rest
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        if std::env::var_os("VAULTYARD_E2E_KEEP").is_none() {
            let words = ["delete", "namespace", &self.namespace, "--wait=false"];
            let _ = kubectl("default", &words);
        }
    }
}

fn pod(image: &str, secrets: &[String]) -> Value {
    let secret = |name: &String| json!({"name": name, "secret": {"secretName": name}});
    let mounted = |name: &String| json!({"name": name, "mountPath": configuration::folder(name), "readOnly": true});
    let mut volumes = vec![
        json!({"name": "configuration", "configMap": {"name": "nginx"}}),
        json!({"name": "scratch", "emptyDir": {}}),
    ];
    let mut mounts = vec![
        json!({"name": "configuration", "mountPath": "/etc/nginx", "readOnly": true}),
        json!({"name": "scratch", "mountPath": "/tmp"}),
    ];
    volumes.extend(secrets.iter().map(secret));
    mounts.extend(secrets.iter().map(mounted));
    json!({
        "automountServiceAccountToken": false,
        "terminationGracePeriodSeconds": 1,
        "securityContext": {
            "runAsNonRoot": true, "runAsUser": USER, "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [{
            "name": "nginx",
            "image": image,
            "args": ["-c", "/etc/nginx/nginx.conf"],
            "readinessProbe": {"tcpSocket": {"port": PORTS.https}, "periodSeconds": 1},
            "volumeMounts": mounts,
            "securityContext": {
                "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
                "capabilities": {"drop": ["ALL"]},
            },
        }],
        "volumes": volumes,
    })
}
