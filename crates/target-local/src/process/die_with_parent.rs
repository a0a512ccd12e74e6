//! The one place with `unsafe`: what a child does between fork and exec.

use std::io;

use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::process::{Signal, getpid, getppid, set_parent_process_death_signal, umask};
use tokio::process::Command;

/// Has the kernel kill the child when the *thread* that spawns it ends (prctl(2),
/// `PR_SET_PDEATHSIG`), and gives it a umask under which nobody else reads what it writes.
pub(super) fn die_with_parent(command: &mut Command) {
    let parent = getpid();
    let in_child = move || {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // A parent that ended before the call above will never be reported by the kernel.
        if getppid() != Some(parent) {
            return Err(io::Error::from(Errno::SRCH));
        }
        umask(Mode::RWXG | Mode::RWXO);
        Ok(())
    };
    #[allow(unsafe_code)] // `pre_exec` is the only way to run something between fork and exec.
    // SAFETY: after fork in a program with threads only async-signal-safe work is allowed. The
    // closure makes three system calls, takes no lock and allocates nothing: `parent` is a number,
    // and an `io::Error` of an error number is one too.
    unsafe {
        command.pre_exec(in_child);
    }
}
