//! What was measured on.

use std::fs;
use std::process::Command;

/// What ran on the machine in the last minute, in processors.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load(f64);

pub(crate) fn load() -> Load {
    let averages = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    Load(first_word(&averages).parse().unwrap_or(f64::NAN))
}

/// Date, machine, versions, and what else ran there before.
pub(crate) fn line(before: Load) -> String {
    let date = said("date", &["-u", "+%Y-%m-%d %H:%M UTC"]);
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let model = field("/proc/cpuinfo", "model name");
    let memory: f64 = first_word(&field("/proc/meminfo", "MemTotal")).parse().unwrap_or(f64::NAN);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let kernel = kernel.trim().split('-').next().unwrap_or_default().to_owned();
    let system = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let system = system.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    let system = system.unwrap_or("Linux").trim_matches('"').to_owned();
    let haproxy = said("haproxy", &["-v"]);
    let haproxy = haproxy.split_whitespace().nth(2).unwrap_or("missing").to_owned();
    let bind = said("named", &["-v"]);
    let bind = bind.split_whitespace().nth(1).unwrap_or("missing").to_owned();
    format!(
        "Measured {date} on {processors} processors ({model}), {:.0} GiB, {system}, Linux \
         {kernel}, which had {:.1} processors busy before. OpenBao 2.7.2, HAProxy {haproxy}, BIND \
         {bind}.",
        memory / 1024.0 / 1024.0,
        before.0
    )
}

fn field(file: &str, name: &str) -> String {
    let content = fs::read_to_string(file).unwrap_or_default();
    let mut lines = content.lines().filter(|line| line.starts_with(name));
    let value = lines.next().and_then(|line| line.split_once(':'));
    value.map_or_else(|| "unknown".to_owned(), |(_, value)| value.trim().to_owned())
}

fn first_word(text: &str) -> &str {
    text.split_whitespace().next().unwrap_or_default()
}

fn said(program: &str, words: &[&str]) -> String {
    let said = Command::new(program).args(words).output();
    said.map(|said| String::from_utf8_lossy(&said.stdout).trim().to_owned()).unwrap_or_default()
}
