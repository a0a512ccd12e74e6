//! Whatever bytes a file holds, the answer is a cluster or findings at places that exist.

use proptest::prelude::*;
use vaultyard_manifest::{Cluster, Findings, Target, parse};

const VALID: &str = include_str!("good/everything.yaml");

/// Parses, and checks what holds for every answer.
fn check(content: &[u8]) -> Result<Cluster, Findings> {
    let answer = parse("any.yaml", content, Target::Local);
    let text = String::from_utf8_lossy(content);
    let lines = text.split(['\n', '\r']).count();
    if let Err(findings) = &answer {
        assert!(findings.iter().count() > 0);
        for finding in findings {
            assert!(finding.line >= 1 && finding.line <= lines, "{finding}");
            assert!(finding.column >= 1, "{finding}");
            assert!(finding.to_string().len() < 4_000, "{finding}");
            // What the shape lets pass, the types can hold.
            assert_ne!(
                finding.found.as_deref(),
                Some("a document that cannot be read"),
                "{finding}"
            );
        }
    }
    answer
}

/// A change of a document: bytes from `at` on are replaced.
fn change() -> impl Strategy<Value = (prop::sample::Index, usize, Vec<u8>)> {
    let piece = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..6),
        prop::sample::select(vec![
            "",
            " ",
            "\n",
            ": ",
            "- ",
            "{",
            "}",
            "[",
            "]",
            "\"",
            "'",
            "&a ",
            "*a",
            "!t ",
            "|",
            ">",
            "#",
            "?",
            "\t",
            "---\n",
            "0",
            "-1",
            "~",
            ".inf",
            "<<: ",
            "99999999999999999999",
            "é",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
    ];
    (any::<prop::sample::Index>(), 0_usize..12, piece)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_are_answered(content in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = check(&content);
    }

    #[test]
    fn random_text_is_answered(content in "[a-z0-9 :\\-{}\\[\\]\"'&*!|>#?%@,\n\t~<.]{0,200}") {
        let _ = check(content.as_bytes());
    }

    #[test]
    fn changed_documents_are_answered(changes in prop::collection::vec(change(), 1..4)) {
        let mut content = VALID.as_bytes().to_vec();
        for (at, length, piece) in changes {
            let at = at.index(content.len());
            let end = (at + length).min(content.len());
            content.splice(at..end, piece);
        }
        let _ = check(&content);
    }

    #[test]
    fn documents_without_some_lines_are_answered(kept in prop::collection::vec(any::<bool>(), 60)) {
        let lines = VALID.lines().zip(kept.iter().cycle());
        let content: Vec<&str> = lines.filter_map(|(line, kept)| kept.then_some(line)).collect();
        let _ = check(content.join("\n").as_bytes());
    }
}

#[test]
fn the_largest_files_are_answered_in_bounded_time() {
    for piece in
        ["a:\n", "- ", "[", "{a: ", "x", "? ", "&a *a ", "a: &a\n", "---\n", "#\n", "\"", " "]
    {
        assert!(check(piece.repeat(1024 * 1024 / piece.len()).as_bytes()).is_err(), "{piece:?}");
    }
    let head = "apiVersion: vaultyard.dev/v1alpha1\nkind: VaultCluster\nmetadata: {name: v}\n";
    let unknown: String = (0..60_000).map(|number| format!("k{number}: 1\n")).collect();
    assert!(check(format!("{head}{unknown}").as_bytes()).is_err());
    let in_one_line: String = (0..60_000).map(|number| format!("k{number}: 1, ")).collect();
    assert!(check(format!("{head}spec: {{{in_one_line}}}\n").as_bytes()).is_err());
    let setting = "x".repeat(900_000);
    let settings = format!("{head}spec: {{servers: {{configuration: {{a: \"{setting}\"}}}}}}\n");
    assert!(check(settings.as_bytes()).is_ok());
    assert!(check(&vec![b' '; 1024 * 1024 + 1]).is_err());
}
