//! Taking a snapshot: it is checked and encrypted while it arrives, and gets its name when it is whole.

use std::future::Future;
use std::io::{self, Read, Write};

use bytes::{Buf, Bytes};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use vaultyard_durable::Unnamed;
use vaultyard_model::port::clock::Random;
use vaultyard_model::port::custody::{CustodyError, KeyEncryption};
use vaultyard_model::port::server::CallError;

use crate::archive::{self, ArchiveError, Meta};
use crate::file::{self, Header, NewKey};
use crate::folder::Name;
use crate::shelf::{Shelf, ShelfError};

/// A snapshot that was taken.
#[derive(Debug)]
pub struct Taken {
    /// Its name.
    pub name: Name,
    /// What it says of itself.
    pub header: Header,
    /// Up to where it goes.
    pub meta: Meta,
}

/// Why none was taken. What was there before is as it was.
#[derive(Debug, thiserror::Error)]
pub enum TakeError {
    /// The server did not give one.
    #[error("{server}, which leads, gave no snapshot")]
    Server {
        /// Which.
        server: String,
        /// Why.
        source: CallError,
    },
    /// What the server gave is not whole.
    #[error("what {server} gave {why}")]
    Arrived {
        /// Which.
        server: String,
        /// What is wrong with it.
        why: ArchiveError,
    },
    /// The key-encryption key could not be used.
    #[error("the key of the snapshot cannot be encrypted")]
    Custody(#[from] CustodyError),
    /// It cannot be written.
    #[error("the snapshot cannot be kept in {folder}")]
    NotKept {
        /// Where.
        folder: String,
        /// Why.
        source: io::Error,
    },
    /// It cannot be brought where it is to be kept.
    #[error("the snapshot cannot be kept in {0}")]
    NotSent(#[from] ShelfError),
    /// Another one was begun in the same second.
    #[error("a snapshot {0} is there already; try again")]
    Exists(Name),
}

/// Keeps what `sending` puts into the channel of `chunks`.
///
/// # Errors
/// [`TakeError`].
pub async fn take(
    header: Header,
    sending: impl Future<Output = Result<(), CallError>>,
    chunks: mpsc::Receiver<Bytes>,
    shelf: &Shelf,
    encryption: &dyn KeyEncryption,
    random: &dyn Random,
) -> Result<Taken, TakeError> {
    let (name, server, folder) = (Name::at(header.taken), header.server.clone(), shelf.folder());
    let not_kept =
        |source| TakeError::NotKept { folder: folder.path().display().to_string(), source };
    shelf.answers().await?;
    let file = folder.begin(&name, header.taken).map_err(not_kept)?;
    let key = file::new_key(header, encryption, random).await?;
    let receiving = spawn_blocking(move || receive(chunks, &key, file).map(|kept| (key, kept)));
    let (sent, received) = tokio::join!(sending, receiving);
    // When a server gives up in the middle, what arrived is cut off: its own words say more.
    sent.map_err(|source| TakeError::Server { server: server.clone(), source })?;
    let received = received.map_err(io::Error::other).map_err(not_kept)?;
    let (key, (meta, file)) = received.map_err(|failed| match failed {
        Failed::Arrived(why) => TakeError::Arrived { server, why },
        Failed::NotKept(source) => not_kept(source),
    })?;
    if !file.create().map_err(not_kept)? || !shelf.keep(&name).await? {
        return Err(TakeError::Exists(name));
    }
    Ok(Taken { name, header: key.header().clone(), meta })
}

enum Failed {
    Arrived(ArchiveError),
    NotKept(io::Error),
}

/// Writes all that arrives into the file, and holds it against its checksums at the same time.
fn receive(
    chunks: mpsc::Receiver<Bytes>,
    key: &NewKey,
    mut file: Unnamed,
) -> Result<(Meta, Unnamed), Failed> {
    let encrypted = key.begin(&mut file).map_err(Failed::NotKept)?;
    let mut arriving = Copied { from: Chunks::of(chunks), to: encrypted, not_kept: None };
    let checked = archive::check(&mut arriving).and_then(|meta| {
        // Whatever comes behind the archive belongs to what the server gave.
        io::copy(&mut arriving, &mut io::sink()).map_err(ArchiveError::Damaged)?;
        Ok(meta)
    });
    let Copied { to, not_kept, .. } = arriving;
    if let Some(error) = not_kept {
        return Err(Failed::NotKept(error));
    }
    let meta = checked.map_err(Failed::Arrived)?;
    to.finish().map_err(Failed::NotKept)?;
    Ok((meta, file))
}

/// Reads, and writes down what was read.
struct Copied<R, W> {
    from: R,
    to: W,
    /// Why it could not be written down.
    not_kept: Option<io::Error>,
}

impl<R: Read, W: Write> Read for Copied<R, W> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(buffer)?;
        if let Err(error) = self.to.write_all(&buffer[..read]) {
            let kind = error.kind();
            self.not_kept = Some(error);
            return Err(kind.into());
        }
        Ok(read)
    }
}

/// What arrives in pieces, as something that can be read; blocks until there is more.
struct Chunks {
    chunks: mpsc::Receiver<Bytes>,
    present: Bytes,
}

impl Chunks {
    fn of(chunks: mpsc::Receiver<Bytes>) -> Self {
        Self { chunks, present: Bytes::new() }
    }
}

impl Read for Chunks {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.present.is_empty() {
            match self.chunks.blocking_recv() {
                Some(chunk) => self.present = chunk,
                None => return Ok(0),
            }
        }
        let length = self.present.len().min(buffer.len());
        self.present.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}

#[cfg(test)]
mod tests;
