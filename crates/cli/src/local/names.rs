//! The names of the cluster, published whenever what they say changes.

use tokio::sync::watch;
use vaultyard_dns::{Facts, Records};
use vaultyard_dns::{Handle, Zone};
use vaultyard_model::observed::{Observed, State};
use vaultyard_model::{Cluster, Layout};

use crate::control::wire;

/// What DNS is told of the cluster when this was seen.
pub(crate) fn facts(cluster: &Cluster, layout: &Layout, seen: Option<&Observed>) -> Facts {
    let follows = |seen: &Observed| {
        let standby = |(name, of_it): (_, &vaultyard_model::observed::ServerSeen)| {
            (of_it.state() == Some(State::Standby)).then_some(name)
        };
        seen.servers.iter().filter_map(standby).cloned().collect()
    };
    Facts {
        zone: cluster.dns.zone.clone(),
        host: cluster.dns.host.clone(),
        dns: layout.dns.ip(),
        proxy: layout.proxy,
        servers: layout.servers.iter().map(|place| (place.name.clone(), place.api)).collect(),
        leader: seen.and_then(Observed::leader).cloned(),
        standbys: seen.map(follows).unwrap_or_default(),
    }
}

/// Publishes for ever what is observed.
pub(crate) async fn publish(
    cluster: Cluster,
    layout: Layout,
    mut observed: watch::Receiver<Option<Observed>>,
    handle: Handle,
    list: watch::Sender<Vec<wire::Record>>,
) {
    loop {
        let seen = observed.borrow_and_update().clone();
        // While nothing was seen yet, what an earlier one has published is still so.
        let news = seen.is_some() || list.borrow().is_empty();
        // The names were proved to fit when the server was bound; other leaders bring no new ones.
        if news && let Ok(records) = Records::new(&facts(&cluster, &layout, seen.as_ref())) {
            let changed = handle.publish(records);
            if changed || list.borrow().is_empty() {
                list.send_replace(listed(&handle.zone()));
            }
        }
        if observed.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

fn listed(zone: &Zone) -> Vec<wire::Record> {
    let record = |(name, record): (&_, &vaultyard_dns::records::Record)| {
        let text = record.data.to_string();
        let (kind, value) = text.split_once(' ').unwrap_or((&text, ""));
        wire::Record {
            name: ToString::to_string(name),
            ttl: record.ttl,
            kind: kind.to_owned(),
            value: value.to_owned(),
        }
    };
    zone.records().iter().map(record).collect()
}

/// The first serial number of a zone: it grows over restarts.
pub(crate) fn first_serial(now: jiff::Timestamp) -> u32 {
    // RFC 1982 arithmetic wraps; only the low bits matter.
    (now.as_second() & i64::from(u32::MAX)) as u32
}
