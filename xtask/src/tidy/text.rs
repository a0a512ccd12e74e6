//! Rules for every text file.

use super::Fault;

/// No file is longer, tests included.
const MOST_LINES: usize = 800;

/// Notes to oneself, spelt apart so that this file does not break its own rule.
const NOTES: [&str; 3] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];

pub(super) fn faults(content: &str) -> Vec<Fault> {
    let mut faults = Vec::new();
    let count = content.lines().count();
    if count > MOST_LINES {
        faults.push(Fault::new(count, format!("{count} lines; at most {MOST_LINES}")));
    }
    for (at, line) in content.lines().enumerate() {
        if line.ends_with([' ', '\t']) {
            faults.push(Fault::new(at + 1, "space at the end of the line"));
        }
        if let Some(note) = NOTES.iter().find(|note| has_word(line, note)) {
            faults.push(Fault::new(at + 1, format!("{note}: do it, or open an issue")));
        }
    }
    if !content.is_empty() && !content.ends_with('\n') {
        faults.push(Fault::new(count, "the last line has no end"));
    }
    faults
}

/// Whether `word` stands in `line` and is not a part of a longer word.
fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        ![before, after].into_iter().flatten().any(char::is_alphanumeric)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(content: &str, expected: &[(usize, &str)]) {
        let expected: Vec<_> =
            expected.iter().map(|(line, what)| Fault::new(*line, *what)).collect();
        assert_eq!(faults(content), expected);
    }

    #[test]
    fn a_file_has_at_most_eight_hundred_lines() {
        check(&"x\n".repeat(800), &[]);
        check(&"x\n".repeat(801), &[(801, "801 lines; at most 800")]);
    }

    #[test]
    fn no_line_ends_in_a_space() {
        check("a\nb \n", &[(2, "space at the end of the line")]);
    }

    #[test]
    fn the_last_line_ends() {
        check("a", &[(1, "the last line has no end")]);
    }

    #[test]
    fn nothing_is_left_to_be_done() {
        let note = NOTES[0];
        let fault = format!("{note}: do it, or open an issue");
        check(&format!("// {note}: later\n"), &[(1, &fault)]);
        check(&format!("A{note}B\n"), &[]);
    }
}
