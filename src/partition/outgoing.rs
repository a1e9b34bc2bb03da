use std::sync::Arc;

use bytes::Bytes;
use schemars::JsonSchema;
use serde::Serialize;

use super::StoreSecret;
use crate::contract::{Subjects, dead_letter, partition_of};
use crate::event::{Customer, Erasure, ForwardedEvent, Original, Output, Rejection, Time};
use crate::twin::{Action, Escalation, Observation, Recall};

/// Builds messages from effects: subject, headers, CloudEvent.
#[derive(Debug, Clone)]
pub struct Outgoing {
    subjects: Arc<Subjects>,
    secret: StoreSecret,
    partitions: u16,
}

/// An outgoing message: a CloudEvent 1.0 in structured mode.
#[derive(Debug, Serialize, JsonSchema)]
pub struct CloudEvent<'a, T> {
    /// The version of CloudEvents: `1.0`.
    specversion: &'static str,
    /// The message's id, the same in every copy. On the broker it has another, the `Nats-Msg-Id`, which
    /// is also the same in every copy.
    id: &'a str,
    /// The source: `jumeau`.
    source: &'static str,
    /// The type: `jumeau.action`, `jumeau.recall`, `jumeau.escalation` or `jumeau.observation`.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The customer.
    subject: &'a Customer,
    /// The time of the decision.
    time: Time,
    /// `application/json`.
    datacontenttype: &'static str,
    /// The W3C trace context of the event that caused it.
    #[serde(skip_serializing_if = "Option::is_none")]
    traceparent: Option<&'a str>,
    /// The content.
    data: &'a T,
}

impl Outgoing {
    /// A builder for the subjects of one prefix and this number of partitions. The ids on the broker and
    /// the marks of messages to twins are keyed with the store's secret.
    pub fn new(subjects: Arc<Subjects>, secret: StoreSecret, partitions: u16) -> Outgoing {
        Outgoing { subjects, secret, partitions }
    }

    /// The message of an action.
    pub fn action(&self, action: &Action) -> Output {
        let subject = self.subjects.action(&action.channel, &action.action, &action.customer);
        let event = CloudEvent {
            specversion: "1.0",
            id: &action.decision,
            source: "jumeau",
            kind: "jumeau.action",
            subject: &action.customer,
            time: action.at,
            datacontenttype: "application/json",
            traceparent: action.traceparent.as_deref(),
            data: action,
        };
        self.message(subject, &event)
    }

    /// The message of a recall.
    pub fn recall(&self, recall: &Recall) -> Output {
        let subject = self.subjects.recall(&recall.channel, &recall.customer);
        let event = CloudEvent {
            specversion: "1.0",
            id: &recall.recall,
            source: "jumeau",
            kind: "jumeau.recall",
            subject: &recall.customer,
            time: recall.at,
            datacontenttype: "application/json",
            traceparent: recall.traceparent.as_deref(),
            data: recall,
        };
        self.message(subject, &event)
    }

    /// The message of an escalation.
    pub fn escalation(&self, escalation: &Escalation) -> Output {
        let subject = self.subjects.escalation(&escalation.queue, &escalation.customer);
        let event = CloudEvent {
            specversion: "1.0",
            id: &escalation.message,
            source: "jumeau",
            kind: "jumeau.escalation",
            subject: &escalation.customer,
            time: escalation.at,
            datacontenttype: "application/json",
            traceparent: escalation.traceparent.as_deref(),
            data: escalation,
        };
        self.message(subject, &event)
    }

    /// The message of an observation.
    pub fn observation(&self, observation: &Observation) -> Output {
        let subject = self.subjects.observation(&observation.action, &observation.customer);
        // A decision may also be observed by each experiment that measures its uplift.
        let by = observation.trial.as_ref().map_or("", |trial| &*trial.experiment);
        let id = format!("o{}{by}", observation.decision);
        let event = CloudEvent {
            specversion: "1.0",
            id: &id,
            source: "jumeau",
            kind: "jumeau.observation",
            subject: &observation.customer,
            time: observation.at,
            datacontenttype: "application/json",
            traceparent: None,
            data: observation,
        };
        self.message(subject, &event)
    }

    /// The message of a forwarded event. It goes to the event stream, for the twin of another identifier.
    /// A memory has a subject of its own, so that the stream accepts it once.
    pub(super) fn forward(&self, message: ForwardedEvent) -> Output {
        let id = self.secret.message_id(&message.id);
        let mark = self.secret.message_mark(&message.to, None, &message.payload);
        let subject = match &message.memory_of {
            Some(from) => {
                let partition = partition_of(&message.to, self.partitions).unwrap_or(0);
                self.subjects.memory(partition, &message.to, from, &id)
            }
            None => self.subjects.forwarded(&message.to),
        };
        let mut headers = vec![("Content-Type".into(), "application/cloudevents+json".into())];
        if let Some(trace) = message.traceparent {
            headers.push(("traceparent".into(), trace));
        }
        if message.memory_of.is_some() {
            headers.push((Output::CARRIES_MEMORY.into(), "1".into()));
        }
        headers.push((Output::MARK.into(), mark.into()));
        Output {
            id: id.into(),
            subject: subject.into(),
            headers: headers.into(),
            payload: Bytes::from(message.payload),
        }
    }

    /// The message that forwards an erasure to the twin of another identifier of the customer, on the
    /// same stream.
    pub(super) fn erase(&self, erasure: &Erasure) -> Output {
        let mark = self.secret.message_mark(&erasure.customer, Some(erasure), b"");
        let headers = erasure.headers().into_iter().chain([(Output::MARK, mark)]);
        Output {
            id: self.secret.message_id(&erasure.message_id()).into(),
            subject: self.subjects.forwarded(&erasure.customer).into(),
            headers: headers.map(|(name, value)| (name.into(), value.into())).collect(),
            payload: Bytes::new(),
        }
    }

    /// The customers whom a message on a subject may be about, in any spelling.
    pub(super) fn about(&self, published: &str) -> Vec<Customer> {
        self.subjects.about(published)
    }

    pub(super) fn dead_letter(
        &self,
        partition: u16,
        sequence: u64,
        original: &Original,
        rejection: &Rejection,
    ) -> Output {
        let letter = dead_letter(&self.subjects, partition, sequence, original, rejection);
        Output { id: self.secret.message_id(&letter.id).into(), ..letter }
    }

    /// A CloudEvent as a message. The event's `id` can be predicted by others, so on the broker it gets
    /// another one: the broker drops a message whose id was used before.
    #[expect(clippy::expect_used, reason = "the message names the invariant")]
    fn message<T: Serialize>(&self, subject: String, event: &CloudEvent<'_, T>) -> Output {
        let payload = serde_json::to_vec(event).expect("texts, numbers and maps have a JSON form");
        let mut headers = vec![("Content-Type".into(), "application/cloudevents+json".into())];
        if let Some(trace) = event.traceparent {
            headers.push(("traceparent".into(), trace.into()));
        }
        Output {
            id: self.secret.message_id(event.id).into(),
            subject: subject.into(),
            headers: headers.into(),
            payload: Bytes::from(payload),
        }
    }
}
