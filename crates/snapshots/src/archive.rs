//! The archive of a raft snapshot as OpenBao and Vault send it: a tar, compressed with gzip, of
//! `meta.json`, `state.bin`, the checksums of both in `SHA256SUMS`, and these under the server's seal in
//! `SHA256SUMS.sealed` (hashicorp/raft-snapshot, `archive.go`).

use std::collections::BTreeMap;
use std::io::{self, Read};

use aws_lc_rs::digest::{Context, SHA256};
use flate2::read::GzDecoder;
use serde::Deserialize;
use vaultyard_keys::text::hex;

/// Members whose checksums must stand in [`SUMS`].
const META: &str = "meta.json";
const STATE: &str = "state.bin";
const SUMS: &str = "SHA256SUMS";
/// The checksums under the seal of the cluster: only a server can open them.
const SEALED: &str = "SHA256SUMS.sealed";
/// The largest of the small members, in bytes. Real ones have some hundreds.
const SMALL: u64 = 1 << 20;

/// What an archive says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Meta {
    /// The raft index up to which everything is in it.
    pub index: u64,
    /// The raft term of that index.
    pub term: u64,
}

/// Why an archive is none that could be restored.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// It ends too early, or is damaged where its own checksums do not look.
    #[error("is cut off or damaged: {0}")]
    Damaged(io::Error),
    /// A part that every snapshot has is not in it.
    #[error("is no whole snapshot: {0} is missing")]
    Missing(&'static str),
    /// A part that no snapshot has.
    #[error("is no raft snapshot: it holds {0:?}")]
    Foreign(String),
    /// A part is not what the checksums say.
    #[error("was changed or damaged: {0} does not have the checksum that stands beside it")]
    Checksum(String),
    /// What describes it cannot be understood.
    #[error("is described by a {0} that cannot be understood")]
    NotUnderstood(&'static str),
}

/// Reads a whole archive and holds every part of it against its checksum. Nothing of it is kept in
/// memory but the small parts.
///
/// # Errors
/// [`ArchiveError`].
pub fn check(archive: impl Read) -> Result<Meta, ArchiveError> {
    let mut parts = tar::Archive::new(GzDecoder::new(archive));
    let (mut digests, mut meta, mut sums) = (BTreeMap::new(), None, None);
    for part in parts.entries().map_err(ArchiveError::Damaged)? {
        let mut part = part.map_err(ArchiveError::Damaged)?;
        let name = String::from_utf8_lossy(&part.path_bytes()).into_owned();
        match name.as_str() {
            STATE => drop(digests.insert(name, digest(part).map_err(ArchiveError::Damaged)?)),
            META => {
                let text = small(part, META)?;
                digests.insert(name, digest(&*text).map_err(ArchiveError::Damaged)?);
                meta = Some(text);
            }
            SUMS => sums = Some(small(part, SUMS)?),
            SEALED => drop(io::copy(&mut part, &mut io::sink()).map_err(ArchiveError::Damaged)?),
            _ => return Err(ArchiveError::Foreign(name)),
        }
    }
    // The checksum of gzip itself comes behind the last byte.
    io::copy(&mut parts.into_inner(), &mut io::sink()).map_err(ArchiveError::Damaged)?;
    compare(&digests, &sums.ok_or(ArchiveError::Missing(SUMS))?)?;
    let meta = meta.ok_or(ArchiveError::Missing(META))?;
    serde_json::from_slice(&meta).map_err(|_| ArchiveError::NotUnderstood(META))
}

/// Whether both parts are there and have the checksums of lines like `DIGEST  NAME`.
fn compare(digests: &BTreeMap<String, String>, sums: &[u8]) -> Result<(), ArchiveError> {
    let not_understood = || ArchiveError::NotUnderstood(SUMS);
    let sums = std::str::from_utf8(sums).map_err(|_| not_understood())?;
    let mut said = BTreeMap::new();
    for line in sums.lines() {
        let (digest, name) = line.split_once("  ").ok_or_else(not_understood)?;
        said.insert(name, digest);
    }
    for name in [META, STATE] {
        let digest = digests.get(name).ok_or(ArchiveError::Missing(name))?;
        if said.get(name).is_none_or(|said| said != digest) {
            return Err(ArchiveError::Checksum(name.to_owned()));
        }
    }
    Ok(())
}

fn small(part: impl Read, name: &'static str) -> Result<Vec<u8>, ArchiveError> {
    let mut bytes = Vec::new();
    part.take(SMALL + 1).read_to_end(&mut bytes).map_err(ArchiveError::Damaged)?;
    if bytes.len() as u64 > SMALL {
        return Err(ArchiveError::NotUnderstood(name));
    }
    Ok(bytes)
}

/// The SHA-256 of what is read, in hexadecimal.
fn digest(mut from: impl Read) -> io::Result<String> {
    let mut digest = Context::new(&SHA256);
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match from.read(&mut buffer)? {
            0 => break,
            read => digest.update(&buffer[..read]),
        }
    }
    Ok(hex(digest.finish().as_ref()))
}

#[cfg(test)]
pub(crate) mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;

    use super::*;

    const INDEX: &[u8] = br#"{"Version":1,"ID":"bolt-snapshot","Index":4711,"Term":3,"Size":11}"#;

    /// An archive of these parts.
    fn packed(parts: &[(&str, &[u8])]) -> Vec<u8> {
        let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        for (name, bytes) in parts {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o600);
            tar.append_data(&mut header, name, *bytes).unwrap();
        }
        tar.into_inner().unwrap().finish().unwrap()
    }

    fn sums(state: &[u8]) -> String {
        let digest = |bytes| digest(bytes).unwrap();
        format!("{}  meta.json\n{}  state.bin\n", digest(INDEX), digest(state))
    }

    /// A whole one, as a server makes it.
    pub(crate) fn whole(state: &[u8]) -> Vec<u8> {
        let sums = sums(state);
        packed(&[(META, INDEX), (STATE, state), (SUMS, sums.as_bytes()), (SEALED, b"sealed")])
    }

    fn unpacked(archive: &[u8]) -> Option<Vec<u8>> {
        let mut tar = Vec::new();
        GzDecoder::new(archive).read_to_end(&mut tar).ok().map(|_| tar)
    }

    #[test]
    fn a_whole_archive_says_up_to_where_it_goes() {
        assert_eq!(check(&*whole(b"the state")).unwrap(), Meta { index: 4711, term: 3 });
    }

    #[test]
    fn what_is_missing_foreign_or_changed_is_named() {
        let said = |parts: &[(&str, &[u8])]| check(&*packed(parts)).unwrap_err().to_string();
        let good = sums(b"state");
        let good = good.as_bytes();
        assert_eq!(
            said(&[(META, INDEX), (STATE, b"other"), (SUMS, good)]),
            "was changed or damaged: state.bin does not have the checksum that stands beside it"
        );
        assert_eq!(
            said(&[(META, INDEX), (SUMS, good)]),
            "is no whole snapshot: state.bin is missing"
        );
        assert_eq!(
            said(&[(META, INDEX), (STATE, b"state")]),
            "is no whole snapshot: SHA256SUMS is missing"
        );
        assert_eq!(said(&[("vault.db", b"")]), "is no raft snapshot: it holds \"vault.db\"");
        assert_eq!(
            said(&[(META, INDEX), (STATE, b"state"), (SUMS, b"nonsense")]),
            "is described by a SHA256SUMS that cannot be understood"
        );
    }

    proptest! {
        #[test]
        fn a_byte_that_was_changed_or_an_end_that_is_missing_is_always_noticed(
            state in proptest::collection::vec(any::<u8>(), 0..2_000),
            place in any::<prop::sample::Index>(),
            flip in 1u8..,
        ) {
            let archive = whole(&state);
            // The head of gzip holds a time and names an operating system, which nothing depends on.
            let body = 10..archive.len();
            let at = body.start + place.index(body.len());
            prop_assert!(check(&archive[..at]).is_err(), "cut at {at}");
            let mut changed = archive.clone();
            changed[at] ^= flip;
            // Some bits of the compression mean nothing.
            let same = || unpacked(&changed) == unpacked(&archive);
            prop_assert!(check(&*changed).is_err() || same(), "changed at {at}");
        }
    }
}
