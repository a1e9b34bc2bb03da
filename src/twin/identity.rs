//! One customer, several identifiers: a `link` moves what one of them remembers into another, and
//! an `unlink` takes it back.
//!
//! The rules:
//! * The identifier that is linked keeps nothing but the address of the other, and passes on
//!   whatever comes for it later, a further `link` too. The one linked *to* survives, also when
//!   both are known customers.
//! * The move is the `link` itself, passed on with the memory: in the same commit in which the
//!   memory leaves, it is on its way. Rules on `link` hear of it where the memory has arrived.
//! * Linking an identifier to itself is refused, and so is a link that would close a circle. Two
//!   links that cross on their way close one unseen: then the identifier survives that is least in
//!   the order of their bytes, where the first memory that has been round ends.
//! * A customer has at most [`limits::IDENTIFIERS`] other identifiers. A memory beyond that goes
//!   back where it came from; events that came in between stay where they were taken in.
//! * `unlink` gives back what came from an identifier, and from those that were linked to it, as
//!   far as it is unchanged. What changed since stays, what happened since stays. Evidence of
//!   choices is counts, and given back as far as it is still there. An event that was passed on is not remembered
//!   as a duplicate by the identifier that passed it on.

use serde::{Deserialize, Serialize};

use super::escalation;
use super::memory::Memory;
use super::perceive;
use super::reaction::Notes;
use super::{Effect, Input, Timer, Twin, Verdict};
use crate::config::limits;
use crate::event::{Carried, Customer, Event, Kind, PassOn, Passed, Reason, Rejection, Time, cut};
use crate::policy::Policy;

/// Another identifier of a customer, and what came from it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Identifier {
    /// Which.
    pub customer: Customer,
    /// Since when it is known to be one of this customer's.
    pub since: Time,
    /// The identifier to which it was linked, if not straight to this one.
    pub through: Option<Customer>,
    /// The identities of the timeline's entries that came from it.
    pub entries: Vec<u64>,
    /// All else that came from it.
    pub brought: Box<Memory>,
    /// What was known before of the same things.
    pub beneath: Box<Memory>,
}

/// What became of an event that may be about identifiers.
pub(super) enum Met {
    /// It is this twin's, to be taken in like any other.
    Own,
    /// There is nothing more to do.
    Done(Verdict),
}

/// Room for the envelope around a memory.
const ENVELOPE_BYTES: usize = 8 * 1024;

/// Whether an event is more than just one of this twin's own.
pub(super) fn concerns(twin: &Twin, event: &Event) -> bool {
    twin.linked_to.is_some()
        || event.passed.is_some()
        || matches!(event.kind, Kind::Link(_) | Kind::Unlink(_))
}

/// Passes on, moves, takes in or gives back what an event is about.
pub(super) fn meet(
    twin: &mut Twin,
    event: &Event,
    input: &Input,
    policy: &Policy,
    effects: &mut Vec<Effect>,
    notes: &mut Notes,
) -> Met {
    let passed = event.passed.as_deref();
    let carried = passed.and_then(|passed| passed.carried.as_ref());
    let outcome = match (passed, carried, &event.kind) {
        (_, Some(carried), _) if carried.is_return => {
            return_home(twin, &carried.memory, input, policy, effects, notes)
        }
        _ if twin.linked_to.is_some() && !is_end_of_circle(twin, passed) => {
            pass_on(twin, event, input, effects)
        }
        (Some(passed), Some(carried), _) => {
            arrive(twin, event, passed, carried, input, effects, notes)
        }
        (_, None, Kind::Link(told)) => leave(twin, event, &told.to, input, policy, effects, notes),
        (_, None, Kind::Unlink(told)) => part(twin, event, &told.from, input, effects, notes),
        _ => Ok(Met::Own),
    };
    outcome.unwrap_or_else(|rejection| Met::Done(Verdict::Refused(rejection)))
}

fn refused(detail: String) -> Rejection {
    Rejection::new(Reason::Refused, detail)
}

/// Whether a memory has been round through this twin, and this is where it ends.
fn is_end_of_circle(twin: &Twin, passed: Option<&Passed>) -> bool {
    let Some(Passed { via, links, carried: Some(_), .. }) = passed else { return false };
    let Some(last) = via.iter().rposition(|known| *known == twin.customer) else { return false };
    // If this twin has come free and was linked anew meanwhile, it is another way.
    links.get(last) == Some(&twin.linked_by) && via[last..].iter().min() == Some(&twin.customer)
}

/// Hands an event on to the customer to whom the identifier is linked.
fn pass_on(
    twin: &Twin,
    event: &Event,
    input: &Input,
    effects: &mut Vec<Effect>,
) -> Result<Met, Rejection> {
    let Some(to) = &twin.linked_to else { return Ok(Met::Own) };
    let passed = match event.passed.as_deref() {
        None => {
            Passed { via: vec![twin.customer.clone()], links: Vec::new(), hops: 1, carried: None }
        }
        Some(before) => {
            let mut passed = Passed { hops: before.hops.saturating_add(1), ..before.clone() };
            // Only a memory needs to know its way.
            if passed.carried.is_some() {
                passed.via.push(twin.customer.clone());
                passed.links.push(twin.linked_by);
            }
            passed
        }
    };
    effects.push(message(event, &passed, event.fingerprint, to, input.at)?);
    Ok(Met::Done(Verdict::PassedOn))
}

fn message(
    event: &Event,
    passed: &Passed,
    fingerprint: u64,
    to: &Customer,
    at: Time,
) -> Result<Effect, Rejection> {
    let message = PassOn::new(event, passed, fingerprint, to, at)
        .map_err(|error| refused(format!("expected an event with a JSON form, found: {error}")))?;
    Ok(Effect::PassOn(Box::new(message)))
}

/// The identity of a move: not that of its event, of which there may be copies without a memory.
fn moved(fingerprint: u64, by: &Customer, is_return: bool) -> u64 {
    let mut bytes = Vec::with_capacity(64);
    bytes.extend_from_slice(&fingerprint.to_le_bytes());
    bytes.push(u8::from(is_return));
    bytes.extend_from_slice(by.as_str().as_bytes());
    twox_hash::XxHash3_64::oneshot(&bytes)
}

/// This identifier is linked to another: all that it remembers goes there.
fn leave(
    twin: &mut Twin,
    event: &Event,
    to: &str,
    input: &Input,
    policy: &Policy,
    effects: &mut Vec<Effect>,
    notes: &mut Notes,
) -> Result<Met, Rejection> {
    let to = Customer::new(to).map_err(refused)?;
    if to == twin.customer && event.passed.is_some() {
        // It is so already, by another link.
        return Ok(Met::Done(Verdict::Duplicate));
    }
    if to == twin.customer {
        return Err(refused(format!(
            "expected a link to another identifier, found `{to}` itself; link the anonymous \
             identifier to the known one"
        )));
    }
    if twin.identifiers.iter().any(|known| known.customer == to) {
        return Err(refused(format!(
            "expected a link to another customer, found `{to}`, which is an identifier of this \
             one: a circle; unlink it first if that is wrong"
        )));
    }
    if twin.identifiers.len() >= limits::IDENTIFIERS {
        return Err(too_many(&to, twin.identifiers.len() + 1));
    }
    perceive::record(twin, input, policy, &[]);
    let mut memory = twin.memory();
    let memory = memory.fit(limits::PASSED_BYTES - ENVELOPE_BYTES, notes);
    let passed = Passed {
        via: vec![twin.customer.clone()],
        links: vec![event.fingerprint],
        hops: 1,
        carried: Some(Carried { is_return: false, memory: memory.into() }),
    };
    let fingerprint = moved(event.fingerprint, &twin.customer, false);
    let message = message(event, &passed, fingerprint, &to, input.at)?;
    retime(&std::mem::take(&mut twin.timers), &[], effects);
    effects.push(message);
    let seen = twin.seen;
    *twin = Twin {
        linked_to: Some(to),
        linked_by: event.fingerprint,
        seen,
        ..Twin::new(twin.customer.clone(), twin.born)
    };
    Ok(Met::Done(Verdict::Applied))
}

fn too_many(to: &Customer, found: usize) -> Rejection {
    refused(format!(
        "expected at most {} identifiers linked to `{to}`, found {found}; is it one that many \
         people share? its memory stays where it was",
        limits::IDENTIFIERS
    ))
}

/// The memory of another identifier arrives.
fn arrive(
    twin: &mut Twin,
    event: &Event,
    passed: &Passed,
    carried: &Carried,
    input: &Input,
    effects: &mut Vec<Effect>,
    notes: &mut Notes,
) -> Result<Met, Rejection> {
    let Some(from) = passed.via.first() else { return Ok(Met::Own) };
    let mut other = read(&carried.memory, from)?;
    let is_own = *from == twin.customer;
    let added = usize::from(!is_own) + other.identifiers.len();
    let found = twin.identifiers.len() + added;
    if found > limits::IDENTIFIERS && !is_own {
        let back = Passed {
            via: vec![twin.customer.clone()],
            links: vec![0],
            hops: passed.hops.saturating_add(1),
            carried: Some(Carried { is_return: true, memory: carried.memory.clone() }),
        };
        let fingerprint = moved(event.fingerprint, &twin.customer, true);
        effects.push(message(event, &back, fingerprint, from, input.at)?);
        return Err(too_many(&twin.customer, found));
    }
    twin.linked_to = None;
    let mut own = twin.memory();
    let mut identifiers = std::mem::take(&mut other.identifiers);
    if !is_own {
        // Straight to this one, or to one that has turned out to be this one too.
        let through = match &event.kind {
            Kind::Link(told) => {
                let mut known = own.identifiers.iter().map(|known| &known.customer);
                known.find(|known| known.as_str() == &*told.to).cloned()
            }
            _ => None,
        };
        for known in &mut identifiers {
            // Also if it was through this one, which is an identifier of that one no more.
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
            through,
            entries,
            brought: Box::new(brought),
            beneath: Box::new(beneath),
        });
    }
    identifiers.retain(|known| known.customer != twin.customer);
    own.merge(other, notes);
    for known in identifiers {
        match own.identifiers.iter_mut().find(|before| before.customer == known.customer) {
            Some(before) => {
                before.brought.merge(*known.brought, notes);
                before.entries.extend(known.entries);
            }
            None => own.identifiers.push(known),
        }
    }
    own.identifiers.sort_by(|left, right| left.customer.cmp(&right.customer));
    let timers = std::mem::take(&mut twin.timers);
    twin.keep(own);
    retime(&timers, &twin.timers, effects);
    twin.join_escalations(input, effects);
    escalation::wait_for_promises(twin, input.at, effects, notes);
    Ok(Met::Own)
}

/// Does something to the identifier through which a memory came, and to those through which that
/// one came: what was linked through them came with them.
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

/// A memory as it came.
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

/// An identifier is another customer's after all: what came from it goes back.
fn part(
    twin: &mut Twin,
    event: &Event,
    from: &str,
    input: &Input,
    effects: &mut Vec<Effect>,
    notes: &mut Notes,
) -> Result<Met, Rejection> {
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
    // What was linked to it came through it, and goes with it.
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
    // Those that stay and were linked through it have brought its memory too.
    hold(&mut own.identifiers, gone.through.as_ref(), |holder| {
        holder.brought.part(&gone);
        holder.entries.retain(|entry| !gone.entries.contains(entry));
    });
    let json = back.fit(limits::PASSED_BYTES - ENVELOPE_BYTES, notes);
    let passed = Passed {
        via: vec![twin.customer.clone()],
        links: vec![0],
        hops: 1,
        carried: Some(Carried { is_return: true, memory: json.into() }),
    };
    let fingerprint = moved(event.fingerprint, &twin.customer, true);
    let message = message(event, &passed, fingerprint, &gone.customer, input.at)?;
    let timers = std::mem::take(&mut twin.timers);
    twin.keep(own);
    retime(&timers, &twin.timers, effects);
    escalation::wait_for_promises(twin, input.at, effects, notes);
    effects.push(message);
    Ok(Met::Own)
}

/// What once left comes back: the identifier is a twin of its own again.
fn return_home(
    twin: &mut Twin,
    memory: &str,
    input: &Input,
    policy: &Policy,
    effects: &mut Vec<Effect>,
    notes: &mut Notes,
) -> Result<Met, Rejection> {
    let other = read(memory, &twin.customer)?;
    let mut own = twin.memory();
    if twin.linked_to.take().is_some() {
        own = other;
    } else {
        own.merge(other, notes);
    }
    let timers = std::mem::take(&mut twin.timers);
    twin.keep(own);
    retime(&timers, &twin.timers, effects);
    twin.join_escalations(input, effects);
    escalation::wait_for_promises(twin, input.at, effects, notes);
    perceive::record(twin, input, policy, &[]);
    Ok(Met::Done(Verdict::Applied))
}

/// Makes the index of timers follow.
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
