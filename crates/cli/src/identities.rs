//! The two identities that log in with a certificate, and the clients that show it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rustls::ClientConfig;
use rustls::pki_types::ServerName as TlsName;
use vaultyard_certificates::tls::{Swappable, client_config};
use vaultyard_certificates::{Authority, Ensured, Leaf, Wanted};
use vaultyard_model::access::Identity;
use vaultyard_model::address::Host;
use vaultyard_model::layout::Site;
use vaultyard_model::port::clock::Random;
use vaultyard_model::{Address, ClusterName, ServerName, Software};
use vaultyard_vault::{Client, Endpoint};

use crate::failure::{Failure, bad_input, failed};

/// How long a client certificate is valid; it is renewed after two thirds of this.
const LIFETIME: Duration = Duration::from_secs(30 * 24 * 3600);

/// The folder of an identity's certificate.
pub(crate) fn folder(pki: &Path, identity: Identity) -> PathBuf {
    pki.join("leaves").join(identity.as_str())
}

/// What an identity's certificate must say.
pub(crate) fn wanted(identity: Identity) -> Wanted {
    Wanted::client(identity, LIFETIME)
}

/// By which name unsealers know the proxies of a cluster.
pub(crate) fn proxies(cluster: &ClusterName) -> String {
    format!("{cluster}-proxy")
}

/// What the certificate must say that the proxies show to unsealers. No login knows it.
pub(crate) fn wanted_of_proxies(cluster: &ClusterName) -> Wanted {
    Wanted::client_named(&proxies(cluster), LIFETIME)
}

/// Sees to it that an identity has a certificate.
pub(crate) fn ensure(
    pki: &Path,
    identity: Identity,
    authority: &Authority,
    random: &dyn Random,
    now: Timestamp,
) -> Result<(Leaf, Ensured), vaultyard_certificates::leaf::LeafError> {
    Leaf::ensure(&folder(pki, identity), &wanted(identity), authority, random, now)
}

/// TLS settings that trust the cluster's root and show the identity's certificate.
pub(crate) fn tls(root_pem: &str, leaf: &Leaf) -> Result<Arc<ClientConfig>, Failure> {
    let shown = Arc::new(shown(leaf)?);
    tls_with(root_pem, shown)
}

/// The certificate of a leaf, to be shown and replaced.
pub(crate) fn shown(leaf: &Leaf) -> Result<Swappable, Failure> {
    Swappable::new(&leaf.pair().map_err(failed)?).map_err(failed)
}

/// TLS settings that trust the cluster's root and show what `shown` holds at each handshake.
pub(crate) fn tls_with(
    root_pem: &str,
    shown: Arc<Swappable>,
) -> Result<Arc<ClientConfig>, Failure> {
    client_config(root_pem.as_bytes(), Some(shown), &["http/1.1"]).map_err(failed)
}

/// A client of every server.
pub(crate) fn clients(
    sites: &[Site],
    software: Software,
    tls: &Arc<ClientConfig>,
) -> Result<BTreeMap<ServerName, Arc<Client>>, Failure> {
    let client = |site: &Site| {
        let name = tls_name(&site.address.host)?;
        let client = client(site.address.clone(), name, tls).of(software);
        Ok((site.name.clone(), Arc::new(client)))
    };
    sites.iter().map(client).collect()
}

/// A client of what listens at `address` and has a certificate for `name`.
pub(crate) fn client(
    address: Address,
    tls_name: TlsName<'static>,
    tls: &Arc<ClientConfig>,
) -> Client {
    Client::new(Endpoint { address, tls_name, tls: tls.clone() })
}

/// What the certificate of a host must be valid for.
pub(crate) fn tls_name(host: &Host) -> Result<TlsName<'static>, Failure> {
    match host {
        Host::Ip(ip) => Ok(TlsName::from(*ip)),
        Host::Name(name) => TlsName::try_from(name.as_str().to_owned()).map_err(bad_input),
    }
}
