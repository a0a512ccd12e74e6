//! The load that dead-locks a server whose requests nobody counts: many readers and some writers of
//! one key.

use std::time::{Duration, Instant};

use http::Method;
use serde_json::{Value, json};
use vaultyard_e2e::{Access, Client, Cluster};

const READERS: usize = 128;
const WRITERS: usize = 4;
const LOAD: Duration = Duration::from_secs(10);
const KEY: &str = "secret/data/contended";

#[test]
fn readers_and_writers_of_one_key_do_not_lock_the_server() {
    let mut cluster = Cluster::new();
    let access = cluster.access();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let (writes, failed) = runtime.expect("a runtime").block_on(load(&access));

    assert_eq!(failed, Vec::<String>::new());
    assert!(writes > WRITERS, "the writers got nowhere: {writes}");
    let status = cluster.wait_until_ready();
    assert!(status.leader().is_some());
}

/// Gives the number of writes that succeeded, and every failure.
async fn load(access: &Access) -> (usize, Vec<String>) {
    let end = Instant::now() + LOAD;
    let writers = (0..WRITERS).map(|_| tokio::spawn(repeat(access.clone(), Method::POST, end)));
    let writers: Vec<_> = writers.collect();
    let readers = (0..READERS).map(|_| tokio::spawn(repeat(access.clone(), Method::GET, end)));
    let readers: Vec<_> = readers.collect();

    let (mut writes, mut failed) = (0, Vec::new());
    for writer in writers {
        let (done, wrong) = writer.await.expect("a writer");
        writes += done;
        failed.extend(wrong);
    }
    for reader in readers {
        failed.extend(reader.await.expect("a reader").1);
    }
    (writes, failed)
}

async fn repeat(access: Access, method: Method, end: Instant) -> (usize, Vec<String>) {
    let body = match method {
        Method::GET => Value::Null,
        _ => json!({"data": {"value": "x"}}),
    };
    let mut client = Client::new(&access);
    let (mut done, mut failed) = (0, Vec::new());
    while Instant::now() < end {
        match client.send(method.clone(), KEY, &body).await {
            // Before the first write there is nothing to read.
            Ok(answer) if answer.status == 200 || (answer.status == 404 && body.is_null()) => {
                done += 1
            }
            Ok(answer) => failed.push(format!("{method} {} {}", answer.status, answer.body)),
            Err(none) => failed.push(format!("{method} {none:?}")),
        }
    }
    (done, failed)
}
