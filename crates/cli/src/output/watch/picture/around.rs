//! What stands around the servers: header, the clients' way, notes, controllers, changes, footer.

use jiff::Timestamp;
use ratatui::style::Modifier;
use ratatui::text::{Line, Span};

use super::server::LEADER;
use super::text::{apart, clip, width, wrap};
use super::{Picture, Style, WIDE};
use crate::control::wire::{Condition, Controller, Status};
use crate::output::changes::{Change, Tone, leader};
use crate::output::status::age;
use crate::output::watch::seen::Seen;

/// The cluster's name, its phase, and the sentence that explains it.
pub(super) fn header(picture: &Picture<'_>, width: u16) -> Vec<Line<'static>> {
    let Picture { seen, now, style } = picture;
    let columns = usize::from(width);
    let name = seen.status.as_ref().map_or("vaultyard", |status| status.name.as_str());
    let (phase, look, reason) = match (&seen.silence, &seen.status) {
        (Some(silence), _) => {
            let reason = format!("{}; waiting since {}", silence.why, clock(silence.since));
            ("no answer", style.bad(), reason)
        }
        (None, Some(status)) => {
            (status.phase.as_str(), of_phase(&status.phase, *style), status.reason.clone())
        }
        (None, None) => ("asking", style.warn(), String::new()),
    };
    let target = seen.status.as_ref().map_or("", |status| status.target.as_str());
    let right = format!("{target}  {} UTC", clock(*now));
    let phase = Span::styled(format!(" {phase} "), look.add_modifier(Modifier::REVERSED));
    let left = clip(name, columns.saturating_sub(phase.width() + 2));
    let left = Span::styled(left, Modifier::BOLD);
    let room = columns.saturating_sub(left.width() + 2 + phase.width());
    let mut first = Line::from_iter([left, Span::raw("  "), phase]);
    if room > self::width(&right) {
        let rest = apart(Span::raw(""), Span::styled(right, Modifier::DIM), room);
        first.spans.extend(rest.spans);
    }
    let mut lines = vec![first];
    lines.extend(wrap(&reason, columns, 3).into_iter().map(Line::raw));
    lines
}

fn of_phase(phase: &str, style: Style) -> ratatui::style::Style {
    match phase {
        "Ready" => style.good(),
        "Degraded" | "Failed" => style.bad(),
        _ => style.warn(),
    }
}

/// From the clients over the proxy to the leader.
pub(super) fn way(status: &Status, columns: u16, style: Style) -> Line<'static> {
    let end = match leader(status) {
        Some(leader) => {
            Span::styled(format!("{LEADER} {leader}"), style.good().add_modifier(Modifier::BOLD))
        }
        None => Span::styled("nobody leads", style.bad()),
    };
    let host = status.address.trim_start_matches("https://");
    let forms = [
        (format!("clients ──▶ proxy {} ", status.address), "──▶ "),
        (format!("clients ─▶ {} ", status.address), "─▶ "),
        (format!("clients ─▶ {host} "), "─▶ "),
        (format!("{host} "), "─▶ "),
    ];
    let [.., last] = &forms;
    let fits = |(begin, arrow): &&(String, &str)| {
        width(begin) + width(arrow) + end.width() <= usize::from(columns)
    };
    let (begin, arrow) = forms.iter().find(fits).unwrap_or(last);
    Line::from_iter([Span::raw(begin.clone()), Span::raw(*arrow), end])
}

/// What holds and what does not, apart from `Ready`, which the phase tells.
pub(super) fn notes(status: &Status, width: u16, style: Style) -> Vec<Line<'static>> {
    let columns = usize::from(width).saturating_sub(2);
    let told = status.conditions.iter().filter(|condition| condition.kind != "Ready");
    let most = if width >= WIDE { 2 } else { 1 };
    told.flat_map(|condition| note(condition, columns, most, style)).collect()
}

fn note(condition: &Condition, columns: usize, most: usize, style: Style) -> Vec<Line<'static>> {
    let text = match condition.message.as_str() {
        "" => format!("{}: {}", condition.kind, condition.reason),
        message => message.to_owned(),
    };
    let look = if condition.status == "True" { Modifier::DIM.into() } else { style.warn() };
    let lines = wrap(&text, columns, most).into_iter().enumerate();
    lines
        .map(|(index, line)| {
            let mark = if index == 0 { "• " } else { "  " };
            Line::from_iter([Span::raw(mark), Span::styled(line, look)])
        })
        .collect()
}

/// A line for each controller, and two at most for the error of one that fails.
pub(super) fn controllers(
    status: &Status,
    now: Timestamp,
    width: u16,
    style: Style,
) -> Vec<Line<'static>> {
    let columns = usize::from(width);
    let mut lines = Vec::new();
    for controller in &status.controllers {
        let succeeded = Span::styled(last_success(controller, now), Modifier::DIM);
        lines.push(apart(of_controller(controller, style), succeeded, columns));
        lines.extend(error(controller, columns, style));
    }
    lines
}

/// The controllers that work one behind the other, and a line for each that does not.
pub(super) fn controllers_together(
    status: &Status,
    now: Timestamp,
    width: u16,
    style: Style,
) -> Vec<Line<'static>> {
    let columns = usize::from(width);
    let (ready, failing): (Vec<_>, Vec<_>) =
        status.controllers.iter().partition(|controller| controller.ready);
    let mut lines: Vec<Line<'static>> = vec![Line::default()];
    for controller in ready {
        let mut cell = vec![of_controller(controller, style)];
        if let Some(at) = succeeded(controller) {
            cell.push(Span::styled(format!(" {}", age(at, now)), Modifier::DIM));
        }
        let cell_width: usize = cell.iter().map(Span::width).sum();
        let fits = lines.last().is_some_and(|line| line.width() + cell_width <= columns);
        if !fits {
            lines.push(Line::default());
        }
        if let Some(line) = lines.last_mut() {
            line.spans.extend(cell);
            line.spans.push(Span::raw("  "));
        }
    }
    lines.retain(|line| !line.spans.is_empty());
    for controller in failing {
        lines.push(Line::from(of_controller(controller, style)));
        lines.extend(error(controller, columns, style));
    }
    lines
}

fn of_controller(controller: &Controller, style: Style) -> Span<'static> {
    let (mark, look) = if controller.ready { ("✓", style.good()) } else { ("✗", style.bad()) };
    Span::styled(format!("{mark} {}", controller.name), look)
}

fn last_success(controller: &Controller, now: Timestamp) -> String {
    match succeeded(controller) {
        Some(at) => format!("well {} ago", age(at, now)),
        None if controller.ready => String::new(),
        None => "not ready".to_owned(),
    }
}

fn succeeded(controller: &Controller) -> Option<Timestamp> {
    controller.last_success.as_ref()?.parse().ok()
}

fn error(controller: &Controller, columns: usize, style: Style) -> Vec<Line<'static>> {
    let text = controller.last_error.as_deref().unwrap_or_default();
    let lines = wrap(text, columns.saturating_sub(2), 2).into_iter();
    lines.map(|line| Line::styled(format!("  {line}"), style.warn())).collect()
}

/// Above the changes.
pub(super) fn changes_title(seen: &Seen) -> String {
    format!("changes since {} UTC", clock(seen.since))
}

/// What changed, the newest first.
pub(super) fn changes(seen: &Seen, now: Timestamp, width: u16, style: Style) -> Vec<Line<'static>> {
    if seen.changes.is_empty() {
        return vec![Line::styled("none", Modifier::DIM)];
    }
    let columns = usize::from(width);
    let line = |(at, change): &(Timestamp, Change)| {
        let look = match change.tone() {
            Tone::Good => style.good(),
            Tone::Bad => style.bad(),
            Tone::Plain => ratatui::style::Style::new(),
        };
        let text = Span::styled(format!("{}  {change}", clock(*at)), look);
        apart(text, Span::styled(age(*at, now), Modifier::DIM), columns)
    };
    seen.changes.iter().map(line).collect()
}

/// The keys.
pub(super) fn footer() -> Line<'static> {
    Line::from_iter([
        Span::styled("q", Modifier::BOLD),
        Span::raw(" or "),
        Span::styled("Ctrl-C", Modifier::BOLD),
        Span::styled(" leave; the cluster goes on", Modifier::DIM),
    ])
}

/// The time of day, UTC: the one in which servers write their logs.
fn clock(at: Timestamp) -> String {
    at.strftime("%H:%M:%S").to_string()
}
