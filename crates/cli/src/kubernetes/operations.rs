//! `vaultyard snapshot` and `vaultyard keys rekey`, `--target kubernetes`: a person asks in the
//! `VaultCluster`, and waits for what its status says.

use std::pin::pin;
use std::process::ExitCode;

use futures_util::StreamExt;
use jiff::SignedDuration;
use serde_json::Value;
use tokio::time::timeout;
use vaultyard_keys::rekey::Wanted;
use vaultyard_model::port::clock::Clock;
use vaultyard_target_kubernetes::cluster::ClusterObject;

use super::declared::is_stopped;
use super::install;
use super::operation::{self, ASKED, Operation, Phase, WAITED_FOR, Work};
use super::reach::{self, Found};
use crate::arguments::{Common, Snapshot};
use crate::command::keys::{NEW_SHARES, new_shares, not_ready};
use crate::command::snapshot::{self, restore, verify};
use crate::failure::{Failure, Kind, failed};
use crate::progress::Progress;
use crate::snapshots::{self, Listed};
use crate::system::SystemClock;
use crate::{output, system};

/// What two questions are apart at least.
const MOMENT: SignedDuration = SignedDuration::from_millis(1);

/// The field of the status with the snapshots that there are.
pub(crate) const SNAPSHOTS: &str = "snapshots";

/// `vaultyard snapshot`
pub(crate) async fn of_snapshots(common: &Common, what: &Snapshot) -> Result<ExitCode, Failure> {
    let place = Place::of(common).await?;
    match what {
        Snapshot::Take => {
            let (result, _) = place.ask(Work::TakeSnapshot, "takes a snapshot").await?;
            let kept = result["place"].as_str().unwrap_or_default();
            place.say(format!("kept in {kept}, up to index {}", result["index"]));
            output::data(result["name"].as_str().unwrap_or_default())?;
        }
        Snapshot::List(arguments) => return snapshot::show_all(&place.all().await?, arguments),
        Snapshot::Verify { name, restore, output: arguments } => {
            let name = place.existing(name.as_deref()).await?.name;
            let (found, _) = if *restore {
                place.refuse_while_rolled_out().await?;
                let doing = "restores it into a throw-away server";
                place.ask(Work::ProveSnapshot { name }, doing).await?
            } else {
                place.ask(Work::VerifySnapshot { name }, "verifies it").await?
            };
            let found: snapshots::Found = serde_json::from_value(found).map_err(failed)?;
            output::print(arguments.output, &found, verify::show)?;
        }
        Snapshot::Delete { name, yes } => {
            let name = place.existing(Some(name)).await?.name;
            let what = snapshot::removes(&snapshot::named(&name)?);
            output::ask::confirm(&what, place.found.names.cluster(), yes.as_deref(), 1)?;
            place.ask(Work::DeleteSnapshot { name }, "removes it").await?;
        }
        Snapshot::Restore { name, yes } => {
            let found = place.existing(Some(name)).await?;
            let named = snapshot::named(&found.name)?;
            let cluster = place.found.names.cluster();
            let taken = output::or_dash(found.taken);
            let what = restore::what(&named, cluster, &taken);
            output::ask::confirm(&what, cluster, yes.as_deref(), 2)?;
            let work = Work::RestoreSnapshot { name: found.name };
            place.ask(work, "puts it in place of all data").await?;
            place.until_ready().await?;
            place.say(format!("{cluster} has the data of {taken}"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// `vaultyard keys rekey`
pub(crate) async fn rekey(
    common: &Common,
    wanted: Wanted,
    yes: Option<&str>,
) -> Result<ExitCode, Failure> {
    let place = Place::of(common).await?;
    output::ask::confirm(NEW_SHARES, place.found.names.cluster(), yes, 1)?;
    place.refuse_unless_rolled_out().await?;
    let Wanted { shares, threshold } = wanted;
    let (made, _) = place.ask(Work::Rekey { shares, threshold }, "makes new shares").await?;
    let number = |field: &str| made[field].as_u64().unwrap_or_default();
    let said = new_shares(number("shares"), number("threshold"), made["recovery"] == true);
    output::data(said)?;
    Ok(ExitCode::SUCCESS)
}

/// Where a person asks.
struct Place<'a> {
    common: &'a Common,
    found: Found,
    object: ClusterObject,
}

impl<'a> Place<'a> {
    async fn of(common: &'a Common) -> Result<Self, Failure> {
        let found = reach::cluster(common).await?;
        let object = ClusterObject::new(found.api.clone(), &found.names);
        Ok(Self { common, found, object })
    }

    fn say(&self, what: impl std::fmt::Display) {
        if !self.common.quiet {
            eprintln!("{what}");
        }
    }

    async fn read(&self) -> Result<Value, Failure> {
        let gone = || Failure::text(Kind::Failed, "the VaultCluster was deleted");
        self.object.read().await.map_err(failed)?.ok_or_else(gone)
    }

    /// An unsealer of an earlier Vaultyard does not know everything that can be asked for.
    async fn refuse_unless_rolled_out(&self) -> Result<(), Failure> {
        let status = self.found.status().await?;
        let rolled_out =
            status.conditions.iter().any(|it| it.kind == "RolledOut" && it.status == "True");
        if status.phase == "Ready" && rolled_out {
            return Ok(());
        }
        Err(not_ready(&status))
    }

    /// While servers are replaced the one beside which it would be done may go.
    async fn refuse_while_rolled_out(&self) -> Result<(), Failure> {
        match self.found.status().await?.under_way() {
            None => Ok(()),
            Some(under_way) => {
                let what = format!("servers are being replaced: {}", under_way.message);
                Err(Failure::text(Kind::Failed, what).hint("ask again once that is over"))
            }
        }
    }

    /// Every snapshot that unsealers tell of.
    async fn all(&self) -> Result<Vec<Listed>, Failure> {
        let mut object = self.read().await?;
        let all = object["status"][SNAPSHOTS].take();
        Ok(if all.is_null() { Vec::new() } else { serde_json::from_value(all).map_err(failed)? })
    }

    /// The snapshot of this name, or the newest.
    async fn existing(&self, name: Option<&str>) -> Result<Listed, Failure> {
        let mut all = self.all().await?;
        let Some(name) = name else {
            return all.pop().ok_or_else(|| {
                Failure::text(Kind::BadInput, "there is no snapshot")
                    .hint("take one with `vaultyard snapshot take`")
            });
        };
        let name = snapshot::named(name)?;
        let found = all.into_iter().find(|found| found.name == name.to_string());
        found.ok_or_else(|| snapshot::unknown(&name))
    }

    /// Asks, and waits until it is done; what came of it, and which server's unsealer did it.
    async fn ask(&self, work: Work, doing: &str) -> Result<(Value, String), Failure> {
        let object = self.read().await?;
        if is_stopped(&object) {
            return Err(Failure::text(Kind::Failed, "the servers are at rest")
                .hint("`vaultyard up --target kubernetes` brings them back"));
        }
        let (now, last) = (SystemClock.now(), operation::written(&object));
        if last.as_ref().is_some_and(|last| last.is_under_way(now)) {
            return Err(Failure::text(Kind::Refused, "something else is under way")
                .hint("`kubectl get vaultcluster -o yaml` shows it in status.operation"));
        }
        // The clock of who asked before may have been ahead.
        let after = last.map(|last| last.asked + MOMENT);
        let asked = after.map_or(now, |after| after.max(now));
        let question = serde_json::to_string(&Operation { asked, work }).map_err(failed)?;
        self.object.annotate(install::MANAGER, ASKED, Some(&question)).await.map_err(failed)?;
        let progress = Progress::new(self.common.quiet, system::fancy_terminal());
        if let Some(why) = reach::silence(&self.found.api, &self.found.names).await {
            progress.say(why);
        }
        progress.waiting("the unsealers are asked");
        let mut begun = false;
        let over = self.until(|object| {
            let last = operation::written(object).filter(|last| last.asked == asked)?;
            if last.phase == Phase::Running && !begun {
                begun = true;
                progress.waiting(format!("{} {doing}", last.server));
            }
            (last.phase != Phase::Running).then_some(last)
        });
        let over = over.await;
        progress.end();
        let Some(last) = over? else {
            self.object.annotate(install::MANAGER, ASKED, None).await.map_err(failed)?;
            return Err(late("over"));
        };
        match last.phase {
            Phase::Succeeded => Ok((last.result.unwrap_or_default(), last.server)),
            _ => Err(Failure::text(Kind::Failed, output::or_dash(last.message))
                .hint("the command can be repeated")),
        }
    }

    async fn until_ready(&self) -> Result<(), Failure> {
        let ready = |object: &Value| (object["status"]["phase"] == "Ready").then_some(());
        self.until(ready).await?.ok_or_else(|| late("ready"))
    }

    /// What is found in the `VaultCluster`, as soon as it is; `None` when that takes too long.
    async fn until<T>(
        &self,
        mut find: impl FnMut(&Value) -> Option<T>,
    ) -> Result<Option<T>, Failure> {
        let found = async {
            let mut changes = pin!(self.object.watch());
            while let Some(change) = changes.next().await {
                if let Some(found) = find(&change.map_err(failed)?.unwrap_or_default()) {
                    return Ok(found);
                }
            }
            Err(Failure::text(Kind::Failed, "the watch of the VaultCluster ended"))
        };
        timeout(WAITED_FOR.unsigned_abs(), found).await.ok().transpose()
    }
}

fn late(what: &str) -> Failure {
    Failure::text(Kind::NotInTime, format!("not {what} within {WAITED_FOR:#}"))
        .hint("`vaultyard why` says what each server waits for")
}
