use std::sync::Arc;

use async_nats::Message;
use async_nats::header::{HeaderMap, HeaderName, HeaderValue};
use smallvec::SmallVec;

use crate::contract::Addressee;
use crate::contract::Subjects;
use crate::event::{
    Content, Delivery, Erasure, Header, Headers, INTERNAL, Lane, Original, Reason, Rejection, Time,
};

/// Parses a message of the event stream.
pub(super) fn read(
    subjects: &Subjects,
    sequence: u64,
    stored: Time,
    message: &Message,
) -> Delivery {
    let place = subjects.stored(&message.subject);
    let original = Original {
        subject: subjects.published(&place, &message.subject),
        headers: message.headers.as_ref().map(plain).unwrap_or_default(),
        payload: message.payload.clone(),
    };
    let content = match place.address {
        Addressee::Twin { channel: INTERNAL, .. } => {
            Erasure::read(&original).map_or(Content::Unread, Content::Erasure)
        }
        Addressee::Twin { .. } => Content::Unread,
        // Parsed here, once for all partitions; one partition alone handles a broadcast that cannot be
        // used.
        Addressee::Everybody => match original.broadcast(sequence) {
            Ok(broadcast) => Content::Broadcast(Arc::new(broadcast)),
            Err(rejection) => Content::Read(Err(rejection)),
        },
        Addressee::Nobody => Content::Read(Err(Rejection::new(
            Reason::BadSubject,
            format!(
                "expected the subject `{prefix}.events.<channel>.<customer>` or \
                 `{prefix}.broadcast.<scope>`, found `{}`; a dot within a token is written %2E",
                crate::event::cut(&message.subject, 256),
                prefix = subjects.prefix(),
            ),
        ))),
    };
    let lane = Lane::Main;
    Delivery { sequence, lane, partition: place.partition, stored, content, original }
}

/// The headers as plain data, sorted by name: the client library keeps no order.
pub(super) fn plain(headers: &HeaderMap) -> Headers {
    let mut plain: SmallVec<[Header<'_>; 8]> = headers
        .iter()
        .flat_map(|(name, values)| values.iter().map(|value| (name.as_ref(), value.as_str())))
        .collect();
    // The sort is stable: several values of one name keep their order.
    plain.sort_by_key(|(name, _)| *name);
    plain.into_iter().collect()
}

/// Plain data as the client library's headers; what the protocol cannot carry is omitted.
pub(super) fn to_headers<'a>(plain: impl IntoIterator<Item = Header<'a>>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in plain {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), value.parse::<HeaderValue>()) {
            headers.append(name, value);
        }
    }
    headers
}

/// Converts the client library's timestamp.
pub(super) fn stored_at(moment: async_nats::datetime::DateTime) -> Time {
    let ms = moment.unix_timestamp_nanos().div_euclid(1_000_000);
    // The source has the range of nanoseconds in 64 bits, so its milliseconds fit.
    Time::from_ms(i64::try_from(ms).unwrap_or(i64::MAX))
}
