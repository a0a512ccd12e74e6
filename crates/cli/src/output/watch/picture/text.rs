//! Text in a given number of columns.

use ratatui::text::{Line, Span};

/// The columns that a text takes.
pub(super) fn width(text: &str) -> usize {
    Span::raw(text).width()
}

/// The text, its end replaced by `…` where it is wider.
pub(super) fn clip(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut clipped = String::new();
    for letter in text.chars() {
        clipped.push(letter);
        if width(&clipped) >= columns {
            clipped.pop();
            break;
        }
    }
    if columns > 0 {
        clipped.push('…');
    }
    clipped
}

/// The text in lines, broken between words; what is more than `most` lines is cut with `…`.
pub(super) fn wrap(text: &str, columns: usize, most: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let last = lines.len() == most;
        match lines.last_mut() {
            Some(line) if last || width(line) + 1 + width(word) <= columns => {
                line.push(' ');
                line.push_str(word);
                if last && width(line) > columns {
                    break;
                }
            }
            _ if most == 0 => break,
            _ => lines.push(word.to_owned()),
        }
    }
    for line in &mut lines {
        *line = clip(line, columns);
    }
    lines
}

/// Two texts at both ends of a line. Where there is not room for both, the left one is cut.
pub(super) fn apart(left: Span<'static>, right: Span<'static>, columns: usize) -> Line<'static> {
    let room = columns.saturating_sub(right.width() + 1);
    let left = Span::styled(clip(&left.content, room), left.style);
    let between = columns.saturating_sub(left.width() + right.width());
    Line::from_iter([left, Span::raw(" ".repeat(between)), right])
}

/// Rows of cells, each column as wide as its widest cell, two columns apart.
pub(super) fn aligned(rows: Vec<Vec<Span<'static>>>) -> Vec<Line<'static>> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widest: Vec<usize> = (0..columns)
        .map(|column| {
            rows.iter().filter_map(|row| row.get(column)).map(Span::width).max().unwrap_or(0)
        })
        .collect();
    let line = |row: Vec<Span<'static>>| {
        let padded = row.into_iter().zip(&widest).flat_map(|(cell, widest)| {
            let padding = " ".repeat(widest - cell.width() + 2);
            [cell, Span::raw(padding)]
        });
        Line::from_iter(padded)
    };
    rows.into_iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_with_a_mark() {
        assert_eq!(clip("vault", 5), "vault");
        assert_eq!(clip("vaultyard", 5), "vaul…");
        assert_eq!(clip("vault", 1), "…");
        assert_eq!(clip("vault", 0), "");
    }

    #[test]
    fn a_text_is_broken_between_words() {
        assert_eq!(wrap("it is sealed", 7, 3), ["it is", "sealed"]);
        assert_eq!(wrap("its process ended and stays so", 11, 2), ["its process", "ended and …"]);
        assert_eq!(wrap("unbreakable", 5, 2), ["unbr…"]);
        assert_eq!(wrap("anything", 5, 0), [""; 0]);
    }

    #[test]
    fn the_left_of_two_texts_gives_way() {
        let line = |columns| apart(Span::raw("standby"), Span::raw("sealed"), columns).to_string();
        assert_eq!(line(16), "standby   sealed");
        assert_eq!(line(12), "stan… sealed");
    }
}
