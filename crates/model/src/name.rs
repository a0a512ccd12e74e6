//! Names. A name that exists fits everywhere it is used: its length is proved where it is made.

use std::fmt;

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing was given.
    #[error("is empty")]
    Empty,
    /// Longer than everything that is derived from it allows.
    #[error("has {found} characters; at most {most} fit")]
    TooLong {
        /// How many characters were found.
        found: usize,
        /// How many fit.
        most: usize,
    },
    /// A character that the DNS label rule (RFC 1123, section 2.1) does not allow.
    #[error("holds {0:?}; a-z, 0-9 and - are allowed, with a letter or digit at both ends")]
    Character(char),
}

/// A DNS label by RFC 1123 (lower case), at most `most` characters.
fn label(text: &str, most: usize) -> Result<(), NameError> {
    if text.is_empty() {
        return Err(NameError::Empty);
    }
    if text.chars().count() > most {
        return Err(NameError::TooLong { found: text.chars().count(), most });
    }
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if let Some(wrong) = text.chars().find(|c| !allowed(*c)) {
        return Err(NameError::Character(wrong));
    }
    if text.starts_with('-') || text.ends_with('-') {
        return Err(NameError::Character('-'));
    }
    Ok(())
}

/// The name of a cluster: `metadata.name`. At most 40 characters, so that every object name made
/// from it stays within Kubernetes' 63.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClusterName(String);

impl ClusterName {
    /// The longest name, in characters.
    pub const LONGEST: usize = 40;

    /// Checks the text.
    ///
    /// # Errors
    /// [`NameError`] when it is not a DNS label of at most [`Self::LONGEST`] characters.
    pub fn new(text: &str) -> Result<Self, NameError> {
        label(text, Self::LONGEST)?;
        Ok(Self(text.to_owned()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The server with this ordinal, counted from 0 as a StatefulSet does.
    pub fn server(&self, ordinal: u8) -> ServerName {
        ServerName { text: format!("{}-{ordinal}", self.0), ordinal }
    }

    /// The server of this cluster that has this name; `None` when it is another cluster's, or none's.
    pub fn server_named(&self, text: &str) -> Option<ServerName> {
        let ordinal = text.strip_prefix(self.as_str())?.strip_prefix('-')?.parse().ok()?;
        Some(self.server(ordinal)).filter(|server| server.as_str() == text)
    }
}

/// A namespace of Kubernetes that holds a cluster. At most 52 characters, so that the name of the
/// operations namespace beside it stays within 63.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Namespace(String);

impl Namespace {
    /// The longest name, in characters.
    pub const LONGEST: usize = 52;

    /// Checks the text.
    ///
    /// # Errors
    /// [`NameError`] when it is not a DNS label of at most [`Self::LONGEST`] characters.
    pub fn new(text: &str) -> Result<Self, NameError> {
        label(text, Self::LONGEST)?;
        Ok(Self(text.to_owned()))
    }

    /// The namespace of a cluster whose document names none.
    pub fn of(cluster: &ClusterName) -> Self {
        Self(cluster.0.clone())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of the namespace beside it, for what keeps the cluster.
    pub fn operations(&self) -> String {
        format!("{}-operations", self.0)
    }
}

/// The name of one server: the cluster's name and an ordinal, `vault-0`. It is also the raft node
/// id and, on Kubernetes, the pod's name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerName {
    text: String,
    ordinal: u8,
}

impl ServerName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The place in the StatefulSet's order, from 0.
    pub fn ordinal(&self) -> u8 {
        self.ordinal
    }

    /// Whether this is the one server that may initialise the cluster.
    pub fn initialises(&self) -> bool {
        self.ordinal == 0
    }
}

/// A failure domain: one server stands in each. `topology.kubernetes.io/zone` on Kubernetes, a
/// pretended one on one machine.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Zone(String);

impl Zone {
    /// Checks the text.
    ///
    /// # Errors
    /// [`NameError`] when it is not a DNS label.
    pub fn new(text: &str) -> Result<Self, NameError> {
        label(text, 63)?;
        Ok(Self(text.to_owned()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A DNS name without the final dot, lower case: `vault.vault.test`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DnsName(String);

impl DnsName {
    /// Checks the text: labels by RFC 1123, together at most 253 characters.
    ///
    /// # Errors
    /// [`NameError`] for the first label that is wrong.
    pub fn new(text: &str) -> Result<Self, NameError> {
        let text = text.strip_suffix('.').unwrap_or(text);
        if text.len() > 253 {
            return Err(NameError::TooLong { found: text.len(), most: 253 });
        }
        for part in text.split('.') {
            label(part, 63)?;
        }
        Ok(Self(text.to_owned()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this name is `zone` or lies below it.
    pub fn is_in(&self, zone: &DnsName) -> bool {
        self.0 == zone.0 || self.0.strip_suffix(&zone.0).is_some_and(|rest| rest.ends_with('.'))
    }

    /// The name with one more label in front.
    ///
    /// # Errors
    /// [`NameError`] when the label is wrong or the whole becomes too long.
    pub fn child(&self, label: &str) -> Result<Self, NameError> {
        Self::new(&format!("{label}.{}", self.0))
    }
}

macro_rules! shows_its_text {
    ($($name:ty),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    )*};
}
shows_its_text!(ClusterName, Namespace, ServerName, Zone, DnsName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_known_by_its_name_alone() {
        let cluster = ClusterName::new("vault").unwrap();
        assert_eq!(cluster.server_named("vault-7"), Some(cluster.server(7)));
        for stranger in
            ["vault", "vault-", "vault-07", "vault-+7", "vault-300", "vault-a", "other-7"]
        {
            assert_eq!(cluster.server_named(stranger), None, "{stranger}");
        }
    }

    #[test]
    fn a_cluster_name_is_a_dns_label_of_at_most_forty_characters() {
        assert!(ClusterName::new("vault").is_ok());
        assert_eq!(ClusterName::new(""), Err(NameError::Empty));
        assert_eq!(ClusterName::new("Vault"), Err(NameError::Character('V')));
        assert_eq!(ClusterName::new("vault-"), Err(NameError::Character('-')));
        let long = "v".repeat(41);
        assert_eq!(ClusterName::new(&long), Err(NameError::TooLong { found: 41, most: 40 }));
    }

    #[test]
    fn the_operations_namespace_of_the_longest_name_is_a_label() {
        let longest = Namespace::new(&"v".repeat(Namespace::LONGEST)).unwrap();
        assert!(label(&longest.operations(), 63).is_ok());
        assert!(Namespace::new(&"v".repeat(Namespace::LONGEST + 1)).is_err());
        let name = ClusterName::new("vault").unwrap();
        assert_eq!(Namespace::of(&name).operations(), "vault-operations");
    }

    #[test]
    fn servers_are_named_as_a_stateful_set_names_pods() {
        let name = ClusterName::new("vault").unwrap();
        assert_eq!(name.server(2).as_str(), "vault-2");
        assert!(name.server(0).initialises());
        assert!(!name.server(1).initialises());
    }

    #[test]
    fn a_dns_name_knows_its_zone() {
        let zone = DnsName::new("vault.test").unwrap();
        assert!(DnsName::new("vault.vault.test.").unwrap().is_in(&zone));
        assert!(zone.is_in(&zone));
        assert!(!DnsName::new("myvault.test").unwrap().is_in(&zone));
        assert_eq!(zone.child("active").unwrap().as_str(), "active.vault.test");
    }
}
