//! Whether an archive is the one that would be made again: packing costs seconds, a sum of what is
//! packed does not.

use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::{Image, layer};

/// Sum of everything that an archive is made of: what is packed, and the program that packs it.
pub(super) fn made_of(image: &Image, architecture: &str, packer: &[u8]) -> String {
    let mut sum = Sha256::new();
    for part in [image.name.as_bytes(), architecture.as_bytes(), packer] {
        layer::add(&mut sum, part);
    }
    layer::add(&mut sum, image.config.to_string().as_bytes());
    image.entries.iter().for_each(|entry| entry.add_to(&mut sum));
    layer::digits(sum)
}

/// The program that packs: this one.
pub(super) fn packer() -> io::Result<Vec<u8>> {
    std::fs::read(std::env::current_exe()?)
}

/// What stands beside an archive about it.
#[derive(Debug, PartialEq)]
pub(super) struct Note {
    pub(super) made_of: String,
    pub(super) manifest: String,
    /// Bytes of the archive.
    pub(super) size: u64,
}

impl Note {
    /// What is noted of an archive that is there and whole.
    pub(super) fn of(archive: &Path) -> Option<Self> {
        let noted = std::fs::read_to_string(beside(archive)).ok()?;
        let lines: Vec<_> = noted.lines().collect();
        let [made_of, manifest, size] = *lines.as_slice() else { return None };
        let size = size
            .parse()
            .ok()
            .filter(|size| archive.metadata().is_ok_and(|it| it.len() == *size))?;
        Some(Self { made_of: made_of.to_owned(), manifest: manifest.to_owned(), size })
    }

    /// Written after the archive.
    pub(super) fn put(&self, archive: &Path) -> io::Result<()> {
        let Self { made_of, manifest, size } = self;
        std::fs::write(beside(archive), format!("{made_of}\n{manifest}\n{size}\n"))
    }

    /// Removed before there is another archive.
    pub(super) fn remove(archive: &Path) -> io::Result<()> {
        match std::fs::remove_file(beside(archive)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

fn beside(archive: &Path) -> PathBuf {
    archive.with_extension("made-of")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::layer::Entry;
    use super::*;

    fn sum(change: impl FnOnce(&mut Image), packer: &[u8]) -> String {
        let mut image = Image {
            name: "tool:1".to_owned(),
            entries: vec![Entry::program("tool", b"tool".to_vec())],
            config: json!({ "Entrypoint": ["/tool"] }),
        };
        change(&mut image);
        made_of(&image, "arm64", packer)
    }

    #[test]
    fn whatever_changes_in_an_image_changes_its_sum() {
        let before = sum(|_| {}, b"1");
        assert_eq!(sum(|_| {}, b"1"), before);
        let others = [
            sum(|_| {}, b"2"),
            sum(|image| image.name = "tool:2".to_owned(), b"1"),
            sum(|image| image.config = json!({ "Entrypoint": ["/too"] }), b"1"),
            sum(|image| image.entries = vec![Entry::program("tool", b"took".to_vec())], b"1"),
            sum(|image| image.entries = vec![Entry::program("took", b"tool".to_vec())], b"1"),
            sum(|image| image.entries = vec![Entry::file("tool", b"tool".to_vec())], b"1"),
            sum(|image| image.entries = vec![Entry::folder("tool", (0, 0))], b"1"),
            sum(|image| image.entries.push(Entry::scratch()), b"1"),
        ];
        for (at, other) in others.iter().enumerate() {
            assert_ne!(*other, before, "change {at}");
        }
    }

    #[test]
    fn a_note_holds_only_for_an_archive_of_its_size() {
        let folder = std::env::temp_dir().join(format!("vaultyard-note-{}", std::process::id()));
        let archive = folder.join("tool.tar");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(&archive, "four").unwrap();
        let note = Note { made_of: "a".to_owned(), manifest: "sha256:b".to_owned(), size: 4 };
        note.put(&archive).unwrap();
        assert_eq!(Note::of(&archive), Some(note));
        std::fs::write(&archive, "fo").unwrap();
        assert_eq!(Note::of(&archive), None);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
