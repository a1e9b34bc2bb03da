//! A customer is erased: the twin lets go of everything, and says what that was, and who else is the
//! same customer.

use super::{Memory, Timer, Twin};
use crate::event::{Customer, Passed, Value};

/// What a twin was that has let go of everything.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Erased {
    /// Its timers.
    pub timers: Vec<Timer>,
    /// The other identifiers of the customer, as far as this one knew: those linked to it, and the
    /// one to which it was linked.
    pub identifiers: Vec<Customer>,
    /// How much it knew, by name: `timeline entries`, `contacts`…
    pub held: Vec<(&'static str, u64)>,
}

/// Whoever is the same customer as the one to whom something is passed on: by whom it came, and with
/// a memory those whom it remembers.
pub fn behind(passed: &Passed) -> Vec<Customer> {
    let carried = passed.carried.as_ref();
    let memory = carried.and_then(|one| serde_json::from_str::<Memory>(&one.memory).ok());
    let remembered = memory.into_iter().flat_map(|memory| memory.identifiers);
    passed.via.iter().cloned().chain(remembered.map(|known| known.customer)).collect()
}

impl Twin {
    /// Lets go of everything.
    pub fn erase(&mut self) -> Erased {
        let empty = Twin::new(self.customer.clone(), self.born);
        let gone = std::mem::replace(self, empty);
        let count = |list: usize| list as u64;
        let held = vec![
            ("states", u64::from(gone.timeline.total() > 0 || gone.linked_to.is_some())),
            ("timeline entries", count(gone.timeline.len())),
            ("traits", count(gone.profile.traits.len())),
            ("consents", count(gone.profile.consents.len())),
            ("preferences", count(gone.profile.preferences.len())),
            ("signals", count(gone.context.iter().filter(|one| one.value != Value::Null).count())),
            ("facts", count(gone.facts.len())),
            ("interactions", count(gone.interactions.len())),
            ("cases", count(gone.cases.len())),
            ("needs", count(gone.needs.len())),
            ("contacts", count(gone.contacts.len())),
            ("escalations", count(gone.escalations.len())),
            ("timers", count(gone.timers.len())),
            ("experiments", count(gone.trials.len())),
        ];
        let mut identifiers: Vec<Customer> = gone.linked_to.into_iter().collect();
        identifiers.extend(gone.identifiers.into_iter().map(|known| known.customer));
        Erased { timers: gone.timers, identifiers, held }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Time;

    #[test]
    fn a_twin_that_is_erased_is_as_if_it_had_never_been() {
        let customer = Customer::new("ada").unwrap();
        let mut twin = Twin::new(customer.clone(), Time::from_ms(5));
        twin.linked_to = Some(Customer::new("bob").unwrap());
        twin.alarmed = true;
        twin.decisions = 7;
        let gone = twin.erase();
        assert_eq!(twin, Twin::new(customer, Time::from_ms(5)));
        assert_eq!(gone.identifiers, [Customer::new("bob").unwrap()]);
        assert_eq!(gone.held[0], ("states", 1));
    }
}
