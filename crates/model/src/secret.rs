//! The one type that holds a secret.

use zeroize::Zeroizing;

/// Bytes that are wiped when dropped and that cannot be printed: there is no `Debug` and no
/// `Display`, so a log line or an error that would show them does not compile.
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes the bytes over; the caller keeps no copy.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes, at the place where they are used. Every call of this is worth a look in review.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The secret as text, for tokens and encoded shares; `None` when it is not UTF-8.
    pub fn expose_text(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// A second copy, wiped on its own. Named, so that copies are seen.
    pub fn duplicate(&self) -> Self {
        Self::new(self.0.to_vec())
    }

    /// Whether two secrets hold the same bytes. The time it takes does not tell where they differ.
    pub fn same_as(&self, other: &Self) -> bool {
        self.0.len() == other.0.len()
            && self.0.iter().zip(other.0.iter()).fold(0, |seen, (a, b)| seen | (a ^ b)) == 0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text.into_bytes())
    }
}

impl From<Zeroizing<Vec<u8>>> for Secret {
    fn from(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_compared_by_their_bytes() {
        let one = Secret::from("s.token".to_owned());
        assert!(one.same_as(&one.duplicate()));
        assert!(!one.same_as(&Secret::from("s.tokem".to_owned())));
        assert!(!one.same_as(&Secret::from("s.toke".to_owned())));
    }
}
