//! Restores a snapshot into a throw-away server, to see that it can be done.

use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use vaultyard_certificates::Leaf;
use vaultyard_engine::supervisor::supervise;
use vaultyard_keys::envelope::Keys;
use vaultyard_model::Version;
use vaultyard_model::access::Identity;
use vaultyard_model::cluster::Replicas;
use vaultyard_model::port::host::{Host, Signal};
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
use crate::progress::Progress;
use crate::snapshots::Restored;
use crate::stops::Stops;
use crate::system::{self, SystemClock};
use crate::{identities, proving};

/// Restores a snapshot into a server of its version, on addresses and in a folder of its own; opens that with
/// one of the keys, and logs in as the administrator. Nothing is left of the server.
pub(crate) async fn restore_into_another(
    known: &Known,
    keys: &[&Keys],
    (header, unlocked): (Header, Unlocked<BufReader<File>>),
    stops: &mut Stops,
    progress: &Progress,
) -> Result<Restored, Failure> {
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
    let (server, supervisor) = supervise(place.name.clone(), Arc::new(launcher), clock);
    let running = tokio::spawn(supervisor.run());
    let proven = tokio::select! {
        proven = proving::prove(&client, keys, unlocked, progress) => proven,
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
    let version = header.version;
    Ok(Restored { seconds: began.elapsed().as_secs_f64(), mounts, version })
}

/// See [`proving::refuse_reaching_out`].
async fn refuse_reaching_out(known: &Known) -> Result<(), Failure> {
    let LoggedIn { login, client, .. } = log_in(known).await.map_err(|failure| {
        failure.hint("only the running cluster tells whether its secret engines reach others")
    })?;
    proving::refuse_reaching_out(&client, &login.token).await
}

/// The cluster's document with one server, of the snapshot's version.
fn alone(known: &Known, header: &Header) -> Result<Document, Failure> {
    let mut document = known.document.clone();
    proving::refuse_a_seal(&document.cluster)?;
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
