//! What is sent to a place for snapshots, piece by piece.

use std::fs::File;
use std::io::{self, Read};

use async_trait::async_trait;
use tokio::task::spawn_blocking;
use vaultyard_model::port::snapshots::{PIECE, Pieces};

/// Does what waits for a disk on a thread for that.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    spawn_blocking(work).await.unwrap_or_else(|gone| Err(io::Error::other(gone)))
}

/// A file, read piece by piece.
pub(crate) struct OfFile {
    file: Option<File>,
    length: u64,
}

impl OfFile {
    pub(crate) fn new(file: File, length: u64) -> Self {
        Self { file: Some(file), length }
    }
}

#[async_trait]
impl Pieces for OfFile {
    fn length(&self) -> u64 {
        self.length
    }

    async fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        let Some(file) = self.file.take() else { return Ok(None) };
        let (file, piece) = blocking(move || {
            let mut piece = Vec::with_capacity(PIECE);
            (&file).take(PIECE as u64).read_to_end(&mut piece)?;
            Ok((file, piece))
        })
        .await?;
        self.file = Some(file);
        Ok((!piece.is_empty()).then_some(piece))
    }
}

/// A short text.
pub(crate) struct OfText(Option<String>);

impl OfText {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(Some(text.into()))
    }
}

#[async_trait]
impl Pieces for OfText {
    fn length(&self) -> u64 {
        self.0.as_ref().map_or(0, |text| text.len() as u64)
    }

    async fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        Ok(self.0.take().map(String::into_bytes))
    }
}
