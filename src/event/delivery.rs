use bytes::Bytes;

use super::{Event, Rejection, Time};

/// One message of the events stream, as one partition gets it.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// Its sequence in the stream.
    pub sequence: u64,
    /// The partition that owns its customer.
    pub partition: u16,
    /// When the stream stored it.
    pub stored: Time,
    /// What it says, or why that cannot be used.
    pub parsed: Result<Event, Rejection>,
    /// The message as it was published, for a dead letter.
    pub original: Original,
}

/// A message as it was published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Original {
    /// Its subject.
    pub subject: Box<str>,
    /// Its headers, in order.
    pub headers: Box<[(Box<str>, Box<str>)]>,
    /// Its payload, byte for byte.
    pub payload: Bytes,
}
