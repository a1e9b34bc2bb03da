//! Ownership of an identifier and its statement time: a link changes the owner unless a later statement
//! is known.

use super::transfer::{hashed, send, target};
use crate::config::limits;
use crate::event::{CarriedMemory, Customer, Event, EventKind, LinkData, Rejection, TransferKind};
use crate::policy::Policy;
use crate::twin::effect::{Effect, InputResult};
use crate::twin::fold::timeline;
use crate::twin::input::Input;
use crate::twin::note::Notes;
use crate::twin::state::ownership::refused;
use crate::twin::state::{Identifier, Memory, OwnershipRecord, Twin};

/// Whether a link is late: a newer statement about the owner is known.
pub(in crate::twin) fn is_behind(twin: &Twin, link: &LinkData, input: &Input) -> bool {
    twin.ownership.as_ref().is_some_and(|ownership| ownership.is_behind(&link.to, input.stated_at))
}

/// Handles a late statement about identifiers: only the fact that it arrived is recorded.
pub(super) fn note_late_statement(
    twin: &mut Twin,
    part: &'static str,
    input: &Input,
    policy: &Policy,
    notes: &mut Notes,
) -> InputResult {
    notes.late(part);
    if twin.linked_to.is_some() {
        twin.recent.remember(input.fingerprint, input.stored, notes);
    } else {
        timeline::make_room(twin, input, notes);
        timeline::record(twin, input, policy, notes.late_parts());
    }
    InputResult::Applied
}

/// Links this identifier to another customer than before. Its memory is with the first owner already, and
/// stays there.
pub(super) fn change_hands(
    twin: &mut Twin,
    event: &Event,
    link: &LinkData,
    input: &Input,
    effects: &mut Vec<Effect>,
    notes: &mut Notes,
) -> Result<Option<InputResult>, Rejection> {
    let to = target(twin, link)?;
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
    let stated_at = input.stated_at;
    twin.ownership = Some(OwnershipRecord::linked(stated_at));
    let Some(first) = twin.linked_to.clone().filter(|first| *first != to) else {
        return Ok(Some(InputResult::Applied));
    };
    // The first owner is not told the new one's name, but can check whether it is the same customer.
    let (epoch, memory) = (twin.epoch, hashed(&link.to));
    let lost = CarriedMemory { kind: TransferKind::Leaves, epoch, stated_at, memory };
    let silent = Event {
        kind: EventKind::Link(LinkData { to: first.as_str().into(), merge: false }),
        ..event.clone()
    };
    effects.push(send(twin, &silent, &first, lost, input.at)?);
    twin.epoch += 1;
    let nothing = Memory { born: input.at, seen: input.at, ..Memory::default() };
    let nothing = nothing.clone().fit(limits::FORWARDED_BYTES, notes);
    let (epoch, memory) = (twin.epoch, nothing.into());
    let won = CarriedMemory { kind: TransferKind::Joins, epoch, stated_at, memory };
    effects.push(send(twin, event, &to, won, input.at)?);
    twin.linked_to = Some(to);
    twin.seen = twin.seen.max(input.at);
    Ok(Some(InputResult::Applied))
}

/// Handles that an identifier of this customer has a new owner, unless that is this customer.
pub(super) fn lose(twin: &mut Twin, gone: &Customer, carried: &CarriedMemory) -> InputResult {
    let is_same = |one: &Customer| hashed(one.as_str()) == carried.memory;
    let is_own =
        is_same(&twin.customer) || twin.identifiers.iter().any(|known| is_same(&known.customer));
    let is_meant = |known: &Identifier| known.customer == *gone && known.epoch <= carried.epoch;
    if is_own || !twin.identifiers.iter().any(is_meant) {
        return InputResult::Untouched;
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
    InputResult::Applied
}
