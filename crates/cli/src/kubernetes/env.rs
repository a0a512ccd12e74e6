//! `vaultyard env --target kubernetes`
//!
//! Where an Ingress or a Gateway stands before the proxies, that is the address. Elsewhere it is a port
//! of this machine that a process in the background carries to the proxies. The process belongs to
//! the shell's session: it ends with it, and each session has one of its own, so that nothing is
//! left behind and no terminal takes another one's away.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use vaultyard_durable::{PRIVATE, PUBLIC, make_private_folder, read, remove, replace};
use vaultyard_model::cluster::FrontTls;
use vaultyard_model::{Cluster, chain};
use vaultyard_target_kubernetes::cluster::ClusterObject;
use vaultyard_target_local::process::identity::Identity;

use super::forward::Forward;
use super::reach::{self, Found};
use super::{declared, trust};
use crate::arguments::Common;
use crate::command::env::{both, export, export_own_path};
use crate::command::up::detach::{fall_silent, leave_the_terminal};
use crate::failure::{Failure, Kind, failed};
use crate::stops::Stops;
use crate::{output, system};

/// Between two looks whether the session goes on.
const LOOK: Duration = Duration::from_secs(1);

/// Prints what a shell needs.
pub(crate) async fn run(common: &Common) -> Result<ExitCode, Failure> {
    let found = reach::cluster(common).await?;
    let folder = Folder::of(&found).await?;
    let root = trust::read(&found.api, &found.names).await?;
    let authority = folder.path.join("ca.crt");
    replace(&authority, root.as_bytes(), PUBLIC).map_err(failed)?;
    let authority = authority.display().to_string();
    let (address, authority) = match in_front(&folder.cluster) {
        Some((address, true)) => (address, authority),
        Some((address, false)) => (address, String::new()),
        None => {
            let forwarding = forwarding(common, &folder)?;
            (format!("https://127.0.0.1:{}", forwarding.port), authority)
        }
    };
    let variables = both([("ADDR", address), ("CACERT", authority), ("NAMESPACE", String::new())]);
    let mut lines: Vec<_> = variables.iter().map(|(name, value)| export(name, value)).collect();
    lines.extend(export_own_path());
    output::data(lines.join("\n"))?;
    Ok(ExitCode::SUCCESS)
}

/// What stands before the proxies, and whether it shows a certificate of the cluster's own root.
fn in_front(cluster: &Cluster) -> Option<(String, bool)> {
    let front = cluster.ingress.front.as_ref()?;
    let own = matches!(front.tls, FrontTls::OwnCertificate | FrontTls::Passthrough);
    Some((format!("https://{}", cluster.dns.host), own))
}

/// The files about one cluster. Another cluster has another folder, also one of the same name that
/// is made later or stands at another API server.
struct Folder {
    path: PathBuf,
    cluster: Cluster,
}

impl Folder {
    async fn of(found: &Found) -> Result<Self, Failure> {
        let Found { api, names } = found;
        let object = ClusterObject::new(api.clone(), names).read().await.map_err(failed)?;
        let gone = || Failure::text(Kind::Failed, "the VaultCluster was deleted meanwhile");
        let object = object.ok_or_else(gone)?;
        let cluster = declared::read(&object, names)?.cluster;
        let uid = object["metadata"]["uid"].as_str().unwrap_or_default();
        let homeless = || {
            Failure::text(Kind::BadInput, "there is no home directory to keep the root in")
                .hint("set HOME or XDG_STATE_HOME")
        };
        let beside = system::default_state().ok_or_else(homeless)?;
        let path = beside.with_file_name("vaultyard-kubernetes").join(uid);
        make_private_folder(&path).map_err(failed)?;
        Ok(Self { path, cluster })
    }

    /// Who forwards for this session, as he has written it down.
    fn record(&self, session: u32) -> PathBuf {
        self.path.join(format!("forward-{session}.json"))
    }
}

/// A process that forwards.
#[derive(Serialize, Deserialize)]
struct Forwarding {
    process: Identity,
    port: u16,
}

impl Forwarding {
    /// The one of the record, if it still lives.
    fn read(record: &Path) -> Option<Self> {
        let text = read(record).ok().flatten()?;
        let known: Self = serde_json::from_slice(&text).ok()?;
        lives(&known.process).then_some(known)
    }
}

fn lives(process: &Identity) -> bool {
    Identity::of(process.pid).is_ok_and(|now| now == *process)
}

/// The process that forwards for this session; it is started when there is none.
fn forwarding(common: &Common, folder: &Folder) -> Result<Forwarding, Failure> {
    let session = session().map_err(failed)?;
    if let Some(known) = Forwarding::read(&folder.record(session)) {
        return Ok(known);
    }
    let program = std::env::current_exe().map_err(failed)?;
    let mut command = Command::new(program);
    command.args(std::env::args_os().skip(1)).arg("--forward-for").arg(session.to_string());
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.spawn().map_err(failed)?;
    let mut said = String::new();
    if let Some(stdout) = child.stdout.take() {
        BufReader::new(stdout).read_line(&mut said).map_err(failed)?;
    }
    let Ok(known) = serde_json::from_str::<Forwarding>(&said) else {
        // It has said on standard error why.
        child.wait().map_err(failed)?;
        return Err(Failure::text(Kind::Failed, "there is no way to the proxies"));
    };
    if !common.quiet {
        let (port, pid) = (known.port, known.process.pid);
        eprintln!(
            "Process {pid} carries 127.0.0.1:{port} to the proxies until this session ends; `kill \
             {pid}` ends it at once."
        );
    }
    Ok(known)
}

/// In the process in the background: forwards until the session ends that it was started for.
pub(crate) async fn forward(common: &Common, session: u32) -> Result<ExitCode, Failure> {
    leave_the_terminal()?;
    let owner = Identity::of(session).map_err(failed)?;
    let mut stops = Stops::listen()?;
    let found = reach::cluster(common).await?;
    let record = Folder::of(&found).await?.record(session);
    let forward = Forward::open(found).await?;
    let process = Identity::of(std::process::id()).map_err(failed)?;
    let own = Forwarding { process, port: forward.address().port() };
    let text = serde_json::to_string(&own).map_err(failed)?;
    replace(&record, text.as_bytes(), PRIVATE).map_err(failed)?;
    output::data(text)?;
    fall_silent();
    let ended = async {
        while lives(&owner) {
            tokio::time::sleep(LOOK).await;
        }
    };
    let outcome = tokio::select! {
        failure = forward.run() => Err(failure),
        () = ended => Ok(ExitCode::SUCCESS),
        _ = stops.next() => Ok(ExitCode::SUCCESS),
    };
    if let Err(error) = remove(&record) {
        tracing::debug!("{}", chain(&error));
    }
    outcome
}

/// The process whose end is the end of this session: its first one, or, where that is gone or in
/// another process namespace, whoever has started us.
fn session() -> std::io::Result<u32> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let (parent, session) = parent_and_session(&stat).ok_or(std::io::ErrorKind::InvalidData)?;
    let own = std::process::id();
    let lasts = session != 0 && session != own && Identity::of(session).is_ok();
    Ok(if lasts { session } else { parent })
}

/// From a line of `/proc/PID/stat` (proc_pid_stat(5)): the fourth and the sixth field. The program's
/// name stands in brackets and may hold anything.
fn parent_and_session(stat: &str) -> Option<(u32, u32)> {
    let (_, behind_name) = stat.rsplit_once(')')?;
    let mut fields = behind_name.split_ascii_whitespace().skip(1);
    let parent = fields.next()?.parse().ok()?;
    let session = fields.nth(1)?.parse().ok()?;
    Some((parent, session))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parent_and_session_are_found_behind_any_name() {
        let stat = "7 (a) b) c) S 11 12 13 0 -1 4194304";
        assert_eq!(parent_and_session(stat), Some((11, 13)));
        assert_eq!(parent_and_session("7 (a) S"), None);
    }

    #[test]
    fn a_record_counts_while_its_process_lives() {
        let folder = tempfile::tempdir().unwrap();
        let record = folder.path().join("forward-1.json");
        assert!(Forwarding::read(&record).is_none());
        let process = Identity::of(std::process::id()).unwrap();
        let living = serde_json::to_vec(&Forwarding { process, port: 7 }).unwrap();
        replace(&record, &living, PRIVATE).unwrap();
        assert_eq!(Forwarding::read(&record).unwrap().port, 7);
        let ended = String::from_utf8(living).unwrap();
        let ended = ended.replace(&format!("\"pid\":{}", std::process::id()), "\"pid\":1");
        replace(&record, ended.as_bytes(), PRIVATE).unwrap();
        assert!(Forwarding::read(&record).is_none());
    }
}
