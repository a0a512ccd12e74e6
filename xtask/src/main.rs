//! `cargo xtask`: the checks and helpers that are no part of the product.

mod bench;
mod builds;
mod cluster;
mod go_build;
mod image;
mod layering;
mod parts;
mod shell;
mod soak;
mod test;
mod tidy;

use std::process::ExitCode;

const HELP: &str = "\
cargo xtask COMMAND

  test                     everything, in order; without root it says so at once
  test --local             everything but what needs a Kubernetes
  test --kubernetes        what needs a Kubernetes, on the test cluster
  test --quick             what starts no server
  layering                 which crate may use which
  tidy                     sizes, links, comments, words that must not be in the sources
  deny                     licences, sources and bans of dependencies
  parts                    install what the tests need into target/test-parts
  image [--fault-injection | module | openbao | nginx | pause]
                           an OCI archive of Vaultyard, or of what the test cluster runs, in target/images
  cluster COMMAND          three nodes of Kubernetes on this machine: up, down, status, exec and more
  soak [--kills N] [--lanes N] [--seed N]
                           kill at random moments of `up` and demand a whole cluster each time
  soak --faults            a cluster for each named step, which dies there
  soak --kubernetes        long outages, and a death at every named step, on the test cluster
  bench [--quick] [NAME...]
                           measure, and write what came out into docs/benchmarks.md; `kubernetes` is all
                           that are measured on the test cluster
";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["test"] => test::everything(),
        ["test", "--local"] => test::local(),
        ["test", "--kubernetes"] => test::on_kubernetes(),
        ["test", "--quick"] => test::quick(),
        ["layering"] => layering::check(),
        ["tidy"] => tidy::check(),
        ["deny"] => test::deny(),
        ["parts"] => parts::for_tests().and_then(|()| parts::vault::build()),
        ["image", words @ ..] => image::run(words),
        ["cluster", words @ ..] => cluster::run(words),
        ["soak", options @ ..] => soak::run(options),
        ["bench", options @ ..] => bench::run(options),
        [] | ["help" | "--help" | "-h"] => {
            print!("{HELP}");
            Ok(())
        }
        _ => {
            eprint!("{HELP}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("{reason}");
            ExitCode::FAILURE
        }
    }
}
