//! `vaultyard env`

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::arguments::Common;
use crate::failure::Failure;
use crate::local::state::Known;
use crate::{local, output, system};

pub(super) fn run(common: &Common) -> Result<ExitCode, Failure> {
    let known = local::state::known(common)?;
    let mut lines: Vec<String> =
        variables(&known).iter().map(|(name, value)| export(name, value)).collect();
    let missing = missing_from_path(&known);
    if !missing.is_empty() {
        let folders: Vec<String> =
            missing.iter().map(|folder| quoted(&folder.display().to_string())).collect();
        lines.push(format!("export PATH={}:\"$PATH\"", folders.join(":")));
    }
    if known.state.paths().root() != system::default_state().unwrap_or_default() {
        lines.push(export("VAULTYARD_STATE", &known.state.paths().root().display().to_string()));
    }
    output::data(lines.join("\n"))?;
    Ok(ExitCode::SUCCESS)
}

/// What `bao` and `vault` need to reach the cluster, by both names.
pub(crate) fn variables(known: &Known) -> Vec<(String, String)> {
    let authority = known.state.paths().pki().join("ca/root.crt");
    let values = [
        ("ADDR", known.layout.url()),
        ("CACERT", authority.display().to_string()),
        ("NAMESPACE", String::new()),
    ];
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
    let own = system::own_program().and_then(|path| path.parent().map(Path::to_owned));
    let path = system::search_path();
    let has = |folder: &Path, program: &str| folder.join(program).is_file();
    let finds = |program: &str| std::env::split_paths(&path).any(|folder| has(&folder, program));
    let mut missing = Vec::new();
    missing.extend(own.filter(|_| !finds("vaultyard")));
    missing.extend(Some(fetched).filter(|folder| has(folder, program) && !finds(program)));
    missing
}

fn export(name: &str, value: &str) -> String {
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
