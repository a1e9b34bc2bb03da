use std::sync::Arc;

use bytes::Bytes;
use smallvec::SmallVec;

use super::{
    Broadcast, Erasure, Event, EventKind, Header, Headers, INTERNAL, Lane, MessageData, Raw,
    Reason, Rejection, Rights, Speaker, Time, parse,
};

/// One message of the events stream, as one partition gets it.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// Its sequence in the stream.
    pub sequence: u64,
    /// By which lane it comes.
    pub lane: Lane,
    /// The partition that owns its customer.
    pub partition: u16,
    /// When the stream stored it.
    pub stored: Time,
    /// What it says.
    pub content: Content,
    /// The message as it was published, for a dead letter.
    pub original: Original,
}

/// What a message says.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// Nobody has looked yet. Whoever needs it does: an event is many small values, which are best
    /// made, used and dropped on one thread.
    Unread,
    /// An event, or why there is none.
    Read(Result<Event, Rejection>),
    /// No event of one customer: every partition gets it, in its place in the order of the stream.
    Broadcast(Arc<Broadcast>),
    /// That a customer is to be erased.
    Erasure(Erasure),
}

impl Delivery {
    /// What the message says of one customer, or why that cannot be used; read at most once.
    ///
    /// # Errors
    /// A [`Rejection`], as [`parse`] has it.
    pub fn read(&mut self) -> Result<&Event, &Rejection> {
        if matches!(self.content, Content::Unread) {
            self.content = Content::Read(self.original.parse(self.sequence));
        }
        match &self.content {
            Content::Read(read) => read.as_ref(),
            Content::Unread | Content::Broadcast(_) | Content::Erasure(_) => {
                unreachable!("it has just been read, and nothing but an event is taken in as one")
            }
        }
    }

    /// Refuses what its channel may not say.
    pub fn admit(&mut self, rights: &Rights) {
        if matches!(self.content, Content::Broadcast(_) | Content::Erasure(_)) {
            return;
        }
        let refusal = self.read().ok().and_then(|event| rights.admit(event).err());
        if let Some(rejection) = refusal {
            self.content = Content::Read(Err(rejection));
        }
    }

    /// What a customer says in it, if it is a message of theirs.
    pub fn customers_message(&mut self) -> Option<&mut MessageData> {
        if matches!(self.content, Content::Broadcast(_) | Content::Erasure(_)) {
            return None;
        }
        // Why it cannot be read is for its partition to say.
        let _ = self.read();
        match &mut self.content {
            Content::Read(Ok(Event { kind: EventKind::Message(told), .. }))
                if told.from == Speaker::Customer =>
            {
                Some(told)
            }
            _ => None,
        }
    }

    /// What the message says of one customer, and the message.
    pub fn into_parts(mut self) -> (Result<Event, Rejection>, Original) {
        // Read already, or else now.
        let _ = self.read();
        match self.content {
            Content::Read(read) => (read, self.original),
            Content::Unread | Content::Broadcast(_) | Content::Erasure(_) => {
                unreachable!("it has just been read, and nothing but an event is taken in as one")
            }
        }
    }
}

/// A message as it was published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Original {
    /// Its subject.
    pub subject: Box<str>,
    /// Its headers, in order.
    pub headers: Headers,
    /// Its payload, byte for byte.
    pub payload: Bytes,
}

impl Original {
    /// Whether it is on the channel that twins use among themselves.
    pub fn is_internal(&self) -> bool {
        self.subject.rsplit('.').nth(1) == Some(INTERNAL)
    }

    /// The event in a message whose subject ends in the tokens of a channel and a customer.
    ///
    /// # Errors
    /// A [`Rejection`], as [`parse`] has it.
    pub fn parse(&self, sequence: u64) -> Result<Event, Rejection> {
        let mut tokens = self.subject.rsplit('.');
        let (Some(customer), Some(channel)) = (tokens.next(), tokens.next()) else {
            let detail = format!("expected a channel and a customer in `{}`", self.subject);
            return Err(Rejection::new(Reason::BadSubject, detail));
        };
        let headers: SmallVec<[Header<'_>; 8]> = self.headers.iter().collect();
        parse(&Raw { channel, customer, headers: &headers, payload: &self.payload, sequence })
    }

    /// The broadcast in a message whose subject ends in the token of a scope.
    ///
    /// # Errors
    /// A [`Rejection`], as [`Broadcast::parse`] has it.
    pub fn broadcast(&self, sequence: u64) -> Result<Broadcast, Rejection> {
        let scope = self.subject.rsplit('.').next().unwrap_or_default();
        let headers: SmallVec<[Header<'_>; 8]> = self.headers.iter().collect();
        Broadcast::parse(scope, &headers, &self.payload, sequence)
    }
}
