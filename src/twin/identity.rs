//! One customer, several identifiers: a `link` moves an identifier's memory into another twin, and an
//! `unlink` moves it back.
//!
//! Invariants, for any links in any order and any concurrency:
//! * **A memory is in one twin or in one message.** The commit that removes it from a twin writes the
//!   message; each message is processed by one twin or becomes one other message.
//! * **Every message arrives.** A message is forwarded at most [`limits::PASSES`] times; then the
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

use serde::{Deserialize, Serialize};

use super::escalation;
use super::memory::Memory;
use super::ownership::{OwnershipRecord, change_hands, come_late, is_behind, lose};
use super::perceive;
use super::reaction::Notes;
use super::{Effect, EntryKind, Input, InputResult, Timer, Twin};
use crate::config::limits;
use crate::event::{
    CarriedMemory, Customer, Event, EventKind, ForwardedEvent, Forwarding, LinkData, Reason,
    Rejection, Time, TransferKind, cut, fingerprint, stand_in,
};
use crate::policy::Policy;

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
    pub(super) fn take_in(&mut self, other: Identifier, notes: &mut Notes) {
        self.brought.merge(*other.brought, notes);
        self.entries.extend(other.entries);
        if other.epoch > self.epoch {
            self.epoch = other.epoch;
            self.said = other.said;
            self.through = other.through;
        }
    }
}

/// The result of handling an event that may concern links.
pub(super) enum IdentityResult {
    /// Process it as a normal event.
    Own,
    /// Already handled.
    Done(InputResult),
}

/// Room for the envelope around a memory.
const ENVELOPE_BYTES: usize = 8 * 1024;

/// Whether an event was processed here before.
pub(super) fn is_copy(twin: &Twin, event: &Event) -> bool {
    let is_known = |identity| twin.timeline.knows(identity) || twin.recent.knows(identity);
    is_known(event.fingerprint) || twin.recent.knows(seen_here(event))
}

/// Records, in an identifier that forwards an event, that the event was here. This does not mean that it
/// was processed here: it may return through a cycle, and must not be dropped then.
fn seen_here(event: &Event) -> u64 {
    match &event.passed {
        Some(passed) => passed.message,
        None => fingerprint([b"seen", &event.fingerprint.to_le_bytes()]),
    }
}

/// The record, kept for a while by a customer, that an identifier which was theirs by the link of this
/// number has been unlinked.
pub(super) fn parting(identifier: &Customer, link: u64) -> u64 {
    fingerprint([b"parted", identifier.as_str().as_bytes(), &link.to_le_bytes()])
}

/// Whether an event is more than an ordinary one of this twin.
pub(super) fn concerns(twin: &Twin, event: &Event) -> bool {
    twin.linked_to.is_some()
        || event.passed.is_some()
        || matches!(event.kind, EventKind::Link(_) | EventKind::Unlink(_))
}

/// Forwards, moves, receives or returns what an event concerns.
pub(super) fn meet(
    twin: &mut Twin,
    event: &Event,
    input: &Input,
    policy: &Policy,
    effects: &mut Vec<Effect>,
    notes: &mut Notes,
) -> IdentityResult {
    let carried = event.passed.as_deref().and_then(|passed| passed.carried.as_ref());
    let outcome = match carried {
        Some(carried) if carried.sense == TransferKind::Returns => {
            return_home(twin, event, carried, input, policy, effects, notes)
        }
        _ if twin.linked_to.is_some() => meet_linked(twin, event, input, policy, effects, notes),
        _ => meet_free(twin, event, input, policy, effects, notes),
    };
    outcome.unwrap_or_else(|rejection| IdentityResult::Done(InputResult::Refused(rejection)))
}

/// Handles an event for an identifier that is linked to another customer.
fn meet_linked(
    twin: &mut Twin,
    event: &Event,
    input: &Input,
    policy: &Policy,
    effects: &mut Vec<Effect>,
    notes: &mut Notes,
) -> Result<IdentityResult, Rejection> {
    let passed = event.passed.as_deref();
    if let (None, EventKind::Link(told)) = (passed, &event.kind) {
        if is_behind(twin, told, input) {
            return Ok(come_late(twin, "to", input, policy, notes));
        }
        if !told.merge {
            return change_hands(twin, event, told, input, effects, notes);
        }
    }
    if passed.is_some_and(|passed| is_end_of_circle(twin, passed)) {
        notes.circle();
    } else if let Some(met) = pass_on(twin, event, input, effects, notes)? {
        if matches!((passed, &event.kind), (None, EventKind::Link(_))) {
            // It was linked to the same customer as before, by a new statement.
            twin.hand = Some(OwnershipRecord::linked(input.said));
        }
        return Ok(met);
    } else {
        notes.limit("PASSES");
    }
    let carried = passed.and_then(|passed| passed.carried.as_ref());
    if carried.is_some_and(|carried| !carried.is_memory()) {
        // A mere statement loses nothing if it is dropped.
        return Ok(IdentityResult::Done(InputResult::Untouched));
    }
    twin.linked_to = None;
    twin.hand = None;
    twin.epoch += 1;
    meet_free(twin, event, input, policy, effects, notes)
}

/// Handles an event for an identifier that is not linked.
fn meet_free(
    twin: &mut Twin,
    event: &Event,
    input: &Input,
    policy: &Policy,
    effects: &mut Vec<Effect>,
    notes: &mut Notes,
) -> Result<IdentityResult, Rejection> {
    let passed = event.passed.as_deref();
    match (passed, passed.and_then(|passed| passed.carried.as_ref()), &event.kind) {
        (Some(passed), Some(carried), _) if carried.sense == TransferKind::Leaves => {
            Ok(lose(twin, &passed.from, carried))
        }
        (Some(passed), Some(carried), _) if carried.sense == TransferKind::Rests => {
            rest(twin, passed, carried, input, policy, effects, notes)
        }
        (Some(passed), Some(carried), _) => {
            arrive(twin, event, passed, carried, input, effects, notes)
        }
        (_, None, EventKind::Link(told)) => leave(twin, event, told, input, policy, effects, notes),
        (_, None, EventKind::Unlink(told)) => {
            part(twin, event, &told.from, input, policy, effects, notes)
        }
        _ => Ok(IdentityResult::Own),
    }
}

pub(super) fn refused(detail: String) -> Rejection {
    Rejection::new(Reason::Refused, detail)
}

/// Whether a message has made a whole cycle through this twin, and ends here.
fn is_end_of_circle(twin: &Twin, passed: &Forwarding) -> bool {
    let Some(at) = passed.via.iter().position(|known| *known == twin.customer) else {
        return false;
    };
    // By another link it would be another route.
    passed.links.get(at) == Some(&twin.epoch)
        && passed.via[at..].iter().min() == Some(&twin.customer)
}

/// Forwards an event to the customer whom the identifier is linked to; none, if it has reached the limit
/// of hops.
fn pass_on(
    twin: &mut Twin,
    event: &Event,
    input: &Input,
    effects: &mut Vec<Effect>,
    notes: &mut Notes,
) -> Result<Option<IdentityResult>, Rejection> {
    let Some(to) = twin.linked_to.clone() else { return Ok(None) };
    let mut passed = match event.passed.as_deref() {
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
    if let Some(at) = passed.via.iter().position(|known| *known == twin.customer) {
        passed.via.remove(at);
        passed.links.remove(at);
    }
    if passed.hops as usize >= limits::PASSES || passed.via.len() >= limits::PASSES {
        return Ok(None);
    }
    passed.hops += 1;
    passed.via.push(twin.customer.clone());
    passed.links.push(twin.epoch);
    let message = message(event, &passed, event.fingerprint, &to, input.at)?;
    if message.payload.len() > limits::PASSED_BYTES {
        return Ok(None);
    }
    effects.push(Effect::Forward(Box::new(message)));
    // The caller of a request is redirected and does not return here unless that was in vain.
    if input.is_remembered() {
        twin.recent.remember(seen_here(event), input.stored, notes);
    }
    Ok(Some(IdentityResult::Done(InputResult::PassedOn)))
}

fn message(
    event: &Event,
    passed: &Forwarding,
    fingerprint: u64,
    to: &Customer,
    at: Time,
) -> Result<ForwardedEvent, Rejection> {
    ForwardedEvent::new(event, passed, fingerprint, to, at)
        .map_err(|error| refused(format!("expected an event with a JSON form, found: {error}")))
}

/// The message that this twin sends to another because of an event, and its first hop.
pub(super) fn send(
    twin: &Twin,
    event: &Event,
    to: &Customer,
    carried: CarriedMemory,
    at: Time,
) -> Result<Effect, Rejection> {
    let fingerprint = moved(event.fingerprint, &twin.customer, &carried);
    let passed = Forwarding {
        from: twin.customer.clone(),
        via: vec![twin.customer.clone()],
        links: vec![twin.epoch],
        hops: 1,
        carried: Some(carried),
        at: None,
        message: 0,
    };
    message(event, &passed, fingerprint, to, at).map(|message| Effect::Forward(Box::new(message)))
}

/// The fingerprint of a move. It differs from that of its event, of which there may be copies without a
/// memory, and is different for each move.
fn moved(event: u64, by: &Customer, carried: &CarriedMemory) -> u64 {
    fingerprint([
        &event.to_le_bytes(),
        &carried.epoch.to_le_bytes(),
        &[carried.sense as u8],
        by.as_str().as_bytes(),
    ])
}

/// The hash of an identifier, used where it must not be named.
pub(super) fn hashed(customer: &str) -> Box<str> {
    stand_in(customer).to_string().into()
}

/// Whether this is a known customer, and why.
fn known_because(twin: &Twin, policy: &Policy) -> Option<&'static str> {
    if twin.known || !twin.identifiers.is_empty() {
        Some("to whom another identifier was linked")
    } else if policy.identity.is_known_by(&twin.profile.traits) {
        Some("who was identified")
    } else {
        None
    }
}

/// The customer in a link.
pub(super) fn target(twin: &Twin, told: &LinkData) -> Result<Customer, Rejection> {
    let to = Customer::new(&told.to).map_err(refused)?;
    if to == twin.customer {
        return Err(refused(format!(
            "expected a link to another identifier, found `{to}` itself; link the anonymous \
             identifier to the known one"
        )));
    }
    Ok(to)
}

/// Links this identifier to another: its whole memory moves there.
fn leave(
    twin: &mut Twin,
    event: &Event,
    told: &LinkData,
    input: &Input,
    policy: &Policy,
    effects: &mut Vec<Effect>,
    notes: &mut Notes,
) -> Result<IdentityResult, Rejection> {
    if *told.to == *twin.customer.as_str() && event.passed.is_some() {
        // It is linked to them already, by another link.
        return Ok(IdentityResult::Done(InputResult::Duplicate));
    }
    let to = target(twin, told)?;
    if is_behind(twin, told, input) {
        return Ok(come_late(twin, "to", input, policy, notes));
    }
    if twin.identifiers.iter().any(|known| known.customer == to) {
        return Err(refused(format!(
            "expected a link to another customer, found `{to}`, which is already an identifier of \
             this customer: a cycle; unlink it first if that is wrong"
        )));
    }
    let known = known_because(twin, policy);
    if !told.merge
        && let Some(why) = known
    {
        return Err(refused(format!(
            "expected a link of an identifier that belongs to no customer yet, found `{}`, a known \
             customer {why}; if both are the same customer, send `\"merge\": true` from a channel \
             listed in `service.merging-channels`",
            twin.customer
        )));
    }
    if twin.identifiers.len() >= limits::IDENTIFIERS {
        return Err(too_many(&to, twin.identifiers.len() + 1));
    }
    twin.moves.count(&twin.customer, input.at)?;
    record(twin, input, policy, notes);
    let memory = twin.memory().fit(limits::PASSED_BYTES - ENVELOPE_BYTES, notes);
    let epoch = twin.epoch + 1;
    let carried = CarriedMemory {
        sense: TransferKind::Joins,
        epoch,
        said: input.said,
        memory: memory.into(),
    };
    let message = send(&Twin { epoch, ..stub(twin) }, event, &to, carried, input.at)?;
    retime(&std::mem::take(&mut twin.timers), &[], effects);
    effects.push(message);
    let mut recent = std::mem::take(&mut twin.recent);
    for entry in twin.timeline.iter().filter(|entry| input.is_recent(entry.at)) {
        if matches!(entry.what, EntryKind::Event(_)) {
            recent.remember(entry.fingerprint, input.stored, notes);
        }
    }
    *twin = Twin {
        linked_to: Some(to),
        hand: Some(OwnershipRecord::linked(input.said)),
        known: known.is_some(),
        moves: twin.moves,
        epoch,
        recent,
        seen: twin.seen,
        ..stub(twin)
    };
    Ok(IdentityResult::Done(InputResult::Applied))
}

/// Records a move in the timeline.
fn record(twin: &mut Twin, input: &Input, policy: &Policy, notes: &mut Notes) {
    perceive::make_room(twin, input, notes);
    perceive::record(twin, input, policy, &[]);
}

/// An empty twin of the same identifier.
fn stub(twin: &Twin) -> Twin {
    Twin::new(twin.customer.clone(), twin.born)
}

/// Keeps here a memory that could not be returned.
fn rest(
    twin: &mut Twin,
    passed: &Forwarding,
    carried: &CarriedMemory,
    input: &Input,
    policy: &Policy,
    effects: &mut Vec<Effect>,
    notes: &mut Notes,
) -> Result<IdentityResult, Rejection> {
    let other = Memory { identifiers: Vec::new(), ..read(&carried.memory, &passed.from)? };
    let mut own = twin.memory();
    own.merge(other, notes);
    replace(twin, own, input, effects, notes);
    record(twin, input, policy, notes);
    Ok(IdentityResult::Done(InputResult::Applied))
}

/// Replaces the memory of the twin.
fn replace(
    twin: &mut Twin,
    memory: Memory,
    input: &Input,
    effects: &mut Vec<Effect>,
    notes: &mut Notes,
) {
    let timers = std::mem::take(&mut twin.timers);
    twin.keep(memory);
    retime(&timers, &twin.timers, effects);
    twin.join_escalations(input, effects);
    escalation::wait_for_promises(twin, input.at, effects, notes);
}

fn too_many(to: &Customer, found: usize) -> Rejection {
    refused(format!(
        "expected at most {} identifiers linked to `{to}`, found {found}; is this identifier shared \
         by many people? Its memory stays where it was",
        limits::IDENTIFIERS
    ))
}

/// Receives the memory of another identifier.
fn arrive(
    twin: &mut Twin,
    event: &Event,
    passed: &Forwarding,
    carried: &CarriedMemory,
    input: &Input,
    effects: &mut Vec<Effect>,
    notes: &mut Notes,
) -> Result<IdentityResult, Rejection> {
    let from = &passed.from;
    let mut other = read(&carried.memory, from)?;
    let is_own = *from == twin.customer;
    let added = usize::from(!is_own) + other.identifiers.len();
    let found = twin.identifiers.len() + added;
    if found > limits::IDENTIFIERS && !is_own {
        let back = CarriedMemory { sense: TransferKind::Returns, ..carried.clone() };
        effects.push(send(twin, event, from, back, input.at)?);
        return Err(too_many(&twin.customer, found));
    }
    let mut own = twin.memory();
    let mut identifiers = std::mem::take(&mut other.identifiers);
    if !is_own {
        // Directly to this one, or to one that turned out to be this one too.
        let through = match &event.kind {
            EventKind::Link(told) => {
                let mut known = own.identifiers.iter().map(|known| &known.customer);
                known.find(|known| known.as_str() == &*told.to).cloned()
            }
            _ => None,
        };
        for known in &mut identifiers {
            // Also if it was through this one, which is no longer an identifier of that one.
            if known.through.as_ref().is_none_or(|by| *by == twin.customer) {
                known.through = Some(from.clone());
            }
        }
        let beneath = own.beneath(&other);
        let entries: Vec<u64> = other.timeline.iter().map(|past| past.fingerprint).collect();
        let brought = Memory { timeline: Vec::new(), ..other.clone() };
        hold(&mut own.identifiers, through.as_ref(), |holder| {
            holder.beneath.merge(beneath.without(&holder.brought), notes);
            holder.brought.merge(brought.clone(), notes);
            holder.entries.extend(&entries);
        });
        identifiers.push(Identifier {
            customer: from.clone(),
            since: input.at,
            epoch: carried.epoch,
            said: carried.said,
            through,
            entries,
            brought: Box::new(brought),
            beneath: Box::new(beneath),
        });
    }
    identifiers.retain(|known| known.customer != twin.customer);
    own.merge(Memory { identifiers, ..other }, notes);
    replace(twin, own, input, effects, notes);
    Ok(IdentityResult::Own)
}

/// Applies a function to the identifier through which a memory came, and to those through which that one
/// came: what was linked through them came with them.
fn hold(
    identifiers: &mut [Identifier],
    through: Option<&Customer>,
    mut act: impl FnMut(&mut Identifier),
) {
    let mut next = through.cloned();
    for _ in 0..identifiers.len() {
        let Some(by) = next else { return };
        let Some(holder) = identifiers.iter_mut().find(|known| known.customer == by) else {
            return;
        };
        act(holder);
        next = holder.through.clone();
    }
}

/// Parses a memory and checks it.
fn read(memory: &str, of: &Customer) -> Result<Memory, Rejection> {
    let bad = |found: String| {
        Rejection::new(
            Reason::BadData,
            format!("expected the memory of a twin, found: {}", cut(&found, 256)),
        )
    };
    let memory: Memory = serde_json::from_str(memory).map_err(|error| bad(error.to_string()))?;
    match memory.violations(of).into_iter().next() {
        Some(violation) => Err(bad(violation)),
        None => Ok(memory),
    }
}

/// Unlinks an identifier: what it contributed is returned.
fn part(
    twin: &mut Twin,
    event: &Event,
    from: &str,
    input: &Input,
    policy: &Policy,
    effects: &mut Vec<Effect>,
    notes: &mut Notes,
) -> Result<IdentityResult, Rejection> {
    let is_behind = |known: &Identifier| known.customer.as_str() == from && input.said < known.said;
    if twin.identifiers.iter().any(is_behind) {
        return Ok(come_late(twin, "from", input, policy, notes));
    }
    let mut own = twin.memory();
    let Some(position) = own.identifiers.iter().position(|known| known.customer.as_str() == from)
    else {
        return Err(refused(format!(
            "expected an identifier that is linked to `{}`, found `{}`; `show` lists them",
            twin.customer,
            cut(from, 64)
        )));
    };
    let gone = own.identifiers.remove(position);
    let mut back = own.part(&gone);
    // Identifiers linked to it came through it, and leave with it.
    let mut through = vec![gone.customer.clone()];
    while let Some(by) = through.pop() {
        let (with, stay): (Vec<Identifier>, Vec<Identifier>) = std::mem::take(&mut own.identifiers)
            .into_iter()
            .partition(|known| known.through.as_ref() == Some(&by));
        own.identifiers = stay;
        through.extend(with.iter().map(|known| known.customer.clone()));
        back.identifiers.extend(with);
    }
    for known in &mut back.identifiers {
        if known.through.as_ref() == Some(&gone.customer) {
            known.through = None;
        }
    }
    // Those that stay and were linked through it have contributed its memory too.
    hold(&mut own.identifiers, gone.through.as_ref(), |holder| {
        holder.brought.part(&gone);
        holder.entries.retain(|entry| !gone.entries.contains(entry));
    });
    let json = back.fit(limits::PASSED_BYTES - ENVELOPE_BYTES, notes);
    let (epoch, said, memory) = (gone.epoch, input.said, json.into());
    twin.recent.remember(parting(&gone.customer, epoch), input.stored, notes);
    let home = CarriedMemory { sense: TransferKind::Returns, epoch, said, memory };
    let message = send(twin, event, &gone.customer, home, input.at)?;
    let timers = std::mem::take(&mut twin.timers);
    twin.keep(own);
    retime(&timers, &twin.timers, effects);
    escalation::wait_for_promises(twin, input.at, effects, notes);
    effects.push(message);
    Ok(IdentityResult::Own)
}

/// Receives a returned memory: the identifier is a separate twin again, unless it is linked to another
/// customer by now. In that case the memory does not belong to that customer, and stays with its sender.
fn return_home(
    twin: &mut Twin,
    event: &Event,
    carried: &CarriedMemory,
    input: &Input,
    policy: &Policy,
    effects: &mut Vec<Effect>,
    notes: &mut Notes,
) -> Result<IdentityResult, Rejection> {
    let mut other = read(&carried.memory, &twin.customer)?;
    other.identifiers.retain(|known| known.customer != twin.customer);
    let is_linked = twin.linked_to.is_some();
    if let Some(passed) = event.passed.as_deref()
        && is_linked
        && carried.epoch != twin.epoch
    {
        let rest = CarriedMemory { sense: TransferKind::Rests, ..carried.clone() };
        effects.push(send(twin, event, &passed.from, rest, input.at)?);
        twin.recent.remember(seen_here(event), input.stored, notes);
        return Ok(IdentityResult::Done(InputResult::PassedOn));
    }
    let is_unlinked = matches!(event.kind, EventKind::Unlink(_));
    let linked = twin.hand.as_ref().map(|hand| hand.linked);
    if is_unlinked
        && let (Some(to), Some(said)) = (twin.linked_to.clone(), linked)
        && carried.said < said
    {
        // It was linked to that customer once more after that, and that customer was not notified.
        notes.late("from");
        let memory = other.fit(limits::PASSED_BYTES - ENVELOPE_BYTES, notes).into();
        let epoch = twin.epoch + 1;
        let again = CarriedMemory { sense: TransferKind::Joins, epoch, said, memory };
        let link = EventKind::Link(LinkData { to: to.as_str().into(), merge: false });
        let event_again = Event { kind: link, ..event.clone() };
        let stub = Twin { epoch, ..stub(twin) };
        effects.push(send(&stub, &event_again, &to, again, input.at)?);
        twin.epoch = epoch;
        twin.recent.remember(seen_here(event), input.stored, notes);
        return Ok(IdentityResult::Done(InputResult::PassedOn));
    }
    if is_unlinked {
        let giver = event.passed.as_deref().map(|passed| &passed.from);
        let from = giver.into_iter().chain(&twin.linked_to);
        twin.hand = Some(OwnershipRecord::parted(twin.hand.as_ref(), carried.said, from));
    } else if is_linked {
        twin.hand = None;
    }
    let mut own = twin.memory();
    if is_linked {
        twin.linked_to = None;
        twin.epoch += 1;
        own = other;
    } else {
        own.merge(other, notes);
    }
    own.identifiers.retain(|known| known.customer != twin.customer);
    replace(twin, own, input, effects, notes);
    record(twin, input, policy, notes);
    Ok(IdentityResult::Done(InputResult::Applied))
}

/// Updates the index of timers.
fn retime(before: &[Timer], after: &[Timer], effects: &mut Vec<Effect>) {
    let is_in = |all: &[Timer], one: &Timer| {
        all.iter().any(|known| known.name == one.name && known.due == one.due)
    };
    effects.extend(
        before
            .iter()
            .filter(|timer| !is_in(after, timer))
            .map(|timer| Effect::CancelTimer { name: timer.name.clone(), due: timer.due }),
    );
    effects.extend(
        after
            .iter()
            .filter(|timer| !is_in(before, timer))
            .map(|timer| Effect::StartTimer { name: timer.name.clone(), due: timer.due }),
    );
}
