//! Moves memories: a link sends a memory to another twin, an unlink sends it back.

use super::ownership::{is_behind, note_late_statement};
use super::{parting, seen_fingerprint};
use crate::config::limits;
use crate::event::{
    CarriedMemory, Customer, Event, EventKind, ForwardedEvent, Forwarding, LinkData, Reason,
    Rejection, Time, TransferKind, cut, fingerprint, owner_hash,
};
use crate::policy::Policy;
use crate::twin::effect::{Effect, InputResult};
use crate::twin::fold::{deadline, timeline};
use crate::twin::input::Input;
use crate::twin::note::Notes;
use crate::twin::state::ownership::refused;
use crate::twin::state::{EntryKind, Identifier, Memory, OwnershipRecord, Timer, Twin};

/// Room for the envelope around a memory.
const ENVELOPE_BYTES: usize = 8 * 1024;

pub(super) fn message(
    event: &Event,
    forwarding: &Forwarding,
    fingerprint: u64,
    to: &Customer,
    at: Time,
) -> Result<ForwardedEvent, Rejection> {
    ForwardedEvent::new(event, forwarding, fingerprint, to, at)
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
    let fingerprint = move_fingerprint(event.fingerprint, &twin.customer, &carried);
    let forwarding = Forwarding {
        from: twin.customer.clone(),
        via: vec![twin.customer.clone()],
        links: vec![twin.epoch],
        hops: 1,
        carried: Some(carried),
        at: None,
        message: 0,
    };
    message(event, &forwarding, fingerprint, to, at)
        .map(|message| Effect::Forward(Box::new(message)))
}

/// The fingerprint of a move. It differs from that of its event, of which there may be copies without a
/// memory, and is different for each move.
fn move_fingerprint(event: u64, by: &Customer, carried: &CarriedMemory) -> u64 {
    fingerprint([
        &event.to_le_bytes(),
        &carried.epoch.to_le_bytes(),
        &[carried.kind as u8],
        by.as_str().as_bytes(),
    ])
}

/// The hash of an identifier, used where it must not be named.
pub(super) fn hashed(customer: &str) -> Box<str> {
    owner_hash(customer).to_string().into()
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
pub(super) fn target(twin: &Twin, link: &LinkData) -> Result<Customer, Rejection> {
    let to = Customer::new(&link.to).map_err(refused)?;
    if to == twin.customer {
        return Err(refused(format!(
            "expected a link to another identifier, found `{to}` itself; link the anonymous \
             identifier to the known one"
        )));
    }
    Ok(to)
}

/// Links this identifier to another: its whole memory moves there.
pub(super) fn leave(
    twin: &mut Twin,
    event: &Event,
    link: &LinkData,
    input: &Input,
    policy: &Policy,
    effects: &mut Vec<Effect>,
    notes: &mut Notes,
) -> Result<Option<InputResult>, Rejection> {
    if *link.to == *twin.customer.as_str() && event.forwarding.is_some() {
        // It is linked to them already, by another link.
        return Ok(Some(InputResult::Duplicate));
    }
    let to = target(twin, link)?;
    if is_behind(twin, link, input) {
        return Ok(Some(note_late_statement(twin, "to", input, policy, notes)));
    }
    if twin.identifiers.iter().any(|known| known.customer == to) {
        return Err(refused(format!(
            "expected a link to another customer, found `{to}`, which is already an identifier of \
             this customer: a cycle; unlink it first if that is wrong"
        )));
    }
    let known = known_because(twin, policy);
    if !link.merge
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
    let memory = twin.memory().fit(limits::FORWARDED_BYTES - ENVELOPE_BYTES, notes);
    let epoch = twin.epoch + 1;
    let carried = CarriedMemory {
        kind: TransferKind::Joins,
        epoch,
        stated_at: input.stated_at,
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
        ownership: Some(OwnershipRecord::linked(input.stated_at)),
        known: known.is_some(),
        moves: twin.moves,
        epoch,
        recent,
        seen: twin.seen,
        ..stub(twin)
    };
    Ok(Some(InputResult::Applied))
}

/// Records a move in the timeline.
fn record(twin: &mut Twin, input: &Input, policy: &Policy, notes: &mut Notes) {
    timeline::make_room(twin, input, notes);
    timeline::record(twin, input, policy, &[]);
}

/// An empty twin of the same identifier.
fn stub(twin: &Twin) -> Twin {
    Twin::new(twin.customer.clone(), twin.born)
}

/// Keeps here a memory that could not be returned.
pub(super) fn rest(
    twin: &mut Twin,
    forwarding: &Forwarding,
    carried: &CarriedMemory,
    input: &Input,
    policy: &Policy,
    effects: &mut Vec<Effect>,
    notes: &mut Notes,
) -> Result<Option<InputResult>, Rejection> {
    let other = Memory { identifiers: Vec::new(), ..read(&carried.memory, &forwarding.from)? };
    let mut own = twin.memory();
    own.merge(other, notes);
    replace(twin, own, input, effects, notes);
    record(twin, input, policy, notes);
    Ok(Some(InputResult::Applied))
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
    deadline::start_due_timer(twin, input.at, effects, notes);
}

fn too_many(to: &Customer, found: usize) -> Rejection {
    refused(format!(
        "expected at most {} identifiers linked to `{to}`, found {found}; is this identifier shared \
         by many people? Its memory stays where it was",
        limits::IDENTIFIERS
    ))
}

/// Receives the memory of another identifier.
pub(super) fn arrive(
    twin: &mut Twin,
    event: &Event,
    forwarding: &Forwarding,
    carried: &CarriedMemory,
    input: &Input,
    effects: &mut Vec<Effect>,
    notes: &mut Notes,
) -> Result<Option<InputResult>, Rejection> {
    let from = &forwarding.from;
    let mut other = read(&carried.memory, from)?;
    let is_own = *from == twin.customer;
    let added = usize::from(!is_own) + other.identifiers.len();
    let found = twin.identifiers.len() + added;
    if found > limits::IDENTIFIERS && !is_own {
        let back = CarriedMemory { kind: TransferKind::Returns, ..carried.clone() };
        effects.push(send(twin, event, from, back, input.at)?);
        return Err(too_many(&twin.customer, found));
    }
    let mut own = twin.memory();
    let mut identifiers = std::mem::take(&mut other.identifiers);
    if !is_own {
        // Directly to this one, or to one that turned out to be this one too.
        let through = match &event.kind {
            EventKind::Link(link) => {
                let mut known = own.identifiers.iter().map(|known| &known.customer);
                known.find(|known| known.as_str() == &*link.to).cloned()
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
            said: carried.stated_at,
            through,
            entries,
            brought: Box::new(brought),
            beneath: Box::new(beneath),
        });
    }
    identifiers.retain(|known| known.customer != twin.customer);
    own.merge(Memory { identifiers, ..other }, notes);
    replace(twin, own, input, effects, notes);
    Ok(None)
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
pub(super) fn part(
    twin: &mut Twin,
    event: &Event,
    from: &str,
    input: &Input,
    policy: &Policy,
    effects: &mut Vec<Effect>,
    notes: &mut Notes,
) -> Result<Option<InputResult>, Rejection> {
    let is_behind =
        |known: &Identifier| known.customer.as_str() == from && input.stated_at < known.said;
    if twin.identifiers.iter().any(is_behind) {
        return Ok(Some(note_late_statement(twin, "from", input, policy, notes)));
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
    let json = back.fit(limits::FORWARDED_BYTES - ENVELOPE_BYTES, notes);
    let (epoch, stated_at, memory) = (gone.epoch, input.stated_at, json.into());
    twin.recent.remember(parting(&gone.customer, epoch), input.stored, notes);
    let home = CarriedMemory { kind: TransferKind::Returns, epoch, stated_at, memory };
    let message = send(twin, event, &gone.customer, home, input.at)?;
    let timers = std::mem::take(&mut twin.timers);
    twin.keep(own);
    retime(&timers, &twin.timers, effects);
    deadline::start_due_timer(twin, input.at, effects, notes);
    effects.push(message);
    Ok(None)
}

/// Receives a returned memory: the identifier is a separate twin again, unless it is linked to another
/// customer by now. In that case the memory does not belong to that customer, and stays with its sender.
pub(super) fn return_home(
    twin: &mut Twin,
    event: &Event,
    carried: &CarriedMemory,
    input: &Input,
    policy: &Policy,
    effects: &mut Vec<Effect>,
    notes: &mut Notes,
) -> Result<Option<InputResult>, Rejection> {
    let mut other = read(&carried.memory, &twin.customer)?;
    other.identifiers.retain(|known| known.customer != twin.customer);
    let is_linked = twin.linked_to.is_some();
    if let Some(forwarding) = event.forwarding.as_deref()
        && is_linked
        && carried.epoch != twin.epoch
    {
        let rest = CarriedMemory { kind: TransferKind::Rests, ..carried.clone() };
        effects.push(send(twin, event, &forwarding.from, rest, input.at)?);
        twin.recent.remember(seen_fingerprint(event), input.stored, notes);
        return Ok(Some(InputResult::Forwarded));
    }
    let is_unlinked = matches!(event.kind, EventKind::Unlink(_));
    let linked = twin.ownership.as_ref().map(|ownership| ownership.linked);
    if is_unlinked
        && let (Some(to), Some(stated_at)) = (twin.linked_to.clone(), linked)
        && carried.stated_at < stated_at
    {
        // It was linked to that customer once more after that, and that customer was not notified.
        notes.late("from");
        let memory = other.fit(limits::FORWARDED_BYTES - ENVELOPE_BYTES, notes).into();
        let epoch = twin.epoch + 1;
        let again = CarriedMemory { kind: TransferKind::Joins, epoch, stated_at, memory };
        let link = EventKind::Link(LinkData { to: to.as_str().into(), merge: false });
        let event_again = Event { kind: link, ..event.clone() };
        let stub = Twin { epoch, ..stub(twin) };
        effects.push(send(&stub, &event_again, &to, again, input.at)?);
        twin.epoch = epoch;
        twin.recent.remember(seen_fingerprint(event), input.stored, notes);
        return Ok(Some(InputResult::Forwarded));
    }
    if is_unlinked {
        let giver = event.forwarding.as_deref().map(|forwarding| &forwarding.from);
        let from = giver.into_iter().chain(&twin.linked_to);
        twin.ownership =
            Some(OwnershipRecord::unlinked(twin.ownership.as_ref(), carried.stated_at, from));
    } else if is_linked {
        twin.ownership = None;
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
    Ok(Some(InputResult::Applied))
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
