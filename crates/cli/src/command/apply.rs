//! `vaultyard plan`, `apply`, `upgrade` and `rollback` on this machine: what a changed document means for a
//! cluster that runs, a person's word, and the servers replaced one after another.

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use serde::Serialize;
use vaultyard_manifest::Target;
use vaultyard_model::Version;
use vaultyard_plan::proposal::Proposal;
use vaultyard_plan::versions::Passage;

use crate::arguments::{Apply, BeforeVersion, Change, Common, Plan, Upgrade};
use crate::control::client::{Control, NotChanged};
use crate::control::wire::{Status, Waits};
use crate::document::Document;
use crate::edit::{self, Edit};
use crate::failure::{Failure, Kind, failed};
use crate::following::Following;
use crate::local::program::{self, Program};
use crate::local::state::Known;
use crate::local::{self, change};
use crate::progress::Progress;
use crate::rollback::version_before;
use crate::{output, system};

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(100);

/// What is wanted, and of which cluster.
struct Wish {
    known: Known,
    document: Document,
    proposal: Proposal,
}

impl Wish {
    fn read(common: &Common, file: Option<&Path>) -> Result<Self, Failure> {
        let known = local::state::known(common)?;
        let document = local::document::find(file, known.state.paths().root())?;
        Self::of(known, document)
    }

    fn of(known: Known, document: Document) -> Result<Self, Failure> {
        known.state.refuse_other(&document.cluster.name).map_err(failed)?;
        let passage = change::refuse(&known, &document.cluster)?;
        let proposal = Proposal::between(&known.document.cluster, &document.cluster, passage);
        Ok(Self { known, document, proposal })
    }
}

/// How a change is made.
struct How {
    /// Whether nobody is asked.
    yes: bool,
    /// Whether a snapshot comes before another version.
    snapshot: bool,
    timeout: Duration,
}

impl How {
    fn of(yes: bool, snapshot: &BeforeVersion, timeout: Duration) -> Self {
        Self { yes, snapshot: !snapshot.without_snapshot, timeout }
    }
}

/// `vaultyard plan`
pub(super) async fn plan(common: &Common, arguments: &Plan) -> Result<ExitCode, Failure> {
    let wish = Wish::read(common, arguments.file.as_deref())?;
    let status = local::state::control(common)?.status().await.ok();
    let under_way = status.as_ref().and_then(Status::under_way);
    let Proposal { version, configuration, servers, .. } = &wish.proposal;
    let shown = Shown {
        version: version.as_ref().map(|(from, to, passage)| Moved {
            from: from.to_string(),
            to: to.to_string(),
            reversible: *passage == Passage::BothWays,
        }),
        configuration: *configuration,
        servers: servers.1,
        servers_before: servers.0,
        under_way: under_way.map(|condition| condition.message.clone()),
    };
    output::print(arguments.output.output, &shown, |shown| match &shown.under_way {
        Some(under_way) => format!("Note: {under_way}\n{}", wish.proposal),
        None => wish.proposal.to_string(),
    })?;
    Ok(arguments.exit_code(!wish.proposal.is_empty() || under_way.is_some()))
}

/// A plan, for programs.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    version: Option<Moved>,
    /// Whether servers get another configuration.
    configuration: bool,
    /// How many there are to be.
    servers: u8,
    /// How many there are now.
    servers_before: u8,
    /// How far what was declared before is, when it is not done.
    under_way: Option<String>,
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
    let how = How::of(arguments.yes, &arguments.snapshot, arguments.timeout);
    carry_out(common, wish, None, how).await
}

/// `vaultyard upgrade`
pub(super) async fn upgrade(common: &Common, arguments: &Upgrade) -> Result<ExitCode, Failure> {
    to_version(common, local::state::known(common)?, &arguments.to, &arguments.change).await
}

/// `vaultyard rollback`
pub(super) async fn rollback(common: &Common, arguments: &Change) -> Result<ExitCode, Failure> {
    let known = local::state::known(common)?;
    let change = known.state.version_change().map_err(failed)?;
    let to = version_before(change.as_ref(), &known.document.cluster)?;
    to_version(common, known, &to, arguments).await
}

async fn to_version(
    common: &Common,
    known: Known,
    to: &Version,
    arguments: &Change,
) -> Result<ExitCode, Failure> {
    let file = local::document::named_or_default(arguments.file.as_deref());
    let kept = known.document.text.clone();
    let (edit, document) = edit::with_version(file, kept, to, Target::Local)?;
    let wish = Wish::of(known, document)?;
    let how = How::of(arguments.yes, &arguments.snapshot, arguments.timeout);
    carry_out(common, wish, edit, how).await
}

/// Shows what it means, asks, changes the file if there is one to change, and does it.
async fn carry_out(
    common: &Common,
    mut wish: Wish,
    edit: Option<Edit>,
    how: How,
) -> Result<ExitCode, Failure> {
    wish.proposal.snapshot = how.snapshot;
    let control = local::state::control(common)?;
    let status = control.status().await.map_err(|error| {
        failed(error).hint("`vaultyard up -f FILE` brings the cluster up as the file says")
    })?;
    output::data(&wish.proposal)?;
    let complete = status.under_way().is_none();
    if wish.proposal.is_empty() && complete && wish.document.text == wish.known.document.text {
        return Ok(ExitCode::SUCCESS);
    }
    if !how.yes && !wish.proposal.is_empty() {
        output::ask::approve("Do this?")?;
    }
    // What is under way may be about a version, and wait for its snapshot.
    if !how.yes && !how.snapshot && (wish.proposal.version.is_some() || !complete) {
        output::ask::approve_without_snapshot()?;
    }
    let progress = Progress::new(common.quiet, system::fancy_terminal());
    let done = bring(&wish, edit, &control, status, how.timeout, &progress).await;
    progress.end();
    progress.say(done?);
    Ok(ExitCode::SUCCESS)
}

/// Has the running `up` follow the document, and waits until it has; how it went.
async fn bring(
    wish: &Wish,
    edit: Option<Edit>,
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
    if let Some(edit) = &edit {
        edit.make(&wish.document.text)?;
    }
    let since = Instant::now();
    // One of an earlier Vaultyard does not tell.
    let held = control.waits(Duration::ZERO).await.ok().map(|waits| waits.held);
    let changed = match (control.change(&wish.document.text, wish.proposal.snapshot).await, &edit) {
        (Ok(changed), _) => changed,
        (Err(NotChanged::Refused(failure)), Some(edit)) => {
            edit.undo()?;
            return Err(failure);
        }
        (Err(NotChanged::Refused(failure)), None) => return Err(failure),
        (Err(NotChanged::Unknown(error)), _) => {
            return Err(failed(error).hint(
                "it is not known whether the document was taken: `vaultyard plan` tells; the same \
                 command can be given again",
            ));
        }
    };
    if changed.is_empty() {
        return Ok("no server had to be changed".to_owned());
    }
    progress.done(format!("the document is taken; {} servers are to be changed", changed.len()));
    let mut following = Following::new(progress, Some(status));
    let followed = follow(control, &mut following, progress);
    let late = |_| {
        let what = format!("not done within {within:?}; it goes on");
        Err(Failure::text(Kind::NotInTime, what).hint("`vaultyard status` shows how far it is"))
    };
    tokio::time::timeout(within, followed).await.unwrap_or_else(late)?;
    let (timeline, took) = (following.timeline(), began.elapsed());
    let waits = control.waits(since.elapsed()).await.ok().zip(held);
    let waits = waits.and_then(|(now, before)| said(now, before));
    let (waits, took) = (waits.unwrap_or_default(), took.as_secs_f64());
    Ok(format!("{timeline}{waits}every server is as the document says, after {took:.1} s"))
}

/// What clients noticed, when so many requests had been held before; `None` where that is not known, since what
/// counted has begun anew.
fn said(waits: Waits, before: u64) -> Option<String> {
    Some(match waits.held.checked_sub(before)? {
        0 => "no request was held\n".to_owned(),
        1 => format!("1 request was held, for {:.2} s\n", waits.longest_seconds),
        held => format!("{held} requests were held, for {:.2} s at most\n", waits.longest_seconds),
    })
}

/// Tells what happens until every server is as the document says.
async fn follow(
    control: &Control,
    following: &mut Following<'_>,
    progress: &Progress,
) -> Result<(), Failure> {
    loop {
        tokio::time::sleep(PAUSE).await;
        let now = control.status().await.map_err(failed)?;
        progress.waiting(&now.reason);
        let ready = now.phase == "Ready";
        if following.note(now)? && ready {
            return Ok(());
        }
    }
}
