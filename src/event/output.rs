use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{Customer, INTERNAL, spelled};

/// One message that leaves the service, as plain data: committed with the state that decided it,
/// published only after that, and kept until the broker has confirmed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// Its identifier, the `Nats-Msg-Id`; the same content has the same one for ever.
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

    /// The customer whom it is about: whose subject it is published on, or of a dead letter whose event
    /// it was. A subject of dead letters ends in a reason, and that is nobody's name.
    pub fn about(&self) -> Option<Customer> {
        let header = |wanted: &str| self.headers.iter().find(|(name, _)| **name == *wanted);
        let token = match (header(Output::REASON), header(Output::CUSTOMER)) {
            (Some(_), whose) => &**whose.map(|(_, token)| token)?,
            (None, _) => self.subject.rsplit('.').next()?,
        };
        Customer::new(&spelled(token)).ok()
    }

    /// Whether it goes from one twin to another, by the stream of events.
    pub fn is_passed_on(&self) -> bool {
        self.subject.rsplit('.').nth(1) == Some(INTERNAL)
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
        assert!(output("jumeau.events._jumeau.ann", &[]).is_passed_on());
        assert!(!output("jumeau.actions.app._jumeau-card.ann", &[]).is_passed_on());
    }
}
