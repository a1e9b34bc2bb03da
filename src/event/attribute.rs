//! CloudEvents attributes in the headers of a message, according to the NATS protocol binding.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::{Header, Reason, Rejection, cut};

/// The prefix of the headers of attributes.
const PREFIX: &str = "ce-";

/// The content mode of a message: where it holds the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ContentMode {
    /// The payload is a JSON object: a CloudEvent, or the bare form.
    Structured,
    /// Headers are the attributes, the payload is the data.
    Binary,
}

impl ContentMode {
    /// The mode of a message. A CloudEvents content type determines it; without one, the presence of
    /// attribute headers does.
    ///
    /// # Errors
    /// [`Reason::BadEnvelope`] for batches and for formats other than JSON.
    pub(super) fn of(headers: &[Header<'_>]) -> Result<ContentMode, Rejection> {
        let content = essence(header(headers, "Content-Type").unwrap_or_default());
        if let Some(format) = content.strip_prefix("application/cloudevents") {
            return match format {
                "" | "+json" => Ok(ContentMode::Structured),
                _ if format.starts_with("-batch") => Err(bad(
                    "a batch of events (`application/cloudevents-batch`); publish each as a message \
                     of its own",
                )),
                _ => Err(bad(&format!(
                    "an event in the format `{}`; write it as JSON (`application/cloudevents+json`)",
                    cut(&content, 64).escape_debug()
                ))),
            };
        }
        let is_binary = ["specversion", "type"].iter().any(|name| raw(headers, name).is_some());
        Ok(if is_binary { ContentMode::Binary } else { ContentMode::Structured })
    }
}

/// The first header of this name, ignoring case.
pub(super) fn header<'a>(headers: &[Header<'a>], name: &str) -> Option<&'a str> {
    headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
}

/// An attribute in a header: without the double quotes that older senders write, and percent-decoded
/// once; a `%` that begins no escape is kept, because not every sender encodes.
///
/// # Errors
/// [`Reason::BadEnvelope`] if the decoded bytes are not UTF-8, or two headers contradict each other.
pub(super) fn attribute<'a>(
    headers: &[Header<'a>],
    name: &str,
) -> Result<Option<Cow<'a, str>>, Rejection> {
    let Some(found) = raw(headers, name) else { return Ok(None) };
    if let Some(other) = all(headers, name).find(|other| *other != found) {
        return Err(bad(&format!(
            "the header `{PREFIX}{name}` twice, as `{}` and as `{}`; send it once",
            cut(found, 64).escape_debug(),
            cut(other, 64).escape_debug()
        )));
    }
    decode(found).map(Some).ok_or_else(|| {
        bad(&format!(
            "the header `{PREFIX}{name}` as `{}`, which stands for bytes that are not UTF-8; \
             percent-encode the UTF-8 of the value",
            cut(found, 64).escape_debug()
        ))
    })
}

fn raw<'a>(headers: &[Header<'a>], name: &str) -> Option<&'a str> {
    all(headers, name).next()
}

fn all<'a>(headers: &[Header<'a>], name: &str) -> impl Iterator<Item = &'a str> {
    let is_it = move |header: &str| {
        header.split_at_checked(PREFIX.len()).is_some_and(|(prefix, rest)| {
            prefix.eq_ignore_ascii_case(PREFIX) && rest.eq_ignore_ascii_case(name)
        })
    };
    headers.iter().filter(move |(header, _)| is_it(header)).map(|(_, value)| value.trim_ascii())
}

/// The decoded value of a header; none if it is not UTF-8.
fn decode(value: &str) -> Option<Cow<'_, str>> {
    let decoded = match unquoted(value) {
        Cow::Borrowed(value) => percent_decode_str(value).decode_utf8().ok()?,
        Cow::Owned(value) => percent_decode_str(&value).decode_utf8().ok()?.into_owned().into(),
    };
    Some(match decoded {
        Cow::Borrowed(value) => without_nul(value),
        Cow::Owned(value) => Cow::Owned(without_nul(&value).into_owned()),
    })
}

/// The value with NUL replaced by U+FFFD, as in JSON, so that an event has the same identity in both
/// content modes.
pub(super) fn without_nul(value: &str) -> Cow<'_, str> {
    if value.contains('\0') { value.replace('\0', "\u{FFFD}").into() } else { value.into() }
}

/// The content of a quoted string; any other value unchanged.
fn unquoted(value: &str) -> Cow<'_, str> {
    let within = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let Some(within) = within else { return Cow::Borrowed(value) };
    if !within.contains(['"', '\\']) {
        return Cow::Borrowed(within);
    }
    let mut decoded = String::with_capacity(within.len());
    let mut rest = within.chars();
    while let Some(next) = rest.next() {
        match next {
            '\\' => match rest.next() {
                Some(escaped) => decoded.push(escaped),
                // The last quote is escaped, so it does not close the string.
                None => return Cow::Borrowed(value),
            },
            '"' => return Cow::Borrowed(value),
            plain => decoded.push(plain),
        }
    }
    Cow::Owned(decoded)
}

/// A media type without its parameters, in lower case.
fn essence(media: &str) -> String {
    let essence = media.split(';').next().unwrap_or_default();
    essence.trim_ascii().to_ascii_lowercase()
}

/// Whether a media type denotes JSON.
pub(super) fn is_json(media: &str) -> bool {
    let essence = essence(media);
    let subtype = essence.split_once('/').map_or("", |(_, subtype)| subtype);
    subtype == "json" || subtype.ends_with("+json")
}

pub(super) fn bad(found: &str) -> Rejection {
    Rejection::new(
        Reason::BadEnvelope,
        format!(
            "expected a CloudEvent 1.0 or {{\"type\": \"track\", \"data\": {{…}}}}; found: {found}"
        ),
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Encodes the characters that the binding requires, and others too if `much`.
    fn encode(value: &str, much: bool, upper: bool) -> String {
        let must = |c: char| !('\u{21}'..='\u{7E}').contains(&c) || c == '"' || c == '%';
        let mut encoded = String::new();
        for c in value.chars() {
            if must(c) || (much && c.is_alphanumeric()) {
                for byte in c.to_string().bytes() {
                    let hex = if upper { format!("%{byte:02X}") } else { format!("%{byte:02x}") };
                    encoded.push_str(&hex);
                }
            } else {
                encoded.push(c);
            }
        }
        encoded
    }

    fn value(written: &str) -> Option<String> {
        let headers = [("ce-id", written)];
        attribute(&headers, "id").ok().map(|found| found.unwrap().into_owned())
    }

    proptest! {
        #[test]
        fn percent_encoded_attributes_are_decoded(
            text in "[^\\x00]{0,24}", much: bool, upper: bool
        ) {
            prop_assert_eq!(value(&encode(&text, much, upper)), Some(text));
        }

        #[test]
        fn quoted_attributes_are_decoded(text in "[ -$&-~é😀]{0,24}") {
            let quoted = format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
            prop_assert_eq!(value(&quoted), Some(text));
        }
    }

    #[test]
    fn a_value_is_unquoted_and_then_decoded_once() {
        for (written, meant) in [
            ("plain", "plain"),
            (" around ", "around"),
            ("Euro%20%E2%82%AC%20%f0%9f%98%80", "Euro € 😀"),
            ("%25", "%"),
            ("%2541", "%41"),
            ("\"50%25 of \\\"all\\\"\"", "50% of \"all\""),
            ("\"%22\"", "\""),
            // Not encoded at all.
            ("100%", "100%"),
            ("50% off", "50% off"),
            ("%zz%4", "%zz%4"),
            ("réf", "réf"),
            // Not a quoted string as a whole.
            ("\"half", "\"half"),
            ("\"", "\""),
            ("\"a\"b\"", "\"a\"b\""),
            ("\"a\\\"", "\"a\\\""),
            ("\"\"", ""),
            ("a%00b", "a\u{FFFD}b"),
        ] {
            assert_eq!(value(written).as_deref(), Some(meant), "{written}");
        }
    }

    #[test]
    fn an_attribute_that_is_not_utf_8_is_refused_with_its_header() {
        for written in ["%C0%A0", "%ff", "%ED%A0%80", "caf%E9", "\"%C3\""] {
            let refused = attribute(&[("ce-source", written)], "source").unwrap_err();
            assert_eq!(refused.reason, Reason::BadEnvelope, "{written}");
            assert!(refused.detail.contains("`ce-source`"), "{refused}");
        }
    }

    #[test]
    fn a_header_that_comes_twice_counts_once_unless_the_two_differ() {
        let same = [("Ce-Id", "a"), ("CE-ID", "a ")];
        assert_eq!(attribute(&same, "id").unwrap().as_deref(), Some("a"));
        let other = [("ce-id", "a"), ("Ce-Id", "b")];
        let refused = attribute(&other, "id").unwrap_err().detail;
        assert!(refused.contains("`ce-id` twice, as `a` and as `b`"), "{refused}");
    }

    #[test]
    fn the_content_type_of_cloudevents_outweighs_that_of_the_headers() {
        let mode = |content: &str, more: &[Header<'_>]| {
            let mut headers = vec![("content-TYPE", content)];
            headers.extend(more);
            ContentMode::of(&headers).map_err(|refused| refused.detail)
        };
        let attributes = [("Ce-SpecVersion", "1.0"), ("ce-type", "track")];
        for content in ["application/cloudevents+json", "Application/CloudEvents; charset=utf-8"] {
            assert_eq!(mode(content, &attributes), Ok(ContentMode::Structured));
        }
        for content in ["application/json", "", "text/plain", "nonsense"] {
            assert_eq!(mode(content, &attributes), Ok(ContentMode::Binary));
            assert_eq!(mode(content, &[]), Ok(ContentMode::Structured));
        }
        for (content, reason) in [
            ("application/cloudevents-batch+json", "batch of events"),
            ("application/cloudevents-batch", "batch of events"),
            ("application/cloudevents+avro", "write it as JSON"),
        ] {
            assert!(mode(content, &attributes).unwrap_err().contains(reason), "{content}");
        }
    }

    #[test]
    fn json_is_recognised_by_the_media_type_without_its_parameters() {
        for json in [
            "application/json",
            "application/json; charset=utf-8",
            "application/vnd.acme.visit+json",
            " Text/JSON ;a=b",
        ] {
            assert!(is_json(json), "{json}");
        }
        for other in ["text/plain", "application/xml", "json", "application/jsonp", "+json"] {
            assert!(!is_json(other), "{other}");
        }
    }
}
