//! Giving a snapshot that was kept back to a server.

use std::io::{self, Read};

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::file::Unlocked;

/// How much is decrypted at once, in bytes.
const PIECE: usize = 64 * 1024;

/// Decrypts the archive and puts it into the channel, piece by piece. What cannot be decrypted is an
/// error among the pieces; whoever takes them may go at any time. Blocks: it runs on a thread for that.
pub fn send<R: Read>(unlocked: Unlocked<R>, to: &mpsc::Sender<io::Result<Bytes>>) {
    let opened = unlocked.archive();
    let mut archive = match opened.map_err(|error| io::Error::other(error.to_string())) {
        Ok(archive) => archive,
        Err(error) => return drop(to.blocking_send(Err(error))),
    };
    loop {
        let mut piece = vec![0; PIECE];
        let piece = match archive.read(&mut piece) {
            Ok(0) => return,
            Ok(read) => {
                piece.truncate(read);
                Ok(piece.into())
            }
            Err(error) => Err(error),
        };
        let last = piece.is_err();
        if to.blocking_send(piece).is_err() || last {
            return;
        }
    }
}
