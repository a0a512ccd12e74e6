//! A systemd unit that keeps `vaultyard up` running.

use vaultyard_model::ClusterName;

/// What the unit runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// The cluster, which names the state folder.
    pub cluster: ClusterName,
    /// The absolute path of the program `vaultyard`.
    pub program: String,
    /// The absolute path of the cluster's document.
    pub document: String,
}

/// The text of the unit. Its state lies in `/var/lib/vaultyard/NAME`, owned by a user that systemd
/// makes for it.
///
/// - `KillMode=mixed` leaves it to Vaultyard to stop the servers in order, and ends what remains.
/// - The time to stop allows for 10 s of the proxy, 30 s of the keepers and 30 s of each of nine
///   servers.
/// - Exit codes 2 (bad input) and 5 (refused) do not get better by trying again.
pub fn systemd_unit(unit: &Unit) -> String {
    let Unit { cluster, program, document } = unit;
    let program = argument(program);
    let document = argument(document);
    format!(
        "\
# Runs as a user of its own that reads nobody's home. Before the first start copy the document to
#   {document}
# and see that this user may read and run
#   {program}
# The state is a new one in /var/lib/vaultyard/{cluster}: stop what has the same addresses.
[Unit]
Description=Vaultyard cluster {cluster}
After=network-online.target
Wants=network-online.target
StartLimitIntervalSec=0

[Service]
Type=exec
ExecStart={program} up --file {document} --state %S/vaultyard/{cluster}
KillMode=mixed
KillSignal=SIGTERM
TimeoutStopSec=330
Restart=on-failure
RestartSec=5
RestartPreventExitStatus=2 5
LimitNOFILE=65536
LimitCORE=0
DynamicUser=yes
StateDirectory=vaultyard/{cluster}
StateDirectoryMode=0700
UMask=0077
CapabilityBoundingSet=
AmbientCapabilities=
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=read-only
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_NETLINK AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
RemoveIPC=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service

[Install]
WantedBy=multi-user.target
"
    )
}

/// One argument of `ExecStart=`: quoted, with specifiers and variables taken literally
/// (systemd.service(5), "Command lines").
fn argument(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            '%' | '$' => quoted.extend([character, character]),
            '\n' => quoted.push_str("\\n"),
            _ => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn the_unit_runs_vaultyard_up() {
        let unit = Unit {
            cluster: ClusterName::new("vault").unwrap(),
            program: "/usr/local/bin/vaultyard".to_owned(),
            document: "/etc/vaultyard/my vault.yaml".to_owned(),
        };
        sample::golden("vault.service", &systemd_unit(&unit));
    }

    #[test]
    fn a_path_is_taken_literally() {
        assert_eq!(argument(r#"/a "b"\c/%n/$HOME"#), r#""/a \"b\"\\c/%%n/$$HOME""#);
    }
}
