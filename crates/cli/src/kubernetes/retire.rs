//! Optional objects that an earlier document has asked for and this one does not: a way in that nobody
//! wants any more, or monitors of what is not watched. The cluster controller has no right on them any
//! more, so the person who changed the document removes them.

use vaultyard_model::Cluster;
use vaultyard_render::kubernetes::optional;
use vaultyard_target_kubernetes::apply::Owner;
use vaultyard_target_kubernetes::{Api, ApiError, Reason, Reference};

use crate::failure::{Failure, failed};
use crate::progress::Progress;

/// Deletes those that stand and are this cluster's.
pub(super) async fn unwanted(
    api: &Api,
    cluster: &Cluster,
    progress: &Progress,
) -> Result<(), Failure> {
    for object in optional::unwanted(cluster) {
        let reference = Reference::try_from(&object).map_err(failed)?;
        let found = match api.get(&reference).await {
            Ok(found) => found,
            // There is none where the kind is none, and who may not look has never made one.
            Err(ApiError {
                reason: Reason::UnknownKind { .. } | Reason::Forbidden { .. }, ..
            }) => None,
            Err(error) => return Err(failed(error)),
        };
        let owner = Owner::Cluster(cluster.name.as_str());
        let Some(found) = found.filter(|found| owner.foreign(found).is_none()) else { continue };
        let uid = found["metadata"]["uid"].as_str().unwrap_or_default();
        if api.delete(&reference, uid).await.map_err(failed)? {
            progress.done(format!("deleted {reference}, which the document does not ask for"));
        }
    }
    Ok(())
}
