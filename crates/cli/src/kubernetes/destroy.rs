//! `vaultyard destroy --target kubernetes`

mod namespaces;

use std::process::ExitCode;
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep};
use vaultyard_manifest::KIND;
use vaultyard_model::cluster::Store;
use vaultyard_render::kubernetes::labels::{COMPONENT, Component, INSTANCE, MANAGED_BY, VAULTYARD};
use vaultyard_render::kubernetes::{Names, Release, workload};
use vaultyard_target_kubernetes::cluster::ClusterObject;
use vaultyard_target_kubernetes::kind::{Kind, LEASE, POD, SECRET};
use vaultyard_target_kubernetes::{Api, ApiError, Reason, Reference};

use super::reach::{self, Found};
use super::{declared, install, retire, rollout, trust};
use crate::arguments::{Common, Destroy};
use crate::command::destroy::snapshots_stay;
use crate::document::Document;
use crate::failure::{Failure, Kind as Fault, failed};
use crate::progress::Progress;
use crate::{output, system};

/// How long pods may take to end: a server's grace, and some more.
const DEADLINE: Duration = Duration::from_secs(180);
const PAUSE: Duration = Duration::from_millis(500);
/// What to do when it was interrupted.
const AGAIN: &str = "`destroy` again goes on where it was";

/// Removes what `up` and the controllers have made. Volumes and keys stay unless they are asked for.
pub(crate) async fn run(common: &Common, arguments: &Destroy) -> Result<ExitCode, Failure> {
    let Found { api, names } = reach::cluster(common).await?;
    let name = names.cluster();
    let object = ClusterObject::new(api.clone(), &names).read().await.map_err(failed)?;
    let gone = || Failure::text(Fault::Failed, "the VaultCluster was deleted meanwhile");
    let document = declared::read(&object.ok_or_else(gone)?, &names)?;
    let mut what = words(&names, arguments, &document.cluster.keys.store);
    what += &snapshots_stay(&document.cluster.snapshots.store);
    if arguments.yes.as_deref() == Some(name) && !common.quiet {
        eprintln!("{what}");
    }
    output::ask::confirm(&what, name, arguments.yes.as_deref(), 1)?;
    let progress = Progress::new(common.quiet, system::fancy_terminal());
    let removed = remove(&api, &names, &document, arguments, &progress).await;
    progress.end();
    removed?;
    Ok(ExitCode::SUCCESS)
}

fn words(names: &Names, arguments: &Destroy, store: &Store) -> String {
    let (name, namespace) = (names.cluster(), names.namespace());
    let this = format!("This removes the cluster {name:?} in the namespace {namespace}.");
    if store.is_a_bucket() {
        let volumes = if arguments.volumes { "go too" } else { "are kept" };
        let authority = if arguments.keys { "goes too" } else { "is kept" };
        return format!(
            "{this} The servers' volumes {volumes}, the certificate authority {authority}. The \
             encrypted unseal keys stay in {store}: delete them there before a new cluster uses it."
        );
    }
    let kept = match (arguments.volumes, arguments.keys) {
        (false, false) => {
            "The servers' volumes, the unseal keys and the certificate authority are kept: `up` again \
             goes on with them."
        }
        (true, false) => {
            "The servers' volumes go too. The unseal keys are kept, and open nothing then: `up` \
             begins anew only once `destroy --keys` has removed them as well."
        }
        (false, true) => {
            "The unseal keys go too, without which nobody opens the volumes that are kept."
        }
        (true, true) => {
            "The servers' volumes and the unseal keys go too, and both namespaces where nobody else \
             has anything in them. There is no way back."
        }
    };
    format!("{this} {kept}")
}

async fn remove(
    api: &Api,
    names: &Names,
    document: &Document,
    arguments: &Destroy,
    progress: &Progress,
) -> Result<(), Failure> {
    // Images have no part in what objects are called.
    let release = Release { vaultyard: String::new(), server: String::new() };
    let cluster = &document.cluster;
    let (namespace, operations) = (names.namespace(), names.operations());

    // Who would put back what is removed goes first.
    let installed = install::objects(document, &release)?;
    let installed = installed.iter().rev().map(Reference::try_from);
    let installed = installed.collect::<Result<Vec<_>, _>>().map_err(failed)?;
    let kind = |reference: &&Reference| reference.kind().kind;
    for controller in installed.iter().filter(|it| kind(it) == "Deployment") {
        delete(api, controller).await?;
    }
    for component in [Component::ClusterController, Component::CertificatesController] {
        ended(api, names, operations, component, progress, AGAIN).await?;
    }
    progress.done("the controllers are gone");

    for object in workload(cluster, &release, &document.text).iter().rev() {
        delete(api, &Reference::try_from(object).map_err(failed)?).await?;
    }
    retire::unwanted(api, cluster, progress).await?;
    let servers = rollout::pods_of(api, names, namespace, Component::Server).await;
    delete_orphans(api, namespace, &servers.map_err(failed)?).await?;
    for component in [Component::Proxy, Component::Server] {
        ended(api, names, namespace, component, progress, AGAIN).await?;
    }
    progress.done("proxies and servers are gone");

    let secrets = [names.server_certificates(), names.identities(), names.proxy_certificate()];
    for secret in &secrets {
        delete(api, &Reference::within(SECRET, namespace, secret)).await?;
    }
    delete(api, &trust::object(names)).await?;
    if arguments.keys {
        for secret in names.key_secrets() {
            delete(api, &Reference::within(SECRET, namespace, &secret)).await?;
        }
        delete(api, &Reference::within(SECRET, operations, &names.authority())).await?;
        let gone = if document.cluster.keys.store.is_a_bucket() {
            "the certificate authority is gone"
        } else {
            "the unseal keys and the certificate authority are gone"
        };
        progress.done(gone);
    }
    if arguments.volumes {
        let claim = Kind::find("v1", "PersistentVolumeClaim");
        for (kind, name) in
            claim.iter().flat_map(|kind| names.every_claim().into_iter().map(|it| (*kind, it)))
        {
            delete_claim(api, names, &Reference::within(kind, namespace, &name)).await?;
        }
        progress.done("the servers' volumes are given back");
    }
    for lease in [names.cluster_controller(), names.certificates_controller()] {
        delete(api, &Reference::within(LEASE, operations, &lease)).await?;
    }
    // The definition is shared by all clusters; namespaces hold what is kept. By the VaultCluster a
    // `destroy` that was interrupted is found again, so it goes last.
    let stays = |it: &&Reference| {
        matches!(kind(it), "CustomResourceDefinition" | "Namespace") || kind(it) == KIND
    };
    for object in installed.iter().filter(|it| !stays(it)) {
        delete(api, object).await?;
    }
    let all = arguments.keys && arguments.volumes;
    let mut gone = all && namespaces::delete_empty(api, operations, progress).await?;
    for object in installed.iter().filter(|it| kind(it) == KIND) {
        delete_whoever(api, object).await?;
    }
    gone = all && namespaces::delete_empty(api, namespace, progress).await? && gone;
    if gone {
        progress.done("both namespaces are gone");
    }
    progress.done(format!("{} is destroyed", names.cluster()));
    Ok(())
}

/// The object, when there is one. There is none of a kind that the API server does not know any more.
async fn present(api: &Api, object: &Reference) -> Result<Option<Value>, Failure> {
    match api.get(object).await {
        Err(ApiError { reason: Reason::UnknownKind { .. }, .. }) => Ok(None),
        found => found.map_err(failed),
    }
}

/// Deletes an object of ours. One that somebody else made stays, and is told.
async fn delete(api: &Api, object: &Reference) -> Result<(), Failure> {
    let Some(now) = present(api, object).await? else { return Ok(()) };
    if now["metadata"]["labels"][MANAGED_BY] != VAULTYARD {
        eprintln!("left alone: {object}, which is not managed by Vaultyard");
        return Ok(());
    }
    delete_this(api, object, &now).await
}

/// Deletes the claim of a server. Kubernetes makes it, with the labels that the StatefulSet gives it;
/// others call theirs by the same names.
async fn delete_claim(api: &Api, names: &Names, claim: &Reference) -> Result<(), Failure> {
    let Some(now) = present(api, claim).await? else { return Ok(()) };
    let labels = &now["metadata"]["labels"];
    if labels[INSTANCE] != names.cluster() || labels[COMPONENT] != Component::Server.as_str() {
        eprintln!("left alone: {claim}, which no server of this cluster has had");
        return Ok(());
    }
    delete_this(api, claim, &now).await
}

/// Deletes those of the servers' pods whose StatefulSet somebody has deleted without them (`kubectl delete
/// --cascade=orphan`): they go with nothing else.
async fn delete_orphans(api: &Api, namespace: &str, pods: &[Value]) -> Result<(), Failure> {
    let orphan = |pod: &&Value| {
        let metadata = &pod["metadata"];
        metadata["ownerReferences"].is_null()
            && metadata["deletionTimestamp"].is_null()
            && metadata["labels"][MANAGED_BY] == VAULTYARD
    };
    for pod in pods.iter().filter(orphan) {
        let object = Reference::within(POD, namespace, &rollout::name(pod));
        delete_this(api, &object, pod).await?;
    }
    Ok(())
}

async fn delete_whoever(api: &Api, object: &Reference) -> Result<(), Failure> {
    match present(api, object).await? {
        Some(now) => delete_this(api, object, &now).await,
        None => Ok(()),
    }
}

async fn delete_this(api: &Api, object: &Reference, now: &Value) -> Result<(), Failure> {
    let uid = now["metadata"]["uid"].as_str().unwrap_or_default();
    api.delete(object, uid).await.map(drop).map_err(failed)
}

/// Waits until no pod of a part runs any more.
pub(super) async fn ended(
    api: &Api,
    names: &Names,
    namespace: &str,
    component: Component,
    progress: &Progress,
    hint: &str,
) -> Result<(), Failure> {
    let deadline = Instant::now() + DEADLINE;
    loop {
        let pods = rollout::pods_of(api, names, namespace, component).await.map_err(failed)?;
        let left: Vec<_> = pods.iter().map(rollout::name).collect();
        if left.is_empty() {
            return Ok(());
        }
        if Instant::now() > deadline {
            let what = format!("still there after {DEADLINE:?}: {}", left.join(", "));
            return Err(Failure::text(Fault::NotInTime, what).hint(hint));
        }
        progress.waiting(format!("{} end", left.join(", ")));
        sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use vaultyard_model::cluster::{Bucket, Prefix};

    use super::*;

    fn words_for(store: &Store, volumes: bool, keys: bool) -> String {
        let document = crate::document::built_in(vaultyard_manifest::Target::Kubernetes);
        let Ok(document) = document else { panic!("the built-in document is refused") };
        let arguments = Destroy { yes: None, volumes, keys };
        words(&Names::of(&document.cluster), &arguments, store)
    }

    #[test]
    fn keys_in_a_bucket_stay_whatever_is_asked_for() {
        let (bucket, prefix) = (Bucket::new("vault-keys").unwrap(), Prefix::new("vault").unwrap());
        let bucket = Store::GoogleStorage { bucket, prefix };
        for (volumes, keys) in [(false, false), (true, true)] {
            let said = words_for(&bucket, volumes, keys);
            let stay = "The encrypted unseal keys stay in gs://vault-keys/vault: delete them there";
            assert!(said.contains(stay), "{said}");
        }
        let said = words_for(&Store::KubernetesSecret, true, true);
        assert!(said.ends_with("There is no way back."), "{said}");
    }
}
