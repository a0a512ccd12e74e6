//! What unsealers, proxies and controllers tell a scraper.

use jiff::Timestamp;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use vaultyard_model::observed::{ServerSeen, State};

use crate::snapshots::Listed;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Holder {
    certificate: String,
}

/// Until when certificates are valid that are shown.
#[derive(Clone, Default)]
pub(crate) struct Expiries(Family<Holder, Gauge>);

impl Expiries {
    /// Tells them from now on.
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let all = Self::default();
        registry.register(
            "certificate_expiry_timestamp_seconds",
            "The end of the validity of the certificate that is shown, in seconds since 1970",
            all.0.clone(),
        );
        all
    }

    /// The certificate that `holder` shows is valid until then.
    pub(crate) fn set(&self, holder: &str, until: Timestamp) {
        let holder = Holder { certificate: holder.to_owned() };
        self.0.get_or_create(&holder).set(until.as_second());
    }
}

/// How a server is: gauges of 0 and 1. One that does not answer counts as sealed.
pub(crate) fn server(registry: &mut Registry, seen: Option<&ServerSeen>) {
    let state = seen.and_then(ServerSeen::state);
    let sealed = !state.is_some_and(State::is_unsealed);
    let leads = state == Some(State::Active);
    for (name, help, holds) in [
        ("server_sealed", "Whether the server is sealed or does not answer", sealed),
        ("server_leader", "Whether the server leads", leads),
    ] {
        let gauge = Gauge::<i64>::default();
        gauge.set(i64::from(holds));
        registry.register(name, help, gauge);
    }
}

/// How much room is left on the server's volume, when that is known.
pub(crate) fn room(registry: &mut Registry, free_bytes: Option<u64>) {
    let Some(free) = free_bytes else { return };
    let gauge = Gauge::<i64>::default();
    gauge.set(i64::try_from(free).unwrap_or(i64::MAX));
    registry.register("server_volume_free_bytes", "The room left on the server's volume", gauge);
}

/// When the newest snapshot on the server's volume, or in the bucket, was taken, and the newest of those that were proven by restoring
/// them. What there is none of is not told: no age is that of nothing. One of the future is of a clock that was wrong.
pub(crate) fn snapshots(registry: &mut Registry, all: &[Listed], now: Timestamp) {
    let taken = |it: &Listed| it.taken_at().filter(|at| *at <= now);
    let whole = || all.iter().filter(|it| it.fault.is_none());
    let newest = whole().filter_map(taken).max();
    let proven = whole().filter(|it| it.proven.is_some()).filter_map(taken).max();
    for (name, help, newest) in [
        (
            "snapshot_taken_timestamp_seconds",
            "When the newest snapshot here was taken, in seconds since 1970",
            newest,
        ),
        (
            "snapshot_proven_timestamp_seconds",
            "When the newest snapshot here was taken that was proven by restoring it, in seconds since 1970",
            proven,
        ),
    ] {
        let Some(newest) = newest else { continue };
        let gauge = Gauge::<i64>::default();
        gauge.set(newest.as_second());
        registry.register(name, help, gauge);
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Led {
    lease: String,
}

/// Whether this pod of a controller leads, and how often it has put something back.
pub(crate) fn controller(registry: &mut Registry, lease: &str, leads: bool, corrected: &Counter) {
    let turn = Family::<Led, Gauge>::default();
    turn.get_or_create(&Led { lease: lease.to_owned() }).set(i64::from(leads));
    registry.register("controller_leads", "Whether this pod holds the Lease and works", turn);
    registry.register(
        "drift_corrected",
        "How often this pod has put something back that somebody else had changed or deleted",
        corrected.clone(),
    );
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;
    use vaultyard_model::observed::{Health, ProcessSeen};

    use super::*;

    fn text(state: Option<State>) -> String {
        let seen = state.map(|state| ServerSeen {
            process: ProcessSeen::NotStarted,
            health: Ok(Health { state, version: None }),
            raft: None,
            reached: true,
            last_end: None,
            free_bytes: None,
        });
        let mut registry = Registry::with_prefix("vaultyard");
        server(&mut registry, seen.as_ref());
        Expiries::register(&mut registry)
            .set("vault-0", Timestamp::from_second(1_800_000_000).unwrap());
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        text
    }

    fn kept(taken: &str, proven: bool, fault: Option<&str>) -> Listed {
        Listed {
            name: "20261130T000000Z".to_owned(),
            bytes: 1,
            fault: fault.map(str::to_owned),
            taken: Some(taken.to_owned()),
            server: None,
            version: None,
            scheduled: true,
            proven: proven.then(|| "2026-11-30T09:00:00Z".to_owned()),
            bucket: None,
        }
    }

    #[test]
    fn the_newest_snapshot_and_the_newest_proven_one_are_told_by_when_they_were_taken() {
        let text = |all: &[Listed]| {
            let mut registry = Registry::with_prefix("vaultyard");
            snapshots(&mut registry, all, Timestamp::from_second(1000).unwrap());
            let mut text = String::new();
            encode(&mut text, &registry).unwrap();
            text
        };
        let all = [
            kept("1970-01-01T00:02:00Z", true, None),
            kept("1970-01-01T00:03:00Z", false, None),
            kept("1970-01-01T00:01:00Z", true, None),
            kept("1970-01-01T00:04:00Z", true, Some("it is cut off")),
            kept("1971-01-01T00:00:00Z", true, None),
        ];
        let told = text(&all);
        for line in [
            "vaultyard_snapshot_taken_timestamp_seconds 180",
            "vaultyard_snapshot_proven_timestamp_seconds 120",
        ] {
            assert!(told.contains(line), "{told}");
        }
        assert!(!text(&all[1..2]).contains("proven_timestamp"));
        assert!(!text(&[]).contains("snapshot"));
    }

    #[test]
    fn the_alerts_find_what_they_look_for() {
        let leader = text(Some(State::Active));
        for line in [
            "vaultyard_server_sealed 0",
            "vaultyard_server_leader 1",
            "vaultyard_certificate_expiry_timestamp_seconds{certificate=\"vault-0\"} 1800000000",
        ] {
            assert!(leader.contains(line), "{leader}");
        }
        let mut registry = Registry::with_prefix("vaultyard");
        let corrected = Counter::default();
        corrected.inc();
        controller(&mut registry, "vault-cluster-controller", true, &corrected);
        room(&mut registry, Some(7));
        let mut told = String::new();
        encode(&mut told, &registry).unwrap();
        for line in [
            "vaultyard_controller_leads{lease=\"vault-cluster-controller\"} 1",
            "vaultyard_drift_corrected_total 1",
            "vaultyard_server_volume_free_bytes 7",
        ] {
            assert!(told.contains(line), "{told}");
        }
        assert!(text(Some(State::Sealed)).contains("vaultyard_server_sealed 1"));
        assert!(text(None).contains("vaultyard_server_sealed 1"));
    }
}
