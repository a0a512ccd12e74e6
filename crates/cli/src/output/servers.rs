//! A server by its name.

use crate::failure::{Failure, Kind};

/// Refuses a name that is none of `known`.
pub(crate) fn refuse_unknown(known: &[&str], name: Option<&str>) -> Result<(), Failure> {
    match name.filter(|name| !known.contains(name)) {
        None => Ok(()),
        Some(unknown) => {
            Err(Failure::text(Kind::BadInput, format!("there is no server {unknown:?}"))
                .hint(format!("the servers are {}", known.join(", "))))
        }
    }
}
