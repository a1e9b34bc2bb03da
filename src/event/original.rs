use bytes::Bytes;
use smallvec::SmallVec;

use super::{
    Broadcast, Event, Header, Headers, INTERNAL, PublishedSubject, Raw, Reason, Rejection, parse,
};

/// A message as it was published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Original {
    /// Its subject.
    pub subject: PublishedSubject,
    /// Its headers, in order.
    pub headers: Headers,
    /// Its payload, byte for byte.
    pub payload: Bytes,
}

impl Original {
    /// Whether it is on the internal channel of twins.
    pub fn is_internal(&self) -> bool {
        self.subject.channel() == Some(INTERNAL)
    }

    /// Parses an event from a message whose subject ends with the tokens of a channel and a customer.
    ///
    /// # Errors
    /// A [`Rejection`], as from [`parse`].
    pub fn parse(&self, sequence: u64) -> Result<Event, Rejection> {
        let customer = self.subject.customer();
        let Some(channel) = self.subject.channel() else {
            let detail = format!("expected a channel and a customer in `{}`", self.subject);
            return Err(Rejection::new(Reason::BadSubject, detail));
        };
        let headers: SmallVec<[Header<'_>; 8]> = self.headers.iter().collect();
        parse(&Raw { channel, customer, headers: &headers, payload: &self.payload, sequence })
    }

    /// Parses a broadcast from a message whose subject ends with the token of a scope.
    ///
    /// # Errors
    /// A [`Rejection`], as from [`Broadcast::parse`].
    pub fn broadcast(&self, sequence: u64) -> Result<Broadcast, Rejection> {
        let scope = self.subject.customer();
        let headers: SmallVec<[Header<'_>; 8]> = self.headers.iter().collect();
        Broadcast::parse(scope, &headers, &self.payload, sequence)
    }
}
