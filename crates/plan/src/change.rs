//! Which changes of a document a cluster that exists cannot follow.

use std::fmt::{self, Display};
use std::net::Ipv4Addr;

use vaultyard_model::bytes::Binary;
use vaultyard_model::{Cluster, Version};

use crate::versions;

/// A change that is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    what: &'static str,
    was: String,
    is: String,
    why: Why,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Why {
    NotYet,
    Fixed,
    AtRest,
    Version(versions::Refused),
}

impl Fault {
    fn between(what: &'static str, was: String, is: String, why: Why) -> Option<Self> {
        (was != is).then_some(Self { what, was, is, why })
    }

    /// Whether it is a version to which there is no way from the present one.
    pub fn is_refused_passage(&self) -> bool {
        matches!(self.why, Why::Version(_))
    }
}

impl Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, was, is, why } = self;
        write!(f, "{what} was {was} and is {is} now: ")?;
        match why {
            Why::NotYet => f.write_str("this change is not supported by this version"),
            Why::Fixed => f.write_str("it is fixed once the cluster exists"),
            Why::AtRest => f.write_str(
                "its servers are at rest, and a snapshot comes first; bring them up with the document \
                 as it was, then change the version",
            ),
            Why::Version(refused) => refused.fmt(f),
        }
    }
}

/// Every change from `old` to `new` that a cluster which exists cannot follow, wherever it runs. The
/// unseal key was split once.
pub fn refuse(old: &Cluster, new: &Cluster) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut compare = |what, was: String, is: String, why| {
        faults.extend(Fault::between(what, was, is, why));
    };
    let (before, after) = (&old.servers, &new.servers);
    let software = (before.software.to_string(), after.software.to_string());
    compare("spec.servers.software", software.0, software.1, Why::Fixed);
    let seal = |cluster: &Cluster| match &cluster.seal {
        Some(seal) => seal.to_string(),
        None => "none".to_owned(),
    };
    compare("spec.seal", seal(old), seal(new), Why::NotYet);
    let (before, after) = (&old.keys, &new.keys);
    let shares = (before.shares.to_string(), after.shares.to_string());
    compare("spec.keys.shares", shares.0, shares.1, Why::Fixed);
    let threshold = (before.threshold.to_string(), after.threshold.to_string());
    compare("spec.keys.threshold", threshold.0, threshold.1, Why::Fixed);
    let encryption = (before.encryption.to_string(), after.encryption.to_string());
    compare("spec.keys.encryption", encryption.0, encryption.1, Why::Fixed);
    compare("spec.keys.store", before.store.to_string(), after.store.to_string(), Why::Fixed);
    faults.extend(passage(old, new, &old.servers.version));
    faults
}

/// Whether servers of the version `from` cannot come to that of the new document.
pub fn passage(old: &Cluster, new: &Cluster, from: &Version) -> Option<Fault> {
    let (software, to) = (new.servers.software, &new.servers.version);
    if old.servers.software != software {
        return None;
    }
    let refused = versions::passage(software, from, to).err()?;
    let why = Why::Version(refused);
    Fault::between("spec.servers.version", from.to_string(), to.to_string(), why)
}

/// Whether more is changed than how many servers there are, and what they are started as: their version,
/// program and configuration.
pub fn beyond_servers(old: &Cluster, new: &Cluster) -> bool {
    let mut as_new = old.clone();
    let (before, after) = (&mut as_new.servers, &new.servers);
    before.version = after.version.clone();
    before.binary.clone_from(&after.binary);
    before.configuration = after.configuration.clone();
    before.performance_multiplier = after.performance_multiplier;
    before.replicas = after.replicas;
    as_new != *new
}

/// Whether servers that are at rest would come back in another version: nobody could take a snapshot
/// before.
pub fn at_rest(old: &Cluster, new: &Cluster) -> Option<Fault> {
    let version = |cluster: &Cluster| cluster.servers.version.to_string();
    Fault::between("spec.servers.version", version(old), version(new), Why::AtRest)
}

/// Whether the first address of a cluster on one machine has moved: raft keeps the addresses of its
/// peers.
pub fn moved(old_first: Option<Ipv4Addr>, new_first: Ipv4Addr) -> Option<Fault> {
    let old_first = old_first.unwrap_or(new_first);
    Fault::between("the first address", old_first.to_string(), new_first.to_string(), Why::Fixed)
}

/// Whether the volumes of a cluster on Kubernetes have another size: the claims of a StatefulSet are
/// immutable, and so is the size of most volumes.
pub fn resized(old: &Cluster, new: &Cluster) -> Option<Fault> {
    let size = |cluster: &Cluster| Binary(cluster.servers.raft_bytes).to_string();
    Fault::between("spec.servers.storage.raft.size", size(old), size(new), Why::NotYet)
}

/// Whether the volumes of a cluster on Kubernetes are of another class: volumes that exist stay where
/// they are. To name the class that is the default one is a change too, since claims name it then.
pub fn reclassed(old: &Cluster, new: &Cluster) -> Option<Fault> {
    let class = |cluster: &Cluster| match &cluster.servers.storage_class {
        Some(class) => class.to_string(),
        None => "the default class".to_owned(),
    };
    let what = "spec.servers.storage.raft.storageClassName";
    Fault::between(what, class(old), class(new), Why::Fixed)
}

#[cfg(test)]
mod tests {
    use vaultyard_model::Version;
    use vaultyard_model::cluster::{Encryption, GoogleKey, ObjectName, Store};
    use vaultyard_testkit::{matrix, sample};

    use super::*;

    const FIRST: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 10);

    #[test]
    fn the_same_document_is_taken_and_what_can_change_may_change() {
        let old = sample::cluster(3);
        let mut new = old.clone();
        new.ingress.proxy.max_held += 1;
        new.servers.resources = matrix::larger();
        assert_eq!(refuse(&old, &new), []);
        assert_eq!(resized(&old, &new), None);
        assert_eq!(reclassed(&old, &new), None);
        assert_eq!(moved(Some(FIRST), FIRST), None);
        assert_eq!(moved(None, FIRST), None);
    }

    #[test]
    fn what_servers_are_started_as_is_told_from_all_else() {
        let old = sample::cluster(3);
        let mut new = old.clone();
        new.servers.version = Version::new("2.7.1").unwrap();
        new.servers.performance_multiplier = 5;
        assert!(!beyond_servers(&old, &new));
        new.ingress.proxy.max_held += 1;
        assert!(beyond_servers(&old, &new));
    }

    #[test]
    fn every_change_that_cannot_be_followed_is_listed() {
        let old = sample::cluster(3);
        let mut new = sample::cluster(1);
        new.seal = matrix::sealed_by_transit(1).seal;
        new.keys.shares += 1;
        new.keys.threshold += 1;
        let key = GoogleKey::new("projects/p/locations/l/keyRings/r/cryptoKeys/k").unwrap();
        new.keys.encryption = Encryption::GoogleKms { key };
        new.keys.store = Store::Directory { path: Some("/elsewhere".into()) };
        let faults = refuse(&old, &new);
        let what: Vec<_> = faults.iter().map(|fault| fault.what).collect();
        assert_eq!(
            what,
            [
                "spec.seal",
                "spec.keys.shares",
                "spec.keys.threshold",
                "spec.keys.encryption",
                "spec.keys.store"
            ]
        );
        let expected = "spec.seal was none and is transit by transit/unseal now: this change is not supported by this version";
        assert_eq!(faults[0].to_string(), expected);
    }

    #[test]
    fn another_version_is_refused_by_what_may_follow_the_present_one() {
        let old = sample::cluster(3);
        let of = |version| {
            let mut new = old.clone();
            new.servers.version = Version::new(version).unwrap();
            new
        };
        assert_eq!(refuse(&old, &of("2.7.1")), []);
        let minor = refuse(&old, &of("2.6.2"));
        assert!(minor.iter().all(Fault::is_refused_passage));
        let minor = minor.iter().map(Fault::to_string).collect::<Vec<_>>().join("\n");
        let expected = "spec.servers.version was 2.7.2 and is 2.6.2 now: 2.6 cannot lead on";
        assert!(minor.starts_with(expected), "{minor}");
    }

    #[test]
    fn other_addresses_and_other_volumes_are_named() {
        let fault = moved(Some(FIRST), Ipv4Addr::new(127, 0, 1, 10)).unwrap().to_string();
        assert!(fault.starts_with("the first address was 127.0.0.10 and is 127.0.1.10"), "{fault}");
        let old = sample::cluster(3);
        let mut new = old.clone();
        new.servers.raft_bytes = 20 << 30;
        let fault = resized(&old, &new).unwrap().to_string();
        assert!(fault.contains("raft.size was 10Gi and is 20Gi now"), "{fault}");
        new.servers.storage_class = ObjectName::new("fast");
        let expected = "spec.servers.storage.raft.storageClassName was the default class and is fast \
                        now: it is fixed once the cluster exists";
        assert_eq!(reclassed(&old, &new).unwrap().to_string(), expected);
        let fault = reclassed(&new, &old).unwrap().to_string();
        assert!(fault.contains("was fast and is the default class now"), "{fault}");
    }
}
