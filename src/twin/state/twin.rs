//! The twin, and its stored record.

use std::borrow::Cow;

use serde::{Deserialize, Serialize, Serializer};

use super::{
    AggregateState, Block, Case, Contact, Dates, EscalationRecord, GraveMatter, Guard, Identifier,
    Interaction, Meeting, Need, OwnershipRecord, Packed, Problem, Profile, Recent, RelinkCounter,
    Sentiment, Signal, Timeline, Timer, Trial,
};
use crate::event::{Customer, Map, Time, Value};
use crate::twin::input::Input;

/// The state of one customer. Written only by the twin's actor.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Twin {
    /// The customer.
    pub customer: Customer,
    /// When the first input arrived.
    pub born: Time,
    /// When the last input arrived.
    pub seen: Time,
    /// The latest `now`, if later than `seen` (a broadcast does not count as seeing the customer).
    pub lived: Option<Time>,
    /// The customer whom this identifier is linked to, if any. A linked twin has no memory and forwards
    /// its inputs.
    pub linked_to: Option<Customer>,
    /// When that was stated, or withdrawn.
    #[serde(skip)]
    pub ownership: Option<OwnershipRecord>,
    /// The customer's traits, consents and preferences.
    pub profile: Profile,
    /// Live facts from systems; removed ones are not shown.
    #[serde(serialize_with = "those_there")]
    pub context: Vec<Signal>,
    /// Facts that policy rules set.
    pub facts: Map,
    /// Conversations and journeys.
    pub interactions: Vec<Interaction>,
    /// Cases with the company.
    pub cases: Vec<Case>,
    /// The customer's needs.
    pub needs: Vec<Need>,
    /// Actions taken for the customer and their outcomes.
    pub contacts: Vec<Contact>,
    /// Escalations to agents.
    pub escalations: Vec<EscalationRecord>,
    /// Pending timers.
    pub timers: Vec<Timer>,
    /// The customer's sentiment; none before their first message.
    pub sentiment: Option<Box<Sentiment>>,
    /// Recent inputs.
    pub timeline: Timeline,
    /// The policy's aggregates.
    pub tallies: AggregateState,
    /// Problems that the customer had, oldest first.
    pub problems: Vec<Problem>,
    /// Derived values and their purposes.
    pub guards: Vec<Guard>,
    /// The statement times of the traits.
    pub dates: Dates,
    /// The statement times of the facts.
    pub fact_dates: Dates,
    /// How often this identifier was linked, was unlinked, or gave a memory away: the number of its link,
    /// which also distinguishes two moves.
    pub epoch: u64,
    /// Another identifier was linked to this one, and now belongs to another customer; or this is a known
    /// customer who was merged with another. So a plain link is rejected.
    pub known: bool,
    /// The rate limit of ownership changes.
    pub moves: RelinkCounter,
    /// Ids of recent inputs beyond the timeline (hashes without meaning to people).
    #[serde(skip)]
    pub recent: Recent,
    /// The other identifiers of this customer, and what each contributed.
    pub identifiers: Vec<Identifier>,
    /// The broadcasts that it has received. Ended ones are removed with the next input.
    pub met: Vec<Meeting>,
    /// Whether the dissatisfaction has reached the policy's alarm threshold, and has not calmed down
    /// since.
    pub alarmed: bool,
    /// The number of decisions.
    pub decisions: u32,
    /// The experiments that the customer has entered.
    pub trials: Vec<Trial>,
    /// Grave topics about which the customer wrote, one of each; the one written about last is last.
    pub grave: Vec<GraveMatter>,
}

fn those_there<S: Serializer>(signals: &[Signal], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(signals.iter().filter(|signal| signal.value != Value::Null))
}

/// The stored state of a twin, without its name and the full blocks of its timeline, which are stored
/// separately: the name is the key, and a full block is written once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record<'a> {
    born: Time,
    seen: Time,
    lived: Option<Time>,
    inputs: u64,
    linked_to: Cow<'a, Option<Customer>>,
    profile: Cow<'a, Profile>,
    context: Cow<'a, [Signal]>,
    facts: Cow<'a, Map>,
    interactions: Cow<'a, [Interaction]>,
    cases: Cow<'a, [Case]>,
    needs: Cow<'a, [Need]>,
    contacts: Cow<'a, [Contact]>,
    escalations: Cow<'a, [EscalationRecord]>,
    timers: Cow<'a, [Timer]>,
    recent: Packed<'a>,
    sentiment: Cow<'a, Option<Box<Sentiment>>>,
    tallies: Cow<'a, AggregateState>,
    problems: Cow<'a, [Problem]>,
    guards: Cow<'a, [Guard]>,
    held: u16,
    dates: Cow<'a, Dates>,
    fact_dates: Cow<'a, Dates>,
    epoch: u64,
    known: bool,
    identities: Cow<'a, Recent>,
    ownership: Cow<'a, Option<OwnershipRecord>>,
    identifiers: Cow<'a, [Identifier]>,
    met: Cow<'a, [Meeting]>,
    alarmed: bool,
    decisions: u32,
    trials: Cow<'a, [Trial]>,
    moves: RelinkCounter,
    grave: Cow<'a, [GraveMatter]>,
}

impl Twin {
    /// The twin of an unknown customer.
    pub fn new(customer: Customer, now: Time) -> Twin {
        Twin {
            customer,
            born: now,
            seen: now,
            lived: None,
            linked_to: None,
            ownership: None,
            profile: Profile::default(),
            context: Vec::new(),
            facts: Map::default(),
            interactions: Vec::new(),
            cases: Vec::new(),
            needs: Vec::new(),
            contacts: Vec::new(),
            escalations: Vec::new(),
            timers: Vec::new(),
            sentiment: None,
            timeline: Timeline::default(),
            tallies: AggregateState::default(),
            problems: Vec::new(),
            guards: Vec::new(),
            dates: Dates::default(),
            fact_dates: Dates::default(),
            epoch: 0,
            known: false,
            moves: RelinkCounter::default(),
            recent: Recent::default(),
            identifiers: Vec::new(),
            met: Vec::new(),
            alarmed: false,
            decisions: 0,
            trials: Vec::new(),
            grave: Vec::new(),
        }
    }

    /// The stored state of the twin, without the full blocks of its timeline.
    pub fn record(&self) -> Record<'_> {
        Record {
            born: self.born,
            seen: self.seen,
            lived: self.lived,
            inputs: self.timeline.total(),
            linked_to: Cow::Borrowed(&self.linked_to),
            profile: Cow::Borrowed(&self.profile),
            context: Cow::Borrowed(&self.context),
            facts: Cow::Borrowed(&self.facts),
            interactions: Cow::Borrowed(&self.interactions),
            cases: Cow::Borrowed(&self.cases),
            needs: Cow::Borrowed(&self.needs),
            contacts: Cow::Borrowed(&self.contacts),
            escalations: Cow::Borrowed(&self.escalations),
            timers: Cow::Borrowed(&self.timers),
            recent: self.timeline.open(),
            sentiment: Cow::Borrowed(&self.sentiment),
            tallies: Cow::Borrowed(&self.tallies),
            problems: Cow::Borrowed(&self.problems),
            guards: Cow::Borrowed(&self.guards),
            // At most TIMELINE_ENTRIES.
            held: self.timeline.len() as u16,
            dates: Cow::Borrowed(&self.dates),
            fact_dates: Cow::Borrowed(&self.fact_dates),
            epoch: self.epoch,
            known: self.known,
            identities: Cow::Borrowed(&self.recent),
            ownership: Cow::Borrowed(&self.ownership),
            identifiers: Cow::Borrowed(&self.identifiers),
            met: Cow::Borrowed(&self.met),
            alarmed: self.alarmed,
            decisions: self.decisions,
            trials: Cow::Borrowed(&self.trials),
            moves: self.moves,
            grave: Cow::Borrowed(&self.grave),
        }
    }

    /// Restores a stored twin.
    pub fn from_record(customer: Customer, record: Record<'_>, blocks: &[Block<'_>]) -> Twin {
        Twin {
            customer,
            born: record.born,
            seen: record.seen,
            lived: record.lived,
            linked_to: record.linked_to.into_owned(),
            ownership: record.ownership.into_owned(),
            profile: record.profile.into_owned(),
            context: record.context.into_owned(),
            facts: record.facts.into_owned(),
            interactions: record.interactions.into_owned(),
            cases: record.cases.into_owned(),
            needs: record.needs.into_owned(),
            contacts: record.contacts.into_owned(),
            escalations: record.escalations.into_owned(),
            timers: record.timers.into_owned(),
            sentiment: record.sentiment.into_owned(),
            timeline: Timeline::from_blocks(
                record.inputs,
                record.held.into(),
                blocks,
                &record.recent,
            ),
            tallies: record.tallies.into_owned(),
            problems: record.problems.into_owned(),
            guards: record.guards.into_owned(),
            dates: record.dates.into_owned(),
            fact_dates: record.fact_dates.into_owned(),
            epoch: record.epoch,
            known: record.known,
            moves: record.moves,
            recent: record.identities.into_owned(),
            identifiers: record.identifiers.into_owned(),
            met: record.met.into_owned(),
            alarmed: record.alarmed,
            decisions: record.decisions,
            trials: record.trials.into_owned(),
            grave: record.grave.into_owned(),
        }
    }

    /// The twin's `now`, which never goes back.
    pub(in crate::twin) fn has_lived_to(&self) -> Time {
        // Before the first input the customer was not seen.
        let seen = if self.timeline.total() == 0 { Time::MIN } else { self.seen };
        self.lived.map_or(seen, |lived| lived.max(seen))
    }

    /// Advances the twin's `now`.
    pub(in crate::twin) fn live_to(&mut self, at: Time) {
        let lived = self.lived.map_or(at, |lived| lived.max(at));
        self.lived = Some(lived).filter(|lived| *lived > self.seen);
    }

    /// Whether an agent holds a conversation with this customer, so that automation pauses.
    pub fn is_held_by_agent(&self) -> bool {
        self.escalations.iter().any(EscalationRecord::is_claimed)
    }

    /// Whether an agent requests a proposal, in the channel in which they hold the conversation.
    pub(in crate::twin) fn is_asked_by_agent(&self, input: &Input) -> bool {
        input.ask().is_some()
            && self.escalations.iter().any(|known| {
                known.is_claimed() && known.desk.is_some() && known.desk.as_ref() == input.channel()
            })
    }
}
