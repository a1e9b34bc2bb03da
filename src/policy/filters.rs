//! What templates print: values as the template engine sees them, times and numbers.

use std::collections::BTreeMap;

use chrono::format::{Item, StrftimeItems};
use minijinja::{ErrorKind, Value as Rendered};

use super::Found;
use crate::event::{Map, Moment, Value, Zone};

pub(super) fn rendered(found: &Found<'_>) -> Rendered {
    match *found {
        Found::Missing => Rendered::UNDEFINED,
        Found::Value(value) => shown_value(value),
        Found::Map(map) => shown_map(map),
        Found::Text(text) => shown_text(text),
        Found::Bool(value) => Rendered::from(value),
        Found::Int(value) => Rendered::from(value),
        Found::UInt(value) => Rendered::from(value),
        Found::Float(value) => Rendered::from(value),
        Found::Time(time) => Rendered::from(time.to_string()),
        Found::Span(span) => Rendered::from(humantime::format_duration(span).to_string()),
    }
}

fn shown_value(value: &Value) -> Rendered {
    match value {
        Value::Null => Rendered::UNDEFINED,
        Value::Bool(value) => Rendered::from(*value),
        Value::Int(value) => Rendered::from(*value),
        Value::UInt(value) => Rendered::from(*value),
        Value::Float(value) => Rendered::from(*value),
        Value::Text(text) => shown_text(text),
        Value::List(items) => items.iter().map(shown_value).collect(),
        Value::Map(map) => shown_map(map),
    }
}

fn shown_text(text: &str) -> Rendered {
    if is_nothing(text) { Rendered::UNDEFINED } else { Rendered::from(text) }
}

/// Whether a text is empty or blank: forms send fields that nobody filled in like that.
pub(super) fn is_nothing(text: &str) -> bool {
    text.trim().is_empty()
}

fn shown_map(map: &Map) -> Rendered {
    Rendered::from(
        map.iter()
            .map(|(name, value)| (name.to_owned(), shown_value(value)))
            .collect::<BTreeMap<_, _>>(),
    )
}

/// A time in a pattern of strftime; without one, the day as 2026-03-05. It is shown by its own clock, if
/// it has one, else in `zone`.
pub(super) fn date(
    moment: &str,
    pattern: Option<&str>,
    zone: Zone,
) -> Result<String, minijinja::Error> {
    let refused = |detail: String| minijinja::Error::new(ErrorKind::InvalidOperation, detail);
    let nothing = || {
        refused(format!(
            "date: expected a time such as 2026-11-22T09:30:00Z, found `{}`",
            crate::event::cut(moment, 64)
        ))
    };
    let time = Moment::parse(moment).ok_or_else(nothing)?;
    let pattern = pattern.unwrap_or("%Y-%m-%d");
    let items: Vec<Item<'_>> = StrftimeItems::new(pattern).collect();
    if items.contains(&Item::Error) {
        return Err(refused(format!(
            "date: expected a pattern such as %d.%m.%Y, found `{pattern}`"
        )));
    }
    time.format(zone, &items).ok_or_else(nothing)
}

/// An integer with so many decimals, as [`decimals`] writes them: it is exact, however large.
pub(super) fn decimals_of_whole(
    whole: i128,
    digits: Option<u32>,
    separator: Option<&str>,
) -> String {
    match digits.unwrap_or(2).min(9) as usize {
        0 => whole.to_string(),
        digits => format!("{whole}{}{:0<digits$}", separator.unwrap_or("."), ""),
    }
}

/// A number with exactly so many decimals (default: two), after a separator (default: a point).
pub(super) fn decimals(number: f64, digits: Option<u32>, separator: Option<&str>) -> String {
    let digits = digits.unwrap_or(2).min(9);
    let scale = 10i64.pow(digits);
    let scaled = (number * scale as f64).round();
    // Beyond the integers that a float represents exactly, digits have no meaning.
    if scaled.abs() >= EXACT_MAX {
        return format!("{number:.0}");
    }
    let scaled = scaled as i64;
    let sign = if scaled < 0 { "-" } else { "" };
    let (whole, rest) = (scaled.abs() / scale, scaled.abs() % scale);
    if digits == 0 {
        return format!("{sign}{whole}");
    }
    let separator = separator.unwrap_or(".");
    format!("{sign}{whole}{separator}{rest:0width$}", width = digits as usize)
}

const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
