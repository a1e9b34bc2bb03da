use std::borrow::{Borrow, Cow};
use std::fmt;
use std::sync::Arc;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::limits;

/// The identifier of one customer, as chosen by the company; at most [`limits::CUSTOMER_BYTES`] bytes of
/// UTF-8, never empty.
///
/// On the bus it is a *token*: `A-Z a-z 0-9 _ -` are kept, every other byte becomes `%` and two
/// upper-case hexadecimal digits. One identifier has exactly one token: the broker selects the partition
/// by the token, so a second spelling would give the same twin a second owner.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Customer(Arc<str>);

impl Customer {
    /// Creates a customer from the company's identifier.
    ///
    /// # Errors
    /// A sentence that explains the mistake, if `id` is empty or longer than the limit.
    pub fn new(id: &str) -> Result<Customer, String> {
        if id.is_empty() {
            return Err("expected a customer identifier, found an empty one".into());
        }
        if id.len() > limits::CUSTOMER_BYTES {
            return Err(format!(
                "expected a customer identifier of at most {} bytes, found {}; shorten or hash it",
                limits::CUSTOMER_BYTES,
                id.len()
            ));
        }
        Ok(Customer(id.into()))
    }

    /// The customer of a subject token.
    ///
    /// # Errors
    /// A sentence that explains the mistake and, if possible, gives the right spelling.
    pub fn from_token(token: &str) -> Result<Customer, String> {
        decode(token).and_then(|id| Customer::new(&id))
    }

    /// The subject token of this customer.
    pub fn token(&self) -> String {
        encode(&self.0)
    }

    /// The identifier, as chosen by the company.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Customer {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Customer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(&self.0)
    }
}

impl fmt::Debug for Customer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:?}", &*self.0)
    }
}

/// The name of a channel (`web`, `app`, `chat`, `call-centre`…), at most [`limits::CHANNEL_BYTES`] bytes;
/// on the bus a token, as for [`Customer`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Channel(Arc<str>);

impl Channel {
    /// Creates a channel from its name.
    ///
    /// # Errors
    /// A sentence that explains the mistake, if `name` is empty or longer than the limit.
    pub fn new(name: &str) -> Result<Channel, String> {
        if name.is_empty() || name.len() > limits::CHANNEL_BYTES {
            return Err(format!(
                "expected a channel name of 1 to {} bytes, found {}",
                limits::CHANNEL_BYTES,
                name.len()
            ));
        }
        Ok(Channel(name.into()))
    }

    /// The channel of a subject token.
    ///
    /// # Errors
    /// A sentence that explains the mistake and, if possible, gives the right spelling.
    pub fn from_token(token: &str) -> Result<Channel, String> {
        decode(token).and_then(|name| Channel::new(&name))
    }

    /// The subject token of this channel.
    pub fn token(&self) -> String {
        encode(&self.0)
    }

    /// The channel's name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(&self.0)
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:?}", &*self.0)
    }
}

const fn plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

/// Every byte of a token that is not [`plain`].
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'_').remove(b'-');

/// Encodes a text as one subject token: `A-Z a-z 0-9 _ -` are kept, every other byte becomes `%XX`.
pub fn encode(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).collect()
}

/// Decodes a subject token.
///
/// # Errors
/// A sentence that explains the mistake and, if possible, gives the right spelling.
pub fn decode(token: &str) -> Result<Cow<'_, str>, String> {
    if token.bytes().all(plain) {
        return Ok(token.into());
    }
    if let Some(stray) = stray(token) {
        return Err(format!(
            "expected a token of A-Z a-z 0-9 _ - and percent-encoded bytes (%2E for a dot), found \
             `{}` in `{}`",
            char::from(stray).escape_default(),
            token.escape_default()
        ));
    }
    let text = percent_decode_str(token)
        .decode_utf8()
        .map_err(|_| format!("expected percent-encoded UTF-8, found other bytes in `{token}`"))?;
    // JSON replaces NUL by another character, so a customer with such a name could not be requested.
    if text.contains('\0') {
        return Err(format!("expected a name without NUL, found `{token}`; leave `%00` out"));
    }
    let canonical = encode(&text);
    if canonical == token {
        Ok(text)
    } else {
        Err(format!("expected the one spelling `{canonical}` of this token, found `{token}`"))
    }
}

/// Decodes a token in any spelling: percent-encoded bytes are decoded wherever they occur, also with
/// lower-case digits; everything else is kept. It serves to find messages about a customer; a message
/// addressed to a customer must have the one spelling that [`decode`] accepts.
pub fn decode_any_spelling(token: &str) -> Cow<'_, str> {
    percent_decode_str(token).decode_utf8_lossy()
}

/// The first byte that is neither plain nor part of an encoded one.
fn stray(token: &str) -> Option<u8> {
    let not_plain = |part: &str| part.bytes().find(|byte| !plain(*byte));
    let mut parts = token.split('%');
    let before = parts.next().and_then(not_plain);
    before.or_else(|| {
        parts.find_map(|part| {
            let is_byte = part.len() >= 2 && part.bytes().take(2).all(|b| b.is_ascii_hexdigit());
            if is_byte { not_plain(part) } else { Some(b'%') }
        })
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_identifier_parses_back_from_its_token(id in "\\PC{1,32}") {
            let customer = Customer::new(&id).unwrap();
            let token = customer.token();
            prop_assert!(token.bytes().all(|byte| plain(byte) || byte == b'%'));
            prop_assert_eq!(Customer::from_token(&token).unwrap(), customer);
        }

        #[test]
        fn no_two_tokens_name_the_same_customer(token in "[%0-9A-Fa-f_-]{1,24}") {
            if let Ok(customer) = Customer::from_token(&token) {
                prop_assert_eq!(customer.token(), token);
            }
        }
    }

    #[test]
    fn every_spelling_of_a_token_gives_the_same_customer() {
        for token in ["bobby", "%62obby", "b%6fbby", "b%6Fbby", "%62%6F%62%62%79"] {
            assert_eq!(decode_any_spelling(token), "bobby", "{token}");
        }
        assert_eq!(decode_any_spelling("100%"), "100%");
        assert_eq!(decode_any_spelling("ann%40example%2eorg"), "ann@example.org");
    }

    #[test]
    fn a_token_in_another_spelling_is_refused_with_the_right_one() {
        let refusal = Customer::from_token("%61lice").unwrap_err();
        assert_eq!(refusal, "expected the one spelling `alice` of this token, found `%61lice`");
        assert!(Customer::from_token("a%2e").unwrap_err().contains("`a%2E`"));
    }

    #[test]
    fn broken_tokens_are_refused() {
        for token in ["", "%", "%4", "%ZZ", "a b", "caf\u{e9}", "%FF", "a*", "a%00"] {
            assert!(Customer::from_token(token).is_err(), "{token:?}");
        }
        assert!(Customer::from_token(&"a".repeat(limits::CUSTOMER_BYTES)).is_ok());
        assert!(Customer::from_token(&"a".repeat(limits::CUSTOMER_BYTES + 1)).is_err());
    }
}
