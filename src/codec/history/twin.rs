//! Twins of format 1 have no grave matters, and those of format 2 measure no uplift: neither the twin itself,
//! nor the memories of its identifiers.

use serde::{Deserialize, Serialize};

use crate::codec::{Error, RecordKind, encode_payload, read_payload};
use crate::event::{Customer, Map, Time};
use crate::twin::{
    AggregateState, Case, Consent, Contact, DatedValue, Dates, EscalationRecord, GraveMatter,
    Guard, Interaction, Meeting, Need, OwnershipRecord, Packed, PastEntry, Preference, Problem,
    Profile, Recent, RelinkCounter, Sentiment, Signal, Timer,
};

/// A measurement that was not there before format 3. Such customers are not measured any more: some got the
/// action, and some did not, so they have not lived alike.
#[derive(Serialize, Deserialize)]
enum NewMeasurement {
    Unstarted,
    Awaiting,
    Over,
}

/// A participation in an experiment, with `M` of a measurement: nothing in formats 1 and 2.
#[derive(Serialize, Deserialize)]
struct StoredTrial<M> {
    experiment: Box<str>,
    arm: Box<str>,
    since: Time,
    reached: bool,
    value: f64,
    measurement: M,
}

/// A twin with `G` of grave matters, and trials with `M` of a measurement.
#[derive(Serialize, Deserialize)]
struct TwinOfFormat<G, M> {
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
    identifiers: Vec<StoredIdentifier<G, M>>,
    met: Vec<Meeting>,
    alarmed: bool,
    decisions: u32,
    trials: Vec<StoredTrial<M>>,
    moves: RelinkCounter,
    grave: G,
}

/// An identifier whose memories have these.
#[derive(Serialize, Deserialize)]
struct StoredIdentifier<G, M> {
    customer: Customer,
    since: Time,
    epoch: u64,
    said: Time,
    through: Option<Customer>,
    entries: Vec<u64>,
    brought: Box<StoredMemory<G, M>>,
    beneath: Box<StoredMemory<G, M>>,
}

/// A memory with these.
#[derive(Serialize, Deserialize)]
struct StoredMemory<G, M> {
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
    identifiers: Vec<StoredIdentifier<G, M>>,
    met: Vec<Meeting>,
    alarmed: bool,
    trials: Vec<StoredTrial<M>>,
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
    let next: TwinOfFormat<Vec<GraveMatter>, NewMeasurement> =
        twin(old, &|grave| grave, &|()| NewMeasurement::Over);
    encode_payload(RecordKind::Twin, &next)
}

// Each field is named, so that none is forgotten; several stand in a line.
#[rustfmt::skip]
fn twin<G, M, H, N>(
    old: TwinOfFormat<G, M>, grave_of: &impl Fn(G) -> H, measurement_of: &impl Fn(M) -> N,
) -> TwinOfFormat<H, N> {
    let TwinOfFormat {
        born, seen, lived, inputs, linked_to, profile, context, facts, interactions, cases, needs,
        contacts, escalations, timers, recent, sentiment, tallies, problems, guards, held, dates,
        fact_dates, epoch, known, identities, hand, identifiers, met, alarmed, decisions, trials,
        moves, grave,
    } = old;
    let identifiers = identifiers.into_iter().map(|one| identifier(one, grave_of, measurement_of));
    TwinOfFormat {
        born, seen, lived, inputs, linked_to, profile, context, facts, interactions, cases, needs,
        contacts, escalations, timers, recent, sentiment, tallies, problems, guards, held, dates,
        fact_dates, epoch, known, identities, hand, identifiers: identifiers.collect(), met,
        alarmed, decisions, trials: trials.into_iter().map(|one| trial(one, measurement_of)).collect(),
        moves, grave: grave_of(grave),
    }
}

// Each field is named, so that none is forgotten; several stand in a line.
#[rustfmt::skip]
fn identifier<G, M, H, N>(
    old: StoredIdentifier<G, M>, grave_of: &impl Fn(G) -> H, measurement_of: &impl Fn(M) -> N,
) -> StoredIdentifier<H, N> {
    let StoredIdentifier { customer, since, epoch, said, through, entries, brought, beneath } = old;
    StoredIdentifier {
        customer, since, epoch, said, through, entries,
        brought: memory(*brought, grave_of, measurement_of).into(),
        beneath: memory(*beneath, grave_of, measurement_of).into(),
    }
}

// Each field is named, so that none is forgotten; several stand in a line.
#[rustfmt::skip]
fn memory<G, M, H, N>(
    old: StoredMemory<G, M>, grave_of: &impl Fn(G) -> H, measurement_of: &impl Fn(M) -> N,
) -> StoredMemory<H, N> {
    let StoredMemory {
        born, seen, inputs, traits, consents, preferences, context, facts, interactions, cases, needs,
        contacts, escalations, timers, sentiment, tallies, problems, guards, timeline, identifiers,
        met, alarmed, trials, known, grave,
    } = old;
    let identifiers = identifiers.into_iter().map(|one| identifier(one, grave_of, measurement_of));
    StoredMemory {
        born, seen, inputs, traits, consents, preferences, context, facts, interactions, cases, needs,
        contacts, escalations, timers, sentiment, tallies, problems, guards, timeline,
        identifiers: identifiers.collect(), met, alarmed,
        trials: trials.into_iter().map(|one| trial(one, measurement_of)).collect(), known,
        grave: grave_of(grave),
    }
}

// Each field is named, so that none is forgotten; several stand in a line.
#[rustfmt::skip]
fn trial<M, N>(old: StoredTrial<M>, measurement_of: &impl Fn(M) -> N) -> StoredTrial<N> {
    let StoredTrial { experiment, arm, since, reached, value, measurement } = old;
    StoredTrial { experiment, arm, since, reached, value, measurement: measurement_of(measurement) }
}
