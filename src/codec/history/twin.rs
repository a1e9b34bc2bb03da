//! Twins of format 1 have no grave matters, and those of format 2 await no goals of experiments: neither the
//! twin itself, nor the memories of its identifiers.

use serde::{Deserialize, Serialize};

use crate::codec::{Error, RecordKind, encode_payload, read_payload};
use crate::event::{Customer, Map, Time};
use crate::twin::{
    AggregateState, Case, Consent, Contact, DatedValue, Dates, EscalationRecord, GraveMatter,
    Guard, Interaction, Meeting, Need, OwnershipRecord, Packed, PastEntry, Preference, Problem,
    Profile, Recent, RelinkCounter, Sentiment, Signal, Timer,
};

/// A participation in an experiment, with `A` of awaited goals: nothing in formats 1 and 2.
#[derive(Serialize, Deserialize)]
struct StoredTrial<A> {
    experiment: Box<str>,
    arm: Box<str>,
    since: Time,
    reached: bool,
    value: f64,
    awaited: A,
}

/// A twin with `G` of grave matters, and trials with `A` of awaited goals.
#[derive(Serialize, Deserialize)]
struct TwinOfFormat<G, A> {
    born: Time,
    seen: Time,
    lived: Option<Time>,
    inputs: u64,
    linked_to: Option<Customer>,
    profile: Profile,
    context: Vec<Signal>,
    facts: Map,
    interactions: Vec<Interaction>,
    cases: Vec<Case>,
    needs: Vec<Need>,
    contacts: Vec<Contact>,
    escalations: Vec<EscalationRecord>,
    timers: Vec<Timer>,
    recent: Packed<'static>,
    sentiment: Option<Box<Sentiment>>,
    tallies: AggregateState,
    problems: Vec<Problem>,
    guards: Vec<Guard>,
    held: u16,
    dates: Dates,
    fact_dates: Dates,
    epoch: u64,
    known: bool,
    identities: Recent,
    hand: Option<OwnershipRecord>,
    identifiers: Vec<StoredIdentifier<G, A>>,
    met: Vec<Meeting>,
    alarmed: bool,
    decisions: u32,
    trials: Vec<StoredTrial<A>>,
    moves: RelinkCounter,
    grave: G,
}

/// An identifier whose memories have these.
#[derive(Serialize, Deserialize)]
struct StoredIdentifier<G, A> {
    customer: Customer,
    since: Time,
    epoch: u64,
    said: Time,
    through: Option<Customer>,
    entries: Vec<u64>,
    brought: Box<StoredMemory<G, A>>,
    beneath: Box<StoredMemory<G, A>>,
}

/// A memory with these.
#[derive(Serialize, Deserialize)]
struct StoredMemory<G, A> {
    born: Time,
    seen: Time,
    inputs: u64,
    traits: Vec<DatedValue>,
    consents: Vec<Consent>,
    preferences: Vec<Preference>,
    context: Vec<Signal>,
    facts: Vec<DatedValue>,
    interactions: Vec<Interaction>,
    cases: Vec<Case>,
    needs: Vec<Need>,
    contacts: Vec<Contact>,
    escalations: Vec<EscalationRecord>,
    timers: Vec<Timer>,
    sentiment: Option<Box<Sentiment>>,
    tallies: AggregateState,
    problems: Vec<Problem>,
    guards: Vec<Guard>,
    timeline: Vec<PastEntry>,
    identifiers: Vec<StoredIdentifier<G, A>>,
    met: Vec<Meeting>,
    alarmed: bool,
    trials: Vec<StoredTrial<A>>,
    known: bool,
    grave: G,
}

/// The payload of format 2.
pub(super) fn to_2(payload: &[u8]) -> Result<Vec<u8>, Error> {
    let old: TwinOfFormat<(), ()> = read_payload(RecordKind::Twin, 1, payload)?;
    let next: TwinOfFormat<Vec<()>, ()> = twin(old, &|()| Vec::new(), &|()| ());
    encode_payload(RecordKind::Twin, &next)
}

/// The payload of format 3.
pub(super) fn to_3(payload: &[u8]) -> Result<Vec<u8>, Error> {
    let old: TwinOfFormat<Vec<GraveMatter>, ()> = read_payload(RecordKind::Twin, 2, payload)?;
    let next: TwinOfFormat<Vec<GraveMatter>, Option<()>> = twin(old, &|grave| grave, &|()| None);
    encode_payload(RecordKind::Twin, &next)
}

// Each field is named, so that none is forgotten; several stand in a line.
#[rustfmt::skip]
fn twin<G, A, H, B>(
    old: TwinOfFormat<G, A>, grave_of: &impl Fn(G) -> H, awaited_of: &impl Fn(A) -> B,
) -> TwinOfFormat<H, B> {
    let TwinOfFormat {
        born, seen, lived, inputs, linked_to, profile, context, facts, interactions, cases, needs,
        contacts, escalations, timers, recent, sentiment, tallies, problems, guards, held, dates,
        fact_dates, epoch, known, identities, hand, identifiers, met, alarmed, decisions, trials,
        moves, grave,
    } = old;
    let identifiers = identifiers.into_iter().map(|one| identifier(one, grave_of, awaited_of));
    TwinOfFormat {
        born, seen, lived, inputs, linked_to, profile, context, facts, interactions, cases, needs,
        contacts, escalations, timers, recent, sentiment, tallies, problems, guards, held, dates,
        fact_dates, epoch, known, identities, hand, identifiers: identifiers.collect(), met,
        alarmed, decisions, trials: trials.into_iter().map(|one| trial(one, awaited_of)).collect(),
        moves, grave: grave_of(grave),
    }
}

// Each field is named, so that none is forgotten; several stand in a line.
#[rustfmt::skip]
fn identifier<G, A, H, B>(
    old: StoredIdentifier<G, A>, grave_of: &impl Fn(G) -> H, awaited_of: &impl Fn(A) -> B,
) -> StoredIdentifier<H, B> {
    let StoredIdentifier { customer, since, epoch, said, through, entries, brought, beneath } = old;
    StoredIdentifier {
        customer, since, epoch, said, through, entries,
        brought: memory(*brought, grave_of, awaited_of).into(),
        beneath: memory(*beneath, grave_of, awaited_of).into(),
    }
}

// Each field is named, so that none is forgotten; several stand in a line.
#[rustfmt::skip]
fn memory<G, A, H, B>(
    old: StoredMemory<G, A>, grave_of: &impl Fn(G) -> H, awaited_of: &impl Fn(A) -> B,
) -> StoredMemory<H, B> {
    let StoredMemory {
        born, seen, inputs, traits, consents, preferences, context, facts, interactions, cases, needs,
        contacts, escalations, timers, sentiment, tallies, problems, guards, timeline, identifiers,
        met, alarmed, trials, known, grave,
    } = old;
    let identifiers = identifiers.into_iter().map(|one| identifier(one, grave_of, awaited_of));
    StoredMemory {
        born, seen, inputs, traits, consents, preferences, context, facts, interactions, cases, needs,
        contacts, escalations, timers, sentiment, tallies, problems, guards, timeline,
        identifiers: identifiers.collect(), met, alarmed,
        trials: trials.into_iter().map(|one| trial(one, awaited_of)).collect(), known,
        grave: grave_of(grave),
    }
}

// Each field is named, so that none is forgotten; several stand in a line.
#[rustfmt::skip]
fn trial<A, B>(old: StoredTrial<A>, awaited_of: &impl Fn(A) -> B) -> StoredTrial<B> {
    let StoredTrial { experiment, arm, since, reached, value, awaited } = old;
    StoredTrial { experiment, arm, since, reached, value, awaited: awaited_of(awaited) }
}
