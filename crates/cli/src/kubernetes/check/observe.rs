//! Looks at what stands there, what we may do, and where pods and volumes could be. Writes nothing.

use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde_json::Value;
use vaultyard_model::Cluster;
use vaultyard_plan::change::Fault;
use vaultyard_render::kubernetes::names::DEFINITION;
use vaultyard_render::kubernetes::{Names, Object, optional, server_pod};
use vaultyard_target_kubernetes::access_review::Act;
use vaultyard_target_kubernetes::apply::ApplyError;
use vaultyard_target_kubernetes::cluster::ClusterObject;
use vaultyard_target_kubernetes::kind::{Kind, NODE, SECRET, STORAGE_CLASS};
use vaultyard_target_kubernetes::{Api, ApiError, Reason, Reference};

use super::Plan;
use super::facts::{self, Class, Facts, KeyFilesSeen, Node, Seen, Standing};
use super::needs::{self, HandingOn};
use crate::document::Document;
use crate::failure::{Failure, failed};
use crate::kubernetes::{declared, install};

/// How many questions are under way at once.
pub(in crate::kubernetes) const AT_ONCE: usize = 16;

/// All that can be known.
pub(super) async fn facts(api: &Api, plan: &Plan<'_>) -> Result<Facts, Failure> {
    let Plan { cluster, installation, workload, adopt } = *plan;
    let mut standing = self::standing(api, cluster, installation, adopt).await?;
    let missing = missing(api, &standing, plan).await?;
    let held = held(api, &standing, plan).await;
    standing.extend(self::standing(api, cluster, workload, adopt).await?);
    let definition =
        Reference::find("apiextensions.k8s.io/v1", "CustomResourceDefinition", None, DEFINITION);
    let definition = look(api, &definition.map_err(failed)?).await?;
    let versions = match definition {
        Look::At(definition) => Some(facts::versions(&definition.unwrap_or_default())),
        Look::NoSuchKind | Look::Hidden => None,
    };
    let nodes = list(api, NODE).await?;
    let classes = list(api, STORAGE_CLASS).await?;
    let key_files = key_files(api, cluster).await?;
    let servers_stand = standing
        .iter()
        .any(|seen| seen.reference.kind().kind == "StatefulSet" && seen.standing == Standing::Ours);
    Ok(Facts {
        missing,
        standing,
        held,
        versions,
        nodes: nodes.map(|nodes| nodes.iter().filter_map(Node::read).collect()),
        classes: classes.map(|classes| classes.iter().map(Class::read).collect()),
        key_files,
        servers_stand,
        unfollowed: unfollowed(api, plan, servers_stand).await?,
    })
}

/// What the document asks for that the cluster cannot follow. Where its last document may not be
/// read, the cluster controller is the one who refuses.
async fn unfollowed(
    api: &Api,
    plan: &Plan<'_>,
    servers_stand: bool,
) -> Result<Vec<Fault>, Failure> {
    if !servers_stand {
        return Ok(Vec::new());
    }
    let Some(followed) = followed(api, plan.cluster).await? else { return Ok(Vec::new()) };
    let object = ClusterObject::new(api.clone(), &Names::of(plan.cluster)).read().await;
    let object = seen(object)?.flatten();
    Ok(declared::unfollowed(&followed.cluster, plan.cluster, object.as_ref()))
}

/// The document that the cluster follows, as far as it may be read.
pub(in crate::kubernetes) async fn followed(
    api: &Api,
    cluster: &Cluster,
) -> Result<Option<Document>, Failure> {
    Ok(seen(declared::followed(api, &Names::of(cluster)).await)?.flatten())
}

/// `None` of what may not be read.
fn seen<T>(answer: Result<T, ApiError>) -> Result<Option<T>, Failure> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(ApiError { reason: Reason::Forbidden { .. }, .. }) => Ok(None),
        Err(error) => Err(failed(error)),
    }
}

/// What is in the Secret that somebody else writes.
async fn key_files(api: &Api, cluster: &Cluster) -> Result<KeyFilesSeen, Failure> {
    let Some(wanted) = server_pod::key_files(cluster) else { return Ok(KeyFilesSeen::NotNeeded) };
    let names = Names::of(cluster);
    let secret = Reference::within(SECRET, names.namespace(), &wanted.secret);
    match api.secret_entries(&secret).await {
        Ok(entries) => Ok(entries.map_or(KeyFilesSeen::Absent, KeyFilesSeen::Entries)),
        Err(ApiError { reason: Reason::NoNamespace { .. }, .. }) => Ok(KeyFilesSeen::Absent),
        Err(ApiError { reason: Reason::Forbidden { .. }, .. }) => Ok(KeyFilesSeen::Hidden),
        Err(error) => Err(failed(error)),
    }
}

/// What stands in the places of these objects, in their order.
pub(super) async fn standing(
    api: &Api,
    cluster: &Cluster,
    objects: &[Object],
    adopt: bool,
) -> Result<Vec<Seen>, Failure> {
    let each = objects.iter().map(|object| async move {
        let reference = Reference::try_from(object).map_err(failed)?;
        let standing = match look(api, &reference).await? {
            Look::At(found) => Standing::of(found.as_ref(), install::owner(object, cluster, adopt)),
            Look::NoSuchKind => Standing::NoSuchKind,
            Look::Hidden => Standing::Hidden,
        };
        Ok(Seen { reference, standing })
    });
    stream::iter(each).buffered(AT_ONCE).try_collect().await
}

/// Where a rehearsal finds that somebody else holds fields. What else the API server has against an
/// object is told when it is applied: what comes before it may be what it lacks now.
async fn held(api: &Api, installed: &[Seen], plan: &Plan<'_>) -> Vec<ApplyError> {
    let stand = installed.iter().zip(plan.installation);
    let stand = stand.filter(|(seen, _)| seen.standing == Standing::Ours);
    let each = stand.map(|(seen, object)| async move {
        let options = install::rehearsal(object, plan.cluster, plan.adopt);
        match api.apply(&seen.reference, &object.body, options).await {
            Err(held @ ApplyError::Conflict { .. }) => Some(held),
            _ => None,
        }
    });
    let all: Vec<_> = stream::iter(each).buffered(AT_ONCE).collect().await;
    all.into_iter().flatten().collect()
}

/// What a look gave.
enum Look {
    At(Option<Value>),
    NoSuchKind,
    Hidden,
}

async fn look(api: &Api, object: &Reference) -> Result<Look, Failure> {
    match api.get(object).await {
        Ok(found) => Ok(Look::At(found)),
        Err(ApiError { reason: Reason::NoNamespace { .. }, .. }) => Ok(Look::At(None)),
        Err(ApiError { reason: Reason::UnknownKind { .. }, .. }) => Ok(Look::NoSuchKind),
        Err(ApiError { reason: Reason::Forbidden { .. }, .. }) => Ok(Look::Hidden),
        Err(error) => Err(failed(error)),
    }
}

/// All objects of a kind; `None` when we may not look at them.
async fn list(api: &Api, kind: Kind) -> Result<Option<Vec<Value>>, Failure> {
    match api.list(kind, None, &[]).await {
        Ok(all) => Ok(Some(all)),
        Err(ApiError { reason: Reason::Forbidden { .. }, .. }) => Ok(None),
        Err(error) => Err(failed(error)),
    }
}

/// What `up` would do and may not. Whoever may do everything is asked for nothing else.
async fn missing(api: &Api, installed: &[Seen], plan: &Plan<'_>) -> Result<Vec<Act>, Failure> {
    if api.may(&Act::everything()).await.map_err(failed)? {
        return Ok(Vec::new());
    }
    let mut acts = needs::of_up(installed.iter(), &Names::of(plan.cluster));
    let unwanted = optional::unwanted(plan.cluster);
    let unwanted = standing(api, plan.cluster, &unwanted, false).await?;
    acts.extend(needs::to_retire(unwanted.iter()));
    let mut missing = denied(api, acts).await?;
    for HandingOn { licence, rights } in plan.installation.iter().filter_map(needs::to_hand_on) {
        let licence = denied(api, licence).await?;
        if !licence.is_empty() && !denied(api, rights).await?.is_empty() {
            missing.extend(licence);
        }
    }
    Ok(missing)
}

/// Those of the acts that we may not do.
async fn denied(api: &Api, acts: Vec<Act>) -> Result<Vec<Act>, Failure> {
    let each = acts.into_iter().map(|act| async move {
        let may = api.may(&act).await.map_err(failed)?;
        Ok::<_, Failure>((!may).then_some(act))
    });
    let all: Vec<_> = stream::iter(each).buffered(AT_ONCE).try_collect().await?;
    Ok(all.into_iter().flatten().collect())
}
