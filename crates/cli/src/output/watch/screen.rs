//! The terminal: asks, listens to keys and signals, draws, and leaves the terminal as it was.

use std::process::ExitCode;

use crossterm::event::{EventStream, KeyCode, KeyEvent, KeyModifiers};
use futures_util::{Stream, StreamExt, stream};
use ratatui::DefaultTerminal;
use tokio::time::MissedTickBehavior;
use vaultyard_model::port::clock::Clock;

use super::PAUSE;
use super::picture::{Picture, Style};
use super::seen::Seen;
use crate::control::wire::Status;
use crate::failure::{Failure, Kind, failed};
use crate::source::Source;
use crate::stops::Stops;
use crate::system::{SystemClock, colours_are_welcome};

/// Shows the picture until the person leaves.
pub(super) async fn show(source: &Source) -> Result<ExitCode, Failure> {
    let style = Style { colours: colours_are_welcome() };
    let mut stops = Stops::listen()?;
    let mut screen = Screen::open().map_err(failed)?;
    let mut keys = EventStream::new();
    let mut looks = std::pin::pin!(looks(source));
    let mut seen = Seen::nothing(SystemClock.now());
    loop {
        let now = SystemClock.now();
        let draw = |frame: &mut ratatui::Frame<'_>| {
            frame.render_widget(Picture { seen: &seen, now, style }, frame.area());
        };
        screen.terminal.draw(draw).map_err(failed)?;
        tokio::select! {
            Some(answer) = looks.next() => {
                seen.note(SystemClock.now(), answer.map_err(|error| error.message().to_owned()));
            }
            // Anything but a key, for example another size, only means to draw anew. A terminal
            // that has no keys any more ends with a signal.
            Some(Ok(event)) = keys.next() => {
                if let Some(code) = event.as_key_press_event().and_then(leaves) {
                    return Ok(code);
                }
            }
            _ = stops.next() => return Ok(interrupted()),
        }
    }
}

/// The status, asked for again and again. A stream holds on to a question that is under way, so
/// that keys do not make it start anew.
fn looks(source: &Source) -> impl Stream<Item = Result<Status, Failure>> {
    let mut pace = tokio::time::interval(PAUSE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    stream::unfold(pace, async |mut pace| {
        pace.tick().await;
        Some((source.status().await, pace))
    })
}

/// Whether this key means to leave, and with which exit code.
fn leaves(key: KeyEvent) -> Option<ExitCode> {
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    match key.code {
        KeyCode::Char('q') | KeyCode::Esc => Some(ExitCode::SUCCESS),
        KeyCode::Char('c') if control => Some(interrupted()),
        _ => None,
    }
}

fn interrupted() -> ExitCode {
    ExitCode::from(Kind::Interrupted as u8)
}

/// The alternate screen, in raw mode. Dropping it, on whichever way, gives the terminal back.
struct Screen {
    terminal: DefaultTerminal,
}

impl Screen {
    fn open() -> std::io::Result<Self> {
        match ratatui::try_init() {
            Ok(terminal) => Ok(Self { terminal }),
            Err(error) => {
                // It may have come half way.
                ratatui::restore();
                Err(error)
            }
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        ratatui::restore();
    }
}
