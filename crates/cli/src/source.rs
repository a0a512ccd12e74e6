//! Whom the commands ask that only look: a running `up`, or the `VaultCluster`.

use crate::arguments::{Common, Target};
use crate::control::client::Control;
use crate::control::wire::Status;
use crate::failure::{Failure, Kind, failed};
use crate::kubernetes::reach;
use crate::local;

use vaultyard_target_kubernetes::cluster::ClusterObject;

/// Where the status of a cluster is read.
pub(crate) enum Source {
    /// The `up` on this machine.
    Local(Control),
    /// The object that the cluster controller writes.
    Kubernetes(ClusterObject),
}

impl Source {
    /// The one that the command line means.
    pub(crate) async fn of(common: &Common) -> Result<Self, Failure> {
        Ok(match common.target {
            Target::Local => Self::Local(local::state::control(common)?),
            Target::Kubernetes => {
                let found = reach::cluster(common).await?;
                Self::Kubernetes(ClusterObject::new(found.api, &found.names))
            }
        })
    }

    /// How the cluster is.
    pub(crate) async fn status(&self) -> Result<Status, Failure> {
        match self {
            Self::Local(control) => control.status().await.map_err(failed),
            Self::Kubernetes(object) => {
                let gone = || Failure::text(Kind::Failed, "the VaultCluster was deleted");
                let now = object.read().await.map_err(failed)?.ok_or_else(gone)?;
                let silent = || {
                    Failure::text(Kind::Failed, "the cluster controller has written no status yet")
                        .hint("its pods are in the operations namespace: `kubectl get pods -A`")
                };
                reach::status(&now).ok_or_else(silent)
            }
        }
    }
}
