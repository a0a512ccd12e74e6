//! The one layer of an image. Nothing of the machine that makes it gets in: no time, no owner, no
//! order of a folder.

use std::collections::BTreeMap;
use std::io::{self, Write};

use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};

const ROOT: (u64, u64) = (0, 0);

/// A file or a folder.
#[derive(Clone)]
pub(super) struct Entry {
    /// Without a slash at either end.
    path: String,
    /// A folder has none.
    content: Option<Vec<u8>>,
    mode: u32,
    /// User and group, by number.
    owner: (u64, u64),
}

impl Entry {
    /// A file that everybody may run and nobody may write.
    pub(super) fn program(path: &str, content: Vec<u8>) -> Self {
        Self { mode: 0o555, ..Self::file(path, content) }
    }

    /// A file that everybody may read and nobody may write.
    pub(super) fn file(path: &str, content: Vec<u8>) -> Self {
        Self { path: path.to_owned(), content: Some(content), mode: 0o444, owner: ROOT }
    }

    /// A folder that its owner may write to.
    pub(super) fn folder(path: &str, owner: (u64, u64)) -> Self {
        Self { path: path.to_owned(), content: None, mode: 0o755, owner }
    }

    /// `/tmp`.
    pub(super) fn scratch() -> Self {
        Self { mode: 0o1777, ..Self::folder("tmp", ROOT) }
    }

    /// Adds everything of it to a sum.
    pub(super) fn add_to(&self, sum: &mut Sha256) {
        let (user, group) = self.owner;
        let kind = if self.content.is_some() { "file" } else { "folder" };
        add(sum, format!("{kind} {:o} {user} {group} {}", self.mode, self.path).as_bytes());
        add(sum, self.content.as_deref().unwrap_or_default());
    }

    fn parents(&self) -> impl Iterator<Item = &str> {
        self.path.match_indices('/').map(|(at, _)| &self.path[..at])
    }

    fn append_to(&self, archive: &mut Builder<impl Write>) -> io::Result<()> {
        let mut header = Header::new_ustar();
        let (user, group) = self.owner;
        header.set_uid(user);
        header.set_gid(group);
        header.set_mode(self.mode);
        header.set_mtime(0);
        let content = self.content.as_deref().unwrap_or_default();
        header.set_size(content.len() as u64);
        if self.content.is_some() {
            return archive.append_data(&mut header, &self.path, content);
        }
        header.set_entry_type(EntryType::Directory);
        archive.append_data(&mut header, format!("{}/", self.path), content)
    }
}

/// A layer as it goes into the archive.
pub(super) struct Layer {
    pub(super) compressed: Vec<u8>,
    /// SHA-256 of what is unpacked from it, in hexadecimal digits.
    pub(super) unpacked_sum: String,
}

/// Packs the entries, and the folders that they lie in, sorted by their paths.
pub(super) fn pack(entries: &[Entry]) -> io::Result<Layer> {
    let parents = entries.iter().flat_map(Entry::parents);
    let mut sorted: BTreeMap<String, Entry> =
        parents.map(|path| (path.to_owned(), Entry::folder(path, ROOT))).collect();
    sorted.extend(entries.iter().map(|entry| (entry.path.clone(), entry.clone())));

    let compressor = GzEncoder::new(Vec::new(), flate2::Compression::best());
    let mut archive = Builder::new(Summing { inner: compressor, sum: Sha256::new() });
    for entry in sorted.values() {
        entry.append_to(&mut archive)?;
    }
    let Summing { inner, sum } = archive.into_inner()?;
    Ok(Layer { compressed: inner.finish()?, unpacked_sum: digits(sum) })
}

/// Adds bytes to a sum, with their length, so that none can pass for those of its neighbour.
pub(super) fn add(sum: &mut Sha256, bytes: &[u8]) {
    sum.update((bytes.len() as u64).to_le_bytes());
    sum.update(bytes);
}

/// The sum in hexadecimal digits.
pub(super) fn digits(sum: Sha256) -> String {
    sum.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Passes on what is written and sums it up.
struct Summing<W> {
    inner: W,
    sum: Sha256,
}

impl<W: Write> Write for Summing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = self.inner.write(bytes)?;
        self.sum.update(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn unpacked(layer: &Layer) -> Vec<u8> {
        let mut content = Vec::new();
        flate2::read::GzDecoder::new(layer.compressed.as_slice())
            .read_to_end(&mut content)
            .unwrap();
        content
    }

    fn two() -> [Entry; 2] {
        [Entry::program("usr/bin/tool", b"tool".to_vec()), Entry::folder("data", (100, 1000))]
    }

    #[test]
    fn a_layer_holds_its_entries_sorted_below_their_folders() {
        let content = unpacked(&pack(&two()).unwrap());
        let mut archive = tar::Archive::new(content.as_slice());
        let found: Vec<_> = archive
            .entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let path = entry.path().unwrap().display().to_string();
                let header = entry.header();
                let owner = (header.uid().unwrap(), header.gid().unwrap());
                (path, header.mode().unwrap(), owner, header.mtime().unwrap())
            })
            .collect();
        let expected = [
            ("data/", 0o755, (100, 1000), 0),
            ("usr/", 0o755, ROOT, 0),
            ("usr/bin/", 0o755, ROOT, 0),
            ("usr/bin/tool", 0o555, ROOT, 0),
        ];
        assert_eq!(
            found,
            expected.map(|(path, mode, owner, at)| (path.to_owned(), mode, owner, at))
        );
    }

    #[test]
    fn the_sum_is_that_of_the_unpacked_layer() {
        let layer = pack(&two()).unwrap();
        let sum = digits(Sha256::new_with_prefix(unpacked(&layer)));
        assert_eq!(layer.unpacked_sum, sum);
    }

    #[test]
    fn the_order_in_which_entries_are_named_changes_nothing() {
        let [one, other] = two();
        let layers = [[one.clone(), other.clone()], [other, one]].map(|it| pack(&it).unwrap());
        assert_eq!(layers[0].compressed, layers[1].compressed);
    }
}
