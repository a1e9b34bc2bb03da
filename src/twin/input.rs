use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::recent::WINDOW;
use crate::event::{
    Analysis, AskData, Channel, Customer, Event, EventKind, HandoffData, Time, fingerprint,
};
use crate::policy::Trigger;

/// Whatever changes a twin: it has an identity, by which a second copy is recognised, and a time.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// The `now` of the reaction. A twin's `now` never goes back: one that has lived longer takes it
    /// in at the moment up to which it has lived.
    pub at: Time,
    /// When it came, by the clock of the service: what is counted over time goes by it.
    pub came: Time,
    /// When what it says was said: by the channel's own clock if it gives a time, but no later than
    /// the stream stored it. Of two statements about the same the one said later stands.
    pub said: Time,
    /// When the stream stored it, or the last event before it: copies come by the stream, so they
    /// grow old by its clock and not by the twin's `now`, which a timer moves by the service's clock,
    /// and an event by a channel's. None if that is not known, and on event time.
    pub stored: Option<Time>,
    /// The identity, for a twin's memory of duplicates.
    pub fingerprint: u64,
    /// What it is.
    pub cause: Cause,
}

impl Input {
    /// An event from the stream, which is taken in at `at`.
    pub fn event(event: Event, at: Time) -> Input {
        Input::stored(event, at, at)
    }

    /// The same, where the stream stored it at another moment.
    pub fn stored(event: Event, at: Time, stored: Time) -> Input {
        let said = event.time.map_or(stored, |told| told.min(stored));
        let (fingerprint, cause) = (event.fingerprint, Cause::Event(event));
        Input { at, came: at, said, stored: Some(stored), fingerprint, cause }
    }

    /// A timer that fired, taken in at `at`.
    pub fn timer(fired: Fired, at: Time) -> Input {
        let fingerprint = fired.fingerprint();
        let cause = Cause::Timer(fired);
        Input { at, came: at, said: at, stored: Some(at), fingerprint, cause }
    }

    /// A broadcast of which a customer is to hear at `at`.
    pub fn wake(woken: Woken, customer: &Customer, at: Time) -> Input {
        let fingerprint = woken.fingerprint(customer);
        let cause = Cause::Broadcast(woken);
        Input { at, came: at, said: at, stored: Some(at), fingerprint, cause }
    }

    /// The same, where the clock of the stream shows this, as far as is known.
    pub fn by_stream(self, stored: Option<Time>) -> Input {
        Input { stored, ..self }
    }

    /// Whether a copy may still come of what a twin took in at a moment. That is no earlier than when
    /// the stream stored it, so nothing is taken for too old.
    pub(super) fn is_recent(&self, at: Time) -> bool {
        self.stored.is_none_or(|stored| stored.since(at) < WINDOW)
    }

    /// Since when what it says is so, for what grows old: by the channel's own clock if that is not
    /// ahead of the twin's.
    pub fn since(&self) -> Time {
        match &self.cause {
            Cause::Event(event) => event.time.map_or(self.at, |told| told.min(self.at)),
            Cause::Timer(_) | Cause::Broadcast(_) => self.at,
        }
    }

    /// The kind of input that it is and its detail, as a rule's `on` names them.
    pub fn called(&self) -> (Trigger, &str) {
        self.trigger()
    }

    /// What rules' patterns compare with.
    pub(super) fn trigger(&self) -> (Trigger, &str) {
        match &self.cause {
            Cause::Event(event) => (Trigger::Event(event.kind.event_type()), event.kind.detail()),
            Cause::Timer(fired) => (Trigger::Timer, &fired.name),
            Cause::Broadcast(woken) => (Trigger::Broadcast, &woken.scope),
        }
    }

    /// What a replay needs of it besides the event.
    pub(super) fn journalled(&self) -> Option<Journalled> {
        let Cause::Event(event) = &self.cause else { return None };
        let EventKind::Message(told) = &event.kind else { return None };
        let analysis = told.analysis.as_deref()?.clone();
        Some(Journalled::Analysis { event: self.fingerprint, analysis })
    }

    /// What a channel asks for, if one does.
    pub fn ask(&self) -> Option<&AskData> {
        match &self.cause {
            Cause::Event(Event { kind: EventKind::Ask(ask), .. }) => Some(ask),
            _ => None,
        }
    }

    /// Whether an identifier that passes it on remembers that it did: whoever asks is told where to
    /// ask instead, and may come again.
    pub fn is_remembered(&self) -> bool {
        match &self.cause {
            Cause::Event(event) => !matches!(event.kind, EventKind::Ask(_) | EventKind::Handoff(_)),
            Cause::Timer(_) | Cause::Broadcast(_) => false,
        }
    }

    /// The channel that reports it, if one does.
    pub(super) fn channel(&self) -> Option<&Channel> {
        match &self.cause {
            Cause::Event(event) => Some(&event.channel),
            Cause::Timer(_) | Cause::Broadcast(_) => None,
        }
    }

    /// The trace context that it travels in.
    pub(super) fn traceparent(&self) -> Option<&str> {
        match &self.cause {
            Cause::Event(event) => event.traceparent.as_deref(),
            Cause::Timer(_) | Cause::Broadcast(_) => None,
        }
    }
}

/// What an input is.
#[derive(Debug, Clone, PartialEq)]
pub enum Cause {
    /// An event that a channel reported.
    Event(Event),
    /// A timer of the twin's own.
    Timer(Fired),
    /// A broadcast that wakes the twins whom it concerns.
    Broadcast(Woken),
}

/// An input that did not come from the stream, as a journal keeps it for replay. Stored: new kinds
/// come behind the known ones.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Journalled {
    /// A timer of the twin's own.
    Timer {
        /// Which.
        fired: Fired,
        /// The stream sequence up to which the partition had taken everything in before it.
        after: u64,
    },
    /// A broadcast that woke the twin.
    Broadcast {
        /// Which.
        woken: Woken,
        /// The stream sequence up to which the partition had taken everything in before it.
        after: u64,
    },
    /// What an analyser outside made of a message: the event is in the stream, its answer is not.
    Analysis {
        /// The identity of the event.
        event: u64,
        /// The answer.
        analysis: Analysis,
    },
    /// What a channel asked through the API.
    Ask(Box<Asked>),
    /// What an agent did through the API.
    Handoff(Box<HandedOver>),
}

/// What a channel asked through the API, and what it was answered, as a journal keeps it. Stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    /// The stream sequence up to which the partition had taken everything in before it.
    pub after: u64,
    /// The channel.
    pub channel: Channel,
    /// The identifier of the request.
    pub id: Box<str>,
    /// Its identity.
    pub fingerprint: u64,
    /// The W3C trace context that it travels in.
    pub traceparent: Option<Box<str>>,
    /// What was asked.
    pub ask: AskData,
    /// What was answered, best first.
    pub answered: Vec<Answered>,
}

/// What an agent did with an escalation through the API, as a journal keeps it. Stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HandedOver {
    /// The stream sequence up to which the partition had taken everything in before it.
    pub after: u64,
    /// The channel.
    pub channel: Channel,
    /// The identifier of the request.
    pub id: Box<str>,
    /// Its identity.
    pub fingerprint: u64,
    /// The W3C trace context that it travels in.
    pub traceparent: Option<Box<str>>,
    /// What was done.
    pub handoff: HandoffData,
}

impl HandedOver {
    /// What was done, as its twin took it in.
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
            passed: None,
        }
    }
}

impl Journalled {
    /// What a journal keeps of a request before it is answered; none if it is no request.
    pub fn request(event: &Event, after: u64) -> Option<Journalled> {
        match &event.kind {
            EventKind::Ask(_) => {
                Asked::new(event, after).map(|asked| Journalled::Ask(Box::new(asked)))
            }
            EventKind::Handoff(told) => Some(Journalled::Handoff(Box::new(HandedOver {
                after,
                channel: event.channel.clone(),
                id: event.id.clone(),
                fingerprint: event.fingerprint,
                traceparent: event.traceparent.clone(),
                handoff: (**told).clone(),
            }))),
            _ => None,
        }
    }
}

/// One of the things that a channel was told to show. Stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    /// The decision's identifier.
    pub decision: Box<str>,
    /// What to show.
    pub action: Box<str>,
    /// How it is said.
    pub treatment: Box<str>,
}

impl Asked {
    /// What a journal keeps of a request before it is answered; none if the event is another one.
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

    /// The request as its twin took it in.
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
            passed: None,
        }
    }
}

/// A broadcast of which a twin is to hear now. What it says, and whom it concerns, is kept once, for
/// all twins: see [`Broadcasts`](super::Broadcasts).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Woken {
    /// The identity of the broadcast.
    pub id: u64,
    /// Its scope.
    pub scope: Box<str>,
}

impl Woken {
    /// One broadcast is one input of one customer, however often it is tried.
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
    /// How late it comes.
    pub late: Duration,
}

impl Fired {
    /// One firing of one timer has one identity, however often it is tried.
    fn fingerprint(&self) -> u64 {
        fingerprint([&self.due.ms().to_le_bytes(), self.name.as_bytes()])
    }
}
