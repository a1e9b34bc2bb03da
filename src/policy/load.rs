use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::aggregates::{self, Aggregates};
use super::broadcasts;
use super::consents;
use super::contact::{self, ContactRules};
use super::derived_sensitivity;
use super::experiments::{self, Experiments};
use super::identity;
use super::interactions;
use super::mistake::{Findings, Mistakes};
use super::purposes;
use super::queues;
use super::read::{Document, TomlItem, TomlSource, TomlTable};
use super::retention;
use super::rules;
use super::symbols::Symbols;
use super::topics;
use super::weights;
use hashbrown::HashMap;

use super::advice::{self, PolicyUsage};
use super::{
    ActionDefinition, AutoEscalations, CompileError, Expression, Files, Index, NeedDefinition,
    Path, Policy, PreferenceRule, Template, Trigger,
};
use super::{actions, dissatisfaction};
use crate::config::limits;
use crate::event::language_tag;
use crate::language::Languages;

/// Compiles the files of a policy.
///
/// # Errors
/// All mistakes at once: unknown keys and names (with the nearest right ones), wrong types, missing keys,
/// expressions and texts that do not compile, duplicates, values out of range, and limits.
pub fn load(files: &Files) -> Result<Policy, Mistakes> {
    load_with(files, &Languages::embedded())
}

/// Compiles the files of a policy for customers who write these languages.
///
/// # Errors
/// As [`load`].
pub fn load_with(files: &Files, languages: &Arc<Languages>) -> Result<Policy, Mistakes> {
    let found = RefCell::new(Findings::default());
    let (own, arms) = files.by_arm();
    let mut reader = PolicyReader::default();
    reader.arms.extend(arms.keys().map(|arm| Box::from(*arm)));
    let mut policy = read(&own, languages, &found, &mut reader);
    let remarks = advice::advise(&policy, &own, &reader.noticed.borrow());
    found.borrow_mut().add_remarks(remarks);
    let experiments = reader.names.experiments;
    policy.version = files.version();
    policy.files = Arc::new(files.clone());
    let is_named = |arm: &str| {
        let mut named = policy.experiments.iter().flat_map(|known| &known.arms);
        named.any(|known| known.policy.as_deref() == Some(arm))
    };
    let mut governing = BTreeMap::new();
    for (arm, files) in &arms {
        if let Some((file, _)) = files.iter().next().filter(|_| !is_named(arm)) {
            found.borrow_mut().in_file(
                file,
                format!(
                    "no arm of an experiment lives under this policy: give one `policy = \"{arm}\"`, \
                     or take the folder out"
                ),
            );
        }
        let mut reader = PolicyReader { is_of_arm: true, ..PolicyReader::default() };
        reader.names.experiments.clone_from(&experiments);
        let mut other = read(files, languages, &found, &mut reader);
        // A version covers everything that a service uses.
        other.version = policy.version.clone();
        other.files = Arc::clone(&policy.files);
        other.experiments = Arc::clone(&policy.experiments);
        let remarks = advice::advise(&other, files, &reader.noticed.borrow());
        found.borrow_mut().add_remarks(remarks);
        governing.insert(Box::from(*arm), other);
    }
    policy.arms = governing;
    let mut found = found.into_inner();
    policy.remarks = found.remarks().into();
    found.finish()?;
    // Without a mistake every file was read.
    Ok(policy)
}

/// Where an expression or template is used, which determines what it may read.
#[derive(Clone, Copy)]
pub(super) enum ExpressionSite<'a> {
    /// In a rule with these triggers.
    Rule(&'a [Trigger]),
    /// In an action, which any input may cause.
    Action {
        /// The purposes for which it uses facts.
        uses: &'a [Box<str>],
        /// Whether sensitive data is excluded.
        discreet: bool,
    },
}

/// The state shared by the readers of all sections.
#[derive(Default)]
pub(super) struct PolicyReader {
    pub(super) names: Symbols,
    pub(super) languages: Vec<Box<str>>,
    /// The existing policies of arms.
    pub(super) arms: Vec<Box<str>>,
    /// Whether the policy is that of an arm.
    pub(super) is_of_arm: bool,
    pub(super) noticed: RefCell<PolicyUsage>,
}

impl PolicyReader {
    /// An expression that reads only existing names.
    pub(super) fn expression(
        &self,
        item: TomlItem<'_>,
        at: ExpressionSite<'_>,
    ) -> Option<Expression> {
        let expression = item.expression()?;
        self.check(item, expression.source(), expression.paths(), at);
        expression.remarks().iter().for_each(|remark| item.remark_inside(remark));
        Some(expression)
    }

    /// An expression with a numeric result; a plain number must be within the range.
    pub(super) fn range(
        &self,
        item: TomlItem<'_>,
        at: ExpressionSite<'_>,
        range: std::ops::RangeInclusive<f64>,
    ) -> Option<Expression> {
        if !item.is_text() {
            item.number(range)?;
        }
        self.expression(item, at)
    }

    /// A template that reads only existing names.
    pub(super) fn template(&self, item: TomlItem<'_>, at: ExpressionSite<'_>) -> Option<Template> {
        let template = item.template()?;
        self.check(item, template.source(), template.paths(), at);
        Some(template)
    }

    fn check(&self, item: TomlItem<'_>, source: &str, paths: &[Path], at: ExpressionSite<'_>) {
        for path in paths {
            self.noticed.borrow_mut().read(path, || item.place());
            let checked = match at {
                ExpressionSite::Rule(_) if path.root == super::Root::Need => {
                    Err("`need` is there only in actions".to_owned())
                }
                ExpressionSite::Rule(triggers) => self.names.check(path, triggers),
                ExpressionSite::Action { uses, discreet } => {
                    self.names.check(path, &[]).and_then(|()| self.names.fits(path, uses, discreet))
                }
            };
            if let Err(message) = checked {
                let offset = source.find(&path.to_string()).unwrap_or_else(|| {
                    let last = path.names().last().unwrap_or_default();
                    source.find(last).unwrap_or_default()
                });
                item.wrong_inside(&CompileError { offset, message });
            }
        }
    }
}

fn read(
    files: &Files,
    languages: &Arc<Languages>,
    found: &RefCell<Findings>,
    reader: &mut PolicyReader,
) -> Policy {
    let documents: Vec<Document<'_>> = files
        .iter()
        .filter_map(|(file, content)| TomlSource::new(file, content, found).parse())
        .collect();
    let tables: Vec<TomlTable<'_>> =
        documents.iter().filter_map(|document| document.root().table()).collect();

    tables.iter().for_each(|table| gather(table, &mut reader.names));
    if !reader.names.sensitive.is_empty() {
        let mut ways = Vec::new();
        tables.iter().for_each(|table| derived_sensitivity::gather(table, &mut ways));
        reader.names.made = derived_sensitivity::settle(&ways, &reader.names.sensitive);
    }
    if !reader.names.queues.is_empty() {
        reader.names.topics.extend([queues::PERSON, queues::DENIAL].map(str::to_owned));
    }
    let name = head(&tables, files, found, &mut reader.languages);

    let mut needs = Vec::new();
    let mut preferences = BTreeMap::new();
    let mut interactions = BTreeMap::new();
    let mut patterned = Vec::new();
    let mut spoken_of = topics::TopicDefinitions::default();
    let mut actions = Vec::new();
    let mut aggregate_list = Vec::new();
    let mut tried = Vec::new();
    let mut dissatisfied = None;
    let (mut context, mut queues, mut escalates) = (BTreeMap::new(), Vec::new(), None);
    let mut consents = BTreeMap::new();
    let mut indexed = Vec::new();
    let (mut contact, mut suitability, mut weighty) = (None, None, None);
    let (mut explore, mut features) = (None, None);
    let (mut erasure, mut retention, mut identified) = (None, None, None);
    for table in tables {
        read_needs(&table, &mut needs);
        read_preferences(&table, &mut preferences);
        interactions::read(&table, reader, &mut interactions);
        topics::read(&table, &reader.languages, &mut spoken_of);
        purposes::read_context(&table, &mut context);
        queues::read(&table, reader, &mut queues);
        queues::read_escalates(&table, reader, &mut escalates);
        consents::read(&table, reader, &mut consents);
        broadcasts::read(&table, reader, &mut indexed);
        aggregates::read(&table, reader, &mut aggregate_list);
        experiments::read(&table, reader, &mut tried);
        dissatisfaction::read(&table, reader, &mut dissatisfied);
        contact::read(&table, reader, &mut contact);
        weights::read_suitability(&table, &mut suitability);
        weights::read_weights(&table, reader, &mut weighty);
        weights::read_explore(&table, &mut explore);
        retention::read_erasure(&table, &mut erasure);
        retention::read_retention(&table, &mut retention);
        identity::read(&table, &mut identified);
        weights::read_features(&table, reader, &mut features);
        rules::read(&table, reader, &mut patterned);
        actions::read(&table, reader, &mut actions);
        table.finish();
    }
    let first = files.iter().next().map_or("", |(file, _)| file);
    let speech = topics::compile(
        &reader.names.topics,
        &spoken_of,
        &reader.languages,
        languages,
        first,
        found,
    );
    let treatments = actions.iter().map(|action: &ActionDefinition| action.treatments.len()).sum();
    let mut found = found.borrow_mut();
    for (what, count, most) in [
        ("needs", needs.len(), limits::POLICY_NEEDS),
        ("preferences", preferences.len(), limits::POLICY_NEEDS),
        ("interactions", interactions.len(), limits::POLICY_INTERACTIONS),
        ("rules", patterned.len(), limits::POLICY_RULES),
        ("actions", actions.len(), limits::POLICY_ACTIONS),
        ("treatments", treatments, limits::POLICY_TREATMENTS),
        ("windows, counters and activities", aggregate_list.len(), limits::POLICY_TALLIES),
        ("experiments", tried.len(), limits::POLICY_EXPERIMENTS),
    ] {
        if count > most {
            found.in_file(first, format!("expected at most {most} {what}, found {count}"));
        }
    }
    let escalates = escalates.unwrap_or_else(|| AutoEscalations::unsaid(reader));
    let index = Index::of(patterned.iter().map(|rule| rule.on.as_slice()));
    actions::tell_apart(&mut actions);
    let mut serving = vec![Vec::new(); needs.len()];
    let mut shown: BTreeMap<Box<str>, Vec<u32>> = BTreeMap::new();
    let mut by_name = HashMap::new();
    for (at, action) in (0u32..).zip(&actions) {
        action.serves.iter().for_each(|need| serving[*need].push(at));
        let places = action.placements.iter();
        places.for_each(|place| shown.entry(place.clone()).or_default().push(at));
        by_name.insert(Box::from(&*action.name), at);
    }
    let pending = actions.iter().map(|action| action.pending).max().unwrap_or_default();
    let shown_somewhere: Vec<u32> = (0u32..)
        .zip(&actions)
        .filter(|(_, action)| !action.placements.is_empty())
        .map(|(at, _)| at)
        .collect();
    let needs_by_name = (0..).zip(&needs).map(|(at, need)| (need.name.clone(), at)).collect();
    Policy {
        name,
        version: files.version(),
        files: Arc::default(),
        remarks: Box::default(),
        heard: std::mem::take(&mut reader.noticed.get_mut().heard).into(),
        languages: std::mem::take(&mut reader.languages).into(),
        needs: needs.into(),
        preferences,
        interactions,
        speech,
        actions: actions.into(),
        rules: patterned.into_iter().map(|patterned| patterned.rule).collect(),
        index,
        tallies: Aggregates::new(aggregate_list),
        experiments: Arc::new(Experiments::new(tried)),
        arms: BTreeMap::new(),
        dissatisfaction: dissatisfied,
        context,
        escalates,
        queues: queues.into(),
        consents,
        pending,
        contact: contact.map_or_else(ContactRules::unsaid, |(_, rules)| rules),
        suitability: suitability.map(|(_, said)| said).unwrap_or_default(),
        weights: weighty.map(|(_, said)| said).unwrap_or_default(),
        features: features.map(|(_, said)| said),
        explore: explore.map(|(_, said)| said),
        retention: retention.map(|(_, said)| said),
        erasure: erasure.map(|(_, said)| said).unwrap_or_default(),
        identity: identified.map(|(_, said)| said).unwrap_or_default(),
        serving: serving.into(),
        shown,
        shown_somewhere: shown_somewhere.into(),
        needs_by_name,
        by_name,
        indexed: indexed.into(),
    }
}

/// Collects the policy's definitions, without errors: those are reported when each section is read.
fn gather(table: &TomlTable<'_>, names: &mut Symbols) {
    let entries =
        |key| table.get(key).and_then(TomlItem::as_table).map_or(Vec::new(), |t| t.entries());
    for (name, _) in entries("needs") {
        if !names.needs.iter().any(|known| known == name.text()) {
            names.needs.push(name.text().to_owned());
        }
    }
    names.scopes.extend(broadcasts::gather(table));
    names.topics.extend(entries("topics").iter().map(|(key, _)| key.text().to_owned()));
    let keys = |key| entries(key).into_iter().map(|(key, _)| key.text().to_owned());
    names.preferences.extend(keys("preferences"));
    purposes::gather(table, &mut names.sensitive);
    queues::gather(table, &mut names.queues);
    names.dissatisfaction |= table.has("dissatisfaction");
    names.windows.extend(keys("windows"));
    names.counters.extend(keys("counters"));
    names.activities.extend(keys("activities"));
    names.experiments.extend(keys("experiments"));
    for action in table.get("actions").map_or(Vec::new(), TomlItem::as_list) {
        let name =
            action.as_table().and_then(|table| table.get("name")).and_then(TomlItem::as_text);
        names.actions.extend(name.map(str::to_owned));
    }
    names.acts.extend(interactions::resumes(table).into_iter().map(str::to_owned));
    names.acts.extend(consents::askers(table).into_iter().map(str::to_owned));
    let kinds = entries("interactions").into_iter().map(|(kind, _)| kind.text().to_owned());
    names.timers.extend(kinds.map(|kind| format!("{}{kind}", super::PAUSE_TIMER)));
    for rule in table.get("rules").map_or(Vec::new(), TomlItem::as_list) {
        let steps = rule.as_table().and_then(|table| table.get("then"));
        for step in steps.map_or(Vec::new(), TomlItem::as_list) {
            let Some(step) = step.as_table() else { continue };
            let text = |key| step.get(key).and_then(TomlItem::as_text).map(str::to_owned);
            names.timers.extend(text("start"));
            names.facts.extend(text("set"));
            names.acts.extend(text("act"));
        }
    }
}

/// The one `[policy]` table: the policy's name and its languages.
fn head(
    tables: &[TomlTable<'_>],
    files: &Files,
    found: &RefCell<Findings>,
    languages: &mut Vec<Box<str>>,
) -> Box<str> {
    let mut heads = tables.iter().filter_map(|table| table.get("policy"));
    let Some(item) = heads.next() else {
        let file = files.iter().next().map_or("", |(file, _)| file);
        if tables.len() == files.iter().len() {
            found.borrow_mut().in_file(
                file,
                "expected a table [policy] with name and languages in one of the files, found none",
            );
        }
        return "".into();
    };
    for other in heads {
        let first = item.place();
        other.wrong(format!("[policy] stands here again; it stands first in {first}"));
    }
    let Some(table) = item.table() else { return "".into() };
    let name = table.require("name").and_then(TomlItem::name).unwrap_or_default().into();
    let listed = table.require("languages").and_then(TomlItem::list);
    for language in listed.iter().flatten() {
        let Some(written) = language.name() else { continue };
        let tag = language_tag(written);
        if languages.iter().any(|known| **known == *tag) {
            language.wrong(format!("`{written}` stands here twice"));
        } else {
            languages.push(tag.into());
        }
    }
    if listed.is_some_and(|listed| listed.is_empty()) {
        table.wrong("expected at least one language, such as \"en\"");
    }
    table.finish();
    name
}

fn read_needs(table: &TomlTable<'_>, needs: &mut Vec<NeedDefinition>) {
    const EXPIRES: Duration = Duration::from_secs(30 * 86_400);
    let Some(all) = table.get("needs").and_then(TomlItem::table) else { return };
    for (key, item) in all.entries() {
        let (Some(name), Some(table)) = (key.name(), item.table()) else { continue };
        let describe = table.require("describe").and_then(TomlItem::text);
        let expires = table.get("expires").map_or(Some(EXPIRES), TomlItem::span);
        table.finish();
        if needs.iter().any(|known: &NeedDefinition| *known.name == *name) {
            key.wrong(format!("the need `{name}` stands here twice"));
        }
        needs.push(NeedDefinition {
            name: name.into(),
            describe: describe.unwrap_or_default().into(),
            expires: expires.unwrap_or(EXPIRES),
            place: key.place(),
        });
    }
}

fn read_preferences(table: &TomlTable<'_>, preferences: &mut BTreeMap<Box<str>, PreferenceRule>) {
    let Some(all) = table.get("preferences").and_then(TomlItem::table) else { return };
    for (key, item) in all.entries() {
        let (Some(name), Some(table)) = (key.name(), item.table()) else { continue };
        let evidence = table.get("evidence").map_or(Some(3), |item| item.whole(1..=1_000));
        let confidence = table.get("confidence").map_or(Some(0.6), |item| item.number(0.0..=1.0));
        let confidence = confidence.unwrap_or(0.6);
        // A value that is not certain enough to be used is not mentioned either.
        let say = table.get("say").and_then(|item| item.number(confidence..=1.0));
        let span = |key| table.get(key).and_then(TomlItem::span);
        let rule = PreferenceRule {
            evidence_min: evidence.unwrap_or(3),
            confidence_min: confidence,
            say_min: say.unwrap_or(confidence.max(0.7)),
            half_life: span("half_life").unwrap_or(PreferenceRule::HALF_LIFE),
            relearn_after: span("relearn_after").unwrap_or(PreferenceRule::RELEARN_AFTER),
            place: key.place(),
        };
        table.finish();
        if preferences.insert(name.into(), rule).is_some() {
            key.wrong(format!("the preference `{name}` stands here twice"));
        }
    }
}

#[cfg(test)]
mod tests;
