//! One service under a prefix.
//!
//! Two services that share a stream would both take its events in, and answer differently. So whoever
//! serves holds the last message of a subject, and replaces it every few seconds by one that names the
//! message before: the broker refuses it if another has come between. That holds for however many
//! brokers agree on a stream, and over their restarts.

use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::header::NATS_EXPECTED_LAST_SUBJECT_SEQUENCE;
use async_nats::jetstream::context::PublishErrorKind;
use async_nats::jetstream::stream::{Config, LastRawMessageErrorKind};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::error::chain;
use super::stream::is_missing;
use super::{Bus, Error};
use crate::event::Time;

/// How often whoever serves gives a sign of life.
const RENEW: Duration = Duration::from_secs(2);
/// Without a sign of life for so long, whoever served does not any more: some times as long as a
/// service takes to find a broker that was started again.
const EXPIRE: Duration = Duration::from_secs(7);
/// So long after we gave the last sign of life nobody else serves: what is on its way to the broker by then
/// arrives before somebody does.
const LEASE: Duration = Duration::from_secs(6);
/// How often it is looked whether there was one.
const LOOK: Duration = Duration::from_millis(200);
/// How long the last word to the broker may take.
const GOODBYE: Duration = Duration::from_secs(1);

/// The owner of the prefix, or a stopped one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Owner {
    /// A number that no other start has.
    number: u64,
    /// Since when it serves, by its own clock.
    since: Time,
    /// The machine that it runs on.
    host: String,
    /// Whether it has stopped.
    has_stopped: bool,
}

/// Ownership of a prefix. Dropped, it expires after some seconds.
#[derive(Debug)]
pub struct Ownership {
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

/// A claim of a prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// A number that no other start has.
    pub number: u64,
    /// The number of the last start on the same store, which only one process has open at a time: so
    /// that one has ended.
    pub before: Option<u64>,
    /// The moment, by our clock.
    pub now: Time,
}

impl Bus {
    /// Makes us the only service under the prefix, and keeps us so. Waits for a service that has ended
    /// without a word, on another store, for some seconds. `lost` hears, once, that another service has
    /// taken over, which happens only if we gave no sign of life for as long. Before that can be, every
    /// [`Relay`](super::Relay) of this connection stops publishing, until we know that we still serve.
    ///
    /// # Errors
    /// [`Error::Served`] if another service serves, [`Error::Request`] if the broker refuses.
    pub async fn own(
        &self,
        claim: Claim,
        replicas: usize,
        lost: impl FnOnce(Error) + Send + 'static,
    ) -> Result<Ownership, Error> {
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let host = Some(host.trim().to_owned()).filter(|host| !host.is_empty());
        let mut seat = OwnerSubject {
            bus: self.clone(),
            replicas,
            owner: Owner {
                number: claim.number,
                since: claim.now,
                host: host.unwrap_or_else(|| "a machine without a name".into()),
                has_stopped: false,
            },
            sequence: 0,
        };
        self.lease.claim();
        seat.take(claim.before).await?;
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(seat.hold(stopped, lost));
        Ok(Ownership { stop: Some(stop), task })
    }
}

impl Ownership {
    /// Lets another service serve at once.
    pub async fn give_up(mut self) {
        self.stop.take();
        // It panics never, and ends in time.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Ownership {
    fn drop(&mut self) {
        if self.stop.is_some() {
            self.task.abort();
        }
    }
}

/// Where the owner of a prefix sits.
struct OwnerSubject {
    bus: Bus,
    replicas: usize,
    owner: Owner,
    /// The sequence of our last message.
    sequence: u64,
}

/// What became of a message that was to replace the last one.
enum ReplaceResult {
    Yes,
    /// Another has come between.
    Between,
    /// There is no stream.
    Nowhere,
}

impl OwnerSubject {
    async fn take(&mut self, before: Option<u64>) -> Result<(), Error> {
        self.furnish().await?;
        let mut seen: Option<(u64, Instant)> = None;
        loop {
            let after = match self.last().await? {
                None => 0,
                Some((sequence, owner)) if owner.has_stopped || Some(owner.number) == before => {
                    sequence
                }
                Some((sequence, owner)) => match seen {
                    None => {
                        tracing::info!(
                            host = owner.host,
                            "another service served; looking for signs of life"
                        );
                        seen = Some((sequence, Instant::now()));
                        continue;
                    }
                    Some((known, _)) if known != sequence => {
                        return Err(Error::Served {
                            prefix: self.bus.subjects.prefix().to_owned(),
                            since: owner.since,
                            host: owner.host,
                        });
                    }
                    Some((_, at)) if at.elapsed() < EXPIRE => {
                        tokio::time::sleep(LOOK).await;
                        continue;
                    }
                    Some(_) => sequence,
                },
            };
            match self.write(after).await? {
                ReplaceResult::Yes => return Ok(()),
                ReplaceResult::Between => {}
                ReplaceResult::Nowhere => self.furnish().await?,
            }
        }
    }

    async fn hold(mut self, mut stopped: oneshot::Receiver<()>, lost: impl FnOnce(Error)) {
        let mut beat = tokio::time::interval(RENEW);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut link = self.bus.link.clone();
        loop {
            tokio::select! {
                _ = beat.tick() => {}
                // What waits for the broker waits for us, too.
                Ok(()) = link.changed() => if !link.borrow_and_update().is_up {
                    continue;
                },
                _ = &mut stopped => {
                    self.owner.has_stopped = true;
                    self.bus.lease.lose();
                    let goodbye = self.write(self.sequence);
                    // Unheard, it expires.
                    let _ = tokio::time::timeout(GOODBYE, goodbye).await;
                    return;
                }
            }
            let began = Instant::now();
            match self.renew().await {
                // One that took long is old already.
                Ok(true) if began.elapsed() >= RENEW => beat.reset_immediately(),
                Ok(true) => {}
                Ok(false) => {
                    self.bus.lease.lose();
                    let prefix = self.bus.subjects.prefix().to_owned();
                    lost(Error::Superseded { prefix });
                    return;
                }
                // Nobody else can take over either while the broker is gone.
                Err(error) => tracing::debug!(error = %chain(&error), "no sign of life was given"),
            }
        }
    }

    /// Gives a sign of life; `false` if another has taken over.
    async fn renew(&mut self) -> Result<bool, Error> {
        match self.write(self.sequence).await? {
            ReplaceResult::Yes => Ok(true),
            ReplaceResult::Nowhere => {
                self.furnish().await?;
                self.sequence = 0;
                Ok(!matches!(self.write(0).await?, ReplaceResult::Between))
            }
            ReplaceResult::Between => match self.last().await? {
                // Our own one, of which we did not hear that it arrived.
                Some((sequence, owner)) if owner.number == self.owner.number => {
                    self.sequence = sequence;
                    Ok(true)
                }
                // The stream was put back to an earlier state: whoever is first has it.
                Some((sequence, _)) if sequence < self.sequence => {
                    Ok(!matches!(self.write(sequence).await?, ReplaceResult::Between))
                }
                // Somebody removed it, or made the stream anew, likewise.
                None => Ok(!matches!(self.write(0).await?, ReplaceResult::Between)),
                Some(_) => Ok(false),
            },
        }
    }

    /// Makes the stream, if there is none.
    async fn furnish(&self) -> Result<(), Error> {
        let what = "make the stream of who serves";
        let name = self.bus.subjects.owner_stream();
        let found = self.bus.jetstream.get_stream(&name).await;
        match found {
            Ok(_) => Ok(()),
            Err(error) if is_missing(&error) => {
                let config = Config {
                    name,
                    description: Some("which service serves".into()),
                    subjects: vec![self.bus.subjects.owner()],
                    max_messages_per_subject: 1,
                    num_replicas: self.replicas,
                    ..Config::default()
                };
                let made = self.bus.jetstream.create_stream(config).await;
                made.map(drop).map_err(Error::request(what))
            }
            Err(error) => Err(Error::request(what)(error)),
        }
    }

    /// The last message, if there is one.
    async fn last(&self) -> Result<Option<(u64, Owner)>, Error> {
        let what = "ask which service serves";
        let name = self.bus.subjects.owner_stream();
        let stream = self.bus.jetstream.get_stream_no_info(&name).await;
        let stream = stream.map_err(Error::request(what))?;
        match stream.get_last_raw_message_by_subject(&self.bus.subjects.owner()).await {
            Ok(message) => {
                let owner = serde_json::from_slice(&message.payload);
                // Whatever it is, it is not of a service that we know of.
                let owner =
                    owner.unwrap_or_else(|_| Owner { has_stopped: true, ..self.owner.clone() });
                Ok(Some((message.sequence, owner)))
            }
            Err(error) if matches!(error.kind(), LastRawMessageErrorKind::NoMessageFound) => {
                Ok(None)
            }
            Err(error) => Err(Error::request(what)(error)),
        }
    }

    /// Writes our message, if the last one is of the sequence `after`.
    async fn write(&mut self, after: u64) -> Result<ReplaceResult, Error> {
        let what = "say that we serve";
        let mut headers = HeaderMap::new();
        headers.insert(NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, after.to_string().as_str());
        let payload = serde_json::to_vec(&self.owner).map_err(Error::request(what))?;
        let subject = self.bus.subjects.owner();
        let began = Instant::now();
        let sent = self.bus.jetstream.publish_with_headers(subject, headers, payload.into());
        let confirmed = match sent.await {
            Ok(sent) => sent.await,
            Err(error) => Err(error),
        };
        match confirmed {
            Ok(confirmed) => {
                self.sequence = confirmed.sequence;
                self.bus.lease.renew(began, LEASE);
                Ok(ReplaceResult::Yes)
            }
            Err(error) => match error.kind() {
                PublishErrorKind::WrongLastSequence => Ok(ReplaceResult::Between),
                PublishErrorKind::StreamNotFound => Ok(ReplaceResult::Nowhere),
                _ => Err(Error::request(what)(error)),
            },
        }
    }
}
