//! Operations that nobody may ask for from outside, however they are spelt. Pure.
//!
//! The server decodes a path once, takes an escaped slash for a slash in most places, redirects
//! what is not clean, and looks for a namespace in the path as well as in a header. Which of that
//! applies depends on its version, so the guard refuses a path when *any* reading of it names a
//! guarded operation in *any* namespace. The price: a secret whose path has the segments `sys/seal`,
//! `sys/init` and so on, one after the other, cannot be reached through the proxy, since nothing in
//! such a path tells a mount from a namespace.

use std::borrow::Cow;

use http::{HeaderMap, Method};
use percent_encoding::percent_decode;
use vaultyard_model::cluster::Guarded;

/// The header that names a namespace.
const NAMESPACE: &str = "x-vault-namespace";

/// How often a path is decoded. The server does it once, and a load balancer before us may have
/// done it too; what is still encoded after this often is no path that anybody uses.
const DECODINGS: usize = 4;

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// A guarded operation.
    #[error("{} is not open to clients here", .0.as_str())]
    Guarded(Guarded),
    /// Encoded over and over.
    #[error("the path is percent-encoded too many times")]
    Encoding,
}

/// Refuses guarded operations but those in `open`.
pub(crate) fn check(
    method: &Method,
    path: &str,
    headers: &HeaderMap,
    open: &[Guarded],
) -> Result<(), Refusal> {
    if plain(path.as_bytes()) && headers.get_all(NAMESPACE).iter().all(|ns| plain(ns.as_bytes())) {
        return Ok(());
    }
    check_text(method, path.as_bytes(), open)?;
    headers.get_all(NAMESPACE).iter().try_for_each(|namespace| {
        let below = path.strip_prefix("/v1").unwrap_or(path);
        check_text(method, &[namespace.as_bytes(), below.as_bytes()].join(&b'/'), open)
    })
}

/// Whether nothing in the text can be part of a guarded operation: most requests end here.
fn plain(text: &[u8]) -> bool {
    !text.contains(&b'%') && !text.windows(3).any(|three| three == b"sys")
}

fn check_text(method: &Method, text: &[u8], open: &[Guarded]) -> Result<(), Refusal> {
    let mut text = Cow::Borrowed(text);
    for _ in 0..DECODINGS {
        check_decoded(method, &text, open)?;
        let decoded: Cow<'_, [u8]> = percent_decode(&text).into();
        if *decoded == *text {
            return Ok(());
        }
        text = Cow::Owned(decoded.into_owned());
    }
    Err(Refusal::Encoding)
}

/// Looks at the path as it stands, and as it is with its dot segments resolved.
fn check_decoded(method: &Method, path: &[u8], open: &[Guarded]) -> Result<(), Refusal> {
    let mut written = Vec::new();
    let mut resolved = Vec::new();
    for segment in path.split(|byte| *byte == b'/') {
        match segment {
            b"" | b"." => continue,
            b".." => drop(resolved.pop()),
            other => resolved.push(other),
        }
        written.push(segment);
    }
    for segments in [&written, &resolved] {
        let found = (0..segments.len()).filter(|at| segments[*at] == b"sys");
        for guarded in found.filter_map(|at| guarded(method, &segments[at + 1..])) {
            if !open.contains(&guarded) {
                return Err(Refusal::Guarded(guarded));
            }
        }
    }
    Ok(())
}

/// The guarded operation that the segments behind `sys` name.
fn guarded(method: &Method, segments: &[&[u8]]) -> Option<Guarded> {
    match segments {
        [b"init", ..] if reads(method) => None,
        [b"init", ..] => Some(Guarded::Init),
        [b"unseal", ..] => Some(Guarded::Unseal),
        [b"seal", ..] => Some(Guarded::Seal),
        [b"step-down", ..] => Some(Guarded::StepDown),
        [b"metrics", ..] => Some(Guarded::Metrics),
        [b"storage", b"raft", b"join" | b"bootstrap", ..] => Some(Guarded::RaftJoin),
        [first, ..] if first.starts_with(b"rekey") => Some(Guarded::Rekey),
        [first, ..] if first.starts_with(b"rotate") => Some(Guarded::Rekey),
        [first, ..] if first.starts_with(b"generate-r") => Some(Guarded::GenerateRoot),
        _ => None,
    }
}

fn reads(method: &Method) -> bool {
    method == Method::GET || method == Method::HEAD
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    const OPERATIONS: [&str; 14] = [
        "init",
        "unseal",
        "seal",
        "step-down",
        "metrics",
        "storage/raft/join",
        "storage/raft/bootstrap/challenge",
        "rekey/init",
        "rekey-recovery-key/update",
        "rotate",
        "rotate/root/init",
        "generate-root/attempt",
        "generate-root-token",
        "generate-recovery-token/update",
    ];

    fn put(path: &str) -> Result<(), Refusal> {
        check(&Method::PUT, path, &HeaderMap::new(), &[])
    }

    fn in_namespace(namespace: &str, path: &str) -> Result<(), Refusal> {
        let mut headers = HeaderMap::new();
        headers.insert(NAMESPACE, HeaderValue::from_str(namespace).unwrap());
        check(&Method::PUT, path, &headers, &[])
    }

    #[test]
    fn guarded_operations_are_refused_in_every_namespace() {
        for operation in OPERATIONS {
            for path in [
                format!("/v1/sys/{operation}"),
                format!("/v1/team/sys/{operation}"),
                format!("/v1/team/sub/sys/{operation}/"),
            ] {
                assert!(put(&path).is_err(), "{path}");
                assert!(in_namespace("team", &path).is_err(), "{path}");
            }
            assert!(in_namespace("team/sys", &format!("/v1/{operation}")).is_err(), "{operation}");
        }
    }

    #[test]
    fn what_looks_alike_is_open() {
        for path in [
            "/v1/sys/seal-status",
            "/v1/sys/health",
            "/v1/sys/leader",
            "/v1/sys/storage/raft/configuration",
            "/v1/sys/mounts/init",
            "/v1/sys/policies/acl/seal",
            "/v1/sys/step-down-not",
            "/v1/secret/data/seal",
            "/v1/secret/data/a%20b",
            "/ui/",
            "/",
        ] {
            assert_eq!(put(path), Ok(()), "{path}");
        }
    }

    #[test]
    fn whether_there_was_an_init_may_be_asked() {
        for (method, open) in [(Method::GET, true), (Method::HEAD, true), (Method::POST, false)] {
            let answer = check(&method, "/v1/sys/init", &HeaderMap::new(), &[]);
            assert_eq!(answer.is_ok(), open, "{method}");
        }
    }

    #[test]
    fn the_document_opens_operations_one_by_one() {
        let open = [Guarded::Metrics];
        let none = HeaderMap::new();
        assert_eq!(check(&Method::GET, "/v1/sys/metrics", &none, &open), Ok(()));
        assert_eq!(
            check(&Method::GET, "/v1/sys/seal", &none, &open),
            Err(Refusal::Guarded(Guarded::Seal))
        );
    }

    #[test]
    fn a_path_encoded_over_and_over_is_refused() {
        let deep = format!("/v1/secret/{}20", "%25".to_owned() + &"25".repeat(6));
        assert_eq!(put(&deep), Err(Refusal::Encoding));
    }

    /// Go's `path.Clean` of a rooted path, after one decoding: what the server's own router sees.
    fn as_the_server_sees_it(path: &str) -> String {
        let decoded = percent_decode(path.as_bytes()).decode_utf8_lossy().into_owned();
        let mut out: Vec<&str> = Vec::new();
        for segment in decoded.split('/') {
            match segment {
                "" | "." => {}
                ".." => drop(out.pop()),
                other => out.push(other),
            }
        }
        format!("/{}", out.join("/"))
    }

    fn encoded(text: &str, which: &[bool]) -> String {
        let one = |(at, character): (usize, char)| match which.get(at % which.len().max(1)) {
            Some(true) => format!("%{:02x}", u32::from(character)),
            _ => character.to_string(),
        };
        text.chars().enumerate().map(one).collect()
    }

    proptest! {
        /// Noise that the server's cleaning takes away, in every place, encoded anywhere.
        #[test]
        fn no_spelling_of_a_guarded_path_passes(
            operation in prop::sample::select(&OPERATIONS[..]),
            namespace in prop::sample::select(vec!["", "team/", "a/b/"]),
            noise in prop::collection::vec(
                prop::sample::select(vec!["/", "//", "/./", "/x/../", "/sys/../", "/../"]), 8),
            which in prop::collection::vec(any::<bool>(), 1..40),
            trailing in prop::sample::select(vec!["", "/", "//", "/."]),
        ) {
            let plain = format!("v1/{namespace}sys/{operation}");
            let mut noisy = String::new();
            for (at, segment) in plain.split('/').enumerate() {
                // Before the first segment there is nothing that `..` could take away wrongly.
                let between = noise[at % noise.len()];
                noisy += if between == "/../" && at > 0 { "/" } else { between };
                noisy += segment;
            }
            let spelt = format!("/{}{trailing}", encoded(&noisy[1..], &which));
            prop_assert_eq!(as_the_server_sees_it(&spelt), format!("/{plain}"));
            prop_assert!(put(&spelt).is_err(), "{}", spelt);
        }

        /// The guard is at least as strict as the router, whatever is sent.
        #[test]
        fn whatever_the_router_takes_for_guarded_is_refused(
            path in "(/|%2f|%2F|\\.|%2e|sys|s%79s|seal|se%61l|v1|x|unseal|init){0,9}",
        ) {
            let spelt = format!("/{path}");
            let seen = as_the_server_sees_it(&spelt);
            let segments: Vec<&str> = seen.split('/').collect();
            let hit = segments.windows(2).any(|two| {
                two[0] == "sys" && ["seal", "unseal", "init"].contains(&two[1])
            });
            if hit {
                prop_assert!(put(&spelt).is_err(), "{} is {}", spelt, seen);
            }
        }
    }
}
