//! The embedded DNS server, against BIND with the same zone.

use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde::Deserialize;
use vaultyard_e2e::{Cluster, wait};

use crate::Effort;
use crate::process::{self, Owned};
use crate::report::{Report, Row};
use crate::samples::Samples;

const PORT: u16 = 8053;
/// Queries a second at which the time to an answer is compared: far from what either can do.
const PACE: u32 = 5_000;

/// A server under test.
struct Side {
    process: u32,
    address: SocketAddr,
    per_second: Samples,
    p99: Samples,
    /// Microseconds of processor time a query.
    cost: Samples,
}

pub(crate) fn run(effort: Effort) -> Report {
    let mut cluster = Cluster::new();
    let folder = cluster.home().folder().to_owned();
    let records = records(&cluster);
    let first = cluster.home().address();
    // BIND listens only on addresses that an interface has by name; of loopback that is one.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let bind_address = listener.local_addr().unwrap();
    drop(listener);
    let bind = start_bind(&folder, bind_address, &records);
    let questions = records.iter().fold(String::new(), |mut text, record| {
        writeln!(text, "{} {}", record.name, record.kind).unwrap();
        text
    });
    fs::write(folder.join("questions"), questions).unwrap();

    let mut ours = Side::new(cluster.up().id(), SocketAddr::from((first, PORT)));
    let mut theirs = Side::new(bind.id(), bind_address);
    for round in 0..effort.of(7, 1) {
        let mut pair = [&mut ours, &mut theirs];
        if round % 2 == 1 {
            pair.reverse();
        }
        pair.into_iter().for_each(|side| side.measure(&folder, effort.of(5, 1)));
    }
    report(&ours, &theirs)
}

fn report(ours: &Side, theirs: &Side) -> Report {
    let throughput = ours.per_second.over(&theirs.per_second).median();
    let per_second = |side: &Side| format!("{:.0}", side.per_second.median());
    let p99 = |side: &Side| format!("{:.0} us", side.p99.median() * 1e6);
    let cost = |side: &Side| format!("{:.1} us", side.cost.median());
    Report {
        against: "BIND",
        rows: vec![
            Row::new("queries a second, UDP", per_second(ours), per_second(theirs))
                .ratio(throughput)
                .goal(">= 0.5", throughput >= 0.5),
            Row::new(
                format!("p99 of an answer, at {PACE} queries a second"),
                p99(ours),
                p99(theirs),
            )
            .ratio(ours.p99.over(&theirs.p99).median()),
            Row::new("processor time a query", cost(ours), cost(theirs))
                .ratio(ours.cost.over(&theirs.cost).median()),
        ],
        notes: vec![format!(
            "Medians of {} pairs in alternating order, asked by `dnsperf` for every record of the \
             zone in turn. Vaultyard's process also keeps the cluster meanwhile.",
            ours.per_second.count()
        )],
    }
}

impl Side {
    fn new(process: u32, address: SocketAddr) -> Self {
        let (per_second, p99, cost) = Default::default();
        Self { process, address, per_second, p99, cost }
    }

    fn measure(&mut self, folder: &Path, seconds: u32) {
        let before = process::cpu(self.process);
        let said = self.dnsperf(folder, seconds, &[]);
        let taken = process::cpu(self.process) - before;
        let completed = figure(&said, "Queries completed:");
        self.per_second.push(figure(&said, "Queries per second:"));
        self.cost.push(taken.as_secs_f64() * 1e6 / completed);

        // Each answer is printed, which is why this is not the run that counts them.
        let said = self.dnsperf(folder, seconds.min(2), &["-v", "-Q", &PACE.to_string()]);
        let times = said.lines().filter(|line| line.starts_with("> NOERROR"));
        let times =
            times.filter_map(|line| line.split_whitespace().next_back()?.parse::<f64>().ok());
        self.p99.push(times.collect::<Samples>().quantile(0.99));
    }

    fn dnsperf(&self, folder: &Path, seconds: u32, words: &[&str]) -> String {
        let mut dnsperf = Command::new("dnsperf");
        let (address, port) = (self.address.ip().to_string(), self.address.port().to_string());
        dnsperf.args(["-s", &address, "-p", &port]);
        dnsperf.args(["-d", "questions", "-c", "8", "-l", &seconds.to_string()]).args(words);
        let done = dnsperf.current_dir(folder).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap()
    }
}

/// The number behind a heading of `dnsperf`.
fn figure(said: &str, heading: &str) -> f64 {
    let rest = said.lines().find_map(|line| line.trim_start().strip_prefix(heading)).unwrap();
    rest.split_whitespace().next().unwrap().parse().unwrap()
}

/// What `vaultyard dns` lists.
#[derive(Deserialize)]
struct Record {
    name: String,
    ttl: u32,
    #[serde(rename = "type")]
    kind: String,
    value: String,
}

fn records(cluster: &Cluster) -> Vec<Record> {
    serde_json::from_str(&cluster.home().run(&["dns", "--output", "json"]).done()).unwrap()
}

fn start_bind(folder: &Path, address: SocketAddr, records: &[Record]) -> Owned {
    let origin = records.iter().map(|record| record.name.as_str()).min_by_key(|name| name.len());
    let origin = origin.unwrap();
    let mut zone =
        format!("{origin} 30 IN SOA ns.{origin} hostmaster.{origin} 1 3600 600 86400 30\n");
    for Record { name, ttl, kind, value } in records {
        writeln!(zone, "{name} {ttl} IN {kind} {value}").unwrap();
    }
    fs::write(folder.join("zone"), zone).unwrap();
    let configuration = format!(
        "options {{ directory \"{}\"; pid-file none; session-keyfile none; \
         listen-on port {} {{ {}; }}; listen-on-v6 {{ none; }}; recursion no; \
         notify no; dnssec-validation no; minimal-responses yes; }};\n\
         controls {{ }};\n\
         zone \"{origin}\" {{ type primary; file \"zone\"; }};\n",
        folder.display(),
        address.port(),
        address.ip()
    );
    fs::write(folder.join("named.conf"), configuration).unwrap();
    let mut command = Command::new("named");
    let process = Owned::start(command.args(["-g", "-c", "named.conf"]), folder, "named.log");
    wait("BIND listens", Duration::from_secs(10), || TcpStream::connect(address).ok());
    process
}
