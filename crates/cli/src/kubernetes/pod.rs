//! What a pod is told about itself: by its environment, and by the document that is mounted.

use std::path::PathBuf;

use vaultyard_manifest::Target;
use vaultyard_model::{Cluster, ServerName};
use vaultyard_render::kubernetes::Names;

use crate::document::{self, Document};
use crate::failure::{Failure, Kind};
use crate::system;

/// The document of the cluster that this pod belongs to.
pub(crate) fn document() -> Result<Document, Failure> {
    let path = PathBuf::from(variable("VAULTYARD_DOCUMENT")?);
    document::from_file(&path, Target::Kubernetes)
}

/// The name of this pod, which nobody else has.
pub(crate) fn name() -> Result<String, Failure> {
    variable("POD_NAME")
}

/// A variable of the environment, which the manifests set.
pub(crate) fn variable(name: &str) -> Result<String, Failure> {
    let missing = || {
        Failure::text(Kind::BadInput, format!("the environment variable {name} is not set"))
            .hint("this command runs in pods that `vaultyard up --target kubernetes` makes")
    };
    system::variable(name).ok_or_else(missing)
}

/// A server's pod.
pub(crate) struct ServerPod {
    /// What is wanted.
    pub(crate) cluster: Cluster,
    /// Whether it is the built-in one.
    pub(crate) built_in: bool,
    /// Which server this is.
    pub(crate) server: ServerName,
    /// What everything is called.
    pub(crate) names: Names,
}

impl ServerPod {
    /// The same, among so many servers.
    pub(crate) fn among(self, servers: u8) -> Self {
        Self { cluster: self.cluster.standing(servers), ..self }
    }

    /// The pod that this program runs in.
    pub(crate) fn this() -> Result<Self, Failure> {
        let Document { cluster, built_in, .. } = document()?;
        let name = name()?;
        let stranger = || {
            let what = format!("the pod {name} is no server of the cluster {}", cluster.name);
            Failure::text(Kind::BadInput, what)
        };
        let server = cluster.name.server_named(&name).ok_or_else(stranger)?;
        let names = Names::of(&cluster);
        Ok(Self { cluster, built_in, server, names })
    }
}
