//! Restores a snapshot into a throw-away server, to see that it can be done.

use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use vaultyard_certificates::Leaf;
use vaultyard_engine::supervisor::supervise;
use vaultyard_keys::envelope::Keys;
use vaultyard_keys::stored::KeyRing;
use vaultyard_model::access::Identity;
use vaultyard_model::cluster::Replicas;
use vaultyard_model::observed::State;
use vaultyard_model::port::host::{Host, Signal};
use vaultyard_model::port::server::{KeyKind, Server};
use vaultyard_model::{Secret, Version};
use vaultyard_plan::shortfall::ExitText;
use vaultyard_snapshots::file::{Header, Unlocked};
use vaultyard_target_local::LocalLauncher;
use vaultyard_vault::Client;

use super::login::{LoggedIn, log_in};
use super::prepare::{Prepared, Site, prepare};
use super::state::Known;
use crate::arguments::Address;
use crate::document::Document;
use crate::failure::{Failure, Kind, bad_input, failed};
use crate::identities;
use crate::progress::Progress;
use crate::snapshots::pieces;
use crate::stops::Stops;
use crate::system::{self, SystemClock};

/// The longest that the server may take to come to one state.
const STATE: Duration = Duration::from_secs(60);
/// The longest that it may take until what it was given is in place.
const IN_PLACE: Duration = Duration::from_secs(300);
const LOGIN: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(100);

/// Secret engines that make nothing elsewhere which they would end.
const KEEP_TO_THEMSELVES: [&str; 9] =
    ["kv", "cubbyhole", "identity", "system", "transit", "pki", "ssh", "totp", "generic"];

/// What was seen of a snapshot that was restored.
pub(crate) struct Proof {
    /// How long all of it took.
    pub(crate) took: Duration,
    /// How many secret engines there are in it.
    pub(crate) mounts: usize,
}

/// Restores a snapshot into a server of its version, on addresses and in a folder of its own; opens that with
/// the keys that are kept, and logs in as the administrator. Nothing is left of the server.
pub(crate) async fn restore_into_another(
    known: &Known,
    ring: &KeyRing,
    (header, unlocked): (Header, Unlocked<BufReader<File>>),
    stops: &mut Stops,
    progress: &Progress,
) -> Result<Proof, Failure> {
    let began = Instant::now();
    refuse_reaching_out(known).await?;
    let folder = tempfile::Builder::new().prefix("vaultyard-").tempdir().map_err(failed)?;
    let state = folder.path().join("state");
    let binaries: PathBuf = known.state.paths().binaries();
    let site = Site { folder: &state, address: Some(Address::Auto), binaries };
    let quiet = Progress::new(true, false);
    let (prepared, _control) = prepare(alone(known, &header)?, site, &quiet).await?;
    let place = &prepared.layout.servers[0];
    let (clock, spawner) = (Arc::new(SystemClock), system::spawner().map_err(failed)?);
    let launcher = LocalLauncher::new(
        prepared.cluster().clone(),
        prepared.layout.clone(),
        prepared.state.paths().clone(),
        prepared.program.clone(),
        spawner,
        clock.clone(),
    );
    let client = client(known, &prepared)?;
    let keys = candidates(ring, header.rekey);
    let (server, supervisor) = supervise(place.name.clone(), Arc::new(launcher), clock);
    let running = tokio::spawn(supervisor.run());
    let proven = tokio::select! {
        proven = prove(&client, &keys, unlocked, progress) => proven,
        _ = stops.next() => Err(Failure::text(Kind::Interrupted, "interrupted; nothing is left of it")),
    };
    progress.waiting("the throw-away server ends");
    let ended = server.last_end();
    // It holds nothing that anybody would miss.
    let stopped = server.stop(Signal::Kill).await;
    running.await.map_err(failed)?;
    drop(prepared);
    let removed = folder.close();
    let mounts = proven.map_err(|failure| match ended {
        Some(end) => failure.hint(format!("its process has ended: {}", ExitText(&end.exit))),
        None => failure,
    })?;
    stopped.map_err(failed)?;
    removed.map_err(failed)?;
    Ok(Proof { took: began.elapsed(), mounts })
}

/// Refuses where a copy of the cluster would reach what belongs to it: one that becomes active ends the
/// leases that have run out since the snapshot, wherever these were made.
async fn refuse_reaching_out(known: &Known) -> Result<(), Failure> {
    let LoggedIn { login, client, .. } = log_in(known).await.map_err(|failure| {
        failure.hint("only the running cluster tells whether its secret engines reach others")
    })?;
    let kinds = client.with_token(&login.token).mount_kinds().await;
    client.with_token(&login.token).revoke_self().await.ok();
    let mut kinds = kinds.map_err(failed)?.into_iter();
    match kinds.find(|kind| !KEEP_TO_THEMSELVES.contains(&kind.as_str())) {
        None => Ok(()),
        Some(kind) => Err(Failure::text(
            Kind::Refused,
            format!(
                "there is a secret engine of the kind {kind:?}: a copy of it would end credentials that the \
                 cluster has renewed since"
            ),
        )
        .hint("restore the snapshot on a machine that reaches nothing else")),
    }
}

/// The cluster's document with one server, of the snapshot's version.
fn alone(known: &Known, header: &Header) -> Result<Document, Failure> {
    let mut document = known.document.clone();
    if document.cluster.seal.is_some() {
        let what =
            "a snapshot of servers with a seal of their own cannot be restored elsewhere yet";
        return Err(Failure::text(Kind::BadInput, what));
    }
    let servers = &mut document.cluster.servers;
    let version = Version::new(&header.version).map_err(bad_input)?;
    if servers.version != version {
        (servers.version, servers.binary) = (version, None);
    }
    servers.zones.clear();
    servers.replicas = Replicas::new(1).unwrap_or(servers.replicas);
    Ok(document)
}

/// A client that believes the throw-away server, and shows what the administrator of the cluster shows.
fn client(known: &Known, prepared: &Prepared) -> Result<Arc<Client>, Failure> {
    let folder = identities::folder(&known.state.paths().pki(), Identity::Administrator);
    let administrator = Leaf::load(&folder).map_err(bad_input)?;
    let tls = identities::tls(prepared.authority.root_pem(), &administrator)?;
    let (sites, software) = (prepared.layout.sites(), prepared.cluster().servers.software);
    let mut clients = identities::clients(&sites, software, &tls)?.into_values();
    clients.next().ok_or_else(|| Failure::text(Kind::Failed, "there is no throw-away server"))
}

/// Initialises the server, gives it the snapshot, opens it and logs in; how many secret engines it has.
async fn prove(
    client: &Client,
    keys: &[&Keys],
    unlocked: Unlocked<BufReader<File>>,
    progress: &Progress,
) -> Result<usize, Failure> {
    let first =
        &keys.first().ok_or_else(|| Failure::text(Kind::Failed, "there are no keys"))?.header;
    progress.waiting("a throw-away server starts");
    until(client, State::Uninitialised, STATE).await?;
    // A server goes on counting shares as it was initialised, also when it has other data.
    let (shares, threshold) = (first.shares, first.threshold);
    let own = client.initialise(KeyKind::Unseal, shares, threshold).await.map_err(failed)?;
    unseal(client, &own.shares, threshold).await?;
    until(client, State::Active, STATE).await?;
    progress.done("a throw-away server runs");
    progress.waiting("it puts the snapshot in place");
    let (pieces, reading) = pieces(unlocked);
    let root = client.with_token(&own.root_token);
    root.restore_of_other_keys(pieces).await.map_err(failed)?;
    reading.await.map_err(failed)?;
    until(client, State::Sealed, IN_PLACE).await?;
    progress.done("it has the data of the snapshot");
    progress.waiting("it is unsealed with the keys of the cluster");
    unseal_with_one_of(client, keys, threshold).await?;
    until(client, State::Active, STATE).await?;
    progress.done("the keys of the cluster open it");
    let login = client.log_in(Identity::Administrator.as_str(), LOGIN).await.map_err(failed)?;
    let mounts = client.with_token(&login.token).mounts().await.map_err(failed)?;
    progress.done("the administrator logs in");
    Ok(mounts.len())
}

/// Those of the snapshot's time, then others: it may have been taken while a rekey went on.
fn candidates(ring: &KeyRing, rekey: Option<u32>) -> Vec<&Keys> {
    let others = ring.newest_first().iter().filter(|keys| keys.header.rekey != rekey);
    ring.of_rekey(rekey).into_iter().chain(others).collect()
}

async fn unseal_with_one_of(client: &Client, keys: &[&Keys], threshold: u8) -> Result<(), Failure> {
    let mut refused = None;
    for keys in keys {
        client.reset_unseal().await.map_err(failed)?;
        match unseal(client, &keys.shares, threshold).await {
            Ok(()) => return Ok(()),
            Err(failure) => refused = refused.or(Some(failure)),
        }
    }
    refused.map_or(Ok(()), Err)
}

async fn unseal(client: &Client, shares: &[Secret], threshold: u8) -> Result<(), Failure> {
    for share in shares.iter().take(usize::from(threshold)) {
        client.unseal(share).await.map_err(failed)?;
    }
    Ok(())
}

async fn until(client: &Client, wanted: State, within: Duration) -> Result<(), Failure> {
    let began = Instant::now();
    loop {
        let seen = client.health().await;
        if seen.as_ref().is_ok_and(|health| health.state == wanted) {
            return Ok(());
        }
        if began.elapsed() >= within {
            let seen = seen.map_or_else(|error| error.to_string(), |it| format!("{:?}", it.state));
            let what = format!("the throw-away server is not {wanted:?} within {within:?}: {seen}");
            return Err(Failure::text(Kind::Failed, what));
        }
        tokio::time::sleep(PAUSE).await;
    }
}
