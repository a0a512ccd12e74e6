//! `vaultyard down --target kubernetes`

use std::process::ExitCode;

use vaultyard_render::kubernetes::labels::Component;
use vaultyard_target_kubernetes::cluster::ClusterObject;

use super::declared::STOPPED;
use super::reach::{self, Found};
use super::{destroy, install};
use crate::arguments::Common;
use crate::failure::{Failure, failed};
use crate::progress::Progress;
use crate::system;

/// Servers and proxies end; everything else stands, and the controllers keep it so.
pub(crate) async fn run(common: &Common) -> Result<ExitCode, Failure> {
    let Found { api, names } = reach::cluster(common).await?;
    let progress = Progress::new(common.quiet, system::fancy_terminal());
    let object = ClusterObject::new(api.clone(), &names);
    object.annotate(install::MANAGER, STOPPED, Some("true")).await.map_err(failed)?;
    let stopped = async {
        // It is the controller that stops them.
        if let Some(why) = reach::silence(&api, &names).await {
            progress.say(&why);
        }
        let hint = "it is noted, and goes on by itself once a cluster controller is at work: \
                    `vaultyard status --target kubernetes` tells";
        for component in [Component::Proxy, Component::Server] {
            destroy::ended(&api, &names, names.namespace(), component, &progress, hint).await?;
        }
        Ok::<(), Failure>(())
    };
    let stopped = stopped.await;
    progress.end();
    stopped?;
    if !common.quiet {
        eprintln!("stopped; data and keys are kept");
    }
    Ok(ExitCode::SUCCESS)
}
