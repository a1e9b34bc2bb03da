//! Reads `[[actions]]`: what the company can do for the customer, and how it is presented.

use std::collections::BTreeMap;
use std::time::Duration;

use super::mistake::hint;
use super::purposes;
use super::read::{TomlItem, TomlTable};
use super::reader::{ExpressionSite, PolicyReader};
use super::symbols::one_of;
use super::{ActionDefinition, Issue, PriorPropensity, Treatment, Worth};
use crate::config::limits;
use crate::event::{Channel, Map, language_tag};
use crate::models::{Arm, ArmParts};

/// Every issue, in the order of their positions.
pub(super) const ISSUES: [Issue; 4] =
    [Issue::Service, Issue::Retention, Issue::Nurture, Issue::Sales];

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
    let issue = table.require("issue").and_then(issue).unwrap_or(Issue::Service);
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
    let data = table.get("data").and_then(TomlItem::table).map_or(Vec::new(), |data| {
        let entries = data.entries();
        if entries.len() > limits::ACTION_DATA {
            let (most, found) = (limits::ACTION_DATA, entries.len());
            data.wrong(format!("expected at most {most} values, found {found}"));
        }
        entries
            .into_iter()
            .filter_map(|(key, item)| {
                let expression = reader.expression(item, situation);
                Some((key.name()?.into(), expression?))
            })
            .collect()
    });
    let listed = table.require("treatments").and_then(TomlItem::list);
    if listed.as_ref().is_some_and(Vec::is_empty) {
        table.wrong(format!("expected at least one treatment of `{name}`"));
    }
    let listed = listed.unwrap_or_default();
    if listed.len() > limits::RULE_STEPS {
        let (most, found) = (limits::RULE_STEPS, listed.len());
        table.wrong(format!("expected at most {most} treatments, found {found}"));
    }
    let mut treatments: Vec<Treatment> = Vec::new();
    for item in listed {
        let Some(table) = item.table() else { continue };
        let treatment = treatment(&table, reader, &uses);
        if treatments.iter().any(|known| known.name == treatment.name) {
            let name = &treatment.name;
            table.wrong(format!("the treatment `{name}` is defined twice; give each a `name`"));
        }
        treatments.push(treatment);
        table.finish();
    }
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

/// The models' arms of all treatments: what distinguishes them, and what they have in common.
pub(super) fn tell_apart(actions: &mut [ActionDefinition]) {
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
                "expected `serves` with the needs that `{name}` serves, or a rule with the step \
                 {{ act = \"{name}\" }}, or an interaction with resume = \"{name}\", or \
                 `placements` where a channel may request it, found none: it could never be chosen"
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

pub(super) fn issue(item: TomlItem<'_>) -> Option<Issue> {
    let word = item.text()?;
    let known = ISSUES.into_iter().find(|issue| issue.name() == word);
    if let (None, Err(message)) = (known, one_of(word, &ISSUES.map(Issue::name), "issue")) {
        item.wrong(message);
    }
    known
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
                variant.wrong(format!("expected at most {most} values, found {found}"));
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
                let hint = hint(&tag, reader.languages.iter().map(|known| &**known));
                language.wrong(format!("`{written}` is not a language of the policy{hint}"));
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
            all.wrong(format!("expected a text in `{first}`, the policy's first language"));
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
