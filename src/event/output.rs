use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{Customer, decode_any_spelling};

/// One message that the service publishes, as data: committed with the state that caused it, published
/// only after that, and kept until the broker has confirmed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// The `Nats-Msg-Id`, by which the broker drops duplicates. Deterministic for the same content, and
    /// keyed with the store's secret so that nobody else can use it first.
    pub id: Box<str>,
    /// The subject on which it is published.
    pub subject: Box<str>,
    /// Its headers, in order.
    pub headers: Box<[(Box<str>, Box<str>)]>,
    /// Its payload.
    pub payload: Bytes,
}

impl Output {
    /// The header with the reason of a dead letter. No other message that we publish has it.
    pub const REASON: &'static str = "Jumeau-Reason";

    /// The header of a dead letter with the customer token of its event; absent if the event has no
    /// customer.
    pub const CUSTOMER: &'static str = "Jumeau-Customer";

    /// The header with the mark by which the service recognises its own messages to twins. Its name does
    /// not begin with `Jumeau-`, so that a dead letter keeps it and can be retried.
    pub const MARK: &'static str = "Passed-Mark";

    /// The header of a message that moves a twin's memory. Its name does not begin with `Jumeau-`, so
    /// that its dead letter keeps it.
    pub const CARRIES_MEMORY: &'static str = "Carries-Memory";

    /// The customer of this output: from its subject, or from the event of a dead letter. Subjects of
    /// dead letters end with a reason, and those of memories in transit with a memory id, so neither
    /// contains a customer as its last token.
    pub fn about(&self) -> Option<Customer> {
        let mut from_behind = self.subject.rsplit('.');
        let token = match (self.header(Output::REASON), self.header(Output::CUSTOMER)) {
            (Some(_), whose) => whose?,
            (None, _) if self.is_forwarded() => {
                // `…._jumeau.<to>`, or `…._jumeau.<to>.<partition>.<from>.<id>`. The subject alone is not
                // enough: a customer may have the same name as the channel.
                let is_memory = self.header(Output::CARRIES_MEMORY).is_some();
                from_behind.nth(if is_memory { 3 } else { 0 })?
            }
            (None, _) => from_behind.next()?,
        };
        Customer::new(&decode_any_spelling(token)).ok()
    }

    /// Whether it goes from one twin to another, through the event stream.
    pub fn is_forwarded(&self) -> bool {
        self.header(Output::MARK).is_some() && self.header(Output::REASON).is_none()
    }

    /// The mark by which the service recognises its own message, if it is for a twin.
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
    fn a_message_between_twins_is_about_its_receiver() {
        let mark = (Output::MARK, "1f");
        let memory = (Output::CARRIES_MEMORY, "1");
        for (subject, headers, whom) in [
            ("jumeau.events._jumeau.ann", &[mark][..], "ann"),
            ("a.b.events._jumeau.ann.7.bob.p01", &[memory, mark], "ann"),
            ("jumeau.events._jumeau.ann.7._jumeau.p01", &[memory, mark], "ann"),
            ("jumeau.events._jumeau._jumeau", &[mark], "_jumeau"),
        ] {
            let forwarded = output(subject, headers);
            assert!(forwarded.is_forwarded());
            assert_eq!(forwarded.about(), Customer::new(whom).ok(), "{subject}");
        }
        assert!(!output("jumeau.actions.events._jumeau.ann", &[]).is_forwarded());
        let dead = [(Output::REASON, "bad-json"), (Output::CUSTOMER, "bob"), mark];
        assert!(!output("jumeau.dead.bad-json", &dead).is_forwarded());
    }
}
