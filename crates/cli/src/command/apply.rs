//! `vaultyard apply` and `vaultyard plan` on this machine: what a changed document means for a cluster that
//! runs, a person's word, and the servers replaced one after another.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use serde::Serialize;
use vaultyard_plan::proposal::Proposal;
use vaultyard_plan::versions::Passage;

use crate::arguments::{Apply, Common, Plan};
use crate::control::client::Control;
use crate::control::wire::{Condition, Status};
use crate::document::Document;
use crate::failure::{Failure, Kind, failed};
use crate::local::program::{self, Program};
use crate::local::state::Known;
use crate::local::{self, change};
use crate::output::changes::between;
use crate::progress::Progress;
use crate::{output, system};

/// The exit code of `plan --detailed-exitcode` when something would change.
const SOMETHING: u8 = 3;
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(100);
/// So long after a document was taken the servers must have begun to change.
const BEGIN: Duration = Duration::from_secs(10);

/// What is wanted, and of which cluster.
struct Wish {
    known: Known,
    document: Document,
    proposal: Proposal,
}

impl Wish {
    fn read(common: &Common, file: Option<&std::path::Path>) -> Result<Self, Failure> {
        let known = local::state::known(common)?;
        let document = local::document::find(file, known.state.paths().root())?;
        known.state.refuse_other(&document.cluster.name).map_err(failed)?;
        let (old, new) = (&known.document.cluster, &document.cluster);
        change::refuse(old, new)?;
        let proposal =
            Proposal::between(old, new).map_err(|refused| Failure::text(Kind::Refused, refused))?;
        Ok(Self { known, document, proposal })
    }
}

/// `vaultyard plan`
pub(super) fn plan(common: &Common, arguments: &Plan) -> Result<ExitCode, Failure> {
    let wish = Wish::read(common, arguments.file.as_deref())?;
    let Proposal { version, configuration, servers } = &wish.proposal;
    let shown = Shown {
        version: version.as_ref().map(|(from, to, passage)| Moved {
            from: from.to_string(),
            to: to.to_string(),
            reversible: *passage == Passage::BothWays,
        }),
        configuration: *configuration,
        servers: *servers,
    };
    output::print(arguments.output.output, &shown, |_| wish.proposal.to_string())?;
    let something = arguments.detailed_exitcode && !wish.proposal.is_empty();
    Ok(if something { ExitCode::from(SOMETHING) } else { ExitCode::SUCCESS })
}

/// A plan, for programs.
#[derive(Serialize)]
struct Shown {
    version: Option<Moved>,
    /// Whether servers get another configuration.
    configuration: bool,
    /// How many would be replaced, if anything is.
    servers: u8,
}

/// A change of version.
#[derive(Serialize)]
struct Moved {
    from: String,
    to: String,
    /// Whether the old version could lead again.
    reversible: bool,
}

/// `vaultyard apply`
pub(super) async fn run(common: &Common, arguments: &Apply) -> Result<ExitCode, Failure> {
    let wish = Wish::read(common, arguments.file.as_deref())?;
    let control = local::state::control(common)?;
    let status = control.status().await.map_err(|error| {
        failed(error).hint("`vaultyard up -f FILE` brings the cluster up as the file says")
    })?;
    output::data(&wish.proposal)?;
    let complete = rolled_out(&status).is_none_or(|condition| condition.status == "True");
    if wish.proposal.is_empty() && complete && wish.document.text == wish.known.document.text {
        return Ok(ExitCode::SUCCESS);
    }
    if !arguments.yes && !wish.proposal.is_empty() {
        output::ask::approve("Do this?")?;
    }
    let progress = Progress::new(common.quiet, system::fancy_terminal());
    let done = bring(&wish, &control, status, arguments.timeout, &progress).await;
    progress.end();
    progress.say(done?);
    Ok(ExitCode::SUCCESS)
}

/// Has the running `up` follow the document, and waits until it has; how it went.
async fn bring(
    wish: &Wish,
    control: &Control,
    status: Status,
    within: Duration,
    progress: &Progress,
) -> Result<String, Failure> {
    let began = Instant::now();
    let binaries = wish.known.state.paths().binaries();
    let cluster = &wish.document.cluster;
    if let Program::Fetch = program::look(cluster, &binaries).await? {
        let servers = &cluster.servers;
        program::fetch(servers.software, &servers.version, &binaries, progress).await?;
    }
    let replaced = control.change(&wish.document.text).await?;
    if replaced.is_empty() {
        return Ok("no server had to be replaced".to_owned());
    }
    progress.done(format!("the document is taken; {} servers are to be replaced", replaced.len()));
    let followed = follow(control, status, progress);
    let late = |_| {
        let what = format!("not done within {within:?}; it goes on");
        Err(Failure::text(Kind::NotInTime, what).hint("`vaultyard status` shows how far it is"))
    };
    tokio::time::timeout(within, followed).await.unwrap_or_else(late)?;
    let took = began.elapsed().as_secs_f64();
    Ok(format!("every server is as the document says, after {took:.1} s"))
}

/// Tells what happens until every server is as the document says.
async fn follow(control: &Control, before: Status, progress: &Progress) -> Result<(), Failure> {
    let (taken, mut before, mut begun) = (Instant::now(), before, false);
    loop {
        tokio::time::sleep(PAUSE).await;
        let now = control.status().await.map_err(failed)?;
        for change in between(&before, &now) {
            progress.done(change);
        }
        progress.waiting(&now.reason);
        match rolled_out(&now) {
            Some(condition) if condition.reason == "Frozen" => {
                return Err(Failure::text(Kind::Failed, &condition.message)
                    .hint("`vaultyard why` and `vaultyard logs` show more"));
            }
            Some(condition) if condition.status != "True" => begun = true,
            _ if now.phase == "Ready" && (begun || taken.elapsed() > BEGIN) => return Ok(()),
            _ => {}
        }
        before = now;
    }
}

fn rolled_out(status: &Status) -> Option<&Condition> {
    status.conditions.iter().find(|condition| condition.kind == "RolledOut")
}
