//! A throw-away server beside the one of this pod, which the prover there runs: with a folder and ports of its own, and
//! reached from within the pod alone.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags, open, statvfs};
use rustix::io::Errno;
use rustls::ClientConfig;
use rustls::pki_types::ServerName as TlsName;
use tokio::time::sleep;
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
/// As much is read of why a server does not run, in bytes.
const LONGEST: u64 = 1024;

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
        clear(&self.paths).map_err(failed)?;
        self.gone().await?;
        self.refuse_without_room(bytes)?;
        let [api, raft] = free_addresses().map_err(failed)?;
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
        let cleared = clear(&self.paths);
        let gone = self.gone().await;
        let mounts = proven?;
        cleared.map_err(failed)?;
        gone?;
        Ok(mounts)
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
            match said(&self.paths.throw_away_ended()) {
                Ok(Some(why)) => return why,
                Ok(None) => {}
                Err(error) => return format!("why cannot be read: {error}"),
            }
            sleep(LOOK).await;
        }
    }

    async fn gone(&self) -> Result<(), Failure> {
        let began = Instant::now();
        while self.paths.throw_away_folder().exists() {
            if began.elapsed() > GONE {
                let what = format!("the throw-away server is not gone within {GONE:?}");
                return Err(
                    Failure::text(Kind::Failed, what).hint("`kubectl logs POD -c prover` says why")
                );
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

/// Has the prover end what it runs, if anything.
pub(crate) fn clear(paths: &Paths) -> io::Result<()> {
    durable::remove(&paths.throw_away())?;
    durable::remove(&paths.throw_away_ended())
}

/// What the prover has written. The server can write there too, and what stands here is told to everybody: it may lead
/// to no other file, and is short and plain text whatever it is.
fn said(path: &Path) -> io::Result<Option<String>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match open(path, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(Errno::NOENT) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let mut bytes = Vec::new();
    file.take(LONGEST).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    Ok(Some(text.chars().map(|it| if it.is_control() { ' ' } else { it }).collect()))
}

/// Two addresses of this pod alone at which nobody listens.
fn free_addresses() -> io::Result<[SocketAddr; 2]> {
    let listen = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let (first, second) = (listen()?, listen()?);
    Ok([first.local_addr()?, second.local_addr()?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_leads_nowhere_and_is_short_and_plain() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        assert_eq!(said(&at("none")).unwrap(), None);
        std::fs::write(at("plain"), "it has\x1b[2J ended\n").unwrap();
        assert_eq!(said(&at("plain")).unwrap().as_deref(), Some("it has [2J ended "));
        std::fs::write(at("long"), vec![b'a'; 1 << 20]).unwrap();
        assert_eq!(said(&at("long")).unwrap().map(|text| text.len()), Some(LONGEST as usize));
        std::fs::write(at("secret"), "secret").unwrap();
        std::os::unix::fs::symlink(at("secret"), at("link")).unwrap();
        assert!(said(&at("link")).is_err());
        assert!(said(folder.path()).is_err());
    }
}
