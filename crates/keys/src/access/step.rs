//! The steps of setting up access, in order: first what people wait for, then what only Vaultyard
//! needs, then the proofs. Each has a name, which is also its fault point.

/// One thing to do. It can be repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// Enable an audit device, where the configuration cannot declare one.
    EnableAudit,
    /// Enable the login by client certificate.
    EnableLogin,
    /// Write the policies.
    WritePolicies,
    /// Write the roles of the login.
    WriteRoles,
    /// Mount `secret/`.
    MountSecret,
    /// Mount Vaultyard's own secrets.
    MountOwn,
    /// Write the secret that the probe of life reads.
    WriteProbe,
    /// Let servers that join vote soon.
    SetAutopilot,
    /// Log in as everybody who has a role, and do what each must be able to do.
    ProveLogins,
    /// Make a root token from the stored shares over the unix socket, use it, and revoke it.
    ProveWayBack,
    /// Revoke the first root token, and see that it is refused.
    RevokeRoot,
    /// Look up every accessor, revoke what has the policy `root`, and see that none is left.
    Sweep,
    /// Let service accounts of Kubernetes log in: the method, its policies and its roles. Only where
    /// the cluster runs there.
    AllowServiceAccounts,
    /// Write into the cluster that all is done.
    Mark,
}

impl Step {
    /// All of them, in order.
    pub const ALL: [Self; 14] = [
        Self::EnableAudit,
        Self::EnableLogin,
        Self::WritePolicies,
        Self::WriteRoles,
        Self::MountSecret,
        Self::MountOwn,
        Self::WriteProbe,
        Self::SetAutopilot,
        Self::ProveLogins,
        Self::ProveWayBack,
        Self::RevokeRoot,
        Self::Sweep,
        Self::AllowServiceAccounts,
        Self::Mark,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::EnableAudit => "enable-audit",
            Self::EnableLogin => "enable-login",
            Self::WritePolicies => "write-policies",
            Self::WriteRoles => "write-roles",
            Self::MountSecret => "mount-secret",
            Self::MountOwn => "mount-own",
            Self::WriteProbe => "write-probe",
            Self::SetAutopilot => "set-autopilot",
            Self::ProveLogins => "prove-logins",
            Self::ProveWayBack => "prove-way-back",
            Self::RevokeRoot => "revoke-root",
            Self::Sweep => "sweep",
            Self::AllowServiceAccounts => "allow-service-accounts",
            Self::Mark => "mark",
        }
    }

    /// Whether it is done with the first root token; the others use the new logins.
    pub fn needs_root(self) -> bool {
        let others = [Self::ProveLogins, Self::ProveWayBack, Self::Sweep];
        !others.contains(&self) && !self.follows_a_mark()
    }

    /// Whether it is done also in a cluster that was marked before: what it sets up may have changed
    /// since.
    pub fn follows_a_mark(self) -> bool {
        matches!(self, Self::AllowServiceAccounts | Self::Mark)
    }
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
