//! One customer, several identifiers: a `link` moves an identifier's memory into another twin, and an
//! `unlink` moves it back.
//!
//! Invariants, for any links in any order and any concurrency:
//! * **A memory is in one twin or in one message.** The commit that removes it from a twin writes the
//!   message; each message is processed by one twin or becomes one other message.
//! * **Every message arrives.** A message is forwarded at most [`limits::FORWARDING_HOPS`] times; then the
//!   identifier that holds it is unlinked and processes it.
//! * **Cycles are broken.** A message lists the links it came by. If a link repeats, there is a cycle:
//!   its bytewise smallest identifier is unlinked and processes the message. Every twin that detects the
//!   cycle picks the same identifier.
//! * **A link has a number**, the [`epoch`](Twin::epoch) of its identifier. Messages about an ended link
//!   (a returned memory, a lost identifier) do not affect the current link.
//! * **Two known customers are joined only by a `merge`.** A customer is known once another identifier
//!   was linked to it, or once an `identify` has set a trait (one of those that the policy names, if it
//!   names any).
//!
//! The rules:
//! * A linked identifier keeps only its target and the ids of recent inputs; it forwards later inputs.
//!   The one linked *to* survives.
//! * A linked identifier that is linked to another customer changes owner: its earlier memory stays with
//!   the first, later inputs go to the second. Both are notified.
//! * The latest statement about the owner wins, in any order of arrival: see [`OwnershipRecord`]. An
//!   older `link` or `unlink` changes nothing. Ownership has no history: an event that arrives after the
//!   change goes to the new owner, even if it happened before.
//! * The `link` event itself is forwarded with the memory; rules on `link` run where the memory arrives.
//! * A link of an identifier to itself is rejected, and so is a link that would close a cycle, as far as
//!   that can be detected, and a link of a known customer without `merge`.
//! * A customer has at most [`limits::IDENTIFIERS`] other identifiers. A memory beyond that limit is
//!   returned; events in between stay where they were processed. If it cannot be returned, because the
//!   identifier has changed owner, it stays at its target.
//! * `unlink` returns what came from an identifier, and from those that were linked to it, as far as it
//!   is unchanged. Changes and inputs since then stay. Evidence of choices is counts, which are returned
//!   as far as they still exist.
//! * A duplicate event is recognised by the identifier to which it was published, wherever that
//!   identifier's memory is now.

mod erase;
mod ownership;
mod transfer;

pub use erase::{ErasedTwin, behind};

use crate::config::limits;
use crate::event::{Customer, Event, EventKind, Forwarding, Rejection, TransferKind, fingerprint};
use crate::policy::Policy;
use crate::twin::effect::{Effect, InputResult};
use crate::twin::input::Input;
use crate::twin::note::Notes;
use crate::twin::state::{OwnershipRecord, Twin};
use ownership::{change_hands, is_behind, lose, note_late_statement};
use transfer::{arrive, leave, message, part, rest, return_home};

/// Whether an event was processed here before.
pub(super) fn is_copy(twin: &Twin, event: &Event) -> bool {
    let is_known = |identity| twin.timeline.knows(identity) || twin.recent.knows(identity);
    is_known(event.fingerprint) || twin.recent.knows(seen_fingerprint(event))
}

/// Records, in an identifier that forwards an event, that the event was here. This does not mean that it
/// was processed here: it may return through a cycle, and must not be dropped then.
fn seen_fingerprint(event: &Event) -> u64 {
    match &event.forwarding {
        Some(forwarding) => forwarding.message,
        None => fingerprint([b"seen", &event.fingerprint.to_le_bytes()]),
    }
}

/// The record, kept for a while by a customer, that an identifier which was theirs by the link of this
/// number has been unlinked.
pub(super) fn parting(identifier: &Customer, link: u64) -> u64 {
    fingerprint([b"parted", identifier.as_str().as_bytes(), &link.to_le_bytes()])
}

/// Whether an event is more than an ordinary one of this twin.
fn concerns(twin: &Twin, event: &Event) -> bool {
    twin.linked_to.is_some()
        || event.forwarding.is_some()
        || matches!(event.kind, EventKind::Link(_) | EventKind::Unlink(_))
}

/// Forwards, moves, receives or returns what an event concerns; the result, if nothing is left to process
/// as a normal event.
pub(super) fn handle(
    twin: &mut Twin,
    event: &Event,
    input: &Input,
    policy: &Policy,
    effects: &mut Vec<Effect>,
    notes: &mut Notes,
) -> Option<InputResult> {
    if !concerns(twin, event) {
        return None;
    }
    let carried = event.forwarding.as_deref().and_then(|forwarding| forwarding.carried.as_ref());
    let outcome = match carried {
        Some(carried) if carried.kind == TransferKind::Returns => {
            return_home(twin, event, carried, input, policy, effects, notes)
        }
        _ if twin.linked_to.is_some() => handle_linked(twin, event, input, policy, effects, notes),
        _ => handle_unlinked(twin, event, input, policy, effects, notes),
    };
    outcome.unwrap_or_else(|rejection| Some(InputResult::Refused(rejection)))
}

/// Handles an event for an identifier that is linked to another customer; none: process it as a normal event.
fn handle_linked(
    twin: &mut Twin,
    event: &Event,
    input: &Input,
    policy: &Policy,
    effects: &mut Vec<Effect>,
    notes: &mut Notes,
) -> Result<Option<InputResult>, Rejection> {
    let forwarding = event.forwarding.as_deref();
    if let (None, EventKind::Link(link)) = (forwarding, &event.kind) {
        if is_behind(twin, link, input) {
            return Ok(Some(note_late_statement(twin, "to", input, policy, notes)));
        }
        if !link.merge {
            return change_hands(twin, event, link, input, effects, notes);
        }
    }
    if forwarding.is_some_and(|forwarding| is_end_of_circle(twin, forwarding)) {
        notes.circle();
    } else if let Some(result) = forward(twin, event, input, effects, notes)? {
        if matches!((forwarding, &event.kind), (None, EventKind::Link(_))) {
            // It was linked to the same customer as before, by a new statement.
            twin.ownership = Some(OwnershipRecord::linked(input.stated_at));
        }
        return Ok(Some(result));
    } else {
        notes.limit("FORWARDING_HOPS");
    }
    let carried = forwarding.and_then(|forwarding| forwarding.carried.as_ref());
    if carried.is_some_and(|carried| !carried.is_memory()) {
        // A mere statement loses nothing if it is dropped.
        return Ok(Some(InputResult::Untouched));
    }
    twin.linked_to = None;
    twin.ownership = None;
    twin.epoch += 1;
    handle_unlinked(twin, event, input, policy, effects, notes)
}

/// Handles an event for an identifier that is not linked; none: process it as a normal event.
fn handle_unlinked(
    twin: &mut Twin,
    event: &Event,
    input: &Input,
    policy: &Policy,
    effects: &mut Vec<Effect>,
    notes: &mut Notes,
) -> Result<Option<InputResult>, Rejection> {
    let forwarding = event.forwarding.as_deref();
    match (forwarding, forwarding.and_then(|forwarding| forwarding.carried.as_ref()), &event.kind) {
        (Some(forwarding), Some(carried), _) if carried.kind == TransferKind::Leaves => {
            Ok(Some(lose(twin, &forwarding.from, carried)))
        }
        (Some(forwarding), Some(carried), _) if carried.kind == TransferKind::Rests => {
            rest(twin, forwarding, carried, input, policy, effects, notes)
        }
        (Some(forwarding), Some(carried), _) => {
            arrive(twin, event, forwarding, carried, input, effects, notes)
        }
        (_, None, EventKind::Link(link)) => leave(twin, event, link, input, policy, effects, notes),
        (_, None, EventKind::Unlink(link)) => {
            part(twin, event, &link.from, input, policy, effects, notes)
        }
        _ => Ok(None),
    }
}

/// Whether a message has made a whole cycle through this twin, and ends here.
fn is_end_of_circle(twin: &Twin, forwarding: &Forwarding) -> bool {
    let Some(at) = forwarding.via.iter().position(|known| *known == twin.customer) else {
        return false;
    };
    // By another link it would be another route.
    forwarding.links.get(at) == Some(&twin.epoch)
        && forwarding.via[at..].iter().min() == Some(&twin.customer)
}

/// Forwards an event to the customer whom the identifier is linked to; none, if it has reached the limit
/// of hops.
fn forward(
    twin: &mut Twin,
    event: &Event,
    input: &Input,
    effects: &mut Vec<Effect>,
    notes: &mut Notes,
) -> Result<Option<InputResult>, Rejection> {
    let Some(to) = twin.linked_to.clone() else { return Ok(None) };
    let mut forwarding = match event.forwarding.as_deref() {
        Some(before) => before.clone(),
        None => Forwarding {
            from: twin.customer.clone(),
            via: Vec::new(),
            links: Vec::new(),
            hops: 0,
            carried: None,
            at: None,
            message: 0,
        },
    };
    // Each identifier once: after the position where a message has been before follow all members of the
    // cycle.
    if let Some(at) = forwarding.via.iter().position(|known| *known == twin.customer) {
        forwarding.via.remove(at);
        forwarding.links.remove(at);
    }
    if forwarding.hops as usize >= limits::FORWARDING_HOPS
        || forwarding.via.len() >= limits::FORWARDING_HOPS
    {
        return Ok(None);
    }
    forwarding.hops += 1;
    forwarding.via.push(twin.customer.clone());
    forwarding.links.push(twin.epoch);
    let message = message(event, &forwarding, event.fingerprint, &to, input.at)?;
    if message.payload.len() > limits::FORWARDED_BYTES {
        return Ok(None);
    }
    effects.push(Effect::Forward(Box::new(message)));
    // The caller of a request is redirected and does not return here unless that was in vain.
    if input.is_remembered() {
        twin.recent.remember(seen_fingerprint(event), input.stored, notes);
    }
    Ok(Some(InputResult::Forwarded))
}
