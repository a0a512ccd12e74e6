//! Fault injection: what a test build can be told by its environment, and nothing otherwise.
//!
//! `VAULTYARD_FAULT=keys/request/after` ends the program at that point as SIGKILL does;
//! `VAULTYARD_FAULT_SERVERS=live` lets the servers outlive it. The file that `VAULTYARD_FAULT_CLOCK`
//! names holds the seconds by which the clock is wrong.
//!
//! The environment of an unsealer on Kubernetes is rendered and held so; its point is the entry
//! `fault` of the ConfigMap with the document, and it ends there once for each volume.

use std::sync::Arc;

use jiff::SignedDuration;
use vaultyard_keys::fault::FaultHook;
use vaultyard_target_local::Spawner;

#[cfg(not(feature = "fault-injection"))]
mod active {
    use super::{Arc, FaultHook, SignedDuration, Spawner};

    pub(crate) fn hook() -> Arc<dyn FaultHook> {
        Arc::new(vaultyard_keys::fault::NoFaults)
    }

    pub(crate) fn clock_error() -> SignedDuration {
        SignedDuration::ZERO
    }

    pub(crate) fn spawner() -> std::io::Result<Spawner> {
        Spawner::start()
    }
}

#[cfg(feature = "fault-injection")]
mod active {
    use std::path::PathBuf;
    use std::process::ExitCode;

    use vaultyard_render::kubernetes::pod::DOCUMENT_FOLDER;
    use vaultyard_render::kubernetes::server_pod::DATA_FOLDER;

    use super::{Arc, FaultHook, SignedDuration, Spawner};
    use crate::arguments::{Steps, Target};
    use crate::failure::Failure;
    use crate::local::rollout;
    use crate::output;

    /// The entry of the ConfigMap with the document.
    const ENTRY: &str = "fault";
    /// On a server's own volume: says that it has happened there.
    const HAPPENED: &str = "fault-happened";

    struct FaultAt {
        point: String,
        /// Whoever finds this file goes on; whoever does not leaves it.
        happened: Option<PathBuf>,
    }

    impl FaultHook for FaultAt {
        fn reached(&self, point: &str) {
            let happened = self.happened.as_ref();
            if self.point == point && !happened.is_some_and(|file| file.exists()) {
                if let Some(file) = happened {
                    std::fs::write(file, point).ok();
                }
                // Nothing may run, be flushed or be written any more.
                rustix::process::kill_process(
                    rustix::process::getpid(),
                    rustix::process::Signal::KILL,
                )
                .ok();
                // The first process of a container cannot kill itself.
                std::process::abort();
            }
        }
    }

    pub(crate) fn hook() -> Arc<dyn FaultHook> {
        if let Ok(point) = std::env::var("VAULTYARD_FAULT") {
            return Arc::new(FaultAt { point, happened: None });
        }
        let entry = PathBuf::from(DOCUMENT_FOLDER).join(ENTRY);
        let point = std::fs::read_to_string(entry).unwrap_or_default().trim().to_owned();
        Arc::new(FaultAt { point, happened: Some(PathBuf::from(DATA_FOLDER).join(HAPPENED)) })
    }

    pub(crate) fn clock_error() -> SignedDuration {
        let file = std::env::var_os("VAULTYARD_FAULT_CLOCK");
        let text = file.and_then(|file| std::fs::read_to_string(file).ok());
        let seconds = text.and_then(|text| text.trim().parse().ok());
        SignedDuration::from_secs(seconds.unwrap_or_default())
    }

    pub(crate) fn spawner() -> std::io::Result<Spawner> {
        let live = std::env::var("VAULTYARD_FAULT_SERVERS").is_ok_and(|value| value == "live");
        if live { Spawner::start_for_survivors() } else { Spawner::start() }
    }

    /// Every point that they come by, one a line.
    pub(crate) fn list(target: Target, of: Steps) -> Result<ExitCode, Failure> {
        use access::step::Step;
        use vaultyard_keys::{access, initialise, rekey};
        // Points are tried with OpenBao, whose audit file is declared.
        let is_here = |step: &Step| match step {
            Step::EnableAudit => false,
            Step::AllowServiceAccounts => target == Target::Kubernetes,
            _ => true,
        };
        let here = Step::ALL.into_iter().filter(is_here);
        let access = here.map(|step| ("access", step.name()));
        let steps: Vec<_> = match of {
            Steps::Rekey => rekey::STEPS.map(|step| ("rekey", step)).into(),
            Steps::Rollout => rollout::STEPS.map(|step| ("rollout", step)).into(),
            Steps::Unsealers => {
                let keys = initialise::step::Step::ALL_NAMES.map(|step| ("keys", step));
                keys.into_iter().chain(access).collect()
            }
        };
        for (area, step) in steps {
            for point in vaultyard_keys::fault::points(area, step) {
                output::data(point)?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

pub(crate) use active::*;
