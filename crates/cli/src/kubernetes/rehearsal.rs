//! A throw-away server beside the one of this pod, which the prover there runs: with a folder and ports of its own, and
//! reached from within the pod alone.

use std::fs::File;
use std::io::{self, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::fs::statvfs;
use rustls::ClientConfig;
use rustls::pki_types::ServerName as TlsName;
use tokio::time::sleep;
use tracing::warn;
use vaultyard_durable as durable;
use vaultyard_keys::envelope::Keys;
use vaultyard_model::Cluster;
use vaultyard_plan::shortfall::LEAST_FREE_BYTES;
use vaultyard_render::kubernetes::server_configuration::throw_away;
use vaultyard_render::server_configuration::Paths as Places;
use vaultyard_snapshots::file::Unlocked;
use vaultyard_target_kubernetes::pod::Paths;

use crate::failure::{Failure, Kind, failed};
use crate::progress::Progress;
use crate::{identities, proving};

/// The server has what it was given, what it unpacked of that and what it made of it, each about as large as the
/// snapshot.
const COPIES: u64 = 4;
/// How long the prover may take until nothing is left of a server.
const GONE: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(100);
const MODE: u32 = 0o600;

/// Where the throw-away server stands, and who believes it.
pub(crate) struct Stage {
    pub(crate) cluster: Cluster,
    pub(crate) paths: Paths,
    /// What the administrator shows.
    pub(crate) tls: Arc<ClientConfig>,
    /// The name in the certificate of this pod's server, which the other one shows too.
    pub(crate) name: TlsName<'static>,
}

impl Stage {
    /// Restores a snapshot of so many bytes, opens it with one of the keys, and logs in as the administrator; how many
    /// secret engines there are. Nothing is left of the server afterwards.
    pub(crate) async fn restore(
        &self,
        keys: &[&Keys],
        unlocked: Unlocked<BufReader<File>>,
        bytes: u64,
    ) -> Result<usize, Failure> {
        self.refuse_without_room(bytes)?;
        let [api, raft] = free_addresses().map_err(failed)?;
        self.clear().map_err(failed)?;
        self.gone().await?;
        let text = throw_away(&self.cluster, &self.places(), api, raft);
        durable::replace(&self.paths.throw_away(), text.as_bytes(), MODE).map_err(failed)?;
        let software = self.cluster.servers.software;
        let client = identities::client(api.into(), self.name.clone(), &self.tls).of(software);
        let quiet = Progress::new(true, false);
        let proven = tokio::select! {
            proven = proving::prove(&client, keys, unlocked, &quiet) => proven,
            why = self.ended() => {
                Err(Failure::text(Kind::Failed, format!("there is no throw-away server: {why}")))
            }
        };
        let cleared = self.clear();
        let gone = self.gone().await;
        let mounts = proven?;
        cleared.map_err(failed)?;
        gone?;
        Ok(mounts)
    }

    /// Has the prover end what it runs, if anything. An unsealer that died meanwhile may have left that.
    pub(crate) fn clear(&self) -> io::Result<()> {
        durable::remove(&self.paths.throw_away())?;
        durable::remove(&self.paths.throw_away_ended())
    }

    fn refuse_without_room(&self, bytes: u64) -> Result<(), Failure> {
        let there = statvfs(self.paths.volume()).map_err(|error| failed(io::Error::from(error)))?;
        let free = there.f_bavail * there.f_frsize;
        // An empty server takes some, and as much stays for the one that others need.
        let needed = bytes * COPIES + 2 * LEAST_FREE_BYTES;
        if free >= needed {
            return Ok(());
        }
        let what = format!(
            "the volume has {} MiB of room, and a throw-away server with this snapshot takes up to {} MiB",
            free >> 20,
            needed >> 20
        );
        Err(Failure::text(Kind::Failed, what).hint("make room on the server's volume"))
    }

    /// Returns when the prover says that it does not run, with the reason.
    async fn ended(&self) -> String {
        loop {
            match durable::read(&self.paths.throw_away_ended()) {
                Ok(Some(why)) => return String::from_utf8_lossy(&why).into_owned(),
                Ok(None) => {}
                Err(error) => warn!("what the prover says cannot be read: {error}"),
            }
            sleep(LOOK).await;
        }
    }

    async fn gone(&self) -> Result<(), Failure> {
        let began = Instant::now();
        while self.paths.throw_away_folder().exists() {
            if began.elapsed() > GONE {
                let what = format!("the throw-away server is not gone within {GONE:?}");
                return Err(Failure::text(Kind::Failed, what)
                    .hint("the log of the container prover says why"));
            }
            sleep(LOOK).await;
        }
        Ok(())
    }

    fn places(&self) -> Places {
        let folder = self.paths.throw_away_folder();
        let text = |path: PathBuf| path.display().to_string();
        Places {
            data: text(folder.join("data")),
            tls_certificate: text(self.paths.served_certificate()),
            tls_key: text(self.paths.served_key()),
            certificate_authority: text(self.paths.served_authority()),
            admin_socket: text(folder.join("admin.sock")),
        }
    }
}

/// Two addresses of this pod alone at which nobody listens.
fn free_addresses() -> io::Result<[SocketAddr; 2]> {
    let listen = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let (first, second) = (listen()?, listen()?);
    Ok([first.local_addr()?, second.local_addr()?])
}
