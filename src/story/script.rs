use std::time::Duration;

use serde_json::json;

use super::{OutputKind, SeenOutput};
use crate::event::{self, Broadcast, Channel, Customer, Event, Raw, Rejection, Time, Value};
use crate::policy::SourceLocation;

/// What happens to some customers, and what must and must not come of it.
#[derive(Debug, Clone)]
pub struct Story {
    /// What it is about, in one line.
    pub name: Box<str>,
    /// When it begins, in its own time.
    pub start: Time,
    /// When it ends: until then timers fire after the last step.
    pub end: Time,
    /// What happens, in the order of time.
    pub steps: Vec<StoryStep>,
    /// What must come out.
    pub expect: Vec<Expectation>,
    /// What must not come out.
    pub never: Vec<Prohibition>,
    /// Where it stands.
    pub place: SourceLocation,
}

/// One event of a story, or one broadcast.
#[derive(Debug, Clone)]
pub struct StoryStep {
    /// When, after the story's start.
    pub at: Duration,
    /// Of whom it speaks.
    pub subject: StepSubject,
    /// The data. A text such as `@open_card_abroad` in `decision` stands for the last
    /// decision for that action, and in `escalation` for the last escalation to that queue.
    pub data: Value,
    /// The service must refuse it.
    pub refused: bool,
    /// Where it stands.
    pub place: SourceLocation,
}

/// Of whom a step speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepSubject {
    /// Of one customer: an event.
    Event {
        /// The customer.
        customer: Customer,
        /// The channel that reports it.
        channel: Channel,
        /// The event's type, as it is written.
        kind: Box<str>,
    },
    /// Of all whom a condition fits: a broadcast of this scope.
    Broadcast(Box<str>),
}

impl StoryStep {
    /// Whom it is about, if it is an event.
    pub fn customer(&self) -> Option<&Customer> {
        match &self.subject {
            StepSubject::Event { customer, .. } => Some(customer),
            StepSubject::Broadcast(_) => None,
        }
    }

    /// The type of what is published.
    pub fn kind(&self) -> &str {
        match &self.subject {
            StepSubject::Event { kind, .. } => kind,
            StepSubject::Broadcast(_) => Broadcast::TYPE,
        }
    }

    /// The payload to publish: a bare event with an id and a time of its own. `seen` is what came
    /// out so far, for what `@…` stands for.
    pub fn payload(&self, id: &str, start: Time, seen: &[SeenOutput]) -> Vec<u8> {
        let mut data = self.data.clone();
        if let Value::Map(map) = &mut data {
            for field in ["decision", "escalation"] {
                let named = map.get(field).and_then(Value::as_text);
                let named = named.and_then(|text| text.strip_prefix('@'));
                if let Some(named) = named
                    && let Some(meant) = self.meant(named, seen)
                {
                    map.insert(field, Value::from(&*meant));
                }
            }
        }
        let time = start + self.at;
        json!({ "id": id, "type": self.kind(), "time": time, "data": data })
            .to_string()
            .into_bytes()
    }

    fn meant(&self, named: &str, seen: &[SeenOutput]) -> Option<Box<str>> {
        seen.iter().rev().find_map(|seen| match &seen.what {
            OutputKind::Action(action)
                if Some(&action.customer) == self.customer() && *action.action == *named =>
            {
                Some(action.decision.clone())
            }
            OutputKind::Escalation(told)
                if Some(&told.customer) == self.customer() && *told.queue == *named =>
            {
                Some(told.id.clone())
            }
            _ => None,
        })
    }

    /// What is published, as the service would read it.
    ///
    /// # Errors
    /// A [`Rejection`], as for any event and any broadcast.
    pub fn told(
        &self,
        id: &str,
        start: Time,
        seen: &[SeenOutput],
    ) -> Result<StepContent, Rejection> {
        let payload = self.payload(id, start, seen);
        match &self.subject {
            StepSubject::Event { customer, channel, .. } => event::parse(&Raw {
                channel: &channel.token(),
                customer: &customer.token(),
                headers: &[],
                payload: &payload,
                sequence: 0,
            })
            .map(|event| StepContent::Event(Box::new(event))),
            StepSubject::Broadcast(scope) => {
                Broadcast::parse(&event::encode(scope), &[], &payload, 0)
                    .map(StepContent::Broadcast)
            }
        }
    }
}

/// What a step publishes.
#[derive(Debug, Clone)]
pub enum StepContent {
    /// An event of one customer.
    Event(Box<Event>),
    /// A broadcast.
    Broadcast(Broadcast),
}

/// Something that must come out.
#[derive(Debug, Clone)]
pub struct Expectation {
    /// For whom.
    pub customer: Customer,
    /// What.
    pub wanted: ExpectedResult,
    /// Where it stands.
    pub place: SourceLocation,
}

/// What must come out.
#[derive(Debug, Clone)]
pub enum ExpectedResult {
    /// An action or an escalation.
    Outcome(Box<ExpectedOutput>),
    /// Something in the twin's state at the end.
    Final(FinalState),
}

/// An action, a recall or an escalation, as far as the story cares.
#[derive(Debug, Clone, Default)]
pub struct ExpectedOutput {
    /// The action, `*` for any; none: it is an escalation.
    pub action: Option<Box<str>>,
    /// The queue, `*` for any; none: it is an action.
    pub escalation: Option<Box<str>>,
    /// The action that is taken back, `*` for any; none: it is no recall.
    pub recall: Option<Box<str>>,
    /// The action's issue.
    pub issue: Option<Box<str>>,
    /// The action's channel.
    pub channel: Option<Box<str>>,
    /// The action's treatment.
    pub treatment: Option<Box<str>>,
    /// How it sounds.
    pub tone: Option<Box<str>>,
    /// The language of its text.
    pub language: Option<Box<str>>,
    /// The escalation's topic.
    pub topic: Option<Box<str>>,
    /// What its text holds.
    pub text_contains: Vec<Box<str>>,
    /// What its reason holds.
    pub because_contains: Vec<Box<str>>,
    /// What the escalation's transcript holds.
    pub transcript_contains: Vec<Box<str>>,
    /// What the action's data holds; other data may be there too.
    pub data: Vec<(Box<str>, Value)>,
    /// The earliest moment, after the story's start.
    pub from: Option<Duration>,
    /// The latest moment, after the story's start.
    pub by: Option<Duration>,
    /// Exactly so often; none: at least once.
    pub times: Option<u32>,
}

/// Something in a twin's state at the end of the story.
#[derive(Debug, Clone)]
pub enum FinalState {
    /// A live need, at least so strong.
    Need {
        /// The need.
        name: Box<str>,
        /// Its least strength.
        strength_min: f64,
    },
    /// A usable preference.
    Preference {
        /// What it is about.
        key: Box<str>,
        /// What is preferred.
        is: Value,
        /// The least number of choices that show it.
        evidence_min: u32,
    },
    /// A fact.
    Fact {
        /// The fact.
        name: Box<str>,
        /// Its value.
        is: Value,
    },
}

/// Something that must not come out.
#[derive(Debug, Clone)]
pub struct Prohibition {
    /// For whom.
    pub customer: Customer,
    /// What.
    pub unwanted: ForbiddenResult,
    /// Where it stands.
    pub place: SourceLocation,
}

/// What must not come out.
#[derive(Debug, Clone)]
pub enum ForbiddenResult {
    /// An action or an escalation.
    Outcome(Box<ExpectedOutput>),
    /// A live need at the end of the story.
    Need(Box<str>),
    /// A usable preference at the end of the story.
    Preference(Box<str>),
}
