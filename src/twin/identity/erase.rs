//! Erasure of a customer: the twin deletes everything and reports what it was and which other identifiers
//! belong to the customer.

use super::parting;
use crate::config::limits;
use crate::event::{Customer, Forwarding, TransferKind, Value};
use crate::twin::state::{Memory, Timer, Twin};

/// What was deleted from a twin.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ErasedTwin {
    /// Its timers.
    pub timers: Vec<Timer>,
    /// The customer's other identifiers that this one knew: those linked to it, each with the number of
    /// its link, and the one that it was linked to.
    pub identifiers: Vec<(Customer, Option<u64>)>,
    /// The number of its own link, to any owner.
    pub epoch: u64,
    /// The number of deleted entries, by name: `timeline entries`, `contacts`…
    pub held: Vec<(&'static str, u64)>,
}

impl ErasedTwin {
    /// The identifiers to which the erasure must be forwarded, depending on whether it arrived through a
    /// link.
    ///
    /// One that arrived through a link came from the owner, who already knows; the identifier there may
    /// belong to somebody else by now, so each receiver checks the number of its own link.
    pub fn others(&self, by: Option<u64>) -> impl Iterator<Item = &(Customer, Option<u64>)> {
        self.identifiers.iter().filter(move |(_, link)| link.is_some() || by.is_none())
    }
}

/// The identifiers linked to this customer: those that forwarded the message, and those in a carried
/// memory, each with its link number.
pub fn behind(forwarding: &Forwarding) -> Vec<(Customer, Option<u64>)> {
    let carried = forwarding.carried.as_ref();
    let is_way = match carried.map(|carried| carried.kind) {
        None | Some(TransferKind::Joins) => true,
        // The sender of a returned memory is a different customer, together with everything that arrived
        // with it.
        Some(TransferKind::Returns) => false,
        // The message states that an identifier is another customer's.
        Some(TransferKind::Leaves | TransferKind::Rests) => return Vec::new(),
    };
    let memory = carried.and_then(|one| serde_json::from_str::<Memory>(&one.memory).ok());
    let remembered = memory.into_iter().flat_map(|memory| memory.identifiers);
    let remembered = remembered.map(|known| (known.customer, Some(known.epoch)));
    let way = forwarding.via.iter().cloned().zip(forwarding.links.iter().copied().map(Some));
    way.filter(|_| is_way).chain(remembered).collect()
}

impl Twin {
    /// Whether the identifier is still linked by the link with this number; true if nothing is known.
    pub fn is_still_linked_by(&self, link: u64) -> bool {
        let is_blank = self.linked_to.is_none() && self.timeline.total() == 0;
        self.epoch == link || is_blank
    }

    /// Whether this customer has unlinked (or refused, at the limit) an identifier that was linked by the
    /// link with this number, as far as is known here; the identifier may not have received that yet. A
    /// memory still in transit does not count as unlinked, nor does a customer who is linked to another
    /// one.
    pub fn has_parted_from(&self, identifier: &Customer, link: u64) -> bool {
        let is_known = self.identifiers.iter().any(|known| known.customer == *identifier);
        let has_room = self.identifiers.len() < limits::IDENTIFIERS;
        let has_parted = || self.recent.knows(parting(identifier, link));
        self.linked_to.is_none() && !is_known && (!has_room || has_parted())
    }

    /// Deletes the whole state.
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
    fn an_erased_twin_equals_a_new_one() {
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
