//! The servers, in the roomiest form that fits: zones as columns of cards, or a list.

use jiff::Timestamp;
use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Modifier;
use ratatui::text::Line;
use ratatui::widgets::{Block, BorderType, Paragraph, Widget};

use super::server::Told;
use super::text::aligned;
use super::{Rows, Style, height};
use crate::control::wire::Status;
use crate::output::changes::leads;

/// A card of fewer columns says nothing.
const CARD_WIDTH: u16 = 24;
/// A card of more columns is mostly empty.
const WIDEST_CARD: u16 = 40;
/// A list of fewer columns breaks each server into two lines.
const LIST_WIDTH: u16 = 74;

/// The servers in one form.
pub(super) enum Servers<'a> {
    /// Zones as columns, a card for each server.
    Cards { zones: Vec<Zone<'a>>, card: Card },
    /// Lines, as wide as the screen.
    List(Vec<Line<'static>>),
}

/// A zone with its servers.
pub(super) struct Zone<'a> {
    name: &'a str,
    servers: Vec<Told<'a>>,
}

/// How much a card tells.
#[derive(Clone, Copy)]
pub(super) enum Card {
    /// Everything.
    Roomy,
    /// Without the address; the reason takes the place of the index.
    Tight,
}

impl Card {
    /// With its frame.
    fn height(self) -> u16 {
        match self {
            Self::Roomy => 8,
            Self::Tight => 5,
        }
    }

    fn lines(self, told: &Told<'_>, columns: usize) -> Vec<Line<'static>> {
        match self {
            Self::Roomy => told.six_lines(columns),
            Self::Tight => told.three_lines(columns),
        }
    }
}

impl<'a> Servers<'a> {
    /// The roomiest form that is no higher than `room`, or else the lowest.
    pub(super) fn fitting(
        status: &'a Status,
        now: Timestamp,
        style: Style,
        width: u16,
        room: u16,
    ) -> Self {
        let leader = status.servers.iter().find(|server| leads(server));
        let leader_applied = leader.and_then(|leader| leader.applied_index);
        let told = status.servers.iter().map(|server| Told { server, leader_applied, now, style });
        let told: Vec<Told<'_>> = told.collect();
        for card in [Card::Roomy, Card::Tight] {
            let zones = by_zone(&told);
            let fits = width / CARD_WIDTH >= height_of(zones.len());
            let cards = Self::Cards { zones, card };
            if fits && cards.height() <= room {
                return cards;
            }
        }
        let reasons = [2, 1, 0];
        let mut lists = reasons.map(|reasons| Self::List(list(&told, width, reasons))).into_iter();
        lists.find(|list| list.height() <= room).unwrap_or_else(|| Self::List(barest(&told)))
    }

    /// The rows that it takes.
    pub(super) fn height(&self) -> u16 {
        match self {
            Self::Cards { zones, card } => {
                let most = zones.iter().map(|zone| zone.servers.len()).max().unwrap_or(0);
                1 + card.height() * height_of(most)
            }
            Self::List(lines) => height(lines),
        }
    }

    /// Draws it.
    pub(super) fn render(&self, area: Rect, buffer: &mut Buffer) {
        match self {
            Self::Cards { zones, card } => {
                let columns =
                    Layout::horizontal(zones.iter().map(|_| Constraint::Max(WIDEST_CARD)));
                for (zone, area) in zones.iter().zip(columns.split(area).iter()) {
                    zone.render(*card, *area, buffer);
                }
            }
            Self::List(lines) => Paragraph::new(lines.clone()).render(area, buffer),
        }
    }
}

impl Zone<'_> {
    fn render(&self, card: Card, area: Rect, buffer: &mut Buffer) {
        let mut rows = Rows { left: area };
        let title = format!("zone {}", self.name);
        rows.take(vec![Line::styled(title, Modifier::BOLD).centered()], buffer);
        for told in &self.servers {
            let leads = leads(told.server);
            let (border, style) = match leads {
                true => (BorderType::Double, told.style.good()),
                false => (BorderType::Rounded, ratatui::style::Style::new()),
            };
            let mut name = told.name();
            name.content = format!(" {} ", name.content.trim()).into();
            let block = Block::bordered().border_type(border).border_style(style).title_top(name);
            let area = rows.cut(card.height());
            let inner = block.inner(area);
            block.render(area, buffer);
            let inner = Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner };
            let lines = card.lines(told, usize::from(inner.width));
            Paragraph::new(lines).render(inner, buffer);
        }
    }
}

/// The zones, in the order of their first servers.
fn by_zone<'a>(all: &[Told<'a>]) -> Vec<Zone<'a>> {
    let mut zones: Vec<Zone<'a>> = Vec::new();
    for told in all {
        let name = told.server.zone.as_deref().unwrap_or("unknown");
        match zones.iter_mut().find(|zone| zone.name == name) {
            Some(zone) => zone.servers.push(*told),
            None => zones.push(Zone { name, servers: vec![*told] }),
        }
    }
    zones
}

/// Each server in one or two lines, and so many for the reason why it is not as it should be.
fn list(all: &[Told<'_>], width: u16, reasons: usize) -> Vec<Line<'static>> {
    let wide = width >= LIST_WIDTH;
    let columns = usize::from(width);
    let mut rows = if wide { vec![Told::headings()] } else { Vec::new() };
    rows.extend(all.iter().map(|told| if wide { told.row() } else { told.short_row() }));
    let mut rows = aligned(rows).into_iter();
    let mut lines = Vec::new();
    if wide {
        lines.extend(rows.next());
    }
    for (told, row) in all.iter().zip(rows) {
        lines.push(row);
        if !wide {
            lines.push(told.detail(columns));
        }
        for mut reason in told.why(columns.saturating_sub(2), reasons) {
            reason.spans.insert(0, "  ".into());
            lines.push(reason);
        }
    }
    lines
}

/// Each server in one line.
fn barest(all: &[Told<'_>]) -> Vec<Line<'static>> {
    aligned(all.iter().map(Told::short_row).collect())
}

fn height_of(count: usize) -> u16 {
    u16::try_from(count).unwrap_or(u16::MAX)
}
