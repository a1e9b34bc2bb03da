//! Twins of format 1 have no grave matters: neither the twin itself, nor the memories of its identifiers.

use serde::{Deserialize, Serialize};

use crate::codec::{Error, RecordKind, encode_payload, read_payload};
use crate::event::{Customer, Map, Time};
use crate::twin::{
    AggregateState, Case, Consent, Contact, DatedValue, Dates, EscalationRecord, Guard,
    Interaction, Meeting, Need, OwnershipRecord, Packed, PastEntry, Preference, Problem, Profile,
    Recent, RelinkCounter, Sentiment, Signal, Timer, Trial,
};

/// What is stored of grave matters: nothing in format 1, an empty list in format 2.
type NotYet = ();
type Nothing = Vec<()>;

/// A twin with `G` of grave matters.
#[derive(Serialize, Deserialize)]
struct TwinOfFormat1<G> {
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
    identifiers: Vec<StoredIdentifier<G>>,
    met: Vec<Meeting>,
    alarmed: bool,
    decisions: u32,
    trials: Vec<Trial>,
    moves: RelinkCounter,
    grave: G,
}

/// An identifier with `G` of grave matters in its memories.
#[derive(Serialize, Deserialize)]
struct StoredIdentifier<G> {
    customer: Customer,
    since: Time,
    epoch: u64,
    said: Time,
    through: Option<Customer>,
    entries: Vec<u64>,
    brought: Box<StoredMemory<G>>,
    beneath: Box<StoredMemory<G>>,
}

/// A memory with `G` of grave matters.
#[derive(Serialize, Deserialize)]
struct StoredMemory<G> {
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
    identifiers: Vec<StoredIdentifier<G>>,
    met: Vec<Meeting>,
    alarmed: bool,
    trials: Vec<Trial>,
    known: bool,
    grave: G,
}

/// The payload of format 2.
pub(super) fn to_2(payload: &[u8]) -> Result<Vec<u8>, Error> {
    encode_payload(RecordKind::Twin, &twin(read_payload(RecordKind::Twin, 1, payload)?))
}

// Each field is named, so that none is forgotten; several stand in a line.
#[rustfmt::skip]
fn twin(old: TwinOfFormat1<NotYet>) -> TwinOfFormat1<Nothing> {
    let TwinOfFormat1 {
        born, seen, lived, inputs, linked_to, profile, context, facts, interactions, cases, needs,
        contacts, escalations, timers, recent, sentiment, tallies, problems, guards, held, dates,
        fact_dates, epoch, known, identities, hand, identifiers, met, alarmed, decisions, trials,
        moves, grave: (),
    } = old;
    TwinOfFormat1 {
        born, seen, lived, inputs, linked_to, profile, context, facts, interactions, cases, needs,
        contacts, escalations, timers, recent, sentiment, tallies, problems, guards, held, dates,
        fact_dates, epoch, known, identities, hand,
        identifiers: identifiers.into_iter().map(identifier).collect(), met, alarmed, decisions,
        trials, moves, grave: Vec::new(),
    }
}

// Each field is named, so that none is forgotten; several stand in a line.
#[rustfmt::skip]
fn identifier(old: StoredIdentifier<NotYet>) -> StoredIdentifier<Nothing> {
    let StoredIdentifier { customer, since, epoch, said, through, entries, brought, beneath } = old;
    StoredIdentifier {
        customer, since, epoch, said, through, entries, brought: memory(*brought).into(),
        beneath: memory(*beneath).into(),
    }
}

// Each field is named, so that none is forgotten; several stand in a line.
#[rustfmt::skip]
fn memory(old: StoredMemory<NotYet>) -> StoredMemory<Nothing> {
    let StoredMemory {
        born, seen, inputs, traits, consents, preferences, context, facts, interactions, cases, needs,
        contacts, escalations, timers, sentiment, tallies, problems, guards, timeline, identifiers,
        met, alarmed, trials, known, grave: (),
    } = old;
    StoredMemory {
        born, seen, inputs, traits, consents, preferences, context, facts, interactions, cases, needs,
        contacts, escalations, timers, sentiment, tallies, problems, guards, timeline,
        identifiers: identifiers.into_iter().map(identifier).collect(), met, alarmed, trials, known,
        grave: Vec::new(),
    }
}
