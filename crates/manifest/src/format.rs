//! The forms of texts: how each is read, published as a pattern, and described.

use std::path::PathBuf;
use std::time::Duration;

use vaultyard_model::cluster::{
    AgeRecipient, AwsKey, AwsRegion, Bucket, Cpu, EnginePath, GoogleKey, GoogleName, GooglePart,
    Guarded, Label, Network, ObjectName, Prefix, Web,
};
use vaultyard_model::{ClusterName, DnsName, Namespace, Version, Zone, duration};

/// A value that is written as text.
pub(crate) trait Readable: Sized {
    /// Its form.
    const FORMAT: Format;

    /// Reads it. The error says more than the form does, or nothing.
    fn read(text: &str) -> Result<Self, Option<String>>;
}

/// The forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    ClusterName,
    Namespace,
    Zone,
    DnsName,
    Version,
    Duration,
    Quantity,
    Memory,
    Cpu,
    Network,
    AbsolutePath,
    Guarded,
    ObjectName,
    GoogleName,
    Bucket,
    Prefix,
    GoogleKey,
    GooglePart,
    AwsKey,
    AwsRegion,
    EnginePath,
    Label,
    AgeRecipient,
    Web,
}

impl Format {
    const ALL: [Self; 24] = [
        Self::ClusterName,
        Self::Namespace,
        Self::Zone,
        Self::DnsName,
        Self::Version,
        Self::Duration,
        Self::Quantity,
        Self::Memory,
        Self::Cpu,
        Self::Network,
        Self::AbsolutePath,
        Self::Guarded,
        Self::ObjectName,
        Self::GoogleName,
        Self::Bucket,
        Self::Prefix,
        Self::GoogleKey,
        Self::GooglePart,
        Self::AwsKey,
        Self::AwsRegion,
        Self::EnginePath,
        Self::Label,
        Self::AgeRecipient,
        Self::Web,
    ];

    /// The word in schemas.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ClusterName => "cluster-name",
            Self::Namespace => "namespace",
            Self::Zone => "zone",
            Self::DnsName => "dns-name",
            Self::Version => "version",
            Self::Duration => "duration",
            Self::Quantity => "quantity",
            Self::Memory => "memory",
            Self::Cpu => "cpu",
            Self::Network => "network",
            Self::AbsolutePath => "absolute-path",
            Self::Guarded => "guarded-operation",
            Self::ObjectName => "object-name",
            Self::GoogleName => "google-name",
            Self::Bucket => "bucket",
            Self::Prefix => "prefix",
            Self::GoogleKey => "google-key",
            Self::GooglePart => "google-part",
            Self::AwsKey => "aws-key",
            Self::AwsRegion => "aws-region",
            Self::EnginePath => "engine-path",
            Self::Label => "label",
            Self::AgeRecipient => "age-recipient",
            Self::Web => "web-address",
        }
    }

    /// The form with this word.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }

    /// Which words there are, for a form that is a choice.
    pub(crate) fn words(self) -> Vec<&'static str> {
        match self {
            Self::Guarded => Guarded::ALL.map(Guarded::as_str).to_vec(),
            _ => Vec::new(),
        }
    }

    /// A pattern that every right text matches, for editors and API servers. It may let wrong ones
    /// pass; the reader does not.
    pub(crate) fn pattern(self) -> Option<&'static str> {
        match self {
            Self::ClusterName | Self::Namespace | Self::Zone => {
                Some("^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
            }
            Self::DnsName => {
                Some(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\.?$")
            }
            Self::Version => Some(r"^v?[0-9]+\.[0-9]+\.[0-9]+([-+].+)?$"),
            Self::Duration => Some("^([0-9]+(h|m|s|ms))+$"),
            Self::Cpu => Some(r"^([0-9]+m|[0-9]+(\.[0-9]{1,3})?)$"),
            Self::Quantity | Self::Memory => Some(r"^[0-9]+(\.[0-9]+)?([KMGTPE]i|[kMGTPE])?$"),
            Self::Network => Some(r"^[0-9a-fA-F.:]+(/[0-9]+)?$"),
            Self::AbsolutePath => Some("^/"),
            Self::Guarded | Self::Label => None,
            Self::Prefix | Self::EnginePath => Some("^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*$"),
            Self::ObjectName => {
                Some(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
            }
            Self::GoogleName => Some("^[a-z]([-a-z0-9]*[a-z0-9])?$"),
            Self::Bucket => Some(r"^[a-z0-9][a-z0-9._-]*[a-z0-9]$"),
            Self::GoogleKey => {
                Some("^projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+$")
            }
            Self::GooglePart => Some("^[A-Za-z0-9.:_-]+$"),
            Self::AwsKey => Some("^[A-Za-z0-9:/_-]+$"),
            Self::AwsRegion => Some("^[a-z0-9-]+$"),
            Self::AgeRecipient => Some("^age1[a-z0-9]+$"),
            Self::Web => Some("^https?://[^/]+/?$"),
        }
    }

    /// How many characters there may be.
    pub(crate) fn longest(self) -> Option<usize> {
        match self {
            Self::ClusterName => Some(ClusterName::LONGEST),
            Self::Namespace => Some(Namespace::LONGEST),
            Self::Zone => Some(63),
            Self::DnsName => Some(254),
            Self::ObjectName => Some(253),
            Self::GoogleName => Some(GoogleName::LONGEST),
            Self::Bucket => Some(222),
            Self::Prefix | Self::EnginePath => Some(200),
            Self::Label => Some(255),
            Self::GooglePart => Some(63),
            Self::AwsRegion => Some(32),
            Self::AwsKey => Some(2048),
            _ => None,
        }
    }

    /// In words, for messages.
    pub(crate) fn described(self) -> &'static str {
        match self {
            Self::ClusterName => "a name of at most 40 characters a-z, 0-9 and -",
            Self::Namespace => "a name of at most 52 characters a-z, 0-9 and -",
            Self::Zone => "a name of at most 63 characters a-z, 0-9 and -",
            Self::DnsName => "a DNS name in lower case, such as vault.test",
            Self::Version => "a version of three numbers, such as \"2.7.2\"",
            Self::Duration => "a duration, such as 30s, 10m or 720h",
            Self::Quantity => "an amount of bytes, such as 64Mi or 10Gi",
            Self::Memory => "an amount of memory, such as 512Mi or 4Gi",
            Self::Cpu => "an amount of processing, such as 500m or 2",
            Self::Network => "a network or an address, such as 10.0.0.0/8 or ::1",
            Self::AbsolutePath => "a path that begins with /",
            Self::Guarded => "the name of a guarded operation",
            Self::ObjectName => "the name of an object: a-z, 0-9, - and . in between",
            Self::GoogleName => "a name at Google: at most 63 characters a-z, 0-9 and -",
            Self::Bucket => "the name of a bucket: 3 to 222 characters a-z, 0-9, -, _ and .",
            Self::Prefix => "a folder within the bucket, such as clusters/vault",
            Self::GoogleKey => {
                "the full name of a key, such as projects/p/locations/l/keyRings/r/cryptoKeys/k"
            }
            Self::GooglePart => "a name of at most 63 characters, such as vault",
            Self::AwsKey => "the id, ARN or alias of a key, such as alias/vault",
            Self::AwsRegion => "a region, such as eu-central-1",
            Self::EnginePath => "a name on the server, without a slash at its ends",
            Self::Label => "a label of 1 to 255 characters",
            Self::AgeRecipient => "a public key of age, which begins with age1",
            Self::Web => {
                "scheme, host and port, such as https://vault.example:8200; http is for this machine only"
            }
        }
    }

    /// A right text, for messages.
    pub(crate) fn example(self) -> &'static str {
        match self {
            Self::ClusterName | Self::Namespace => "vault",
            Self::Zone => "a",
            Self::DnsName => "vault.test",
            Self::Version => "2.7.2",
            Self::Duration => "30s",
            Self::Quantity => "10Gi",
            Self::Memory => "4Gi",
            Self::Cpu => "500m",
            Self::Network => "10.0.0.0/8",
            Self::AbsolutePath => "/opt/openbao/bin/bao",
            Self::Guarded => "metrics",
            Self::ObjectName => "nginx",
            Self::GoogleName => "vault-address",
            Self::Bucket => "vault-keys",
            Self::Prefix => "clusters/vault",
            Self::GoogleKey => "projects/p/locations/l/keyRings/r/cryptoKeys/k",
            Self::GooglePart => "vault",
            Self::AwsKey => "alias/vault",
            Self::AwsRegion => "eu-central-1",
            Self::EnginePath => "transit",
            Self::Label => "vault",
            Self::AgeRecipient => "age1lggyhqrw2nlhcxprm67z43rta597azn8gknawjehu9d9dl0jq3yqqvfafg",
            Self::Web => "https://vault.example:8200",
        }
    }

    /// Whether the text has this form.
    pub(crate) fn check(self, text: &str) -> Result<(), Option<String>> {
        match self {
            Self::ClusterName => ClusterName::read(text).map(drop),
            Self::Namespace => Namespace::read(text).map(drop),
            Self::Zone => Zone::read(text).map(drop),
            Self::DnsName => DnsName::read(text).map(drop),
            Self::Version => Version::read(text).map(drop),
            Self::Duration => Duration::read(text).map(drop),
            Self::Quantity => Bytes::read(text).map(drop),
            Self::Memory => Memory::read(text).map(drop),
            Self::Cpu => Cpu::read(text).map(drop),
            Self::Network => Network::read(text).map(drop),
            Self::AbsolutePath => PathBuf::read(text).map(drop),
            Self::Guarded => Guarded::read(text).map(drop),
            Self::ObjectName => ObjectName::read(text).map(drop),
            Self::GoogleName => GoogleName::read(text).map(drop),
            Self::Bucket => Bucket::read(text).map(drop),
            Self::Prefix => Prefix::read(text).map(drop),
            Self::GoogleKey => GoogleKey::read(text).map(drop),
            Self::GooglePart => GooglePart::read(text).map(drop),
            Self::AwsKey => AwsKey::read(text).map(drop),
            Self::AwsRegion => AwsRegion::read(text).map(drop),
            Self::EnginePath => EnginePath::read(text).map(drop),
            Self::Label => Label::read(text).map(drop),
            Self::AgeRecipient => AgeRecipient::read(text).map(drop),
            Self::Web => Web::read(text).map(drop),
        }
    }

    /// Whether a whole number may be written without quotes, as in every other manifest of Kubernetes.
    pub(crate) fn takes_whole_numbers(self) -> bool {
        matches!(self, Self::Memory | Self::Cpu)
    }

    /// The size of what the text stands for, so that bounds can be compared: milliseconds, bytes or
    /// thousandths of a processor.
    pub(crate) fn measure(self, text: &str) -> Option<u128> {
        match self {
            Self::Duration => Duration::read(text).ok().map(|duration| duration.as_millis()),
            Self::Quantity => Bytes::read(text).ok().map(|bytes| u128::from(bytes.0)),
            Self::Memory => Memory::read(text).ok().map(|memory| u128::from(memory.0)),
            Self::Cpu => Cpu::read(text).ok().map(|cpu| u128::from(cpu.thousandths())),
            _ => None,
        }
    }
}

/// An amount of bytes as Kubernetes writes quantities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bytes(pub(crate) u64);

/// An amount of memory, in bytes; written like [`Bytes`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Memory(pub(crate) u64);

impl Readable for ClusterName {
    const FORMAT: Format = Format::ClusterName;

    fn read(text: &str) -> Result<Self, Option<String>> {
        Self::new(text).map_err(|error| Some(format!("it {error}")))
    }
}

impl Readable for Namespace {
    const FORMAT: Format = Format::Namespace;

    fn read(text: &str) -> Result<Self, Option<String>> {
        Self::new(text).map_err(|error| Some(format!("it {error}")))
    }
}

impl Readable for Zone {
    const FORMAT: Format = Format::Zone;

    fn read(text: &str) -> Result<Self, Option<String>> {
        Self::new(text).map_err(|error| Some(format!("it {error}")))
    }
}

impl Readable for DnsName {
    const FORMAT: Format = Format::DnsName;

    fn read(text: &str) -> Result<Self, Option<String>> {
        Self::new(text).map_err(|error| Some(format!("a label of it {error}")))
    }
}

impl Readable for Version {
    const FORMAT: Format = Format::Version;

    fn read(text: &str) -> Result<Self, Option<String>> {
        Self::new(text).map_err(|_| None)
    }
}

impl Readable for Duration {
    const FORMAT: Format = Format::Duration;

    fn read(text: &str) -> Result<Self, Option<String>> {
        duration::parse(text).map_err(|_| None)
    }
}

impl Readable for Network {
    const FORMAT: Format = Format::Network;

    fn read(text: &str) -> Result<Self, Option<String>> {
        Self::parse(text).ok_or(None)
    }
}

impl Readable for Guarded {
    const FORMAT: Format = Format::Guarded;

    fn read(text: &str) -> Result<Self, Option<String>> {
        Self::ALL.into_iter().find(|guarded| guarded.as_str() == text).ok_or(None)
    }
}

/// Texts whose own check says all there is to say.
macro_rules! readable {
    ($($name:ident),+) => {
        $(impl Readable for $name {
            const FORMAT: Format = Format::$name;

            fn read(text: &str) -> Result<Self, Option<String>> {
                Self::new(text).ok_or(None)
            }
        })+
    };
}

readable!(
    ObjectName,
    GoogleName,
    Bucket,
    Prefix,
    GoogleKey,
    GooglePart,
    AwsKey,
    AwsRegion,
    EnginePath,
    Label,
    AgeRecipient,
    Web,
    Cpu
);

impl Readable for PathBuf {
    const FORMAT: Format = Format::AbsolutePath;

    fn read(text: &str) -> Result<Self, Option<String>> {
        if text.starts_with('/') && !text.contains('\0') {
            return Ok(Self::from(text));
        }
        Err(text.starts_with('~').then(|| "~ is known to shells only".to_owned()))
    }
}

impl Readable for Bytes {
    const FORMAT: Format = Format::Quantity;

    /// Kubernetes' quantities without exponents and without `m`. A part of a byte counts as one.
    fn read(text: &str) -> Result<Self, Option<String>> {
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, suffix) = text.split_at(end);
        let unit: u128 = match suffix {
            "" => 1,
            "k" => 1_000,
            "M" => 1_000_000,
            "G" => 1_000_000_000,
            "T" => 1_000_000_000_000,
            "P" => 1_000_000_000_000_000,
            "E" => 1_000_000_000_000_000_000,
            "Ki" => 1 << 10,
            "Mi" => 1 << 20,
            "Gi" => 1 << 30,
            "Ti" => 1 << 40,
            "Pi" => 1 << 50,
            "Ei" => 1 << 60,
            _ => return Err(unit_hint(suffix)),
        };
        Self::scaled(number, unit).map(Self).ok_or(None)
    }
}

impl Readable for Memory {
    const FORMAT: Format = Format::Memory;

    fn read(text: &str) -> Result<Self, Option<String>> {
        Bytes::read(text).map(|bytes| Self(bytes.0))
    }
}

impl Bytes {
    fn scaled(number: &str, unit: u128) -> Option<u64> {
        let (whole, part) = match number.split_once('.') {
            Some((_, "")) => return None,
            Some((whole, part)) => (whole, part.trim_end_matches('0')),
            None => (number, ""),
        };
        let whole: u64 = whole.parse().ok()?;
        let part = match part {
            "" => 0,
            digits => {
                let count: u128 = digits.parse::<u64>().ok()?.into();
                let scale = 10_u128.checked_pow(u32::try_from(digits.len()).ok()?)?;
                count.checked_mul(unit)?.div_ceil(scale)
            }
        };
        u64::try_from(u128::from(whole).checked_mul(unit)?.checked_add(part)?).ok()
    }
}

/// The unit that was meant.
fn unit_hint(suffix: &str) -> Option<String> {
    let meant = match suffix.to_ascii_lowercase().as_str() {
        "k" | "kb" | "kib" | "ki" => "Ki",
        "m" | "mb" | "mib" | "mi" => "Mi",
        "g" | "gb" | "gib" | "gi" => "Gi",
        "t" | "tb" | "tib" | "ti" => "Ti",
        _ => return None,
    };
    Some(format!("write {meant} for this unit"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_as_kubernetes_writes_them() {
        for (text, bytes) in [
            ("10Gi", 10 << 30),
            ("64Mi", 64 << 20),
            ("1.5Ki", 1_536),
            ("0.1", 1),
            ("5k", 5_000),
            ("0", 0),
        ] {
            assert_eq!(Bytes::read(text), Ok(Bytes(bytes)), "{text}");
        }
        for wrong in ["", "Gi", "-1", "1.", ".5", "1e3", "1.2.3", "100000Ei", "5 Gi", "1m"] {
            assert!(Bytes::read(wrong).is_err(), "{wrong}");
        }
        assert_eq!(Bytes::read("10GB"), Err(Some("write Gi for this unit".to_owned())));
    }

    #[test]
    fn every_format_is_found_by_its_name_and_has_a_right_example() {
        for format in Format::ALL {
            assert_eq!(format.check(format.example()), Ok(()));
            assert_eq!(Format::named(format.name()), Some(format));
        }
    }
}
