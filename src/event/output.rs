use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{Customer, spelled};

/// One message that leaves the service, as plain data: committed with the state that decided it,
/// published only after that, and kept until the broker has confirmed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// Its identifier for the broker, the `Nats-Msg-Id`, which drops what comes under one that it knows.
    /// The same content has the same one for ever, and it is keyed with the store's secret: nobody
    /// else can use it first.
    pub id: Box<str>,
    /// The subject on which it is published.
    pub subject: Box<str>,
    /// Its headers, in order.
    pub headers: Box<[(Box<str>, Box<str>)]>,
    /// Its payload.
    pub payload: Bytes,
}

impl Output {
    /// The header of a dead letter that says why it is one. Nothing else that we publish has it.
    pub const REASON: &'static str = "Jumeau-Reason";

    /// The header of a dead letter that names the customer whom its event is about, as a token; it is
    /// missing if the event is about nobody.
    pub const CUSTOMER: &'static str = "Jumeau-Customer";

    /// The header of the mark by which the service knows what it wrote itself for a twin. It has no name
    /// of ours, so that a dead letter keeps it and can be tried again.
    pub const MARK: &'static str = "Passed-Mark";

    /// The header of a message with which a twin's memory moves. No name of ours, so that its dead letter
    /// keeps it.
    pub const CARRIES_MEMORY: &'static str = "Carries-Memory";

    /// The customer whom it is about: whose subject it is published on, or of a dead letter whose event
    /// it was. A subject of dead letters ends in a reason, and that of a memory on its way in the memory's
    /// identifier: neither is anybody's name.
    pub fn about(&self) -> Option<Customer> {
        let mut from_behind = self.subject.rsplit('.');
        let token = match (self.header(Output::REASON), self.header(Output::CUSTOMER)) {
            (Some(_), whose) => whose?,
            (None, _) if self.is_passed_on() => {
                // `…._jumeau.<to>`, or `…._jumeau.<to>.<partition>.<from>.<id>`.
                // Not by the subject: a customer may be called like the channel.
                let is_memory = self.header(Output::CARRIES_MEMORY).is_some();
                from_behind.nth(if is_memory { 3 } else { 0 })?
            }
            (None, _) => from_behind.next()?,
        };
        Customer::new(&spelled(token)).ok()
    }

    /// Whether it goes from one twin to another, by the stream of events.
    pub fn is_passed_on(&self) -> bool {
        self.header(Output::MARK).is_some() && self.header(Output::REASON).is_none()
    }

    /// The mark by which the service knows that it wrote it, if it is for a twin.
    pub fn mark(&self) -> Option<&str> {
        self.header(Output::MARK)
    }

    fn header(&self, wanted: &str) -> Option<&str> {
        self.headers.iter().find(|(name, _)| **name == *wanted).map(|(_, value)| &**value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(subject: &str, headers: &[(&str, &str)]) -> Output {
        let headers = headers.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        let (id, payload) = ("1".into(), Bytes::new());
        Output { id, subject: subject.into(), headers: headers.collect(), payload }
    }

    #[test]
    fn an_output_is_about_its_customer_and_a_dead_letter_about_that_of_its_event() {
        let about = |output: Output| output.about().map_or_else(String::new, |one| one.to_string());
        assert_eq!(about(output("jumeau.actions.app.offer.ann%40x", &[])), "ann@x");
        let reason = (Output::REASON, "bad-json");
        let whose = (Output::CUSTOMER, "bob");
        assert_eq!(about(output("jumeau.dead.bad-json", &[reason, whose])), "bob");
        assert_eq!(about(output("jumeau.dead.bad-json", &[reason])), "");
    }

    #[test]
    fn what_one_twin_sends_another_is_about_whom_it_reaches() {
        let mark = (Output::MARK, "1f");
        let memory = (Output::CARRIES_MEMORY, "1");
        for (subject, headers, whom) in [
            ("jumeau.events._jumeau.ann", &[mark][..], "ann"),
            ("a.b.events._jumeau.ann.7.bob.p01", &[memory, mark], "ann"),
            ("jumeau.events._jumeau.ann.7._jumeau.p01", &[memory, mark], "ann"),
            ("jumeau.events._jumeau._jumeau", &[mark], "_jumeau"),
        ] {
            let passed = output(subject, headers);
            assert!(passed.is_passed_on());
            assert_eq!(passed.about(), Customer::new(whom).ok(), "{subject}");
        }
        assert!(!output("jumeau.actions.events._jumeau.ann", &[]).is_passed_on());
        let dead = [(Output::REASON, "bad-json"), (Output::CUSTOMER, "bob"), mark];
        assert!(!output("jumeau.dead.bad-json", &dead).is_passed_on());
    }
}
