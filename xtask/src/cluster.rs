//! A Kubernetes of three nodes on one machine, for the tests: real servers, in network, mount and host
//! name namespaces and cgroups of their own.

mod cgroups;
mod control_plane;
mod faults;
mod images;
mod layout;
mod lifecycle;
mod machine;
mod network;
mod node;
mod ownership;
mod places;
mod process;
mod programs;
mod services;
mod volumes;

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use crate::parts;

pub(crate) use images::References;
use layout::{FABRIC, Layout, NODES, Node, within};
use programs::Programs;

const HELP: &str = "\
cargo xtask cluster COMMAND

  up                          bring the test cluster up; one that is up is joined and its volumes renewed
  down                        take it down, or what there is of it
  possible                    whether this machine can hold it: fails with the reason if not
  status                      what runs, and which nodes are Ready; fails unless all of it is well
  exec -- COMMAND             run COMMAND where the cluster is reached, with kubectl and KUBECONFIG set,
                              and, unless they are set, VAULTYARD_IMAGE and VAULTYARD_SERVER_IMAGE when
                              images were loaded
  images [--fault-injection]  make our image and the server's and load both; prints a line for each:
                              vaultyard REFERENCE and server REFERENCE, by digest
  load ARCHIVE NAME:TAG       put an OCI archive into its registry; prints the reference by digest
  volumes                     wipe volumes whose claims are gone and offer them anew
  node-exec NODE -- COMMAND   run COMMAND on a node
  stop PART | start PART      a part by its name, like apiserver or kubelet:node-a
  cut NODE | join NODE        pull a node's network cable, or put it back
";

/// Does what the words ask for.
pub(crate) fn run(words: &[&str]) -> Result<(), String> {
    let layout = Layout::of_this_checkout();
    let running = || lifecycle::programs_of_running(&layout);
    match words {
        ["up"] => lifecycle::up(&layout),
        ["down"] => lifecycle::down(&layout),
        ["possible"] => require(),
        ["status"] => status(&layout),
        ["exec", "--", program, words @ ..] => exec(&layout, &running()?, program, words),
        ["images"] => load_images(false).map(|made| print_references(&made)),
        ["images", "--fault-injection"] => load_images(true).map(|made| print_references(&made)),
        ["load", archive, name] => {
            running()?;
            println!("{}", services::push(Path::new(archive), name)?);
            Ok(())
        }
        ["volumes"] => {
            let programs = running()?;
            let _held = ownership::lock()?;
            lifecycle::renew_volumes(&layout, &programs)
        }
        ["node-exec", node, "--", words @ ..] => {
            running()?;
            let mut command = process::within_node(&layout, Node::named(node)?)?;
            become_it(command.args(words))
        }
        ["stop", part] => faults::stop(&layout, &running()?, part),
        ["start", part] => faults::start(&layout, &running()?, part),
        ["cut", node] => running().and_then(|_| faults::cut(node)),
        ["join", node] => running().and_then(|_| faults::join(node)),
        _ => Err(HELP.to_owned()),
    }
}

/// Refuses where none can be made, before anything is begun.
pub(crate) fn require() -> Result<(), String> {
    machine::require(&Layout::of_this_checkout())
}

/// Installs and builds what it is made of, which takes minutes where nothing is kept from before.
pub(crate) fn build() -> Result<(), String> {
    machine::check(&Layout::of_this_checkout())?;
    programs::ready().map(drop)
}

/// Whether it is up.
pub(crate) fn is_up() -> bool {
    lifecycle::programs_of_running(&Layout::of_this_checkout()).is_ok()
}

/// Makes the images and puts them into the registry.
pub(crate) fn load_images(with_faults: bool) -> Result<References, String> {
    let layout = Layout::of_this_checkout();
    let _ = lifecycle::programs_of_running(&layout)?;
    // Two at once would pack into the same files.
    let _held = ownership::lock()?;
    images::load(&layout, with_faults)
}

fn print_references(made: &References) {
    println!("vaultyard {}\nserver {}", made.vaultyard, made.server);
}

/// Becomes a command in the fabric; its exit code is ours.
fn exec(layout: &Layout, programs: &Programs, program: &str, words: &[&str]) -> Result<(), String> {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = within(FABRIC, program);
    command.args(words);
    // Tests read the second one, so that they never work on a cluster that is somebody's own.
    for name in ["KUBECONFIG", "VAULTYARD_TEST_KUBECONFIG"] {
        command.env(name, layout.kubernetes("admin.conf"));
    }
    let mut path = format!("{}:{path}", programs.folder.display());
    if let Some(loaded) = images::loaded(layout) {
        // Who runs our servers' image wants the program to talk to them, too.
        let program = parts::openbao()?;
        path = format!("{path}:{}", program.parent().unwrap_or(&program).display());
        // Who says himself which images are meant has others than those that were loaded last.
        let images =
            [("VAULTYARD_IMAGE", loaded.vaultyard), ("VAULTYARD_SERVER_IMAGE", loaded.server)];
        for (name, image) in images {
            if std::env::var_os(name).is_none() {
                command.env(name, image);
            }
        }
    }
    command.env("PATH", path);
    become_it(&mut command)
}

/// Turns this program into another.
fn become_it(command: &mut Command) -> Result<(), String> {
    let error = command.exec();
    Err(format!("cannot start {}: {error}", command.get_program().display()))
}

/// Prints what runs and which nodes are Ready.
fn status(layout: &Layout) -> Result<(), String> {
    let programs = lifecycle::programs_of_running(layout)?;
    let mut ended = Vec::new();
    for name in process::names(layout) {
        match process::running(layout, &name) {
            Some(process) => println!("{name:<24} runs as {}", process.id()),
            None => {
                println!("{name:<24} does not run");
                ended.push(name);
            }
        }
    }
    let ready = node::ready(layout, &programs);
    if ready.is_err() {
        println!("the API server does not answer, so no node is known to be Ready");
    }
    let ready = ready.unwrap_or_default();
    for node in &NODES {
        let is_ready = ready.iter().any(|name| name == node.name);
        let state = if is_ready { "Ready" } else { "not Ready" };
        let is_joined = network::is_joined(node)?;
        let cable = if is_joined { "" } else { ", cut off" };
        println!("{:<24} {state}{cable} (zone {}, {})", node.name, node.zone, node.address());
        if !is_ready || !is_joined {
            ended.push(node.name.to_owned());
        }
    }
    if ended.is_empty() {
        Ok(())
    } else {
        Err(format!("not all of it is well: {}", ended.join(" ")))
    }
}
