//! The soak: `vaultyard up` is hurt at random moments, again and again, and each time there must be
//! a working cluster afterwards, keys that verify, and every acknowledged write, once.
//!
//! `--kills N` rounds (50), played in `--lanes N` clusters side by side (3): a cluster mostly waits,
//! for elections and for its moment. `--seed N` plays a run again with the same rounds in the same
//! lanes, as far as the machine's timing allows.

use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use vaultyard_e2e::journal::Journal;
use vaultyard_e2e::{Cluster, Home, SERVERS};

/// The random moment lies within this time from the start of `up`: a first start takes about as
/// long.
const LATEST_MOMENT: Duration = Duration::from_secs(8);
/// Every write of a cluster is read back after each kill; with this many rounds behind it a
/// cluster gives way to a new one, so that reading back does not grow for ever.
const OLDEST: usize = 8;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let Some(options) = Options::read(&words) else {
        eprintln!("soak [--kills N] [--lanes N] [--seed N]");
        return ExitCode::from(2);
    };
    let Options { kills, lanes, seed } = options;
    println!("seed {seed}, {lanes} lanes");
    let began = Instant::now();
    std::thread::scope(|scope| {
        for lane in 1..=lanes {
            // The first lanes take what cannot be shared out evenly.
            let share = kills / lanes + u64::from(lane <= kills % lanes);
            scope.spawn(move || run(lane, share, Dice::of(seed, lane)));
        }
    });
    let seconds = began.elapsed().as_secs_f64();
    println!("{kills} kills survived in {seconds:.0} s, seed {seed}, {lanes} lanes");
    ExitCode::SUCCESS
}

/// Plays the rounds of one lane, one after the other.
fn run(lane: u64, rounds: u64, mut dice: Dice) {
    let mut kept = None;
    for number in 1..=rounds {
        let round = Round::draw(&mut dice);
        println!("lane {lane}, {number}/{rounds}: {round:?}");
        let began = Instant::now();
        kept = Some(play(&round, kept));
        let seconds = began.elapsed().as_secs_f64();
        println!("lane {lane}, {number}/{rounds}: whole after {seconds:.1} s");
    }
}

struct Options {
    kills: u64,
    lanes: u64,
    seed: u64,
}

impl Options {
    fn read(words: &[String]) -> Option<Self> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
        let mut options = Self { kills: 50, lanes: 3, seed: now };
        for pair in words.chunks(2) {
            let [name, value] = pair else { return None };
            match name.as_str() {
                "--kills" => options.kills = value.parse().ok()?,
                "--lanes" => options.lanes = value.parse().ok().filter(|lanes| *lanes > 0)?,
                "--seed" => options.seed = value.parse().ok()?,
                _ => return None,
            }
        }
        Some(options)
    }
}

/// Who is killed.
#[derive(Debug, Clone, Copy)]
enum Victim {
    /// Vaultyard, and its servers with it.
    Vaultyard,
    /// One server.
    Server(&'static str),
    /// All servers.
    Servers,
    /// All servers, and Vaultyard at once after them.
    Everything,
}

/// What is done in one round.
#[derive(Debug)]
struct Round {
    /// On a cluster that begins from nothing, or on the one of the round before.
    new_cluster: bool,
    victim: Victim,
    /// From the start of `up`.
    moment: Duration,
    /// Whether the round ends by Ctrl-C, or by a crash that the next one begins with.
    ends_in_order: bool,
}

impl Round {
    fn draw(dice: &mut Dice) -> Self {
        let victim = match dice.below(6) {
            0..=2 => Victim::Vaultyard,
            3 => Victim::Server(SERVERS[usize::try_from(dice.below(3)).unwrap_or_default()]),
            4 => Victim::Servers,
            _ => Victim::Everything,
        };
        let latest = u64::try_from(LATEST_MOMENT.as_millis()).unwrap_or(u64::MAX);
        Self {
            new_cluster: dice.below(2) == 0,
            victim,
            moment: Duration::from_millis(dice.below(latest)),
            ends_in_order: dice.below(2) == 0,
        }
    }
}

/// A cluster's home and everything that was written there.
struct Kept {
    home: Home,
    journals: Vec<Journal>,
}

fn play(round: &Round, kept: Option<Kept>) -> Kept {
    let fresh = || Kept { home: Home::new(), journals: Vec::new() };
    let goes_on = |kept: &Kept| !round.new_cluster && kept.journals.len() < OLDEST;
    let kept = kept.filter(goes_on).unwrap_or_else(fresh);
    let Kept { home, mut journals } = kept;

    let mut cluster = Cluster::starting(home, &[]);
    std::thread::sleep(round.moment);
    match round.victim {
        Victim::Vaultyard => cluster = Cluster::starting(cluster.crash(), &[]),
        // A status from before the kill does not count.
        Victim::Server(name) => drop(cluster.recovers_from(&[name], |it| it.kill(&[name]))),
        Victim::Servers => drop(cluster.recovers_from(&SERVERS, |it| it.kill(&SERVERS))),
        Victim::Everything => {
            cluster.kill(&SERVERS);
            cluster = Cluster::starting(cluster.crash(), &[]);
        }
    }

    cluster.wait_until_ready();
    cluster.keys_verify();
    let writing = cluster.start_writing();
    writing.wait_for(20);
    journals.push(writing.stop());
    for journal in &journals {
        assert_eq!(cluster.faults_of(journal), [], "{round:?}\n{}", cluster.up().said());
    }
    let home = if round.ends_in_order { cluster.stop() } else { cluster.crash() };
    Kept { home, journals }
}

/// SplitMix64: the same seed gives the same rounds on every machine.
struct Dice(u64);

impl Dice {
    /// The dice of one lane: other throws in each.
    fn of(seed: u64, lane: u64) -> Self {
        Self(seed.wrapping_add(lane.wrapping_mul(0x5851_f42d_4c95_7f2d)))
    }

    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }
}
