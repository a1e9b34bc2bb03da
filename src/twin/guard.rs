//! What is made of sensitive facts is as sensitive as they are: it stays within their purposes.

use serde::{Deserialize, Serialize};

use super::understand::ReactionContext;
use super::{Cause, Need, Twin};
use crate::event::EventKind;
use crate::policy::{Path, Purposes, Root};

/// Something that was made of sensitive facts, and what it may be used for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guard {
    /// What kind of thing it is.
    pub of: Derived,
    /// Its name.
    pub name: Box<str>,
    /// What the facts were given for.
    pub purposes: Purposes,
}

/// What rules and tallies make of facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Derived {
    /// A fact that a rule set.
    Fact,
    /// A need.
    Need,
    /// A window.
    Window,
    /// A counter.
    Counter,
    /// An activity.
    Activity,
}

/// What a list of guards says that something may be used for; none: anything.
pub(super) fn guard_of<'a>(guards: &'a [Guard], of: Derived, name: &str) -> Option<&'a Purposes> {
    let known = guards.iter().find(|guard| guard.of == of && *guard.name == *name);
    known.map(|guard| &guard.purposes)
}

/// Puts guards together: what both guard may be used for what both allow.
pub(super) fn merge_guards(own: &mut Vec<Guard>, other: Vec<Guard>) {
    for guard in other {
        match own.iter_mut().find(|known| known.of == guard.of && known.name == guard.name) {
            Some(known) => known.purposes = known.purposes.and(&guard.purposes),
            None => own.push(guard),
        }
    }
    own.sort_by(|left, right| (left.of, &left.name).cmp(&(right.of, &right.name)));
}

impl Twin {
    /// What something may be used for that was made of sensitive facts; none: for anything.
    pub fn guard(&self, of: Derived, name: &str) -> Option<&Purposes> {
        guard_of(&self.guards, of, name)
    }

    /// From now on it may be used for these purposes alone; none: for anything.
    pub(super) fn set_guard(&mut self, of: Derived, name: &str, purposes: Option<Purposes>) {
        self.guards.retain(|guard| guard.of != of || *guard.name != *name);
        if let Some(purposes) = purposes {
            self.guards.push(Guard { of, name: name.into(), purposes });
            self.guards.sort_by(|left, right| (left.of, &left.name).cmp(&(right.of, &right.name)));
        }
    }

    /// From now on it may be used only for those purposes that are among these, too.
    pub(super) fn add_guard(&mut self, of: Derived, name: &str, purposes: Option<Purposes>) {
        let Some(purposes) = purposes else { return };
        let both = match self.guard(of, name) {
            Some(known) => known.and(&purposes),
            None => purposes,
        };
        self.set_guard(of, name, Some(both));
    }

    /// Forgets the guards of what is no longer there.
    pub(super) fn settle_guards(&mut self) {
        let mut guards = std::mem::take(&mut self.guards);
        guards.retain(|guard| match guard.of {
            Derived::Fact => self.facts.get(&guard.name).is_some(),
            Derived::Need => self.needs.iter().any(|need| need.name == guard.name),
            Derived::Window => self.tallies.window(&guard.name).is_some(),
            Derived::Counter => self.tallies.counter(&guard.name).is_some(),
            Derived::Activity => self.tallies.activity(&guard.name).is_some(),
        });
        self.guards = guards;
    }

    /// What may be done with what stands at a path; none: anything.
    pub(super) fn purposes_at(
        &self,
        path: &Path,
        context: &ReactionContext<'_>,
        need: Option<&Need>,
    ) -> Option<Purposes> {
        if !context.is_guarded {
            return None;
        }
        let first = path.names().next().unwrap_or_default();
        match path.root {
            Root::Context => {
                let known = self.signal(first, context.input.at)?;
                context.policy.purposes(first, known.sensitivity, known.purpose.as_deref())
            }
            Root::Event if first == "value" => self.purposes_of_input(context),
            Root::Facts => self.guard(Derived::Fact, first).cloned(),
            Root::Needs => self.guard(Derived::Need, first).cloned(),
            Root::Windows => self.guard(Derived::Window, first).cloned(),
            Root::Counters => self.guard(Derived::Counter, first).cloned(),
            Root::Activities => self.guard(Derived::Activity, first).cloned(),
            Root::Need => self.guard(Derived::Need, &need?.name).cloned(),
            Root::Dissatisfaction => {
                let mood = context.policy.dissatisfaction.as_ref()?.mood.as_ref()?;
                self.purposes_at_all(mood.paths(), context)
            }
            _ => None,
        }
    }

    /// What may be done with what is made of all these; none: anything.
    pub(super) fn purposes_at_all(
        &self,
        paths: &[Path],
        context: &ReactionContext<'_>,
    ) -> Option<Purposes> {
        paths.iter().fold(None, |all, path| both(all, self.purposes_at(path, context, None)))
    }

    /// What may be done with what is made of the input at hand, if it is a sensitive signal.
    pub(super) fn purposes_of_input(&self, context: &ReactionContext<'_>) -> Option<Purposes> {
        match &context.input.cause {
            Cause::Event(event) => match &event.kind {
                EventKind::Signal(told) => context.policy.purposes_of(told),
                _ => None,
            },
            Cause::Timer(_) | Cause::Broadcast(_) => None,
        }
    }
}

/// What may be done with what is made of both; none: anything.
pub(super) fn both(one: Option<Purposes>, other: Option<Purposes>) -> Option<Purposes> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.and(&other)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests;
