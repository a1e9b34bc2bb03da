//! Authentication of the service's own messages by an HMAC: without roles, anybody may publish on any
//! subject with any headers.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::StoreSecret;
use crate::event::{Customer, Erasure, INTERNAL, Original, Output, Reason, Rejection};

/// A byte that no identifier of a customer begins with, so that no mark of one equals a mark of another
/// kind.
const OF_MESSAGES: u8 = 0xFF;
const OF_IDS: u8 = 0xFE;

/// The headers that describe an erasure.
const OF_ERASURES: [&str; 4] = [Erasure::HEADER, Erasure::ABSENT_SINCE, Erasure::LINK, Erasure::OF];

impl StoreSecret {
    /// The mark of a message to a twin: the first half of an HMAC-SHA-256 over its receiver and content.
    pub fn message_mark(&self, to: &Customer, erasure: Option<&Erasure>, payload: &[u8]) -> String {
        let headers = erasure.map(Erasure::headers).unwrap_or_default();
        let value = |name: &str| {
            headers.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value)
        };
        let wanted = OF_ERASURES.map(value);
        self.of_message(to.token().as_bytes(), wanted, payload)
    }

    fn of_message(&self, token: &[u8], wanted: [&str; 4], payload: &[u8]) -> String {
        let mut hash = self.keyed();
        hash.update(&[OF_MESSAGES]);
        let [id, absent, link, of] = wanted.map(str::as_bytes);
        // Messages without the last header, which was added later, keep their mark.
        let last = Some(of).filter(|of| !of.is_empty());
        for part in [token, id, absent, link, payload].into_iter().chain(last) {
            hash.update(&(part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        half(hash)
    }

    /// Whether the service wrote a message to a twin.
    pub fn is_ours(&self, original: &Original) -> bool {
        let token = original.subject.customer();
        let header = |name| original.headers.get(name).unwrap_or_default();
        let wanted = OF_ERASURES.map(header);
        let expected = self.of_message(token.as_bytes(), wanted, &original.payload);
        let found = header(Output::MARK).as_bytes();
        // Constant time: a wrong mark takes as long as a right one.
        let differs = |all: u8, (one, other): (&u8, &u8)| all | (one ^ other);
        found.len() == expected.len() && found.iter().zip(expected.as_bytes()).fold(0, differs) == 0
    }

    /// The id of a message on the bus, which nobody else can predict.
    pub fn message_id(&self, id: &str) -> String {
        let mut hash = self.keyed();
        hash.update(&[OF_IDS]);
        hash.update(id.as_bytes());
        format!("p{}", half(hash))
    }

    #[expect(clippy::expect_used, reason = "the message names the invariant")]
    fn keyed(&self) -> Hmac<Sha256> {
        Hmac::<Sha256>::new_from_slice(self.key()).expect("a key may have any length")
    }
}

fn half(hash: Hmac<Sha256>) -> String {
    let whole: [u8; 32] = hash.finalize().into_bytes().into();
    hex::encode(&whole[..16])
}

pub(super) fn forged() -> Rejection {
    Rejection::new(
        Reason::BadSubject,
        format!(
            "expected a message with the service's mark on the internal channel `{INTERNAL}`, found \
             another; use another channel name"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::ErasureId;

    fn message(headers: &[(&str, &str)], payload: &'static str) -> Original {
        Original {
            subject: "jumeau.events._jumeau.ann".into(),
            headers: headers.iter().copied().collect(),
            payload: payload.as_bytes().into(),
        }
    }

    #[test]
    fn only_messages_marked_with_the_secret_are_our_own() {
        let (ours, other) = (StoreSecret::new([1; 32]), StoreSecret::new([2; 32]));
        let (ann, bob) = (Customer::new("ann").unwrap(), Customer::new("bob").unwrap());
        let mark = ours.message_mark(&ann, None, b"{}");
        assert!(ours.is_ours(&message(&[(Output::MARK, &mark)], "{}")));
        for (mark, payload) in [
            (String::new(), "{}"),
            (mark.clone(), "{ }"),
            (other.message_mark(&ann, None, b"{}"), "{}"),
            (ours.message_mark(&bob, None, b"{}"), "{}"),
        ] {
            assert!(!ours.is_ours(&message(&[(Output::MARK, &mark)], payload)));
        }
        // A marked event cannot be turned into an erasure.
        let id = ErasureId(7).to_string();
        assert!(!ours.is_ours(&message(&[(Output::MARK, &mark), (Erasure::HEADER, &id)], "{}")));
        let wanted = Erasure::requested(ann.clone(), ErasureId(7));
        let mark = ours.message_mark(&ann, Some(&wanted), b"");
        let erasure = [(Output::MARK, &*mark), (Erasure::HEADER, &*id)];
        assert!(ours.is_ours(&message(&erasure, "")));
        // Nor into an erasure of another customer.
        let of = [erasure[0], erasure[1], (Erasure::OF, "bob.3")];
        assert!(!ours.is_ours(&message(&of, "")));
        let wanted = Erasure { of: Some((bob, 3)), ..wanted };
        let mark = ours.message_mark(&ann, Some(&wanted), b"");
        assert!(ours.is_ours(&message(&[(Output::MARK, &mark), of[1], of[2]], "")));
    }
}
