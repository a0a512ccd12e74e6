//! Which server software, and in what the two differ. Whatever Vaultyard does differently for one of them
//! asks here, so that this is the list of it.

use std::fmt;

/// The server software that a cluster runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Software {
    /// OpenBao; its program is `bao`.
    OpenBao,
    /// HashiCorp Vault; its program is `vault`.
    Vault,
}

impl Software {
    /// The name in documents and paths.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OpenBao => "openbao",
            Self::Vault => "vault",
        }
    }

    /// The program's file name.
    pub fn program(self) -> &'static str {
        match self {
            Self::OpenBao => "bao",
            Self::Vault => "vault",
        }
    }
}

impl fmt::Display for Software {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Each says where it is written down.
impl Software {
    /// Whether audit devices stand in its configuration. OpenBao makes none by its API (its documentation,
    /// "Audit Devices"); Vault makes them by nothing else ("/sys/audit").
    pub fn declares_audit(self) -> bool {
        self == Self::OpenBao
    }

    /// Whether a standby answers reads from what it has, unless it is told not to (OpenBao 2.5, "disable_standby_reads").
    /// Vault's hands them to the leader.
    pub fn reads_at_standbys(self) -> bool {
        self == Self::OpenBao
    }

    /// Whether a root token is made from the shares only where a listener allows it (OpenBao 2.5.3,
    /// "disable_unauthed_generate_root_endpoints"). Vault does it wherever it listens.
    pub fn guards_generate_root(self) -> bool {
        self == Self::OpenBao
    }

    /// Whether new shares are made at `sys/rotate`, with a token (OpenBao 2.4). Vault does it at `sys/rekey`, and
    /// what it answers is not in `data`.
    pub fn rotates_shares(self) -> bool {
        self == Self::OpenBao
    }

    /// Whether it has to be told if memory is locked (Vault 1.20, "disable_mlock": with raft it has no default).
    /// OpenBao locks none.
    pub fn locks_memory(self) -> bool {
        self == Self::Vault
    }
}
