//! Three servers without Vaultyard: the floor of what starting and unsealing take, and what the
//! proxies stand in front of when they are compared. The keys lie in memory, and every wait is a
//! tight loop.

use std::fs;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use http::Method;
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::time::sleep;
use vaultyard_e2e::{Access, Answer, Client, Home, NoAnswer, openbao};

use crate::pki::Pki;
use crate::process::Owned;
use crate::runtime;

pub(crate) const COUNT: u8 = 3;

/// Between two looks: about what one look takes, so that looking does not slow down what is
/// looked at.
pub(crate) const PAUSE: Duration = Duration::from_millis(2);

/// Servers, and the folder and addresses for everything that is put in front of them.
pub(crate) struct Bare {
    // Dropped in this order: what runs, then where it runs.
    servers: Vec<Option<Owned>>,
    pub(crate) home: Home,
    pub(crate) pki: Pki,
    /// As many as are needed.
    keys: Vec<String>,
    token: String,
}

/// How long bringing up took, from the start of the first process.
pub(crate) struct Took {
    pub(crate) initialised: Duration,
    pub(crate) first_write: Duration,
    /// What is waited for only when a whole cluster is wanted.
    pub(crate) whole: Option<Whole>,
}

/// How long all of the servers took.
pub(crate) struct Whole {
    pub(crate) unsealed: Duration,
    pub(crate) voters: Duration,
}

impl Bare {
    /// Everything in its place, and nothing started.
    pub(crate) fn prepare() -> Self {
        let home = Home::new();
        let pki = Pki::new(home.folder());
        let servers = (0..COUNT).map(|_| None).collect();
        let bare = Self { servers, home, pki, keys: Vec::new(), token: String::new() };
        (0..COUNT).for_each(|ordinal| bare.prepare_server(ordinal));
        bare
    }

    /// Servers that are all voters, with a KV mount `secret/`.
    pub(crate) fn up() -> Self {
        let mut bare = Self::prepare();
        runtime().block_on(bare.bring_up(true));
        bare
    }

    /// The address at this place of the block: 0 is free, then the servers, then free ones.
    pub(crate) fn address(&self, place: u8) -> Ipv4Addr {
        let [a, b, c, d] = self.home.address().octets();
        Ipv4Addr::new(a, b, c, d + place)
    }

    pub(crate) fn server_address(&self, ordinal: u8) -> Ipv4Addr {
        self.address(1 + ordinal)
    }

    /// The way in with the root token at an address of this cluster.
    pub(crate) fn access(&self, address: Ipv4Addr) -> Access {
        let authority = self.pki.authority();
        Access::new(&[&format!("https://{address}:8200"), authority.to_str().unwrap(), &self.token])
    }

    pub(crate) fn client(&self, ordinal: u8) -> Client {
        Client::new(&self.access(self.server_address(ordinal)))
    }

    fn folder(&self, ordinal: u8) -> PathBuf {
        self.home.folder().join(format!("vault-{ordinal}"))
    }

    fn prepare_server(&self, ordinal: u8) {
        let folder = self.folder(ordinal);
        fs::create_dir_all(folder.join("data")).unwrap();
        let files = self.pki.issue(self.server_address(ordinal));
        let url =
            |ordinal: u8, port: u16| format!("https://{}:{port}", self.server_address(ordinal));
        let peers = (0..COUNT).filter(|peer| *peer != ordinal).map(|peer| {
            json!({"leader_api_addr": url(peer, 8200), "leader_ca_cert_file": self.pki.authority()})
        });
        // As Vaultyard writes it, so that the servers are equally fast on both sides.
        let configuration = json!({
            "cluster_name": "vault",
            "api_addr": url(ordinal, 8200),
            "cluster_addr": url(ordinal, 8201),
            "disable_standby_reads": true,
            "log_level": "info",
            "log_format": "json",
            "storage": {"raft": {
                "path": folder.join("data"),
                "node_id": format!("vault-{ordinal}"),
                "performance_multiplier": 1,
                "autopilot_reconcile_interval": "1s",
                "autopilot_update_interval": "1s",
                "retry_join": peers.collect::<Vec<_>>(),
            }},
            "listener": [{"tcp": {
                "address": format!("{}:8200", self.server_address(ordinal)),
                "cluster_address": format!("{}:8201", self.server_address(ordinal)),
                "tls_cert_file": files.certificate,
                "tls_key_file": files.key,
            }}],
            "telemetry": {"disable_hostname": true, "prometheus_retention_time": "30s"},
            "audit": [{
                "type": "file",
                "path": "file",
                "description": "declared",
                "options": {"file_path": "audit.log", "mode": "0600"},
            }],
        });
        fs::write(folder.join("server.json"), configuration.to_string()).unwrap();
    }

    /// Starts a server that does not run.
    pub(crate) fn start(&mut self, ordinal: u8) {
        let mut command = Command::new(openbao().join("bao"));
        command.env_clear().args(["server", "-config=server.json"]);
        let server = Owned::start(&mut command, &self.folder(ordinal), "log");
        self.servers[usize::from(ordinal)] = Some(server);
    }

    /// Sends a signal to a server.
    pub(crate) fn signal(&self, ordinal: u8, signal: Signal) {
        let server = self.servers[usize::from(ordinal)].as_ref().unwrap();
        self.home.processes().signal(server.id(), signal);
    }

    /// Waits until a server has ended.
    pub(crate) fn ended(&mut self, ordinal: u8) {
        let server = self.servers[usize::from(ordinal)].take();
        server.unwrap().wait();
    }

    /// The unavoidable calls to a cluster of three voters, and nothing else, or only until the first
    /// write is acknowledged, which waits for nothing that it does not need.
    pub(crate) async fn bring_up(&mut self, whole: bool) -> Took {
        let began = Instant::now();
        (0..COUNT).for_each(|ordinal| self.start(ordinal));
        self.initialise().await;
        let initialised = began.elapsed();
        self.unseal(0).await;
        until(&mut self.client(0), "sys/health", |answer| answer.status == 200).await;
        let first_write = async {
            self.mount_and_write().await;
            began.elapsed()
        };
        let unsealed = async {
            tokio::join!(self.join(1), self.join(2));
            began.elapsed()
        };
        tokio::pin!(unsealed);
        let first_write = tokio::select! {
            first_write = first_write => first_write,
            _ = &mut unsealed => panic!("a join, which takes seconds, was faster than a write"),
        };
        if !whole {
            return Took { initialised, first_write, whole: None };
        }
        self.shorten_stabilisation().await;
        let unsealed = unsealed.await;
        self.all_vote().await;
        let whole = Some(Whole { unsealed, voters: began.elapsed() });
        Took { initialised, first_write, whole }
    }

    async fn initialise(&mut self) {
        let mut client = self.client(0);
        until(&mut client, "sys/health", |_| true).await;
        let split = json!({"secret_shares": 5, "secret_threshold": 3});
        let made = client.send(Method::PUT, "sys/init", &split).await.unwrap().body;
        let share = |number: usize| made["keys_base64"][number].as_str().unwrap().to_owned();
        self.keys = (0..3).map(share).collect();
        made["root_token"].as_str().unwrap().clone_into(&mut self.token);
    }

    /// Hands the keys to a server that can take them.
    async fn unseal(&self, ordinal: u8) {
        let mut client = self.client(ordinal);
        for key in &self.keys {
            let answer = client.send(Method::PUT, "sys/unseal", &json!({"key": key})).await;
            let answer = answer.unwrap();
            assert_eq!(answer.status, 200, "{}", answer.body);
        }
    }

    async fn join(&self, ordinal: u8) {
        let mut client = self.client(ordinal);
        until(&mut client, "sys/seal-status", |answer| answer.body["t"] != 0).await;
        self.unseal(ordinal).await;
        until(&mut client, "sys/health", |answer| answer.status == 429).await;
    }

    async fn mount_and_write(&self) {
        let mut client = self.client(0);
        let mount = json!({"type": "kv", "options": {"version": "2"}});
        client.send(Method::POST, "sys/mounts/secret", &mount).await.unwrap();
        let content = json!({"data": {"name": "world"}});
        while !is_done(&client.send(Method::POST, "secret/data/hello", &content).await) {
            sleep(PAUSE).await;
        }
    }

    async fn shorten_stabilisation(&self) {
        let wish = json!({"server_stabilization_time": "1s"});
        let place = "sys/storage/raft/autopilot/configuration";
        self.client(0).send(Method::POST, place, &wish).await.unwrap();
    }

    async fn all_vote(&self) {
        until(&mut self.client(0), "sys/storage/raft/configuration", |answer| {
            let servers = answer.body["data"]["config"]["servers"].as_array();
            let voters = servers.map(|all| all.iter().filter(|one| one["voter"] == true).count());
            voters == Some(usize::from(COUNT))
        })
        .await;
    }

    /// A server that was started again: keys as soon as it takes them, then until it follows.
    pub(crate) async fn unseal_again(&self, ordinal: u8) {
        let mut client = self.client(ordinal);
        until(&mut client, "sys/health", |answer| answer.status == 503).await;
        self.unseal(ordinal).await;
        until(&mut client, "sys/health", |answer| matches!(answer.status, 200 | 429)).await;
    }

    /// Returns when the server has applied what the leader has committed by now.
    pub(crate) async fn catches_up(&self, ordinal: u8) {
        let index = |answer: &Answer, which: &str| answer.body[which].as_u64();
        let leader = self.ask_leader(Method::GET, "sys/leader", &Value::Null).await.unwrap();
        let committed = index(&leader, "raft_committed_index");
        until(&mut self.client(ordinal), "sys/leader", |answer| {
            index(answer, "raft_applied_index") >= committed
        })
        .await;
    }

    /// As [`Self::unseal_again`], by somebody who looks only now and then, first after `phase`.
    pub(crate) async fn unseal_by_polling(&self, ordinal: u8, phase: Duration, every: Duration) {
        sleep(phase).await;
        loop {
            let health = self.client(ordinal).send(Method::GET, "sys/health", &Value::Null).await;
            if health.is_ok_and(|answer| answer.status == 503) {
                return self.unseal(ordinal).await;
            }
            sleep(every).await;
        }
    }

    /// The server that leads, as soon as one does.
    pub(crate) async fn leader(&self) -> u8 {
        self.leader_but(None).await
    }

    /// The same; this one does not count.
    pub(crate) async fn leader_but(&self, former: Option<u8>) -> u8 {
        loop {
            for ordinal in (0..COUNT).filter(|ordinal| Some(*ordinal) != former) {
                let health = self.ask(ordinal, Method::GET, "sys/health", &Value::Null).await;
                if health.is_ok_and(|answer| answer.status == 200) {
                    return ordinal;
                }
            }
            sleep(PAUSE).await;
        }
    }

    /// A request to the leader itself.
    pub(crate) async fn ask_leader(
        &self,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Result<Answer, NoAnswer> {
        let leader = self.leader().await;
        self.ask(leader, method, path, body).await
    }

    /// A request to one server itself.
    pub(crate) async fn ask(
        &self,
        ordinal: u8,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Result<Answer, NoAnswer> {
        self.client(ordinal).send(method, path, body).await
    }

    /// Returns when raft's own judgement is that everybody votes and keeps up.
    pub(crate) async fn is_healthy(&self) {
        let mut client = self.client(self.leader().await);
        until(&mut client, "sys/storage/raft/autopilot/state", |answer| {
            let state = &answer.body["data"];
            let voters = state["voters"].as_array().map(Vec::len);
            state["healthy"] == true && voters == Some(usize::from(COUNT))
        })
        .await;
    }
}

/// Asks until the answer is as it should be.
pub(crate) async fn until(client: &mut Client, path: &str, good: impl Fn(&Answer) -> bool) {
    loop {
        let answer = client.send(Method::GET, path, &Value::Null).await;
        if answer.is_ok_and(|answer| good(&answer)) {
            return;
        }
        sleep(PAUSE).await;
    }
}

pub(crate) fn is_done(answer: &Result<Answer, NoAnswer>) -> bool {
    answer.as_ref().is_ok_and(|answer| matches!(answer.status, 200 | 204))
}
