//! What reaches a twin: events, fired timers and broadcasts, each with its time.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::event::{
    Analysis, AskData, Channel, Customer, Event, EventKind, HandoffData, Time, fingerprint,
};
use crate::policy::Trigger;

/// An input: anything that changes a twin. It has an id, for deduplication, and a time.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// The `now` of the reaction. A twin's `now` never goes back: if the twin's is later, that is used.
    pub at: Time,
    /// The arrival time by the service's clock, used for aggregates over time.
    pub came: Time,
    /// The statement time: by the channel's own clock if it gives a time, but no later than the stream
    /// stored it. Of two statements about the same value the later one wins.
    pub stated_at: Time,
    /// When the stream stored it, or the last event before it. Duplicates arrive by the stream, so their
    /// age is measured by its clock and not by the twin's `now`, which a timer advances by the service's
    /// clock, and an event by a channel's. None if it is unknown, and in event time.
    pub stored: Option<Time>,
    /// The fingerprint, for deduplication.
    pub fingerprint: u64,
    /// The cause.
    pub cause: Cause,
}

impl Input {
    /// An event from the stream, processed at `at`.
    pub fn event(event: Event, at: Time) -> Input {
        Input::stored(event, at, at)
    }

    /// The same, for an event that the stream stored at a different time.
    pub fn stored(event: Event, at: Time, stored: Time) -> Input {
        let stated_at = event.time.map_or(stored, |time| time.min(stored));
        let (fingerprint, cause) = (event.fingerprint, Cause::Event(event));
        Input { at, came: at, stated_at, stored: Some(stored), fingerprint, cause }
    }

    /// A fired timer, processed at `at`.
    pub fn timer(fired: Fired, at: Time) -> Input {
        let fingerprint = fired.fingerprint();
        let cause = Cause::Timer(fired);
        Input { at, came: at, stated_at: at, stored: Some(at), fingerprint, cause }
    }

    /// A broadcast delivered to a customer at `at`.
    pub fn wake(woken: Woken, customer: &Customer, at: Time) -> Input {
        let fingerprint = woken.fingerprint(customer);
        let cause = Cause::Broadcast(woken);
        Input { at, came: at, stated_at: at, stored: Some(at), fingerprint, cause }
    }

    /// The same, with the time on the stream's clock, if known.
    pub fn by_stream(self, stored: Option<Time>) -> Input {
        Input { stored, ..self }
    }

    /// Whether a duplicate of an input that a twin processed at this time may still arrive. Processing is
    /// never earlier than storing, so no input is dropped too early.
    pub(super) fn is_recent(&self, at: Time) -> bool {
        self.stored.is_none_or(|stored| stored.since(at) < WINDOW)
    }

    /// The time from which its data ages: by the channel's own clock, if that is not ahead of the twin's.
    pub fn since(&self) -> Time {
        match &self.cause {
            Cause::Event(event) => event.time.map_or(self.at, |time| time.min(self.at)),
            Cause::Timer(_) | Cause::Broadcast(_) => self.at,
        }
    }

    /// Its kind and its detail, as in a rule's `on`.
    pub fn called(&self) -> (Trigger, &str) {
        self.trigger()
    }

    /// The values that rules' patterns match.
    pub(super) fn trigger(&self) -> (Trigger, &str) {
        match &self.cause {
            Cause::Event(event) => (Trigger::Event(event.kind.event_type()), event.kind.detail()),
            Cause::Timer(fired) => (Trigger::Timer, &fired.name),
            Cause::Broadcast(woken) => (Trigger::Broadcast, &woken.scope),
        }
    }

    /// The data that a replay needs besides the event.
    pub(super) fn journalled(&self) -> Option<Journalled> {
        let Cause::Event(event) = &self.cause else { return None };
        let EventKind::Message(data) = &event.kind else { return None };
        let analysis = data.analysis.as_deref()?.clone();
        Some(Journalled::Analysis { event: self.fingerprint, analysis })
    }

    /// The channel's request, if it is one.
    pub fn ask(&self) -> Option<&AskData> {
        match &self.cause {
            Cause::Event(Event { kind: EventKind::Ask(ask), .. }) => Some(ask),
            _ => None,
        }
    }

    /// Whether a forwarding identifier records it as seen. Requests are not recorded: the caller is
    /// redirected and may repeat the request.
    pub fn is_remembered(&self) -> bool {
        match &self.cause {
            Cause::Event(event) => !matches!(event.kind, EventKind::Ask(_) | EventKind::Handoff(_)),
            Cause::Timer(_) | Cause::Broadcast(_) => false,
        }
    }

    /// The channel that reports it, if any.
    pub(super) fn channel(&self) -> Option<&Channel> {
        match &self.cause {
            Cause::Event(event) => Some(&event.channel),
            Cause::Timer(_) | Cause::Broadcast(_) => None,
        }
    }

    /// The trace context.
    pub(super) fn traceparent(&self) -> Option<&str> {
        match &self.cause {
            Cause::Event(event) => event.traceparent.as_deref(),
            Cause::Timer(_) | Cause::Broadcast(_) => None,
        }
    }
}

/// The kind of an input.
#[derive(Debug, Clone, PartialEq)]
pub enum Cause {
    /// An event that a channel reported.
    Event(Event),
    /// A timer of the twin.
    Timer(Fired),
    /// A broadcast that wakes matching twins.
    Broadcast(Woken),
}

/// A journalled input (one not from the stream), kept for replay. Stored: append new kinds at the end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Journalled {
    /// A timer of the twin.
    Timer {
        /// The firing.
        fired: Fired,
        /// The stream sequence up to which the partition had processed everything before it.
        after: u64,
    },
    /// A broadcast that woke the twin.
    Broadcast {
        /// The wake-up.
        woken: Woken,
        /// The stream sequence up to which the partition had processed everything before it.
        after: u64,
    },
    /// The external analyser's answer to a message; the event is in the stream, the answer is not.
    Analysis {
        /// The fingerprint of the event.
        event: u64,
        /// The answer.
        analysis: Analysis,
    },
    /// A channel's request through the API.
    Ask(Box<Asked>),
    /// An agent's act through the API.
    Handoff(Box<HandedOver>),
}

/// A channel's request through the API, with its answer, as journalled. Stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    /// The stream sequence up to which the partition had processed everything before it.
    pub after: u64,
    /// The channel.
    pub channel: Channel,
    /// The identifier of the request.
    pub id: Box<str>,
    /// Its fingerprint.
    pub fingerprint: u64,
    /// The W3C trace context.
    pub traceparent: Option<Box<str>>,
    /// The request.
    pub ask: AskData,
    /// The answer, best first.
    pub answered: Vec<Answered>,
}

/// An agent's act on an escalation through the API, as journalled. Stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HandedOver {
    /// The stream sequence up to which the partition had processed everything before it.
    pub after: u64,
    /// The channel.
    pub channel: Channel,
    /// The identifier of the request.
    pub id: Box<str>,
    /// Its fingerprint.
    pub fingerprint: u64,
    /// The W3C trace context.
    pub traceparent: Option<Box<str>>,
    /// The act.
    pub handoff: HandoffData,
}

impl HandedOver {
    /// The event of the act, as the twin processed it.
    pub fn event(&self, customer: Customer) -> Event {
        Event {
            customer,
            channel: self.channel.clone(),
            id: self.id.clone(),
            fingerprint: self.fingerprint,
            time: None,
            traceparent: self.traceparent.clone(),
            kind: EventKind::Handoff(Box::new(self.handoff.clone())),
            impossible: None,
            forwarding: None,
        }
    }
}

impl Journalled {
    /// The journal record of an API request before it is answered; none if it is not such a request.
    pub fn request(event: &Event, after: u64) -> Option<Journalled> {
        match &event.kind {
            EventKind::Ask(_) => {
                Asked::new(event, after).map(|asked| Journalled::Ask(Box::new(asked)))
            }
            EventKind::Handoff(data) => Some(Journalled::Handoff(Box::new(HandedOver {
                after,
                channel: event.channel.clone(),
                id: event.id.clone(),
                fingerprint: event.fingerprint,
                traceparent: event.traceparent.clone(),
                handoff: (**data).clone(),
            }))),
            _ => None,
        }
    }
}

/// One action in the answer to a channel. Stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    /// The decision's identifier.
    pub decision: Box<str>,
    /// The action.
    pub action: Box<str>,
    /// The treatment.
    pub treatment: Box<str>,
}

impl Asked {
    /// The journal record of a request before it is answered; none if the event is not a request.
    pub fn new(event: &Event, after: u64) -> Option<Asked> {
        let EventKind::Ask(ask) = &event.kind else { return None };
        Some(Asked {
            after,
            channel: event.channel.clone(),
            id: event.id.clone(),
            fingerprint: event.fingerprint,
            traceparent: event.traceparent.clone(),
            ask: ask.clone(),
            answered: Vec::new(),
        })
    }

    /// The event of the request, as the twin processed it.
    pub fn event(&self, customer: Customer) -> Event {
        Event {
            customer,
            channel: self.channel.clone(),
            id: self.id.clone(),
            fingerprint: self.fingerprint,
            time: None,
            traceparent: self.traceparent.clone(),
            kind: EventKind::Ask(self.ask.clone()),
            impossible: None,
            forwarding: None,
        }
    }
}

/// A broadcast delivered to a twin now. Its value and condition are stored once for all twins: see
/// [`Broadcasts`](super::Broadcasts).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Woken {
    /// The fingerprint of the broadcast.
    pub id: u64,
    /// Its scope.
    pub scope: Box<str>,
}

impl Woken {
    /// One broadcast is one input of one customer, even if it is retried.
    fn fingerprint(&self, customer: &Customer) -> u64 {
        fingerprint([&self.id.to_le_bytes(), customer.as_str().as_bytes()])
    }
}

/// A timer that fired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fired {
    /// Its name.
    pub name: Box<str>,
    /// When it was due.
    pub due: Time,
    /// The delay of the firing.
    pub late: Duration,
}

impl Fired {
    /// One firing of one timer has one fingerprint, even if it is retried.
    fn fingerprint(&self) -> u64 {
        fingerprint([&self.due.ms().to_le_bytes(), self.name.as_bytes()])
    }
}

/// The minimum time for which an id is kept, if there is room: longer than a channel retries publishing.
pub const WINDOW: Duration = Duration::from_secs(20 * 60);
