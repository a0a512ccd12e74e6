//! What stands in front of servers: Vaultyard's proxy on its own, and HAProxy.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use vaultyard_e2e::wait;

use crate::bare::Bare;
use crate::process::Owned;

/// Vaultyard's proxy without the rest of Vaultyard, run as `vaultyard up` runs it.
pub(crate) struct Vaultyard {
    process: Owned,
    words: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Vaultyard {
    /// In front of the servers at these addresses.
    pub(crate) fn start(bare: &Bare, address: Ipv4Addr, servers: &[Ipv4Addr]) -> Self {
        let files = bare.pki.issue(address);
        let mut command = Command::new(program());
        command.env_clear().arg(listen(address)).arg(bare.pki.authority());
        command.arg(files.certificate).arg(files.key).args(servers.iter().map(|it| listen(*it)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = Owned::spawn(command.current_dir(bare.home.folder()));
        let words = process.child().stdin.take().unwrap();
        let answers = BufReader::new(process.child().stdout.take().unwrap());
        let mut front = Self { process, words, answers };
        front.hear("listening");
        front
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Holds what comes and waits until nothing is under way.
    pub(crate) fn drain(&mut self) {
        self.words.write_all(b"drain\n").unwrap();
        self.hear("drained");
    }

    /// Lets what is held go on as soon as somebody leads.
    pub(crate) fn release(&mut self) {
        self.words.write_all(b"release\n").unwrap();
        self.hear("released");
    }

    fn hear(&mut self, word: &str) {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        assert_eq!(line.trim_end(), word);
    }
}

/// How HAProxy is set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Setup {
    /// As guides for Vault have it: a check every 5 s, HAProxy's own defaults else.
    Guide,
    /// A check every second, no more than 40 requests at the leader, and failed ones sent again.
    Tuned,
    /// The cap alone, for what a request costs.
    Capped,
}

impl Setup {
    fn lines(self) -> &'static str {
        match self {
            Self::Guide => "  default-server inter 5s\n",
            Self::Tuned => {
                "  retries 10\n  option redispatch\n  \
                 retry-on conn-failure empty-response 500 503\n  \
                 default-server inter 1s maxconn 40\n"
            }
            Self::Capped => "  default-server inter 1s maxconn 40\n",
        }
    }
}

/// HAProxy on one thread, as Vaultyard's proxy is; TLS on both sides; only to the leader.
pub(crate) fn haproxy(bare: &Bare, address: Ipv4Addr, servers: &[Ipv4Addr], setup: Setup) -> Owned {
    let servers = servers.iter().enumerate().map(|(number, server)| {
        let authority = bare.pki.authority();
        format!(
            "  server s{number} {} ssl verify required ca-file {} check\n",
            listen(*server),
            authority.display()
        )
    });
    let backend = format!(
        "  default_backend servers\n\
         backend servers\n  \
         http-reuse always\n  \
         option forwardfor\n  \
         option httpchk GET /v1/sys/health\n  \
         http-check expect status 200\n{}{}",
        setup.lines(),
        servers.collect::<String>()
    );
    start_haproxy(bare, address, &backend)
}

/// A server that costs next to nothing: every answer is the same, also that it leads.
pub(crate) fn static_server(bare: &Bare, address: Ipv4Addr) -> Owned {
    let answer = format!(
        "  http-request return status 200 content-type application/json string '{}'\n",
        include_str!("static_answer.json").trim_end()
    );
    start_haproxy(bare, address, &answer)
}

fn start_haproxy(bare: &Bare, address: Ipv4Addr, rest: &str) -> Owned {
    let folder = bare.home.folder();
    let both = bare.pki.issue(address).both;
    let configuration = format!(
        "global\n  nbthread 1\n  maxconn 4096\n  log stderr local0 emerg\n\
         defaults\n  mode http\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n\
         frontend clients\n  bind {} ssl crt {} alpn h2,http/1.1\n{rest}",
        listen(address),
        both.display()
    );
    let name = format!("haproxy-{address}");
    fs::write(folder.join(&name), configuration).unwrap();
    let mut command = Command::new("haproxy");
    // Without a master process: what is measured is the process that was started.
    command.args(["-db", "-f", &name]);
    let process = Owned::start(&mut command, folder, &format!("{name}.log"));
    wait("HAProxy listens", Duration::from_secs(5), || TcpStream::connect((address, 8200)).ok());
    process
}

fn listen(address: Ipv4Addr) -> String {
    format!("{address}:8200")
}

fn program() -> PathBuf {
    let named = std::env::var_os("VAULTYARD_BENCH_PROXY").map(PathBuf::from);
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/debug/examples/standalone");
    named.unwrap_or(built)
}
