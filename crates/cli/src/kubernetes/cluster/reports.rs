//! Asks the unsealers how their servers are.
//!
//! At the addresses of their pods, which the API server tells: who asks DNS for the name of a pod
//! that has no address yet makes it keep for seconds that there is no such name.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
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
use crate::kubernetes::leaving::LEFT;
use crate::kubernetes::report::Report;

/// An unsealer answers from memory; one that has not by then is not there.
const DEADLINE: Duration = Duration::from_millis(800);

/// The report of every server, or why there is none.
pub(super) type Told = BTreeMap<ServerName, Result<Report, String>>;

/// The report of every server, asked at the address of its pod; or why there is none.
pub(super) async fn all(addresses: BTreeMap<ServerName, Option<IpAddr>>) -> Told {
    let each = addresses.into_iter().map(|(server, address)| async move {
        let Some(address) = address else {
            return (server, Err("its pod has no address".to_owned()));
        };
        let answer = timeout(DEADLINE, one(address)).await;
        let late = |_| Err(format!("its unsealer did not answer within {DEADLINE:?}"));
        (server, answer.unwrap_or_else(late))
    });
    join_all(each).await.into_iter().collect()
}

async fn one(address: IpAddr) -> Result<Report, String> {
    let silent = |error: &dyn std::fmt::Display| format!("its unsealer cannot be asked: {error}");
    let address = SocketAddr::new(address, door::PORT);
    let stream = TcpStream::connect(address).await.map_err(|error| silent(&error))?;
    let request = Request::get("/report").header(HOST, address.to_string()).body(Empty::new());
    let request = request.map_err(|error| silent(&error))?;
    let (status, bytes) = converse::ask(stream, request).await.map_err(|error| silent(&error))?;
    if status == StatusCode::GONE {
        return Err(LEFT.to_owned());
    }
    if status != StatusCode::OK {
        let why = String::from_utf8_lossy(&bytes).trim().to_owned();
        return Err(format!("its unsealer waits: {why}"));
    }
    serde_json::from_slice(&bytes).map_err(|error| silent(&error))
}
