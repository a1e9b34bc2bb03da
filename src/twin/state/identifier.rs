//! The identifiers of one customer, and what each contributed.

use serde::{Deserialize, Serialize};

use super::Memory;
use crate::event::{Customer, Time};
use crate::twin::note::Notes;

/// Another identifier of a customer, and what it contributed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Identifier {
    /// The identifier.
    pub customer: Customer,
    /// When it became one of this customer's.
    pub since: Time,
    /// The number of its link.
    pub epoch: u64,
    /// The statement time of that link: an `unlink` stated before it is late.
    pub said: Time,
    /// The identifier that it was linked to, if not directly to this one.
    pub through: Option<Customer>,
    /// The fingerprints of the timeline's entries that came from it.
    pub entries: Vec<u64>,
    /// Everything else that came from it.
    pub brought: Box<Memory>,
    /// The previous values of what it changed.
    pub beneath: Box<Memory>,
}

impl Identifier {
    /// Adds what another move of the same identifier contributed.
    pub(super) fn absorb(&mut self, other: Identifier, notes: &mut Notes) {
        self.brought.merge(*other.brought, notes);
        self.entries.extend(other.entries);
        if other.epoch > self.epoch {
            self.epoch = other.epoch;
            self.said = other.said;
            self.through = other.through;
        }
    }
}
