//! Keys and certificates in memory, for what is read and written as a whole: the caller fetches
//! the entries, has them worked on, and stores them again when they were changed.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use super::{Access, FileError, Location, PemStore, StoreName};

/// Entries by their names. It has no `Debug`: keys are among them.
///
/// Nothing is kept anywhere before the caller stores it. When somebody else stored others
/// meanwhile, these entries and all that was made from them are to be dropped, and the work is
/// done anew on those that are there.
pub struct Entries {
    title: String,
    data: BTreeMap<String, Zeroizing<Vec<u8>>>,
    changed: bool,
}

impl Entries {
    /// Entries as they were fetched. Errors call their holder by `title`, after `the`:
    /// `Secret vault-authority in the namespace vault-operations`.
    pub fn new(title: impl Into<String>, data: BTreeMap<String, Zeroizing<Vec<u8>>>) -> Self {
        Self { title: title.into(), data, changed: false }
    }

    /// Whether they differ from what was fetched, so that they must be stored.
    pub fn changed(&self) -> bool {
        self.changed
    }

    /// All of them.
    pub fn data(&self) -> &BTreeMap<String, Zeroizing<Vec<u8>>> {
        &self.data
    }

    /// All of them, to be stored.
    pub fn into_data(self) -> BTreeMap<String, Zeroizing<Vec<u8>>> {
        self.data
    }

    /// A copy without the entries that `keep` refuses.
    pub(crate) fn copy_of(&self, keep: impl Fn(&str) -> bool) -> Self {
        let kept = self.data.iter().filter(|(name, _)| keep(name));
        let data: BTreeMap<_, _> = kept.map(|(name, text)| (name.clone(), text.clone())).collect();
        let changed = self.changed || data.len() != self.data.len();
        Self { title: self.title.clone(), data, changed }
    }
}

impl PemStore for Entries {
    fn prepare(&mut self) -> Result<(), FileError> {
        Ok(())
    }

    fn read(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, FileError> {
        Ok(self.data.get(name).cloned())
    }

    fn write(&mut self, name: &str, bytes: &[u8], _access: Access) -> Result<(), FileError> {
        let present = self.data.get(name).map(|text| text.as_slice());
        if present != Some(bytes) {
            self.data.insert(name.to_owned(), Zeroizing::new(bytes.to_vec()));
            self.changed = true;
        }
        Ok(())
    }

    fn write_pair(
        &mut self,
        key: (&str, &[u8]),
        certificate: (&str, &[u8]),
    ) -> Result<(), FileError> {
        self.write(key.0, key.1, Access::Private)?;
        self.write(certificate.0, certificate.1, Access::Public)
    }

    fn location(&self, name: &str) -> Location {
        Location::new(StoreName::Entries(self.title.clone()), name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries() -> Entries {
        let data = [("a.crt", "one"), ("b.crt", "two")];
        let text = |text: &str| Zeroizing::new(text.as_bytes().to_vec());
        Entries::new("Secret s", data.map(|(name, of)| (name.to_owned(), text(of))).into())
    }

    #[test]
    fn only_another_text_counts_as_a_change() {
        let mut entries = entries();
        entries.write("a.crt", b"one", Access::Public).unwrap();
        assert!(!entries.changed());
        entries.write("a.crt", b"three", Access::Public).unwrap();
        assert!(entries.changed());
        assert_eq!(entries.read("a.crt").unwrap().unwrap().as_slice(), b"three");
    }

    #[test]
    fn a_copy_knows_whether_something_was_left_out() {
        assert!(!entries().copy_of(|_| true).changed());
        let fewer = entries().copy_of(|name| name == "a.crt");
        assert!(fewer.changed());
        assert_eq!(fewer.into_data().into_keys().collect::<Vec<_>>(), ["a.crt"]);
    }
}
