//! The files that the servers' own seal takes. A server that cannot use one of them ends at once, again
//! and again; so they are looked at before the first server starts.

use std::path::Path;

use vaultyard_model::cluster::Seal;
use vaultyard_model::{Cluster, Secret};

use crate::failure::{Failure, Kind};

/// Refuses a document whose seal names a file that the servers cannot use.
pub(crate) fn refuse_unusable(cluster: &Cluster) -> Result<(), Failure> {
    let Some(seal) = &cluster.seal else { return Ok(()) };
    for (field, path) in seal.files() {
        let content = std::fs::read(path).map(Secret::new).map_err(|error| {
            let text = format!("spec.seal.{field}: {} cannot be read: {error}", path.display());
            Failure::text(Kind::BadInput, text)
                .hint("the servers read this file by themselves; put it there first")
        })?;
        if matches!(seal, Seal::Transit(transit) if transit.token_file == path) {
            refuse_more_than_a_token(field, path, content.expose())?;
        }
    }
    Ok(())
}

/// The server takes every byte of the file for the token.
fn refuse_more_than_a_token(field: &str, path: &Path, content: &[u8]) -> Result<(), Failure> {
    if !content.is_empty() && content.iter().all(u8::is_ascii_graphic) {
        return Ok(());
    }
    let path = path.display();
    let text = format!("spec.seal.{field}: {path} holds something else than a token");
    let hint = "the server takes every byte of it for the token: leave out the end of the line, as \
                `printf %s TOKEN` does";
    Err(Failure::text(Kind::BadInput, text).hint(hint))
}

#[cfg(test)]
mod tests {
    use vaultyard_manifest::{BUILT_IN, Target, parse};

    use super::*;

    #[test]
    fn a_file_that_is_not_there_or_ends_a_line_is_refused_before_a_server_starts() {
        let folder = tempfile::tempdir().unwrap();
        let token = folder.path().join("token");
        let seal = format!(
            "spec: {{seal: {{transit: {{address: 'https://other:8200', keyName: k, tokenFile: {}}}}}}}",
            token.display()
        );
        let cluster = parse("test", format!("{BUILT_IN}{seal}\n"), Target::Local).unwrap();
        let said = |cluster: &Cluster| refuse_unusable(cluster).unwrap_err().message().to_owned();
        assert!(said(&cluster).contains("spec.seal.transit.tokenFile"));
        for wrong in ["", "s.token\n", "s.to ken"] {
            std::fs::write(&token, wrong).unwrap();
            let said = said(&cluster);
            assert!(said.ends_with("holds something else than a token"), "{said}");
        }
        std::fs::write(&token, "s.token").unwrap();
        assert!(refuse_unusable(&cluster).is_ok());
    }
}
