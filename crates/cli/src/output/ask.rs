//! Asks a person before something that cannot be undone.

use std::io::{IsTerminal, Write};

use crate::failure::{Failure, Kind, failed};

/// Goes on only when the person gives `name`: by `--yes NAME`, or typed `times` times.
pub(crate) fn confirm(
    what: &str,
    name: &str,
    given: Option<&str>,
    times: u32,
) -> Result<(), Failure> {
    if let Some(given) = given {
        return if given == name { Ok(()) } else { Err(wrong(name, given)) };
    }
    if !std::io::stdin().is_terminal() {
        let hint = format!("type it on a terminal, or confirm with --yes {name}");
        return Err(Failure::text(Kind::Refused, "not confirmed").hint(hint));
    }
    eprintln!("{what}");
    for time in 1..=times {
        let again = if time == 1 { "" } else { " once more" };
        eprint!("Type the cluster's name{again} to go on: ");
        std::io::stderr().flush().map_err(failed)?;
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).map_err(failed)?;
        if line.trim() != name {
            return Err(wrong(name, line.trim()));
        }
    }
    Ok(())
}

fn wrong(name: &str, given: &str) -> Failure {
    Failure::text(Kind::BadInput, format!("{given:?} is not the cluster's name, which is {name:?}"))
        .hint("nothing was changed")
}
