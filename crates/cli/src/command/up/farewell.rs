//! What `up` says when the cluster is ready, and when it goes.

use std::time::Duration;

use vaultyard_model::cluster::DnsProvider;
use vaultyard_model::duration::Short;
use vaultyard_model::status::Status;

use crate::command::env;
use crate::failure::{Failure, Kind};
use crate::local::state::Known;
use crate::progress::Progress;
use crate::system;

/// The lines after `Ready`: where it is, and what to try.
pub(crate) fn ready(known: &Known, status: &Status, took: Duration) -> String {
    let cluster = &known.document.cluster;
    let DnsProvider::Embedded = cluster.dns.provider;
    let keys = status.conditions.iter().find(|condition| condition.kind == "KeyBesideData");
    let mut lines = vec![
        String::new(),
        format!("{} is ready after {}.", status.name, Short(took)),
        String::new(),
        format!("  Address  {}", status.address),
        format!("  Names    {} and others, answered on {}", cluster.dns.host, known.layout.dns),
        format!("  State    {}", known.state.paths().root().display()),
    ];
    lines.extend(keys.map(|condition| format!("  Keys     {}", condition.message)));
    lines.extend([String::new(), "In another terminal:".to_owned()]);
    lines.extend(to_try(known).into_iter().map(|line| format!("  {line}")));
    lines.extend([
        String::new(),
        "Ctrl-C stops the servers in order; data and keys are kept.".to_owned(),
    ]);
    lines.join("\n")
}

/// The commands to try. The first makes the others work as they stand.
fn to_try(known: &Known) -> Vec<String> {
    let program = known.document.cluster.servers.software.program();
    let own = system::own_program();
    let missing = env::missing_from_path(known);
    let vaultyard = match own {
        Some(path) if missing.iter().any(|folder| path.parent() == Some(folder)) => {
            path.display().to_string()
        }
        _ => "vaultyard".to_owned(),
    };
    let root = known.state.paths().root();
    let state = match system::default_state() {
        Some(default) if default == root => String::new(),
        _ => format!(" --state {}", root.display()),
    };
    let mut lines = vec![
        format!("eval \"$({vaultyard}{state} env)\""),
        "vaultyard status".to_owned(),
        "vaultyard login".to_owned(),
    ];
    if known.document.built_in {
        lines.push(format!("{program} kv put secret/hello name=world"));
        lines.push(format!("{program} kv get secret/hello"));
    } else {
        lines.push(format!("{program} status"));
    }
    lines
}

/// Said when it begins to stop.
pub(crate) fn stopping(progress: &Progress) {
    progress.say("stopping in order; once more Ctrl-C ends everything at once");
    progress.resume();
}

/// What a second Ctrl-C risks. The servers are killed by the kernel as this program ends.
pub(crate) fn at_once() -> Failure {
    Failure::text(Kind::Interrupted, "ended at once, and with it the servers").hint(
        "requests in flight were cut, and it is not known whether they were done; acknowledged \
         writes are on disk. `vaultyard up` goes on from there",
    )
}
