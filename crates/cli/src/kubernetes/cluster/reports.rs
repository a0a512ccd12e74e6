//! Asks the unsealers how their servers are.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use http::header::HOST;
use http::{Request, StatusCode};
use http_body_util::Empty;
use tokio::net::TcpStream;
use tokio::time::timeout;
use vaultyard_model::ServerName;

use crate::converse;
use crate::kubernetes::door;
use crate::kubernetes::report::Report;

/// An unsealer answers from memory; one that has not by then is not there.
const DEADLINE: Duration = Duration::from_millis(800);

/// Every server's report, or why there is none.
pub(super) async fn all(
    hosts: &BTreeMap<ServerName, String>,
) -> BTreeMap<ServerName, Result<Report, String>> {
    let each = hosts.iter().map(|(server, host)| async {
        let answer = timeout(DEADLINE, one(host)).await;
        let late = |_| Err(format!("its unsealer did not answer within {DEADLINE:?}"));
        (server.clone(), answer.unwrap_or_else(late))
    });
    join_all(each).await.into_iter().collect()
}

async fn one(host: &str) -> Result<Report, String> {
    let silent = |error: &dyn std::fmt::Display| format!("its unsealer cannot be asked: {error}");
    let stream = TcpStream::connect((host, door::PORT)).await.map_err(|error| silent(&error))?;
    let request = Request::get("/report").header(HOST, host).body(Empty::new());
    let request = request.map_err(|error| silent(&error))?;
    let (status, bytes) = converse::ask(stream, request).await.map_err(|error| silent(&error))?;
    if status != StatusCode::OK {
        let why = String::from_utf8_lossy(&bytes).trim().to_owned();
        return Err(format!("its unsealer waits: {why}"));
    }
    serde_json::from_slice(&bytes).map_err(|error| silent(&error))
}
