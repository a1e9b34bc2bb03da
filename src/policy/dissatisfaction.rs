//! Reads `[dissatisfaction]`: what makes a customer of this company dissatisfied, and the weights.

use std::time::Duration;

use super::read::{TomlItem, TomlTable};
use super::reader::{ExpressionSite, PolicyReader};
use super::{Expression, Path, Root, SourceLocation};

/// How dissatisfaction is computed: four parts of 0 to 1, each with a weight, which is the maximum that
/// part alone can reach.
#[derive(Debug)]
pub struct DissatisfactionRule {
    /// The customer's mood, −1 to 1; none: from their messages.
    pub mood: Option<Expression>,
    /// The weight of a bad mood, 0 to 1.
    pub sentiment: f64,
    /// The weight of a repeated problem, 0 to 1.
    pub repetition: f64,
    /// The weight of open cases, 0 to 1.
    pub open: f64,
    /// The weight of late answers, 0 to 1.
    pub late: f64,
    /// The period within which a problem counts as repeated.
    pub period: Duration,
    /// The delay at which lateness is one half.
    pub patience: Duration,
    /// The alarm threshold: when the index reaches it, the rules on `dissatisfaction` run, once.
    pub alarm: f64,
    /// The calm threshold: once the index has been below it, they can run again; at most `alarm`.
    pub calm: f64,
    /// Its location.
    pub place: SourceLocation,
}

const PERIOD: Duration = Duration::from_secs(30 * 86_400);
const DEFAULT_PATIENCE: Duration = Duration::from_secs(2 * 86_400);
const ALARM: f64 = 0.5;
/// With a threshold of zero, every customer would be alarming.
const ALARM_MIN: f64 = 0.01;
/// The default of `calm`, as a share of `alarm`, so that an index that varies slightly around the
/// threshold triggers once.
const CALM_SHARE: f64 = 0.8;

pub(super) fn read(
    table: &TomlTable<'_>,
    reader: &PolicyReader,
    known: &mut Option<DissatisfactionRule>,
) {
    let Some(item) = table.get("dissatisfaction") else { return };
    let Some(table) = item.table() else { return };
    if let Some(known) = known {
        let first = &known.place;
        item.wrong(format!("[dissatisfaction] is defined twice; first in {first}"));
    }
    let share = |key, otherwise| {
        table.get(key).map_or(Some(otherwise), |item: TomlItem<'_>| item.number(0.0..=1.0))
    };
    let span = |key, otherwise| table.get(key).map_or(Some(otherwise), TomlItem::period);
    let alarm = table.get("alarm").map_or(Some(ALARM), |item| item.number(ALARM_MIN..=1.0));
    let alarm = alarm.unwrap_or(ALARM);
    let calm = table.get("calm").map_or(Some(alarm * CALM_SHARE), |item| item.number(0.0..=alarm));
    let rule = DissatisfactionRule {
        mood: table.get("mood").and_then(|item| mood(item, reader)),
        sentiment: share("sentiment", 0.4).unwrap_or(0.0),
        repetition: share("repetition", 0.4).unwrap_or(0.0),
        open: share("open", 0.2).unwrap_or(0.0),
        late: share("late", 0.5).unwrap_or(0.0),
        period: span("period", PERIOD).unwrap_or(PERIOD),
        patience: span("patience", DEFAULT_PATIENCE).unwrap_or(DEFAULT_PATIENCE),
        alarm,
        calm: calm.unwrap_or(alarm),
        place: item.place(),
    };
    table.finish();
    *known = Some(rule);
}

/// The mood is evaluated at any time, whatever the input.
fn mood(item: TomlItem<'_>, reader: &PolicyReader) -> Option<Expression> {
    let mood = reader.expression(item, ExpressionSite::Rule(&[]))?;
    let reads = |root| mood.paths().iter().any(|path: &Path| path.root == root);
    if reads(Root::Event) || reads(Root::Shared) || reads(Root::Dissatisfaction) {
        item.wrong(
            "expected a mood that can be evaluated at any time, found one that reads `event`, \
             `shared` or `dissatisfaction`",
        );
        return None;
    }
    Some(mood)
}
