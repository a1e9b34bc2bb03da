//! The report as one self-contained HTML page with charts.

use std::fmt::Write as _;

use super::text::{change, many};
use super::{PRESSURE, Pair, RehearsalFigures, RehearsalReport};
use crate::terminal;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;\
padding:0 1rem;color:#1b1f24;background:#fff}h1{font-size:1.6rem}h2{font-size:1.15rem;\
margin-top:2.2rem}table{border-collapse:collapse;width:100%}td,th{text-align:right;padding:.25rem \
.6rem;border-bottom:1px solid #e4e7eb}td:first-child,th:first-child{text-align:left}svg{width:100%;\
height:auto}text{font:13px system-ui,sans-serif;fill:currentColor}.live{fill:#8a94a3}\
.other{fill:#2563eb}.faint{color:#667}@media(prefers-color-scheme:dark){body{color:#e6e9ee;\
background:#14171c}td,th{border-color:#2b313a}.faint{color:#99a}}";

/// The report as an HTML page.
pub fn html(report: &RehearsalReport) -> String {
    let mut page = String::new();
    // Writing to a string cannot fail.
    let _ = write!(
        page,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <title>Rehearsal: {other}</title><style>{STYLE}</style></head><body>\n\
         <h1>Rehearsal of {other}</h1>\n<p>{customers}, {inputs}{span}. \
         The live policy is <b>{live}</b>.</p>\n",
        other = escape(&report.other),
        live = escape(&report.live),
        customers = many(report.customers, "customer"),
        inputs = many(report.inputs, "input"),
        span = report.span.map_or(String::new(), |(from, to)| format!(", {from} to {to}")),
    );
    figures(&mut page, report);
    let counted = |counts: &std::collections::BTreeMap<Box<str>, Pair<u64>>| {
        counts
            .iter()
            .map(|(name, pair)| (name.to_string(), pair.live as f64, pair.other as f64))
            .collect::<Vec<_>>()
    };
    chart(&mut page, "Actions by issue", &counted(&report.issues));
    chart(&mut page, "Actions by channel", &counted(&report.channels));
    let pressure: Vec<_> = report
        .pressure
        .iter()
        .enumerate()
        .map(|(actions, pair)| {
            let more = if actions + 1 == PRESSURE { " or more" } else { "" };
            (format!("{actions}{more}"), pair.live as f64, pair.other as f64)
        })
        .collect();
    chart(&mut page, "Customers by how many actions they get", &pressure);
    if let Some(across) = &report.across {
        let worth = by_group(report, RehearsalFigures::worth);
        chart(&mut page, &format!("Value for each customer, by {across}"), &worth);
        let pressure = by_group(report, RehearsalFigures::pressure);
        chart(&mut page, &format!("Actions for each customer, by {across}"), &pressure);
    }
    page.push_str("</body></html>\n");
    page
}

/// The table of figures of all customers together.
fn figures(page: &mut String, report: &RehearsalReport) {
    let whole = &report.whole;
    let rows = [
        ("actions", whole.live.actions as f64, whole.other.actions as f64),
        ("actions for each customer", whole.live.pressure(), whole.other.pressure()),
        ("actions that sell", whole.live.sales as f64, whole.other.sales as f64),
        ("customers reached", whole.live.reached as f64, whole.other.reached as f64),
        ("escalations", whole.live.escalations as f64, whole.other.escalations as f64),
        ("value", whole.live.value, whole.other.value),
        ("value for each customer", whole.live.worth(), whole.other.worth()),
    ];
    page.push_str("<table><tr><th></th><th>live</th><th>other</th><th>change</th></tr>\n");
    for (title, live, other) in rows {
        let change = change(Pair { live, other });
        let [live, other] = [live, other].map(number);
        // Writing to a string cannot fail.
        let _ = writeln!(
            page,
            "<tr><td>{title}</td><td>{live}</td><td>{other}</td><td>{change}</td></tr>"
        );
    }
    let _ = writeln!(
        page,
        "</table>\n<p>Worth more to {} customers, less to {}.</p>",
        report.gain, report.lose
    );
}

/// One figure of each group of customers under both policies.
fn by_group(
    report: &RehearsalReport,
    figure: fn(&RehearsalFigures) -> f64,
) -> Vec<(String, f64, f64)> {
    report
        .groups
        .iter()
        .map(|(name, pair)| {
            let title = format!("{name} ({})", pair.live.customers);
            (title, figure(&pair.live), figure(&pair.other))
        })
        .collect()
}

/// Two bars for each row: the live policy above, the other below.
fn chart(page: &mut String, title: &str, rows: &[(String, f64, f64)]) {
    const ROW: usize = 44;
    const LEFT: f64 = 170.0;
    const WIDEST: f64 = 480.0;
    if rows.is_empty() {
        return;
    }
    let most = rows.iter().fold(0.0_f64, |most, (_, live, other)| most.max(*live).max(*other));
    let title = escape(title);
    let height = rows.len() * ROW;
    // Writing to a string cannot fail.
    let _ = writeln!(
        page,
        "<h2>{title}</h2>\n<svg viewBox=\"0 0 740 {height}\" role=\"img\" aria-label=\"{title}\">"
    );
    for (at, (name, live, other)) in rows.iter().enumerate() {
        let top = at * ROW;
        let _ = writeln!(
            page,
            "<text x=\"{x}\" y=\"{y}\" text-anchor=\"end\">{name}</text>",
            x = LEFT - 10.0,
            y = top + 24,
            name = escape(name),
        );
        for (class, value, offset) in [("live", live, 4), ("other", other, 20)] {
            let width = if most > 0.0 { value / most * WIDEST } else { 0.0 };
            let _ = writeln!(
                page,
                "<rect class=\"{class}\" x=\"{LEFT}\" y=\"{y}\" width=\"{width:.1}\" height=\"14\" \
                 rx=\"2\"/><text x=\"{x:.1}\" y=\"{text}\">{value}</text>",
                y = top + offset,
                x = LEFT + width + 6.0,
                text = top + offset + 12,
                value = number(*value),
            );
        }
    }
    page.push_str("</svg>\n<p class=\"faint\">grey: live, blue: the other policy</p>\n");
}

fn number(value: f64) -> String {
    if value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value:.3}") }
}

fn escape(text: &str) -> String {
    terminal::text(text)
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
