//! The report for a terminal.

use std::fmt::Write as _;

use super::{PRESSURE, Pair, RehearsalFigures, RehearsalReport};
use crate::event::unsigned_zero;
use crate::terminal;

/// A report as text for a terminal.
pub fn text(report: &RehearsalReport) -> String {
    let mut text = String::new();
    let mut line = |words: std::fmt::Arguments<'_>| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{words}");
    };
    let RehearsalReport { customers, inputs, live, other, whole, .. } = report;
    line(format_args!("{}, {}", many(*customers, "customer"), many(*inputs, "input")));
    if let Some((from, to)) = report.span {
        line(format_args!("from {from} to {to}"));
    }
    line(format_args!("live   {live}\nother  {other}\n"));
    line(format_args!("{:<28}{:>12}{:>12}{:>12}", "", "live", "other", "change"));
    let mut row = |title: &str, pair: Pair<f64>, digits: usize| {
        line(format_args!(
            "{title:<28}{:>12.digits$}{:>12.digits$}{:>12}",
            pair.live,
            pair.other,
            change(pair)
        ));
    };
    let of = |figure: fn(&RehearsalFigures) -> f64| Pair {
        live: figure(&whole.live),
        other: figure(&whole.other),
    };
    row("actions", of(|one| one.actions as f64), 0);
    row("  for each customer", of(RehearsalFigures::pressure), 2);
    row("  that sell", of(|one| one.sales as f64), 0);
    row("customers reached", of(|one| one.reached as f64), 0);
    row("escalations", of(|one| one.escalations as f64), 0);
    row("value", of(|one| one.value), 1);
    row("  for each customer", of(RehearsalFigures::worth), 3);
    for (title, counts) in [("by issue", &report.issues), ("by channel", &report.channels)] {
        if !counts.is_empty() {
            row(title, Pair { live: f64::NAN, other: f64::NAN }, 0);
        }
        for (name, pair) in counts {
            row(&format!("  {name}"), numbers(*pair), 0);
        }
    }
    row("customers by actions", Pair { live: f64::NAN, other: f64::NAN }, 0);
    for (actions, pair) in report.pressure.iter().enumerate() {
        let more = if actions + 1 == PRESSURE { " or more" } else { "" };
        row(&format!("  {actions}{more}"), numbers(*pair), 0);
    }
    if let Some(across) = &report.across {
        row(&format!("value by {across}"), Pair { live: f64::NAN, other: f64::NAN }, 0);
        for (group, pair) in &report.groups {
            // A customer may have chosen the value.
            let title = format!("  {} ({})", terminal::line(group), pair.live.customers);
            row(&title, Pair { live: pair.live.worth(), other: pair.other.worth() }, 3);
        }
    }
    let even = customers - report.gain - report.lose;
    line(format_args!(
        "\nworth more to {}, less to {}, the same to {even}",
        many(report.gain, "customer"),
        report.lose
    ));
    text.replace("         NaN", "            ").lines().map(trimmed).collect()
}

pub(super) fn many(number: u64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

fn trimmed(line: &str) -> String {
    format!("{}\n", line.trim_end())
}

fn numbers(pair: Pair<u64>) -> Pair<f64> {
    Pair { live: pair.live as f64, other: pair.other as f64 }
}

/// The relative change from the live to the other policy.
pub(super) fn change(pair: Pair<f64>) -> String {
    if pair.live.is_nan() || pair.live == pair.other {
        String::new()
    } else if pair.live == 0.0 {
        "new".to_owned()
    } else {
        format!("{:+.0}%", unsigned_zero((pair.other / pair.live - 1.0) * 100.0, 0))
    }
}
