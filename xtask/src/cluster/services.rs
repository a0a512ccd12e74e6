//! What a cluster needs beside Kubernetes: a registry, the image that every pod starts with, DNS.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::cluster::control_plane;
use crate::cluster::layout::{FABRIC, FABRIC_ADDRESS, Layout, NODES, REGISTRY, fill, within};
use crate::cluster::process::{Daemon, until, until_succeeds};
use crate::cluster::programs::Programs;
use crate::shell::write;
use crate::{image, shell};

/// Writes what the registry and CoreDNS are to do.
pub(super) fn configure(layout: &Layout) -> Result<(), String> {
    let folder = layout.state.join("registry");
    let kubeconfig = layout.kubernetes("super-admin.conf");
    let values = [
        ("folder", &*folder.to_string_lossy()),
        ("registry", REGISTRY),
        ("address", FABRIC_ADDRESS),
        ("kubeconfig", &*kubeconfig.to_string_lossy()),
    ];
    let registry = fill(include_str!("templates/registry.yaml"), &values);
    write(&registry_configuration(layout), registry)?;
    write(&dns_configuration(layout), fill(include_str!("templates/Corefile"), &values))
}

fn registry_configuration(layout: &Layout) -> PathBuf {
    layout.state.join("registry.yaml")
}

fn dns_configuration(layout: &Layout) -> PathBuf {
    layout.state.join("Corefile")
}

/// The registry.
pub(super) fn registry(layout: &Layout) -> Daemon {
    let configuration = registry_configuration(layout).display().to_string();
    control_plane::in_fabric("registry", &["docker-registry", "serve", &configuration])
}

/// CoreDNS, with its Service among the objects that are applied.
pub(super) fn dns(layout: &Layout, programs: &Programs) -> Daemon {
    let configuration = dns_configuration(layout).display().to_string();
    control_plane::in_fabric("coredns", &[&programs.path("coredns"), "-conf", &configuration])
}

/// Waits until a node gets an answer from DNS by the address of its Service.
pub(super) fn await_dns(layout: &Layout) -> Result<(), String> {
    until_succeeds(Duration::from_secs(30), "the cluster's DNS", || {
        let mut ask = within(&NODES[0].namespace(), "sh");
        let dig = "dig +short +time=1 +tries=1 @10.96.0.10 kubernetes.default.svc.cluster.local";
        ask.args(["-c", &format!("{dig} | grep -qx 10.96.0.1")]);
        ask
    })
    .map_err(|reason| {
        let logs = [layout.log("coredns"), layout.log(&format!("kube-proxy:{}", NODES[0].name))];
        format!("{reason}\nlogs: {} and {}", logs[0].display(), logs[1].display())
    })
}

/// Makes the image that every pod starts with and puts it into the registry, once that answers.
pub(super) fn push_pause(layout: &Layout) -> Result<(), String> {
    let made = image::make(image::Kind::Pause)?;
    until(Duration::from_secs(10), "the registry's answer", || {
        push(&made.path, &made.name).map(|_| true)
    })
    .map_err(|reason| format!("{reason}\nits log: {}", layout.log("registry").display()))
}

/// Puts an OCI archive into the registry as `NAME:TAG` and says under which digest it is pulled.
pub(super) fn push(archive: &Path, name: &str) -> Result<String, String> {
    let repository = repository(name)?;
    if !archive.is_file() {
        let archive = archive.display();
        return Err(format!("{archive}: no such archive; `cargo xtask image` makes one"));
    }
    let mut copy = within(FABRIC, "skopeo");
    copy.args(["--insecure-policy", "copy", "--quiet", "--dest-tls-verify=false"]);
    copy.args(["--digestfile", "/dev/stdout"]);
    copy.arg(format!("oci-archive:{}", archive.display()));
    let digest = shell::output(copy.arg(format!("docker://{REGISTRY}/{name}")))?;
    Ok(format!("{REGISTRY}/{repository}@{}", String::from_utf8_lossy(&digest).trim()))
}

/// The name without its tag.
fn repository(name: &str) -> Result<&str, String> {
    match name.rsplit_once(':') {
        Some((repository, tag)) if ![repository, tag].contains(&"") && !tag.contains('/') => {
            Ok(repository)
        }
        _ => Err(format!("{name:?} has no name or no tag: write NAME:TAG")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_put_there_by_name_and_tag() {
        assert_eq!(repository("team/tool:1.0"), Ok("team/tool"));
        for refused in ["tool", "tool:", ":1", "host:5000/tool", ""] {
            assert!(repository(refused).is_err(), "{refused}");
        }
    }
}
