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
        let given = typed(&format!("Type the cluster's name{again} to go on: "))?;
        if given != name {
            return Err(wrong(name, &given));
        }
    }
    Ok(())
}

/// Goes on only when the person types `yes`.
pub(crate) fn approve(question: &str) -> Result<(), Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::text(Kind::Refused, "not confirmed; nothing was changed")
            .hint("type it on a terminal, or confirm with --yes"));
    }
    match typed(&format!("{question} Only \"yes\" goes on: "))?.as_str() {
        "yes" => Ok(()),
        _ => Err(Failure::text(Kind::Refused, "not confirmed; nothing was changed")),
    }
}

/// Goes on only when the person also wants no snapshot before another version.
pub(crate) fn approve_without_snapshot() -> Result<(), Failure> {
    approve("Without a snapshot nothing brings back what is there now. Do it all the same?")
}

/// What the person types after the question.
fn typed(question: &str) -> Result<String, Failure> {
    eprint!("{question}");
    std::io::stderr().flush().map_err(failed)?;
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).map_err(failed)?;
    Ok(line.trim().to_owned())
}

fn wrong(name: &str, given: &str) -> Failure {
    Failure::text(Kind::BadInput, format!("{given:?} is not the cluster's name, which is {name:?}"))
        .hint("nothing was changed")
}
