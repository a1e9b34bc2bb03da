//! The subject of a message, parsed once.

use std::fmt;
use std::ops::Deref;

/// The subject that a message was published to. Where the tokens of its channel and customer stand is
/// found out once, because each step on the way of an event asks for them.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PublishedSubject {
    text: Box<str>,
    /// Where the last token but one begins; none: there is one token only.
    channel: Option<usize>,
    /// Where the last token begins.
    customer: usize,
}

impl PublishedSubject {
    /// The subject `<prefix>.events.<channel>.<customer>`.
    pub fn of_event(prefix: &str, channel: &str, customer: &str) -> PublishedSubject {
        let text: Box<str> = format!("{prefix}.events.{channel}.{customer}").into();
        let begins = text.len() - customer.len();
        PublishedSubject { text, channel: Some(begins - 1 - channel.len()), customer: begins }
    }

    /// The token of the channel: the last but one.
    pub fn channel(&self) -> Option<&str> {
        self.channel.map(|begins| &self.text[begins..self.customer - 1])
    }

    /// The token of the customer: the last one.
    pub fn customer(&self) -> &str {
        &self.text[self.customer..]
    }
}

impl From<&str> for PublishedSubject {
    fn from(text: &str) -> PublishedSubject {
        Box::<str>::from(text).into()
    }
}

impl From<String> for PublishedSubject {
    fn from(text: String) -> PublishedSubject {
        Box::<str>::from(text).into()
    }
}

impl From<Box<str>> for PublishedSubject {
    fn from(text: Box<str>) -> PublishedSubject {
        let dot = text.rfind('.');
        let channel = dot.map(|dot| text[..dot].rfind('.').map_or(0, |before| before + 1));
        PublishedSubject { channel, customer: dot.map_or(0, |dot| dot + 1), text }
    }
}

impl From<PublishedSubject> for Box<str> {
    fn from(subject: PublishedSubject) -> Box<str> {
        subject.text
    }
}

impl Deref for PublishedSubject {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for PublishedSubject {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

impl fmt::Debug for PublishedSubject {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:?}", &*self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_knows_its_channel_and_customer() {
        for (subject, channel, customer) in [
            ("jumeau.events.web.anna", Some("web"), "anna"),
            ("web.anna", Some("web"), "anna"),
            (".anna", Some(""), "anna"),
            ("a.b..", Some(""), ""),
            ("anna", None, "anna"),
            ("", None, ""),
        ] {
            let parsed = PublishedSubject::from(subject);
            assert_eq!((parsed.channel(), parsed.customer()), (channel, customer), "{subject}");
        }
        let made = PublishedSubject::of_event("a.b", "web", "anna");
        assert_eq!(made, PublishedSubject::from("a.b.events.web.anna"));
    }
}
