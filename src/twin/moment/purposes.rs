//! The purposes for which a value may be used: those of its sources.

use super::ReactionContext;
use crate::event::EventKind;
use crate::policy::{Path, Purposes, Root};
use crate::twin::input::Cause;
use crate::twin::state::guard::both;
use crate::twin::state::{Derived, Need, Twin};

impl Twin {
    /// The purposes of the value at a path; none: unrestricted.
    pub(in crate::twin) fn purposes_at(
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
    pub(in crate::twin) fn purposes_at_all(
        &self,
        paths: &[Path],
        context: &ReactionContext<'_>,
    ) -> Option<Purposes> {
        paths.iter().fold(None, |all, path| both(all, self.purposes_at(path, context, None)))
    }

    /// The purposes of data derived from the current input, if it is a sensitive signal.
    pub(in crate::twin) fn purposes_of_input(
        &self,
        context: &ReactionContext<'_>,
    ) -> Option<Purposes> {
        match &context.input.cause {
            Cause::Event(event) => match &event.kind {
                EventKind::Signal(data) => context.policy.purposes_of(data),
                _ => None,
            },
            Cause::Timer(_) | Cause::Broadcast(_) => None,
        }
    }
}

#[cfg(test)]
mod tests;
