//! Whom the commands ask that only look: a running `up`, or the `VaultCluster`.

use crate::arguments::{Common, Target};
use crate::control::client::Control;
use crate::control::wire::Status;
use crate::failure::{Failure, failed};
use crate::kubernetes::reach::{self, Found};
use crate::local;

/// Where the status of a cluster is read.
pub(crate) enum Source {
    /// The `up` on this machine.
    Local(Control),
    /// The object that the cluster controller writes.
    Kubernetes(Found),
}

impl Source {
    /// The one that the command line means.
    pub(crate) async fn of(common: &Common) -> Result<Self, Failure> {
        Ok(match common.target {
            Target::Local => Self::Local(local::state::control(common)?),
            Target::Kubernetes => Self::Kubernetes(reach::cluster(common).await?),
        })
    }

    /// How the cluster is.
    pub(crate) async fn status(&self) -> Result<Status, Failure> {
        match self {
            Self::Local(control) => control.status().await.map_err(failed),
            Self::Kubernetes(found) => found.status().await,
        }
    }
}
