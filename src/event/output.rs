use bytes::Bytes;
use serde::{Deserialize, Serialize};

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
