//! What is told about one server.

use jiff::Timestamp;
use ratatui::style::Modifier;
use ratatui::text::{Line, Span};

use super::text::{apart, clip, wrap};
use crate::control::wire::Server;
use crate::output::changes::leads;
use crate::output::or_dash;
use crate::output::status::{left, state};
use crate::output::watch::picture::Style;

/// The mark of the leader; it needs no colour.
pub(super) const LEADER: &str = "★";

/// From so many columns on, words are written out.
const ROOMY: usize = 28;

/// A server, with what it is compared with.
#[derive(Clone, Copy)]
pub(super) struct Told<'a> {
    pub(super) server: &'a Server,
    /// What the leader has applied.
    pub(super) leader_applied: Option<u64>,
    pub(super) now: Timestamp,
    pub(super) style: Style,
}

impl Told<'_> {
    /// Its name, marked when it leads.
    pub(super) fn name(&self) -> Span<'static> {
        let mark = if leads(self.server) { LEADER } else { " " };
        let name = Span::raw(format!("{mark} {}", self.server.name));
        if leads(self.server) {
            name.style(self.style.good().add_modifier(Modifier::BOLD))
        } else {
            name
        }
    }

    /// The six lines of a roomy card.
    pub(super) fn six_lines(&self, columns: usize) -> Vec<Line<'static>> {
        let applied = Span::raw(format!("applied {}", or_dash(self.server.applied_index)));
        let mut lines = vec![
            apart(self.role(), self.state(), columns),
            apart(self.version(), Span::raw(self.host()), columns),
            apart(applied, self.lag(), columns),
            apart(self.vote(), self.labelled_certificate(columns), columns),
        ];
        lines.extend(self.why(columns, 2));
        lines
    }

    /// The three lines of a tight card.
    pub(super) fn three_lines(&self, columns: usize) -> Vec<Line<'static>> {
        let certificate = Span::raw(self.certificate());
        let middle = format!("{} {}", self.version().content, self.vote().content);
        let applied = Span::raw(format!("applied {}", or_dash(self.server.applied_index)));
        let last = self.why(columns, 1).pop();
        vec![
            apart(self.role(), self.state(), columns),
            apart(Span::styled(middle, self.vote().style), certificate, columns),
            last.unwrap_or_else(|| apart(applied, self.lag(), columns)),
        ]
    }

    /// Above a wide list.
    pub(super) fn headings() -> Vec<Span<'static>> {
        let headings = [
            "  server",
            "zone",
            "role",
            "state",
            "version",
            "applied",
            "lag",
            "vote",
            "certificate",
        ];
        headings.map(|heading| Span::styled(heading, Modifier::DIM)).into()
    }

    /// One row of a wide list.
    pub(super) fn row(&self) -> Vec<Span<'static>> {
        vec![
            self.name(),
            Span::raw(or_dash(self.server.zone.as_ref())),
            self.role(),
            self.state(),
            self.version(),
            Span::raw(or_dash(self.server.applied_index)),
            self.lag(),
            self.vote(),
            Span::raw(self.certificate()),
        ]
    }

    /// The beginning of a narrow list's entry.
    pub(super) fn short_row(&self) -> Vec<Span<'static>> {
        vec![self.name(), Span::raw(or_dash(self.server.zone.as_ref())), self.role(), self.state()]
    }

    /// The rest of a narrow list's entry.
    pub(super) fn detail(&self, columns: usize) -> Line<'static> {
        let text = format!(
            "  {} #{} {} {} {}",
            self.version().content,
            or_dash(self.server.applied_index),
            self.lag().content,
            self.vote().content,
            self.certificate()
        );
        Line::styled(clip(&text, columns), Modifier::DIM)
    }

    /// The first reason why it is not as it should be, in at most so many lines.
    pub(super) fn why(&self, columns: usize, most: usize) -> Vec<Line<'static>> {
        let first = self.server.why.first().map_or("", String::as_str);
        let lines = wrap(first, columns, most).into_iter();
        lines.map(|line| Line::styled(line, self.style.warn())).collect()
    }

    fn role(&self) -> Span<'static> {
        let role = self.server.role.clone();
        if leads(self.server) {
            Span::styled(role.to_uppercase(), self.style.good().add_modifier(Modifier::BOLD))
        } else {
            Span::raw(if role == "none" { "no role".to_owned() } else { role })
        }
    }

    fn state(&self) -> Span<'static> {
        let state = state(self.server);
        let style = match state {
            "unsealed" => self.style.good(),
            "uninitialised" => self.style.warn(),
            _ => self.style.bad(),
        };
        Span::styled(state, style)
    }

    fn version(&self) -> Span<'static> {
        Span::raw(or_dash(self.server.version.as_ref()))
    }

    fn host(&self) -> String {
        self.server.address.trim_start_matches("https://").to_owned()
    }

    fn lag(&self) -> Span<'static> {
        match (self.leader_applied, self.server.applied_index) {
            _ if leads(self.server) => Span::raw("leads"),
            (Some(leader), Some(own)) if own < leader => {
                Span::styled(format!("{} behind", leader - own), self.style.warn())
            }
            (Some(_), Some(_)) => Span::raw("level"),
            _ => Span::raw("-"),
        }
    }

    fn vote(&self) -> Span<'static> {
        match self.server.voter {
            Some(true) => Span::raw("voter"),
            Some(false) => Span::styled("no vote", self.style.warn()),
            None => Span::raw("vote -"),
        }
    }

    fn labelled_certificate(&self, columns: usize) -> Span<'static> {
        let label = if columns < ROOMY { "cert" } else { "certificate" };
        Span::raw(format!("{label} {}", self.certificate()))
    }

    /// How long it is valid.
    fn certificate(&self) -> String {
        or_dash(self.server.certificate.as_ref().map(|it| left(&it.not_after, self.now)))
    }
}
