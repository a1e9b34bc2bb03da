//! Guards: derived data inherits sensitivity. It may be used only for the purposes of its sources.

use serde::{Deserialize, Serialize};

use crate::policy::Purposes;

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
pub(in crate::twin) fn merge_guards(own: &mut Vec<Guard>, other: Vec<Guard>) {
    for guard in other {
        match own.iter_mut().find(|known| known.of == guard.of && known.name == guard.name) {
            Some(known) => known.purposes = known.purposes.and(&guard.purposes),
            None => own.push(guard),
        }
    }
    own.sort_by(|left, right| (left.of, &left.name).cmp(&(right.of, &right.name)));
}

/// The purposes of data derived from both; none: unrestricted.
pub(in crate::twin) fn both(one: Option<Purposes>, other: Option<Purposes>) -> Option<Purposes> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.and(&other)),
        (one, other) => one.or(other),
    }
}
