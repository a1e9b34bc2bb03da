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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::event::{Customer, Time};
    use crate::twin::state::Twin;

    fn guards() -> impl Strategy<Value = Vec<Guard>> {
        let of = [Derived::Fact, Derived::Need, Derived::Window];
        let guard =
            (prop::sample::select(of.to_vec()), 0u8..3, prop::collection::vec(0u8..3, 0..3));
        prop::collection::vec(
            guard.prop_map(|(of, name, purposes)| Guard {
                of,
                name: name.to_string().into(),
                purposes: Purposes::new(purposes.iter().map(|purpose| purpose.to_string().into())),
            }),
            0..6,
        )
    }

    proptest! {
        #[test]
        fn guards_merge_to_the_same_in_any_order_and_never_allow_more(
            one in guards(), other in guards(), used in 0u8..3,
        ) {
            let mut left = Twin::new(Customer::new("ada").unwrap(), Time::from_ms(0));
            let mut right = left.clone();
            merge_guards(&mut left.guards, one.clone());
            merge_guards(&mut left.guards, other.clone());
            merge_guards(&mut right.guards, other.clone());
            merge_guards(&mut right.guards, one.clone());
            prop_assert_eq!(&left.guards, &right.guards);
            let uses = [Box::<str>::from(used.to_string())];
            for guard in one.iter().chain(&other) {
                let merged = left.guard(guard.of, &guard.name);
                let allowed = merged.is_some_and(|merged| merged.allow(&uses));
                prop_assert!(!allowed || guard.purposes.allow(&uses));
            }
        }
    }
}
