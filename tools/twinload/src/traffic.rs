//! The events of a bank's customers: one in five leads to an action.

use std::ops::Range;

use async_nats::HeaderMap;
use bytes::Bytes;
use jumeau::contract::Subjects;
use jumeau::event::{Channel, Customer};

/// The minimum size of an event's payload in bytes; most have exactly this size.
pub(crate) const EVENT_BYTES: usize = 300;
/// One in this many events leads to an action.
pub(crate) const EVENTS_PER_ACTION: u64 = 5;
/// The step between the customers of successive events; a prime, so that it divides no round number.
const STRIDE: u64 = 7_919;

/// Events of this many customers, in a fixed scattered order.
#[derive(Debug, Clone)]
pub(crate) struct Traffic {
    /// The number of customers.
    pub(crate) customers: u64,
    /// The prefix of the customers' names.
    pub(crate) name: &'static str,
}

/// One event, ready to be published.
pub(crate) struct Message {
    pub(crate) subject: String,
    pub(crate) headers: HeaderMap,
    pub(crate) payload: Bytes,
}

impl Traffic {
    /// Whether the event of a number leads to an action.
    pub(crate) fn leads_to_action(&self, number: u64) -> bool {
        self.kind(number) == 0
    }

    /// How many of the events of these numbers lead to an action.
    pub(crate) fn actions(&self, numbers: Range<u64>) -> u64 {
        numbers.filter(|number| self.leads_to_action(*number)).count() as u64
    }

    /// Each customer goes through the five kinds in turn; they begin with different ones.
    fn kind(&self, number: u64) -> u64 {
        (number / self.customers + self.customer(number)) % EVENTS_PER_ACTION
    }

    fn customer(&self, number: u64) -> u64 {
        (number % self.customers) * STRIDE % self.customers
    }

    /// The event of a number, with that number in its trace context.
    pub(crate) fn message(&self, subjects: &Subjects, number: u64) -> Message {
        let customer = format!("{}-{}", self.name, self.customer(number));
        let (channel, event_type, data) = match self.kind(number) {
            0 => (
                "core",
                "track",
                format!(
                    r#"{{"name":"Payment Made","properties":{{"payment":"p-{number}","amount":2400,"to":"Garage Dupont"}}}}"#
                ),
            ),
            1 => (
                "app",
                "track",
                format!(
                    r#"{{"name":"Payment Confirmed","properties":{{"payment":"p-{number}"}}}}"#
                ),
            ),
            2 => (
                "web",
                "page",
                r#"{"name":"Accounts","properties":{"path":"/accounts"}}"#.to_owned(),
            ),
            3 => (
                "core",
                "track",
                format!(
                    r#"{{"name":"Payment Made","properties":{{"payment":"p-{number}","amount":42.5,"to":"Baker"}}}}"#
                ),
            ),
            _ => (
                "chat",
                "message",
                r#"{"from":"customer","language":"en","text":"When will my new card arrive?"}"#
                    .to_owned(),
            ),
        };
        let start = format!(
            r#"{{"specversion":"1.0","id":"{}-{number}","source":"/bank/{channel}","type":"{event_type}","datacontenttype":"application/json","dataschema":"https://bank.example/"#,
            self.name
        );
        let end = format!(r#"","data":{data}}}"#);
        let fill = EVENT_BYTES.saturating_sub(start.len() + end.len());
        let payload = format!("{start}{:s<fill$}{end}", "");
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Msg-Id", format!("{}-{number}", self.name));
        headers.insert("traceparent", trace(number));
        let subject = match (Channel::new(channel), Customer::new(&customer)) {
            (Ok(channel), Ok(customer)) => subjects.event(&channel, &customer),
            // Both are short and plain.
            _ => unreachable!("a name of letters, digits and hyphens is a customer"),
        };
        Message { subject, headers, payload: payload.into() }
    }
}

/// The W3C trace context that contains a number; its trace id must not be zero.
fn trace(number: u64) -> String {
    format!("00-{:032x}-0000000000000001-01", u128::from(number) + 1)
}

/// The number in a trace context.
pub(crate) fn number_of(traceparent: &str) -> Option<u64> {
    let id = traceparent.split('-').nth(1)?;
    u64::try_from(u128::from_str_radix(id, 16).ok()?.checked_sub(1)?).ok()
}

#[cfg(test)]
mod tests {
    use jumeau::event::{Raw, parse};

    use super::*;

    #[test]
    fn every_event_is_valid_and_has_the_configured_size() {
        let traffic = Traffic { customers: 1_000, name: "c" };
        let subjects = Subjects::new("jumeau").unwrap();
        for number in 0..10_000 {
            let message = traffic.message(&subjects, number);
            let tokens: Vec<&str> = message.subject.split('.').collect();
            let raw = Raw {
                channel: tokens[2],
                customer: tokens[3],
                headers: &[],
                payload: &message.payload,
                sequence: 1,
            };
            parse(&raw).unwrap_or_else(|rejection| panic!("{number}: {rejection}"));
            assert_eq!(message.payload.len(), EVENT_BYTES, "{:?}", message.payload);
            assert_eq!(
                number_of(message.headers.get("traceparent").unwrap().as_str()),
                Some(number)
            );
        }
    }

    #[test]
    fn one_event_in_five_leads_to_an_action_in_every_part_of_the_traffic() {
        let traffic = Traffic { customers: 1_000, name: "c" };
        assert_eq!(traffic.actions(0..10_000), 2_000);
        assert_eq!(traffic.actions(0..100), 20);
    }

    #[test]
    fn one_round_has_one_event_of_each_customer() {
        let traffic = Traffic { customers: 1_000, name: "c" };
        let mut seen: Vec<u64> = (0..1_000).map(|number| traffic.customer(number)).collect();
        seen.sort_unstable();
        assert_eq!(seen, (0..1_000).collect::<Vec<_>>());
    }
}
