//! `vaultyard controller`

use std::process::ExitCode;

use rustix::process::{DumpableBehavior, set_dumpable_behavior};

use super::wait;
use crate::arguments::Controller;
use crate::failure::{Failure, failed};
use crate::kubernetes::{certificates, cluster, prepare, prover, proxy, unsealer};
use crate::logging;

pub(super) fn run(verbose: u8, controller: Controller) -> Result<ExitCode, Failure> {
    logging::in_pod(verbose);
    // The server and its unsealer are one user in one process namespace. Without this, whoever has the
    // server could read the unsealer's memory and, by /proc/PID/root, the keys that only it mounts.
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(failed)?;
    match controller {
        Controller::Prepare => prepare::run(),
        Controller::Unsealer => wait(unsealer::run()),
        Controller::Prover => wait(prover::run()),
        Controller::Proxy => wait(proxy::run()),
        Controller::Certificates => wait(certificates::run()),
        Controller::Cluster => wait(cluster::run()),
    }
}
