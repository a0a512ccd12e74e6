//! Asks the API server what applying each object would do. Writes nothing.

use futures_util::stream::{self, StreamExt, TryStreamExt};
use vaultyard_manifest::KIND;
use vaultyard_render::kubernetes::{Object, optional};
use vaultyard_target_kubernetes::apply::{ApplyError, Options, Owner, Rehearsal};
use vaultyard_target_kubernetes::error::Refused;
use vaultyard_target_kubernetes::{Api, ApiError, Reason, Reference};

use super::proposal::{Action, Change};
use crate::failure::{Failure, failed};
use crate::kubernetes::check::{self, AT_ONCE, Plan};
use crate::kubernetes::{cluster, install};

/// What would become of every object; `None` of one that is as it should be.
pub(super) async fn all(api: &Api, plan: &Plan<'_>) -> Result<Vec<Option<Change>>, Failure> {
    let installed = plan.installation.iter();
    let installed =
        installed.map(|object| (object, install::rehearsal(object, plan.cluster, plan.adopt)));
    // The cluster controller writes these, whoever else has written them.
    let owner = match plan.adopt {
        true => Owner::Anybody,
        false => Owner::Cluster(plan.cluster.name.as_str()),
    };
    let kept = Options { manager: cluster::MANAGER, force: true, dry_run: true, owner };
    let kept = plan.workload.iter().map(|object| (object, kept));
    let each = installed.chain(kept).map(|(object, options)| one(api, object, options));
    let mut all: Vec<_> = stream::iter(each).buffered(AT_ONCE).try_collect().await?;
    let unwanted = optional::unwanted(plan.cluster);
    let standing = check::ours(api, plan.cluster, &unwanted).await?;
    let deleted = |reference: &Reference| {
        let change = Change::of(reference, Action::Delete);
        Some(change.because("the document does not ask for it any more"))
    };
    all.extend(standing.iter().map(deleted));
    Ok(all)
}

async fn one(api: &Api, object: &Object, options: Options<'_>) -> Result<Option<Change>, Failure> {
    let reference = Reference::try_from(object).map_err(failed)?;
    let change = |action| Change::of(&reference, action);
    let error = match api.rehearse(&reference, &object.body, options).await {
        Ok(Rehearsal::Create) => return Ok(Some(change(Action::Create))),
        Ok(Rehearsal::Change(none)) if none.is_empty() => return Ok(None),
        Ok(Rehearsal::Change(fields)) => return Ok(Some(change(Action::Update).with(fields))),
        Err(error) => error,
    };
    let ApplyError::Api(ApiError { reason, .. }) = &error else { return Err(failed(error)) };
    match reason {
        Reason::NoNamespace { .. } => Ok(Some(change(Action::Create))),
        Reason::UnknownKind { .. } if object.kind == KIND => Ok(Some(change(Action::Create))),
        // Our own policy allows what stands there until it is itself applied anew; and who may grant
        // the controller its rights need not have them.
        Reason::Forbidden { refused: Refused::Admission | Refused::Rights, .. } => {
            let compared = api.compare(&reference, &object.body).await.map_err(failed)?;
            Ok(match compared {
                Some(none) if none.is_empty() => None,
                Some(fields) => Some(change(Action::Update).with(fields).because(reason)),
                None => Some(change(Action::Unknown).because(reason)),
            })
        }
        _ => Err(failed(error)),
    }
}
