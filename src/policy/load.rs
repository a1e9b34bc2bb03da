use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::HashMap;

use super::advice;
use super::aggregates::{self, Aggregates, PatternedAggregate};
use super::contact::{self, ContactRules};
use super::experiments::{self, Experiments, PatternedExperiment};

use super::read::{Document, TomlItem, TomlSource, TomlTable};
use super::reader::PolicyReader;
use super::rules::{self, PatternedRule};
use super::symbols::Symbols;
use super::topics::{self, Speech, TopicDefinitions};
use super::{
    ActionDefinition, AutoEscalations, ConsentRule, DissatisfactionRule, ErasureRule, Explore,
    Expression, Files, GraveRules, IdentityRule, Index, InteractionRule, IssueWeights,
    NeedDefinition, Path, Policy, PreferenceRule, Queue, RetentionRule, SignalRule, SourceLocation,
    Suitability, Version,
};
use super::{
    actions, broadcasts, consents, derived_sensitivity, dissatisfaction, grave, head, identity,
    interactions, needs, purposes, queues, retention, weights,
};
use crate::config::{Findings, Mistakes, limits};
use crate::language::{GraveTopic, Languages};

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
    // An experiment with a mistake is left out, and may have named any.
    let are_read = policy.experiments.iter().count() == experiments.len();
    let mut governing = BTreeMap::new();
    for (arm, files) in &arms {
        if let Some((file, _)) = files.iter().next().filter(|_| are_read && !is_named(arm)) {
            found.borrow_mut().in_file(
                file,
                format!(
                    "no experiment arm uses this policy: give an arm `policy = \"{arm}\"`, or \
                     remove the folder"
                ),
            );
        }
        let mut reader = PolicyReader { is_of_arm: true, ..PolicyReader::default() };
        reader.names.experiments.clone_from(&experiments);
        let mut other = read(files, languages, &found, &mut reader);
        // A version covers everything that a service uses.
        other.version = policy.version.clone();
        other.files = Arc::clone(&policy.files);
        let remarks = advice::advise(&other, files, &reader.noticed.borrow());
        found.borrow_mut().add_remarks(remarks);
        other.experiments = Arc::clone(&policy.experiments);
        governing.insert(Box::from(*arm), other);
    }
    policy.arms = governing;
    let mut found = found.into_inner();
    policy.remarks = found.remarks().into();
    found.finish()?;
    // Without a mistake every file was read.
    Ok(policy)
}

/// Reads the files of one policy; beside mistakes, everything else is kept.
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
    gather_names(&tables, &mut reader.names);
    let name = head::read(&tables, files, found, &mut reader.languages);
    let mut sections = Sections::default();
    for table in tables {
        sections.read(&table, reader);
        table.finish();
    }
    let first = files.iter().next().map_or("", |(file, _)| file);
    let speech = topics::compile(
        &reader.names.topics,
        &sections.topics,
        &reader.languages,
        languages,
        first,
        found,
    );
    sections.check_counts(first, &mut found.borrow_mut());
    sections.compile(name, files.version(), speech, reader)
}

/// What was read of each section so far; a section may be spread over several files.
#[derive(Default)]
struct Sections {
    needs: Vec<NeedDefinition>,
    preferences: BTreeMap<Box<str>, PreferenceRule>,
    interactions: BTreeMap<Box<str>, InteractionRule>,
    rules: Vec<PatternedRule>,
    topics: TopicDefinitions,
    actions: Vec<ActionDefinition>,
    aggregates: Vec<PatternedAggregate>,
    experiments: Vec<PatternedExperiment>,
    dissatisfaction: Option<DissatisfactionRule>,
    context: BTreeMap<Box<str>, SignalRule>,
    queues: Vec<Queue>,
    escalates: Option<AutoEscalations>,
    grave: Option<GraveRules>,
    consents: BTreeMap<Box<str>, ConsentRule>,
    indexed: Vec<Path>,
    contact: Option<(SourceLocation, ContactRules)>,
    suitability: Option<(SourceLocation, Suitability)>,
    weights: Option<(SourceLocation, IssueWeights)>,
    explore: Option<(SourceLocation, Explore)>,
    features: Option<(SourceLocation, Box<[Expression]>)>,
    erasure: Option<(SourceLocation, ErasureRule)>,
    retention: Option<(SourceLocation, RetentionRule)>,
    identity: Option<(SourceLocation, IdentityRule)>,
}

impl Sections {
    /// Adds the sections of one file.
    fn read(&mut self, table: &TomlTable<'_>, reader: &PolicyReader) {
        needs::read_needs(table, &mut self.needs);
        needs::read_preferences(table, &mut self.preferences);
        interactions::read(table, reader, &mut self.interactions);
        topics::read(table, &reader.languages, &mut self.topics);
        purposes::read_context(table, &mut self.context);
        queues::read(table, reader, &mut self.queues);
        queues::read_escalates(table, reader, &mut self.escalates);
        grave::read(table, reader, &mut self.grave);
        consents::read(table, reader, &mut self.consents);
        broadcasts::read(table, reader, &mut self.indexed);
        aggregates::read(table, reader, &mut self.aggregates);
        experiments::read(table, reader, &mut self.experiments);
        dissatisfaction::read(table, reader, &mut self.dissatisfaction);
        contact::read(table, reader, &mut self.contact);
        weights::read_suitability(table, &mut self.suitability);
        weights::read_weights(table, reader, &mut self.weights);
        weights::read_explore(table, &mut self.explore);
        retention::read_erasure(table, &mut self.erasure);
        retention::read_retention(table, &mut self.retention);
        identity::read(table, &mut self.identity);
        weights::read_features(table, reader, &mut self.features);
        rules::read(table, reader, &mut self.rules);
        actions::read(table, reader, &mut self.actions);
    }

    /// Reports what is more than its limit.
    fn check_counts(&self, file: &str, found: &mut Findings) {
        let treatments = self.actions.iter().map(|action| action.treatments.len()).sum();
        for (what, count, most) in [
            ("needs", self.needs.len(), limits::POLICY_NEEDS),
            ("preferences", self.preferences.len(), limits::POLICY_NEEDS),
            ("interactions", self.interactions.len(), limits::POLICY_INTERACTIONS),
            ("rules", self.rules.len(), limits::POLICY_RULES),
            ("actions", self.actions.len(), limits::POLICY_ACTIONS),
            ("treatments", treatments, limits::POLICY_TREATMENTS),
            ("windows, counters and activities", self.aggregates.len(), limits::POLICY_AGGREGATES),
            ("experiments", self.experiments.len(), limits::POLICY_EXPERIMENTS),
        ] {
            if count > most {
                found.in_file(file, format!("expected at most {most} {what}, found {count}"));
            }
        }
    }

    /// The policy that they make.
    fn compile(
        mut self,
        name: Box<str>,
        version: Version,
        speech: Speech,
        reader: &mut PolicyReader,
    ) -> Policy {
        actions::set_arms(&mut self.actions);
        let Lookup { serving, shown, shown_somewhere, by_name } =
            Lookup::of(&self.actions, self.needs.len());
        let needs = (0..).zip(&self.needs);
        Policy {
            name,
            version,
            files: Arc::default(),
            remarks: Box::default(),
            heard: std::mem::take(&mut reader.noticed.get_mut().heard).into(),
            languages: std::mem::take(&mut reader.languages).into(),
            needs_by_name: needs.map(|(at, need)| (need.name.clone(), at)).collect(),
            needs: self.needs.into(),
            preferences: self.preferences,
            interactions: self.interactions,
            speech,
            pending: self.actions.iter().map(|action| action.pending).max().unwrap_or_default(),
            actions: self.actions.into(),
            index: Index::of(self.rules.iter().map(|rule| rule.on.as_slice())),
            rules: self.rules.into_iter().map(|patterned| patterned.rule).collect(),
            aggregates: Aggregates::new(self.aggregates),
            experiments: Arc::new(Experiments::new(self.experiments)),
            arms: BTreeMap::new(),
            dissatisfaction: self.dissatisfaction,
            context: self.context,
            escalates: self.escalates.unwrap_or_else(|| AutoEscalations::defaults(reader)),
            grave: self.grave.unwrap_or_else(|| GraveRules::defaults(reader)),
            queues: self.queues.into(),
            consents: self.consents,
            contact: self.contact.map_or_else(ContactRules::defaults, |(_, rules)| rules),
            suitability: self.suitability.map(|(_, value)| value).unwrap_or_default(),
            weights: self.weights.map(|(_, value)| value).unwrap_or_default(),
            features: self.features.map(|(_, value)| value),
            explore: self.explore.map(|(_, value)| value),
            retention: self.retention.map(|(_, value)| value),
            erasure: self.erasure.map(|(_, value)| value).unwrap_or_default(),
            identity: self.identity.map(|(_, value)| value).unwrap_or_default(),
            serving,
            shown,
            shown_somewhere,
            by_name,
            indexed: self.indexed.into(),
        }
    }
}

/// Where actions are found by what they are for.
struct Lookup {
    /// By need: the actions that serve it.
    serving: Box<[Vec<u32>]>,
    /// By placement: the actions that it can show.
    shown: BTreeMap<Box<str>, Vec<u32>>,
    /// The actions that some placement can show.
    shown_somewhere: Box<[u32]>,
    by_name: HashMap<Box<str>, u32>,
}

impl Lookup {
    fn of(actions: &[ActionDefinition], needs: usize) -> Lookup {
        let mut serving = vec![Vec::new(); needs];
        let mut shown: BTreeMap<Box<str>, Vec<u32>> = BTreeMap::new();
        let mut shown_somewhere = Vec::new();
        let mut by_name = HashMap::new();
        for (at, action) in (0u32..).zip(actions) {
            action.serves.iter().for_each(|need| serving[*need].push(at));
            let places = action.placements.iter();
            places.for_each(|place| shown.entry(place.clone()).or_default().push(at));
            if !action.placements.is_empty() {
                shown_somewhere.push(at);
            }
            by_name.insert(Box::from(&*action.name), at);
        }
        let shown_somewhere = shown_somewhere.into();
        Lookup { serving: serving.into(), shown, shown_somewhere, by_name }
    }
}

/// Collects the policy's definitions, without errors: those are reported when each section is read.
fn gather_names(tables: &[TomlTable<'_>], names: &mut Symbols) {
    tables.iter().for_each(|table| gather(table, names));
    if !names.sensitive.is_empty() {
        let mut ways = Vec::new();
        tables.iter().for_each(|table| derived_sensitivity::gather(table, &mut ways));
        names.made = derived_sensitivity::settle(&ways, &names.sensitive);
    }
    if !names.queues.is_empty() {
        names.topics.extend([queues::PERSON, queues::DENIAL].map(str::to_owned));
        names.topics.extend(GraveTopic::ALL.iter().map(|topic| topic.name().to_owned()));
    }
}

/// Collects the definitions of one file.
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
    for (key, item) in entries("experiments") {
        let arms = item.as_table().and_then(|table| table.get("arms")).and_then(TomlItem::as_table);
        let arms = arms.map_or(Vec::new(), |arms| arms.entries());
        let arms = arms.into_iter().map(|(arm, _)| arm.text().to_owned());
        names.experiments.entry(key.text().to_owned()).or_default().extend(arms);
    }
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

#[cfg(test)]
mod tests;
