//! `vaultyard controller certificates`: the cluster's certificate authority, and every certificate
//! from it, as Secrets; and its root, which everybody may read.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{SelectAll, StreamExt};
use jiff::Timestamp;
use tracing::info;
use vaultyard_certificates::leaves::{Content, UpToDate, bring_up_to_date};
use vaultyard_certificates::{Authority, Ensured, Entries, Wanted};
use vaultyard_model::access::Identity;
use vaultyard_model::cluster::Issuer;
use vaultyard_model::port::clock::{Clock, Random};
use vaultyard_model::{Cluster, DnsName};
use vaultyard_render::kubernetes::Names;
use vaultyard_render::kubernetes::labels::{Component, labels};
use vaultyard_target_kubernetes::cluster::ClusterObject;
use vaultyard_target_kubernetes::kind::SECRET;
use vaultyard_target_kubernetes::secret_map::{Contents, SecretMap};
use vaultyard_target_kubernetes::{Api, Reference};

use super::declared::{self, Changes, Followed};
use super::leading::{self, Post};
use super::standing;
use super::{proxy, sites, trust};
use crate::failure::{Failure, Kind, failed};
use crate::system::{SystemClock, SystemRandom};
use crate::{faults, identities};

/// Who owns what this controller writes.
const MANAGER: &str = "vaultyard-certificates-controller";
/// The longest time between two looks at the clock: timers stand still while a machine sleeps.
const LOOK_AT_LEAST: Duration = Duration::from_secs(600);
/// The entry of whom the holder of certificates believes.
const ROOT: &str = "ca.crt";
/// The entry of whom the servers believe about identities.
const CLIENTS: &str = "clients.crt";

/// Keeps the certificates until it is told to stop.
pub(crate) async fn run() -> Result<ExitCode, Failure> {
    leading::run(Component::CertificatesController, |post| async move {
        match work(&post).await {
            Err(failure) => failure,
            Ok(never) => match never {},
        }
    })
    .await
}

async fn work(post: &Post) -> Result<std::convert::Infallible, Failure> {
    let Post { api, names, .. } = post;
    let random: Arc<dyn Random> = Arc::new(SystemRandom);
    let keeper = Keeper { api: api.clone(), secrets: Secrets::new(post, &random), random };
    let object = ClusterObject::new(api.clone(), names);
    let mut document: Changes = Box::pin(object.watch());
    let written = keeper.secrets.all().map(|secret| secret.object().clone()).into_iter();
    let mut written: SelectAll<_> = written
        .chain([trust::object(names)])
        .map(|object| Box::pin(vaultyard_target_kubernetes::watch::watch(api.clone(), object)))
        .collect();
    let mut now = declared::next(&mut document, None).await?;
    // Certificates end whatever becomes of the VaultCluster, and servers of a document that is not
    // followed any more still show theirs.
    let mut followed = Followed::default();
    loop {
        followed.look(api, names, now.as_ref()).await.map_err(failed)?;
        let next = match (&followed.document, &followed.refused) {
            (Some(document), _) => {
                // One that is still to leave needs its certificate until then.
                let servers = standing::largest(now.as_ref(), &document.cluster);
                let cluster = document.cluster.standing(servers);
                keeper.keep(&cluster, names, SystemClock.now()).await?
            }
            (None, Some(why)) => return Err(Failure::text(Kind::Failed, why)),
            (None, None) => None,
        };
        post.hindrance.set(None);
        let pause = next.map_or(LOOK_AT_LEAST, |next| until(next, SystemClock.now()));
        tokio::select! {
            other = declared::next(&mut document, now.as_ref()) => now = other?,
            Some(changed) = written.next() => {
                changed.map_err(failed)?;
            }
            () = tokio::time::sleep(pause) => {}
        }
    }
}

fn until(next: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(next.duration_since(now)).unwrap_or_default().min(LOOK_AT_LEAST)
}

/// The Secrets that this controller writes.
struct Secrets {
    authority: SecretMap,
    servers: SecretMap,
    identities: SecretMap,
    proxy: SecretMap,
}

impl Secrets {
    fn new(post: &Post, random: &Arc<dyn Random>) -> Self {
        let Post { api, names, .. } = post;
        let secret = |namespace: &str, name: &str, kind| {
            let object = Reference::within(SECRET, namespace, name);
            let labels = labels(names, None);
            SecretMap::new(api.clone(), object, labels, kind, MANAGER, random.clone())
        };
        let own = |name: &str, kind| secret(names.namespace(), name, kind);
        Self {
            authority: secret(names.operations(), &names.authority(), "Opaque"),
            servers: own(&names.server_certificates(), "Opaque"),
            identities: own(&names.identities(), "Opaque"),
            proxy: own(&names.proxy_certificate(), "kubernetes.io/tls"),
        }
    }

    fn all(&self) -> [&SecretMap; 4] {
        [&self.authority, &self.servers, &self.identities, &self.proxy]
    }
}

struct Keeper {
    api: Api,
    secrets: Secrets,
    random: Arc<dyn Random>,
}

impl Keeper {
    /// Brings everything up to date; when the next certificate is due.
    async fn keep(
        &self,
        cluster: &Cluster,
        names: &Names,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, Failure> {
        let authority = self.authority(cluster, names, now).await?;
        let (root, clients) = (authority.root_pem(), authority.clients_pem());
        let each = [
            (&self.secrets.servers, of_servers(cluster, names)?, (ROOT, root)),
            (&self.secrets.identities, of_identities(), (CLIENTS, clients)),
            (&self.secrets.proxy, of_proxies(cluster, names)?, (ROOT, root)),
        ];
        let mut next: Option<Timestamp> = None;
        for (secret, leaves, (name, pem)) in each {
            let authorities = BTreeMap::from([(name.to_owned(), pem.to_owned())]);
            let content = Content { leaves, authorities };
            let due = self.leaves(secret, &content, &authority, now).await?;
            next = next.into_iter().chain(due).min();
        }
        trust::publish(&self.api, names, MANAGER, root).await?;
        Ok(next)
    }

    /// The authority; a new one only where nobody believes an older one.
    async fn authority(
        &self,
        cluster: &Cluster,
        names: &Names,
        now: Timestamp,
    ) -> Result<Authority, Failure> {
        let secret = &self.secrets.authority;
        let kept = secret.read().await.map_err(failed)?;
        let mut entries = entries(secret, kept.as_ref());
        if !Authority::has_root(&entries).map_err(failed)?
            && let Some(believed) = self.believed(names).await?
        {
            return Err(lost(secret.object(), &believed));
        }
        let authority = Authority::open(&mut entries, &cluster.name, &*self.random, now);
        let authority = authority.map_err(failed)?;
        if entries.changed() {
            info!("made a certificate authority in {}", secret.object());
            write(secret, kept.as_ref(), entries).await?;
        }
        Ok(authority)
    }

    /// Where an authority is known by that was there before; nowhere in a new cluster.
    async fn believed(&self, names: &Names) -> Result<Option<Reference>, Failure> {
        let Secrets { servers, proxy, identities, .. } = &self.secrets;
        for (secret, entry) in [(servers, ROOT), (proxy, ROOT), (identities, CLIENTS)] {
            let kept = secret.read().await.map_err(failed)?;
            if kept.is_some_and(|kept| kept.data.contains_key(entry)) {
                return Ok(Some(secret.object().clone()));
            }
        }
        let published = trust::find(&self.api, names).await?;
        Ok(published.map(|_| trust::object(names)))
    }

    async fn leaves(
        &self,
        secret: &SecretMap,
        content: &Content,
        authority: &Authority,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, Failure> {
        let kept = secret.read().await.map_err(failed)?;
        let present = entries(secret, kept.as_ref());
        let UpToDate { entries, leaves, next } =
            bring_up_to_date(&present, content, authority, &*self.random, now).map_err(failed)?;
        for (holder, (certificate, ensured)) in &leaves {
            if let Ensured::Issued(reason) = ensured {
                info!(holder, %reason, serial = certificate.serial, "certificate issued");
            }
        }
        if entries.changed() {
            write(secret, kept.as_ref(), entries).await?;
        }
        Ok(next)
    }
}

fn entries(secret: &SecretMap, kept: Option<&Contents>) -> Entries {
    let title = secret.object().to_string();
    let title = title.strip_prefix("the ").unwrap_or(&title);
    Entries::new(title, kept.map(|kept| kept.data.clone()).unwrap_or_default())
}

async fn write(
    secret: &SecretMap,
    before: Option<&Contents>,
    entries: Entries,
) -> Result<(), Failure> {
    let written = secret.write(before, &entries.into_data()).await;
    written.map_err(failed)?;
    faults::hook().reached(&format!("certificates/{}/after", secret.object().name()));
    Ok(())
}

fn lost(authority: &Reference, believed: &Reference) -> Failure {
    Failure::text(
        Kind::Failed,
        format!(
            "{authority} is gone or empty, and what it made stands in {believed}. Restore it from a \
             backup: everything goes on as long as its certificates last. A new authority would be \
             believed neither by servers and proxies that run nor by the logins that the servers keep; \
             if this one is lost for good, move to a new cluster before they end"
        ),
    )
}

/// One for each server, under its name in the cluster's DNS.
fn of_servers(cluster: &Cluster, names: &Names) -> Result<BTreeMap<String, Wanted>, Failure> {
    let Issuer::PrivateCa { lifetime } = cluster.certificates.servers;
    let one = |ordinal| {
        let server = cluster.name.server(ordinal);
        let own = [name(server.as_str())?, sites::host(names, &server)?];
        let wanted = Wanted::server_by_name(&server, &cluster.dns, own, lifetime);
        Ok((server.to_string(), wanted))
    };
    (0..cluster.servers.replicas.count()).map(one).collect()
}

fn of_identities() -> BTreeMap<String, Wanted> {
    Identity::ALL.map(|it| (it.as_str().to_owned(), identities::wanted(it))).into()
}

/// One that all proxies share, under the names of their Service, and one by which unsealers know them.
fn of_proxies(cluster: &Cluster, names: &Names) -> Result<BTreeMap<String, Wanted>, Failure> {
    let Issuer::PrivateCa { lifetime } = cluster.certificates.public;
    let (service, namespace) = (names.service(), names.namespace());
    let own = [service.to_owned(), format!("{service}.{namespace}"), names.service_host()];
    let own = own.iter().map(|text| name(text)).collect::<Result<Vec<_>, _>>()?;
    let wanted = Wanted::proxy_by_name(&cluster.name, &cluster.dns, own, lifetime);
    let client = identities::wanted_of_proxies(&cluster.name);
    let both = [(proxy::SERVED, wanted), (proxy::CLIENT, client)];
    Ok(both.map(|(name, wanted)| (name.to_owned(), wanted)).into())
}

fn name(text: &str) -> Result<DnsName, Failure> {
    DnsName::new(text).map_err(failed)
}
