//! A customer is erased: the twin lets go of everything, and says what that was, and who else is the
//! same customer.

use super::identity::parting;
use super::{Memory, Timer, Twin};
use crate::config::limits;
use crate::event::{Customer, Forwarding, TransferKind, Value};

/// What a twin was that has let go of everything.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ErasedTwin {
    /// Its timers.
    pub timers: Vec<Timer>,
    /// The other identifiers of the customer, as far as this one knew: those linked to it, each with
    /// the number of its link, and the one to which it was linked.
    pub identifiers: Vec<(Customer, Option<u64>)>,
    /// The number of its own link, to whomever it was linked.
    pub epoch: u64,
    /// How much it knew, by name: `timeline entries`, `contacts`…
    pub held: Vec<(&'static str, u64)>,
}

impl ErasedTwin {
    /// To whom the erasure is to be passed on, if it came because of a link, or because of none. By a
    /// link it came from above, and whoever is above knows it; the identifier there may be somebody
    /// else's by now, and is asked for the number of its own link by those to whom it was linked.
    pub fn others(&self, by: Option<u64>) -> impl Iterator<Item = &(Customer, Option<u64>)> {
        self.identifiers.iter().filter(move |(_, link)| link.is_some() || by.is_none())
    }
}

/// Whoever is the same customer as the one to whom something is passed on: by whom it came, and with
/// a memory those whom it remembers; each with the number of its link.
pub fn behind(passed: &Forwarding) -> Vec<(Customer, Option<u64>)> {
    let carried = passed.carried.as_ref();
    let is_way = match carried.map(|carried| carried.sense) {
        None | Some(TransferKind::Joins) => true,
        // Who gives a memory back is somebody else, and takes along what came with it.
        Some(TransferKind::Returns) => false,
        // It says that an identifier is another customer's.
        Some(TransferKind::Leaves | TransferKind::Rests) => return Vec::new(),
    };
    let memory = carried.and_then(|one| serde_json::from_str::<Memory>(&one.memory).ok());
    let remembered = memory.into_iter().flat_map(|memory| memory.identifiers);
    let remembered = remembered.map(|known| (known.customer, Some(known.epoch)));
    let way = passed.via.iter().cloned().zip(passed.links.iter().copied().map(Some));
    way.filter(|_| is_way).chain(remembered).collect()
}

impl Twin {
    /// Whether this is still the customer whose it was by the link of this number; whoever knows
    /// nothing is.
    pub fn is_still_linked_by(&self, link: u64) -> bool {
        let is_blank = self.linked_to.is_none() && self.timeline.total() == 0;
        self.epoch == link || is_blank
    }

    /// Whether this customer has parted from an identifier that was theirs by the link of this number, or
    /// had no room for it, as far as is known here: the identifier may not have heard of it yet. That a
    /// memory is still on its way says nothing of the kind, nor does whoever is linked to another.
    pub fn has_parted_from(&self, identifier: &Customer, link: u64) -> bool {
        let is_known = self.identifiers.iter().any(|known| known.customer == *identifier);
        let has_room = self.identifiers.len() < limits::IDENTIFIERS;
        let has_parted = || self.recent.knows(parting(identifier, link));
        self.linked_to.is_none() && !is_known && (!has_room || has_parted())
    }

    /// Lets go of everything.
    pub fn erase(&mut self) -> ErasedTwin {
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
        let mut identifiers: Vec<_> = gone.linked_to.into_iter().map(|to| (to, None)).collect();
        let others = gone.identifiers.into_iter();
        identifiers.extend(others.map(|known| (known.customer, Some(known.epoch))));
        ErasedTwin { timers: gone.timers, identifiers, epoch: gone.epoch, held }
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
        assert_eq!(gone.identifiers, [(Customer::new("bob").unwrap(), None)]);
        assert_eq!(gone.held[0], ("states", 1));
    }
}
