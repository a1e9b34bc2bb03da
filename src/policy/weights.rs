//! Reads `[suitability]`, `[weights]`, `[explore]` and `[learn]`: when it is no time to sell, how much
//! each issue weighs, how far what is new may be tried, and by what customers are told apart.

use super::actions::ISSUES;
use super::load::{ExpressionSite, PolicyReader};
use super::read::{TomlItem, TomlTable};
use super::{Expression, Issue, SourceLocation};
use crate::config::limits;

/// When it is no time to sell. In distress neither sales nor nurture are good for a customer; while
/// something is open, sales are not.
#[derive(Debug, Clone, PartialEq)]
pub struct Suitability {
    /// A sentiment below this is distress, −1 to 1.
    pub level: f64,
    /// A dissatisfaction above this is distress, 0 to 1.
    pub dissatisfaction: f64,
    /// An urgency above this is distress, 0 to 1.
    pub urgency: f64,
    /// An open case is something open.
    pub cases: bool,
    /// A case that people were handed is something open.
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

/// How much each issue weighs.
#[derive(Debug, Default)]
pub struct IssueWeights([Option<(Expression, SourceLocation)>; ISSUES.len()]);

impl IssueWeights {
    /// The greatest weight.
    pub const MAX: f64 = 10.0;

    /// The weight of an issue, 0 to [`IssueWeights::MAX`], and where it stands; none: 1.
    pub fn of(&self, issue: Issue) -> Option<(&Expression, &SourceLocation)> {
        self.0[issue as usize].as_ref().map(|(weight, place)| (weight, place))
    }
}

/// How far what is new may be tried. Where a policy has this, propensities are drawn and not just
/// expected: what is not well known gets its chance.
#[derive(Debug, Clone, PartialEq)]
pub struct Explore {
    /// The share of decisions, 0 to 1, in which an action may be taken of which little is known,
    /// while there is another.
    pub reach: f64,
    /// Once it has been observed so often, an action is well known.
    pub mature: u32,
}

pub(super) fn read_suitability(
    table: &TomlTable<'_>,
    known: &mut Option<(SourceLocation, Suitability)>,
) {
    let Some((item, table)) = once(table, "suitability", known.as_ref().map(|(place, _)| place))
    else {
        return;
    };
    let unsaid = Suitability::default();
    let number = |key, otherwise: f64, least: f64| {
        let item = table.get(key);
        item.map_or(Some(otherwise), |item: TomlItem<'_>| item.number(least..=1.0))
            .unwrap_or(otherwise)
    };
    let truth = |key| table.get(key).and_then(TomlItem::truth).unwrap_or(true);
    let suitability = Suitability {
        level: number("level", unsaid.level, -1.0),
        dissatisfaction: number("dissatisfaction", unsaid.dissatisfaction, 0.0),
        urgency: number("urgency", unsaid.urgency, 0.0),
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
    for issue in ISSUES {
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
    table.finish();
    let explore = Explore { reach: reach.unwrap_or(1.0), mature: mature.unwrap_or(0) };
    *known = Some((item.place(), explore));
}

/// Reads what tells customers and moments apart, for the models.
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
    // Nothing sensitive is learned from.
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
        item.wrong(format!("[{key}] stands here again; it stands first in {first}"));
    }
    Some((item, item.table()?))
}
