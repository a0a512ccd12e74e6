//! `vaultyard env`

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::arguments::{Common, Target};
use crate::failure::Failure;
use crate::local::state::Known;
use crate::{kubernetes, local, output, system};

/// `forward_for` makes it the process in the background that carries connections for a session.
pub(super) fn run(common: &Common, forward_for: Option<u32>) -> Result<ExitCode, Failure> {
    match (common.target, forward_for) {
        (Target::Local, _) => here(common),
        (Target::Kubernetes, None) => super::wait(kubernetes::env::run(common)),
        (Target::Kubernetes, Some(session)) => {
            super::wait(kubernetes::env::forward(common, session))
        }
    }
}

fn here(common: &Common) -> Result<ExitCode, Failure> {
    let known = local::state::known(common)?;
    let mut lines: Vec<String> =
        variables(&known).iter().map(|(name, value)| export(name, value)).collect();
    lines.extend(export_path(&missing_from_path(&known)));
    if known.state.paths().root() != system::default_state().unwrap_or_default() {
        lines.push(export("VAULTYARD_STATE", &known.state.paths().root().display().to_string()));
    }
    output::data(lines.join("\n"))?;
    Ok(ExitCode::SUCCESS)
}

/// What `bao` and `vault` need to reach the cluster, by both names.
pub(crate) fn variables(known: &Known) -> Vec<(String, String)> {
    let authority = known.state.paths().pki().join("ca/root.crt");
    both([
        ("ADDR", known.layout.url()),
        ("CACERT", authority.display().to_string()),
        ("NAMESPACE", String::new()),
    ])
}

/// Variables with the prefixes of either program.
pub(crate) fn both<const N: usize>(values: [(&str, String); N]) -> Vec<(String, String)> {
    let both = |(name, value): &(&str, String)| {
        ["BAO", "VAULT"].map(|prefix| (format!("{prefix}_{name}"), value.clone()))
    };
    values.iter().flat_map(both).collect()
}

/// The folders of `vaultyard` and of the server's program that a shell would not search.
pub(crate) fn missing_from_path(known: &Known) -> Vec<PathBuf> {
    let servers = &known.document.cluster.servers;
    let program = servers.software.program();
    let fetched = known.state.paths().binaries().join(servers.version.to_string());
    let mut missing = Vec::new();
    missing.extend(own_missing_from_path());
    missing
        .extend(Some(fetched).filter(|folder| folder.join(program).is_file() && !finds(program)));
    missing
}

/// The folder of `vaultyard`, when a shell would not search it.
fn own_missing_from_path() -> Option<PathBuf> {
    let own = system::own_program().and_then(|path| path.parent().map(Path::to_owned));
    own.filter(|_| !finds("vaultyard"))
}

/// Whether a shell finds a program.
fn finds(program: &str) -> bool {
    std::env::split_paths(&system::search_path()).any(|folder| folder.join(program).is_file())
}

/// The line that lets a shell find `vaultyard`, when it would not.
pub(crate) fn export_own_path() -> Option<String> {
    export_path(own_missing_from_path().as_slice())
}

fn export_path(missing: &[PathBuf]) -> Option<String> {
    let folders = missing.iter().map(|folder| quoted(&folder.display().to_string()));
    let folders: Vec<String> = folders.collect();
    (!folders.is_empty()).then(|| format!("export PATH={}:\"$PATH\"", folders.join(":")))
}

/// A line that gives a variable to a shell and to what it starts.
pub(crate) fn export(name: &str, value: &str) -> String {
    format!("export {name}={}", quoted(value))
}

/// A word that a shell takes as it is (POSIX Shell Command Language, 2.2.2).
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-:@%+,=".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn values_are_quoted_so_that_a_shell_takes_them_as_they_are() {
        assert_eq!(quoted("https://127.0.0.10:8200"), "https://127.0.0.10:8200");
        assert_eq!(quoted(""), "''");
        assert_eq!(quoted("/home/o'neil/a b"), r"'/home/o'\''neil/a b'");
    }
}
