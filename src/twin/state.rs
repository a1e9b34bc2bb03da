use std::borrow::Cow;

use serde::{Deserialize, Serialize, Serializer};

use super::{
    AggregateState, Block, Case, Contact, Dates, EscalationRecord, Guard, Identifier, Input,
    Interaction, Meeting, Need, OwnershipRecord, Packed, Problem, Profile, Recent, RelinkCounter,
    Sentiment, Signal, Timeline, Timer, Trial,
};
use crate::event::{Customer, Map, Time, Value};

/// What is known of one customer. The only writer is the twin's own actor.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Twin {
    /// Whose twin this is.
    pub customer: Customer,
    /// When the first input came.
    pub born: Time,
    /// When the last input came.
    pub seen: Time,
    /// The latest `now` that it has had, where that is later than `seen`: by a broadcast nobody is
    /// seen.
    pub lived: Option<Time>,
    /// The customer to whom this identifier belongs, once a channel has said so. The twin then
    /// remembers nothing, and passes on what comes for it.
    pub linked_to: Option<Customer>,
    /// When that was said, or taken back.
    #[serde(skip)]
    pub hand: Option<OwnershipRecord>,
    /// What the customer is and said.
    pub profile: Profile,
    /// Live facts from outside; those that were taken away are not shown.
    #[serde(serialize_with = "those_there")]
    pub context: Vec<Signal>,
    /// Facts that policy rules keep.
    pub facts: Map,
    /// Conversations and journeys.
    pub interactions: Vec<Interaction>,
    /// Cases with the company.
    pub cases: Vec<Case>,
    /// What the customer is believed to want.
    pub needs: Vec<Need>,
    /// What was done for the customer, and what came of it.
    pub contacts: Vec<Contact>,
    /// What was handed to people.
    pub escalations: Vec<EscalationRecord>,
    /// What is to happen later.
    pub timers: Vec<Timer>,
    /// How the customer feels; none before they have said anything.
    pub sentiment: Option<Box<Sentiment>>,
    /// The recent past.
    pub timeline: Timeline,
    /// What the policy counts of the inputs that pass.
    pub tallies: AggregateState,
    /// Problems that the customer had, oldest first.
    pub problems: Vec<Problem>,
    /// What was made of sensitive facts, and what it may be used for.
    pub guards: Vec<Guard>,
    /// Since when the traits are as they are.
    pub dates: Dates,
    /// Since when the facts are as they are.
    pub fact_dates: Dates,
    /// How often this identifier was linked, came free, or gave a memory away: the number of its
    /// link, and what tells two moves apart.
    pub epoch: u64,
    /// Another identifier was linked to this one, and is another customer's now; or this is a known
    /// customer who was merged with another. So no plain link takes it.
    pub known: bool,
    /// How often this identifier was linked of late.
    pub moves: RelinkCounter,
    /// The identities of what came of late, behind the timeline. They tell nobody anything.
    #[serde(skip)]
    pub recent: Recent,
    /// The other identifiers of this customer, and what came from each.
    pub identifiers: Vec<Identifier>,
    /// The broadcasts that it has met. Those that are gone leave with the next input.
    pub met: Vec<Meeting>,
    /// The customer's dissatisfaction has risen to the policy's alarm, and has not calmed down
    /// since.
    pub alarmed: bool,
    /// How many decisions there were.
    pub decisions: u32,
    /// The experiments into which the customer has come.
    pub trials: Vec<Trial>,
}

fn those_there<S: Serializer>(signals: &[Signal], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(signals.iter().filter(|signal| signal.value != Value::Null))
}

/// Everything of a twin but its name and the full blocks of its timeline, which a store keeps
/// apart: the name is the key, and a full block is written once.
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
    hand: Cow<'a, Option<OwnershipRecord>>,
    identifiers: Cow<'a, [Identifier]>,
    met: Cow<'a, [Meeting]>,
    alarmed: bool,
    decisions: u32,
    trials: Cow<'a, [Trial]>,
    moves: RelinkCounter,
}

impl Twin {
    /// The twin of a customer of whom nothing is known yet.
    pub fn new(customer: Customer, now: Time) -> Twin {
        Twin {
            customer,
            born: now,
            seen: now,
            lived: None,
            linked_to: None,
            hand: None,
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
        }
    }

    /// The twin as a store keeps it, the full blocks of its timeline aside.
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
            hand: Cow::Borrowed(&self.hand),
            identifiers: Cow::Borrowed(&self.identifiers),
            met: Cow::Borrowed(&self.met),
            alarmed: self.alarmed,
            decisions: self.decisions,
            trials: Cow::Borrowed(&self.trials),
            moves: self.moves,
        }
    }

    /// The twin that a store kept.
    pub fn from_record(customer: Customer, record: Record<'_>, blocks: &[Block<'_>]) -> Twin {
        Twin {
            customer,
            born: record.born,
            seen: record.seen,
            lived: record.lived,
            linked_to: record.linked_to.into_owned(),
            hand: record.hand.into_owned(),
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
        }
    }

    /// The moment up to which it has lived: its `now` never goes back behind it.
    pub(super) fn has_lived_to(&self) -> Time {
        // Before the first input nobody was seen.
        let seen = if self.timeline.total() == 0 { Time::MIN } else { self.seen };
        self.lived.map_or(seen, |lived| lived.max(seen))
    }

    /// It lives on to this moment.
    pub(super) fn live_to(&mut self, at: Time) {
        let lived = self.lived.map_or(at, |lived| lived.max(at));
        self.lived = Some(lived).filter(|lived| *lived > self.seen);
    }

    /// Whether an agent holds a conversation with this customer, so that automation keeps quiet.
    pub fn is_held_by_agent(&self) -> bool {
        self.escalations.iter().any(EscalationRecord::is_claimed)
    }

    /// Whether an agent asks what to say, at the desk at which they hold the conversation.
    pub(super) fn is_asked_by_agent(&self, input: &Input) -> bool {
        input.ask().is_some()
            && self.escalations.iter().any(|known| {
                known.is_claimed() && known.desk.is_some() && known.desk.as_ref() == input.channel()
            })
    }
}
