//! Checks that the event stream is still the same.
//!
//! A cursor is a sequence number, and a recreated or rolled-back stream reuses numbers; its new events
//! would be skipped silently. So the timestamp of a processed event is stored with the cursor, and the
//! message with that sequence must have the same timestamp.

use std::collections::VecDeque;

use async_nats::jetstream::context::ConsumerInfoErrorKind;
use async_nats::jetstream::stream;

use super::delivery::stored_at;
use super::malformed_headers::{fetch, fetch_next};
use super::stream::{CONSUMER, is_missing};
use super::{Bus, Error};
use crate::event::Time;

/// A processed event, by which the stream is identified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LastTakenEvent {
    /// Its sequence.
    pub sequence: u64,
    /// When the stream stored it.
    pub stored: Time,
}

/// The state of the event stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamState {
    /// When it was created, in milliseconds since 1970: a recreated stream of the same name has another
    /// time.
    pub made: u64,
    /// The first sequence that it holds.
    pub first: u64,
    /// The last sequence that it assigned.
    pub last: u64,
    /// The sequence up to which everything was acknowledged.
    pub acknowledged: u64,
}

/// Events that are remembered while the service runs; several, because some may be erased meanwhile.
const REMEMBERED: usize = 16;

impl Bus {
    /// The state of the event stream; none if it does not exist.
    ///
    /// # Errors
    /// [`Error::Request`] if the broker does not answer.
    pub async fn stream_state(&self) -> Result<Option<StreamState>, Error> {
        let stream = match self.jetstream.get_stream(self.subjects.events_stream()).await {
            Ok(stream) => stream,
            Err(error) if is_missing(&error) => return Ok(None),
            Err(error) => return Err(Error::request("ask for the stream of events")(error)),
        };
        let info = stream.cached_info();
        let acknowledged = match stream.consumer_info(CONSUMER).await {
            Ok(info) => info.ack_floor.stream_sequence,
            // Without a consumer nothing has been processed.
            Err(error) if matches!(error.kind(), ConsumerInfoErrorKind::NotFound) => 0,
            Err(error) => return Err(Error::request("ask how far the intake is")(error)),
        };
        Ok(Some(StreamState {
            made: created_ms(info),
            first: info.state.first_sequence,
            last: info.state.last_sequence,
            acknowledged,
        }))
    }

    /// Checks that the event stream holds the processed events. `taken` are some of them, in any order;
    /// the highest that still exists decides. `highest` is the sequence of the last processed event.
    ///
    /// # Errors
    /// [`Error::Rewound`] or [`Error::Rewritten`] if it does not, [`Error::Request`] if the broker does
    /// not answer.
    pub async fn holds(
        &self,
        last: u64,
        highest: u64,
        taken: &[LastTakenEvent],
    ) -> Result<(), Error> {
        let stream = self.subjects.events_stream();
        if last < highest {
            return Err(Error::Rewound { stream, taken: highest, last });
        }
        let mut taken = taken.to_vec();
        taken.sort_unstable();
        for LastTakenEvent { sequence, stored } in taken.into_iter().rev().take(REMEMBERED) {
            // An expired event proves nothing.
            let Some(found) = fetch(self, &stream, sequence).await? else { continue };
            if found.stored == stored {
                return Ok(());
            }
            let (expected, found) = (stored, found.stored);
            return Err(Error::Rewritten { stream, sequence, expected, found });
        }
        Ok(())
    }

    /// Finds the position of a processed event in another event stream that ends at `last`: the same
    /// event if present, else the last one stored no later, else none. Everything after it is
    /// unprocessed.
    ///
    /// # Errors
    /// [`Error::Request`] if the broker does not answer.
    pub async fn found_again(
        &self,
        known: LastTakenEvent,
        last: u64,
    ) -> Result<Option<LastTakenEvent>, Error> {
        let stream = self.subjects.events_stream();
        let moment = known.stored;
        let same = fetch(self, &stream, known.sequence).await?;
        if same.is_some_and(|message| message.stored == moment) {
            return Ok(Some(known));
        }
        // Everything up to `found` is early enough, everything from `late` on is not.
        let (mut found, mut low, mut late) = (None, 0, last + 1);
        while low + 1 < late {
            let middle = low + (late - low) / 2;
            match fetch_next(self, &stream, middle, ">").await? {
                Some(message) if message.sequence < late && message.stored <= moment => {
                    low = message.sequence;
                    found =
                        Some(LastTakenEvent { sequence: message.sequence, stored: message.stored });
                }
                _ => late = middle,
            }
        }
        Ok(found)
    }
}

pub(super) fn created_ms(info: &stream::Info) -> u64 {
    u64::try_from(stored_at(info.created).ms()).unwrap_or(0)
}

/// The events by which the stream is identified while the service runs.
#[derive(Debug, Default)]
pub(super) struct StreamIdentity {
    made: Option<u64>,
    /// Processed events, newest last.
    taken: VecDeque<LastTakenEvent>,
}

impl StreamIdentity {
    pub(super) fn new(taken: Vec<LastTakenEvent>) -> StreamIdentity {
        StreamIdentity { made: None, taken: taken.into() }
    }

    /// Remembers an event that is about to be processed.
    pub(super) fn remember(&mut self, taken: LastTakenEvent) {
        while self.taken.len() >= REMEMBERED {
            self.taken.pop_front();
        }
        self.taken.push_back(taken);
    }

    /// Refuses a stream other than the one whose events were processed up to `highest`. Returns its first
    /// sequence.
    pub(super) async fn check(&mut self, bus: &Bus, highest: u64) -> Result<u64, Error> {
        let stream = bus.subjects.events_stream();
        let Some(state) = bus.stream_state().await? else {
            return Err(Error::Gone { stream, taken: highest });
        };
        let expected = *self.made.get_or_insert(state.made);
        if expected != state.made {
            return Err(Error::another(stream, expected, state.made));
        }
        bus.holds(state.last, highest, self.taken.make_contiguous()).await?;
        Ok(state.first)
    }
}
