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
use crate::process::spawner::Spawner;
use crate::process::{self, Process};
use crate::release::{Release, ReleaseError};
use crate::server_files::{self, ServerFilesError};
use crate::state::paths::{Paths, ServerFolder};

/// The servers of one cluster as processes of this machine. Certificates must be in the servers'
/// folders before a launch; configuration and data folder are made by it.
///
/// A server is started as it was the last time, until it is told to be [`renewed`](Self::renew).
pub struct LocalLauncher {
    declared: Mutex<Declared>,
    /// Servers that are started next as is declared.
    renewed: Mutex<BTreeSet<ServerName>>,
    layout: Layout,
    paths: Paths,
    spawner: Spawner,
    audit: Limit,
    clock: Arc<dyn Clock>,
}

/// What the document says of servers.
struct Declared {
    cluster: Cluster,
    /// Of the cluster's version.
    program: PathBuf,
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
        let declared = Mutex::new(Declared { cluster, program });
        let renewed = Mutex::default();
        Self { declared, renewed, layout, paths, spawner, audit: growing::AUDIT, clock }
    }

    /// Rotates audit files by another limit.
    pub fn with_audit_limit(self, audit: Limit) -> Self {
        Self { audit, ..self }
    }

    /// From now on this is what the document says; `program` is of its version. No server is touched.
    pub fn declare(&self, cluster: Cluster, program: PathBuf) {
        *lock(&self.declared) = Declared { cluster, program };
    }

    /// The version that the document says.
    pub fn version(&self) -> Version {
        lock(&self.declared).cluster.servers.version.clone()
    }

    /// The servers that were last started otherwise than is declared now, and in what.
    ///
    /// # Errors
    /// [`ReleaseError`]
    pub fn stale(&self) -> Result<BTreeMap<ServerName, Stale>, ReleaseError> {
        let mut all = BTreeMap::new();
        for place in &self.layout.servers {
            let folder = self.paths.server(&place.name);
            let kept = Release::read(&folder.release())?;
            let stale = kept.and_then(|kept| kept.stale(&self.declared(place, &folder)));
            all.extend(stale.map(|stale| (place.name.clone(), stale)));
        }
        Ok(all)
    }

    /// The next start of this server is as is declared.
    pub fn renew(&self, server: &ServerName) {
        lock(&self.renewed).insert(server.clone());
    }

    /// What the server is to be started as now.
    fn release(&self, place: &Place, folder: &ServerFolder) -> Result<Release, Unprepared> {
        let declared = self.declared(place, folder);
        if lock(&self.renewed).contains(&place.name) {
            return Ok(declared);
        }
        let Some(kept) = Release::read(&folder.release())? else { return Ok(declared) };
        match (kept.program.exists(), kept.version == declared.version) {
            (true, _) => Ok(kept),
            (false, true) => Ok(Release { program: declared.program, ..kept }),
            (false, false) => {
                Err(Unprepared::Gone { program: kept.program, version: kept.version })
            }
        }
    }

    fn declared(&self, place: &Place, folder: &ServerFolder) -> Release {
        let owner = Owner {
            user: rustix::process::getuid().as_raw(),
            group: rustix::process::getgid().as_raw(),
        };
        let paths = folder.for_configuration();
        let Declared { cluster, program } = &*lock(&self.declared);
        Release {
            version: cluster.servers.version.clone(),
            program: program.clone(),
            configuration: server_configuration(cluster, &self.layout, place, &paths, owner),
        }
    }
}

#[async_trait]
impl Launcher for LocalLauncher {
    async fn launch(&self, server: &ServerName) -> Result<Box<dyn Running>, HostError> {
        let failed = |why| HostError { what: format!("start {server}"), why };
        let place = self
            .layout
            .place(server)
            .ok_or_else(|| failed("the cluster has no server of that name".to_owned()))?;
        let folder = self.paths.server(server);
        let release = self.release(place, &folder).map_err(|error| failed(chain(&error)))?;
        let program = release.program.clone();
        prepare(folder.clone(), place.clone(), release, self.audit).await.map_err(failed)?;
        let now = self.clock.now();
        let process = Process::start(&self.spawner, &program, server, &folder, now)
            .await
            .map_err(|error| failed(chain(&error)))?;
        lock(&self.renewed).remove(server);
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
    release: Release,
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
        release.keep(&folder.release())?;
        server_files::write_configuration(&folder, &release.configuration)?;
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
        "its program {} of version {version} is gone; put it back: a server changes its version only \
         while the others serve",
        program.display()
    )]
    Gone { program: PathBuf, version: Version },
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
