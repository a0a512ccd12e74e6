//! Progress that a person can read, on standard error: one line for each step that is done, and
//! on a terminal a moving line that says what is waited for and for how long.

use std::fmt::Display;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How often the moving line moves.
const TICK: Duration = Duration::from_millis(100);

/// Where progress is shown.
pub(crate) struct Progress {
    bar: ProgressBar,
    look: Look,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Look {
    /// Only failures are told.
    Quiet,
    /// A line for each step.
    Lines,
    /// Lines, and a moving one.
    Moving,
}

impl Progress {
    /// Progress for this run. `fancy`: the terminal can show a moving line.
    pub(crate) fn new(quiet: bool, fancy: bool) -> Self {
        let look = match (quiet, fancy) {
            (true, _) => Look::Quiet,
            (false, false) => Look::Lines,
            (false, true) => Look::Moving,
        };
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        // The template is a constant; were it wrong, the default look would serve.
        if let Ok(style) = ProgressStyle::with_template("  {spinner} {wide_msg} {elapsed}") {
            bar.set_style(style);
        }
        let progress = Self { bar, look };
        progress.resume();
        progress
    }

    /// A step is done.
    pub(crate) fn done(&self, what: impl Display) {
        match self.look {
            Look::Quiet => {}
            Look::Lines => eprintln!("  {what}"),
            Look::Moving => {
                self.bar.println(format!("  ✓ {what}"));
                self.bar.reset_elapsed();
            }
        }
    }

    /// What is waited for now. Shown where a line can move.
    pub(crate) fn waiting(&self, what: impl Display) {
        self.bar.set_message(what.to_string());
    }

    /// Says something that is not a step.
    pub(crate) fn say(&self, what: impl Display) {
        match self.look {
            Look::Quiet => {}
            Look::Lines => eprintln!("{what}"),
            Look::Moving => self.bar.suspend(|| eprintln!("{what}")),
        }
    }

    /// Takes the moving line away until [`resume`](Self::resume).
    pub(crate) fn end(&self) {
        self.bar.disable_steady_tick();
        self.bar.finish_and_clear();
    }

    /// Shows the moving line again.
    pub(crate) fn resume(&self) {
        if self.look == Look::Moving {
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
            self.bar.reset();
            self.bar.enable_steady_tick(TICK);
        }
    }
}
