//! Several leaves among entries that are read and written as a whole. Pure, but for the keys that
//! are made.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use vaultyard_model::port::clock::Random;

use crate::authority::Authority;
use crate::inspect::Certificate;
use crate::leaf::{self, Ensured, LeafError};
use crate::renew;
use crate::store::{Access, Entries, PemStore, certificate_name, key_name};
use crate::wanted::Wanted;

/// What the entries are to hold, and nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// The leaves by their names; each lies as `NAME.crt` and `NAME.key`.
    pub leaves: BTreeMap<String, Wanted>,
    /// Certificates in PEM by the names of their entries, such as `ca.crt`: whom the holder of the
    /// leaves believes. None of them has the name of a leaf's entry.
    pub authorities: BTreeMap<String, String>,
}

/// Entries as they are wanted.
pub struct UpToDate {
    /// The entries; they are to be stored when [`Entries::changed`] says so.
    pub entries: Entries,
    /// Each leaf by its name, and whether it was issued just now.
    pub leaves: BTreeMap<String, (Certificate, Ensured)>,
    /// When time alone makes the first of them due; `None` without a leaf.
    pub next: Option<Timestamp>,
}

/// The entries that `content` asks for: leaves that are still right stay byte for byte as they are,
/// the others are issued anew, and what is not asked for is left out.
///
/// # Errors
/// [`LeafError`] when the authority issues nothing.
pub fn bring_up_to_date(
    present: &Entries,
    content: &Content,
    authority: &Authority,
    random: &dyn Random,
    now: Timestamp,
) -> Result<UpToDate, LeafError> {
    let names = content.leaves.keys().flat_map(|name| [certificate_name(name), key_name(name)]);
    let names: BTreeSet<String> = names.chain(content.authorities.keys().cloned()).collect();
    let mut entries = present.copy_of(|name| names.contains(name));
    let mut leaves = BTreeMap::new();
    let mut next: Option<Timestamp> = None;
    for (name, wanted) in &content.leaves {
        let kept = leaf::keep(&mut entries, name, wanted, authority, random, now)?;
        let at = renew::next(&kept.0, authority.not_after(wanted.usage));
        next = Some(next.map_or(at, |earlier| earlier.min(at)));
        leaves.insert(name.clone(), kept);
    }
    for (name, pem) in &content.authorities {
        entries.write(name, pem.as_bytes(), Access::Public)?;
    }
    Ok(UpToDate { entries, leaves, next })
}
