use std::sync::Arc;

use super::{
    Broadcast, Erasure, Event, EventKind, Lane, MessageData, Original, Rejection, Rights, Speaker,
    Time,
};

/// One message of the event stream, as delivered to one partition.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// Its sequence in the stream.
    pub sequence: u64,
    /// The lane by which it was delivered.
    pub lane: Lane,
    /// The partition that owns its customer.
    pub partition: u16,
    /// When the stream stored it.
    pub stored: Time,
    /// The content.
    pub content: Content,
    /// The message as it was published, for a dead letter.
    pub original: Original,
}

/// The content of a message.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// Not parsed yet. Parsing is lazy, because an event is many small values, which are best allocated,
    /// used and freed on one thread.
    Unread,
    /// An event, or the reason why it could not be parsed.
    Read(Result<Event, Rejection>),
    /// A broadcast, not an event of one customer: every partition receives it, at its position in stream
    /// order.
    Broadcast(Arc<Broadcast>),
    /// A request to erase a customer.
    Erasure(Erasure),
}

impl Delivery {
    /// Parses the message as an event of one customer, at most once.
    ///
    /// # Errors
    /// A [`Rejection`], as from [`parse`](super::parse).
    pub fn read(&mut self) -> Result<&Event, &Rejection> {
        if matches!(self.content, Content::Unread) {
            self.content = Content::Read(self.original.parse(self.sequence));
        }
        match &self.content {
            Content::Read(read) => read.as_ref(),
            Content::Unread | Content::Broadcast(_) | Content::Erasure(_) => {
                unreachable!("the content was matched as an event just before")
            }
        }
    }

    /// Rejects an event that its channel is not allowed to send.
    pub fn admit(&mut self, rights: &Rights) {
        if matches!(self.content, Content::Broadcast(_) | Content::Erasure(_)) {
            return;
        }
        let refusal = self.read().ok().and_then(|event| rights.admit(event).err());
        if let Some(rejection) = refusal {
            self.content = Content::Read(Err(rejection));
        }
    }

    /// The event, if it is a message written by the customer.
    pub fn customers_message(&mut self) -> Option<&mut MessageData> {
        if matches!(self.content, Content::Broadcast(_) | Content::Erasure(_)) {
            return None;
        }
        // The partition reports a parse error.
        let _ = self.read();
        match &mut self.content {
            Content::Read(Ok(Event { kind: EventKind::Message(message), .. }))
                if message.from == Speaker::Customer =>
            {
                Some(message)
            }
            _ => None,
        }
    }

    /// The parsed content and the original message.
    pub fn into_parts(mut self) -> (Result<Event, Rejection>, Original) {
        // Parses it unless that was done before.
        let _ = self.read();
        match self.content {
            Content::Read(read) => (read, self.original),
            Content::Unread | Content::Broadcast(_) | Content::Erasure(_) => {
                unreachable!("the content was matched as an event just before")
            }
        }
    }
}
