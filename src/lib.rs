//! jumeau: every customer of a company has a digital twin.
//!
//! The rooms, from the pure to the outer; each uses only those above it:
//!
//! | room | what is in it |
//! |---|---|
//! | [`config`] | settings and limits |
//! | [`files`] | files that nobody but their owner may read |
//! | [`terminal`] | the one way to a terminal, which nothing that strangers wrote steers |
//! | [`event`] | what channels report: values, identifiers, event types, envelopes |
//! | [`language`] | what people say: language, valence, urgency, topics |
//! | [`models`] | what is learned from answers: propensities, and how sure they are |
//! | [`policy`] | what the company wants: rules, needs, actions, treatments, compiled |
//! | [`twin`] | what is known of one customer, and how it reacts |
//! | [`story`] | what happens to some customers, and what must and must not come of it |
//! | [`past`] | what really happened to one customer, taken in once more under any policy |
//! | [`codec`] | records as they are stored: envelope, format versions, checksums |
//! | [`tables`] | what a store holds, as data: tables, keys, rows, batches; a store in memory |
//! | [`contract`] | the contract of the bus, as data: subjects, partitions, dead letters |
//! | [`partition`] | the unit of ownership: rounds, timers, commits, passivation |
//! | [`bus`] | NATS: events in, outputs out, the service API, a broker of our own |
//! | [`api`] | what operators and channels ask, and what they are answered, as messages |
//! | `store` | what must survive: RocksDB, the committer, backups, sealing |
//! | `actors` | partition and twin as actors, around the machine and the cell |
//! | `router` | answers the requests of the API |
//! | [`roles`] | who may do what on the bus: keys, certificates, the broker's configuration |
//! | [`rehearsal`] | two policies on the real past of a sample of customers, side by side |
//! | [`policy_source`], [`live_stories`] | where policies come from; stories played against a service |
//! | `app` | build, start, drain, stop |
//!
//! `store`, `actors`, `router` and `app` are there with the feature `engine`, which is on by default. Without
//! it nothing compiles RocksDB.

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used))]

#[cfg(feature = "engine")]
pub mod actors;
pub mod api;
#[cfg(feature = "engine")]
pub mod app;
pub mod bus;
pub mod codec;
pub mod config;
pub mod contract;
pub mod event;
pub mod files;
pub mod language;
pub mod live_stories;
pub mod models;
pub mod partition;
pub mod past;
pub mod policy;
pub mod policy_source;
pub mod rehearsal;
pub mod roles;
#[cfg(feature = "engine")]
pub mod router;
#[cfg(feature = "engine")]
pub mod store;
pub mod story;
pub mod tables;
pub mod terminal;
pub mod twin;
