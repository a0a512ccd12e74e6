//! An error with its causes, in one line.

use std::error::Error;

/// The text of the error, and behind it that of all that caused it.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot read the document")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn the_cause_follows_what_it_caused() {
        let error = Outer(std::io::Error::other("the disk is gone"));
        assert_eq!(chain(&error), "cannot read the document: the disk is gone");
    }
}
