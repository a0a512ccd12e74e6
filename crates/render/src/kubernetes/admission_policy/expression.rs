//! The policy's expressions, in the Common Expression Language as Kubernetes has it. Lists and maps
//! written as JSON are literals of that language too.

use serde_json::{Value as Json, json};
use vaultyard_model::Cluster;

use crate::kubernetes::deployment::PROXY;
use crate::kubernetes::names::Names;
use crate::kubernetes::pod::{CERTIFICATES, DOCUMENT};
use crate::kubernetes::release::{Release, repository};
use crate::kubernetes::server_pod::{
    DATA, IDENTITIES, KEY_FILES, PREPARE, PROVER, RUN, SERVER, TOKEN, UNSEALER, command, key_files,
};

/// What stands behind the repository of an image that is named by digest.
const DIGEST: &str = "^(:[A-Za-z0-9_.-]+)?@sha256:[0-9a-f]{64}$";

/// The names that validations use. They are computed only where they are used, so what fits one
/// kind of object alone may stand here. `dyn` keeps the API server from checking one kind's
/// expressions against the other kinds' types.
pub(super) fn variables(
    cluster: &Cluster,
    names: &Names,
    release: &Release,
) -> [(&'static str, String); 10] {
    let ours = repository(&release.vaultyard);
    let images = json!({
        PREPARE: ours, UNSEALER: ours, SERVER: repository(&release.server), PROVER: ours,
        PROXY: ours,
    });
    let commands =
        json!({PREPARE: [], UNSEALER: [], SERVER: command(cluster), PROVER: [], PROXY: []});
    let arguments = json!({
        PREPARE: ["controller", PREPARE],
        UNSEALER: ["controller", UNSEALER],
        SERVER: [],
        PROVER: ["controller", PROVER],
        PROXY: ["controller", PROXY],
    });
    [
        ("isServers", named("statefulsets", names.stateful_set())),
        ("isProxy", named("deployments", &names.proxy())),
        ("isOurs", "variables.isServers || variables.isProxy".to_owned()),
        ("pod", "dyn(object).spec.template.spec".to_owned()),
        (
            "containers",
            "variables.pod.?initContainers.orValue([]) + variables.pod.containers".to_owned(),
        ),
        ("images", literal(&images)),
        ("commands", literal(&commands)),
        ("arguments", literal(&arguments)),
        ("serverVolumes", server_volumes(cluster, names)),
        ("proxyVolumes", proxy_volumes(names)),
    ]
}

/// What must be true, and what is said when it is not.
pub(super) fn validations(names: &Names) -> [(String, String); 9] {
    let set = names.stateful_set();
    let account = json!(set);
    let proxy = names.proxy();
    let containers = |of_servers: &[&str], of_proxy: &[&str]| {
        format!(
            "variables.containers.all(c, c.name in (variables.isServers ? {} : {}))",
            json!(of_servers),
            json!(of_proxy)
        )
    };
    let every = |condition: &str| format!("variables.containers.all(c, {condition})");
    [
        (
            format!(
                "request.resource.resource != 'pods' || \
                 dyn(object).spec.?serviceAccountName.orValue('') != {account} || \
                 (dyn(object).metadata.?name.orValue('') in {pods} && \
                 dyn(object).metadata.?ownerReferences.orValue([]).exists(o, \
                 o.apiVersion == 'apps/v1' && o.kind == 'StatefulSet' && o.name == {account} && \
                 o.?controller.orValue(false)))",
                pods = json!(names.every_server()),
            ),
            format!("only pods of StatefulSet {set} may use ServiceAccount {set}"),
        ),
        held(
            &format!(
                "variables.pod.?serviceAccountName.orValue('') == \
                 (variables.isServers ? {account} : {})",
                json!(proxy)
            ),
            format!(
                "StatefulSet {set} must use ServiceAccount {set}, and Deployment {proxy} \
                 ServiceAccount {proxy}"
            ),
        ),
        held(
            &containers(&[PREPARE, UNSEALER, SERVER, PROVER], &[PROXY]),
            "there is a container that is not Vaultyard's".to_owned(),
        ),
        held(
            &every(&format!(
                "c.image.startsWith(variables.images[c.name]) && \
                 c.image.substring(size(variables.images[c.name])).matches('{DIGEST}')"
            )),
            "an image is from another repository than the person who ran `up` allowed, or is not \
             named by digest"
                .to_owned(),
        ),
        held(
            &every(
                "c.?command.orValue([]) == variables.commands[c.name] && \
                 c.?args.orValue([]) == variables.arguments[c.name] && \
                 !c.?lifecycle.?postStart.hasValue() && \
                 !c.?lifecycle.?preStop.?exec.hasValue() && \
                 !c.?livenessProbe.?exec.hasValue() && \
                 !c.?readinessProbe.?exec.hasValue() && \
                 !c.?startupProbe.?exec.hasValue()",
            ),
            "a container runs another command than Vaultyard gives it".to_owned(),
        ),
        held(
            &every(
                "!c.?envFrom.hasValue() && c.?env.orValue([]).all(e, \
                 !e.?valueFrom.hasValue() || e.valueFrom.?fieldRef.hasValue())",
            ),
            "an environment variable comes from a Secret or a ConfigMap".to_owned(),
        ),
        held(
            &format!(
                "(variables.isServers ? variables.serverVolumes : variables.proxyVolumes) && \
                 dyn(object).spec.?volumeClaimTemplates.orValue([]).all(v, \
                 v.metadata.name == {})",
                json!(DATA)
            ),
            "there is a volume that is not Vaultyard's, or one of another kind".to_owned(),
        ),
        held(
            &every(&format!(
                "!(c.name in {}) || c.?volumeMounts.orValue([]).all(m, m.name in {})",
                json!([SERVER, PROVER]),
                json!([DATA, RUN]),
            )),
            "the server sees a volume that is the unsealer's".to_owned(),
        ),
        held(
            &format!(
                "!variables.pod.?hostNetwork.orValue(false) && \
                 !variables.pod.?hostPID.orValue(false) && \
                 !variables.pod.?hostIPC.orValue(false) && {}",
                every("!c.?securityContext.?privileged.orValue(false)")
            ),
            "a pod may have no part in its node".to_owned(),
        ),
    ]
}

/// A condition on our own workloads; other people's are not looked at.
fn held(condition: &str, message: String) -> (String, String) {
    (format!("!variables.isOurs || ({condition})"), message)
}

fn named(resource: &str, name: &str) -> String {
    format!(
        "request.resource.resource == '{resource}' && \
         dyn(object).metadata.?name.orValue('') == {}",
        json!(name)
    )
}

fn server_volumes(cluster: &Cluster, names: &Names) -> String {
    let mut allowed = vec![
        (RUN, "has(v.emptyDir)".to_owned()),
        (DOCUMENT, config_map(&names.document())),
        (CERTIFICATES, secret(&names.server_certificates())),
        (IDENTITIES, secret(&names.identities())),
        (
            TOKEN,
            "has(v.projected) && v.projected.sources.all(s, s.?serviceAccountToken.hasValue() || \
             s.?downwardAPI.hasValue() || s.?configMap.?name.orValue('') == 'kube-root-ca.crt')"
                .to_owned(),
        ),
    ];
    allowed.extend(key_files(cluster).map(|files| (KEY_FILES, secret(&files.secret))));
    volumes(&allowed)
}

fn proxy_volumes(names: &Names) -> String {
    volumes(&[
        (DOCUMENT, config_map(&names.document())),
        (CERTIFICATES, secret(&names.proxy_certificate())),
    ])
}

/// Whether each volume of the pod is one of these, of the kind that belongs to it. A volume has one
/// kind, which the API server sees to.
fn volumes(allowed: &[(&str, String)]) -> String {
    let each: Vec<String> = allowed
        .iter()
        .map(|(name, condition)| format!("(v.name == '{name}' && {condition})"))
        .collect();
    format!("variables.pod.?volumes.orValue([]).all(v, {})", each.join(" || "))
}

fn config_map(name: &str) -> String {
    format!("v.?configMap.?name.orValue('') == {}", json!(name))
}

fn secret(name: &str) -> String {
    format!("v.?secret.?secretName.orValue('') == {}", json!(name))
}

/// A map or list as a literal whose values have no one type.
fn literal(value: &Json) -> String {
    format!("dyn({value})")
}
