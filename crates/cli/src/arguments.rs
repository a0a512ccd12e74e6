//! The command line, as a description: parsing, help and completions come from it.

use std::ffi::OsString;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use vaultyard_model::Version;

/// Brings up an OpenBao cluster from one file, and keeps it: initialised, unsealed, certified,
/// resolvable.
#[derive(Parser)]
#[command(name = "vaultyard", version, max_term_width = 100, after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXAMPLES: &str = "\
Examples:
  vaultyard up                     a three-server cluster on this machine, in the foreground
  vaultyard up -f vaultyard.yaml   the cluster that this file declares
  vaultyard status --watch         a picture of it that follows the truth
  eval \"$(vaultyard env)\"          BAO_ADDR, VAULT_ADDR and the rest, for this shell
  vaultyard login                  a token for one hour
  vaultyard run -- make test       a throw-away cluster around one command";

/// What every command takes.
#[derive(Args)]
pub(crate) struct Common {
    /// Where the cluster on this machine keeps everything [default: the platform's state
    /// directory, for example ~/.local/state/vaultyard]
    #[arg(long, global = true, env = "VAULTYARD_STATE", value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,
    /// Where the cluster runs
    #[arg(long, global = true, env = "VAULTYARD_TARGET", value_enum, default_value_t = Target::Local)]
    pub(crate) target: Target,
    #[command(flatten)]
    pub(crate) kubernetes: Kubernetes,
    /// Say only what went wrong
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    /// More of what is done, on standard error; repeat for still more
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

/// The commands.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Bring the cluster up and keep it
    #[command(after_help = "\
Stays in the foreground; Ctrl-C stops the servers in order, the leader last. A second Ctrl-C ends \
everything at once.

Examples:
  vaultyard up
  vaultyard up -f vaultyard.yaml --state ./state
  vaultyard up --address auto --detach")]
    Up(Up),
    /// Run a command with a throw-away cluster around it
    #[command(after_help = "\
COMMAND finds BAO_ADDR, BAO_TOKEN, BAO_CACERT and the VAULT_* names of them in its environment. \
The exit code is COMMAND's.

Example:
  vaultyard run -- bao kv put secret/hello name=world")]
    Run(Run),
    /// Say whether `up` could begin: document, program, addresses, state directory; on Kubernetes
    /// rights, objects, zones, volumes
    Check(Document),
    /// Show what `apply` would change; nothing is written
    #[command(after_help = "\
On Kubernetes every object is rehearsed by the API server (server-side dry run).

Examples:
  vaultyard plan -f vaultyard.yaml
  vaultyard plan --target kubernetes -f vaultyard.yaml
  vaultyard plan --target kubernetes -f vaultyard.yaml --output json
  vaultyard plan --target kubernetes -f vaultyard.yaml --detailed-exitcode || echo it differs")]
    Plan(Plan),
    /// Show what would change, ask, and do it
    #[command(after_help = "\
On this machine a running `up` replaces one server after another, the leader last, and no request \
fails. A rollout that was frozen goes on.")]
    Apply(Apply),
    /// Bring the servers to another version: change it in the document, show what that means, ask, do it
    #[command(after_help = "\
Comments and layout of the file stay. Where no file is named and there is no vaultyard.yaml, the \
document that the cluster was brought up with is changed. On Kubernetes the image of that version is named \
too.

Examples:
  vaultyard upgrade --to 2.7.2 -f vaultyard.yaml
  vaultyard upgrade --to 2.7.2 --target kubernetes --image IMAGE@sha256:... --server-image IMAGE@sha256:...")]
    Upgrade(Upgrade),
    /// Go back to the version of before the last change, where that is safe
    #[command(after_help = "\
What a rollout that was frozen by a version that does not run is undone by. Once servers of a newer minor
version have led, the old one cannot read what they have written; then it says which snapshot is from before.

Example:
  vaultyard rollback -f vaultyard.yaml")]
    Rollback(Change),
    /// How the cluster is
    Status(Status),
    /// Why a server, or the cluster, is not as it should be
    Why {
        /// A server, for example vault-1; all when left out
        server: Option<String>,
    },
    /// What the servers write
    Logs {
        /// A server, for example vault-1; all when left out
        server: Option<String>,
        /// Go on with new lines
        #[arg(long, short)]
        follow: bool,
        /// How many lines from the end
        #[arg(long, default_value_t = 100, value_name = "LINES")]
        tail: usize,
    },
    /// Print what a shell needs to reach the cluster
    #[command(after_help = "\
On Kubernetes, where no Ingress or Gateway stands before the proxies, a process in the background \
carries a port of this machine to them until the shell's session ends.

Example:
  eval \"$(vaultyard env)\"")]
    Env {
        /// Set for the process in the background: the process whose end is its end
        #[arg(long, hide = true, value_name = "PID")]
        forward_for: Option<u32>,
    },
    /// Log in as the administrator, for one hour
    #[command(after_help = "\
The token is written where bao and vault look for it (~/.vault-token, mode 0600).

On Kubernetes it takes the right to create a token of the ServiceAccount NAME-administrator in the \
operations namespace.")]
    Login {
        /// Print the token instead of writing it
        #[arg(long)]
        print: bool,
    },
    /// Stop the servers in order and keep their data
    Down,
    /// Remove the cluster; on this machine with its data and keys, for good
    #[command(after_help = "\
On Kubernetes the servers' volumes and the unseal keys stay, unless --volumes and --keys ask for them.")]
    Destroy(Destroy),
    /// The unseal keys: check them, hand them out, make a root token from them
    #[command(subcommand)]
    Keys(Keys),
    /// Snapshots of the data: take one, list them, check one, put one back
    #[command(subcommand)]
    Snapshot(Snapshot),
    /// The certificates, and whether they are served
    Certificates(Output),
    /// The names that the DNS server answers for
    Dns(Output),
    /// The server programs that are here, and fetching others
    Binaries(Binaries),
    /// Document a field of the document
    #[command(
        after_help = "Examples:\n  vaultyard explain\n  vaultyard explain spec.keys.encryption.local"
    )]
    Explain {
        /// A path, for example spec.servers
        path: Option<String>,
        /// All fields below it
        #[arg(long)]
        recursive: bool,
    },
    /// Print what would be written elsewhere
    #[command(after_help = "\
Examples:
  vaultyard render -f /etc/vaultyard/vault.yaml
  vaultyard render --prerequisites terraform -f vaultyard.yaml
  vaultyard render --target kubernetes -f vaultyard.yaml > all.yaml

kubectl knows the kind VaultCluster only after its definition, which is in the same file. The first
apply fails for that one object and makes all others; the second makes it too:
  kubectl apply --server-side -f all.yaml
  kubectl wait --for=condition=Established crd/vaultclusters.vaultyard.dev
  kubectl apply --server-side -f all.yaml")]
    Render(Render),
    /// Run one part of a cluster in its pod on Kubernetes
    #[command(subcommand, hide = true)]
    Controller(Controller),
    /// Print completions for a shell
    Completions {
        /// Which shell
        shell: Shell,
    },
    /// Names of the fault points of a test build
    #[cfg(feature = "fault-injection")]
    #[command(hide = true)]
    FaultPoints {
        /// Who comes by them
        #[arg(long, value_enum, default_value = "unsealers")]
        of: Steps,
    },
}

/// Whose steps have fault points.
#[cfg(feature = "fault-injection")]
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Steps {
    /// The unsealers of a new cluster
    Unsealers,
    /// A rekey
    Rekey,
    /// A rollout on this machine
    Rollout,
}

/// What runs in a pod of its own.
#[derive(Clone, Copy, Subcommand)]
pub(crate) enum Controller {
    /// Put a server's files in place and end
    Prepare,
    /// Unseal the server of this pod, and keep it
    Unsealer,
    /// Run throw-away servers, into which the unsealer of this pod restores snapshots to prove them
    Prover,
    /// Pass requests on to the server that leads
    Proxy,
    /// Keep the certificates of a cluster
    Certificates,
    /// Keep the objects of a cluster, and its status
    Cluster,
}

/// Where a cluster runs.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Target {
    /// Real server processes on this machine.
    Local,
    /// Pods.
    Kubernetes,
}

/// The heading of what counts on Kubernetes alone.
const KUBERNETES: &str = "Kubernetes";

/// Which API server, and which of the clusters there.
#[derive(Args)]
pub(crate) struct Kubernetes {
    /// The kubeconfig [default: those in $KUBECONFIG, else ~/.kube/config]
    #[arg(long, global = true, value_name = "FILE", help_heading = KUBERNETES)]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// The context within it [default: its current one]
    #[arg(long, global = true, value_name = "NAME", help_heading = KUBERNETES)]
    pub(crate) context: Option<String>,
    /// The namespace of the cluster [default: wherever there is one]
    #[arg(long, short, global = true, value_name = "NAME", help_heading = KUBERNETES)]
    pub(crate) namespace: Option<String>,
}

/// Which images run. Each by digest: what was approved is what runs.
#[derive(Args)]
pub(crate) struct Images {
    /// Vaultyard's own image: REPOSITORY@sha256:DIGEST
    #[arg(long, env = "VAULTYARD_IMAGE", value_name = "IMAGE", help_heading = KUBERNETES)]
    pub(crate) image: Option<String>,
    /// The servers' image: REPOSITORY@sha256:DIGEST
    #[arg(long, env = "VAULTYARD_SERVER_IMAGE", value_name = "IMAGE", help_heading = KUBERNETES)]
    pub(crate) server_image: Option<String>,
}

/// The document and where it comes from.
#[derive(Args)]
pub(crate) struct Document {
    /// The file [default: ./vaultyard.yaml where there is one, else the built-in cluster]
    #[arg(long, short, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// The first loopback address, for the proxy; the servers take those behind it. `auto` takes
    /// a free block [default: the last one, else 127.0.0.10]
    #[arg(long, value_name = "ADDRESS", value_parser = Address::parse)]
    pub(crate) address: Option<Address>,
}

/// Arguments of `up`.
#[derive(Args)]
pub(crate) struct Up {
    #[command(flatten)]
    pub(crate) document: Document,
    #[command(flatten)]
    pub(crate) images: Images,
    /// Take over objects of the same names that belong to somebody else
    #[arg(long, help_heading = KUBERNETES)]
    pub(crate) adopt: bool,
    /// Return when the cluster is ready, and keep it in the background
    #[arg(long)]
    pub(crate) detach: bool,
    /// Set by `--detach` for the process that goes on
    #[arg(long, hide = true, conflicts_with = "detach")]
    pub(crate) in_background: bool,
    /// How long it may take until it is ready
    #[arg(long, default_value = "5m", value_name = "DURATION", value_parser = duration)]
    pub(crate) timeout: std::time::Duration,
}

/// Arguments of `plan`.
#[derive(Args)]
pub(crate) struct Plan {
    /// The file [default: ./vaultyard.yaml where there is one, else the built-in cluster]
    #[arg(long, short, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) images: Images,
    /// As if objects of the same names that belong to somebody else were taken over
    #[arg(long)]
    pub(crate) adopt: bool,
    /// End with 3 when something would change; 0 is then that nothing would
    #[arg(long)]
    pub(crate) detailed_exitcode: bool,
    #[command(flatten)]
    pub(crate) output: Output,
}

impl Plan {
    /// How `plan` ends when something would change, or nothing would.
    pub(crate) fn exit_code(&self, changes: bool) -> ExitCode {
        if self.detailed_exitcode && changes { ExitCode::from(3) } else { ExitCode::SUCCESS }
    }
}

/// Arguments of `apply`.
#[derive(Args)]
pub(crate) struct Apply {
    /// The file [default: ./vaultyard.yaml where there is one, else the built-in cluster]
    #[arg(long, short, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) images: Images,
    /// Take over objects of the same names that belong to somebody else
    #[arg(long)]
    pub(crate) adopt: bool,
    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) snapshot: BeforeVersion,
    /// How long it may take until it is ready
    #[arg(long, default_value = "5m", value_name = "DURATION", value_parser = duration)]
    pub(crate) timeout: std::time::Duration,
}

/// Arguments of `upgrade`.
#[derive(Args)]
pub(crate) struct Upgrade {
    /// The version, for example 2.7.2
    #[arg(long, value_name = "VERSION", value_parser = Version::new)]
    pub(crate) to: Version,
    #[command(flatten)]
    pub(crate) change: Change,
}

/// How a change of version is made.
#[derive(Args)]
pub(crate) struct Change {
    /// The file [default: ./vaultyard.yaml where there is one, else the document of the cluster]
    #[arg(long, short, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) images: Images,
    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) snapshot: BeforeVersion,
    /// How long it may take until it is ready
    #[arg(long, default_value = "5m", value_name = "DURATION", value_parser = duration)]
    pub(crate) timeout: std::time::Duration,
}

/// What comes before another version.
#[derive(Args)]
pub(crate) struct BeforeVersion {
    /// Take no snapshot before another version: what goes wrong cannot be undone. Asked twice
    #[arg(long)]
    pub(crate) without_snapshot: bool,
}

/// Arguments of `render`.
#[derive(Args)]
pub(crate) struct Render {
    /// The file; on this machine, as it will lie there [default: the cluster that was last brought
    /// up, with its document at /etc/vaultyard/NAME.yaml]
    #[arg(long, short, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) images: Images,
    /// Instead, what the cloud must have beforehand: bucket, key ring, identities, address
    #[arg(long, value_enum, value_name = "TOOL", help_heading = KUBERNETES)]
    pub(crate) prerequisites: Option<Tool>,
}

/// What makes things in a cloud.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Tool {
    /// Commands of Google's own tool.
    Gcloud,
    /// A Terraform configuration.
    Terraform,
}

/// Arguments of `destroy`.
#[derive(Args)]
pub(crate) struct Destroy {
    /// The cluster's name; asked for when left out
    #[arg(long, value_name = "NAME")]
    pub(crate) yes: Option<String>,
    /// The servers' volumes too
    #[arg(long, help_heading = KUBERNETES)]
    pub(crate) volumes: bool,
    /// The unseal keys and the certificate authority too
    #[arg(long, help_heading = KUBERNETES)]
    pub(crate) keys: bool,
}

/// Arguments of `run`.
#[derive(Args)]
pub(crate) struct Run {
    /// The file [default: the built-in cluster]
    #[arg(long, short, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// How long it may take until the cluster is ready
    #[arg(long, default_value = "5m", value_name = "DURATION", value_parser = duration)]
    pub(crate) timeout: std::time::Duration,
    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) command: Vec<OsString>,
}

/// Arguments of `status`.
#[derive(Args)]
pub(crate) struct Status {
    #[command(flatten)]
    pub(crate) output: Output,
    /// Follow it, until Ctrl-C
    #[arg(long, short)]
    pub(crate) watch: bool,
}

/// The form of what is printed.
#[derive(Args)]
pub(crate) struct Output {
    /// A table for eyes, or a form for programs
    #[arg(long, short, value_enum, default_value_t = Format::Table)]
    pub(crate) output: Format,
}

/// A form of output.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For eyes.
    Table,
    /// For programs.
    Json,
    /// For programs and eyes.
    Yaml,
}

/// What can be done with the unseal keys.
#[derive(Subcommand)]
pub(crate) enum Keys {
    /// Decrypt every share and check it against the record
    #[command(after_help = "\
With --restore as many of them as it takes also open a throw-away server that was given the newest snapshot, as \
`snapshot verify --restore` does it: the record alone does not prove that they are the cluster's.")]
    Verify {
        /// Prove them by opening a throw-away server with the newest snapshot
        #[arg(long)]
        restore: bool,
        #[command(flatten)]
        output: Output,
    },
    /// Hand shares to people, each encrypted to its holder
    #[command(after_help = "\
The shares are dealt to the recipients in turn. Nothing is printed in clear.

Example:
  vaultyard keys export --shares 3 --recipient age1... --recipient age1... --recipient age1...")]
    Export {
        /// How many shares
        #[arg(long, value_name = "N")]
        shares: u8,
        /// An age recipient (age1...); repeat it for each holder
        #[arg(long = "recipient", required = true, value_name = "AGE")]
        recipients: Vec<String>,
        /// Let one holder get as many shares as unseal a server
        #[arg(long)]
        allow_threshold: bool,
    },
    /// Have the cluster make new shares, and keep them in place of the old ones
    #[command(after_help = "\
No server is restarted, and no request fails. The old shares stay kept: snapshots of their time need them.
Shares that were handed out before open nothing of the cluster any more.

Example:
  vaultyard keys rekey --key-shares 7 --key-threshold 4")]
    Rekey {
        /// How many shares [default: as many as there are]
        #[arg(long = "key-shares", value_name = "N")]
        shares: Option<u8>,
        /// How many of them unseal a server [default: as many as now]
        #[arg(long = "key-threshold", value_name = "N")]
        threshold: Option<u8>,
        /// The cluster's name; asked for when left out
        #[arg(long, value_name = "NAME")]
        yes: Option<String>,
    },
    /// Keep the keys that vault-init left as the document says, before its first `up`
    #[command(after_help = "\
vault-init's objects stay as they are. The document must keep keys in a bucket, encrypted by
anything but a key beside them.

Example:
  vaultyard keys take-over -f vaultyard.yaml --bucket old-keys --kms-key projects/P/locations/L/keyRings/R/cryptoKeys/K --threshold 3")]
    TakeOver(TakeOver),
    /// Make a root token from the stored shares: the way back in when logins are lost
    GenerateRoot {
        /// The cluster's name; asked for, twice, when left out
        #[arg(long, value_name = "NAME")]
        yes: Option<String>,
    },
}

/// What can be done with snapshots.
#[derive(Subcommand)]
pub(crate) enum Snapshot {
    /// Take one of the server that leads, and keep it encrypted
    #[command(after_help = "\
It lies in the state directory, under the key that encrypts the unseal keys, and its name is printed. \
Whoever restores it needs the unseal keys of this cluster too: keep both.")]
    Take,
    /// List them, the oldest first
    List(Output),
    /// Put one in place of all data of the running cluster it was taken of
    #[command(after_help = "\
What was written after it is lost. For some seconds no request is answered.

Example:
  vaultyard snapshot restore 20261129T225620Z")]
    Restore {
        /// Which, as `list` names it
        name: String,
        /// The cluster's name; asked for, twice, when left out
        #[arg(long, value_name = "NAME")]
        yes: Option<String>,
    },
    /// Remove one
    #[command(after_help = "\
Example:
  vaultyard snapshot delete 20261129T225620Z")]
    Delete {
        /// Which, as `list` names it
        name: String,
        /// The cluster's name; asked for when left out
        #[arg(long, value_name = "NAME")]
        yes: Option<String>,
    },
    /// Decrypt one and hold every byte against its checksums
    #[command(after_help = "\
With --restore it is also put into a throw-away server - on this machine of its version, on Kubernetes of the version \
that runs - which is unsealed with the keys of \
the cluster and logged in to. Where secret engines keep credentials elsewhere (databases, clouds) that is \
refused: the copy would end those that have run out in the snapshot.")]
    Verify {
        /// Which, as `list` names it [default: the newest]
        name: Option<String>,
        /// Prove it by restoring it into a throw-away server
        #[arg(long)]
        restore: bool,
        #[command(flatten)]
        output: Output,
    },
}

/// Arguments of `keys take-over`.
#[derive(Args)]
pub(crate) struct TakeOver {
    /// The document of the cluster
    #[arg(long, short, value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The bucket that vault-init wrote to
    #[arg(long, value_name = "BUCKET")]
    pub(crate) bucket: String,
    /// The key of Cloud KMS that it used, by its full name
    #[arg(long, value_name = "KEY")]
    pub(crate) kms_key: String,
    /// How many shares unseal a server, as the servers say
    #[arg(long, value_name = "N")]
    pub(crate) threshold: u8,
}

/// Arguments of `binaries`.
#[derive(Args)]
pub(crate) struct Binaries {
    #[command(flatten)]
    pub(crate) output: Output,
    #[command(subcommand)]
    pub(crate) action: Option<BinariesAction>,
}

/// What can be done with server programs.
#[derive(Subcommand)]
pub(crate) enum BinariesAction {
    /// Fetch a version into the state directory
    Fetch {
        /// The version, for example 2.7.2
        version: String,
    },
}

/// The first address of a cluster.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Address {
    /// A free block, found when it is needed.
    Auto,
    /// This one.
    First(Ipv4Addr),
}

impl Address {
    fn parse(text: &str) -> Result<Self, String> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        let address: Ipv4Addr =
            text.parse().map_err(|_| "not an IPv4 address and not `auto`".to_owned())?;
        if address.is_loopback() { Ok(Self::First(address)) } else { Err(NOT_LOOPBACK.to_owned()) }
    }
}

const NOT_LOOPBACK: &str = "not a loopback address; choose one in 127.0.0.0/8";

fn duration(text: &str) -> Result<std::time::Duration, String> {
    vaultyard_model::duration::parse(text).map_err(|error| error.to_string())
}

/// Reads the command line; ends the program with exit code 2 when it is wrong.
pub(crate) fn read() -> Arguments {
    Arguments::parse()
}

/// The description itself, for completions.
pub(crate) fn description() -> clap::Command {
    Arguments::command()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_description_is_sound() {
        description().debug_assert();
    }

    #[test]
    fn only_loopback_addresses_are_taken() {
        assert_eq!(Address::parse("auto"), Ok(Address::Auto));
        assert!(Address::parse("127.0.1.10").is_ok());
        assert_eq!(Address::parse("10.0.0.1"), Err(NOT_LOOPBACK.to_owned()));
    }
}
