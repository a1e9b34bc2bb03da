//! The forecast for one customer.

use comfy_table::Color;
use jumeau::event::Time;
use jumeau::twin::Forecast;

use super::quantity::distance;
use super::sheet::Cell;
use super::twin::{bar, faint};

/// The forecast of one activity.
pub(super) fn forecast(known: &Forecast, now: Time) -> Vec<Cell> {
    let Forecast { name, times, last, alive, next_days, expected_28d, trend } = known;
    let course = match *trend {
        trend if trend < -0.1 => "↘ worth less of late",
        trend if trend > 0.1 => "↗ worth more of late",
        _ => "→ worth as ever",
    };
    let color = if *alive < 0.5 { Color::Red } else { Color::Green };
    vec![
        Cell::new(name),
        bar(*alive).fg(color),
        Cell::new(format!("{expected_28d:.1} in 28 days")),
        Cell::new(course),
        faint(format!(
            "{times}×, last {}; next expected in {} if still active",
            distance(now, *last),
            days(*next_days)
        )),
    ]
}

fn days(days: f64) -> String {
    let rounded = if days < 10.0 { (days * 10.0).round() / 10.0 } else { days.round() };
    format!("{rounded} days")
}
