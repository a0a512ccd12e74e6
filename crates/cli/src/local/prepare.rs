//! Puts everything in place that must stand before the first server starts. What can be refused
//! is refused before anything is written.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::net::UnixListener;
use vaultyard_certificates::{Authority, Folder, Leaf};
use vaultyard_model::access::Identity;
use vaultyard_model::cluster::Servers;
use vaultyard_model::port::clock::{Clock, Random};
use vaultyard_model::{Cluster, Layout};
use vaultyard_plan::change;
use vaultyard_target_local::addresses::{self, Unavailable};
use vaultyard_target_local::lock::Lock;
use vaultyard_target_local::process::leftover::leftovers;
use vaultyard_target_local::state::StateError;
use vaultyard_target_local::{Paths, StateDirectory};

use super::certificates;
use super::change as local_change;
use super::document;
use super::program::{self, Program};
use super::seal;
use super::state::{self, Known};
use crate::arguments::Address;
use crate::control;
use crate::document::Document;
use crate::failure::{Failure, Kind, bad_input, failed};
use crate::identities;
use crate::progress::Progress;
use crate::system::{SystemClock, SystemRandom};

/// The proxy's address when nothing else is said.
const FIRST_ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 10);
/// How long sockets may outlive their process: a killed Vaultyard's lock is free before its servers
/// get the signal of its death, and their threads hold the sockets to the last.
const SOCKETS_LINGER: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(50);

/// A local cluster that can be started.
pub(crate) struct Prepared {
    /// What is wanted.
    pub(crate) document: Document,
    /// Its files.
    pub(crate) state: StateDirectory,
    /// Held as long as anything runs.
    pub(crate) lock: Lock,
    /// Where everything will listen.
    pub(crate) layout: Layout,
    /// The server's program.
    pub(crate) program: PathBuf,
    /// Where fetched programs are.
    pub(crate) binaries: PathBuf,
    /// Who signs.
    pub(crate) authority: Arc<Authority>,
    /// The certificate of the proxy.
    pub(crate) proxy: Leaf,
    /// The certificate of Vaultyard's own login.
    pub(crate) own: Leaf,
    /// The certificate of the administrator's login.
    pub(crate) administrator: Leaf,
}

impl Prepared {
    /// What is wanted.
    pub(crate) fn cluster(&self) -> &Cluster {
        &self.document.cluster
    }

    /// What the commands that only look would read.
    pub(crate) fn known(&self) -> Known {
        Known {
            state: self.state.clone(),
            document: self.document.clone(),
            layout: self.layout.clone(),
        }
    }
}

/// Where a cluster is to be prepared.
pub(crate) struct Site<'a> {
    /// The state directory.
    pub(crate) folder: &'a Path,
    /// The first address, when one was asked for.
    pub(crate) address: Option<Address>,
    /// Where fetched programs are kept.
    pub(crate) binaries: PathBuf,
}

/// Prepares the cluster of `document`. The commands of other terminals are answered as soon as the
/// state directory is taken; the socket that they ask is handed on.
pub(crate) async fn prepare(
    document: Document,
    site: Site<'_>,
    progress: &Progress,
) -> Result<(Prepared, UnixListener), Failure> {
    let (clock, random) = (SystemClock, SystemRandom);
    let Site { folder, address, binaries } = site;
    let cluster = &document.cluster;
    let (kept, standing) = match StateDirectory::open(folder) {
        Ok(state) => (state.first_address().map_err(bad_input)?, stood(&state, cluster)?),
        Err(_) => (None, cluster.servers.replicas.count()),
    };
    let mut layout = layout(cluster, standing, address, kept, &random)?;
    if kept.is_none() {
        refuse_taken(&layout)?;
    }
    seal::refuse_unusable(cluster)?;
    let found = program::look(cluster, &binaries).await?;
    let taken = StateDirectory::take(folder, &cluster.name, VERSION, clock.now());
    let (state, lock) = taken.map_err(not_taken)?;
    // One that ran until now may have come to another number meanwhile.
    let standing = stood(&state, cluster)?;
    if standing != standing_of(&layout) {
        layout = Layout::of_servers(cluster, standing, first(&layout)).map_err(bad_input)?;
    }
    refuse_change(&state, cluster, &layout)?;
    let control = control::server::bind(&state.paths().control_socket()).map_err(failed)?;
    end_leftovers(state.paths(), progress).await?;
    for server in state.fallen(standing) {
        state.remove_server(&server).map_err(failed)?;
        progress.done(format!("what was left of {server}, which was removed, is gone"));
    }
    refuse_still_taken(&layout).await?;
    let program = match found {
        Program::Here(path) => path,
        Program::Fetch => {
            let Servers { software, version, .. } = &cluster.servers;
            tokio::select! {
                path = program::fetch(*software, version, &binaries, progress) => path?,
                () = control::server::serve_until_told_to_stop(&control) => return Err(not_begun()),
            }
        }
    };
    state.keep_first_address(first(&layout)).map_err(failed)?;
    state.keep_standing(standing).map_err(failed)?;
    state.keep_document(&document.text).map_err(failed)?;
    let pki = state.paths().pki();
    let now = clock.now();
    let mut folder = Folder::new(pki.join("ca"));
    let authority = Authority::open(&mut folder, &cluster.name, &random, now).map_err(failed)?;
    let [proxy, own, administrator] = leaves(cluster, &layout, state.paths(), &authority, now)?;
    progress.done(format!("certificates are in place, from the private CA in {}", pki.display()));
    let authority = Arc::new(authority);
    let prepared = Prepared {
        document,
        state,
        lock,
        layout,
        program,
        binaries,
        authority,
        proxy,
        own,
        administrator,
    };
    Ok((prepared, control))
}

/// Somebody asked to stop while it was prepared.
pub(crate) fn not_begun() -> Failure {
    Failure::text(Kind::Interrupted, "stopped before anything was started")
}

/// Our own version, as it is noted in a state directory.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// How many servers have a place.
pub(crate) fn standing_of(layout: &Layout) -> u8 {
    u8::try_from(layout.servers.len()).unwrap_or(u8::MAX)
}

/// How many servers stood here last, or are to when there were none.
pub(crate) fn stood(state: &StateDirectory, new: &Cluster) -> Result<u8, Failure> {
    match document::of_state(state)? {
        Some(kept) => state::standing(state, &kept.cluster),
        None => state::standing(state, new),
    }
}

/// Where everything will listen: where it was asked to, else where it was, else the default.
pub(crate) fn layout(
    cluster: &Cluster,
    servers: u8,
    asked: Option<Address>,
    kept: Option<Ipv4Addr>,
    random: &dyn Random,
) -> Result<Layout, Failure> {
    let first = match asked {
        Some(Address::First(first)) => first,
        Some(Address::Auto) => match kept {
            Some(kept) => kept,
            None => addresses::free_block(cluster, random).map_err(failed)?,
        },
        None => kept.unwrap_or(FIRST_ADDRESS),
    };
    Layout::of_servers(cluster, servers, first).map_err(bad_input)
}

pub(crate) fn first(layout: &Layout) -> Ipv4Addr {
    match layout.proxy.ip() {
        std::net::IpAddr::V4(first) => first,
        std::net::IpAddr::V6(_) => FIRST_ADDRESS,
    }
}

/// Refuses addresses that somebody else has, all in one message.
pub(crate) fn refuse_taken(layout: &Layout) -> Result<(), Failure> {
    refuse(addresses::check(layout))
}

/// Refuses these, all in one message.
pub(crate) fn refuse(taken: Vec<Unavailable>) -> Result<(), Failure> {
    if taken.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = taken.iter().map(ToString::to_string).collect();
    Err(Failure::text(Kind::Failed, lines.join("\n       "))
        .hint("stop what uses them, or choose others: --address auto, or --address 127.0.1.10"))
}

/// Refuses addresses that somebody else still has after [`SOCKETS_LINGER`].
async fn refuse_still_taken(layout: &Layout) -> Result<(), Failure> {
    let free = async {
        while !addresses::check(layout).is_empty() {
            tokio::time::sleep(PAUSE).await;
        }
    };
    match tokio::time::timeout(SOCKETS_LINGER, free).await {
        Ok(()) => Ok(()),
        Err(_) => refuse_taken(layout),
    }
}

/// Refuses a document that the existing state cannot follow, all in one message.
pub(crate) fn refuse_change(
    state: &StateDirectory,
    new: &Cluster,
    layout: &Layout,
) -> Result<(), Failure> {
    let Some(old) = document::of_state(state)? else { return Ok(()) };
    let kept = state.first_address().map_err(bad_input)?;
    let moved = change::moved(kept, first(layout)).into_iter().collect();
    local_change::refuse_at_rest(state, &old.cluster, new, moved).map(drop)
}

/// A directory in use is no mistake of the person who named it.
fn not_taken(error: StateError) -> Failure {
    match error {
        StateError::InUse { .. } => {
            failed(error).hint("`vaultyard status` shows how it is, `vaultyard down` stops it")
        }
        error => bad_input(error),
    }
}

/// Ends the servers that outlived a killed Vaultyard.
pub(crate) async fn end_leftovers(paths: &Paths, progress: &Progress) -> Result<(), Failure> {
    for leftover in leftovers(paths).map_err(failed)? {
        let pid = leftover.identity.pid;
        progress.waiting(format!("process {pid}, a server that outlived a killed Vaultyard, ends"));
        leftover.end().await.map_err(failed)?;
        progress.done(format!("process {pid}, which outlived a killed Vaultyard, was ended"));
    }
    Ok(())
}

/// Every certificate that must be there before something starts; those of the proxy, of
/// Vaultyard's own login and of the administrator's are handed on.
pub(crate) fn leaves(
    cluster: &Cluster,
    layout: &Layout,
    paths: &Paths,
    authority: &Authority,
    now: Timestamp,
) -> Result<[Leaf; 3], Failure> {
    let random = SystemRandom;
    for place in &layout.servers {
        let (folder, wanted) = (paths.server(&place.name), certificates::of_server(cluster, place));
        certificates::ensure_for_server(&folder, &wanted, authority, &random, now)
            .map_err(failed)?;
    }
    let wanted = certificates::of_proxy(cluster, layout);
    let folder = certificates::proxy_folder(paths);
    let (proxy, _) = Leaf::ensure(&folder, &wanted, authority, &random, now).map_err(failed)?;
    let pki = paths.pki();
    let identity = |identity| identities::ensure(&pki, identity, authority, &random, now);
    let (administrator, _) = identity(Identity::Administrator).map_err(failed)?;
    let (own, _) = identity(Identity::Vaultyard).map_err(failed)?;
    Ok([proxy, own, administrator])
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn an_address_that_is_freed_a_moment_later_is_not_refused() {
        let cluster = crate::local::document::built_in().ok().unwrap().cluster;
        let first = addresses::free_block(&cluster, &SystemRandom).unwrap();
        let layout = Layout::beginning_at(&cluster, first).unwrap();
        let lingering = TcpListener::bind(layout.servers[0].api).unwrap();
        assert!(refuse_taken(&layout).is_err());
        let freed = async {
            tokio::time::sleep(PAUSE * 2).await;
            drop(lingering);
        };
        let (refused, ()) = tokio::join!(refuse_still_taken(&layout), freed);
        assert!(refused.is_ok());
    }

    #[test]
    fn existing_state_keeps_its_document_and_refuses_one_that_it_cannot_follow() {
        let folder = tempfile::tempdir().unwrap();
        let built_in = document::built_in().ok().unwrap();
        let name = &built_in.cluster.name;
        let (state, _lock) =
            StateDirectory::take(folder.path(), name, VERSION, Timestamp::UNIX_EPOCH).unwrap();
        let mut old = built_in.clone();
        old.text.push_str("# mine\n");
        state.keep_document(&old.text).unwrap();
        state.keep_first_address(FIRST_ADDRESS).unwrap();
        let new = document::last_or_built_in(folder.path()).ok().unwrap();
        assert_eq!(new.text, old.text);
        let at = |first| Layout::beginning_at(&new.cluster, first).unwrap();
        assert!(refuse_change(&state, &new.cluster, &at(FIRST_ADDRESS)).is_ok());
        let elsewhere = at(Ipv4Addr::new(127, 0, 1, 10));
        let refused = refuse_change(&state, &new.cluster, &elsewhere).unwrap_err();
        assert_eq!(refused.exit_code(), std::process::ExitCode::from(2));
    }
}
