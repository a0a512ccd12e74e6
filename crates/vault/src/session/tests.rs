use std::sync::atomic::{AtomicUsize, Ordering};

use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixListener;
use tokio::time::{advance, pause, resume};
use vaultyard_model::ClusterName;

use super::*;
use crate::scripted::{Act, read_request, server};

fn http(status: u16, body: &str) -> &'static str {
    let length = body.len();
    format!("HTTP/1.1 {status} Said\r\ncontent-length: {length}\r\n\r\n{body}").leak()
}

fn says(status: u16, body: &str) -> Act {
    Act::Answer(http(status, body))
}

fn login() -> Act {
    says(200, r#"{"auth":{"client_token":"s.t","lease_duration":600}}"#)
}

fn forbidden() -> Act {
    says(403, r#"{"errors":["permission denied"]}"#)
}

/// A voter of this cluster, one that is none of its servers, and one that does not vote.
fn members() -> Act {
    let member = |id, voter| format!(r#"{{"node_id":"{id}","voter":{voter},"leader":false}}"#);
    let all = [member("vault-0", true), member("stranger", true), member("another", false)];
    says(200, &format!(r#"{{"data":{{"config":{{"servers":[{}]}}}}}}"#, all.join(",")))
}

fn active() -> Act {
    says(200, "{}")
}

fn session(clients: impl IntoIterator<Item = Client>) -> Session {
    let cluster = ClusterName::new("vault").unwrap();
    let named = (0..).zip(clients).map(|(n, client)| (cluster.server(n), Arc::new(client)));
    Session::new(named.collect(), Identity::Vaultyard)
}

#[tokio::test]
async fn a_token_that_is_refused_when_it_is_fresh_is_kept_and_an_older_one_is_replaced() {
    let script =
        vec![login(), forbidden(), forbidden(), forbidden(), login(), members(), forbidden()];
    let (_folder, client, serving) = server(script).await;
    let session = session([client]);
    let client = session.clients.values().next().unwrap();
    let ask =
        || session.run(client, |token| async move { client.with_token(&token).check_raft().await });
    let refused = |asked| matches!(asked, Err(CallError::Refused { status: 403, .. }));
    assert!(refused(ask().await));
    assert!(refused(ask().await));
    pause();
    advance(YOUNG).await;
    resume();
    assert_eq!(ask().await, Ok(()));
    assert!(refused(ask().await));
    let lines = serving.await.unwrap();
    let logins = lines.iter().map(|line| line.contains("login")).collect::<Vec<_>>();
    assert_eq!(logins, [true, false, false, false, true, false, false]);
}

#[tokio::test]
async fn a_voter_that_is_no_server_of_this_cluster_is_no_peer_and_still_counts() {
    let script = vec![active(), login(), members(), active(), members()];
    let (_folder, client, _serving) = server(script).await;
    let session = session([client]);
    let peers = session.peers().await.unwrap();
    assert_eq!(peers.iter().map(|peer| peer.server.as_str()).collect::<Vec<_>>(), ["vault-0"]);
    assert_eq!(session.voters().await, Ok(2));
}

/// A server that says always the same, and how often it was asked.
struct Steady {
    says: Arc<std::sync::Mutex<&'static str>>,
    asked: Arc<AtomicUsize>,
    _folder: TempDir,
}

impl Steady {
    fn start(status: u16) -> (Self, Client) {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        let listener = UnixListener::bind(&socket).unwrap();
        let says = Arc::new(std::sync::Mutex::new(http(status, "{}")));
        let asked = Arc::new(AtomicUsize::new(0));
        let (answer, count) = (Arc::clone(&says), Arc::clone(&asked));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (answer, count) = (Arc::clone(&answer), Arc::clone(&count));
                tokio::spawn(async move {
                    while read_request(&mut stream).await.is_some() {
                        count.fetch_add(1, Ordering::SeqCst);
                        let text = *answer.lock().unwrap();
                        stream.write_all(text.as_bytes()).await.unwrap();
                    }
                });
            }
        });
        (Self { says, asked, _folder: folder }, Client::unix(socket))
    }

    fn now_says(&self, status: u16) {
        *self.says.lock().unwrap() = http(status, "{}");
    }
}

#[tokio::test]
async fn the_leader_of_the_last_time_is_asked_alone_and_all_when_it_leads_no_more() {
    let (first, first_client) = Steady::start(429);
    let (second, second_client) = Steady::start(200);
    let session = session([first_client, second_client]);
    let leader = async || Arc::as_ptr(session.leader().await.unwrap());
    let [first_at, second_at] =
        [0, 1].map(|n| Arc::as_ptr(session.clients.values().nth(n).unwrap()));
    for _ in 0..5 {
        assert_eq!(leader().await, second_at);
    }
    assert!(first.asked.load(Ordering::SeqCst) < 4, "a slow machine may ask all once or twice");
    second.now_says(429);
    first.now_says(200);
    assert_eq!(leader().await, first_at);
    first.now_says(503);
    let nobody = session.leader().await.err();
    assert_eq!(nobody, Some(CallError::Unreachable("no server is active".to_owned())));
}
