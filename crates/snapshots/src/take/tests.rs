use vaultyard_keys::record::{Generation, IntentId};
use vaultyard_model::ClusterName;
use vaultyard_testkit::fake_encryption::FakeEncryption;
use vaultyard_testkit::fixed::SeededRandom;

use super::*;
use crate::archive::tests::whole;
use crate::folder::Folder;
use crate::restore;
use crate::verify::{unlock, verify};

struct World {
    shelf: Shelf,
    encryption: FakeEncryption,
    _home: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let folder = Folder::at(home.path().join("snapshots"));
        Self { shelf: Shelf::new(folder, None), encryption: FakeEncryption::default(), _home: home }
    }

    /// Takes what arrives in these pieces, until the server ends so.
    async fn take(
        &self,
        pieces: Vec<Vec<u8>>,
        end: Result<(), CallError>,
    ) -> Result<Taken, TakeError> {
        let (sender, chunks) = mpsc::channel(1);
        let sending = async move {
            for piece in pieces {
                if sender.send(piece.into()).await.is_err() {
                    break;
                }
            }
            end
        };
        let random = SeededRandom::new(7);
        take(header(), sending, chunks, &self.shelf, &self.encryption, &random).await
    }

    async fn verify(&self, name: &Name, cluster: &str) -> Result<Meta, String> {
        let cluster = ClusterName::new(cluster).unwrap();
        let keys = header().generation;
        let verified = verify(&self.shelf, name, &cluster, &keys, &self.encryption).await;
        verified.map(|verified| verified.meta).map_err(|error| error.to_string())
    }

    /// What a server gets to which this snapshot is given back.
    async fn given_back(&self, name: &Name) -> Vec<io::Result<Bytes>> {
        let Header { cluster, generation, .. } = header();
        let cluster = ClusterName::new(&cluster).unwrap();
        let unlocked = unlock(&self.shelf, name, &cluster, &generation, &self.encryption).await;
        let (_, unlocked) = unlocked.unwrap();
        let (to, mut arriving) = mpsc::channel(1);
        let sending = spawn_blocking(move || restore::send(unlocked, &to));
        let mut pieces = Vec::new();
        while let Some(piece) = arriving.recv().await {
            pieces.push(piece);
        }
        sending.await.unwrap();
        pieces
    }

    fn files(&self) -> usize {
        std::fs::read_dir(self.shelf.folder().path()).map_or(0, Iterator::count)
    }
}

fn header() -> Header {
    let intent = IntentId::random(&SeededRandom::new(1)).unwrap();
    Header {
        cluster: "vault".to_owned(),
        taken: "2026-11-29T22:56:20Z".parse().unwrap(),
        server: "vault-1".to_owned(),
        version: "2.7.2".to_owned(),
        generation: Generation { attempt: 1, intent },
        rekey: None,
        scheduled: false,
    }
}

fn in_pieces(archive: &[u8]) -> Vec<Vec<u8>> {
    archive.chunks(1_000).map(<[u8]>::to_vec).collect()
}

#[tokio::test]
async fn what_arrives_is_kept_whole_and_verified() {
    let world = World::new();
    let archive = whole(&(0..20_000u32).flat_map(u32::to_be_bytes).collect::<Vec<_>>());
    let taken = world.take(in_pieces(&archive), Ok(())).await.unwrap();
    assert_eq!(taken.name.to_string(), "20261129T225620Z");
    let [kept] = &world.shelf.folder().list().unwrap()[..] else { panic!("one is kept") };
    assert_eq!((&kept.name, kept.header.as_ref().unwrap()), (&taken.name, &header()));
    assert_eq!(world.verify(&taken.name, "vault").await, Ok(taken.meta));

    let again = world.take(in_pieces(&archive), Ok(())).await.unwrap_err();
    assert!(matches!(again, TakeError::Exists(_)), "{again}");
    let other = world.verify(&taken.name, "other").await.unwrap_err();
    assert!(other.contains("is of the cluster \"vault\", not of other"), "{other}");
}

#[tokio::test]
async fn nothing_is_kept_of_a_snapshot_that_is_cut_off() {
    let world = World::new();
    let archive = whole(&[7; 50_000]);
    let half = in_pieces(&archive[..archive.len() - 3]);
    let cut = world.take(half.clone(), Ok(())).await.unwrap_err();
    assert!(cut.to_string().starts_with("what vault-1 gave is cut off"), "{cut}");
    let gone = CallError::NoAnswer("connection reset".to_owned());
    let told = world.take(half, Err(gone)).await.unwrap_err();
    assert!(matches!(told, TakeError::Server { .. }), "its own words count: {told}");
    assert_eq!(world.files(), 0);
}

#[tokio::test]
async fn a_key_that_cannot_be_encrypted_is_an_error_before_anything_is_asked_for() {
    let world = World::new();
    world.encryption.fail(Some(CustodyError::Retryable("throttled".to_owned())));
    let refused = world.take(in_pieces(&whole(b"state")), Ok(())).await.unwrap_err();
    assert!(matches!(refused, TakeError::Custody(_)), "{refused}");
    assert_eq!(world.files(), 0);
}

#[tokio::test]
async fn a_snapshot_that_was_damaged_or_swapped_is_told() {
    let world = World::new();
    let taken = world.take(in_pieces(&whole(&[7; 50_000])), Ok(())).await.unwrap();
    let file = world.shelf.folder().path().join(format!("{}.snapshot", taken.name));
    let good = std::fs::read(&file).unwrap();
    let last = good.len() - 1;
    for (bytes, said) in [
        (good[..last].to_vec(), "is cut off or damaged"),
        ([&good[..last], &[good[last] ^ 1]].concat(), "is cut off or damaged"),
        (b"{}\n".to_vec(), "is no snapshot of Vaultyard"),
    ] {
        std::fs::write(&file, bytes).unwrap();
        let told = world.verify(&taken.name, "vault").await.unwrap_err();
        assert!(told.contains(said), "{told}");
    }
    std::fs::remove_file(&file).unwrap();
    let told = world.verify(&taken.name, "vault").await.unwrap_err();
    assert!(told.contains("there is no snapshot 20261129T225620Z in "), "{told}");
}

#[tokio::test]
async fn a_server_is_given_what_was_taken_and_never_a_damaged_one_as_a_whole() {
    let world = World::new();
    let archive = whole(&(0..50_000u32).flat_map(u32::to_be_bytes).collect::<Vec<_>>());
    let taken = world.take(in_pieces(&archive), Ok(())).await.unwrap();
    let pieces = world.given_back(&taken.name).await;
    let pieces: Vec<_> = pieces.into_iter().map(io::Result::unwrap).collect();
    assert_eq!(pieces.concat(), archive);

    let file = world.shelf.folder().path().join(format!("{}.snapshot", taken.name));
    let mut damaged = std::fs::read(&file).unwrap();
    *damaged.last_mut().unwrap() ^= 1;
    std::fs::write(&file, damaged).unwrap();
    let pieces = world.given_back(&taken.name).await;
    assert!(pieces.last().unwrap().is_err(), "the server must not take it for the end");
}
