//! Requests to erase a customer: messages on the channel [`INTERNAL`], so that each has its position
//! among the customer's events, and is as durable as an event.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use twox_hash::{XxHash3_64, XxHash3_128};

use super::{Customer, Original, Time, cut};

/// The id of one erasure request for a customer and all their identifiers. Random, so it reveals nothing
/// about the customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ErasureId(pub u128);

impl fmt::Display for ErasureId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:032x}", self.0)
    }
}

impl FromStr for ErasureId {
    type Err = String;

    fn from_str(text: &str) -> Result<ErasureId, String> {
        let digits = (text.len() == 32).then(|| u128::from_str_radix(text, 16).ok()).flatten();
        let bad = || {
            let found = cut(text, 64);
            format!(
                "expected an erasure id of 32 hexadecimal digits, as `erase` prints it, found \
                 `{found}`"
            )
        };
        digits.map(ErasureId).ok_or_else(bad)
    }
}

/// An erasure of one identifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erasure {
    /// The customer of the twin.
    pub customer: Customer,
    /// The erasure request.
    pub id: ErasureId,
    /// For a customer who is forgotten after a long absence: when they were last seen. If they were seen
    /// again since then, nothing is erased, and they may return at any time. None: the customer asked for
    /// the erasure.
    pub unless_seen_after: Option<Time>,
    /// Erase it only while the link with this number is current, which made it another customer's
    /// identifier; afterwards it is a different person. None: always.
    pub link: Option<u64>,
    /// Erase it only while this identifier is linked to the customer by the link with this number. None:
    /// always.
    pub of: Option<(Customer, u64)>,
}

impl Erasure {
    /// The header that identifies such a message; its value is the [`ErasureId`].
    pub const HEADER: &'static str = "Jumeau-Erase";

    /// The header with the time, in milliseconds, after which the customer must not have been seen.
    pub const ABSENT_SINCE: &'static str = "Jumeau-Absent-Since";

    /// The header with the number of the link that made it the same customer.
    pub const LINK: &'static str = "Jumeau-Link";

    /// The header with the identifier that is the same customer, as a token, a dot, and the number of its
    /// link.
    pub const OF: &'static str = "Jumeau-Linked";

    /// The erasure that a customer asked for.
    pub fn requested(customer: Customer, id: ErasureId) -> Erasure {
        Erasure { customer, id, unless_seen_after: None, link: None, of: None }
    }

    /// The erasure of a customer who was last seen at this time.
    pub fn of_absent(customer: Customer, seen: Time) -> Erasure {
        let mut bytes = customer.as_str().as_bytes().to_vec();
        bytes.extend_from_slice(&seen.ms().to_le_bytes());
        let id = ErasureId(XxHash3_128::oneshot(&bytes));
        Erasure { customer, id, unless_seen_after: Some(seen), link: None, of: None }
    }

    /// The headers of the message.
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let id = (Erasure::HEADER, self.id.to_string());
        let absent =
            self.unless_seen_after.map(|seen| (Erasure::ABSENT_SINCE, seen.ms().to_string()));
        let link = self.link.map(|link| (Erasure::LINK, link.to_string()));
        let of = self.of.as_ref();
        let of = of.map(|(one, link)| (Erasure::OF, format!("{}.{link}", one.token())));
        std::iter::once(id).chain(absent).chain(link).chain(of).collect()
    }

    /// The message id: the same for every copy.
    pub fn message_id(&self) -> String {
        let mut bytes = self.customer.as_str().as_bytes().to_vec();
        if let Some(link) = self.link {
            bytes.push(0xFF);
            bytes.extend_from_slice(&link.to_le_bytes());
        }
        if let Some((of, link)) = &self.of {
            bytes.push(0xFE);
            bytes.extend_from_slice(of.as_str().as_bytes());
            bytes.extend_from_slice(&link.to_le_bytes());
        }
        format!("e{}-{:016x}", self.id, XxHash3_64::oneshot(&bytes))
    }

    /// Parses the erasure in a message with the subject `….<channel>.<customer>`, if it is one.
    pub fn read(original: &Original) -> Option<Erasure> {
        if !original.is_internal() {
            return None;
        }
        let customer = original.subject.customer();
        let id = original.headers.get(Erasure::HEADER)?.parse().ok()?;
        let absent = original.headers.get(Erasure::ABSENT_SINCE);
        let unless_seen_after = match absent {
            Some(since) => Some(Time::from_ms(since.parse().ok()?)),
            None => None,
        };
        let link = match original.headers.get(Erasure::LINK) {
            Some(link) => Some(link.parse().ok()?),
            None => None,
        };
        let of = match original.headers.get(Erasure::OF) {
            Some(of) => {
                let (one, link) = of.split_once('.')?;
                Some((Customer::from_token(one).ok()?, link.parse().ok()?))
            }
            None => None,
        };
        let customer = Customer::from_token(customer).ok()?;
        Some(Erasure { customer, id, unless_seen_after, link, of })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn original(subject: &str, id: &str) -> Original {
        Original {
            subject: subject.into(),
            headers: [(Erasure::HEADER, id)].into_iter().collect(),
            payload: bytes::Bytes::new(),
        }
    }

    #[test]
    fn an_erasure_message_decodes_to_what_was_encoded() {
        let ada = Customer::new("ada").unwrap();
        for written in [
            Erasure::requested(ada.clone(), ErasureId(7)),
            Erasure::of_absent(ada.clone(), Time::from_ms(1_700_000_000_000)),
            Erasure { link: Some(3), ..Erasure::requested(ada.clone(), ErasureId(7)) },
            Erasure {
                of: Some((Customer::new("a tablet.1").unwrap(), 3)),
                ..Erasure::requested(ada, ErasureId(7))
            },
        ] {
            let headers = written.headers();
            let original = Original {
                subject: "jumeau.events._jumeau.ada".into(),
                headers: headers.iter().map(|(name, value)| (*name, &**value)).collect(),
                payload: bytes::Bytes::new(),
            };
            assert_eq!(Erasure::read(&original), Some(written));
        }
    }

    #[test]
    fn only_a_message_on_the_internal_channel_with_an_erasure_id_erases() {
        let id = ErasureId(7).to_string();
        let wanted = Erasure::read(&original("jumeau.events._jumeau.a%40b", &id)).unwrap();
        assert_eq!((wanted.customer.as_str(), wanted.id), ("a@b", ErasureId(7)));
        for (subject, id) in [
            ("jumeau.events.web.ada", &*id),
            ("jumeau.events._jumeau.%", &id),
            ("jumeau.events._jumeau.ada", "7"),
        ] {
            assert_eq!(Erasure::read(&original(subject, id)), None, "{subject} {id}");
        }
    }
}
