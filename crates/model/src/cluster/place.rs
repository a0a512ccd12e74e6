//! Names of things that belong to others: buckets, keys, regions, addresses.

use std::fmt;
use std::net::IpAddr;

use crate::address::Host;
use crate::{Address, DnsName};

/// A checked text: the type, what it is, and the check.
macro_rules! text {
    ($(#[doc = $doc:literal])+ $name:ident, $check:expr) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// The text, when it is one.
            pub fn new(text: &str) -> Option<Self> {
                let check: fn(&str) -> bool = $check;
                check(text).then(|| Self(text.to_owned()))
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text! {
    /// The name of a bucket: what Google Cloud Storage allows, of which S3 allows a part.
    Bucket, |text| {
        let ends = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        (3..=222).contains(&text.len())
            && text.chars().all(|c| ends(c) || matches!(c, '-' | '_' | '.'))
            && text.starts_with(ends)
            && text.ends_with(ends)
            && !text.contains("..")
    }
}
text! {
    /// A folder within a bucket, without a slash at its ends.
    Prefix, |text| text.len() <= 200 && is_path(text)
}
text! {
    /// The full name of a key in Google Cloud KMS, without a version.
    GoogleKey, |text| {
        let parts: Vec<&str> = text.split('/').collect();
        let ["projects", project, "locations", location, "keyRings", ring, "cryptoKeys", key] =
            parts.as_slice()
        else {
            return false;
        };
        let name = |part: &str| {
            let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
            (1..=63).contains(&part.len()) && part.chars().all(allowed)
        };
        // The projects of an old kind of customers carry a domain: example.com:project.
        let project_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | ':');
        !project.is_empty()
            && project.chars().all(project_allowed)
            && [location, ring, key].into_iter().all(|part| name(part))
    }
}
text! {
    /// A project, a location, a key ring or a key of Google Cloud KMS, by its own name.
    GooglePart, |text| {
        // The projects of an old kind of customers carry a domain: example.com:project.
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':');
        (1..=63).contains(&text.len()) && text.chars().all(allowed)
    }
}
text! {
    /// A key in AWS KMS: an id, an ARN, `alias/NAME` or the ARN of an alias.
    AwsKey, |text| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | ':' | '/');
        (1..=2048).contains(&text.len()) && text.chars().all(allowed)
    }
}
text! {
    /// A region of AWS, or the word that another store has for one.
    AwsRegion, |text| {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        (1..=32).contains(&text.len()) && text.chars().all(allowed)
    }
}
text! {
    /// A mount, key or role of a Vault or OpenBao server, without a slash at its ends.
    EnginePath, |text| text.len() <= 200 && is_path(text)
}
text! {
    /// The label of a token or key of a hardware security module.
    Label, |text| (1..=255).contains(&text.len()) && !text.chars().any(char::is_control)
}
text! {
    /// A public key of age.
    AgeRecipient, |text| {
        let rest = text.strip_prefix("age1");
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        rest.is_some_and(|rest| (1..=2048).contains(&rest.len()) && rest.chars().all(allowed))
    }
}

/// Segments of harmless characters, with single slashes between them.
fn is_path(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    text.split('/').all(|segment| {
        !segment.is_empty() && !matches!(segment, "." | "..") && segment.chars().all(allowed)
    })
}

impl Prefix {
    /// The prefix of a cluster whose document names none.
    pub fn of(cluster: &crate::ClusterName) -> Self {
        Self(cluster.as_str().to_owned())
    }

    /// The same for its snapshots. They are apart, so that who may remove those may remove no key.
    pub fn of_snapshots(cluster: &crate::ClusterName) -> Self {
        Self(format!("{cluster}/snapshots"))
    }
}

/// Scheme, host and port of a service. Without TLS only on this machine: what goes there is secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Web {
    tls: bool,
    address: Address,
}

impl Web {
    /// Reads `https://kms.example:8443`, or `http://127.0.0.1:8080`.
    pub fn new(text: &str) -> Option<Self> {
        Self::parse(text).filter(|web| web.tls || web.is_this_machine())
    }

    /// The address of an emulator, which holds nothing that is secret. It may be without TLS on other
    /// machines too, and without a scheme it is.
    pub fn of_emulator(text: &str) -> Option<Self> {
        if text.contains("://") {
            Self::parse(text)
        } else {
            Self::parse(&format!("http://{text}"))
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let (tls, rest) = match text.split_once("://")? {
            ("https", rest) => (true, rest),
            ("http", rest) => (false, rest),
            _ => return None,
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => {
                let digits = port.chars().all(|c| c.is_ascii_digit());
                (host, port.parse().ok().filter(|port| digits && *port != 0)?)
            }
            _ => (rest, if tls { 443 } else { 80 }),
        };
        let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let host = match bracketed {
            Some(inner) => Host::Ip(IpAddr::V6(inner.parse().ok()?)),
            None => match host.parse() {
                Ok(IpAddr::V4(ip)) => Host::Ip(IpAddr::V4(ip)),
                Ok(IpAddr::V6(_)) => return None,
                Err(_) => Host::Name(DnsName::new(host).ok()?),
            },
        };
        Some(Self { tls, address: Address { host, port } })
    }

    /// Whether it speaks TLS.
    pub fn tls(&self) -> bool {
        self.tls
    }

    /// Where it listens.
    pub fn address(&self) -> &Address {
        &self.address
    }

    fn is_this_machine(&self) -> bool {
        match &self.address.host {
            Host::Ip(ip) => ip.is_loopback(),
            Host::Name(name) => name.as_str() == "localhost",
        }
    }
}

impl fmt::Display for Web {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_without_tls_is_one_of_this_machine() {
        for (text, shown) in [
            ("https://vault.example", "https://vault.example:443"),
            ("https://10.0.0.1:8200/", "https://10.0.0.1:8200"),
            ("https://[2001:db8::1]", "https://[2001:db8::1]:443"),
            ("http://127.0.0.1:4443", "http://127.0.0.1:4443"),
            ("http://localhost", "http://localhost:80"),
            ("http://[::1]:80", "http://[::1]:80"),
        ] {
            assert_eq!(Web::new(text).map(|web| web.to_string()).as_deref(), Some(shown));
        }
        for wrong in [
            "http://10.0.0.1",
            "http://vault.example",
            "https://vault.example/path",
            "https://user@vault.example",
            "https://",
            "https://vault.example:0",
            "https://vault.example:+1",
            "https://::1",
            "vault.example",
            "ftp://vault.example",
        ] {
            assert_eq!(Web::new(wrong), None, "{wrong}");
        }
        let emulator = Web::of_emulator("gcs.test:4443").map(|web| web.to_string());
        assert_eq!(emulator.as_deref(), Some("http://gcs.test:4443"));
    }

    #[test]
    fn the_name_of_a_google_key_has_all_its_parts_and_no_version() {
        let key =
            "projects/example.com:p-1/locations/europe-west4/keyRings/vault/cryptoKeys/unseal";
        assert!(GoogleKey::new(key).is_some());
        for wrong in
            ["unseal", "projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1"]
        {
            assert_eq!(GoogleKey::new(wrong), None, "{wrong}");
        }
        assert_eq!(GoogleKey::new("projects/p/locations/l/keyRings/../cryptoKeys/k"), None);
    }

    #[test]
    fn a_prefix_stays_within_its_bucket() {
        assert!(Prefix::new("clusters/vault").is_some());
        for wrong in ["", "/vault", "vault/", "a//b", "a/../b", "a b", "ü"] {
            assert_eq!(Prefix::new(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn buckets_are_named_as_their_stores_name_them() {
        for right in ["abc", "my-bucket.example.com", "a_b"] {
            assert!(Bucket::new(right).is_some(), "{right}");
        }
        for wrong in ["ab", "Abc", "-abc", "abc-", "a..b", "a/b"] {
            assert_eq!(Bucket::new(wrong), None, "{wrong}");
        }
    }
}
