//! Ownership of an identifier and its statement time: a link changes the owner unless a later statement
//! is known.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::identity::{Identifier, IdentityResult, hashed, refused, send, target};
use super::perceive;
use super::reaction::Notes;
use super::{Effect, Input, InputResult, Memory, Twin};
use crate::config::limits;
use crate::event::{
    CarriedMemory, Customer, Event, EventKind, LinkData, Rejection, Time, TransferKind,
};
use crate::policy::Policy;

/// The statement time of an identifier's ownership, so that older statements have no effect. It stays
/// with the identifier across owners; an identifier freed because a link was impossible has none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnershipRecord {
    /// The statement time of the last link.
    pub linked: Time,
    /// The removal of that link.
    pub parted: Option<UnlinkRecord>,
}

/// A removed link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnlinkRecord {
    /// The statement time of the `unlink`.
    pub at: Time,
    /// The former owners to whom it must not return; an older statement may give it to others. Stored as
    /// partial hashes, which distinguish customers without naming them, because they may have been
    /// erased.
    pub from: Vec<u16>,
}

/// Rate limit of ownership changes of an identifier: each change causes work for every former owner, so
/// an attacker who links identifiers back and forth could overload the service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelinkCounter {
    /// When the minute of the count began.
    since: Time,
    /// The number of links within it.
    count: u16,
}

impl RelinkCounter {
    /// Counts one more; an error if it exceeds the limit.
    pub(super) fn count(&mut self, identifier: &Customer, at: Time) -> Result<(), Rejection> {
        if at.since(self.since) >= MINUTE {
            *self = RelinkCounter { since: at, count: 0 };
        }
        if usize::from(self.count) >= limits::LINKS_A_MINUTE {
            return Err(refused(format!(
                "expected at most {} changes of the link of `{identifier}` within a minute, found \
                 one more; give each device its own identifier",
                limits::LINKS_A_MINUTE
            )));
        }
        self.count += 1;
        Ok(())
    }
}

const MINUTE: Duration = Duration::from_secs(60);

impl OwnershipRecord {
    pub(super) fn linked(at: Time) -> OwnershipRecord {
        OwnershipRecord { linked: at, parted: None }
    }

    /// The previous record, with the statement made `at` this time that the identifier is not theirs.
    pub(super) fn parted<'a>(
        known: Option<&OwnershipRecord>,
        at: Time,
        from: impl Iterator<Item = &'a Customer>,
    ) -> OwnershipRecord {
        let from = from.map(|one| in_short(one.as_str())).collect();
        let linked = known.map_or(Time::MIN, |hand| hand.linked);
        OwnershipRecord { linked, parted: Some(UnlinkRecord { at, from }) }
    }

    /// Whether a link stated `at` this time is late.
    fn is_behind(&self, to: &str, at: Time) -> bool {
        let is_back = |parted: &UnlinkRecord| at < parted.at && parted.from.contains(&in_short(to));
        at < self.linked || self.parted.as_ref().is_some_and(is_back)
    }
}

/// So short a hash could be anybody's.
fn in_short(customer: &str) -> u16 {
    twox_hash::XxHash3_64::oneshot(customer.as_bytes()) as u16
}

/// Whether a link is late: a newer statement about the owner is known.
pub(super) fn is_behind(twin: &Twin, told: &LinkData, input: &Input) -> bool {
    twin.hand.as_ref().is_some_and(|hand| hand.is_behind(&told.to, input.said))
}

/// Handles a late statement about identifiers: only the fact that it arrived is recorded.
pub(super) fn come_late(
    twin: &mut Twin,
    part: &'static str,
    input: &Input,
    policy: &Policy,
    notes: &mut Notes,
) -> IdentityResult {
    notes.late(part);
    if twin.linked_to.is_some() {
        twin.recent.remember(input.fingerprint, input.stored, notes);
    } else {
        perceive::make_room(twin, input, notes);
        perceive::record(twin, input, policy, notes.those_late());
    }
    IdentityResult::Done(InputResult::Applied)
}

/// Links this identifier to another customer than before. Its memory is with the first owner already, and
/// stays there.
pub(super) fn change_hands(
    twin: &mut Twin,
    event: &Event,
    told: &LinkData,
    input: &Input,
    effects: &mut Vec<Effect>,
    notes: &mut Notes,
) -> Result<IdentityResult, Rejection> {
    let to = target(twin, told)?;
    if twin.known && twin.linked_to.as_ref() != Some(&to) {
        return Err(refused(format!(
            "expected a link of an identifier that belongs to no customer yet, found `{}`, a known \
             customer who was merged with another; `unlink` it there first",
            twin.customer
        )));
    }
    if twin.linked_to.as_ref() != Some(&to) {
        twin.moves.count(&twin.customer, input.at)?;
    }
    // Also for a link that changes nothing: a duplicate may arrive at a time when it would.
    twin.recent.remember(event.fingerprint, input.stored, notes);
    let said = input.said;
    twin.hand = Some(OwnershipRecord::linked(said));
    let Some(first) = twin.linked_to.clone().filter(|first| *first != to) else {
        return Ok(IdentityResult::Done(InputResult::Applied));
    };
    // The first owner is not told the new one's name, but can check whether it is the same customer.
    let (epoch, memory) = (twin.epoch, hashed(&told.to));
    let lost = CarriedMemory { sense: TransferKind::Leaves, epoch, said, memory };
    let silent = Event {
        kind: EventKind::Link(LinkData { to: first.as_str().into(), merge: false }),
        ..event.clone()
    };
    effects.push(send(twin, &silent, &first, lost, input.at)?);
    twin.epoch += 1;
    let nothing = Memory { born: input.at, seen: input.at, ..Memory::default() };
    let nothing = nothing.clone().fit(limits::PASSED_BYTES, notes);
    let (epoch, memory) = (twin.epoch, nothing.into());
    let won = CarriedMemory { sense: TransferKind::Joins, epoch, said, memory };
    effects.push(send(twin, event, &to, won, input.at)?);
    twin.linked_to = Some(to);
    twin.seen = twin.seen.max(input.at);
    Ok(IdentityResult::Done(InputResult::Applied))
}

/// Handles that an identifier of this customer has a new owner, unless that is this customer.
pub(super) fn lose(twin: &mut Twin, gone: &Customer, carried: &CarriedMemory) -> IdentityResult {
    let is_same = |one: &Customer| hashed(one.as_str()) == carried.memory;
    let is_own =
        is_same(&twin.customer) || twin.identifiers.iter().any(|known| is_same(&known.customer));
    let is_meant = |known: &Identifier| known.customer == *gone && known.epoch <= carried.epoch;
    if is_own || !twin.identifiers.iter().any(is_meant) {
        return IdentityResult::Done(InputResult::Untouched);
    }
    twin.identifiers.retain(|known| !is_meant(known));
    // What was linked through it moves with it.
    let mut through = vec![gone.clone()];
    while let Some(by) = through.pop() {
        twin.identifiers.retain(|known| {
            let goes = known.through.as_ref() == Some(&by);
            if goes {
                through.push(known.customer.clone());
            }
            !goes
        });
    }
    twin.known = true;
    IdentityResult::Done(InputResult::Applied)
}
