use std::collections::BTreeSet;

use serde::Serialize;

use super::{OutputKind, Played, StepContent, Story};
use crate::event::Time;
use crate::policy::{Mistake, Policy, SourceLocation, Trigger, nearest};
use crate::twin::Input;

/// The policy coverage of stories.
#[derive(Debug, Default)]
pub struct Coverage {
    rules: BTreeSet<Box<str>>,
    treatments: BTreeSet<(Box<str>, Box<str>)>,
}

/// Uncovered parts of a policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unreached {
    /// Rules that never held.
    pub rules: UnreachedKind,
    /// Actions that were never chosen.
    pub actions: UnreachedKind,
    /// Treatments that were never chosen, also those of actions that were never chosen.
    pub treatments: UnreachedKind,
}

/// The uncovered parts of one kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct UnreachedKind {
    /// The total number of this kind.
    pub of: usize,
    /// Those that no story covers, in the order of the policy.
    pub unreached: Vec<Reachable>,
}

/// A part of a policy that a story may cover.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reachable {
    /// Its name.
    pub name: Box<str>,
    /// Its location: file and line.
    pub place: Box<str>,
    /// The action of a treatment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<Box<str>>,
}

impl Coverage {
    /// Adds a played story.
    pub fn add(&mut self, played: &Played) {
        self.rules.extend(played.followed.places());
        for seen in &played.seen {
            if let OutputKind::Action(action) = &seen.what {
                self.treatments.insert((action.action.clone(), action.treatment.clone()));
            }
        }
    }

    /// The parts that no added story has covered.
    pub fn unreached(&self, policy: &Policy) -> Unreached {
        let policies = || std::iter::once(policy).chain(policy.arms.values());
        let reachable = |name: &str, place: &SourceLocation| Reachable {
            name: name.into(),
            place: Box::from(&**place.written()),
            action: None,
        };
        let part = |of: usize, unreached: Vec<Reachable>| UnreachedKind { of, unreached };
        let rules = || policies().flat_map(|policy| &policy.rules);
        let actions = || policies().flat_map(|policy| &policy.actions);
        let is_taken = |name: &str| self.treatments.iter().any(|(action, _)| **action == *name);
        let treatments = actions().flat_map(|action| {
            action.treatments.iter().map(move |treatment| (&action.name, treatment))
        });
        let is_chosen = |action: &str, treatment: &str| {
            self.treatments.iter().any(|(one, other)| **one == *action && **other == *treatment)
        };
        Unreached {
            rules: part(
                rules().count(),
                rules()
                    .filter(|rule| !self.rules.contains(&**rule.place.written()))
                    .map(|rule| reachable(&rule.name, &rule.place))
                    .collect(),
            ),
            actions: part(
                actions().count(),
                actions()
                    .filter(|action| !is_taken(&action.name))
                    .map(|action| reachable(&action.name, &action.place))
                    .collect(),
            ),
            treatments: part(
                actions().map(|action| action.treatments.len()).sum(),
                treatments
                    .filter(|(action, treatment)| !is_chosen(action, &treatment.name))
                    .map(|(action, treatment)| Reachable {
                        action: Some((&**action).into()),
                        ..reachable(&format!("{action} · {}", treatment.name), &treatment.place)
                    })
                    .collect(),
            ),
        }
    }
}

impl Unreached {
    /// The uncovered treatments of covered actions: for an uncovered action its name is enough.
    pub fn treatments_alone(&self) -> impl Iterator<Item = &Reachable> {
        let is_of = |treatment: &Reachable, action: &Reachable| {
            treatment.action.as_deref() == Some(&*action.name)
        };
        self.treatments.unreached.iter().filter(move |treatment| {
            !self.actions.unreached.iter().any(|action| is_of(treatment, action))
        })
    }

    /// Whether everything is covered.
    pub fn is_empty(&self) -> bool {
        let parts = [&self.rules, &self.actions, &self.treatments];
        parts.iter().all(|part| part.unreached.is_empty())
    }
}

/// Probable typos: events of stories that nothing in the policy reacts to, with a name near one that
/// something reacts to; and the reverse.
pub fn probable_typos(stories: &[(Story, String)], policy: &Policy) -> Vec<Mistake> {
    let policies = || std::iter::once(policy).chain(policy.arms.values());
    let heard: BTreeSet<(&str, &str)> = policies()
        .flat_map(|policy| &policy.heard)
        .filter_map(|(trigger, detail, _)| Some((kind(*trigger)?, &**detail)))
        .collect();
    let mut published: BTreeSet<(&'static str, Box<str>)> = BTreeSet::new();
    let mut found = Vec::new();
    for (story, content) in stories {
        for step in &story.steps {
            let Ok(StepContent::Event(event)) = step.content("step", story.start, &[]) else {
                continue;
            };
            let input = Input::event(*event, Time::MIN);
            let (trigger, detail) = input.called();
            let Some(kind) = kind(trigger).filter(|_| !detail.is_empty()) else { continue };
            let is_new = published.insert((kind, detail.into()));
            if !is_new || heard.contains(&(kind, detail)) {
                continue;
            }
            let known = heard.iter().filter(|(other, _)| *other == kind).map(|(_, name)| *name);
            if let Some(near) = nearest(detail, known) {
                let message = format!(
                    "nothing in the policy reacts to `{kind}:{detail}`; did you mean \
                     `{kind}:{near}`?"
                );
                let place = &step.place;
                found.push(Mistake::on_line(place.file(), content, place.line(), message));
            }
        }
    }
    for (trigger, detail, place) in policies().flat_map(|policy| &policy.heard) {
        let Some(kind) = kind(*trigger) else { continue };
        if published.contains(&(kind, detail.clone())) {
            continue;
        }
        let names = published.iter().filter(|(other, _)| *other == kind).map(|(_, name)| &**name);
        // A name that something else reacts to is a different event.
        let names = names.filter(|name| !heard.contains(&(kind, name)));
        if let Some(near) = nearest(detail, names) {
            let message = format!(
                "the policy reacts to `{kind}:{detail}`, which no story sends; a story sends \
                 `{kind}:{near}`, which nothing reacts to; is one of them a typo?"
            );
            let files = policy.files.iter();
            let content = files.filter(|(name, _)| *name == place.file()).map(|(_, text)| text);
            let content = content.last().unwrap_or_default();
            found.push(Mistake::on_line(place.file(), content, place.line(), message));
        }
    }
    found.sort();
    found
}

/// The kinds of inputs whose names are chosen by companies.
fn kind(trigger: Trigger) -> Option<&'static str> {
    match trigger {
        Trigger::Event(kind) => Some(kind.name()),
        Trigger::Timer | Trigger::Topic | Trigger::Broadcast | Trigger::Dissatisfaction => None,
    }
}
