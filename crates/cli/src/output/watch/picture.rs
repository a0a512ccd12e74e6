//! The picture of a cluster: from what was seen to what stands on the screen. Pure.

mod around;
mod server;
mod servers;
mod text;

use jiff::Timestamp;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier};
use ratatui::text::Line;
use ratatui::widgets::{Block, Borders, Paragraph, Widget};

use self::servers::Servers;
use super::seen::Seen;
use crate::control::wire::Status;

/// From this width on, controllers and changes stand side by side.
const WIDE: u16 = 70;
/// More columns than this would only tear apart what belongs together.
const WIDEST: u16 = 124;
/// How many lines of changes are worth more than a roomier form of the servers.
const CHANGES: u16 = 3;

/// The whole screen.
pub(super) struct Picture<'a> {
    /// What was seen.
    pub(super) seen: &'a Seen,
    /// The present time.
    pub(super) now: Timestamp,
    /// How it looks.
    pub(super) style: Style,
}

impl Widget for Picture<'_> {
    fn render(self, area: Rect, buffer: &mut Buffer) {
        let mut rows = Rows::within(area);
        rows.take_last(1, around::footer(), buffer);
        let head = around::header(&self, rows.width());
        rows.take(head, buffer);
        let Some(status) = &self.seen.status else { return };
        let below = rows.left;
        self.cluster(status, rows, buffer);
        if self.seen.silence.is_some() {
            // It is what was, not what is.
            buffer.set_style(below, Modifier::DIM);
        }
    }
}

impl Picture<'_> {
    /// Everything below the header.
    fn cluster(&self, status: &Status, mut rows: Rows, buffer: &mut Buffer) {
        let width = rows.width();
        let notes = around::notes(status, width, self.style);
        let others = 1 + height(&notes) + self.bottom_least(status, width);
        let room = rows.left.height.saturating_sub(others);
        let servers = Servers::fitting(status, self.now, self.style, width, room);
        // What room is left over goes between the parts, from the top.
        let spare = room.saturating_sub(servers.height());
        let gap = |before: u16| u16::from(spare > before);

        rows.skip(gap(0));
        rows.take(vec![around::way(status, width, self.style)], buffer);
        rows.skip(gap(1));
        servers.render(rows.cut(servers.height()), buffer);
        rows.skip(gap(2));
        rows.take(notes, buffer);
        self.bottom(status, rows, buffer);
    }

    fn bottom_least(&self, status: &Status, width: u16) -> u16 {
        if width >= WIDE {
            1 + height(&self.controllers(status, width)).max(CHANGES)
        } else {
            2 + height(&self.controllers(status, width)) + CHANGES
        }
    }

    fn controllers(&self, status: &Status, width: u16) -> Vec<Line<'static>> {
        if width >= WIDE {
            around::controllers(status, self.now, left_part(width), self.style)
        } else {
            around::controllers_together(status, self.now, width, self.style)
        }
    }

    /// Controllers and changes, in what room is left.
    fn bottom(&self, status: &Status, mut rows: Rows, buffer: &mut Buffer) {
        let width = rows.width();
        let changes = |width| around::changes(self.seen, self.now, width, self.style);
        let title = around::changes_title(self.seen);
        if width >= WIDE {
            let part = left_part(width);
            let mut left = Rows { left: Rect { width: part, ..rows.left } };
            let right = Rect { x: rows.left.x + part + 2, width: width - part - 2, ..rows.left };
            let mut right = Rows { left: right };
            left.title("controllers", buffer);
            left.take(self.controllers(status, width), buffer);
            right.title(&title, buffer);
            right.take(changes(right.width()), buffer);
        } else {
            rows.title("controllers", buffer);
            rows.take(self.controllers(status, width), buffer);
            rows.title(&title, buffer);
            rows.take(changes(width), buffer);
        }
    }
}

/// The columns of the left one of two parts.
fn left_part(width: u16) -> u16 {
    width * 2 / 5
}

/// Hands an area out from the top. What does not fit is left out.
struct Rows {
    left: Rect,
}

impl Rows {
    /// The area, with a margin where there is width for one.
    fn within(area: Rect) -> Self {
        let margin = u16::from(area.width >= 60);
        let width = (area.width - 2 * margin).min(WIDEST);
        Self { left: Rect { x: area.x + margin, width, ..area } }
    }

    fn width(&self) -> u16 {
        self.left.width
    }

    /// The next rows, or fewer.
    fn cut(&mut self, height: u16) -> Rect {
        let height = height.min(self.left.height);
        let cut = Rect { height, ..self.left };
        self.left.y += height;
        self.left.height -= height;
        cut
    }

    fn skip(&mut self, height: u16) {
        self.cut(height);
    }

    /// Draws lines into the next rows.
    fn take(&mut self, lines: Vec<Line<'_>>, buffer: &mut Buffer) {
        let area = self.cut(height(&lines));
        Paragraph::new(lines).render(area, buffer);
    }

    /// Draws one line into the last rows.
    fn take_last(&mut self, height: u16, line: Line<'_>, buffer: &mut Buffer) {
        let height = height.min(self.left.height);
        self.left.height -= height;
        let area = Rect { y: self.left.y + self.left.height, height, ..self.left };
        line.render(area, buffer);
    }

    /// Draws a rule with a title.
    fn title(&mut self, title: &str, buffer: &mut Buffer) {
        let title = Line::styled(format!(" {title} "), Modifier::BOLD);
        let block = Block::new().borders(Borders::TOP).border_style(Modifier::DIM);
        block.title_top(title).render(self.cut(1), buffer);
    }
}

fn height(lines: &[Line<'_>]) -> u16 {
    u16::try_from(lines.len()).unwrap_or(u16::MAX)
}

/// How things look. Without colours every difference still shows in words or weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Style {
    /// Whether colours are welcome.
    pub(super) colours: bool,
}

impl Style {
    fn good(self) -> ratatui::style::Style {
        self.colour(Color::Green)
    }

    fn warn(self) -> ratatui::style::Style {
        self.colour(Color::Yellow)
    }

    fn bad(self) -> ratatui::style::Style {
        self.colour(Color::Red).add_modifier(Modifier::BOLD)
    }

    fn colour(self, colour: Color) -> ratatui::style::Style {
        let plain = ratatui::style::Style::new();
        if self.colours { plain.fg(colour) } else { plain }
    }
}
