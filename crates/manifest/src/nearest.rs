//! The right word that somebody meant.

/// Longer words are not looked at: no field has such a name, and distances cost time.
const LONGEST: usize = 40;

/// The word nearest to `written`, when it is near enough to be meant: for words of up to five
/// letters one change (a letter added, left out, changed, or two exchanged), else up to a third of
/// the letters. Upper case, `_` and `-` do not count.
pub(crate) fn nearest<'w>(
    written: &str,
    words: impl IntoIterator<Item = &'w str>,
) -> Option<&'w str> {
    if written.len() > LONGEST {
        return None;
    }
    let plain = plain(written);
    let near = words.into_iter().filter_map(|word| {
        let distance = strsim::osa_distance(&plain, &self::plain(word));
        let most = (word.chars().count() / 3).max(1);
        (distance <= most && distance < plain.chars().count()).then_some((distance, word))
    });
    near.min_by_key(|(distance, _)| *distance).map(|(_, word)| word)
}

/// `did you mean "threshold"?`
pub(crate) fn did_you_mean<'w>(
    written: &str,
    words: impl IntoIterator<Item = &'w str>,
) -> Option<String> {
    nearest(written, words).map(|word| format!("did you mean {word:?}?"))
}

fn plain(word: &str) -> String {
    word.chars().filter(|c| !matches!(c, '_' | '-')).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_found_within_a_sensible_distance() {
        let words = ["shares", "threshold", "encryption", "store"];
        for (written, meant) in [
            ("treshold", Some("threshold")),
            ("Threshold", Some("threshold")),
            ("thershold", Some("threshold")),
            ("share", Some("shares")),
            ("stroe", Some("store")),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(nearest(written, words), meant, "{written}");
        }
        assert_eq!(nearest("max_in_flight", ["maxInFlight"]), Some("maxInFlight"));
        assert_eq!(nearest(&"x".repeat(1_000), words), None);
    }
}
