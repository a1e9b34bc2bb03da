use std::fmt;

/// A header of a message: its name and its value.
pub type Header<'a> = (&'a str, &'a str);

/// The headers of a message, in order, in one allocation: every event has some, they are rarely read, and
/// one string per name and value would cost more than parsing the event.
///
/// Each header is stored as the lengths of name and value (u32, little-endian), the name and the value.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Headers(Box<[u8]>);

const LENGTHS: usize = 8;

impl Headers {
    /// The headers, in order.
    pub fn iter(&self) -> impl Iterator<Item = Header<'_>> {
        let mut rest = &*self.0;
        std::iter::from_fn(move || {
            let (&[n0, n1, n2, n3, v0, v1, v2, v3], behind) =
                rest.split_first_chunk::<LENGTHS>()?;
            let (name, behind) = text(behind, [n0, n1, n2, n3])?;
            let (value, behind) = text(behind, [v0, v1, v2, v3])?;
            rest = behind;
            Some((name, value))
        })
    }

    /// The value of the first header of this name, ignoring case.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

fn text(bytes: &[u8], length: [u8; 4]) -> Option<(&str, &[u8])> {
    let length = usize::try_from(u32::from_le_bytes(length)).ok()?;
    let (text, rest) = bytes.split_at_checked(length)?;
    Some((std::str::from_utf8(text).ok()?, rest))
}

impl<'a> FromIterator<Header<'a>> for Headers {
    /// A name or value longer than 4 GiB, which no broker transports, is left out.
    fn from_iter<I: IntoIterator<Item = Header<'a>>>(headers: I) -> Headers {
        let mut bytes = Vec::with_capacity(128);
        for (name, value) in headers {
            let (Ok(names), Ok(values)) = (u32::try_from(name.len()), u32::try_from(value.len()))
            else {
                continue;
            };
            bytes.extend_from_slice(&names.to_le_bytes());
            bytes.extend_from_slice(&values.to_le_bytes());
            bytes.extend_from_slice(name.as_bytes());
            bytes.extend_from_slice(value.as_bytes());
        }
        Headers(bytes.into())
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn headers_keep_their_values_and_order(all in prop::collection::vec((".*", ".*"), 0..8)) {
            let pairs: Vec<Header<'_>> = all.iter().map(|(n, v)| (&**n, &**v)).collect();
            let headers: Headers = pairs.iter().copied().collect();
            prop_assert_eq!(headers.iter().collect::<Vec<_>>(), pairs);
        }
    }

    #[test]
    fn a_header_is_found_whatever_its_capitals() {
        let headers: Headers = [("Nats-Msg-Id", "e1"), ("nats-msg-id", "e2")].into_iter().collect();
        assert_eq!(headers.get("NATS-MSG-ID"), Some("e1"));
        assert_eq!(headers.get("Nats-Msg"), None);
    }
}
