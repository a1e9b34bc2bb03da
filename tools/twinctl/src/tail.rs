//! Events and reactions, as they happen.

use futures::StreamExt;
use futures::stream::{BoxStream, SelectAll};
use jumeau::bus::{Bus, EventMonitor};
use jumeau::contract::Subjects;
use jumeau::event::{Channel, Customer, encode};

use crate::arguments::Connection;
use crate::failure::Failure;
use crate::out::Out;
use crate::render;
use crate::service::{self, Service};

/// The filter of a tail.
pub(crate) struct TailFilter {
    /// Only of this customer.
    pub(crate) customer: Option<String>,
    /// Only in this channel.
    pub(crate) channel: Option<String>,
    /// Only this action.
    pub(crate) action: Option<String>,
}

impl TailFilter {
    /// The events, and the other subjects, to subscribe to: events are read from the stream, because the
    /// broker may deny everybody the subscription to what is published there.
    fn of(&self, subjects: &Subjects) -> Result<(Option<EventFilter>, Vec<String>), Failure> {
        let customer =
            self.customer.as_deref().map(Customer::new).transpose().map_err(Failure::Usage)?;
        let channel =
            self.channel.as_deref().map(Channel::new).transpose().map_err(Failure::Usage)?;
        let (of, within) = (
            customer.as_ref().map_or_else(|| "*".to_owned(), Customer::token),
            channel.as_ref().map_or_else(|| "*".to_owned(), Channel::token),
        );
        let prefix = subjects.prefix();
        if let Some(action) = &self.action {
            return Ok((None, vec![format!("{prefix}.actions.{within}.{}.{of}", encode(action))]));
        }
        let mut heard = vec![
            format!("{prefix}.actions.{within}.*.{of}"),
            format!("{prefix}.recalls.{within}.{of}"),
        ];
        if channel.is_none() {
            heard.push(format!("{prefix}.escalations.*.{of}"));
        }
        if channel.is_none() && customer.is_none() {
            heard.push(subjects.all_dead());
        }
        Ok((Some((channel, customer)), heard))
    }
}

/// The channel and the customer of wanted events, if restricted.
type EventFilter = (Option<Channel>, Option<Customer>);

/// A message of a tail: its subject, headers and payload.
type Seen = (String, Vec<(String, String)>, bytes::Bytes);

/// New messages of the event stream.
async fn events(
    connection: &Connection,
    wanted: Option<EventFilter>,
) -> Result<BoxStream<'static, Result<Seen, Failure>>, Failure> {
    let Some((channel, customer)) = wanted else { return Ok(futures::stream::pending().boxed()) };
    let unreachable = |error: jumeau::bus::Error| service::failed(connection, &error);
    let bus = Bus::visit(&connection.nats()).await.map_err(unreachable)?;
    let heeded = bus.clone();
    tokio::spawn(async move { service::heed(&heeded).await });
    let arrivals = bus.arrivals(channel.as_ref(), customer.as_ref()).await.map_err(unreachable)?;
    let next = move |mut arrivals: EventMonitor| async move {
        let lost = |error: jumeau::bus::Error| Failure::Unreachable(error.to_string());
        let seen = arrivals.next().await.map_err(lost).map(|original| {
            let headers = original.headers.iter();
            let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
            (original.subject.to_string(), headers.collect(), original.payload.clone())
        });
        Some((seen, arrivals))
    };
    Ok(futures::stream::unfold(arrivals, next).boxed())
}

/// Prints messages until the limit is reached, or nothing reads the output any more.
pub(crate) async fn tail(
    connection: &Connection,
    wanted: &TailFilter,
    count: Option<u64>,
    out: Out,
) -> Result<(), Failure> {
    let subjects = crate::subjects(&connection.prefix)?;
    let (events_wanted, heard) = wanted.of(&subjects)?;
    let service = Service::connect(connection).await?;
    let mut messages = SelectAll::new();
    for subject in heard {
        let subscribed = service.client.subscribe(subject.clone()).await;
        let subscribed = subscribed.map_err(|error| {
            Failure::Unreachable(format!("cannot listen on `{subject}`: {error}"))
        })?;
        messages.push(
            subscribed
                .map(|message| {
                    let headers = message.headers.iter().flat_map(|headers| headers.iter());
                    let headers = headers.flat_map(|(name, values)| {
                        values.iter().map(move |value| (name.to_string(), value.to_string()))
                    });
                    Ok((message.subject.to_string(), headers.collect(), message.payload.clone()))
                })
                .boxed(),
        );
    }
    // So that denied subscriptions are reported before anything happens.
    let _ = service.client.flush().await;
    messages.push(events(connection, events_wanted).await?);
    let mut left = count.unwrap_or(u64::MAX);
    while left > 0
        && let Some(seen) = messages.next().await
    {
        let (subject, headers, payload): Seen = seen?;
        let headers: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (&**name, &**value)).collect();
        let at = chrono::Local::now().format("%H:%M:%S%.3f").to_string();
        let heard = render::HeardMessage::read(&subjects, &subject, &headers, &payload, at);
        if let Some(heard) = heard {
            if !out.goes_on(&heard, render::line)? {
                break;
            }
            left -= 1;
        }
    }
    Ok(())
}
