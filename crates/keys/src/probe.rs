//! Whether an encryption and a store do what they are for, found out on what nobody needs.

use vaultyard_model::Secret;
use vaultyard_model::port::clock::Random;
use vaultyard_model::port::custody::{Create, CustodyError, KeyEncryption, KeyStore, ObjectName};

use crate::text::hex;

const CONTEXT: &[u8] = b"vaultyard probe";

/// Encrypts a key of no use and decrypts it again.
///
/// # Errors
/// [`CustodyError`]; `Fatal` when another key comes back.
pub async fn encryption(
    encryption: &dyn KeyEncryption,
    random: &dyn Random,
) -> Result<(), CustodyError> {
    let key = Secret::new(bytes(random)?.to_vec());
    let wrapped = encryption.wrap_key(&key, CONTEXT).await?;
    let unwrapped = encryption.unwrap_key(&wrapped, CONTEXT).await?;
    if unwrapped.same_as(&key) {
        return Ok(());
    }
    let place = encryption.describe().location;
    Err(CustodyError::Fatal(format!("{place} does not decrypt what it has encrypted")))
}

/// Creates an object of no use, reads it, finds that it cannot be replaced, and deletes it.
///
/// # Errors
/// [`CustodyError`]; `Fatal` when the store does not keep what it has taken, or replaces it.
pub async fn store(store: &dyn KeyStore, random: &dyn Random) -> Result<(), CustodyError> {
    let (id, bytes) = (hex(&bytes(random)?[..16]), bytes(random)?);
    let name = ObjectName::Probe(id.clone());
    let lies =
        |what: &str| CustodyError::Fatal(format!("{} {what}; use another store", store.describe()));
    if store.create(&name, &bytes).await? == Create::Exists {
        return Err(lies("says that an object with a random name exists"));
    }
    match store.read(&name).await? {
        None => return Err(lies("has taken an object and does not have it")),
        Some(object) if object.bytes != bytes => {
            return Err(lies("gives back other bytes than it has taken"));
        }
        Some(_) => {}
    }
    if store.create(&name, b"another").await? != Create::Exists {
        return Err(lies("replaces objects that must only be created"));
    }
    store.discard_probe(&id).await
}

fn bytes(random: &dyn Random) -> Result<[u8; 32], CustodyError> {
    let mut bytes = [0; 32];
    random.fill(&mut bytes).map_err(CustodyError::Retryable)?;
    Ok(bytes)
}
