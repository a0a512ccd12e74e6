//! Starts the servers of one cluster on this machine.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use vaultyard_durable::growing::{self, Limit};
use vaultyard_model::chain;
use vaultyard_model::layout::Place;
use vaultyard_model::port::clock::Clock;
use vaultyard_model::port::host::HostError;
use vaultyard_model::port::launcher::{Launcher, Running, SignalKind};
use vaultyard_model::port::rollout::Stale;
use vaultyard_model::{Cluster, Layout, ServerName, Version};
use vaultyard_render::{Owner, server_configuration};

use crate::addresses::{self, Unavailable};
use crate::binaries::find::{Unfit, Wanted, find};
use crate::process::spawner::Spawner;
use crate::process::{self, Process};
use crate::release::{Record, Release, ReleaseError};
use crate::server_files::{self, ServerFilesError};
use crate::state::paths::{Paths, ServerFolder};

/// The servers of one cluster as processes of this machine. Certificates must be in the servers'
/// folders before a launch; configuration and data folder are made by it.
///
/// A server is started as it was the last time, until it is told to be [`renewed`](Self::renew).
pub struct LocalLauncher {
    declared: Mutex<Declared>,
    /// Servers that are started next as something else than they were.
    renewed: Mutex<BTreeMap<ServerName, Release>>,
    /// Servers of which it is noted already that they ran as what they are.
    noted: Mutex<BTreeSet<ServerName>>,
    paths: Paths,
    spawner: Spawner,
    audit: Limit,
    clock: Arc<dyn Clock>,
}

/// Servers that were last started otherwise than is declared: in what, and as which version.
pub type OtherThanDeclared = BTreeMap<ServerName, (Stale, Version)>;

/// What the document says of servers.
struct Declared {
    cluster: Cluster,
    /// Of the cluster's version.
    program: PathBuf,
    /// Where those are that stand.
    layout: Layout,
}

impl LocalLauncher {
    /// `program` is the server's, of the cluster's version.
    pub fn new(
        cluster: Cluster,
        layout: Layout,
        paths: Paths,
        program: PathBuf,
        spawner: Spawner,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let declared = Mutex::new(Declared { cluster, program, layout });
        let (renewed, noted) = (Mutex::default(), Mutex::default());
        Self { declared, renewed, noted, paths, spawner, audit: growing::AUDIT, clock }
    }

    /// Rotates audit files by another limit.
    pub fn with_audit_limit(self, audit: Limit) -> Self {
        Self { audit, ..self }
    }

    /// From now on this is what the document says; `program` is of its version. No server is touched.
    pub fn declare(&self, cluster: Cluster, program: PathBuf) {
        let mut declared = lock(&self.declared);
        *declared = Declared { cluster, program, layout: declared.layout.clone() };
        lock(&self.renewed).clear();
    }

    /// From now on these servers stand. None is touched.
    pub fn stand(&self, layout: Layout) {
        lock(&self.declared).layout = layout;
    }

    /// The version that is declared, and the servers that were last started otherwise than is declared, each
    /// with what it was started as.
    ///
    /// # Errors
    /// [`ReleaseError`]
    pub fn standing(&self) -> Result<(Version, OtherThanDeclared), ReleaseError> {
        let declared = lock(&self.declared);
        let mut all = BTreeMap::new();
        for place in &declared.layout.servers {
            let folder = self.paths.server(&place.name);
            let Some(kept) = Record::read(&folder.release())? else { continue };
            let stale = kept.stale(&self.release_of(&declared, place, &folder));
            all.extend(stale.map(|stale| (place.name.clone(), (stale, kept.release.version))));
        }
        Ok((declared.cluster.servers.version.clone(), all))
    }

    /// The next start of this server is as is declared now, if that is of this version still.
    pub fn renew(&self, server: &ServerName, version: &Version) -> bool {
        let declared = lock(&self.declared);
        let place = declared.layout.place(server);
        let Some(place) = place.filter(|_| declared.cluster.servers.version == *version) else {
            return false;
        };
        let release = self.release_of(&declared, place, &self.paths.server(server));
        lock(&self.renewed).insert(server.clone(), release);
        true
    }

    /// Notes that this server was seen unsealed as what it is.
    ///
    /// # Errors
    /// [`ReleaseError`]
    pub fn note_ran(&self, server: &ServerName) -> Result<(), ReleaseError> {
        if lock(&self.noted).contains(server) {
            return Ok(());
        }
        let path = self.paths.server(server).release();
        if let Some(record) = Record::read(&path)? {
            Record { ran: true, ..record }.keep(&path)?;
            lock(&self.noted).insert(server.clone());
        }
        Ok(())
    }

    /// What the server is to be started as now, after what it was. A program of another version than the
    /// declared one is asked whether it still is what it was.
    async fn release(&self, place: &Place, folder: &ServerFolder) -> Result<Record, Unprepared> {
        let kept = Record::read(&folder.release())?;
        let (software, declared) = {
            let declared = lock(&self.declared);
            (declared.cluster.servers.software, self.release_of(&declared, place, folder))
        };
        let renewed = lock(&self.renewed).get(&place.name).cloned();
        let release = match (renewed, &kept) {
            (Some(renewed), _) => renewed,
            (None, None) => declared,
            (None, Some(Record { release, .. })) if release.version == declared.version => {
                Release { program: declared.program, ..release.clone() }
            }
            (None, Some(Record { release, .. })) => {
                let wanted = Wanted {
                    software,
                    version: &release.version,
                    named: Some(&release.program),
                    binaries: self.paths.root(),
                    search_path: None,
                };
                find(&wanted).await?;
                release.clone()
            }
        };
        Ok(Record::started_as(kept, release))
    }

    fn release_of(&self, declared: &Declared, place: &Place, folder: &ServerFolder) -> Release {
        let owner = Owner {
            user: rustix::process::getuid().as_raw(),
            group: rustix::process::getgid().as_raw(),
        };
        let paths = folder.for_configuration();
        let Declared { cluster, program, layout } = declared;
        Release {
            version: cluster.servers.version.clone(),
            program: program.clone(),
            configuration: server_configuration(cluster, layout, place, &paths, owner),
        }
    }
}

#[async_trait]
impl Launcher for LocalLauncher {
    async fn launch(&self, server: &ServerName) -> Result<Box<dyn Running>, HostError> {
        let failed = |why| HostError { what: format!("start {server}"), why };
        let place = lock(&self.declared).layout.place(server).cloned();
        let place =
            place.ok_or_else(|| failed("the cluster has no server of that name".to_owned()))?;
        let folder = self.paths.server(server);
        let record = self.release(&place, &folder).await.map_err(|error| failed(chain(&error)))?;
        let release = record.release.clone();
        prepare(folder.clone(), place, record, self.audit).await.map_err(failed)?;
        lock(&self.noted).remove(server);
        let now = self.clock.now();
        let process = Process::start(&self.spawner, &release.program, server, &folder, now)
            .await
            .map_err(|error| failed(chain(&error)))?;
        let mut renewed = lock(&self.renewed);
        if renewed.get(server) == Some(&release) {
            renewed.remove(server);
        }
        drop(renewed);
        Ok(Box::new(process))
    }

    async fn remove_data(&self, server: &ServerName) -> Result<(), HostError> {
        let folder = self.paths.server(server);
        blocking(move || server_files::remove_data(&folder))
            .await
            .map_err(|why| HostError { what: format!("remove the data of {server}"), why })
    }

    fn free_bytes(&self, server: &ServerName) -> Result<u64, HostError> {
        let (folder, data) = (self.paths.server(server), self.paths.server(server).data());
        // The data may lie on a disk of its own. Before its first start a server has no folder; the
        // disk is that of the state directory.
        let places = [data.as_path(), folder.path(), self.paths.root()];
        let path = places.into_iter().find(|path| path.exists()).unwrap_or(self.paths.root());
        let disk = rustix::fs::statvfs(path).map_err(|error| HostError {
            what: format!("ask for the free space at {}", path.display()),
            why: error.to_string(),
        })?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    fn election_won(&self, server: &ServerName) -> Option<Timestamp> {
        process::election_won(&self.paths.server(server))
    }

    async fn rotate_audit(
        &self,
        server: &ServerName,
        running: &dyn Running,
    ) -> Result<bool, HostError> {
        let (folder, limit) = (self.paths.server(server), self.audit);
        let aside = blocking(move || growing::set_aside(&folder.audit(), limit))
            .await
            .map_err(|why| HostError { what: format!("rotate the audit file of {server}"), why })?;
        if aside {
            running.signal(SignalKind::Hangup)?;
        }
        Ok(aside)
    }
}

/// What is in it stays whole if a thread that held it has panicked.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Looks for all that would make the start fail, or succeed and the server not, and writes the
/// configuration. A large audit file is set aside here, where nobody has to be told: a server that
/// is told while it starts is ended by the signal.
async fn prepare(
    folder: ServerFolder,
    place: Place,
    record: Record,
    limit: Limit,
) -> Result<(), String> {
    blocking(move || {
        server_files::make_folders(&folder)?;
        server_files::check(&folder, &place.name)?;
        if let Some(taken) = addresses::check_place(&place).pop() {
            return Err(taken.into());
        }
        growing::set_aside(&folder.audit(), limit)?;
        // A server that is killed between the two is started again as the first of them says.
        record.keep(&folder.release())?;
        server_files::write_configuration(&folder, &record.release.configuration)?;
        Ok::<_, Unprepared>(())
    })
    .await
}

/// Why a server cannot be started as things are.
#[derive(Debug, thiserror::Error)]
enum Unprepared {
    #[error(transparent)]
    Files(#[from] ServerFilesError),
    #[error(transparent)]
    Address(#[from] Unavailable),
    #[error("its audit file cannot be set aside")]
    Audit(#[from] std::io::Error),
    #[error(transparent)]
    Release(#[from] ReleaseError),
    #[error(
        "its program is not what it was; put it back: a server changes its version in a rollout only"
    )]
    Program(#[from] Unfit),
}

/// Runs file work where it may take its time; an error comes back as one line.
async fn blocking<T, E, F>(work: F) -> Result<T, String>
where
    T: Send + 'static,
    E: std::error::Error,
    F: FnOnce() -> Result<T, E> + Send + 'static,
{
    tokio::task::spawn_blocking(move || work().map_err(|error| chain(&error)))
        .await
        .map_err(|error| error.to_string())?
}
