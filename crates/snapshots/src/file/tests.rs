use vaultyard_keys::record::IntentId;
use vaultyard_testkit::fake_encryption::FakeEncryption;
use vaultyard_testkit::fixed::SeededRandom;

use super::*;

fn header() -> Header {
    let intent = IntentId::random(&SeededRandom::new(1)).unwrap();
    Header {
        cluster: "vault".to_owned(),
        taken: Timestamp::from_second(1_796_000_000).unwrap(),
        server: "vault-1".to_owned(),
        version: "2.7.2".to_owned(),
        generation: Generation { attempt: 1, intent },
        rekey: None,
        scheduled: false,
    }
}

async fn written(archive: &[u8]) -> Vec<u8> {
    let random = SeededRandom::new(7);
    let key = new_key(header(), &FakeEncryption::default(), &random).await.unwrap();
    let mut file = Vec::new();
    let mut writer = key.begin(&mut file).unwrap();
    writer.write_all(archive).unwrap();
    writer.finish().unwrap();
    file
}

async fn read(file: &[u8]) -> Result<Vec<u8>, FileError> {
    let unlocked = open(file)?.unlock(&FakeEncryption::default()).await?;
    let mut archive = Vec::new();
    unlocked.archive()?.read_to_end(&mut archive).map_err(FileError::Read)?;
    Ok(archive)
}

#[tokio::test]
async fn a_snapshot_is_read_as_it_was_written_and_says_what_it_is_without_a_key() {
    let archive = b"the archive".repeat(20_000);
    let file = written(&archive).await;
    assert_eq!(open(&*file).unwrap().header(), &header());
    assert_eq!(read(&file).await.unwrap(), archive);
    assert!(!file.windows(11).any(|window| window == b"the archive"), "it is encrypted");
}

#[tokio::test]
async fn no_byte_can_be_changed_added_or_left_out() {
    let file = written(b"the archive").await;
    for at in 0..file.len() {
        let mut changed = file.clone();
        changed[at] ^= 1;
        assert!(read(&changed).await.is_err(), "changed at {at}");
        if at % 16 == 0 {
            assert!(read(&file[..at]).await.is_err(), "cut at {at}");
        }
    }
    let longer = [&*file, b"!"].concat();
    assert!(read(&longer).await.is_err());
}

#[tokio::test]
async fn what_is_no_snapshot_or_a_newer_one_is_told_apart() {
    let said = |bytes: &[u8]| open(bytes).err().unwrap().to_string();
    assert_eq!(said(b""), "is no snapshot of Vaultyard, or only a part of one");
    assert_eq!(said(&[b'x'; 100_000]), "is no snapshot of Vaultyard, or only a part of one");
    let file = String::from_utf8_lossy(&written(b"").await).replace("\"format\":1", "\"format\":9");
    assert!(said(file.as_bytes()).starts_with("has format 9"), "{}", said(file.as_bytes()));
}
