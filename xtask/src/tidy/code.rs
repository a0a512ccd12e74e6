//! The code of a Rust file without what only looks like code: comments and literals are blanked,
//! line breaks stay, so that line numbers hold.

/// The text with every comment and every string or character literal blanked.
pub(super) fn only(source: &str) -> String {
    let mut code = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let blanked = literal_or_comment(rest, code.chars().next_back());
        if blanked == 0 {
            code.push(first);
            rest = &rest[first.len_utf8()..];
        } else {
            code.extend(rest[..blanked].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
            rest = &rest[blanked..];
        }
    }
    code
}

/// How many bytes of `rest` are a comment or literal that begins right here.
fn literal_or_comment(rest: &str, before: Option<char>) -> usize {
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return block_comment(rest);
    }
    if rest.starts_with('"') {
        return string(rest);
    }
    let in_word = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    if rest.starts_with('r') && !in_word {
        return raw_string(rest);
    }
    if rest.starts_with('\'') {
        return character(rest);
    }
    0
}

/// `/* ... */`; block comments nest.
fn block_comment(rest: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < rest.len() {
        let here = &rest.as_bytes()[at..];
        if here.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if here.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

/// `"..."` with escapes.
fn string(rest: &str) -> usize {
    let mut escaped = true; // The opening quote does not close.
    for (at, c) in rest.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// `r"..."`, `r#"..."#` and so on; 0 when it is a name that begins with r.
fn raw_string(rest: &str) -> usize {
    let hashes = rest[1..].bytes().take_while(|byte| *byte == b'#').count();
    let body = 1 + hashes;
    if !rest[body..].starts_with('"') {
        return 0;
    }
    let close = format!("\"{}", "#".repeat(hashes));
    rest[body + 1..].find(&close).map_or(rest.len(), |at| body + 1 + at + close.len())
}

/// `'x'` or `'\n'`; 0 for a lifetime.
fn character(rest: &str) -> usize {
    let mut chars = rest.char_indices().skip(1);
    match chars.next() {
        Some((_, '\\')) => rest[3..].find('\'').map_or(0, |at| at + 4),
        Some(_) => chars.next().filter(|(_, c)| *c == '\'').map_or(0, |(at, _)| at + 1),
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(source: &str, expected: &str) {
        assert_eq!(only(source).split_whitespace().collect::<Vec<_>>().join(" "), expected);
    }

    #[test]
    fn comments_are_blanked() {
        check("a // panic!\nb", "a b");
        check("a /* one /* two */ three */ b", "a b");
    }

    #[test]
    fn literals_are_blanked() {
        check(r#"say("panic!(\" // no") + 1"#, "say( ) + 1");
        check(r##"say(r#"a " panic!"#)"##, "say( )");
        check(r"x == '\'' || x == '/' || y", "x == || x == || y");
    }

    #[test]
    fn lifetimes_and_names_stay() {
        check("fn read<'a>(r: &'a str)", "fn read<'a>(r: &'a str)");
    }

    #[test]
    fn line_numbers_hold() {
        assert_eq!(only("a /* x\ny */ b\n").lines().count(), 2);
    }
}
