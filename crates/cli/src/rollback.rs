//! What `vaultyard rollback` goes back to; the same on every target.

use vaultyard_model::port::rollout::VersionChange;
use vaultyard_model::{Cluster, Version};
use vaultyard_plan::versions::{self, NoWayBack};

use crate::failure::{Failure, Kind};

/// The version that undoes the last change of version.
pub(crate) fn version_before(
    change: Option<&VersionChange>,
    declared: &Cluster,
) -> Result<Version, Failure> {
    let servers = &declared.servers;
    let nothing = || {
        Failure::text(Kind::BadInput, "no change of version is on record").hint(
            "another configuration goes as it came: put the document back, then `vaultyard apply`",
        )
    };
    let change = change.ok_or_else(nothing)?;
    versions::way_back(servers.software, change, &servers.version).map_err(|why| match why {
        NoWayBack::NotChanged { .. } => Failure::text(Kind::BadInput, why.to_string())
            .hint("`vaultyard upgrade --to VERSION` declares any other that may follow"),
        NoWayBack::Forward { .. } => Failure::text(Kind::BadInput, why.to_string()),
        NoWayBack::Passed { .. } => Failure::text(Kind::Refused, why.to_string()),
    })
}
