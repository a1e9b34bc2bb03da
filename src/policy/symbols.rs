//! The names that a policy defines, and the check that its expressions use only those.

use std::collections::{BTreeMap, BTreeSet};

use super::derived_sensitivity::{DerivedName, DerivedSensitivity};
use super::hint::{hint, one_of};
use super::{ActivityMetric, Path, Purposes, Root, Trigger};
use crate::event::{EventType, is_same_name};

/// The properties of a queue that are collected before it is read.
#[derive(Debug, Default)]
pub(super) struct KnownQueue {
    pub(super) purpose: Box<str>,
    pub(super) skills: Vec<Box<str>>,
    pub(super) next: Option<Box<str>>,
}

/// The names that a policy defines anywhere, collected before the parts that use them are read.
#[derive(Debug, Default)]
pub(super) struct Symbols {
    pub(super) needs: Vec<String>,
    pub(super) preferences: BTreeSet<String>,
    pub(super) actions: Vec<String>,
    pub(super) timers: BTreeSet<String>,
    pub(super) facts: BTreeSet<String>,
    pub(super) topics: BTreeSet<String>,
    /// Scopes of broadcasts; empty: the policy does not list them.
    pub(super) scopes: BTreeSet<String>,
    /// Sensitive signals with their purposes, if the policy gives them.
    pub(super) sensitive: BTreeMap<String, Option<Purposes>>,
    /// The values that the policy derives only from those.
    pub(super) made: BTreeMap<DerivedName, DerivedSensitivity>,
    /// Whether the policy defines dissatisfaction.
    pub(super) dissatisfaction: bool,
    pub(super) windows: BTreeSet<String>,
    /// The experiments, each with the names of its arms; none: they could not be read.
    pub(super) experiments: BTreeMap<String, BTreeSet<String>>,
    pub(super) counters: BTreeSet<String>,
    pub(super) activities: BTreeSet<String>,
    /// Queues of agents, in order; empty: the policy does not define any.
    pub(super) queues: Vec<(String, KnownQueue)>,
    /// Actions that some rule proposes.
    pub(super) acts: BTreeSet<String>,
}

/// The error where a policy without `[dissatisfaction]` uses it.
pub(super) const NO_DISSATISFACTION: &str =
    "expected a table [dissatisfaction] in the policy, found none; add it";

impl Symbols {
    /// The position of a need.
    pub(super) fn need(&self, name: &str) -> Result<usize, String> {
        position(&self.needs, "need", name)
    }

    /// The position of an action.
    pub(super) fn action(&self, name: &str) -> Result<usize, String> {
        position(&self.actions, "action", name)
    }

    /// Checks for a timer that some rule starts.
    pub(super) fn timer(&self, name: &str) -> Result<(), String> {
        member(&self.timers, "no rule starts a timer", name)
    }

    /// Checks for a topic that the policy defines.
    pub(super) fn topic(&self, name: &str) -> Result<(), String> {
        member(&self.topics, "unknown topic", name)
    }

    /// Checks for a scope of broadcasts, if the policy lists them.
    pub(super) fn scope(&self, name: &str) -> Result<(), String> {
        if self.scopes.is_empty() { Ok(()) } else { member(&self.scopes, "unknown scope", name) }
    }

    /// Checks for an activity that the policy counts.
    fn activity(&self, name: &str) -> Result<(), String> {
        member(&self.activities, "unknown activity", name)
    }

    /// Checks for a preference that the policy defines.
    pub(super) fn preference(&self, key: &str) -> Result<(), String> {
        member(&self.preferences, "unknown preference", key)
    }

    /// Checks that a path can ever have a value, as far as the policy shows. `triggers` are the inputs
    /// under which it is read; none: any.
    pub(super) fn check(&self, path: &Path, triggers: &[Trigger]) -> Result<(), String> {
        let names: Vec<&str> = path.names().collect();
        match (path.root, names.as_slice()) {
            (Root::Event, [field, ..]) => check_event(field, triggers),
            (Root::Facts, [fact, ..]) => member(&self.facts, "no rule sets a fact", fact),
            (Root::Shared, [scope, ..]) => self.scope(scope),
            (Root::Preferences, [key, ..]) => self.preference(key),
            (Root::Needs, [need]) => self.need(need).map(drop),
            (Root::Needs, [need, ..]) => {
                Err(format!("`needs.{need}` is a number and has no fields; write it alone"))
            }
            (Root::Dissatisfaction, _) if !self.dissatisfaction => {
                Err(NO_DISSATISFACTION.to_owned())
            }
            (Root::Windows | Root::Counters | Root::Activities | Root::Experiments, names) => {
                self.check_counted(path.root, names)
            }
            (Root::Contacts, [action]) => self.action(action).and_then(|_| {
                Err(format!(
                    "expected a field of the contact, such as `contacts.{action}.at`, found \
                     `contacts.{action}` itself"
                ))
            }),
            (Root::Contacts, [action, field, ..]) => {
                self.action(action)?;
                one_of(field, &["at", "outcome", "channel"], "field of a contact")
            }
            (root, names) => check_fixed(root, names),
        }
    }

    /// Checks that an experiment has the arm with which a customer's is compared.
    pub(super) fn arm(&self, experiment: &str, arm: &str) -> Result<(), String> {
        let Some(arms) = self.experiments.get(experiment).filter(|arms| !arms.is_empty()) else {
            return Ok(());
        };
        if arms.contains(arm) {
            return Ok(());
        }
        let known: Vec<&str> = arms.iter().map(String::as_str).collect();
        let hint = match hint(arm, known.iter().copied()) {
            none if none.is_empty() => format!("; expected one of {}", known.join(", ")),
            near => near,
        };
        Err(format!("the experiment `{experiment}` has no arm `{arm}`{hint}"))
    }

    /// Checks a path to a single value that the policy defines by name: a window, a counter, a metric of
    /// an activity, an experiment.
    fn check_counted(&self, root: Root, names: &[&str]) -> Result<(), String> {
        match (root, names) {
            (Root::Windows, [window]) => member(&self.windows, "unknown window", window),
            (Root::Counters, [counter]) => member(&self.counters, "unknown counter", counter),
            (Root::Experiments, [name]) if self.experiments.contains_key(*name) => Ok(()),
            (Root::Experiments, [name]) => {
                Err(unknown(self.experiments.keys(), "unknown experiment", name))
            }
            (Root::Activities, [name]) => {
                self.activity(name)?;
                Err(format!(
                    "expected a metric of the activity, such as `activities.{name}.alive`, found \
                     `activities.{name}` itself"
                ))
            }
            (Root::Activities, [name, figure]) => {
                self.activity(name)?;
                ActivityMetric::check(figure)
            }
            (Root::Activities, [name, figure, ..]) => Err(format!(
                "`activities.{name}.{figure}` is a single value and has no fields; write it \
                     alone"
            )),
            (_, [name, ..]) => {
                let root = root.name();
                Err(format!("`{root}.{name}` is a single value and has no fields; write it alone"))
            }
            (_, []) => Ok(()),
        }
    }
}

/// Checks a path whose fields are the same in every policy.
fn check_fixed(root: Root, names: &[&str]) -> Result<(), String> {
    match (root, names) {
        (Root::Interactions, [kind]) => {
            let path = format!("interactions[\"{kind}\"]");
            Err(format!(
                "expected a field of the interaction, such as `{path}.step`, found `{path}` itself"
            ))
        }
        (Root::Interactions, [_, field, ..]) => one_of(
            field,
            &["id", "kind", "state", "step", "channel", "started", "touched", "data"],
            "field of an interaction",
        ),
        (Root::Cases, ["open"]) => Ok(()),
        (Root::Cases, [_, field, ..]) => {
            one_of(field, &["state", "topic", "opened", "due"], "field of a case")
        }
        (Root::Cases, [id]) => {
            let path = format!("cases[\"{id}\"]");
            Err(format!(
                "expected `cases.open` or a field of a case, such as `{path}.state`, found \
                 `{path}` itself"
            ))
        }
        (Root::Escalations, ["open" | "claimed"]) => Ok(()),
        (Root::Escalations, ["last", field]) => {
            one_of(field, &LAST_ESCALATION, "field of an escalation")
        }
        (Root::Escalations, names) => Err(format!(
            "expected `escalations.open`, `escalations.claimed` or a field of the last one, such \
             as `escalations.last.note`, found `escalations.{}`",
            names.join(".")
        )),
        (Root::Customer, [field, ..]) => {
            one_of(field, &["id", "known_since", "last_seen", "inputs"], "field of a customer")
        }
        (Root::Sentiment, ["channels", _]) => Ok(()),
        (Root::Sentiment, ["channels"]) => {
            Err("expected a channel, as in `sentiment.channels.chat`, found \
                 `sentiment.channels` itself"
                .to_owned())
        }
        (Root::Sentiment, [field, ..]) => one_of(
            field,
            &["level", "trend", "volatility", "urgency", "messages", "channels"],
            "field of the sentiment",
        ),
        (Root::Need, [field, ..]) => {
            one_of(field, &["name", "strength", "evidence"], "field of a need")
        }
        _ => Ok(()),
    }
}

impl Symbols {
    /// Checks that the value at a path may be used for these purposes, as far as the policy shows.
    pub(super) fn fits(
        &self,
        path: &Path,
        uses: &[Box<str>],
        discreet: bool,
    ) -> Result<(), String> {
        let name = path.names().next().unwrap_or_default();
        let made = self.made.get(&(path.root.name(), name.to_owned()));
        let (given, of) = match (path.root, self.sensitive.get(name), made) {
            (Root::Context, Some(given), _) => (given, String::new()),
            (_, _, Some(made)) => (&made.purposes, format!(" ({made})")),
            _ => return Ok(()),
        };
        if discreet {
            return Err(format!(
                "`{path}` is sensitive{of} and cannot be used in a discreet text; use another \
                 treatment"
            ));
        }
        match given {
            Some(given) if !given.allow(uses) => Err(format!(
                "`{path}` is sensitive{of} and may be used for {given} only; this action would use \
                 it for {}. Leave it out, or give the action a fitting issue and `purpose`",
                uses.join(" and ")
            )),
            _ => Ok(()),
        }
    }
}

impl Symbols {
    /// Whether an action may know of a need that it serves, as far as the policy shows.
    pub(super) fn may_serve(&self, need: &str, uses: &[Box<str>]) -> Result<(), String> {
        let made = self.made.get(&(Root::Needs.name(), need.to_owned()));
        match made.and_then(|made| Some((made, made.purposes.as_ref()?))) {
            Some((made, given)) if !given.allow(uses) => Err(format!(
                "the need `{need}` is sensitive ({made}) and may be used for {given} only; this \
                 action would serve it for {}. Give the action a fitting issue and `purpose`, or \
                 other needs",
                uses.join(" and ")
            )),
            _ => Ok(()),
        }
    }
}

impl Symbols {
    /// A queue of the policy, if it defines queues.
    pub(super) fn queue(&self, name: &str) -> Result<(), String> {
        if self.queues.is_empty() || self.queues.iter().any(|(known, _)| known == name) {
            return Ok(());
        }
        let known = self.queues.iter().map(|(known, _)| known.as_str());
        Err(format!("unknown queue `{name}`{}", hint(name, known)))
    }

    /// The purposes for which the agents of two queues use facts, if they are different.
    pub(super) fn different_purposes(&self, one: &str, other: &str) -> Option<(&str, &str)> {
        let purpose = |of: &str| {
            let known = self.queues.iter().find(|(known, _)| known == of);
            known.map(|(_, queue)| &*queue.purpose)
        };
        let purposes = purpose(one).zip(purpose(other));
        purposes.filter(|(one, other)| !is_same_name(one, other))
    }

    /// Whether an escalation that nobody resolves returns to the same queue.
    pub(super) fn returns_to_itself(&self, name: &str) -> bool {
        let next = |of: &str| {
            let (_, queue) = self.queues.iter().find(|(known, _)| known == of)?;
            queue.next.as_deref()
        };
        let mut at = next(name);
        for _ in 0..self.queues.len() {
            match at {
                Some(found) if found == name => return true,
                Some(found) => at = next(found),
                None => return false,
            }
        }
        false
    }
}

fn position(known: &[String], what: &str, name: &str) -> Result<usize, String> {
    known.iter().position(|known| known == name).ok_or_else(|| {
        format!("unknown {what} `{name}`{}", hint(name, known.iter().map(String::as_str)))
    })
}

fn member(known: &BTreeSet<String>, what: &str, name: &str) -> Result<(), String> {
    if known.contains(name) { Ok(()) } else { Err(unknown(known.iter(), what, name)) }
}

fn unknown<'a>(known: impl Iterator<Item = &'a String>, what: &str, name: &str) -> String {
    format!("{what} `{name}`{}", hint(name, known.map(String::as_str)))
}

/// What expressions may read of the escalation changed last.
const LAST_ESCALATION: [&str; 8] =
    ["state", "queue", "topic", "priority", "agent", "note", "outcome", "at"];

const EVENT_FIELDS: &[&str] = &["type", "channel", "time", "detail"];
const TIMER_FIELDS: &[&str] = &["type", "time", "detail", "name", "due", "late"];

fn fields(kind: EventType) -> &'static [&'static str] {
    match kind {
        EventType::Identify => &["traits"],
        EventType::Link => &["to"],
        EventType::Unlink => &["from"],
        EventType::Page | EventType::Screen | EventType::Track => &["name", "properties"],
        EventType::Message => &[
            "text",
            "from",
            "language",
            "interaction",
            "automatic",
            "valence",
            "tone",
            "urgency",
            "topics",
            "words",
        ],
        EventType::Preference => &["key", "value", "forget"],
        EventType::Consent => &["purpose", "channel", "granted"],
        EventType::Interaction => &["id", "kind", "state", "step", "data"],
        EventType::Case => &["id", "state", "topic", "opened", "due"],
        EventType::Signal => &["name", "value"],
        EventType::Outcome => &["decision", "outcome", "action"],
        EventType::Handoff => {
            &["escalation", "state", "agent", "note", "outcome", "queue", "topic"]
        }
        EventType::Ask => &["placements", "most", "properties"],
    }
}

fn check_event(field: &str, triggers: &[Trigger]) -> Result<(), String> {
    let of = |trigger: &Trigger| -> Vec<&'static str> {
        match trigger {
            Trigger::Event(kind) => EVENT_FIELDS.iter().chain(fields(*kind)).copied().collect(),
            Trigger::Timer => TIMER_FIELDS.to_vec(),
            Trigger::Broadcast | Trigger::Dissatisfaction => EVENT_FIELDS.to_vec(),
            Trigger::Topic => {
                EVENT_FIELDS.iter().chain(fields(EventType::Message)).copied().collect()
            }
        }
    };
    let mut known: Vec<&str> = if triggers.is_empty() {
        EventType::ALL
            .iter()
            .flat_map(|kind| of(&Trigger::Event(*kind)))
            .chain(of(&Trigger::Timer))
            .collect()
    } else {
        triggers.iter().flat_map(of).collect()
    };
    known.sort_unstable();
    known.dedup();
    one_of(field, &known, "field of the event")
}
