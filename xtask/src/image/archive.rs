//! The archive around a layer, as the OCI image layout describes it: a manifest names the
//! configuration and the layer by the sums of their bytes, and an index names the manifest.

use std::io::{self, Write};
use std::path::Path;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tar::{Builder, Header};

use super::layer::{self, Layer};
use super::unchanged::{self, Note};
use super::{Archive, Image};
use crate::shell::fault;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIGURATION: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// Writes the archive of `image`, unless it is there; it has its name only when it is whole.
pub(super) fn write(image: &Image, architecture: &str, path: &Path) -> Result<Archive, String> {
    let made = |note: Note| {
        let Note { manifest, size, .. } = note;
        Archive { path: path.to_path_buf(), name: image.name.clone(), manifest, size }
    };
    let steps = || {
        let made_of = unchanged::made_of(image, architecture, &unchanged::packer()?);
        if let Some(note) = Note::of(path).filter(|note| note.made_of == made_of) {
            return Ok(made(note));
        }
        let layer = layer::pack(&image.entries)?;
        std::fs::create_dir_all(path.parent().unwrap_or(path))?;
        let fresh = path.with_extension(format!("tar.{}", std::process::id()));
        let mut file = io::BufWriter::new(std::fs::File::create(&fresh)?);
        let manifest = pack(image, &layer, architecture, &mut file)?;
        file.into_inner()?.sync_all()?;
        Note::remove(path)?;
        std::fs::rename(&fresh, path)?;
        let note = Note { made_of, manifest, size: std::fs::metadata(path)?.len() };
        note.put(path)?;
        Ok(made(note))
    };
    steps().map_err(|error: io::Error| fault(path, &error))
}

/// Writes the files of the layout and says the manifest's digest.
fn pack(image: &Image, layer: &Layer, architecture: &str, to: impl Write) -> io::Result<String> {
    let configuration = json!({
        "architecture": architecture,
        "os": "linux",
        "config": image.config,
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{}", layer.unpacked_sum)] },
    });
    let configuration = Blob::json(&configuration)?;
    let layer = Blob::new(layer.compressed.clone());
    let manifest = Blob::json(&json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": configuration.descriptor(CONFIGURATION),
        "layers": [layer.descriptor(LAYER)],
    }))?;
    let mut named = manifest.descriptor(MANIFEST);
    named["annotations"] = json!({ "org.opencontainers.image.ref.name": reference(image) });
    let index = serde_json::to_vec(&json!({ "schemaVersion": 2, "manifests": [named] }))?;

    let mut archive = Builder::new(to);
    append(&mut archive, "oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
    append(&mut archive, "index.json", &index)?;
    let mut blobs = [&configuration, &layer, &manifest];
    blobs.sort_by_key(|blob| &blob.sum);
    for blob in blobs {
        append(&mut archive, &format!("blobs/sha256/{}", blob.sum), &blob.content)?;
    }
    archive.into_inner()?.flush()?;
    Ok(manifest.digest())
}

/// With a host: tools refuse a shorter name.
fn reference(image: &Image) -> String {
    format!("localhost/{}", image.name)
}

fn append(archive: &mut Builder<impl Write>, path: &str, content: &[u8]) -> io::Result<()> {
    let mut header = Header::new_ustar();
    header.set_mode(0o644);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(content.len() as u64);
    archive.append_data(&mut header, path, content)
}

/// Bytes that are named by their sum.
struct Blob {
    content: Vec<u8>,
    /// SHA-256 in hexadecimal digits.
    sum: String,
}

impl Blob {
    fn new(content: Vec<u8>) -> Self {
        let sum = layer::digits(Sha256::new_with_prefix(&content));
        Self { content, sum }
    }

    fn json(value: &Value) -> io::Result<Self> {
        Ok(Self::new(serde_json::to_vec(value)?))
    }

    fn digest(&self) -> String {
        format!("sha256:{}", self.sum)
    }

    fn descriptor(&self, media_type: &str) -> Value {
        json!({ "mediaType": media_type, "digest": self.digest(), "size": self.content.len() })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io::Read;

    use super::super::layer::Entry;
    use super::*;

    fn image() -> Image {
        Image {
            name: "tool:1".to_owned(),
            entries: vec![Entry::program("tool", b"tool".to_vec())],
            config: json!({ "User": "65532:65532", "Entrypoint": ["/tool"] }),
        }
    }

    /// The archive's files by their paths, and the digest that was told.
    fn made() -> (BTreeMap<String, Vec<u8>>, String) {
        let image = image();
        let mut archive = Vec::new();
        let layer = layer::pack(&image.entries).unwrap();
        let manifest = pack(&image, &layer, "arm64", &mut archive).unwrap();
        let mut archive = tar::Archive::new(archive.as_slice());
        let files = archive.entries().unwrap().map(|entry| {
            let mut entry = entry.unwrap();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            (entry.path().unwrap().display().to_string(), content)
        });
        (files.collect(), manifest)
    }

    /// The file that a descriptor names; its size must be right.
    fn named<'a>(files: &'a BTreeMap<String, Vec<u8>>, descriptor: &Value) -> &'a [u8] {
        let digest = descriptor["digest"].as_str().unwrap();
        let content = &files[&format!("blobs/{}", digest.replace(':', "/"))];
        assert_eq!(descriptor["size"], content.len());
        content
    }

    #[test]
    fn every_file_is_found_from_the_index() {
        let (files, told) = made();
        let index: Value = serde_json::from_slice(&files["index.json"]).unwrap();
        let pointer = &index["manifests"][0];
        assert_eq!(pointer["digest"], told);
        assert_eq!(pointer["annotations"]["org.opencontainers.image.ref.name"], "localhost/tool:1");

        let manifest: Value = serde_json::from_slice(named(&files, pointer)).unwrap();
        let configuration: Value =
            serde_json::from_slice(named(&files, &manifest["config"])).unwrap();
        assert_eq!(configuration["architecture"], "arm64");
        assert_eq!(configuration["config"], image().config);
        assert!(!named(&files, &manifest["layers"][0]).is_empty());
        assert_eq!(files.len(), 5);
    }

    #[test]
    fn blobs_have_the_names_of_their_sums() {
        let (files, _) = made();
        for (path, content) in &files {
            if let Some(sum) = path.strip_prefix("blobs/sha256/") {
                assert_eq!(Blob::new(content.clone()).sum, sum);
            }
        }
    }

    #[test]
    fn the_same_image_gives_the_same_bytes() {
        assert_eq!(made(), made());
    }
}
