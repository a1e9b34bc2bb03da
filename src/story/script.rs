use std::time::Duration;

use serde_json::json;

use super::{OutputKind, SeenOutput};
use crate::event::{self, Broadcast, Channel, Customer, Event, Raw, Rejection, Time, Value};
use crate::policy::SourceLocation;

/// A story: timed events and expectations.
#[derive(Debug, Clone)]
pub struct Story {
    /// A title of one line.
    pub name: Box<str>,
    /// The start, in the story's own time.
    pub start: Time,
    /// The end: until then timers fire after the last step.
    pub end: Time,
    /// The events and broadcasts, in time order.
    pub steps: Vec<StoryStep>,
    /// The expected outputs.
    pub expect: Vec<Expectation>,
    /// The forbidden outputs.
    pub never: Vec<Prohibition>,
    /// The location of the story.
    pub place: SourceLocation,
}

/// One event of a story, or one broadcast.
#[derive(Debug, Clone)]
pub struct StoryStep {
    /// The time after the story's start.
    pub at: Duration,
    /// The subject: a customer or a broadcast scope.
    pub subject: StepSubject,
    /// The data. A reference such as `@open_card_abroad` in `decision` means the last decision for that
    /// action, and in `escalation` the last escalation to that queue.
    pub data: Value,
    /// Whether the service must reject it.
    pub refused: bool,
    /// Its location.
    pub place: SourceLocation,
}

/// The subject of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepSubject {
    /// One customer: an event.
    Event {
        /// The customer.
        customer: Customer,
        /// The channel that reports it.
        channel: Channel,
        /// The event's type, as written in the file.
        kind: Box<str>,
    },
    /// All matching customers: a broadcast of this scope.
    Broadcast(Box<str>),
}

impl StoryStep {
    /// The customer of an event.
    pub fn customer(&self) -> Option<&Customer> {
        match &self.subject {
            StepSubject::Event { customer, .. } => Some(customer),
            StepSubject::Broadcast(_) => None,
        }
    }

    /// The type of the published event or broadcast.
    pub fn kind(&self) -> &str {
        match &self.subject {
            StepSubject::Event { kind, .. } => kind,
            StepSubject::Broadcast(_) => Broadcast::TYPE,
        }
    }

    /// The payload to publish: a bare event with id and time. `seen` are the outputs so far, to resolve
    /// `@…` references.
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
            OutputKind::Escalation(escalation)
                if Some(&escalation.customer) == self.customer() && *escalation.queue == *named =>
            {
                Some(escalation.id.clone())
            }
            _ => None,
        })
    }

    /// The published event or broadcast, as the service would parse it.
    ///
    /// # Errors
    /// A [`Rejection`], as for any event or broadcast.
    pub fn content(
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

/// The content of a step.
#[derive(Debug, Clone)]
pub enum StepContent {
    /// An event of one customer.
    Event(Box<Event>),
    /// A broadcast.
    Broadcast(Broadcast),
}

/// An expected output.
#[derive(Debug, Clone)]
pub struct Expectation {
    /// The customer.
    pub customer: Customer,
    /// The expected result.
    pub wanted: ExpectedResult,
    /// Its location.
    pub place: SourceLocation,
}

/// An expected result.
#[derive(Debug, Clone)]
pub enum ExpectedResult {
    /// An action or an escalation.
    Outcome(Box<ExpectedOutput>),
    /// A value in the twin's state at the end.
    Final(FinalState),
}

/// An action, a recall or an escalation; only the given fields are compared.
#[derive(Debug, Clone, Default)]
pub struct ExpectedOutput {
    /// The action, `*` for any; none: it is an escalation.
    pub action: Option<Box<str>>,
    /// The queue, `*` for any; none: it is not an escalation.
    pub escalation: Option<Box<str>>,
    /// The recalled action, `*` for any; none: it is not a recall.
    pub recall: Option<Box<str>>,
    /// The action's issue.
    pub issue: Option<Box<str>>,
    /// The action's channel.
    pub channel: Option<Box<str>>,
    /// The action's treatment.
    pub treatment: Option<Box<str>>,
    /// The action's tone.
    pub tone: Option<Box<str>>,
    /// The language of its text.
    pub language: Option<Box<str>>,
    /// The escalation's topic.
    pub topic: Option<Box<str>>,
    /// Strings that its text must contain.
    pub text_contains: Vec<Box<str>>,
    /// Strings that its reason must contain.
    pub because_contains: Vec<Box<str>>,
    /// Strings that the escalation's transcript must contain.
    pub transcript_contains: Vec<Box<str>>,
    /// Data that the action must have; it may have other data, too.
    pub data: Vec<(Box<str>, Value)>,
    /// The earliest time after the story's start.
    pub from: Option<Duration>,
    /// The latest time after the story's start.
    pub by: Option<Duration>,
    /// The exact number of times; none: at least once.
    pub times: Option<u32>,
}

/// A value in a twin's state at the end of the story.
#[derive(Debug, Clone)]
pub enum FinalState {
    /// A live need of at least this strength.
    Need {
        /// The need.
        name: Box<str>,
        /// Its minimum strength.
        strength_min: f64,
    },
    /// A usable preference.
    Preference {
        /// The key.
        key: Box<str>,
        /// The preferred value.
        is: Value,
        /// The minimum number of choices as evidence.
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

/// A forbidden output.
#[derive(Debug, Clone)]
pub struct Prohibition {
    /// The customer.
    pub customer: Customer,
    /// The forbidden result.
    pub unwanted: ForbiddenResult,
    /// Its location.
    pub place: SourceLocation,
}

/// A forbidden result.
#[derive(Debug, Clone)]
pub enum ForbiddenResult {
    /// An action or an escalation.
    Outcome(Box<ExpectedOutput>),
    /// A live need at the end of the story.
    Need(Box<str>),
    /// A usable preference at the end of the story.
    Preference(Box<str>),
}
