//! Reads `[suitability]`, `[weights]`, `[explore]` and `[learn]`: when sales are unsuitable, the weight
//! of each issue, exploration, and the model features.

use super::read::{TomlItem, TomlTable};
use super::reader::{ExpressionSite, PolicyReader};
use super::{Expression, Issue, SourceLocation};
use crate::config::limits;

/// When sales are unsuitable. In distress neither sales nor nurture are suitable for a customer; while a
/// matter is open, sales are not.
#[derive(Debug, Clone, PartialEq)]
pub struct Suitability {
    /// A sentiment below this is distress, −1 to 1.
    pub level: f64,
    /// A dissatisfaction above this is distress, 0 to 1.
    pub dissatisfaction: f64,
    /// An urgency above this is distress, 0 to 1.
    pub urgency: f64,
    /// Whether an open case counts as an open matter.
    pub cases: bool,
    /// Whether an open escalation counts as an open matter.
    pub escalations: bool,
}

impl Default for Suitability {
    fn default() -> Suitability {
        Suitability {
            level: -0.3,
            dissatisfaction: 0.5,
            urgency: 0.7,
            cases: true,
            escalations: true,
        }
    }
}

/// The weight of each issue.
#[derive(Debug, Default)]
pub struct IssueWeights([Option<(Expression, SourceLocation)>; Issue::ALL.len()]);

impl IssueWeights {
    /// The maximum weight.
    pub const MAX: f64 = 10.0;

    /// The weight of an issue, 0 to [`IssueWeights::MAX`], and its location; none: 1.
    pub fn of(&self, issue: Issue) -> Option<(&Expression, &SourceLocation)> {
        self.0[issue as usize].as_ref().map(|(weight, place)| (weight, place))
    }
}

/// Exploration. If a policy enables it, propensities are drawn and not just expected, so that
/// little-known actions are tried.
#[derive(Debug, Clone, PartialEq)]
pub struct Explore {
    /// The share of decisions (0 to 1) that may choose a little-known action although a well-known one is
    /// available.
    pub reach: f64,
    /// The number of observations after which an action is well known.
    pub mature: u32,
    /// The share of decisions that chance alone makes; none: no decision.
    pub random: Option<RandomChoice>,
}

/// A share of decisions in which the actions of some issues compete by chance alone.
#[derive(Debug, Clone, PartialEq)]
pub struct RandomChoice {
    /// The share, 0 to [`RandomChoice::MAX`].
    pub share: f64,
    /// The issues.
    pub issues: Box<[Issue]>,
}

impl RandomChoice {
    /// The greatest share.
    pub const MAX: f64 = 0.2;
}

pub(super) fn read_suitability(
    table: &TomlTable<'_>,
    known: &mut Option<(SourceLocation, Suitability)>,
) {
    let Some((item, table)) = once(table, "suitability", known.as_ref().map(|(place, _)| place))
    else {
        return;
    };
    let defaults = Suitability::default();
    let number = |key, otherwise: f64, least: f64| {
        let item = table.get(key);
        item.map_or(Some(otherwise), |item: TomlItem<'_>| item.number(least..=1.0))
            .unwrap_or(otherwise)
    };
    let truth = |key| table.get(key).and_then(TomlItem::truth).unwrap_or(true);
    let suitability = Suitability {
        level: number("level", defaults.level, -1.0),
        dissatisfaction: number("dissatisfaction", defaults.dissatisfaction, 0.0),
        urgency: number("urgency", defaults.urgency, 0.0),
        cases: truth("cases"),
        escalations: truth("escalations"),
    };
    table.finish();
    *known = Some((item.place(), suitability));
}

pub(super) fn read_weights(
    table: &TomlTable<'_>,
    reader: &PolicyReader,
    known: &mut Option<(SourceLocation, IssueWeights)>,
) {
    let Some((item, table)) = once(table, "weights", known.as_ref().map(|(place, _)| place)) else {
        return;
    };
    let mut weights = IssueWeights::default();
    for &issue in Issue::ALL {
        let uses = [Box::from(issue.name())];
        let situation = ExpressionSite::Action { uses: &uses, discreet: false };
        let weight = table.get(issue.name()).and_then(|item| {
            Some((reader.range(item, situation, 0.0..=IssueWeights::MAX)?, item.place()))
        });
        weights.0[issue as usize] = weight;
    }
    table.finish();
    *known = Some((item.place(), weights));
}

pub(super) fn read_explore(table: &TomlTable<'_>, known: &mut Option<(SourceLocation, Explore)>) {
    let Some((item, table)) = once(table, "explore", known.as_ref().map(|(place, _)| place)) else {
        return;
    };
    let reach = table.get("reach").map_or(Some(0.02), |item| item.number(0.0..=1.0));
    let mature = table.get("mature").map_or(Some(200), |item| item.whole(0..=1_000_000));
    let random = table.get("random").and_then(random);
    table.finish();
    let explore = Explore { reach: reach.unwrap_or(1.0), mature: mature.unwrap_or(0), random };
    *known = Some((item.place(), explore));
}

fn random(item: TomlItem<'_>) -> Option<RandomChoice> {
    let table = item.table()?;
    let share = table.require("share").and_then(|item| item.number(0.0..=RandomChoice::MAX));
    let issues = table.require("issues").map(TomlItem::list_or_one);
    let issues = issues.into_iter().flatten().filter_map(Issue::read).collect();
    table.finish();
    Some(RandomChoice { share: share?, issues })
}

/// Reads the model features that distinguish customers and situations.
pub(super) fn read_features(
    table: &TomlTable<'_>,
    reader: &PolicyReader,
    known: &mut Option<(SourceLocation, Box<[Expression]>)>,
) {
    let Some((item, table)) = once(table, "learn", known.as_ref().map(|(place, _)| place)) else {
        return;
    };
    let listed = table.require("features").and_then(TomlItem::list).unwrap_or_default();
    if listed.len() > limits::POLICY_FEATURES {
        let (most, found) = (limits::POLICY_FEATURES, listed.len());
        table.wrong(format!("expected at most {most} features, found {found}"));
    }
    // Models do not learn from sensitive data.
    let situation = ExpressionSite::Action { uses: &[], discreet: true };
    let features = listed.into_iter().filter_map(|item| reader.expression(item, situation));
    *known = Some((item.place(), features.collect()));
    table.finish();
}

pub(super) fn once<'a>(
    table: &TomlTable<'a>,
    key: &'static str,
    first: Option<&SourceLocation>,
) -> Option<(TomlItem<'a>, TomlTable<'a>)> {
    let item = table.get(key)?;
    if let Some(first) = first {
        item.wrong(format!("[{key}] is defined twice; first in {first}"));
    }
    Some((item, item.table()?))
}
