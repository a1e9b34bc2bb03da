//! Ensures one service per prefix.
//!
//! Two services on one stream would both process its events and decide differently. The owner renews a
//! lease: every few seconds it publishes on one subject with the expected last sequence; the broker
//! rejects it if another message came between. This works with clustered streams and across broker
//! restarts.

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

/// The interval at which the owner renews its lease.
const RENEW: Duration = Duration::from_secs(2);
/// Without a renewal for this long, the owner has expired: several times as long as a service takes to
/// reconnect to a restarted broker.
const EXPIRE: Duration = Duration::from_secs(7);
/// For this long after our last renewal no other service can serve: what is on its way to the broker by
/// then arrives before another serves.
const LEASE: Duration = Duration::from_secs(6);
/// The interval at which the owner's subject is checked for renewals.
const LOOK: Duration = Duration::from_millis(200);
/// How long the last message to the broker may take.
const GOODBYE: Duration = Duration::from_secs(1);

/// The owner of the prefix, or a stopped one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Owner {
    /// A number unique to this start.
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
    /// A number unique to this start.
    pub number: u64,
    /// The number of the last start on the same store. Only one process can open the store, so that start
    /// has ended.
    pub before: Option<u64>,
    /// The current time, by our clock.
    pub now: Time,
}

impl Bus {
    /// Makes us the only service under the prefix, and keeps us so. If a service on another store ended
    /// without giving up, it waits some seconds for its lease to expire. `lost` is notified once if
    /// another service has taken over, which happens only if our lease expired. Before that can happen,
    /// every [`Relay`](super::Relay) of this connection stops publishing, until our lease is confirmed.
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
    /// Gives up the prefix, so that another service can serve immediately.
    pub async fn give_up(mut self) {
        self.stop.take();
        // The task never panics, and ends in time.
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

/// The subject of the owner of a prefix.
struct OwnerSubject {
    bus: Bus,
    replicas: usize,
    owner: Owner,
    /// The sequence of our last message.
    sequence: u64,
}

/// The result of replacing the last message.
enum ReplaceResult {
    Yes,
    /// Another message came between.
    Between,
    /// The stream does not exist.
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
                            "another service held this prefix; waiting to see whether it is still \
                             alive"
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
                // Nothing is renewed while the broker is unreachable.
                Ok(()) = link.changed() => if !link.borrow_and_update().is_up {
                    continue;
                },
                _ = &mut stopped => {
                    self.owner.has_stopped = true;
                    self.bus.lease.lose();
                    let goodbye = self.write(self.sequence);
                    // If the message is lost, the lease expires.
                    let _ = tokio::time::timeout(GOODBYE, goodbye).await;
                    return;
                }
            }
            let began = Instant::now();
            match self.renew().await {
                // A renewal that took long is old already.
                Ok(true) if began.elapsed() >= RENEW => beat.reset_immediately(),
                Ok(true) => {}
                Ok(false) => {
                    self.bus.lease.lose();
                    let prefix = self.bus.subjects.prefix().to_owned();
                    lost(Error::Superseded { prefix });
                    return;
                }
                // No other service can take over either while the broker is unreachable.
                Err(error) => {
                    tracing::debug!(
                        error = %chain(&error),
                        "could not renew the lease of this prefix"
                    );
                }
            }
        }
    }

    /// Renews the lease; `false` if another service has taken over.
    async fn renew(&mut self) -> Result<bool, Error> {
        match self.write(self.sequence).await? {
            ReplaceResult::Yes => Ok(true),
            ReplaceResult::Nowhere => {
                self.furnish().await?;
                self.sequence = 0;
                Ok(!matches!(self.write(0).await?, ReplaceResult::Between))
            }
            ReplaceResult::Between => match self.last().await? {
                // Our own message, whose confirmation was lost.
                Some((sequence, owner)) if owner.number == self.owner.number => {
                    self.sequence = sequence;
                    Ok(true)
                }
                // The stream was rolled back: the first to write owns the prefix.
                Some((sequence, _)) if sequence < self.sequence => {
                    Ok(!matches!(self.write(sequence).await?, ReplaceResult::Between))
                }
                // The message was removed or the stream recreated; likewise.
                None => Ok(!matches!(self.write(0).await?, ReplaceResult::Between)),
                Some(_) => Ok(false),
            },
        }
    }

    /// Creates the stream if it does not exist.
    async fn furnish(&self) -> Result<(), Error> {
        let what = "make the stream of who serves";
        let name = self.bus.subjects.owner_stream();
        let found = self.bus.jetstream.get_stream(&name).await;
        match found {
            Ok(_) => Ok(()),
            Err(error) if is_missing(&error) => {
                let config = Config {
                    name,
                    description: Some("which service owns this prefix".into()),
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

    /// The last message, if any.
    async fn last(&self) -> Result<Option<(u64, Owner)>, Error> {
        let what = "ask which service owns the prefix";
        let name = self.bus.subjects.owner_stream();
        let stream = self.bus.jetstream.get_stream_no_info(&name).await;
        let stream = stream.map_err(Error::request(what))?;
        match stream.get_last_raw_message_by_subject(&self.bus.subjects.owner()).await {
            Ok(message) => {
                let owner = serde_json::from_slice(&message.payload);
                // Anything else is not the message of a known service.
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

    /// Writes our message if the last one has the sequence `after`.
    async fn write(&mut self, after: u64) -> Result<ReplaceResult, Error> {
        let what = "claim the prefix";
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
