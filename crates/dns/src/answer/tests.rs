use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};
use hickory_proto::rr::{Name, RData};
use hickory_proto::serialize::binary::BinEncodable;
use proptest::prelude::*;
use vaultyard_model::DnsName;

use super::*;
use crate::records::tests::{facts, server};
use crate::{Facts, Records};

fn zone() -> Zone {
    Zone::new(Records::new(&facts()).unwrap(), 2026)
}

fn request(name: &str, kind: RecordType) -> Message {
    let mut message = Message::new(4711, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
    message
}

fn with_edns(mut message: Message, payload: u16) -> Message {
    message.edns.get_or_insert_with(Edns::new).set_max_payload(payload);
    message
}

fn raw(zone: &Zone, request: &[u8], transport: Transport) -> Option<Vec<u8>> {
    let mut reply = Vec::new();
    answer(zone, request, transport, &mut reply).then_some(reply)
}

fn ask_zone(zone: &Zone, request: &Message, transport: Transport) -> Message {
    let reply = raw(zone, &request.to_bytes().unwrap(), transport).unwrap();
    Message::from_vec(&reply).unwrap()
}

fn ask_udp(request: &Message) -> Message {
    ask_zone(&zone(), request, Transport::Udp)
}

fn lines(records: &[Record]) -> Vec<String> {
    records.iter().map(|r| format!("{} {} {}", r.name, r.ttl, r.data)).collect()
}

const SOA: &str = "vault.test. 1 ns.vault.test. hostmaster.vault.test. 2026 30 5 3600 1";

#[test]
fn every_name_has_its_answer() {
    for (name, kind, answers) in [
        ("vault.vault.test.", RecordType::A, vec!["vault.vault.test. 30 127.0.0.10"]),
        ("vault-2.vault.test.", RecordType::A, vec!["vault-2.vault.test. 30 127.0.0.13"]),
        ("active.vault.test.", RecordType::A, vec!["active.vault.test. 1 127.0.0.12"]),
        (
            "standby.vault.test.",
            RecordType::A,
            vec!["standby.vault.test. 1 127.0.0.11", "standby.vault.test. 1 127.0.0.13"],
        ),
        ("vault.test.", RecordType::NS, vec!["vault.test. 30 ns.vault.test."]),
        (
            "vault.test.",
            RecordType::SOA,
            vec!["vault.test. 30 ns.vault.test. hostmaster.vault.test. 2026 30 5 3600 1"],
        ),
        (
            "_vault._tcp.vault.test.",
            RecordType::SRV,
            vec!["_vault._tcp.vault.test. 30 0 0 8200 vault.vault.test."],
        ),
    ] {
        let reply = ask_udp(&request(name, kind));
        assert_eq!(lines(&reply.answers), answers, "{name} {kind}");
        assert_eq!(reply.metadata.response_code, ResponseCode::NoError);
        assert!(reply.metadata.authoritative);
        assert_eq!(reply.authorities, []);
    }
}

#[test]
fn an_answer_carries_the_addresses_of_the_names_in_it() {
    let reply = ask_udp(&request("_vault._tcp.vault.test.", RecordType::SRV));
    assert_eq!(lines(&reply.additionals), ["vault.vault.test. 30 127.0.0.10"]);
    let reply = ask_udp(&request("vault.test.", RecordType::NS));
    assert_eq!(lines(&reply.additionals), ["ns.vault.test. 30 127.0.0.10"]);
}

#[test]
fn the_header_says_who_answers_and_repeats_the_question() {
    let reply = ask_udp(&request("Vault-0.VAULT.test.", RecordType::A));
    let Metadata { id, message_type, recursion_desired, recursion_available, .. } = reply.metadata;
    assert_eq!((id, message_type), (4711, MessageType::Response));
    assert!(recursion_desired && !recursion_available);
    assert!(!reply.metadata.truncation && !reply.metadata.authentic_data);
    assert!(reply.queries[0].name().eq_case(&Name::from_ascii("Vault-0.VAULT.test.").unwrap()));
    assert_eq!(reply.answers.len(), 1);
    assert!(reply.edns.is_none());
}

#[test]
fn what_is_not_there_is_denied_with_the_soa_and_its_ttl() {
    for (name, kind, code) in [
        ("vault-9.vault.test.", RecordType::A, ResponseCode::NXDomain),
        ("x.active.vault.test.", RecordType::A, ResponseCode::NXDomain),
        ("active.vault.test.", RecordType::AAAA, ResponseCode::NoError),
        ("_tcp.vault.test.", RecordType::A, ResponseCode::NoError),
        ("vault.test.", RecordType::DS, ResponseCode::NoError),
    ] {
        let reply = ask_udp(&request(name, kind));
        assert_eq!(reply.metadata.response_code, code, "{name} {kind}");
        assert!(reply.metadata.authoritative);
        assert_eq!(reply.answers, []);
        assert_eq!(lines(&reply.authorities), [SOA]);
    }
}

#[test]
fn without_a_leader_there_is_no_address_now() {
    let zone = Zone::new(Records::new(&Facts { leader: None, ..facts() }).unwrap(), 2026);
    let reply = ask_zone(&zone, &request("active.vault.test.", RecordType::A), Transport::Udp);
    assert_eq!(reply.metadata.response_code, ResponseCode::NoError);
    assert_eq!(reply.answers, []);
    assert_eq!(lines(&reply.authorities), [SOA]);
}

#[test]
fn a_question_for_any_gets_one_set() {
    let reply = ask_udp(&request("vault.test.", RecordType::ANY));
    assert_eq!(reply.answers.len(), 1);
    assert!(matches!(reply.answers[0].data, RData::SOA(_)));
}

#[test]
fn others_names_classes_and_transfers_are_refused() {
    let mut chaos = request("version.bind.", RecordType::TXT);
    chaos.queries[0].set_query_class(DNSClass::CH);
    for message in [
        request("example.com.", RecordType::A),
        request(".", RecordType::NS),
        request("vault.test.", RecordType::AXFR),
        request("vault.test.", RecordType::IXFR),
        chaos,
    ] {
        for transport in [Transport::Udp, Transport::Tcp] {
            let reply = ask_zone(&zone(), &message, transport);
            assert_eq!(reply.metadata.response_code, ResponseCode::Refused);
            assert!(!reply.metadata.authoritative);
            assert_eq!((reply.answers.len(), reply.authorities.len()), (0, 0));
        }
    }
}

#[test]
fn edns_is_answered_with_edns() {
    let mut message = with_edns(request("active.vault.test.", RecordType::A), 4096);
    let edns = message.edns.as_mut().unwrap();
    edns.set_dnssec_ok(true);
    edns.options_mut().insert(EdnsOption::Unknown(EdnsCode::Cookie.into(), vec![7; 8]));
    let reply = ask_udp(&message);
    assert_eq!(reply.answers.len(), 1);
    let edns = reply.edns.unwrap();
    assert_eq!((edns.version(), edns.max_payload()), (0, MAX_DATAGRAM));
    assert!(edns.flags().dnssec_ok);
    assert!(edns.options().as_ref().is_empty());
}

#[test]
fn a_later_edns_is_told_which_one_is_spoken() {
    let mut message = with_edns(request("active.vault.test.", RecordType::A), 1232);
    message.edns.as_mut().unwrap().set_version(1);
    let reply = ask_udp(&message);
    // 16 is BADVERS here, and BADSIG where a signature is spoken of.
    assert_eq!(u16::from(reply.metadata.response_code), 16);
    assert_eq!(reply.answers, []);
    assert_eq!(reply.edns.unwrap().version(), 0);
}

/// A zone of nine servers, and the question for all of them.
fn nine(zone: &str) -> (Zone, Message) {
    let servers = (0..9).map(|n| (server(n), ([127, 0, 0, 11 + n], 8200).into())).collect();
    let name = DnsName::new(zone).unwrap();
    let facts = Facts { servers, host: name.clone(), zone: name, ..facts() };
    let question = request(&format!("_vault._tcp.servers.{zone}."), RecordType::SRV);
    (Zone::new(Records::new(&facts).unwrap(), 1), question)
}

#[test]
fn what_is_too_large_for_a_datagram_comes_over_tcp() {
    let (zone, question) = nine(&["a".repeat(60), "b".repeat(60)].join("."));
    let whole = ask_zone(&zone, &question, Transport::Tcp);
    assert_eq!((whole.answers.len(), whole.additionals.len()), (9, 9));
    assert!(!whole.metadata.truncation);
    for (message, limit) in [
        (question.clone(), 512),
        (with_edns(question.clone(), 0), 512),
        (with_edns(question, 9_000), 1_232),
    ] {
        let bytes = raw(&zone, &message.to_bytes().unwrap(), Transport::Udp).unwrap();
        assert!(bytes.len() <= limit, "{}", bytes.len());
        let reply = Message::from_vec(&bytes).unwrap();
        assert!(reply.metadata.truncation && reply.metadata.authoritative);
        assert_eq!((reply.answers.len(), reply.additionals.len()), (0, 0));
        assert_eq!(reply.edns.is_some(), message.edns.is_some());
        assert_eq!(reply.queries.len(), 1);
    }
}

#[test]
fn additional_records_are_left_out_before_anything_is_truncated() {
    let (zone, question) = nine("a-zone-of-length.test");
    let roomy = ask_zone(&zone, &with_edns(question.clone(), 1_232), Transport::Udp);
    assert_eq!((roomy.answers.len(), roomy.additionals.len()), (9, 9));
    let reply = ask_zone(&zone, &question, Transport::Udp);
    assert!(!reply.metadata.truncation);
    assert_eq!((reply.answers.len(), reply.additionals.len()), (9, 0));
}

#[test]
fn what_is_no_question_is_an_error() {
    let mut two = request("vault.test.", RecordType::A);
    two.add_query(two.queries[0].clone());
    let mut none = two.clone();
    none.queries.clear();
    let cut = |bytes: Vec<u8>| bytes[..bytes.len() - 1].to_vec();
    for bytes in [
        two.to_bytes().unwrap(),
        none.to_bytes().unwrap(),
        cut(request("vault.test.", RecordType::A).to_bytes().unwrap()),
        cut(with_edns(request("vault.test.", RecordType::A), 512).to_bytes().unwrap()),
    ] {
        let reply = raw(&zone(), &bytes, Transport::Udp).unwrap();
        let reply = Message::from_vec(&reply).unwrap();
        assert_eq!(reply.metadata.response_code, ResponseCode::FormErr);
        assert_eq!(reply.metadata.id, 4711);
    }
}

#[test]
fn other_operations_are_not_implemented() {
    for op_code in [OpCode::Notify, OpCode::Update, OpCode::Status] {
        let mut message = with_edns(request("vault.test.", RecordType::SOA), 1_232);
        message.metadata.op_code = op_code;
        let reply = ask_udp(&message);
        assert_eq!(reply.metadata.response_code, ResponseCode::NotImp);
        assert!(reply.edns.is_some());
    }
}

#[test]
fn what_is_no_request_gets_no_answer() {
    let mut response = request("vault.test.", RecordType::A);
    response.metadata.message_type = MessageType::Response;
    for bytes in [response.to_bytes().unwrap(), Vec::new(), vec![0; 11]] {
        assert_eq!(raw(&zone(), &bytes, Transport::Udp), None);
    }
}

/// Bytes that begin like a request, so that what follows is looked at.
fn almost_requests() -> impl Strategy<Value = Vec<u8>> {
    let counts = prop::array::uniform4(0_u8..3);
    (counts, prop::collection::vec(any::<u8>(), 0..200)).prop_map(|(counts, rest)| {
        let mut bytes = vec![0x12, 0x34, 1, 0];
        bytes.extend(counts.into_iter().flat_map(|count| [0, count]));
        bytes.extend(rest);
        bytes
    })
}

fn labels() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let label = prop::collection::vec(any::<u8>(), 1..=63);
    prop::collection::vec(prop_oneof![label, Just(b"_tcp".to_vec())], 0..3)
}

proptest! {
    #[test]
    fn no_bytes_crash_it_and_every_answer_can_be_read(
        bytes in prop_oneof![almost_requests(), prop::collection::vec(any::<u8>(), 0..600)],
    ) {
        for (transport, limit) in [(Transport::Udp, 1_232), (Transport::Tcp, 65_535)] {
            if let Some(reply) = raw(&zone(), &bytes, transport) {
                prop_assert!(reply.len() <= limit);
                prop_assert_eq!(&reply[..2], &bytes[..2]);
                prop_assert!(Message::from_vec(&reply).is_ok());
            }
        }
    }

    #[test]
    fn a_request_with_one_byte_changed_does_not_crash_it(at in 0_usize..40, byte: u8) {
        let message = with_edns(request("active.vault.test.", RecordType::A), 1232);
        let mut bytes = message.to_bytes().unwrap();
        let at = at % bytes.len();
        bytes[at] = byte;
        let _ = raw(&zone(), &bytes, Transport::Udp);
    }

    #[test]
    fn any_name_in_the_zone_has_an_authoritative_answer(labels in labels(), kind: u16) {
        let kind = RecordType::from(kind);
        prop_assume!(!matches!(kind, RecordType::AXFR | RecordType::IXFR));
        let below = Name::from_labels(labels.iter().map(Vec::as_slice)).unwrap();
        let name = below.append_domain(&Name::from_ascii("vault.test.").unwrap()).unwrap();
        let mut message = Message::new(1, MessageType::Query, OpCode::Query);
        message.add_query(Query::query(name, kind));
        let reply = ask_zone(&zone(), &message, Transport::Udp);
        let code = reply.metadata.response_code;
        prop_assert!(matches!(code, ResponseCode::NoError | ResponseCode::NXDomain));
        prop_assert!(reply.metadata.authoritative);
        prop_assert_eq!(reply.answers.is_empty(), reply.authorities.len() == 1);
    }
}
