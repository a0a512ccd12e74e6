//! `vaultyard controller prepare`: a server's files, put in place before it starts.

use std::process::ExitCode;

use vaultyard_render::kubernetes::server_configuration::server_configuration;
use vaultyard_target_kubernetes::pod::{Paths, files};

use super::pod::ServerPod;
use crate::failure::{Failure, failed};

/// Puts everything in place, once. Kubelet tries again when it fails.
pub(crate) fn run() -> Result<ExitCode, Failure> {
    let ServerPod { cluster, server, .. } = ServerPod::this()?;
    let configuration = server_configuration(&cluster, &server, &[]);
    files::prepare(&Paths::default(), &server, &configuration).map_err(failed)?;
    Ok(ExitCode::SUCCESS)
}
