//! Whether a place for snapshots does what it is for, found out on what nobody needs.

use vaultyard_keys::text::hex;
use vaultyard_model::port::clock::Random;
use vaultyard_model::port::custody::CustodyError;
use vaultyard_model::port::snapshots::SnapshotStore;

use crate::pieces::OfText;

/// Creates an object of no use, reads it, finds that it is listed and cannot be replaced, and removes it.
///
/// # Errors
/// [`CustodyError`]; `Fatal` when the place does not keep what it has taken, or replaces it.
pub async fn store(store: &dyn SnapshotStore, random: &dyn Random) -> Result<(), CustodyError> {
    let mut id = [0; 16];
    random.fill(&mut id).map_err(CustodyError::Retryable)?;
    let (name, text) = (format!("probe-{}", hex(&id)), hex(&id));
    let lies =
        |what: &str| CustodyError::Fatal(format!("{} {what}; use another store", store.describe()));
    if !store.create(&name, &mut OfText::new(text.clone())).await? {
        return Err(lies("says that an object with a random name exists"));
    }
    match store.read(&name, 0, text.len()).await? {
        None => return Err(lies("has taken an object and does not have it")),
        Some(bytes) if bytes != text.as_bytes() => {
            return Err(lies("gives back other bytes than it has taken"));
        }
        Some(_) => {}
    }
    if store.create(&name, &mut OfText::new("another")).await? {
        return Err(lies("replaces objects that must only be created"));
    }
    if store.list().await?.iter().all(|stored| stored.name != name) {
        return Err(lies("does not list an object that it has"));
    }
    store.remove(&name).await
}

#[cfg(test)]
mod tests {
    use vaultyard_testkit::fake_snapshots::FakeSnapshots;
    use vaultyard_testkit::fixed::SeededRandom;

    use super::*;

    #[tokio::test]
    async fn a_place_that_works_is_left_as_it_was_and_one_that_does_not_is_told() {
        let (place, random) = (FakeSnapshots::default(), SeededRandom::new(1));
        assert_eq!(store(&place, &random).await, Ok(()));
        assert_eq!(place.list().await, Ok(Vec::new()));
        let away = CustodyError::Retryable("away".to_owned());
        place.fail(Some(away.clone()));
        assert_eq!(store(&place, &random).await, Err(away));
    }

    #[tokio::test]
    async fn a_place_that_has_what_nobody_made_is_not_used() {
        let (place, random) = (FakeSnapshots::default(), SeededRandom::new(1));
        let mut id = [0; 16];
        assert!(random.fill(&mut id).is_ok());
        place.put(&format!("probe-{}", hex(&id)), b"somebody's");
        // What it was made of comes once more.
        let refused = store(&place, &SeededRandom::new(1)).await;
        assert!(matches!(refused, Err(CustodyError::Fatal(_))), "{refused:?}");
    }
}
