//! Guards: derived data inherits sensitivity. It may be used only for the purposes of its sources.

use serde::{Deserialize, Serialize};

use super::understand::ReactionContext;
use super::{Cause, Need, Twin};
use crate::event::EventKind;
use crate::policy::{Path, Purposes, Root};

/// A derived value with the purposes for which it may be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guard {
    /// The kind of derived value.
    pub of: Derived,
    /// Its name.
    pub name: Box<str>,
    /// The purposes of its sources.
    pub purposes: Purposes,
}

/// Kinds of derived values.
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

/// The purposes of a value according to a list of guards; none: unrestricted.
pub(super) fn guard_of<'a>(guards: &'a [Guard], of: Derived, name: &str) -> Option<&'a Purposes> {
    let known = guards.iter().find(|guard| guard.of == of && *guard.name == *name);
    known.map(|guard| &guard.purposes)
}

/// Merges guards: a value that both guard may be used for the purposes that both allow.
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
    /// The purposes of a derived value; none: unrestricted.
    pub fn guard(&self, of: Derived, name: &str) -> Option<&Purposes> {
        guard_of(&self.guards, of, name)
    }

    /// Restricts a value to these purposes; none: unrestricted.
    pub(super) fn set_guard(&mut self, of: Derived, name: &str, purposes: Option<Purposes>) {
        self.guards.retain(|guard| guard.of != of || *guard.name != *name);
        if let Some(purposes) = purposes {
            self.guards.push(Guard { of, name: name.into(), purposes });
            self.guards.sort_by(|left, right| (left.of, &left.name).cmp(&(right.of, &right.name)));
        }
    }

    /// Restricts a value further, to those of its purposes that are among these.
    pub(super) fn add_guard(&mut self, of: Derived, name: &str, purposes: Option<Purposes>) {
        let Some(purposes) = purposes else { return };
        let both = match self.guard(of, name) {
            Some(known) => known.and(&purposes),
            None => purposes,
        };
        self.set_guard(of, name, Some(both));
    }

    /// Removes the guards of values that no longer exist.
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

    /// The purposes of the value at a path; none: unrestricted.
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

    /// The purposes of data derived from the values at all these paths; none: unrestricted.
    pub(super) fn purposes_at_all(
        &self,
        paths: &[Path],
        context: &ReactionContext<'_>,
    ) -> Option<Purposes> {
        paths.iter().fold(None, |all, path| both(all, self.purposes_at(path, context, None)))
    }

    /// The purposes of data derived from the current input, if it is a sensitive signal.
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

/// The purposes of data derived from both; none: unrestricted.
pub(super) fn both(one: Option<Purposes>, other: Option<Purposes>) -> Option<Purposes> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.and(&other)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests;
