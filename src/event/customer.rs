use std::borrow::{Borrow, Cow};
use std::fmt;
use std::fmt::Write as _;
use std::sync::Arc;

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

/// Encodes a text as one subject token: `A-Z a-z 0-9 _ -` are kept, every other byte becomes `%XX`.
pub fn encode(text: &str) -> String {
    let mut token = String::with_capacity(text.len());
    for byte in text.bytes() {
        if plain(byte) {
            token.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(token, "%{byte:02X}");
        }
    }
    token
}

/// Decodes a subject token.
///
/// # Errors
/// A sentence that explains the mistake and, if possible, gives the right spelling.
pub fn decode(token: &str) -> Result<Cow<'_, str>, String> {
    if token.bytes().all(plain) {
        return Ok(token.into());
    }
    let mut decoded = Vec::with_capacity(token.len());
    let mut rest = token.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        match (first, tail) {
            (b'%', [high, low, ..]) if let (Some(high), Some(low)) = (hex(*high), hex(*low)) => {
                decoded.push(high << 4 | low);
                rest = &tail[2..];
            }
            (byte, _) if plain(byte) => {
                decoded.push(byte);
                rest = tail;
            }
            (byte, _) => {
                return Err(format!(
                    "expected a token of A-Z a-z 0-9 _ - and percent-encoded bytes (%2E for a \
                     dot), found `{}` in `{}`",
                    char::from(byte).escape_default(),
                    token.escape_default()
                ));
            }
        }
    }
    let text = String::from_utf8(decoded)
        .map_err(|_| format!("expected percent-encoded UTF-8, found other bytes in `{token}`"))?;
    // JSON replaces NUL by another character, so a customer with such a name could not be requested.
    if text.contains('\0') {
        return Err(format!("expected a name without NUL, found `{token}`; leave `%00` out"));
    }
    let canonical = encode(&text);
    if canonical == token {
        Ok(text.into())
    } else {
        Err(format!("expected the one spelling `{canonical}` of this token, found `{token}`"))
    }
}

/// Decodes a token in any spelling: percent-encoded bytes are decoded wherever they occur, also with
/// lower-case digits; everything else is kept. It serves to find messages about a customer; a message
/// addressed to a customer must have the one spelling that [`decode`] accepts.
pub fn spelled(token: &str) -> Cow<'_, str> {
    if !token.contains('%') {
        return token.into();
    }
    let mut bytes = Vec::with_capacity(token.len());
    let mut rest = token.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        match (first, tail) {
            (b'%', [high, low, ..]) if let (Some(high), Some(low)) = (hex(*high), hex(*low)) => {
                bytes.push(high << 4 | low);
                rest = &tail[2..];
            }
            (byte, _) => {
                bytes.push(byte);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned().into()
}

const fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_identifier_comes_back_from_its_token(id in "\\PC{1,32}") {
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
    fn however_a_token_is_spelled_it_is_known_whose_it_is() {
        for token in ["bobby", "%62obby", "b%6fbby", "b%6Fbby", "%62%6F%62%62%79"] {
            assert_eq!(spelled(token), "bobby", "{token}");
        }
        assert_eq!(spelled("100%"), "100%");
        assert_eq!(spelled("ann%40example%2eorg"), "ann@example.org");
    }

    #[test]
    fn a_second_spelling_is_refused_with_the_first() {
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
