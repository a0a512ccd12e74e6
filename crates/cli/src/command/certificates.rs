//! `vaultyard certificates`

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName as TlsName;
use serde::Serialize;
use vaultyard_certificates::{Certificate, handshake, tls};
use vaultyard_model::access::Identity;
use vaultyard_model::port::clock::Clock;

use crate::arguments::{Common, Output};
use crate::failure::{Failure, bad_input, failed};
use crate::local::state::Known;
use crate::system::SystemClock;
use crate::{identities, local, output};

/// How long a server may take to show its certificate.
const DEADLINE: Duration = Duration::from_secs(2);

/// A certificate as it is listed.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    holder: String,
    subject: String,
    issuer: String,
    serial: String,
    not_after: String,
    days_left: i64,
    sans: Vec<String>,
    /// Whether a handshake showed this very certificate; none for those that nobody serves.
    served: Option<bool>,
    /// Why no handshake showed one.
    error: Option<String>,
}

/// Where a certificate lies and where it is served.
struct Place {
    holder: String,
    file: PathBuf,
    address: Option<SocketAddr>,
}

pub(super) async fn run(common: &Common, arguments: &Output) -> Result<ExitCode, Failure> {
    let known = local::state::known(common)?;
    let root = std::fs::read(known.state.paths().pki().join("ca/root.crt")).map_err(bad_input)?;
    let trust = tls::client_config(&root, None, &[]).map_err(failed)?;
    let now = SystemClock.now();
    let mut rows = Vec::new();
    for place in places(&known) {
        let certificate = Certificate::from_pem(&std::fs::read(&place.file).map_err(bad_input)?)
            .map_err(failed)?;
        let shown = match place.address {
            Some(address) => Some(serial_shown(address, &trust).await),
            None => None,
        };
        rows.push(Row {
            holder: place.holder,
            subject: certificate.subject,
            issuer: certificate.issuer,
            days_left: certificate.not_after.duration_since(now).as_hours() / 24,
            not_after: certificate.not_after.to_string(),
            sans: certificate.sans.iter().map(ToString::to_string).collect(),
            served: shown.as_ref().map(|shown| shown.as_ref() == Ok(&certificate.serial)),
            error: shown.and_then(Result::err),
            serial: certificate.serial,
        });
    }
    output::print(arguments.output, &rows, |rows| show(rows))?;
    Ok(ExitCode::SUCCESS)
}

fn places(known: &Known) -> Vec<Place> {
    let paths = known.state.paths();
    let pki = paths.pki();
    let authorities = ["root", "servers", "clients"].map(|name| Place {
        holder: format!("{name} CA"),
        file: pki.join(format!("ca/{name}.crt")),
        address: None,
    });
    let servers = known.layout.servers.iter().map(|place| Place {
        holder: place.name.to_string(),
        file: paths.server(&place.name).certificate(),
        address: Some(place.api),
    });
    let proxy = Place {
        holder: "proxy".to_owned(),
        file: local::certificates::proxy_folder(paths).join("tls.crt"),
        address: Some(known.layout.proxy),
    };
    let logins = Identity::ALL.map(|identity| Place {
        holder: identity.as_str().to_owned(),
        file: identities::folder(&pki, identity).join("tls.crt"),
        address: None,
    });
    authorities.into_iter().chain(servers).chain([proxy]).chain(logins).collect()
}

async fn serial_shown(address: SocketAddr, trust: &ClientConfig) -> Result<String, String> {
    let name = TlsName::from(address.ip());
    let shown = handshake::served(address, name, trust, DEADLINE).await;
    shown.map(|certificate| certificate.serial).map_err(|error| error.to_string())
}

fn show(rows: &[Row]) -> String {
    let row = |row: &Row| {
        let served = match (row.served, &row.error) {
            (None, _) => "-".to_owned(),
            (Some(true), _) => "yes".to_owned(),
            (_, Some(error)) => format!("no: {error}"),
            (Some(false), None) => "no: an older one".to_owned(),
        };
        vec![
            row.holder.clone(),
            row.subject.clone(),
            row.serial.clone(),
            row.days_left.to_string(),
            served,
            row.sans.join(" "),
        ]
    };
    let headings = ["HOLDER", "SUBJECT", "SERIAL", "DAYS LEFT", "SERVED", "NAMES"];
    output::table(&headings, rows.iter().map(row).collect())
}
