//! The built-in cluster of three servers, up and `Ready`.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::journal::{self, Journal, Pace, Writing};
use crate::verdict::Fault;
use crate::{Access, Home, Status, Up, wait};

/// The names of its servers.
pub const SERVERS: [&str; 3] = ["vault-0", "vault-1", "vault-2"];

/// The longest that a cluster may take to be `Ready` on a busy machine.
const READY: Duration = Duration::from_secs(120);
/// The longest that an orderly end may take: a former leader waits for up to 10 s.
const END: Duration = Duration::from_secs(60);

/// Between two looks at the status; each starts a program.
const PAUSE: Duration = Duration::from_millis(150);

/// A running cluster in a home of its own.
#[derive(Debug)]
pub struct Cluster {
    // Dropped in this order: what runs, then where it runs.
    up: Up,
    home: Home,
}

impl Cluster {
    /// A new cluster, `Ready`.
    #[must_use]
    #[track_caller]
    pub fn new() -> Self {
        Self::of(Home::new(), &[])
    }

    /// The cluster of this home, whatever was there before, `Ready`. `words` are added to `up`.
    #[must_use]
    #[track_caller]
    pub fn of(home: Home, words: &[&str]) -> Self {
        let mut cluster = Self::starting(home, words);
        cluster.wait_until_said("is ready after");
        cluster.wait_until_ready();
        cluster
    }

    /// The same, at the moment when `up` was started.
    #[must_use]
    pub fn starting(home: Home, words: &[&str]) -> Self {
        Self { up: home.up(words), home }
    }

    /// Where it lives.
    #[must_use]
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// The `vaultyard up` that keeps it.
    pub fn up(&mut self) -> &mut Up {
        &mut self.up
    }

    /// `vaultyard status`, when it can be asked.
    #[must_use]
    pub fn status(&self) -> Option<Status> {
        let said = self.home.run(&["status", "--output", "json"]);
        serde_json::from_str(&said.stdout).ok()
    }

    /// Waits until `up` has said this.
    ///
    /// # Panics
    /// When that takes too long, or `up` ends before.
    #[track_caller]
    pub fn wait_until_said(&mut self, words: &str) {
        let deadline = Instant::now() + READY;
        while !self.up.said().contains(words) {
            let ended = self.up.ended();
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "{words:?} was not said: up {ended:?}\n{}\n{:#?}",
                self.up.said(),
                self.home.run(&["why"])
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits for `Ready`.
    ///
    /// # Panics
    /// When that takes too long, or `up` ends before.
    #[track_caller]
    pub fn wait_until_ready(&mut self) -> Status {
        self.wait_for("Ready", |_, status| status.is_ready())
    }

    /// Waits until `holds` of the status.
    ///
    /// # Panics
    /// As [`Self::wait_until_ready`].
    #[track_caller]
    pub fn wait_for(&mut self, what: &str, holds: impl Fn(&Home, &Status) -> bool) -> Status {
        let deadline = Instant::now() + READY;
        loop {
            let ended = self.up.ended();
            let status = self.status();
            if let Some(status) = status.as_ref().filter(|status| holds(&self.home, status)) {
                return status.clone();
            }
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "not {what}: up {ended:?}, {status:#?}\n{}",
                self.up.said()
            );
            std::thread::sleep(PAUSE);
        }
    }

    /// The leader's name.
    #[track_caller]
    pub fn leader(&mut self) -> String {
        let status = self.wait_for("led", |_, status| status.leader().is_some());
        status.leader().unwrap_or_default().to_owned()
    }

    /// The name of a server that does not lead.
    #[track_caller]
    pub fn standby(&mut self) -> String {
        let leader = self.leader();
        SERVERS.iter().find(|name| **name != leader).map(|name| (*name).to_owned()).unwrap()
    }

    /// The data of a server that runs: the folder of that name below the one it works in.
    #[must_use]
    #[track_caller]
    pub fn data_of(&self, server: &str) -> PathBuf {
        self.home.processes().folder_of(server).join("data")
    }

    /// Sends a signal to a server.
    ///
    /// # Panics
    /// When it does not run.
    #[track_caller]
    pub fn signal(&self, server: &str, signal: Signal) {
        let processes = self.home.processes();
        let id = processes.server(server).unwrap_or_else(|| panic!("{server} does not run"));
        processes.signal(id, signal);
    }

    /// `kill -9` to these servers, all at once; gives back when they are gone.
    #[track_caller]
    pub fn kill(&self, servers: &[&str]) {
        let processes = self.home.processes();
        let ids: Vec<u32> = servers.iter().filter_map(|name| processes.server(name)).collect();
        ids.iter().for_each(|id| processes.signal(*id, Signal::KILL));
        wait("killed servers are gone", Duration::from_secs(10), || {
            (!ids.iter().any(|id| processes.lives(*id))).then_some(())
        });
    }

    /// Does `harm` to servers and waits until `up` tells of each that it has ended, and that all is
    /// `Ready` again: a status from before the harm does not count.
    #[track_caller]
    pub fn recovers_from(&mut self, servers: &[&str], harm: impl FnOnce(&Self)) -> Status {
        let status = self.status();
        let end = |status: &Status, name: &str| status.last_end(name).cloned();
        // A server that does not run yet comes to no harm.
        let runs = |name: &&&str| self.home.processes().server(name).is_some();
        let before: Vec<_> = servers
            .iter()
            .filter(runs)
            .map(|name| (*name, status.as_ref().and_then(|status| end(status, name))))
            .collect();
        harm(self);
        self.wait_for("Ready after the harm", |_, status| {
            let ended = |(name, before): &(&str, _)| {
                let now = end(status, name);
                now.is_some() && now != *before
            };
            before.iter().all(ended) && status.is_ready()
        })
    }

    /// What Ctrl-C does: everything stops in order and stays as it is on disk.
    ///
    /// # Panics
    /// When it does not end, ends with another code than 0, or leaves a server behind.
    #[track_caller]
    pub fn stop(self) -> Home {
        self.interrupt(0)
    }

    /// The same to an `up` that never was ready, whose code is 130.
    ///
    /// # Panics
    /// As [`Self::stop`].
    #[track_caller]
    pub fn stop_unready(self) -> Home {
        self.interrupt(130)
    }

    #[track_caller]
    fn interrupt(mut self, code: i32) -> Home {
        self.up.interrupt();
        let status = self.up.wait(END);
        assert_eq!(status.code(), Some(code), "{}", self.up.said());
        let left = self.home.processes().servers();
        assert!(left.is_empty(), "servers were left behind: {left:?}");
        self.home
    }

    /// What a second Ctrl-C does.
    ///
    /// # Panics
    /// When it does not end at once, ends with another code than 130, or leaves a server behind.
    #[track_caller]
    pub fn stop_at_once(mut self) -> Home {
        self.up.interrupt();
        let status = self.up.wait(Duration::from_secs(2));
        assert_eq!(status.code(), Some(130), "{}", self.up.said());
        self.home.processes().wait_until_no_server_runs();
        self.home
    }

    /// `kill -9` to Vaultyard; what that leaves.
    #[must_use]
    pub fn crash(mut self) -> Home {
        self.up.kill();
        self.home
    }

    /// Stops it in order and brings it up again.
    #[must_use]
    #[track_caller]
    pub fn restart(self) -> Self {
        Self::of(self.stop(), &[])
    }

    /// The administrator's way in, as a program gets it.
    #[track_caller]
    pub fn access(&self) -> Access {
        let line = "eval \"$(vaultyard env)\"; printf '%s\\n' \"$BAO_ADDR\" \"$BAO_CACERT\"; \
                    vaultyard login --print";
        let said = self.home.shell(line).done();
        Access::new(&said.lines().collect::<Vec<_>>())
    }

    /// Starts clients that write through the proxy.
    #[must_use]
    #[track_caller]
    pub fn start_writing(&self) -> Writing {
        journal::start(&self.access(), Pace { writers: 4, every: Duration::from_millis(100) })
    }

    /// What became of the writes of this journal, asked once the cluster is `Ready`.
    #[must_use]
    #[track_caller]
    pub fn faults_of(&self, journal: &Journal) -> Vec<Fault> {
        journal.verdict(&journal::read_back(&self.access(), journal))
    }

    /// The stored keys decrypt, and every share of them is what was recorded.
    #[track_caller]
    pub fn keys_verify(&self) {
        let _ = self.home.run(&["keys", "verify"]).done();
    }
}

impl Default for Cluster {
    fn default() -> Self {
        Self::new()
    }
}
