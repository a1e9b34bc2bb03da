//! The terminal view of a desk.

use std::borrow::Cow;
use std::time::Duration;

use jumeau::api::{ListedEscalation, OfferedAction};
use jumeau::event::Time;
use jumeau::terminal;
use jumeau::twin::EscalationState;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style, Stylize};
use ratatui::text::{Line, Text};
use ratatui::widgets::{Block, Cell, Paragraph, Row, Table, TableState};

use crate::desk::{Desk, Notice};
use crate::page::{lay_out, wrapped};

/// The minimum number of columns for list and brief side by side.
const WIDE: u16 = 130;
/// Rows of the list above the brief, its frame included.
const LIST_ROWS: u16 = 8;
/// The same with few open escalations.
const LIST_ROWS_MIN: u16 = 5;
/// Maximum lines of the foot.
const FOOT_ROWS: usize = 3;

const KEYS: [(&str, &str); 8] = [
    ("↑↓", "choose"),
    ("c", "claim"),
    ("n", "next"),
    ("s", "said"),
    ("w", "write"),
    ("b", "hand back"),
    ("r", "resolve"),
    ("q", "quit"),
];

/// Draws the desk.
pub(crate) fn draw(frame: &mut Frame<'_>, desk: &mut Desk) {
    let area = frame.area();
    let foot = foot(desk, usize::from(area.width));
    let rows = u16::try_from(foot.height()).unwrap_or(u16::MAX);
    let [body, input, help] =
        Layout::vertical([Constraint::Min(3), Constraint::Length(rows), Constraint::Length(1)])
            .areas(area);
    let [left, right] = if area.width >= WIDE {
        let parts = [Constraint::Percentage(45), Constraint::Percentage(55)];
        Layout::horizontal(parts).areas(body)
    } else {
        let waits = desk.list.as_ref().map_or(0, Vec::len);
        let rows = u16::try_from(waits).unwrap_or(u16::MAX).saturating_add(2);
        let most = rows.clamp(LIST_ROWS_MIN, LIST_ROWS).min(body.height / 2);
        Layout::vertical([Constraint::Length(most), Constraint::Min(0)]).areas(body)
    };
    list(frame, desk, left);
    story(frame, desk, right);
    frame.render_widget(foot, input);
    frame.render_widget(keys(desk), help);
    disarm(frame);
}

/// Escapes everything drawn: untrusted text cannot control the terminal.
fn disarm(frame: &mut Frame<'_>) {
    for cell in &mut frame.buffer_mut().content {
        if let Cow::Owned(harmless) = terminal::line(cell.symbol()) {
            cell.set_symbol(&harmless);
        }
    }
}

fn list(frame: &mut Frame<'_>, desk: &Desk, area: Rect) {
    let queues =
        if desk.queues.is_empty() { "all queues".to_owned() } else { desk.queues.join(", ") };
    let waits = match (&desk.list, desk.found) {
        (None, _) => "…".to_owned(),
        (_, 0) => "nobody waits".to_owned(),
        (_, 1) => "1 waits".to_owned(),
        (_, found) => format!("{found} wait"),
    };
    let mut block = Block::bordered().title(format!(" {} · {queues} · {waits} ", desk.agent));
    if !desk.is_up {
        block =
            block.title_bottom(Line::from(" disconnected from the broker; reconnecting ").red());
    }
    let Some(list) = desk.list.as_ref().filter(|list| !list.is_empty()) else {
        let text = if desk.list.is_some() { "No open escalations." } else { "" };
        return frame.render_widget(Paragraph::new(text).block(block), area);
    };
    let rows = list.iter().map(|one| row(desk, one));
    let widths = [
        Constraint::Length(5),
        Constraint::Length(11),
        Constraint::Fill(3),
        Constraint::Fill(4),
        Constraint::Fill(3),
    ];
    let table = Table::new(rows, widths)
        .block(block)
        .row_highlight_style(Style::new().reversed())
        .highlight_symbol("▸ ")
        .column_spacing(2);
    let mut state = TableState::new().with_selected(Some(desk.at));
    frame.render_stateful_widget(table, area, &mut state);
}

fn row(desk: &Desk, one: &ListedEscalation) -> Row<'static> {
    let ListedEscalation { customer, waiting } = one;
    let due = waiting.due.map_or_else(String::new, |due| distance(desk.now, due));
    let is_late = waiting.due.is_some_and(|due| due < desk.now);
    let state = match (&waiting.agent, waiting.state) {
        _ if desk.is_mine(one) => Cell::from("yours").green(),
        (Some(agent), EscalationState::Claimed) => Cell::from(format!("held by {agent}")).dim(),
        (_, state) => Cell::from(state.name()),
    };
    Row::new([
        Cell::from("!".repeat(waiting.priority.into())).yellow(),
        if is_late { Cell::from(due).red() } else { Cell::from(due) },
        Cell::from(customer.to_string()),
        Cell::from(format!("{}/{}", waiting.queue, waiting.topic)),
        state,
    ])
}

/// The distance of a due time: `in 12 min`, `12 min late`.
fn distance(now: Time, due: Time) -> String {
    let span = |span: Duration| match span.as_secs() {
        secs if secs < 60 => format!("{secs} s"),
        secs if secs < 2 * 3_600 => format!("{} min", secs / 60),
        secs if secs < 48 * 3_600 => format!("{} h", secs / 3_600),
        secs => format!("{} d", secs / 86_400),
    };
    if due < now {
        format!("{} late", span(now.since(due)))
    } else {
        format!("in {}", span(due.since(now)))
    }
}

fn story(frame: &mut Frame<'_>, desk: &mut Desk, area: Rect) {
    let (width, height) = (area.width.saturating_sub(2), area.height.saturating_sub(2));
    let (width, height) = (usize::from(width), usize::from(height));
    let mut block = Block::bordered();
    let mut lines = Vec::new();
    if let Some(shown) = desk.story() {
        let known = &shown.escalation;
        let stands = match (&known.agent, known.state) {
            (Some(agent), EscalationState::Claimed) => format!("held by {agent}"),
            (_, state) => state.name().to_owned(),
        };
        block = block
            .title(format!(" {} · {}/{} · {stands} ", shown.customer, known.queue, known.topic));
        lines.extend(offers(desk.offers(), width));
        lines.extend(lay_out(&shown.text, width));
    } else if desk.selected().is_some() {
        lines.push(Line::from("…"));
    }
    desk.scroll = desk.scroll.min(lines.len().saturating_sub(height));
    let below = lines.len().saturating_sub(desk.scroll + height);
    if below > 0 {
        block = block.title_bottom(Line::from(format!(" PgDn: {below} more ")).right_aligned());
    }
    let shown: Vec<Line<'_>> = lines.into_iter().skip(desk.scroll).take(height).collect();
    frame.render_widget(Paragraph::new(shown).block(block), area);
}

/// The next steps, best first.
fn offers(offers: &[OfferedAction], width: usize) -> Vec<Line<'static>> {
    let mut lines: Vec<Line<'static>> = Vec::new();
    for offer in offers {
        let text = format!("▸ {}: “{}”", offer.action, offer.text.replace('\n', " "));
        lines.extend(wrapped(&text, width).into_iter().map(|line| Line::from(line).cyan()));
    }
    if !offers.is_empty() {
        let keys = "  y they took the first one   x they did not";
        lines.extend([Line::from(keys).dim(), Line::default()]);
    }
    lines
}

/// The input line, or the last result.
fn foot(desk: &Desk, width: usize) -> Text<'static> {
    let (text, style) = match (&desk.line, &desk.notice) {
        (Some(line), _) => (
            format!("{}: {} {}▏", line.about.customer, line.typing.asks(), line.words),
            Style::new().bold(),
        ),
        (None, Some(Notice::Good(text))) => (text.clone(), Style::new().green()),
        (None, Some(Notice::Bad(text))) => (text.clone(), Style::new().fg(Color::Red)),
        (None, None) => return Text::default(),
    };
    let mut lines = wrapped(&text, width);
    // Of an input line the end is shown, of a result the beginning.
    if desk.line.is_some() {
        lines.drain(..lines.len().saturating_sub(FOOT_ROWS));
    }
    lines.truncate(FOOT_ROWS);
    Text::from_iter(lines).style(style)
}

/// The help for the keys.
fn keys(desk: &Desk) -> Line<'static> {
    if desk.line.is_some() {
        return Line::from("Enter done  Esc never mind").dim();
    }
    let keys = KEYS.map(|(key, what)| format!("{key} {what}"));
    Line::from(keys.join("  ")).dim()
}

#[cfg(test)]
mod tests;
