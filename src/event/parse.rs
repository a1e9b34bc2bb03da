use super::envelope::{self, Opened};
use super::{
    Channel, Customer, Event, EventKind, EventType, Header, INTERNAL, Reason, Rejection, cut,
    forwarded,
};
use crate::config::limits;

/// One message as received from the bus, not validated yet.
#[derive(Debug, Clone, Copy)]
pub struct Raw<'a> {
    /// The channel token of its subject.
    pub channel: &'a str,
    /// The customer token of its subject.
    pub customer: &'a str,
    /// Its headers.
    pub headers: &'a [Header<'a>],
    /// Its payload.
    pub payload: &'a [u8],
    /// Its sequence in the stream, used as the id if there is none.
    pub sequence: u64,
}

/// Parses an event: a CloudEvent in structured or binary mode, or the bare form `{"type": …, "data": …}`.
///
/// # Errors
///
/// A [`Rejection`] if it cannot be used.
pub fn parse(raw: &Raw<'_>) -> Result<Event, Rejection> {
    let channel = Channel::from_token(raw.channel)
        .map_err(|detail| Rejection::new(Reason::BadSubject, detail))?;
    let customer = Customer::from_token(raw.customer)
        .map_err(|detail| Rejection::new(Reason::BadCustomer, detail))?;
    let is_internal = raw.channel == INTERNAL;
    let bytes_max = if is_internal { limits::FORWARDED_BYTES } else { limits::EVENT_BYTES };
    let text = envelope::payload(raw.payload, bytes_max)?;
    let opened = envelope::open(raw.channel, raw.headers, &text, raw.sequence)?;
    if let Some(named) = &opened.subject
        && **named != *customer.as_str()
        && **named != *raw.customer
    {
        return Err(Rejection::new(
            Reason::BadCustomer,
            format!(
                "expected the attribute `subject` to be `{}`, as in the NATS subject, found `{}`; \
                 publish the event on the subject of its customer",
                raw.customer,
                cut(named, limits::CUSTOMER_BYTES).escape_debug()
            ),
        ));
    }
    if is_internal {
        let Opened { kind, id, time, impossible, traceparent, data, .. } = opened;
        // A twin means the time that it writes, even one before 1990: a story or a simulation may be set
        // then.
        let time = time.or(impossible);
        return forwarded::read(&kind, &id, data.as_deref(), customer, time, traceparent);
    }

    let kind: EventType = opened.kind.parse()?;
    Ok(Event {
        fingerprint: opened.fingerprint,
        kind: EventKind::parse(kind, opened.data.as_deref())?,
        id: opened.id.into(),
        time: opened.time,
        impossible: opened.impossible,
        traceparent: opened.traceparent,
        channel,
        customer,
        forwarding: None,
    })
}

#[cfg(test)]
mod tests;
