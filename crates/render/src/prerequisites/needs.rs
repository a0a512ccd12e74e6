//! The needs themselves, whatever language they are written in.

use vaultyard_model::Cluster;
use vaultyard_model::cluster::{Encryption, FrontTls, GoogleName, GoogleSeal, Seal, Store, Way};

use crate::kubernetes::Names;

/// What the right to delete probes of the key store is called.
pub(super) const PROBES: &str = "probes-of-the-key-store";
/// What the right to delete snapshots is called.
pub(super) const SNAPSHOTS: &str = "snapshots";

/// Everything that must exist.
pub(super) struct Needs {
    /// The cluster, for people: namespace and name.
    pub(super) cluster: String,
    /// The reserved address.
    pub(super) address: Option<(String, Reach)>,
    /// The SSL policy.
    pub(super) ssl_policy: Option<(String, Reach)>,
    /// The security policy, which people write: only its name is known here.
    pub(super) security_policy: Option<String>,
    /// Certificates that people upload.
    pub(super) certificates: Vec<String>,
    /// Whether the load balancer needs a subnet for its proxies.
    pub(super) proxy_subnet: bool,
    /// The bucket of the keys.
    pub(super) bucket: Option<Folder>,
    /// The bucket of the snapshots, which may be the same.
    pub(super) snapshots: Option<Folder>,
    /// The key that encrypts them.
    pub(super) key: Option<Key>,
    /// The key that opens the servers, when it is another one.
    pub(super) seal: Option<Key>,
    /// The namespace and the name of the account that uses bucket and key.
    pub(super) account: (String, String),
    /// The account of Google that it acts as, when the document says so.
    pub(super) acts_as: Option<String>,
}

/// From where an address can be reached, which decides its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// A global one, from the internet.
    Global,
    /// One of a region, from the internet.
    Regional,
    /// One of a network.
    Internal,
}

/// A folder in a bucket.
pub(super) struct Folder {
    pub(super) bucket: String,
    pub(super) prefix: String,
}

impl Folder {
    /// The condition that the name of an object begins so within the folder.
    pub(super) fn begins(&self, with: &str) -> String {
        let Self { bucket, prefix } = self;
        format!("resource.name.startsWith(\"projects/_/buckets/{bucket}/objects/{prefix}/{with}\")")
    }
}

/// A key of Cloud KMS, by the parts of its name.
#[derive(PartialEq, Eq)]
pub(super) struct Key {
    pub(super) project: String,
    pub(super) location: String,
    pub(super) ring: String,
    pub(super) name: String,
}

impl Needs {
    /// What this document needs.
    pub(super) fn of(cluster: &Cluster) -> Self {
        let names = Names::of(cluster);
        let front = cluster.ingress.front.as_ref();
        let google = front.and_then(|front| front.google.as_ref());
        let reach = front.map_or(Reach::Global, |front| reach(&front.way));
        let of_google =
            |name: &Option<GoogleName>| name.as_ref().map(|name| name.as_str().to_owned());
        let certificates = match front.map(|front| &front.tls) {
            Some(FrontTls::PreShared(names)) => names.iter().map(ToString::to_string).collect(),
            _ => Vec::new(),
        };
        let key = match &cluster.keys.encryption {
            Encryption::GoogleKms { key } => key_parts(key.as_str()),
            _ => None,
        };
        Self {
            cluster: format!("{}/{}", names.namespace(), names.cluster()),
            address: google
                .and_then(|google| of_google(&google.static_address))
                .map(|n| (n, reach)),
            ssl_policy: google.and_then(|google| of_google(&google.ssl_policy)).map(|n| (n, reach)),
            security_policy: google.and_then(|google| of_google(&google.security_policy)),
            certificates,
            proxy_subnet: google.is_some() && reach != Reach::Global,
            bucket: folder(&cluster.keys.store),
            snapshots: folder(&cluster.snapshots.store),
            seal: seal(cluster).filter(|seal| key.as_ref() != Some(seal)),
            key,
            account: (names.namespace().to_owned(), names.stateful_set().to_owned()),
            acts_as: cluster
                .servers
                .account_annotations
                .get("iam.gke.io/gcp-service-account")
                .filter(|address| is_account(address))
                .cloned(),
        }
    }

    /// Whether there is nothing to do.
    pub(super) fn is_empty(&self) -> bool {
        self.address.is_none()
            && self.ssl_policy.is_none()
            && self.security_policy.is_none()
            && self.certificates.is_empty()
            && !self.proxy_subnet
            && !self.uses_keys()
    }

    /// Whether the servers' account needs rights.
    pub(super) fn uses_keys(&self) -> bool {
        self.uses_buckets() || self.key.is_some() || self.seal.is_some()
    }

    /// Whether there is a bucket.
    pub(super) fn uses_buckets(&self) -> bool {
        self.bucket.is_some() || self.snapshots.is_some()
    }

    /// The bucket of the snapshots, when it is not that of the keys.
    pub(super) fn other_bucket(&self) -> Option<&Folder> {
        let keys = self.bucket.as_ref().map(|folder| &folder.bucket);
        self.snapshots.as_ref().filter(|snapshots| Some(&snapshots.bucket) != keys)
    }

    /// What people must make themselves, a sentence each.
    pub(super) fn by_hand(&self) -> Vec<String> {
        let mut all = Vec::new();
        if let Some(policy) = &self.security_policy {
            all.push(format!(
                "Cloud Armor: the security policy {policy}, with the rules you want."
            ));
        }
        for certificate in &self.certificates {
            all.push(format!("The certificate {certificate}, with its key."));
        }
        if self.proxy_subnet {
            all.push("A proxy-only subnet in the region, in the network of the nodes.".to_owned());
        }
        all
    }
}

fn folder(store: &Store) -> Option<Folder> {
    match store {
        Store::GoogleStorage { bucket, prefix } => {
            Some(Folder { bucket: bucket.to_string(), prefix: prefix.to_string() })
        }
        _ => None,
    }
}

/// Whether it is the address of an account; only such a text may stand in a script.
fn is_account(address: &str) -> bool {
    let part = |text: &str| {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c);
        !text.is_empty() && !text.starts_with('-') && text.chars().all(allowed)
    };
    address.split_once('@').is_some_and(|(name, domain)| part(name) && part(domain))
}

fn reach(way: &Way) -> Reach {
    match way {
        way if way.is_global() => Reach::Global,
        Way::Gateway { class } if class.as_str().contains("external") => Reach::Regional,
        // A Gateway of somebody else has an address of its own.
        Way::SharedGateway { .. } => Reach::Global,
        Way::Ingress { .. } | Way::Gateway { .. } => Reach::Internal,
    }
}

fn seal(cluster: &Cluster) -> Option<Key> {
    let Some(Seal::Gcpckms(seal)) = &cluster.seal else { return None };
    let GoogleSeal { project, region, key_ring, crypto_key, .. } = seal;
    Some(Key {
        project: project.to_string(),
        location: region.to_string(),
        ring: key_ring.to_string(),
        name: crypto_key.to_string(),
    })
}

fn key_parts(name: &str) -> Option<Key> {
    let parts: Vec<&str> = name.split('/').collect();
    let ["projects", project, "locations", location, "keyRings", ring, "cryptoKeys", key] =
        parts.as_slice()
    else {
        return None;
    };
    Some(Key {
        project: (*project).to_owned(),
        location: (*location).to_owned(),
        ring: (*ring).to_owned(),
        name: (*key).to_owned(),
    })
}
