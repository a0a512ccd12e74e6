//! A throw-away server beside the one of this pod: the program that runs there, with a folder and ports of its own,
//! which only the pod reaches.

use std::fs::{self, File};
use std::io::{self, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Instant;

use rustix::fs::statvfs;
use rustls::ClientConfig;
use rustls::pki_types::ServerName as TlsName;
use tokio::process::Command;
use vaultyard_durable::{self as durable, absent};
use vaultyard_keys::stored::KeyRing;
use vaultyard_model::Cluster;
use vaultyard_render::kubernetes::server_configuration::throw_away;
use vaultyard_render::server_configuration::Paths as Places;
use vaultyard_snapshots::file::{Header, Unlocked};
use vaultyard_target_kubernetes::pod::Paths;
use vaultyard_target_local::Spawner;

use crate::failure::{Failure, Kind, failed};
use crate::progress::Progress;
use crate::snapshots::Restored;
use crate::{identities, proving};

/// The server has what it was given, what it unpacked of that and what it made of it, each about as large as the
/// snapshot; so much is left on the volume for the server that others need.
const COPIES: u64 = 4;

/// Where the throw-away server stands, and who believes it.
pub(crate) struct Stage {
    pub(crate) cluster: Cluster,
    pub(crate) paths: Paths,
    pub(crate) spawner: Spawner,
    /// What the administrator shows.
    pub(crate) tls: Arc<ClientConfig>,
    /// The name in the certificate of this pod's server, which the other one shows too.
    pub(crate) name: TlsName<'static>,
}

impl Stage {
    /// Restores the snapshot, opens it with the keys that are kept, and logs in as the administrator. `server` is the
    /// process beside which it is done, and `bytes` the size of the snapshot.
    pub(crate) async fn restore(
        &self,
        server: u32,
        ring: &KeyRing,
        (header, unlocked): (Header, Unlocked<BufReader<File>>),
        bytes: u64,
    ) -> Result<Restored, Failure> {
        let began = Instant::now();
        proving::refuse_a_seal(&self.cluster)?;
        self.clear().map_err(failed)?;
        self.refuse_without_room(bytes)?;
        let folder = self.folder();
        durable::make_private_folder(&folder.join("data")).map_err(failed)?;
        let proven = self.prove(server, ring, (header, unlocked), &folder).await;
        let cleared = self.clear();
        let mounts = proven?;
        cleared.map_err(failed)?;
        Ok(Restored { seconds: began.elapsed().as_secs_f64(), mounts })
    }

    /// Removes what one has left that was broken off.
    pub(crate) fn clear(&self) -> io::Result<()> {
        absent(fs::remove_dir_all(self.folder())).map(drop)
    }

    fn folder(&self) -> PathBuf {
        self.paths.throw_away()
    }

    fn refuse_without_room(&self, bytes: u64) -> Result<(), Failure> {
        let volume = self.paths.volume();
        let there = statvfs(&volume).map_err(|error| failed(io::Error::from(error)))?;
        let (free, needed) = (there.f_bavail * there.f_frsize, bytes * COPIES);
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

    /// How many secret engines there are in it. The server has ended afterwards.
    async fn prove(
        &self,
        server: u32,
        ring: &KeyRing,
        (header, unlocked): (Header, Unlocked<BufReader<File>>),
        folder: &Path,
    ) -> Result<usize, Failure> {
        let [api, raft] = free_addresses().map_err(failed)?;
        let configuration = folder.join("server.json");
        let text = throw_away(&self.cluster, &self.places(folder), api, raft);
        durable::replace(&configuration, text.as_bytes(), 0o600).map_err(failed)?;
        let log = File::create(folder.join(LOG)).map_err(failed)?;
        // Its file is another container's, and its process leads to it.
        let mut command = Command::new(format!("/proc/{server}/exe"));
        command
            .arg("server")
            .arg(format!("-config={}", configuration.display()))
            .current_dir(folder)
            .env_clear()
            .env("TMPDIR", folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(failed)?)
            .stderr(log);
        let spawned = self.spawner.spawn(command).await.map_err(|error| {
            Failure::text(
                Kind::Failed,
                format!("the program of the server cannot be started here: {error}"),
            )
        });
        let mut child = spawned?;
        let software = self.cluster.servers.software;
        let client = identities::client(api.into(), self.name.clone(), &self.tls).of(software);
        let (keys, quiet) = (proving::candidates(ring, header.rekey), Progress::new(true, false));
        let proven = tokio::select! {
            proven = proving::prove(&client, &keys, unlocked, &quiet) => proven,
            ended = child.wait() => {
                let ended = ended.map_err(failed)?;
                let said = last_words(&folder.join(LOG));
                Err(Failure::text(Kind::Failed, format!("the throw-away server has ended ({ended}): {said}")))
            }
        };
        // One that has ended by itself cannot be killed.
        child.kill().await.ok();
        proven
    }

    fn places(&self, folder: &Path) -> Places {
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

/// What the throw-away server writes.
const LOG: &str = "log";

/// What it has said last to people, else at all.
fn last_words(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let to_people = text.lines().rev().find(|line| !line.starts_with('{'));
    to_people.or_else(|| text.lines().last()).unwrap_or_default().to_owned()
}

/// Two addresses of this pod alone at which nobody listens.
fn free_addresses() -> io::Result<[SocketAddr; 2]> {
    let listen = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let (first, second) = (listen()?, listen()?);
    Ok([first.local_addr()?, second.local_addr()?])
}
