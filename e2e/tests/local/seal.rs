//! Servers with a seal of their own: the transit engine of a second OpenBao opens them.

use std::net::TcpListener;
use std::time::Duration;

use vaultyard_e2e::{Cluster, Faults, Home};

/// The second OpenBao. It ends when this is dropped.
struct Other {
    home: Home,
    address: String,
}

impl Other {
    /// With a key, and with a token that may use it and nothing else.
    fn start() -> Self {
        let home = Home::new();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let address = format!("127.0.0.1:{port}");
        let begin = format!(
            "export BAO_ADDR=https://{address} BAO_TOKEN=root BAO_CACERT=$PWD/vault-ca.pem
             bao server -dev -dev-tls -dev-no-store-token -dev-root-token-id=root \
                 -dev-tls-cert-dir=$PWD -dev-listen-address={address} >log 2>&1 &
             until bao status >/dev/null 2>&1; do kill -0 $!; sleep 0.1; done
             bao secrets enable transit
             bao write -f transit/keys/unseal
             echo 'path \"transit/+/unseal\" {{ capabilities = [\"update\"] }}' | bao policy write seal -
             printf %s \"$(bao token create -policy=seal -field=token)\" >token"
        );
        let _ = home.shell(&begin).done();
        Self { home, address }
    }

    /// A home whose document says that this one opens its servers.
    fn opens(&self) -> Home {
        let home = Home::new();
        let (address, folder) = (&self.address, self.home.folder().display());
        let document = format!(
            "apiVersion: vaultyard.dev/v1alpha1
kind: VaultCluster
metadata: {{name: vault}}
spec:
  seal:
    transit:
      address: https://{address}
      keyName: unseal
      tokenFile: {folder}/token
      tlsCaCert: {folder}/vault-ca.pem
"
        );
        home.write("vaultyard.yaml", &document);
        home
    }
}

#[test]
fn servers_with_a_seal_become_ready_open_themselves_and_have_recovery_keys() {
    let other = Other::start();
    let mut cluster = Cluster::of(other.opens(), &[]);
    let status = cluster.wait_until_ready();
    assert_eq!(status.holds("RootTokenRevoked"), Some(true));
    let said = cluster.home().run(&["keys", "verify"]).done();
    assert!(said.contains("5 of which 3 make a root token"), "{said}");

    let standby = cluster.standby();
    cluster.recovers_from(&[&standby], |cluster| cluster.kill(&[&standby]));
    let leader = cluster.leader();
    cluster.recovers_from(&[&leader], |cluster| cluster.kill(&[&leader]));

    let token = std::fs::read_to_string(other.home.folder().join("token")).unwrap();
    let leaked = format!("! grep -rlF -e '{token}' state /proc/[0-9]*/environ 2>/dev/null");
    let _ = cluster.home().shell(&leaked).done();

    let cluster = Cluster::of(cluster.stop(), &[]);
    let token = cluster.home().run(&["keys", "generate-root", "--yes", "vault"]).done();
    let use_it = format!(
        "eval \"$(vaultyard env)\"; BAO_TOKEN={} bao token lookup -format=json",
        token.trim()
    );
    assert!(cluster.home().shell(&use_it).done().contains("\"root\""));

    // What opens the servers stays what it was.
    let home = cluster.stop();
    let document = std::fs::read_to_string(home.folder().join("vaultyard.yaml")).unwrap();
    let without = document.split_once("spec:").unwrap().0;
    home.write("without.yaml", without);
    let said = home.run(&["up", "-f", "without.yaml"]);
    assert!(said.code == Some(2) && said.stderr.contains("spec.seal was transit"), "{said:#?}");
}

#[test]
fn a_death_while_a_server_with_a_seal_is_initialised_ends_in_one_working_cluster() {
    let other = Other::start();
    std::thread::scope(|scope| {
        for step in ["request", "store-keys", "join"] {
            let homes = [false, true].map(|servers_live| (servers_live, other.opens()));
            let point = format!("keys/{step}/after");
            scope.spawn(move || {
                for (servers_live, home) in homes {
                    dies_once(home, &Faults { point: point.clone(), servers_live });
                }
            });
        }
    });
}

#[track_caller]
fn dies_once(home: Home, faults: &Faults) {
    let mut up = home.up_until(faults);
    let _ = up.wait(Duration::from_secs(60));
    drop(up);
    let cluster = Cluster::of(home, &[]);
    cluster.keys_verify();
    let _ = cluster.stop();
}
