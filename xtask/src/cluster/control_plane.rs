//! etcd, the API server and what decides: in the fabric, as a managed control plane is apart from
//! the nodes.

use std::process::Command;
use std::time::Duration;

use crate::cluster::layout::{FABRIC, FABRIC_ADDRESS, Layout, NODES, Node, SERVICES, fill, within};
use crate::cluster::process::{Daemon, Place, until_succeeds};
use crate::cluster::programs::Programs;
use crate::shell::{self, write};

const STORE: &str = "http://127.0.0.1:2379";

/// etcd without waiting for the disk: nothing of the cluster outlives it.
pub(super) fn store(layout: &Layout) -> Daemon {
    let data = format!("--data-dir={}", layout.state.join("etcd").display());
    let words = [
        "etcd",
        &data,
        &format!("--listen-client-urls={STORE}"),
        &format!("--advertise-client-urls={STORE}"),
        "--listen-peer-urls=http://127.0.0.1:2380",
        "--unsafe-no-fsync",
    ];
    in_fabric("etcd", &words)
}

/// A server in the fabric.
pub(super) fn in_fabric(name: &str, command: &[impl AsRef<str>]) -> Daemon {
    let command = command.iter().map(|word| word.as_ref().to_owned()).collect();
    Daemon { name: name.to_owned(), place: Place::Fabric, command }
}

/// Has kubeadm make all certificates, and the files with which each part reaches the API server.
pub(super) fn certify(layout: &Layout, programs: &Programs) -> Result<(), String> {
    let configuration = layout.kubernetes("kubeadm.yaml");
    let pki = layout.kubernetes("pki");
    let values = [
        ("address", FABRIC_ADDRESS),
        ("pki", &pki.to_string_lossy()),
        ("version", &programs.version),
        ("services", SERVICES),
    ];
    write(&configuration, fill(include_str!("templates/kubeadm.yaml"), &values))?;
    write(&layout.kubernetes("audit-policy.yaml"), include_str!("templates/audit-policy.yaml"))?;
    let kubeadm = |words: &[&str]| {
        let mut command = within(FABRIC, programs.path("kubeadm"));
        command.args(words).arg("--config").arg(&configuration);
        shell::output(&mut command)
    };
    kubeadm(&["init", "phase", "certs", "all"])?;
    let folder = layout.kubernetes("");
    kubeadm(&[
        "init",
        "phase",
        "kubeconfig",
        "all",
        "--kubeconfig-dir",
        &folder.to_string_lossy(),
    ])?;
    let user = |name: &str, words: &[&str]| {
        let made = kubeadm(&[&["kubeconfig", "user", "--client-name"], words].concat())?;
        write(&layout.kubernetes(&format!("{name}.conf")), made)
    };
    user("kube-proxy", &["system:kube-proxy"])?;
    NODES.iter().try_for_each(|Node { name, .. }| {
        user(name, &[&format!("system:node:{name}"), "--org", "system:nodes"])
    })
}

/// The API server.
pub(super) fn api_server(layout: &Layout, programs: &Programs) -> Daemon {
    let mut words = vec![programs.path("kube-apiserver")];
    words.extend(
        [
            ("advertise-address", FABRIC_ADDRESS),
            ("secure-port", "6443"),
            ("etcd-servers", STORE),
            ("service-cluster-ip-range", SERVICES),
            ("service-account-issuer", "https://kubernetes.default.svc.cluster.local"),
            ("authorization-mode", "Node,RBAC"),
            ("enable-admission-plugins", "NodeRestriction"),
            ("allow-privileged", "true"),
            ("kubelet-preferred-address-types", "InternalIP"),
            ("requestheader-allowed-names", "front-proxy-client"),
            ("requestheader-username-headers", "X-Remote-User"),
            ("requestheader-group-headers", "X-Remote-Group"),
            ("requestheader-extra-headers-prefix", "X-Remote-Extra-"),
        ]
        .map(|(name, value)| format!("--{name}={value}")),
    );
    words.extend(
        [
            ("client-ca-file", "ca.crt"),
            ("tls-cert-file", "apiserver.crt"),
            ("tls-private-key-file", "apiserver.key"),
            ("kubelet-client-certificate", "apiserver-kubelet-client.crt"),
            ("kubelet-client-key", "apiserver-kubelet-client.key"),
            ("service-account-key-file", "sa.pub"),
            ("service-account-signing-key-file", "sa.key"),
            ("requestheader-client-ca-file", "front-proxy-ca.crt"),
            ("proxy-client-cert-file", "front-proxy-client.crt"),
            ("proxy-client-key-file", "front-proxy-client.key"),
        ]
        .map(|(name, file)| format!("--{name}={}", layout.pki(file).display())),
    );
    let policy = layout.kubernetes("audit-policy.yaml");
    words.push(format!("--audit-policy-file={}", policy.display()));
    words.push(format!("--audit-log-path={}", layout.state.join("audit.log").display()));
    in_fabric("apiserver", &words)
}

/// Controller manager and scheduler. Each is alone, so neither has to be elected.
pub(super) fn deciders(layout: &Layout, programs: &Programs) -> [Daemon; 2] {
    let common = |program: &str, file: &str| {
        let file = layout.kubernetes(file).display().to_string();
        let mut words = vec![programs.path(program), "--leader-elect=false".to_owned()];
        words.extend(
            ["kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig"]
                .map(|name| format!("--{name}={file}")),
        );
        words
    };
    let mut manager = common("kube-controller-manager", "controller-manager.conf");
    manager.extend(
        [
            ("client-ca-file", "ca.crt"),
            ("cluster-signing-cert-file", "ca.crt"),
            ("cluster-signing-key-file", "ca.key"),
            ("root-ca-file", "ca.crt"),
            ("service-account-private-key-file", "sa.key"),
        ]
        .map(|(name, file)| format!("--{name}={}", layout.pki(file).display())),
    );
    // By itself it makes a folder outside of the cluster's own.
    let plugins = layout.kubernetes("plugins");
    manager.push(format!("--flex-volume-plugin-dir={}", plugins.display()));
    manager.push("--use-service-account-credentials=true".to_owned());
    manager.push("--allocate-node-cidrs=false".to_owned());
    [
        in_fabric("controller-manager", &manager),
        in_fabric("scheduler", &common("kube-scheduler", "scheduler.conf")),
    ]
}

/// kubectl as the administrator that needs no role, before there are any.
pub(super) fn kubectl(layout: &Layout, programs: &Programs) -> Command {
    let mut command = within(FABRIC, programs.path("kubectl"));
    command.arg("--kubeconfig").arg(layout.kubernetes("super-admin.conf"));
    command.arg("--cache-dir").arg(layout.state.join("kubectl-cache"));
    command
}

/// Waits for the API server.
pub(super) fn await_api_server(layout: &Layout, programs: &Programs) -> Result<(), String> {
    let log = layout.log("apiserver");
    until_succeeds(Duration::from_secs(60), "the API server", || {
        let mut ask = kubectl(layout, programs);
        ask.args(["get", "--raw", "/readyz"]);
        ask
    })
    .map_err(|reason| format!("{reason}\nits log: {}", log.display()))
}

/// Creates the objects of a file or sets them to what stands there. The namespaces of the system
/// appear a moment after the API server does.
pub(super) fn apply(layout: &Layout, programs: &Programs, file: &str) -> Result<(), String> {
    let path = layout.kubernetes(file);
    until_succeeds(Duration::from_secs(30), &format!("the objects of {file}"), || {
        let mut apply = kubectl(layout, programs);
        apply.args(["apply", "--server-side", "--force-conflicts", "-f"]).arg(&path);
        apply
    })
}
