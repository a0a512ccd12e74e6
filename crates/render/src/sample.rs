//! A cluster to render in tests, and files to compare with.

use std::net::Ipv4Addr;
use std::path::Path;

use vaultyard_model::layout::Place;
use vaultyard_model::{Cluster, Layout};
pub(crate) use vaultyard_testkit::sample::cluster;

use crate::{Owner, Paths};

pub(crate) const OWNER: Owner = Owner { user: 1000, group: 1000 };

pub(crate) fn layout(cluster: &Cluster) -> Layout {
    Layout::beginning_at(cluster, Ipv4Addr::new(127, 0, 0, 10)).unwrap()
}

pub(crate) fn paths(place: &Place) -> Paths {
    let folder = format!("/var/lib/vaultyard/my vault/servers/{}", place.name);
    Paths {
        data: format!("{folder}/data"),
        tls_certificate: format!("{folder}/tls.crt"),
        tls_key: format!("{folder}/tls.key"),
        certificate_authority: format!("{folder}/ca.pem"),
        admin_socket: format!("{folder}/admin.sock"),
    }
}

/// Compares with the file under `golden/`; writes it anew when `UPDATE_GOLDEN` is set.
#[allow(clippy::disallowed_methods)] // The switch of a test run, not input of what is rendered.
pub(crate) fn golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, golden, "{} differs; see CONTRIBUTING.md, Tests", path.display());
}
