//! The records of a zone, ready to be asked. Pure; made once for each change.

use std::collections::HashMap;
use std::net::IpAddr;

use hickory_proto::rr::rdata::{NS, SOA, SRV};
use hickory_proto::rr::{self, Name, RData, RecordType};

use crate::records::{Data, MOVING_TTL, Records, STEADY_TTL};

/// How often a secondary, if there were one, would look for changes, in seconds.
const REFRESH: i32 = 30;
/// How soon it would try again, in seconds.
const RETRY: i32 = 5;
/// When it would give up, in seconds.
const EXPIRE: i32 = 3_600;

/// A zone under one serial number.
#[derive(Debug)]
pub struct Zone {
    records: Records,
    serial: u32,
    /// The SOA as it stands beside a negative answer.
    denial: [rr::Record; 1],
    nodes: HashMap<Name, Node>,
}

/// What there is at one name; nothing at a name that only has names below it.
#[derive(Debug, Default)]
struct Node {
    sets: Vec<Set>,
}

/// All records of one name and type.
#[derive(Debug)]
pub(crate) struct Set {
    kind: RecordType,
    /// What answers the question.
    pub(crate) answers: Vec<rr::Record>,
    /// The addresses of the names in it, which saves the next question.
    pub(crate) additionals: Vec<rr::Record>,
}

/// What a zone says to a question.
#[derive(Debug)]
pub(crate) enum Found<'a> {
    /// These records.
    Set(&'a Set),
    /// The name exists, but nothing of this type; the SOA says how long to remember that.
    NoData(&'a [rr::Record]),
    /// Neither the name exists nor any below it (RFC 8020).
    NoName(&'a [rr::Record]),
    /// Another zone's name.
    NotOurs,
}

/// The serial number of the next version (RFC 1982: it grows also past the largest number).
pub fn next_serial(serial: u32) -> u32 {
    serial.wrapping_add(1)
}

impl Zone {
    /// The zone with these records.
    pub fn new(records: Records, serial: u32) -> Self {
        let mut nodes = nodes(&records);
        let (primary, mailbox) = (records.primary.clone(), records.mailbox.clone());
        // The minimum is how long "there is none" may be remembered (RFC 2308): as shortly as the
        // names that come and go with an election.
        let soa = SOA::new(primary, mailbox, serial, REFRESH, RETRY, EXPIRE, MOVING_TTL);
        let record =
            |ttl| rr::Record::from_rdata(records.origin.clone(), ttl, RData::SOA(soa.clone()));
        let answers = vec![record(STEADY_TTL)];
        let apex = nodes.entry(records.origin.clone()).or_default();
        apex.sets.insert(0, Set { kind: RecordType::SOA, answers, additionals: Vec::new() });
        let denial = [record(STEADY_TTL.min(MOVING_TTL))];
        Self { records, serial, denial, nodes }
    }

    /// The zone after a change; `None` when these records are those it has.
    pub fn changed(&self, records: Records) -> Option<Self> {
        (records != self.records).then(|| Self::new(records, next_serial(self.serial)))
    }

    /// What it was made of.
    pub fn records(&self) -> &Records {
        &self.records
    }

    /// The serial number in its SOA.
    pub fn serial(&self) -> u32 {
        self.serial
    }

    /// What there is of this name and type. A question for ANY gets one set (RFC 8482, section
    /// 4.1): enough to see that the name exists, too little to flood somebody with.
    pub(crate) fn find(&self, name: &Name, kind: RecordType) -> Found<'_> {
        if !self.records.origin.zone_of(name) {
            return Found::NotOurs;
        }
        let Some(node) = self.nodes.get(name) else {
            return Found::NoName(&self.denial);
        };
        let wanted = |set: &&Set| kind == RecordType::ANY || set.kind == kind;
        node.sets.iter().find(wanted).map_or(Found::NoData(&self.denial), Found::Set)
    }
}

fn nodes(records: &Records) -> HashMap<Name, Node> {
    let mut nodes: HashMap<Name, Node> = HashMap::new();
    for name in records.names.keys() {
        nodes.insert(name.clone(), Node { sets: sets(name, records) });
    }
    // A name exists when one below it does.
    for name in records.names.keys() {
        let mut above = name.base_name();
        while records.origin.zone_of(&above) {
            nodes.entry(above.clone()).or_default();
            above = above.base_name();
        }
    }
    nodes
}

fn sets(name: &Name, records: &Records) -> Vec<Set> {
    let mut sets: Vec<Set> = Vec::new();
    for record in records.names.get(name).into_iter().flatten() {
        let data = rdata(&record.data);
        let kind = data.record_type();
        let answer = rr::Record::from_rdata(name.clone(), record.ttl, data);
        let additionals = addresses_of_target(&record.data, records);
        match sets.iter_mut().find(|set| set.kind == kind) {
            Some(set) => {
                set.answers.push(answer);
                set.additionals.extend(additionals);
            }
            None => sets.push(Set { kind, answers: vec![answer], additionals }),
        }
    }
    sets.iter_mut().for_each(Set::share_ttl);
    sets
}

impl Set {
    /// All records of a set have one TTL (RFC 2181, section 5.2): the shortest.
    fn share_ttl(&mut self) {
        let shortest = self.answers.iter().map(|record| record.ttl).min().unwrap_or_default();
        self.answers.iter_mut().for_each(|record| record.ttl = shortest);
    }
}

fn addresses_of_target(data: &Data, records: &Records) -> Vec<rr::Record> {
    let (Data::NameServer(target) | Data::Service { target, .. }) = data else {
        return Vec::new();
    };
    let all = records.names.get(target).into_iter().flatten();
    let addresses = all.filter(|record| matches!(record.data, Data::Address(_)));
    let whole = |record: &crate::records::Record| {
        rr::Record::from_rdata(target.clone(), record.ttl, rdata(&record.data))
    };
    addresses.map(whole).collect()
}

fn rdata(data: &Data) -> RData {
    match data {
        Data::Address(IpAddr::V4(address)) => RData::A((*address).into()),
        Data::Address(IpAddr::V6(address)) => RData::AAAA((*address).into()),
        Data::NameServer(name) => RData::NS(NS(name.clone())),
        Data::Service { port, target } => RData::SRV(SRV::new(0, 0, *port, target.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Facts;
    use crate::records::tests::facts;

    fn zone() -> Zone {
        Zone::new(Records::new(&facts()).unwrap(), 7)
    }

    /// `set`, `no data`, `no name` or `not ours`.
    fn found(zone: &Zone, name: &str, kind: RecordType) -> &'static str {
        match zone.find(&Name::from_ascii(name).unwrap(), kind) {
            Found::Set(_) => "set",
            Found::NoData(_) => "no data",
            Found::NoName(_) => "no name",
            Found::NotOurs => "not ours",
        }
    }

    #[test]
    fn each_name_is_of_one_sort() {
        let zone = zone();
        for (name, kind, expected) in [
            ("vault.test.", RecordType::SOA, "set"),
            ("vault.test.", RecordType::NS, "set"),
            ("VAULT.Test.", RecordType::NS, "set"),
            ("vault.test.", RecordType::A, "no data"),
            ("vault-0.vault.test.", RecordType::A, "set"),
            ("vault-0.vault.test.", RecordType::AAAA, "no data"),
            ("vault-0.vault.test.", RecordType::ANY, "set"),
            ("_vault._tcp.vault.test.", RecordType::SRV, "set"),
            ("_tcp.vault.test.", RecordType::SRV, "no data"),
            ("_tcp.vault.test.", RecordType::ANY, "no data"),
            ("servers.vault.test.", RecordType::A, "no data"),
            ("vault-9.vault.test.", RecordType::A, "no name"),
            ("x.vault-0.vault.test.", RecordType::A, "no name"),
            ("*.vault.test.", RecordType::A, "no name"),
            ("test.", RecordType::NS, "not ours"),
            (".", RecordType::NS, "not ours"),
            ("myvault.test.", RecordType::A, "not ours"),
            ("vault.test.example.", RecordType::A, "not ours"),
        ] {
            assert_eq!(found(&zone, name, kind), expected, "{name} {kind}");
        }
    }

    #[test]
    fn a_zone_changes_its_serial_with_its_records_only() {
        let zone = zone();
        assert!(zone.changed(Records::new(&facts()).unwrap()).is_none());
        let other = Facts { leader: None, ..facts() };
        let changed = zone.changed(Records::new(&other).unwrap()).unwrap();
        assert_eq!(changed.serial(), 8);
    }

    #[test]
    fn a_serial_grows_also_past_the_largest_number() {
        // RFC 1982, section 3.2: `later` is greater when it is less than half the circle ahead.
        let greater = |later: u32, earlier: u32| later.wrapping_sub(earlier) < 1 << 31;
        for serial in [0, 1, u32::MAX / 2, u32::MAX - 1, u32::MAX] {
            assert_ne!(next_serial(serial), serial);
            assert!(greater(next_serial(serial), serial), "{serial}");
        }
    }

    #[test]
    fn a_set_has_one_ttl_the_shortest() {
        // A host of the name of `active` has the proxy's address beside the leader's.
        let host = vaultyard_model::DnsName::new("active.vault.test").unwrap();
        let zone = Zone::new(Records::new(&Facts { host, ..facts() }).unwrap(), 1);
        let name = Name::from_ascii("active.vault.test.").unwrap();
        let Found::Set(set) = zone.find(&name, RecordType::A) else { panic!("no set") };
        assert_eq!(set.answers.iter().map(|record| record.ttl).collect::<Vec<_>>(), [1, 1]);
    }
}
