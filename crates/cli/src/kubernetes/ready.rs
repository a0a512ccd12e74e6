//! Whether a server's pod counts as ready.

use vaultyard_model::ServerName;
use vaultyard_model::observed::Observed;
use vaultyard_plan::shortfall;

/// Why it does not; `None` when it does: it is unsealed, has applied what the leader has committed,
/// and votes. What a person should know beyond that, `status` tells.
pub(crate) fn lacks(
    server: &ServerName,
    seen: Option<&Observed>,
    wanted: &vaultyard_model::Version,
) -> Option<String> {
    let Some(seen) = seen else { return Some("it has not been looked at yet".to_owned()) };
    let mut lacks = shortfall::of(server, seen, wanted).into_iter();
    lacks.find(shortfall::Shortfall::bars_service).map(|shortfall| shortfall.to_string())
}
