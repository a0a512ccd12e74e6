//! `vaultyard run -- COMMAND`: what a CI job wants.

use vaultyard_e2e::Home;

#[test]
fn the_command_finds_a_cluster_and_its_exit_code_is_the_answer() {
    let home = Home::new();
    let said = home.shell(
        "vaultyard run -- sh -c 'bao kv put secret/x a=1 && bao kv get -field=a secret/x; exit 7'",
    );
    assert_eq!(said.code, Some(7), "{said:#?}");
    assert!(said.stdout.trim_end().ends_with('1'), "{said:#?}");
    assert!(home.processes().servers().is_empty(), "servers were left behind");
}

#[test]
fn a_command_that_is_not_there_is_wrong_usage() {
    let home = Home::new();
    let said = home.run(&["run", "--", "no-such-command"]);
    assert_eq!(said.code, Some(2), "{said:#?}");
    assert!(said.stderr.contains("no-such-command"), "{said:#?}");
    assert!(home.processes().servers().is_empty());
}

#[test]
fn what_kills_the_command_is_told_as_a_shell_tells_it() {
    let said = Home::new().run(&["run", "--", "sh", "-c", "kill -9 $$"]);
    assert_eq!(said.code, Some(137), "{said:#?}");
}
