use std::io::Read;

use vaultyard_keys::record::{Generation, IntentId};
use vaultyard_testkit::fake_encryption::FakeEncryption;
use vaultyard_testkit::fake_snapshots::FakeSnapshots;
use vaultyard_testkit::fixed::SeededRandom;

use super::*;

struct World {
    shelf: Shelf,
    elsewhere: Arc<FakeSnapshots>,
    home: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let (home, elsewhere) = (tempfile::tempdir().unwrap(), Arc::new(FakeSnapshots::default()));
        let shelf = Shelf::new(Folder::at(home.path().to_owned()), Some(elsewhere.clone()));
        Self { shelf, elsewhere, home }
    }

    /// A snapshot as it is taken into the folder: its header, and this behind it.
    async fn taken(&self, second: i64, body: &[u8]) -> (Name, Vec<u8>) {
        let intent = IntentId::random(&SeededRandom::new(1)).unwrap();
        let header = Header {
            cluster: "vault".to_owned(),
            taken: Timestamp::from_second(second).unwrap(),
            server: "vault-0".to_owned(),
            version: "2.7.2".to_owned(),
            generation: Generation { attempt: 1, intent },
            rekey: None,
            scheduled: true,
        };
        let name = Name::at(header.taken);
        let key = file::new_key(header, &FakeEncryption::default(), &SeededRandom::new(2)).await;
        let mut bytes = Vec::new();
        let mut encrypted = key.unwrap_or_else(|_| panic!("a key")).begin(&mut bytes).unwrap();
        encrypted.write_all(body).unwrap();
        encrypted.finish().unwrap();
        std::fs::write(self.home.path().join(object(&name)), &bytes).unwrap();
        (name, bytes)
    }

    fn files(&self) -> usize {
        std::fs::read_dir(self.home.path()).unwrap().count()
    }

    async fn read(&self, name: &Name) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        let _ = self.shelf.read(name).await.unwrap()?.read_to_end(&mut bytes).unwrap();
        Some(bytes)
    }
}

#[tokio::test]
async fn what_was_taken_goes_elsewhere_and_comes_back() {
    let world = World::new();
    let large: Vec<u8> = (0..PIECE / 8 + 100).flat_map(usize::to_le_bytes).collect();
    let (first, bytes) = world.taken(100, &large).await;
    assert!(world.shelf.keep(&first).await.unwrap());
    assert_eq!(world.files(), 0, "it is in one place");
    assert!(world.read(&first).await.unwrap() == bytes);
    assert_eq!(world.files(), 0, "what was fetched leaves nothing");
    assert_eq!(world.read(&Name::at(Timestamp::UNIX_EPOCH)).await, None);

    let (second, _) = world.taken(200, b"small").await;
    assert!(world.shelf.keep(&second).await.unwrap());
    let at = |second| Timestamp::from_second(second).unwrap();
    for moment in [300, 500, 400] {
        world.shelf.note_proven(&first, at(moment)).await.unwrap();
    }
    let [one, other] = &world.shelf.list().await.unwrap()[..] else { panic!("two are kept") };
    assert_eq!((&one.name, one.bytes, one.proven), (&first, bytes.len() as u64, Some(at(500))));
    assert_eq!((&other.name, other.proven), (&second, None));
    assert_eq!(other.header.as_ref().unwrap().taken, at(200));
    let reads = world.elsewhere.reads();
    assert_eq!(world.shelf.list().await.unwrap().len(), 2);
    assert_eq!(world.elsewhere.reads(), reads, "no header is read twice");

    world.shelf.remove(&first).await.unwrap();
    world.shelf.remove(&first).await.unwrap();
    assert_eq!(world.elsewhere.list().await.unwrap().len(), 1, "its proofs have gone too");
}

#[tokio::test]
async fn one_that_cannot_be_sent_or_is_there_already_is_not_kept() {
    let world = World::new();
    let (name, _) = world.taken(100, b"first").await;
    world.elsewhere.fail(Some(CustodyError::Retryable("away".to_owned())));
    let failed = world.shelf.keep(&name).await.unwrap_err().to_string();
    assert_eq!((failed.as_str(), world.files()), ("memory: away", 0));
    assert!(world.shelf.list().await.is_err(), "a place that is away is not an empty one");
    world.elsewhere.fail(None);

    let (name, bytes) = world.taken(100, b"first").await;
    assert!(world.shelf.keep(&name).await.unwrap());
    let _ = world.taken(100, b"second").await;
    assert!(!world.shelf.keep(&name).await.unwrap());
    assert_eq!(world.read(&name).await, Some(bytes));
}

#[tokio::test]
async fn one_that_cannot_be_read_hides_no_other() {
    let world = World::new();
    for second in [100, 200] {
        let (name, _) = world.taken(second, b"kept").await;
        assert!(world.shelf.keep(&name).await.unwrap());
    }
    let first = Name::at(Timestamp::from_second(100).unwrap());
    world.elsewhere.lock_away(&object(&first));
    let [one, other] = &world.shelf.list().await.unwrap()[..] else { panic!("two are kept") };
    assert!(one.header.as_ref().unwrap_err().to_string().contains("locked away"));
    assert!(other.header.is_ok());
}

#[tokio::test]
async fn what_lies_in_the_folder_is_shown_read_and_removed_too() {
    let world = World::new();
    let (name, bytes) = world.taken(100, b"from before").await;
    world.shelf.note_proven(&name, Timestamp::from_second(150).unwrap()).await.unwrap();
    let (both, _) = world.taken(200, b"cut off after it had arrived").await;
    world
        .elsewhere
        .put(&object(&both), &std::fs::read(world.home.path().join(object(&both))).unwrap());
    world.elsewhere.put("notes.txt", b"mine");
    world.elsewhere.put("20261129T225620Z.snapshot", b"no snapshot");
    let all = world.shelf.list().await.unwrap();
    let named: Vec<_> = all.iter().map(|kept| (&kept.name, kept.header.is_ok())).collect();
    let broken = Name::parse("20261129T225620Z").unwrap();
    assert_eq!(named, [(&name, true), (&both, true), (&broken, false)]);
    assert_eq!(all[0].proven, Timestamp::from_second(150).ok());
    assert_eq!(world.read(&name).await, Some(bytes));
    for name in [&name, &both, &broken] {
        world.shelf.remove(name).await.unwrap();
    }
    assert_eq!((world.shelf.list().await.unwrap().len(), world.files()), (0, 0));
}
