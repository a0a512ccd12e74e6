//! `vaultyard controller`

use std::process::ExitCode;

use super::wait;
use crate::arguments::Controller;
use crate::failure::Failure;
use crate::kubernetes::{certificates, cluster, prepare, proxy, unsealer};
use crate::logging;

pub(super) fn run(verbose: u8, controller: Controller) -> Result<ExitCode, Failure> {
    logging::in_pod(verbose);
    match controller {
        Controller::Prepare => prepare::run(),
        Controller::Unsealer => wait(unsealer::run()),
        Controller::Proxy => wait(proxy::run()),
        Controller::Certificates => wait(certificates::run()),
        Controller::Cluster => wait(cluster::run()),
    }
}
