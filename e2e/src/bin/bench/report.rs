//! What a bench found, as a table of `docs/benchmarks.md`. Each bench owns the lines between its
//! two marks there; everything else, such as why a goal is missed, is written by hand and stays.

use std::fs;
use std::path::{Path, PathBuf};

/// The outcome of one bench.
#[derive(Debug)]
pub(crate) struct Report {
    /// What stands above the column of the other side.
    pub(crate) against: &'static str,
    pub(crate) rows: Vec<Row>,
    /// Sentences below the table.
    pub(crate) notes: Vec<String>,
}

/// One line of the table.
#[derive(Debug, Default)]
pub(crate) struct Row {
    what: String,
    ours: String,
    theirs: String,
    ratio: String,
    goal: String,
    verdict: &'static str,
}

impl Row {
    pub(crate) fn new(what: impl Into<String>, ours: String, theirs: String) -> Self {
        Self { what: what.into(), ours, theirs, ..Self::default() }
    }

    /// Ours over theirs.
    pub(crate) fn ratio(self, ratio: f64) -> Self {
        Self { ratio: format!("{ratio:.2}"), ..self }
    }

    pub(crate) fn goal(self, goal: &str, met: bool) -> Self {
        Self { goal: goal.to_owned(), verdict: if met { "met" } else { "**missed**" }, ..self }
    }
}

impl Report {
    /// The lines between the marks.
    pub(crate) fn markdown(&self, machine: &str) -> String {
        let mut text = format!(
            "{machine}\n\n| what | Vaultyard | {} | ratio | goal | |\n|---|---|---|---|---|---|\n",
            self.against
        );
        for Row { what, ours, theirs, ratio, goal, verdict } in &self.rows {
            text += &format!("| {what} | {ours} | {theirs} | {ratio} | {goal} | {verdict} |\n");
        }
        for note in &self.notes {
            text += &format!("\n{note}\n");
        }
        text
    }
}

/// Puts the lines of one bench in their place.
pub(crate) fn write(name: &str, block: &str) {
    let path = document();
    let before = fs::read_to_string(&path).unwrap_or_default();
    fs::write(&path, placed(&before, name, block)).unwrap();
    println!("written to {}", path.display());
}

fn document() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("docs/benchmarks.md")
}

/// `document` with `block` between the marks of `name`, or at the end when it has no such marks.
fn placed(document: &str, name: &str, block: &str) -> String {
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- end of {name} -->\n"));
    let marked = format!("{begin}{}\n{end}", block.trim_end());
    let around = document.split_once(&begin).and_then(|(before, rest)| {
        let (_, after) = rest.split_once(&end)?;
        Some((before, after))
    });
    match around {
        Some((before, after)) => format!("{before}{marked}{after}"),
        None => format!("{document}\n## {name}\n\n{marked}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_by_hand_stays() {
        let one = placed("# Benchmarks\n", "dns", "old");
        let two = placed(&(one + "\nWhy it is so.\n"), "dns", "new\n");
        let expected = "# Benchmarks\n\n## dns\n\n<!-- dns -->\nnew\n<!-- end of dns -->\n\n\
                        Why it is so.\n";
        assert_eq!(two, expected);
    }
}
