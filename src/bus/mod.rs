//! The NATS bus; the only module that uses the client library.
//!
//! Takes broker settings, [`Output`](crate::event::Output)s to publish and [`AckHandle`]s for
//! acknowledgement; produces ordered [`Delivery`](crate::event::Delivery)s, publish confirmations and
//! errors.
//!
//! * [`Bus`]: a connection and its streams.
//! * [`Ownership`]: ensures one service per prefix.
//! * [`Intake`]: reads events in order, each at least once, without gaps.
//! * [`CommitLog`]: the stream of commits.
//! * [`Relay`]: publishes outputs until they are confirmed, those of each customer in order.
//! * [`StreamMonitor`]: monitors streams and their consumers.
//! * [`ApiService`]: the request/reply API.
//! * [`Broker`]: an embedded nats-server, for `jumeau dev` and for tests.

mod ack_ledger;
mod analyser;
mod broker;
mod channel_shares;
mod client;
pub mod code;
mod commit_log;
mod connection;
mod dead_letters;
mod delivery;
mod denied;
mod direct_reader;
mod error;
mod intake;
mod lease;
mod log_headers;
mod main_lane;
mod malformed_headers;
mod messages;
mod missed_events;
mod owner;
mod pages;
mod pull_buffer;
mod relay;
mod secure_delete;
mod send_queue;
mod service;
mod slow_gauge;
mod slow_lane;
mod stream;
mod stream_identity;
mod stream_reader;
mod stream_stats;
mod wire_output;

pub use ack_ledger::AckHandle;
pub use analyser::{Analyser, Question};
pub use broker::{Broker, BrokerOptions};
pub use client::OutputSubscription;
pub use commit_log::{CommitLog, LogContent, LogReading, ReadLogMessage};
pub use connection::{Bus, Outages, fresh_id};
pub use dead_letters::DeadLetter;
pub use denied::{Denials, DeniedOperation, PermissionDenied};
pub use error::Error;
pub use intake::{Floor, Intake, PartitionPull, PulledBatch, ResumePoint};
pub use missed_events::MissedEvents;
pub use owner::{Claim, Ownership};
pub use relay::{Relay, RelayStats};
pub use secure_delete::{MessageTrail, StreamEnds};
pub use service::{ApiError, ApiService, CALLER, Caller, Endpoint, Request};
pub use stream::Lag;
pub use stream_identity::{LastTakenEvent, StreamState};
pub use stream_reader::EventMonitor;
pub use stream_stats::{ConsumerStats, StreamMonitor, StreamStats};
