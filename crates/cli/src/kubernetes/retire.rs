//! Optional objects that an earlier document has asked for and this one does not: a way in that nobody
//! wants any more, or monitors of what is not watched. The cluster controller has no right on them any
//! more, so the person who changed the document removes them.

use vaultyard_model::Cluster;
use vaultyard_render::kubernetes::optional;
use vaultyard_target_kubernetes::Api;
use vaultyard_target_kubernetes::apply::Owner;

use super::check;
use crate::failure::{Failure, failed};
use crate::progress::Progress;

/// Deletes those that stand and are this cluster's.
pub(super) async fn unwanted(
    api: &Api,
    cluster: &Cluster,
    progress: &Progress,
) -> Result<(), Failure> {
    let owner = Owner::Cluster(cluster.name.as_str());
    for reference in check::ours(api, cluster, &optional::unwanted(cluster)).await? {
        // Deleted is the one that is seen to be ours, and none that took its place meanwhile.
        let found = api.get(&reference).await.map_err(failed)?;
        let Some(found) = found.filter(|found| owner.foreign(found).is_none()) else { continue };
        let uid = found["metadata"]["uid"].as_str().unwrap_or_default();
        if api.delete(&reference, uid).await.map_err(failed)? {
            progress.done(format!("deleted {reference}, which the document does not ask for"));
        }
    }
    Ok(())
}
