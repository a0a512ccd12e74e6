//! A request in, its answer out, both as bytes. Pure.

use hickory_proto::op::{
    Edns, Header, Message, MessageType, Metadata, OpCode, Query, ResponseCode, emit_message_parts,
};
use hickory_proto::rr::{DNSClass, Record, RecordType};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder, BinEncoder};

use crate::zone::{Found, Zone};

/// The largest datagram that is sent and asked for: it passes every usual network whole.
const MAX_DATAGRAM: u16 = 1_232;
/// The largest datagram for a client that says nothing else (RFC 1035, section 4.2.1).
const MIN_DATAGRAM: u16 = 512;
/// More records than any question carries along; they are not even read.
const MAX_RECORDS: usize = 16;

/// How a request came, and so how long its answer may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// In a datagram.
    Udp,
    /// Over a connection.
    Tcp,
}

/// An answer before it is bytes.
struct Reply<'a> {
    metadata: Metadata,
    query: Option<Query>,
    edns: Option<Edns>,
    answers: &'a [Record],
    authorities: &'a [Record],
    additionals: &'a [Record],
}

/// Writes the answer to `request` into `reply`, which is emptied first, and tells whether there is
/// one: what is no request is not answered, lest two servers talk to each other for ever.
pub fn answer(zone: &Zone, request: &[u8], transport: Transport, reply: &mut Vec<u8>) -> bool {
    let mut decoder = BinDecoder::new(request);
    let Ok(header) = Header::read(&mut decoder) else {
        return false;
    };
    if header.metadata.message_type == MessageType::Response {
        return false;
    }
    let request = read(&header, &mut decoder);
    let limit = limit(transport, request.as_ref().and_then(|request| request.edns.as_ref()));
    decide(zone, &header.metadata, request).write(limit, reply)
}

/// What stands in a request beside its header.
struct Request {
    /// The question; there may be none.
    query: Option<Query>,
    /// What the client says of itself.
    edns: Option<Edns>,
}

/// Reads a request; `None` when it is not well formed, asks more than one question (RFC 9619), or
/// carries more along than any question does.
fn read(header: &Header, decoder: &mut BinDecoder<'_>) -> Option<Request> {
    let (counts, op_code) = (header.counts, header.metadata.op_code);
    let before = usize::from(counts.answers) + usize::from(counts.authorities);
    let additionals = usize::from(counts.additionals);
    if before + additionals > MAX_RECORDS {
        return None;
    }
    let query = match counts.queries {
        0 => None,
        1 => Some(Query::read(decoder).ok()?),
        _ => return None,
    };
    Message::read_records(decoder, before, false, op_code).ok()?;
    let (_, edns, _) = Message::read_records(decoder, additionals, true, op_code).ok()?;
    Some(Request { query, edns })
}

/// What a request gets.
fn decide<'a>(zone: &'a Zone, metadata: &Metadata, request: Option<Request>) -> Reply<'a> {
    let mut reply = Reply::empty(metadata);
    let code = &mut reply.metadata.response_code;
    let is_query = metadata.op_code == OpCode::Query;
    let Some(Request { query, edns }) = request else {
        *code = if is_query { ResponseCode::FormErr } else { ResponseCode::NotImp };
        return reply;
    };
    let later_edns = edns.as_ref().is_some_and(|edns| edns.version() > 0);
    match &query {
        _ if later_edns => *code = ResponseCode::BADVERS,
        _ if !is_query => *code = ResponseCode::NotImp,
        None => *code = ResponseCode::FormErr,
        Some(query) if is_refused(query) => *code = ResponseCode::Refused,
        Some(query) => reply.fill(zone.find(query.name(), query.query_type())),
    }
    reply.edns = edns.as_ref().map(our_edns);
    reply.query = query;
    reply
}

/// Other classes than the Internet's are not ours, and nobody gets the whole zone at once.
fn is_refused(query: &Query) -> bool {
    let transfer = matches!(query.query_type(), RecordType::AXFR | RecordType::IXFR);
    transfer || query.query_class() != DNSClass::IN
}

/// EDNS of version 0, without options; the DO bit comes back as it came (RFC 3225).
fn our_edns(theirs: &Edns) -> Edns {
    let mut ours = Edns::new();
    ours.set_max_payload(MAX_DATAGRAM).set_dnssec_ok(theirs.flags().dnssec_ok);
    ours
}

fn limit(transport: Transport, edns: Option<&Edns>) -> usize {
    let limit = match (transport, edns) {
        (Transport::Tcp, _) => u16::MAX,
        (Transport::Udp, None) => MIN_DATAGRAM,
        (Transport::Udp, Some(edns)) => edns.max_payload().clamp(MIN_DATAGRAM, MAX_DATAGRAM),
    };
    usize::from(limit)
}

impl<'a> Reply<'a> {
    fn empty(request: &Metadata) -> Self {
        Self {
            metadata: Metadata::response_from_request(request),
            query: None,
            edns: None,
            answers: &[],
            authorities: &[],
            additionals: &[],
        }
    }

    fn fill(&mut self, found: Found<'a>) {
        self.metadata.authoritative = !matches!(found, Found::NotOurs);
        match found {
            Found::Set(set) => {
                self.answers = &set.answers;
                self.additionals = &set.additionals;
            }
            Found::NoData(soa) => self.authorities = soa,
            Found::NoName(soa) => {
                self.metadata.response_code = ResponseCode::NXDomain;
                self.authorities = soa;
            }
            Found::NotOurs => self.metadata.response_code = ResponseCode::Refused,
        }
    }

    /// Writes what fits: everything, else all but the additional records, which nobody misses,
    /// else the truncation bit alone, upon which the client comes back over TCP.
    fn write(mut self, limit: usize, bytes: &mut Vec<u8>) -> bool {
        if self.encode(bytes) && bytes.len() <= limit {
            return true;
        }
        self.additionals = &[];
        if self.encode(bytes) && bytes.len() <= limit {
            return true;
        }
        (self.answers, self.authorities) = (&[], &[]);
        self.metadata.truncation = true;
        self.encode(bytes)
    }

    fn encode(&self, bytes: &mut Vec<u8>) -> bool {
        bytes.clear();
        let written = emit_message_parts(
            &self.metadata,
            &mut self.query.iter(),
            &mut self.answers.iter(),
            &mut self.authorities.iter(),
            &mut self.additionals.iter(),
            self.edns.as_ref(),
            None,
            &mut BinEncoder::new(bytes),
        );
        written.is_ok()
    }
}

#[cfg(test)]
mod tests;
