//! Which headers pass, in both directions. Pure.

use std::net::IpAddr;

use http::Uri;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use vaultyard_model::cluster::Network;

/// Keeps a standby from forwarding a request: it answers 307 instead, and has done nothing.
const NO_FORWARDING: HeaderName = HeaderName::from_static("x-vault-no-request-forwarding");
/// Whose request it is.
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const YES: HeaderValue = HeaderValue::from_static("1");
/// What a field takes beside its text, in bytes: some 110 for its place in the map, which may be as
/// much as half empty.
const FIELD: usize = 256;

/// About how much memory the head of a request takes, in bytes.
pub(crate) fn size(target: &Uri, headers: &HeaderMap) -> usize {
    let authority = target.authority().map_or(0, |authority| authority.as_str().len());
    let path = target.path_and_query().map_or(0, |path| path.as_str().len());
    let fields = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + FIELD);
    authority + path + fields.sum::<usize>()
}

/// Turns a client's headers into those that the server gets. `client` is the value of
/// `X-Forwarded-For`; `authority` that of `Host`, where the client (HTTP/2) sent none.
pub(crate) fn to_server(headers: &mut HeaderMap, client: &HeaderValue, authority: Option<&str>) {
    remove_hop_by_hop(headers);
    if headers.keys().any(forged) {
        let forged: Vec<HeaderName> = headers.keys().filter(|name| forged(name)).cloned().collect();
        for name in forged {
            headers.remove(name);
        }
    }
    // The body is given whole or not at all; whoever waits for a 100 has got it from us.
    headers.remove(header::EXPECT);
    headers.insert(NO_FORWARDING, YES);
    headers.insert(FORWARDED_FOR, client.clone());
    if !headers.contains_key(header::HOST)
        && let Some(host) = authority.and_then(|text| HeaderValue::from_str(text).ok())
    {
        headers.insert(header::HOST, host);
    }
}

/// Turns a server's headers into those that the client gets.
pub(crate) fn to_client(headers: &mut HeaderMap) {
    remove_hop_by_hop(headers);
}

/// The client behind a connection from a trusted proxy: the last address in `X-Forwarded-For`
/// that is no trusted proxy itself. Anything that is no address ends the search: what stands
/// before it may be forged.
pub(crate) fn client_of(headers: &HeaderMap, peer: IpAddr, trusted: &[Network]) -> IpAddr {
    let trusts = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    let mut client = peer;
    for line in headers.get_all(FORWARDED_FOR).iter().rev() {
        for entry in line.to_str().unwrap_or_default().rsplit(',') {
            if !trusts(client) {
                return client;
            }
            match entry.trim().parse() {
                Ok(address) => client = address,
                Err(_) => return client,
            }
        }
    }
    client
}

/// RFC 9110, section 7.6.1: these, and what `Connection` names, are for one connection only.
fn remove_hop_by_hop(headers: &mut HeaderMap) {
    const NAMES: [HeaderName; 8] = [
        HeaderName::from_static("keep-alive"),
        HeaderName::from_static("proxy-connection"),
        header::PROXY_AUTHENTICATE,
        header::PROXY_AUTHORIZATION,
        header::TE,
        header::TRAILER,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
    ];
    // It may stand on several lines (RFC 9110, section 5.3).
    let lines = headers.get_all(header::CONNECTION).iter();
    let words = lines.filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(','));
    let named: Vec<HeaderName> = words.filter_map(|word| word.trim().parse().ok()).collect();
    headers.remove(header::CONNECTION);
    for name in named {
        headers.remove(name);
    }
    for name in NAMES {
        headers.remove(name);
    }
}

/// Whether only a proxy may say this, so that coming from a client it is a forgery.
fn forged(name: &HeaderName) -> bool {
    let name = name.as_str();
    match name.as_bytes().first() {
        Some(b'x') => {
            (name.starts_with("x-vault-") && name.contains("forward"))
                || name == "x-real-ip"
                || ["x-forwarded-", "x-client-", "x-ssl-", "x-tls-", "x-amzn-mtls-", "x-arr-"]
                    .iter()
                    .any(|prefix| name.starts_with(prefix))
        }
        Some(b'f') => name == "forwarded",
        Some(b'c') => name == "client-cert" || name == "client-cert-chain",
        Some(b's') => name.starts_with("ssl-"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            let name: HeaderName = name.parse().unwrap();
            headers.append(name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn a_head_is_as_large_as_its_text_and_its_fields() {
        let headers = map(&[("x-a", "12345"), ("x-a", ""), ("x-long", &"x".repeat(1000))]);
        let text = 3 + 5 + 3 + 6 + 1000;
        assert_eq!(size(&Uri::from_static("/v1/a?b=c"), &headers), 9 + text + 3 * FIELD);
        assert_eq!(size(&Uri::from_static("https://x.test/"), &HeaderMap::new()), 6 + 1);
    }

    #[test]
    fn what_any_line_of_connection_names_is_taken_away() {
        let pairs =
            [("Connection", "close"), ("Connection", "x-a, X-B"), ("X-A", "1"), ("X-B", "2")];
        let mut headers = map(&pairs);
        remove_hop_by_hop(&mut headers);
        assert!(headers.is_empty(), "{headers:?}");
    }

    #[test]
    fn what_a_client_may_not_say_is_taken_away() {
        let names = [
            "Forwarded",
            "X-Forwarded-Host",
            "X-Forwarded-Proto",
            "X-Forwarded-Client-Cert",
            "X-Real-IP",
            "X-Client-Cert",
            "X-SSL-Client-Cert",
            "SSL-Client-Cert",
            "X-TLS-Client-Cert",
            "X-Amzn-Mtls-Clientcert",
            "X-ARR-ClientCert",
            "Client-Cert",
            "X-Vault-Forwarded-For",
            "X-Vault-Proxy-Forward",
            "Connection",
            "Upgrade",
            "TE",
            "Transfer-Encoding",
            "Expect",
            "X-Named",
        ];
        for name in names {
            let mut headers = map(&[(name, "X-Named"), ("x-vault-token", "t")]);
            to_server(&mut headers, &HeaderValue::from_static("10.0.0.1"), None);
            let gone = name == "X-Named" || !headers.contains_key(name);
            assert!(gone, "{name}");
            assert_eq!(headers["x-vault-token"], "t");
        }
        let mut headers = map(&[("connection", "close, x-named"), ("x-named", "1")]);
        to_server(&mut headers, &HeaderValue::from_static("10.0.0.1"), None);
        assert!(!headers.contains_key("x-named"));
    }

    #[test]
    fn what_the_server_must_know_is_set_whatever_the_client_said() {
        let mut headers = map(&[
            ("connection", "x-vault-no-request-forwarding"),
            ("x-vault-no-request-forwarding", "0"),
            ("x-forwarded-for", "1.2.3.4"),
        ]);
        to_server(&mut headers, &HeaderValue::from_static("10.0.0.1"), Some("vault.test"));
        assert_eq!(headers["x-vault-no-request-forwarding"], "1");
        assert_eq!(headers["x-forwarded-for"], "10.0.0.1");
        assert_eq!(headers.get_all("x-forwarded-for").iter().count(), 1);
        assert_eq!(headers["host"], "vault.test");
    }

    #[test]
    fn the_client_is_the_last_address_that_is_no_trusted_proxy() {
        let trusted = [Network::parse("10.0.0.0/8").unwrap()];
        let table = [
            ("10.0.0.1", &[][..], "10.0.0.1"),
            ("9.9.9.9", &["1.1.1.1"][..], "9.9.9.9"),
            ("10.0.0.1", &["1.1.1.1"][..], "1.1.1.1"),
            ("10.0.0.1", &["6.6.6.6, 1.1.1.1, 10.0.0.2"][..], "1.1.1.1"),
            ("10.0.0.1", &["6.6.6.6", "1.1.1.1"][..], "1.1.1.1"),
            ("10.0.0.1", &["6.6.6.6, unknown, 10.0.0.2"][..], "10.0.0.2"),
        ];
        for (peer, lines, client) in table {
            let pairs: Vec<_> = lines.iter().map(|line| ("x-forwarded-for", *line)).collect();
            let found = client_of(&map(&pairs), peer.parse().unwrap(), &trusted);
            assert_eq!(found, client.parse::<IpAddr>().unwrap(), "{peer} {lines:?}");
        }
    }
}
