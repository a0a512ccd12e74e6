//! Fault injection: what a test build can be told by its environment, and nothing otherwise.
//!
//! `VAULTYARD_FAULT=keys/request/after` ends the program at that point as SIGKILL does;
//! `VAULTYARD_FAULT_SERVERS=live` lets the servers outlive it. The file that `VAULTYARD_FAULT_CLOCK`
//! names holds the seconds by which the clock is wrong.

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
    use std::process::ExitCode;

    use super::{Arc, FaultHook, SignedDuration, Spawner};
    use crate::failure::Failure;
    use crate::output;

    struct FaultAt(String);

    impl FaultHook for FaultAt {
        fn reached(&self, point: &str) {
            if self.0 == point {
                // Not `abort`: nothing may run, be flushed or be written any more.
                rustix::process::kill_process(
                    rustix::process::getpid(),
                    rustix::process::Signal::KILL,
                )
                .ok();
                std::thread::park();
            }
        }
    }

    pub(crate) fn hook() -> Arc<dyn FaultHook> {
        Arc::new(FaultAt(std::env::var("VAULTYARD_FAULT").unwrap_or_default()))
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

    /// Every point that a cluster on this machine comes by, one a line.
    pub(crate) fn list() -> Result<ExitCode, Failure> {
        use vaultyard_keys::{access, initialise};
        let keys = initialise::step::Step::ALL_NAMES.map(|step| ("keys", step));
        let kubernetes_alone = access::step::Step::AllowServiceAccounts;
        let here = access::step::Step::ALL.into_iter().filter(|step| *step != kubernetes_alone);
        let access = here.map(|step| ("access", step.name()));
        for (area, step) in keys.into_iter().chain(access) {
            for point in vaultyard_keys::fault::points(area, step) {
                output::data(point)?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

pub(crate) use active::*;
