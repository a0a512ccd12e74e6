//! Whether a request that failed may be sent once more. Pure: one table, measured on real servers.

use http::{Method, StatusCode};

/// What a request does, as far as that decides what may be repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// It changes nothing: twice is as good as once.
    Read,
    /// It may change something. Reads that make something (a database login, a wrapped answer)
    /// are of this kind too: a second one would leave a first that nobody knows of.
    Write,
    /// A body that is passed on while it arrives, and so is not there any more.
    Streamed,
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::Read, Self::Write, Self::Streamed];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Streamed => "streamed",
        }
    }

    /// The kind of a request that is wholly at hand; `wrapped` when its answer is to be wrapped
    /// into a token of its own.
    pub(crate) fn of(method: &Method, path: &str, wrapped: bool) -> Self {
        let lists = method.as_str() == "LIST" || method == Method::HEAD;
        let reads = lists || method == Method::GET || method == Method::OPTIONS;
        if reads && !wrapped && (lists || !makes_something(path)) {
            Self::Read
        } else {
            Self::Write
        }
    }
}

/// Whether a GET of this path makes something anew at each call, judged by the words that the
/// secret engines of `OpenBao` and Vault use. What comes behind `data` or `metadata` is the name of a
/// KV secret, and what comes behind `auth` looks up or logs in. A word too many costs a read that fails once when a server dies; a
/// word too few, a lease too many, which ends by itself.
fn makes_something(path: &str) -> bool {
    const WORDS: [&str; 8] =
        ["creds", "sts", "cubbyhole", "wrapping", "rotate", "rotate-delta", "token", "key"];
    let path = path.split('?').next().unwrap_or_default();
    path.strip_prefix("/v1/")
        .unwrap_or(path)
        .split('/')
        .take_while(|segment| !matches!(*segment, "auth" | "data" | "metadata"))
        .any(|segment| WORDS.contains(&segment))
}

/// How a try failed, or what it was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Try<'a> {
    /// No connection or no TLS: nothing was sent.
    NotSent,
    /// The connection ended after the request, or a part of it, was sent.
    Broken,
    /// No answer, and meanwhile another server leads.
    Deposed,
    /// No answer in time.
    Silent,
    /// A short answer; a long one is never a reason to try again.
    Answered {
        /// Its status.
        status: StatusCode,
        /// Its body.
        body: &'a [u8],
        /// Whether its `Location` names another host. The redirect from `/` to `/ui/` is a 307
        /// too, and is meant for the client.
        elsewhere: bool,
    },
}

/// Why a request is sent once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Reason {
    /// [`Try::NotSent`]
    NotSent,
    /// 503: the server is sealed.
    Sealed,
    /// 500: the server does not lead, and knows nobody who does.
    NotActive,
    /// 307 from a server that does not lead.
    Redirected,
    /// 503: the server knows of no leader.
    NoActive,
    /// A read whose connection broke.
    Broken,
    /// A read that a deposed leader has not answered.
    Deposed,
}

impl Reason {
    pub(crate) const ALL: [Self; 7] = [
        Self::NotSent,
        Self::Sealed,
        Self::NotActive,
        Self::Redirected,
        Self::NoActive,
        Self::Broken,
        Self::Deposed,
    ];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::NotSent => "not_sent",
            Self::Sealed => "sealed",
            Self::NotActive => "not_active",
            Self::Redirected => "redirected",
            Self::NoActive => "no_active",
            Self::Broken => "broken",
            Self::Deposed => "deposed",
        }
    }

    /// Whether it proves that the server does not lead, or cannot be reached.
    pub(crate) fn deposes(self) -> bool {
        !matches!(self, Self::Broken | Self::Deposed)
    }
}

/// What to do with a failed or answered try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Send it once more, to whoever leads then.
    Replay(Reason),
    /// Give the client what there is. `Some` when the answer shows that the server does not lead:
    /// it must not reach the client as it is (a 307 would send him around the proxy).
    Give(Option<Reason>),
}

/// Reads whose connection broke this often are given up: the request itself may be what kills.
const BREAKS: u32 = 3;

/// Decides; `breaks` is how often this request's connection broke before.
///
/// A 307 proves that nothing was done only because every request carries
/// `X-Vault-No-Request-Forwarding: 1`. Never repeated, since it was seen applied: a write whose
/// connection broke or that got no answer, 500 "leadership lost while committing log", 500
/// "internal error" (the audit device failed, before or after the write).
pub(crate) fn decide(kind: Kind, attempt: Try<'_>, breaks: u32) -> Decision {
    let again = match attempt {
        Try::NotSent => Some(Reason::NotSent),
        Try::Broken if kind == Kind::Read && breaks < BREAKS => Some(Reason::Broken),
        Try::Deposed if kind == Kind::Read => Some(Reason::Deposed),
        Try::Broken | Try::Deposed | Try::Silent => None,
        Try::Answered { status, body, elsewhere } => {
            refusal(status, body, elsewhere).filter(|reason| {
                // Not in the table of what proves that a write was not applied.
                kind != Kind::Write || *reason != Reason::NoActive
            })
        }
    };
    match again {
        Some(reason) if kind == Kind::Streamed => Decision::Give(Some(reason)),
        Some(reason) => Decision::Replay(reason),
        None => Decision::Give(None),
    }
}

/// Whether an answer is that of a server which does not lead.
fn refusal(status: StatusCode, body: &[u8], elsewhere: bool) -> Option<Reason> {
    let says = |text: &str| body.windows(text.len()).any(|part| part == text.as_bytes());
    match status {
        StatusCode::TEMPORARY_REDIRECT if elsewhere => Some(Reason::Redirected),
        StatusCode::SERVICE_UNAVAILABLE if says("Vault is sealed") => Some(Reason::Sealed),
        StatusCode::SERVICE_UNAVAILABLE if says("no active Vault instance found") => {
            Some(Reason::NoActive)
        }
        StatusCode::INTERNAL_SERVER_ERROR
            if says("local node not active but active cluster node not found") =>
        {
            Some(Reason::NotActive)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16, text: &str) -> Try<'_> {
        let status = StatusCode::from_u16(status).unwrap();
        Try::Answered { status, body: text.as_bytes(), elsewhere: status == 307 }
    }

    #[test]
    fn only_what_is_known_to_be_safe_is_sent_once_more() {
        let not_active =
            r#"{"errors":["local node not active but active cluster node not found"]}"#;
        let table = [
            // what happened, a read, a write
            (Try::NotSent, true, true),
            (answered(503, r#"{"errors":["Vault is sealed"]}"#), true, true),
            (answered(500, not_active), true, true),
            (answered(307, ""), true, true),
            (Try::Broken, true, false),
            (Try::Deposed, true, false),
            (Try::Silent, false, false),
            (answered(503, r#"{"errors":["no active Vault instance found"]}"#), true, false),
            (answered(500, "leadership lost while committing log"), false, false),
            (answered(500, r#"{"errors":["internal error"]}"#), false, false),
            (answered(503, r#"{"errors":["something else"]}"#), false, false),
            (answered(429, ""), false, false),
            (answered(403, r#"{"errors":["Vault is sealed"]}"#), false, false),
            (answered(200, not_active), false, false),
        ];
        for (attempt, read, write) in table {
            let again = |kind| matches!(decide(kind, attempt, 0), Decision::Replay(_));
            assert_eq!(again(Kind::Read), read, "read: {attempt:?}");
            assert_eq!(again(Kind::Write), write, "write: {attempt:?}");
            assert!(!again(Kind::Streamed), "streamed: {attempt:?}");
        }
    }

    #[test]
    fn a_redirect_never_reaches_the_client_as_it_is() {
        let given = decide(Kind::Streamed, answered(307, ""), 0);
        assert_eq!(given, Decision::Give(Some(Reason::Redirected)));
    }

    #[test]
    fn the_redirect_to_the_web_page_is_for_the_client() {
        let status = StatusCode::TEMPORARY_REDIRECT;
        let to_page = Try::Answered { status, body: b"", elsewhere: false };
        assert_eq!(decide(Kind::Read, to_page, 0), Decision::Give(None));
    }

    #[test]
    fn a_read_that_breaks_connections_is_given_up() {
        assert_eq!(decide(Kind::Read, Try::Broken, BREAKS), Decision::Give(None));
    }

    #[test]
    fn reads_that_make_something_count_as_writes() {
        let table = [
            ("GET", "/v1/secret/data/hello", Kind::Read),
            ("GET", "/v1/secret/data/creds/sts?version=2", Kind::Read),
            ("GET", "/v1/auth/token/lookup-self", Kind::Read),
            ("GET", "/v1/sys/health", Kind::Read),
            ("GET", "/v1/database/creds/app", Kind::Write),
            ("GET", "/v1/team/aws/sts/deploy", Kind::Write),
            ("GET", "/v1/cubbyhole/response", Kind::Write),
            ("GET", "/v1/pki/crl/rotate", Kind::Write),
            ("LIST", "/v1/database/creds", Kind::Read),
            ("HEAD", "/v1/sys/health", Kind::Read),
            ("PUT", "/v1/secret/data/hello", Kind::Write),
            ("DELETE", "/v1/secret/data/hello", Kind::Write),
        ];
        for (method, path, kind) in table {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            assert_eq!(Kind::of(&method, path, false), kind, "{method} {path}");
        }
        assert_eq!(Kind::of(&Method::GET, "/v1/secret/data/hello", true), Kind::Write);
    }
}
