//! The rule for the list of dependencies: each stands below a line that says why it is there.
//! Those of one family (`clap`, `clap_complete`) share the line.

use super::Fault;

pub(super) fn faults(manifest: &str) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut inside = false;
    let mut explained: Option<&str> = None;
    let mut below_comment = false;
    for (at, line) in manifest.lines().enumerate() {
        if line.starts_with('[') {
            inside = line == "[workspace.dependencies]";
        }
        let name = line.split(['=', '.', ' ']).next().unwrap_or_default();
        let names_one = inside && line.contains('=') && !line.starts_with(['#', '[', ' ']);
        if names_one && !name.starts_with("vaultyard-") {
            if below_comment {
                explained = Some(family(name));
            } else if explained != Some(family(name)) {
                faults.push(Fault::new(at + 1, format!("{name}: no line above says why")));
            }
        }
        below_comment = line.starts_with('#');
    }
    faults
}

/// The first word of a name.
fn family(name: &str) -> &str {
    name.split(['-', '_']).next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(lines: &str, expected: &[(usize, &str)]) {
        let manifest = format!("[workspace.dependencies]\n{lines}\n[profile.dev]\ndebug = 1\n");
        let expected: Vec<_> =
            expected.iter().map(|(line, what)| Fault::new(*line, *what)).collect();
        assert_eq!(faults(&manifest), expected);
    }

    #[test]
    fn every_dependency_says_why_it_is_there() {
        check("# Why.\nclap = \"4\"\nclap_complete = \"4\"", &[]);
        check("vaultyard-model = { path = \"crates/model\" }", &[]);
        check("clap = \"4\"", &[(2, "clap: no line above says why")]);
        check("# Why.\nclap = \"4\"\nserde = \"1\"", &[(4, "serde: no line above says why")]);
    }
}
