//! Reads `[[actions]]`: what the company can do for the customer, and how it is presented.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::hint::hint;
use super::purposes;
use super::read::{TomlItem, TomlTable};
use super::reader::{ExpressionSite, PolicyReader};
use super::{Expression, Issue, Path, Root, SourceLocation, Template};
use crate::config::limits;
use crate::event::{Channel, Map, language_tag};
use crate::models::{Arm, ArmParts};

/// The definition of an action: something the company can do for the customer.
#[derive(Debug)]
pub struct ActionDefinition {
    /// Its name; records of decisions share it.
    pub name: Arc<str>,
    /// Positions in [`Policy::needs`](super::Policy::needs) of the needs that it serves.
    pub serves: Box<[usize]>,
    /// The issue it belongs to.
    pub issue: Issue,
    /// The purpose whose consent it needs; none: it needs none.
    pub purpose: Option<Box<str>>,
    /// The purposes for which it uses facts: its purpose or its issue, and `sales` if it sells.
    pub uses: Box<[Box<str>]>,
    /// The placements in which it may be shown.
    pub placements: Box<[Box<str>]>,
    /// The condition of eligibility; none: every customer is eligible.
    pub eligible: Option<Expression>,
    /// The condition of applicability; none: it is always applicable.
    pub when: Option<Expression>,
    /// The condition of suitability; none: it is always suitable.
    pub suitable: Option<Expression>,
    /// Its value, 0 to 1.
    pub value: Worth,
    /// The prior probability of acceptance; none: unknown.
    pub propensity: Option<PriorPropensity>,
    /// The lever that people set for or against it, 0.1 to 10.
    pub lever: f64,
    /// Whether it must be sent: limits and quiet hours do not apply to it.
    pub vital: bool,
    /// Its cooldown after it was taken.
    pub cooldown: Duration,
    /// It counts as ignored after this time without an outcome; none: only if a channel says so.
    pub ignored_after: Option<Duration>,
    /// It can be recalled for this long, unless it has been seen.
    pub pending: Duration,
    /// Data for the integrator, by name.
    pub data: Box<[(Box<str>, Expression)]>,
    /// Its treatments, best first.
    pub treatments: Box<[Treatment]>,
    /// Its location.
    pub place: SourceLocation,
}

impl ActionDefinition {
    /// The event paths that it reads (except the time), which are no longer available in a later decision
    /// without that event. Empty: it depends only on the twin's state.
    pub fn of_event(&self) -> impl Iterator<Item = &Path> {
        let worth = match &self.value {
            Worth::Of(value) => Some(value),
            Worth::Fixed(_) => None,
        };
        let asked = [&self.eligible, &self.when, &self.suitable].into_iter().flatten().chain(worth);
        let treatments = self.treatments.iter().flat_map(|treatment| {
            let texts = treatment.texts.values().map(Template::paths);
            treatment.when.iter().map(Expression::paths).chain(texts)
        });
        let data = self.data.iter().map(|(_, value)| value.paths());
        let read = asked.map(Expression::paths).chain(treatments).chain(data).flatten();
        read.filter(|path| path.root == Root::Event && path.names().next() != Some("time"))
    }
}

/// The value of an action.
#[derive(Debug)]
pub enum Worth {
    /// A fixed value.
    Fixed(f64),
    /// The result of this expression, clamped to 0 to 1.
    Of(Expression),
}

/// The prior probability that a customer accepts an action.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PriorPropensity {
    /// The probability, above 0 and below 1.
    pub expected: f64,
    /// Its weight in observations.
    pub weight: f64,
}

/// How an action is presented.
#[derive(Debug)]
pub struct Treatment {
    /// Its name, unique within the action; records of decisions share it.
    pub name: Arc<str>,
    /// The channel.
    pub channel: Box<str>,
    /// The only placement for which it is made; none: any.
    pub placement: Option<Box<str>>,
    /// The tone: `neutral`, `gentle`, `direct`, `urgent`…
    pub tone: Box<str>,
    /// Creative attributes for the channel: an image, a colour…
    pub variant: Map,
    /// The condition; none: always.
    pub when: Option<Expression>,
    /// Whether sensitive data is excluded from it, even if the purpose allows it.
    pub discreet: bool,
    /// The arm by which the models know it.
    pub arm: Arm,
    /// The texts, by language tag.
    pub texts: BTreeMap<Box<str>, Template>,
    /// Its location.
    pub place: SourceLocation,
}

/// The time for which an action can be recalled, if the policy gives none.
const PENDING: Duration = Duration::from_secs(86_400);
/// The cooldown of an action, if the policy gives none.
const COOLDOWN: Duration = Duration::from_secs(86_400);

pub(super) fn read(
    table: &TomlTable<'_>,
    reader: &PolicyReader,
    actions: &mut Vec<ActionDefinition>,
) {
    for item in table.get("actions").and_then(TomlItem::list).unwrap_or_default() {
        let Some(table) = item.table() else { continue };
        let name = table.require("name").and_then(TomlItem::name).unwrap_or_default();
        if actions.iter().any(|known| *known.name == *name) {
            table.wrong(format!("the action `{name}` is defined twice"));
        }
        actions.push(action(&table, name, reader));
        table.finish();
    }
}

fn action(table: &TomlTable<'_>, name: &str, reader: &PolicyReader) -> ActionDefinition {
    let issue = table.require("issue").and_then(Issue::read).unwrap_or(Issue::Service);
    let purpose: Option<Box<str>> = table.get("purpose").and_then(TomlItem::name).map(Into::into);
    let uses = purposes::uses(purpose.as_deref(), issue);
    let serves = serves(table, name, &uses, reader);
    let situation = ExpressionSite::Action { uses: &uses, discreet: false };
    let value = table.require("value").and_then(|item| worth(item, reader, situation));
    let condition =
        |key| table.get(key).and_then(|item: TomlItem<'_>| reader.expression(item, situation));
    let placements = table.get("placements").map_or(Vec::new(), TomlItem::list_or_one);
    if placements.len() > limits::PLACEMENTS {
        let (most, found) = (limits::PLACEMENTS, placements.len());
        table.wrong(format!("expected at most {most} placements, found {found}"));
    }
    let span = |key| table.get(key).and_then(TomlItem::span);
    let cooldown = table.get("cooldown").map_or(Some(COOLDOWN), TomlItem::span).unwrap_or(COOLDOWN);
    let data = table.get("data").and_then(TomlItem::table);
    let data = data.map_or(Vec::new(), |table| data_of(&table, reader, situation));
    let treatments = treatments(table, name, &uses, reader);
    let [eligible, when, suitable] = ["eligible", "when", "suitable"].map(condition);
    ActionDefinition {
        name: name.into(),
        serves,
        issue,
        purpose,
        eligible,
        when,
        suitable,
        placements: placements.into_iter().filter_map(|item| Some(item.name()?.into())).collect(),
        value: value.unwrap_or(Worth::Fixed(0.0)),
        propensity: table.get("propensity").and_then(expected),
        lever: table.get("lever").and_then(|item| item.number(0.1..=10.0)).unwrap_or(1.0),
        vital: table.get("vital").and_then(TomlItem::truth).unwrap_or(false),
        cooldown,
        ignored_after: span("ignored_after").filter(|span| !span.is_zero()),
        pending: span("pending").unwrap_or(PENDING),
        data: data.into(),
        treatments: treatments.into(),
        place: table.place(),
        uses,
    }
}

/// The values that go with an action, by name.
fn data_of(
    table: &TomlTable<'_>,
    reader: &PolicyReader,
    situation: ExpressionSite<'_>,
) -> Vec<(Box<str>, Expression)> {
    let entries = table.entries();
    if entries.len() > limits::ACTION_DATA {
        let (most, found) = (limits::ACTION_DATA, entries.len());
        table.wrong(format!("expected at most {most} values in this table, found {found}"));
    }
    entries
        .into_iter()
        .filter_map(|(key, item)| {
            let expression = reader.expression(item, situation);
            Some((key.name()?.into(), expression?))
        })
        .collect()
}

/// The treatments of the action `name`.
fn treatments(
    table: &TomlTable<'_>,
    name: &str,
    uses: &[Box<str>],
    reader: &PolicyReader,
) -> Vec<Treatment> {
    let listed = table.require("treatments").and_then(TomlItem::list);
    if listed.as_ref().is_some_and(Vec::is_empty) {
        table.wrong(format!("expected at least one treatment of `{name}`, found none"));
    }
    let listed = listed.unwrap_or_default();
    if listed.len() > limits::RULE_STEPS {
        let (most, found) = (limits::RULE_STEPS, listed.len());
        table.wrong(format!("expected at most {most} treatments, found {found}"));
    }
    let mut treatments: Vec<Treatment> = Vec::new();
    for item in listed {
        let Some(table) = item.table() else { continue };
        let treatment = treatment(&table, reader, uses);
        if treatments.iter().any(|known| known.name == treatment.name) {
            let name = &treatment.name;
            table.wrong(format!("the treatment `{name}` is defined twice; give each a `name`"));
        }
        treatments.push(treatment);
        table.finish();
    }
    treatments
}

/// The models' arms of all treatments: what distinguishes them, and what they have in common.
pub(super) fn set_arms(actions: &mut [ActionDefinition]) {
    let parts: Vec<ArmParts<'_>> = actions
        .iter()
        .flat_map(|action| action.treatments.iter().map(|treatment| parts(action, treatment)))
        .collect();
    let mut arms = Arm::all(&parts).into_iter();
    let treatments = actions.iter_mut().flat_map(|action| &mut action.treatments);
    treatments.zip(&mut arms).for_each(|(treatment, arm)| treatment.arm = arm);
}

fn parts<'a>(action: &'a ActionDefinition, treatment: &'a Treatment) -> ArmParts<'a> {
    ArmParts {
        action: &action.name,
        treatment: &treatment.name,
        issue: action.issue.name(),
        channel: &treatment.channel,
        tone: &treatment.tone,
    }
}

/// The prior propensity: a number, or a number with its weight in observations.
fn expected(item: TomlItem<'_>) -> Option<PriorPropensity> {
    const WEIGHT: f64 = 10.0;
    let between = |item: TomlItem<'_>| item.number(0.0001..=0.9999);
    let Some(table) = item.as_table() else {
        return Some(PriorPropensity { expected: between(item)?, weight: WEIGHT });
    };
    let expected = table.require("expected").and_then(between);
    let weight = table.get("weight").map_or(Some(WEIGHT), |item| item.number(0.0..=1e6));
    table.finish();
    Some(PriorPropensity { expected: expected?, weight: weight? })
}

/// A value: a plain number, or an expression.
fn worth(
    item: TomlItem<'_>,
    reader: &PolicyReader,
    situation: ExpressionSite<'_>,
) -> Option<Worth> {
    if item.is_text() {
        return reader.expression(item, situation).map(Worth::Of);
    }
    item.number(0.0..=1.0).map(Worth::Fixed)
}

fn serves(
    table: &TomlTable<'_>,
    name: &str,
    uses: &[Box<str>],
    reader: &PolicyReader,
) -> Box<[usize]> {
    let Some(item) = table.get("serves") else {
        if !reader.names.acts.contains(name) && !table.has("placements") {
            table.wrong(format!(
                "nothing can choose the action `{name}`: expected `serves` with its needs, or a \
                 rule with the step {{ act = \"{name}\" }}, or an interaction with resume = \
                 \"{name}\", or `placements` where channels request it, found none"
            ));
        }
        return [].into();
    };
    item.list_or_one()
        .into_iter()
        .filter_map(|item| {
            let need = item.name()?;
            let position = reader.names.need(need);
            let found = position.and_then(|at| reader.names.may_serve(need, uses).map(|()| at));
            found.map_err(|message| item.wrong(message)).ok()
        })
        .collect()
}

fn treatment(table: &TomlTable<'_>, reader: &PolicyReader, uses: &[Box<str>]) -> Treatment {
    let channel = table.require("channel").and_then(|item| {
        let channel = item.name()?;
        Channel::new(channel).map_err(|message| item.wrong(message)).ok()?;
        Some(channel)
    });
    let channel = channel.unwrap_or_default();
    let name = table.get("name").map_or(Some(channel), TomlItem::name).unwrap_or(channel);
    let tone = table.get("tone").map_or(Some("neutral"), TomlItem::name).unwrap_or("neutral");
    let discreet = table.get("discreet").and_then(TomlItem::truth).unwrap_or(false);
    let condition = ExpressionSite::Action { uses, discreet: false };
    let when = table.get("when").and_then(|item| reader.expression(item, condition));
    let variant =
        table.get("variant").and_then(TomlItem::table).map_or(Map::default(), |variant| {
            let entries = variant.entries();
            if entries.len() > limits::ACTION_DATA {
                let (most, found) = (limits::ACTION_DATA, entries.len());
                variant
                    .wrong(format!("expected at most {most} values in this table, found {found}"));
            }
            entries
                .into_iter()
                .filter_map(|(key, item)| Some((key.name()?, item.value())))
                .collect()
        });
    let mut texts = BTreeMap::new();
    if let Some(all) = table.require("text").and_then(TomlItem::table) {
        for (language, item) in all.entries() {
            let written = language.text();
            let tag = language_tag(written);
            if !reader.languages.iter().any(|known| **known == *tag) {
                let mut hint = hint(&tag, reader.languages.iter().map(|known| &**known));
                if hint.is_empty() {
                    hint = "; add it to `languages` in [policy]".to_owned();
                }
                language
                    .wrong(format!("expected a language of the policy, found `{written}`{hint}"));
            } else if texts.contains_key(&*tag) {
                language.wrong(format!("the text in `{written}` is defined twice"));
            }
            if let Some(text) = reader.template(item, ExpressionSite::Action { uses, discreet }) {
                texts.insert(tag.into(), text);
            }
        }
        if let Some(first) = reader.languages.first()
            && !all.keys().any(|written| language_tag(written) == **first)
        {
            all.wrong(format!(
                "expected a text in `{first}`, the policy's first language, found none"
            ));
        }
    }
    let parts = ArmParts { action: "", treatment: name, issue: "", channel, tone };
    Treatment {
        name: name.into(),
        // Set once all treatments are read.
        arm: Arm::new(parts),
        channel: channel.into(),
        placement: table.get("placement").and_then(TomlItem::name).map(Into::into),
        tone: tone.into(),
        variant,
        when,
        discreet,
        texts,
        place: table.place(),
    }
}
