//! The small files of a state directory.

use std::net::Ipv4Addr;
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use vaultyard_durable as durable;
use vaultyard_model::port::rollout::VersionChange;
use vaultyard_model::{ClusterName, Version};

use super::StateError;

/// The format that this Vaultyard writes, and the newest that it reads.
const FORMAT: u64 = 1;

/// What says that a folder is a state directory, and whose.
pub(super) struct Record {
    pub(super) cluster: ClusterName,
    pub(super) created: Timestamp,
}

/// All that is sure of a format that we do not know.
#[derive(Deserialize)]
struct Header {
    format: u64,
    #[serde(default)]
    vaultyard: String,
}

#[derive(Serialize, Deserialize)]
struct Written {
    format: u64,
    cluster: String,
    created: String,
    vaultyard: String,
}

impl Record {
    /// `None` when there is no record.
    pub(super) fn read(path: &Path) -> Result<Option<Self>, StateError> {
        let Some(header) = parse::<Header>(path)? else { return Ok(None) };
        if header.format > FORMAT {
            return Err(StateError::Newer {
                path: path.to_owned(),
                format: header.format,
                known: FORMAT,
                vaultyard: header.vaultyard,
            });
        }
        let Some(written) = parse::<Written>(path)? else { return Ok(None) };
        let damaged = |why: String| StateError::Damaged { path: path.to_owned(), why };
        Ok(Some(Self {
            cluster: ClusterName::new(&written.cluster)
                .map_err(|error| damaged(format!("`cluster` {error}")))?,
            created: written
                .created
                .parse()
                .map_err(|error| damaged(format!("`created` is no time: {error}")))?,
        }))
    }

    pub(super) fn create(
        path: &Path,
        cluster: &ClusterName,
        vaultyard: &str,
        now: Timestamp,
    ) -> Result<Self, StateError> {
        let written = Written {
            format: FORMAT,
            cluster: cluster.to_string(),
            created: now.to_string(),
            vaultyard: vaultyard.to_owned(),
        };
        write(path, &written)?;
        Ok(Self { cluster: cluster.clone(), created: now })
    }
}

/// The addresses that were chosen.
#[derive(Serialize, Deserialize)]
pub(super) struct Network {
    first: Ipv4Addr,
}

impl Network {
    pub(super) fn read(path: &Path) -> Result<Option<Ipv4Addr>, StateError> {
        Ok(parse::<Self>(path)?.map(|network| network.first))
    }

    pub(super) fn write(path: &Path, first: Ipv4Addr) -> Result<(), StateError> {
        write(path, &Self { first })
    }
}

/// How many servers stand.
#[derive(Serialize, Deserialize)]
pub(super) struct Standing {
    servers: u8,
}

impl Standing {
    pub(super) fn read(path: &Path) -> Result<Option<u8>, StateError> {
        let Some(Self { servers }) = parse(path)? else { return Ok(None) };
        match Self::POSSIBLE.contains(&servers) {
            true => Ok(Some(servers)),
            false => Err(StateError::Damaged {
                path: path.to_owned(),
                why: format!("`servers` is {servers}, and 1 to 9 can stand"),
            }),
        }
    }

    pub(super) fn write(path: &Path, servers: u8) -> Result<(), StateError> {
        write(path, &Self { servers })
    }

    const POSSIBLE: std::ops::RangeInclusive<u8> = 1..=9;
}

/// The change of version that is under way, or was the last.
#[derive(Serialize, Deserialize)]
struct WrittenChange {
    from: Vec<String>,
    towards: String,
    snapshot: Option<String>,
    taken: Timestamp,
    led: bool,
}

pub(super) fn read_change(path: &Path) -> Result<Option<VersionChange>, StateError> {
    let Some(written) = parse(path)? else { return Ok(None) };
    let WrittenChange { from, towards, snapshot, taken, led } = written;
    let read = |text: &String| {
        Version::new(text).map_err(|error| StateError::Damaged {
            path: path.to_owned(),
            why: format!("{text:?} {error}"),
        })
    };
    let from = from.iter().map(read).collect::<Result<_, _>>()?;
    Ok(Some(VersionChange { from, towards: read(&towards)?, snapshot, taken, led }))
}

pub(super) fn write_change(change: &VersionChange, path: &Path) -> Result<(), StateError> {
    let written = WrittenChange {
        from: change.from.iter().map(Version::to_string).collect(),
        towards: change.towards.to_string(),
        snapshot: change.snapshot.clone(),
        taken: change.taken,
        led: change.led,
    };
    write(path, &written)
}

fn parse<T: for<'a> Deserialize<'a>>(path: &Path) -> Result<Option<T>, StateError> {
    let bytes = match durable::read(path) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return Ok(None),
        Err(source) => return Err(StateError::Unusable { path: path.to_owned(), source }),
    };
    match serde_json::from_slice(&bytes) {
        Ok(value) => Ok(Some(value)),
        Err(error) => Err(StateError::Damaged { path: path.to_owned(), why: error.to_string() }),
    }
}

fn write(path: &Path, value: &impl Serialize) -> Result<(), StateError> {
    serde_json::to_vec_pretty(value)
        .map_err(std::io::Error::from)
        .and_then(|bytes| durable::replace(path, &bytes, durable::PRIVATE))
        .map_err(|source| StateError::Unusable { path: path.to_owned(), source })
}
