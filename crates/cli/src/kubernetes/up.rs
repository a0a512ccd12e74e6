//! `vaultyard up --target kubernetes`

use std::future::Future;
use std::pin::pin;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use serde_json::Value;
use tokio::time::{sleep, timeout};
use vaultyard_model::duration::Short;
use vaultyard_model::port::clock::Clock;
use vaultyard_model::status::Phase;
use vaultyard_render::kubernetes::{Names, Release, workload};
use vaultyard_target_kubernetes::Api;
use vaultyard_target_kubernetes::cluster::ClusterObject;

use super::check::{self, Plan};
use super::declared::{self, RESUMED, STOPPED};
use super::{install, reach, retire, rollout, waiting};
use crate::arguments::{Common, Up};
use crate::control::wire;
use crate::document::Document;
use crate::failure::{Failure, Kind, failed};
use crate::following::Following;
use crate::milestones::Told;
use crate::progress::Progress;
use crate::stops::Stops;
use crate::system::{self, SystemClock};

/// Between two looks at the pods while nothing else tells what is waited for.
const LOOK: Duration = Duration::from_secs(1);

/// What is to stand there.
pub(super) struct Wish {
    pub(super) document: Document,
    pub(super) release: Release,
    /// Whether objects of others are taken over.
    pub(super) adopt: bool,
    /// Whether a snapshot comes before another version of the servers.
    pub(super) snapshot: bool,
    /// How long it may take until it is ready.
    pub(super) timeout: Duration,
}

/// Installs the cluster and waits until it is ready. It goes on by itself whatever becomes of us.
pub(crate) async fn run(common: &Common, arguments: &Up) -> Result<ExitCode, Failure> {
    refuse_what_is_local(arguments)?;
    let wish = Wish {
        document: check::document(arguments.document.file.as_deref())?,
        release: install::release(&arguments.images)?,
        adopt: arguments.adopt,
        snapshot: true,
        timeout: arguments.timeout,
    };
    let names = Names::of(&wish.document.cluster);
    let progress = Progress::new(common.quiet, system::fancy_terminal());
    progress.say(format!("{} in the namespace {}", wish.document.headline(), names.namespace()));
    let work = async {
        let api = reach::api(&common.kubernetes).await?;
        let version = api.version().await.map_err(reach::refused)?;
        progress.done(format!("Kubernetes {version} answers at {}", api.address()));
        bring(&api, &wish, &progress).await
    };
    attended(&progress, work).await
}

/// Does the work and says goodbye, unless a person stops waiting for it.
pub(super) async fn attended(
    progress: &Progress,
    work: impl Future<Output = Result<String, Failure>>,
) -> Result<ExitCode, Failure> {
    let mut stops = Stops::listen()?;
    let outcome = tokio::select! {
        outcome = work => outcome,
        _ = stops.next() => Err(Failure::text(Kind::Interrupted, "stopped waiting")
            .hint("what was applied goes on by itself; `vaultyard up` again goes on where it was")),
    };
    progress.end();
    progress.say(outcome?);
    Ok(ExitCode::SUCCESS)
}

/// Applies what is wished, and waits until it is ready; what to say then.
pub(super) async fn bring(api: &Api, wish: &Wish, progress: &Progress) -> Result<String, Failure> {
    let began = Instant::now();
    let Wish { document, release, adopt, snapshot, timeout: patience } = wish;
    let cluster = &document.cluster;
    let names = Names::of(cluster);
    let objects = install::objects(document, release)?;
    let workload = workload(cluster, release, &document.text);
    let plan = Plan { cluster, installation: &objects, workload: &workload, adopt: *adopt };
    check::before_up(api, &plan).await?.iter().for_each(|note| progress.say(note));
    if *adopt {
        check::adopt(api, &plan, progress).await?;
    }
    let object = ClusterObject::new(api.clone(), &names);
    // Before the version itself is said. Where there is no cluster yet nothing is said of it.
    if let Ok(Some(standing)) = object.read().await {
        let version = &cluster.servers.version;
        declared::want_snapshot(&object, &standing, version, *snapshot).await?;
    }
    install::apply(api, cluster, &objects, *adopt, progress).await?;
    let standing = object.read().await.map_err(failed)?;
    if standing.as_ref().is_some_and(declared::is_stopped) {
        object.annotate(install::MANAGER, STOPPED, None).await.map_err(failed)?;
        progress.done("it was stopped, and is started again");
    }
    if standing.as_ref().and_then(reach::status).is_some_and(|status| status.is_frozen()) {
        let now = SystemClock.now().to_string();
        object.annotate(install::MANAGER, RESUMED, Some(&now)).await.map_err(failed)?;
        progress.done("the rollout was frozen, and goes on");
    }
    let mut following = Following::new(progress, None);
    let ready = async {
        let status = until_ready(api, &names, release, &mut following, progress).await?;
        // Only now: whoever still follows an earlier document would miss them.
        retire::unwanted(api, cluster, progress).await?;
        Ok::<_, Failure>(status)
    };
    let Ok(ready) = timeout(*patience, ready).await else {
        let why = last_words(api, &names).await;
        let what = format!("not ready within {patience:?}: {why}");
        return Err(Failure::text(Kind::NotInTime, what)
            .hint("it goes on by itself; `vaultyard status --target kubernetes` shows how far"));
    };
    Ok(format!("{}{}", following.timeline(), farewell(&names, &ready?, began.elapsed())))
}

fn refuse_what_is_local(arguments: &Up) -> Result<(), Failure> {
    let local =
        [("--address", arguments.document.address.is_some()), ("--detach", arguments.detach)];
    match local.into_iter().find(|(_, given)| *given) {
        None => Ok(()),
        Some((flag, _)) => {
            let what = format!("{flag} has no meaning on Kubernetes");
            Err(Failure::text(Kind::BadInput, what).hint("leave it out, or leave --target out"))
        }
    }
}

/// Tells what happens until the cluster is ready.
async fn until_ready(
    api: &Api,
    names: &Names,
    release: &Release,
    following: &mut Following<'_>,
    progress: &Progress,
) -> Result<wire::Status, Failure> {
    let object = ClusterObject::new(api.clone(), names);
    let mut changes = pin!(object.watch());
    let mut told = Told::default();
    let mut ready: Option<wire::Status> = None;
    loop {
        if let Some(ready) = &ready {
            match not_followed(api, names, release).await? {
                None => return Ok(ready.clone()),
                Some(why) => progress.waiting(why),
            }
        }
        let now = tokio::select! {
            Some(change) = changes.next() => change,
            () = sleep(LOOK) => {
                let why = waiting::first(api, names).await;
                why.into_iter().for_each(|why| progress.waiting(why));
                continue;
            }
        };
        let now = match now {
            Ok(Some(now)) => now,
            Ok(None) => return Err(Failure::text(Kind::Failed, "the VaultCluster was deleted")),
            Err(error) => {
                progress.waiting(error.to_string());
                continue;
            }
        };
        let Some(status) = current(&now) else { continue };
        for milestone in told.news(&status) {
            progress.done(milestone);
        }
        progress.waiting(&status.reason);
        if status.phase == Phase::Failed.as_str() {
            return Err(Failure::text(Kind::Failed, status.reason));
        }
        following.note(status.clone())?;
        ready = (status.phase == Phase::Ready.as_str()).then_some(status);
    }
}

/// Why a status of `Ready` does not say it of what is applied: it may be of an earlier day, with
/// nobody there to keep it true, and images are no part of what it is about.
async fn not_followed(
    api: &Api,
    names: &Names,
    release: &Release,
) -> Result<Option<String>, Failure> {
    if let Some(why) = rollout::pending(api, names, &release.vaultyard).await.map_err(failed)? {
        return Ok(Some(why));
    }
    if let Some(why) =
        rollout::pending_servers(api, names, &release.server).await.map_err(failed)?
    {
        return Ok(Some(why));
    }
    Ok(reach::silence(api, names).await)
}

/// The status, when it is that of what is declared now.
fn current(object: &Value) -> Option<wire::Status> {
    let observed = &object["status"]["observedGeneration"];
    (*observed == object["metadata"]["generation"]).then(|| reach::status(object)).flatten()
}

async fn last_words(api: &Api, names: &Names) -> String {
    let object = ClusterObject::new(api.clone(), names).read().await;
    let status = object.ok().flatten().as_ref().and_then(reach::status);
    let pods = waiting::first(api, names).await;
    match (status.map(|status| status.reason), pods) {
        (Some(reason), Some(pods)) => format!("{reason} ({pods})"),
        (Some(reason), None) | (None, Some(reason)) => reason,
        (None, None) => "the cluster controller has not said anything yet".to_owned(),
    }
}

fn farewell(names: &Names, status: &wire::Status, took: Duration) -> String {
    let keys = status.conditions.iter().find(|condition| condition.kind == "KeyBesideData");
    let namespace = names.namespace();
    let mut lines = vec![
        String::new(),
        format!("{} is ready after {}.", status.name, Short(took)),
        String::new(),
        format!("  Address    {} (within Kubernetes)", status.address),
        format!("  Namespace  {namespace}, and {} for its operations", names.operations()),
    ];
    lines.extend(keys.map(|condition| format!("  Keys       {}", condition.message)));
    lines.extend([
        String::new(),
        "To try it:".to_owned(),
        format!("  vaultyard status --target kubernetes -n {namespace}"),
        format!("  vaultyard login --target kubernetes -n {namespace}"),
        format!("  eval \"$(vaultyard env --target kubernetes -n {namespace})\""),
        format!("  kubectl -n {namespace} get vaultclusters,pods"),
    ]);
    lines.join("\n")
}
