//! Figures as tables for people.

use std::fmt::Write as _;

use comfy_table::{Cell, CellAlignment, LineStyle, Table, presets};

use crate::bench::{BenchReport, Run, SyncFigures};
use crate::decide::{self, Took};
use crate::latency::Latency;
use crate::trouble::{Outcome, Phase};

/// `1234567` as `1,234,567`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The figures of a bench.
pub(crate) fn bench(report: &BenchReport) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "{} events of 300 bytes about {} customers, on {} processors; durable commits\n",
        count(report.events),
        count(report.customers),
        report.processors,
    );
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY.row_separator(LineStyle::none()));
    let mut header = vec![String::new()];
    header.extend(report.figures.iter().map(|one| format!("broker sync: {}", one.sync)));
    table.set_header(header);
    let mut row = |title: &str, figure: &dyn Fn(&SyncFigures) -> String| {
        let mut cells = vec![Cell::new(title)];
        let figures = report.figures.iter().map(figure);
        cells.extend(figures.map(|cell| Cell::new(cell).set_alignment(CellAlignment::Right)));
        table.add_row(cells);
    };
    let pace = |run: &Run| format!("{} events/s", count(run.events_per_second.round() as u64));
    row("(a) bare bus", &|one| pace(&one.bare));
    row("(b) service", &|one| pace(&one.service));
    row("(c) ratio b/a", &|one| format!("{:.2}", one.ratio));
    row("events for each action", &|one| format!("{:.2}", one.events_per_action));
    row("events for each commit", &|one| format!("{:.0}", one.events_per_commit));
    let cpu = |one: &Run| format!("{:.1} + {:.1} s", one.broker_cpu, one.own_cpu);
    row("processor time for a million events, broker + bare client", &|one| cpu(&one.bare));
    row("processor time for a million events, broker + service", &|one| cpu(&one.service));
    let latency = |one: &SyncFigures, figure: fn(&Latency) -> f64| match &one.latency {
        Some(latency) => format!("{:.2} ms", figure(latency)),
        None => String::new(),
    };
    if report.figures.iter().any(|one| one.latency.is_some()) {
        row("publish to action at a tenth of (b)", &|one| match &one.latency {
            Some(latency) if latency.actions == latency.expected => {
                format!("{} events/s", count(latency.events_per_second.round() as u64))
            }
            Some(latency) => format!(
                "only {} of {} actions came",
                count(latency.actions),
                count(latency.expected)
            ),
            None => String::new(),
        });
        row("  p50", &|one| latency(one, |latency| latency.p50_ms));
        row("  p99", &|one| latency(one, |latency| latency.p99_ms));
        row("  p99.9", &|one| latency(one, |latency| latency.p999_ms));
        row("  most", &|one| latency(one, |latency| latency.max_ms));
    }
    let _ = writeln!(text, "{table}");
    text
}

/// The figures of decide requests, one line for each rate.
pub(crate) fn decide(report: &decide::DecideReport) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "decisions among {} actions and {} treatments for {} customers, on {} processors\n",
        count(report.actions.into()),
        count(report.treatments.into()),
        count(report.customers),
        report.processors,
    );
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY.row_separator(LineStyle::none()));
    let header = ["", "requests/s", "", "p50", "p99", "most", "p99 / echo"];
    table.set_header(header.map(|title| Cell::new(title).set_alignment(CellAlignment::Right)));
    for one in &report.figures {
        let mut row = |who: &str, rate: &str, what: &str, took: &Took, ratio: String| {
            let lost = took.requests - took.answers;
            let what = match lost {
                0 => what.to_owned(),
                lost => format!("{what}, {} unanswered", count(lost)),
            };
            let ms = |figure: f64| format!("{figure:.2} ms");
            let figures = [ms(took.p50_ms), ms(took.p99_ms), ms(took.max_ms), ratio];
            let words = [who.to_owned(), rate.to_owned(), what].into_iter().map(Cell::new);
            let figures = figures.into_iter().map(Cell::new);
            table.add_row(words.chain(figures).enumerate().map(|(at, cell)| match at {
                0 | 2 => cell,
                _ => cell.set_alignment(CellAlignment::Right),
            }));
        };
        row("", &count(one.rate.into()), "echo", &one.echo, String::new());
        let ratio = format!("{:.2}", one.decide.p99_ms / one.echo.p99_ms);
        row(&one.answers, "", "decide", &one.decide, ratio);
    }
    let _ = writeln!(text, "{table}");
    text
}

/// The result of one trouble.
pub(crate) fn trouble(outcome: &Outcome) -> String {
    let Outcome { trouble, done, noticed, remarks } = outcome;
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{}: {done}", trouble.name());
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY.row_separator(LineStyle::none()));
    let header = ["the others", "actions", "p50", "p99", "most"];
    table.set_header(header);
    for (name, phase) in ["before", "during", "after"].into_iter().zip(&noticed.phases) {
        let Phase { actions, p50_ms, p99_ms, max_ms } = *phase;
        let figures = [count(actions), ms(p50_ms), ms(p99_ms), ms(max_ms)];
        let figures = figures.map(|cell| Cell::new(cell).set_alignment(CellAlignment::Right));
        table.add_row([Cell::new(name)].into_iter().chain(figures));
    }
    let _ = writeln!(text, "{table}");
    let _ = writeln!(
        text,
        "  of {} events: {} actions lost, {} doubled; as before {:.1} s after the end",
        count(noticed.events),
        count(noticed.lost),
        count(noticed.doubled),
        noticed.recovery_seconds
    );
    for line in remarks {
        let _ = writeln!(text, "  {line}");
    }
    text.push('\n');
    text
}

/// Milliseconds, or seconds for large values.
fn ms(figure: f64) -> String {
    if figure < 1_000.0 { format!("{figure:.1} ms") } else { format!("{:.1} s", figure / 1_000.0) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trouble::{Noticed, Trouble};

    #[test]
    fn a_load_report_is_shown_as_text() {
        let figures = |sync, scale: f64, latency| SyncFigures {
            sync,
            bare: Run { events_per_second: 174_000.0 * scale, broker_cpu: 5.1, own_cpu: 4.9 },
            service: Run { events_per_second: 91_500.0 * scale, broker_cpu: 6.0, own_cpu: 13.25 },
            ratio: 0.526,
            events_per_action: 5.0,
            events_per_commit: 812.4,
            latency,
        };
        let latency = Latency {
            events_per_second: 9_150.0,
            expected: 27_450,
            actions: 27_450,
            p50_ms: 1.2,
            p99_ms: 4.56,
            p999_ms: 9.9,
            max_ms: 14.0,
        };
        let report = BenchReport {
            events: 1_000_000,
            customers: 100_000,
            processors: 2,
            figures: vec![figures("default", 1.0, Some(latency)), figures("always", 0.2, None)],
        };
        let text = bench(&report);
        let trimmed: Vec<&str> = text.lines().map(str::trim_end).collect();
        insta::assert_snapshot!(trimmed.join("\n"), @r#"
        1,000,000 events of 300 bytes about 100,000 customers, on 2 processors; durable commits

        ────────────────────────────────────────────────────────────────────────────────────────────────────────
                                                                     broker sync: default   broker sync: always
        ════════════════════════════════════════════════════════════════════════════════════════════════════════
         (a) bare bus                                                    174,000 events/s       34,800 events/s
         (b) service                                                      91,500 events/s       18,300 events/s
         (c) ratio b/a                                                               0.53                  0.53
         events for each action                                                      5.00                  5.00
         events for each commit                                                       812                   812
         processor time for a million events, broker + bare client            5.1 + 4.9 s           5.1 + 4.9 s
         processor time for a million events, broker + service               6.0 + 13.2 s          6.0 + 13.2 s
         publish to action at a tenth of (b)                               9,150 events/s
           p50                                                                    1.20 ms
           p99                                                                    4.56 ms
           p99.9                                                                  9.90 ms
           most                                                                  14.00 ms
        ────────────────────────────────────────────────────────────────────────────────────────────────────────
        "#);
    }

    #[test]
    fn a_trouble_report_is_shown_as_text() {
        let phase = |actions, p99_ms, max_ms| Phase { actions, p50_ms: 2.25, p99_ms, max_ms };
        let outcome = Outcome {
            trouble: Trouble::Broker,
            done: "the broker was killed, and came back after 60s".into(),
            noticed: Noticed {
                events: 40_000,
                lost: 0,
                doubled: 0,
                phases: [
                    phase(1_000, 9.5, 12.0),
                    phase(6_000, 60_100.0, 60_500.0),
                    phase(1_000, 11.0, 700.0),
                ],
                recovery_seconds: 0.72,
            },
            remarks: vec!["broker gone 1 times, 60.1 s in all".into()],
        };
        let text = trouble(&outcome);
        let trimmed: Vec<&str> = text.lines().map(str::trim_end).collect();
        insta::assert_snapshot!(trimmed.join("\n"), @r#"
        broker: the broker was killed, and came back after 60s
        ────────────────────────────────────────────────────
         the others   actions   p50      p99       most
        ════════════════════════════════════════════════════
         before         1,000   2.2 ms    9.5 ms    12.0 ms
         during         6,000   2.2 ms    60.1 s     60.5 s
         after          1,000   2.2 ms   11.0 ms   700.0 ms
        ────────────────────────────────────────────────────
          of 40,000 events: 0 actions lost, 0 doubled; as before 0.7 s after the end
          broker gone 1 times, 60.1 s in all
        "#);
    }
}
