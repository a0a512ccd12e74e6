//! `vaultyard logs`

use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use crate::arguments::{Common, Target};
use crate::failure::{Failure, failed};
use crate::{kubernetes, local, output};

/// Between two looks for new lines.
const PAUSE: Duration = Duration::from_millis(200);
/// How much of a file's end is read for the last lines.
const END: u64 = 1 << 20;

pub(super) async fn run(
    common: &Common,
    server: Option<&str>,
    follow: bool,
    tail: usize,
) -> Result<ExitCode, Failure> {
    if common.target == Target::Kubernetes {
        return kubernetes::logs::run(common, server, follow, tail).await;
    }
    let known = local::state::known(common)?;
    let names: Vec<&str> = known.layout.servers.iter().map(|place| place.name.as_str()).collect();
    output::servers::refuse_unknown(&names, server)?;
    let chosen = known
        .layout
        .servers
        .iter()
        .filter(|place| server.is_none_or(|server| server == place.name.as_str()));
    let mut logs: Vec<Log> = chosen
        .map(|place| Log::new(&known.state.paths().server(&place.name).log(), place.name.as_str()))
        .collect();
    let prefixed = logs.len() > 1;
    let mut most = tail;
    loop {
        for log in &mut logs {
            let lines = log.news().map_err(failed)?;
            let from = lines.len().saturating_sub(most);
            print(&lines[from..], prefixed.then_some(log.name.as_str()))?;
        }
        if !follow {
            return Ok(ExitCode::SUCCESS);
        }
        most = usize::MAX;
        tokio::time::sleep(PAUSE).await;
    }
}

fn print(lines: &[String], prefix: Option<&str>) -> Result<(), Failure> {
    for line in lines {
        match prefix {
            Some(name) => output::data(format!("{name} | {line}"))?,
            None => output::data(line)?,
        }
    }
    Ok(())
}

/// A log file that grows, and is replaced when its server starts anew.
struct Log {
    path: PathBuf,
    name: String,
    position: Option<u64>,
    rest: Vec<u8>,
}

impl Log {
    fn new(path: &Path, name: &str) -> Self {
        Self { path: path.to_owned(), name: name.to_owned(), position: None, rest: Vec::new() }
    }

    /// The whole lines since the last call; at the first call those near the file's end.
    fn news(&mut self) -> std::io::Result<Vec<String>> {
        let mut file = match std::fs::File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let length = file.metadata()?.len();
        // A file that is shorter than before is another one.
        let position = match self.position {
            Some(position) if position <= length => position,
            Some(_) => 0,
            None => length.saturating_sub(END),
        };
        file.seek(SeekFrom::Start(position))?;
        let read = file.take(length - position).read_to_end(&mut self.rest)?;
        self.position = Some(position + read as u64);
        let Some(end) = self.rest.iter().rposition(|byte| *byte == b'\n') else {
            return Ok(Vec::new());
        };
        let whole: Vec<u8> = self.rest.drain(..=end).collect();
        let text = String::from_utf8_lossy(&whole);
        Ok(text.lines().map(str::to_owned).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn only_whole_lines_are_told_and_a_new_file_begins_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("server.log");
        let mut log = Log::new(&path, "vault-0");
        assert!(log.news().unwrap().is_empty());
        let mut file = std::fs::File::create(&path).unwrap();
        write!(file, "one\ntwo\nthr").unwrap();
        assert_eq!(log.news().unwrap(), ["one", "two"]);
        writeln!(file, "ee").unwrap();
        assert_eq!(log.news().unwrap(), ["three"]);
        std::fs::write(&path, "four\n").unwrap();
        assert_eq!(log.news().unwrap(), ["four"]);
    }
}
