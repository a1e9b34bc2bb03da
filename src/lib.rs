//! jumeau: a digital twin for every customer of a company.
//!
//! The modules, from the pure core outwards; each uses only the ones above it:
//!
//! | module | content |
//! |---|---|
//! | [`config`] | settings and limits |
//! | [`files`] | private files: readable only by their owner |
//! | [`terminal`] | the only writer to a terminal; escapes untrusted text |
//! | [`event`] | what channels report: values, identifiers, event types, envelopes |
//! | [`language`] | analysis of messages: language, valence, urgency, topics |
//! | [`models`] | learned propensities with their uncertainty |
//! | [`policy`] | compiled policies: rules, needs, actions, treatments |
//! | [`twin`] | the state of one customer and its pure reaction function |
//! | [`story`] | test scenarios for policies |
//! | [`past`] | replays one customer's real history under any policy |
//! | [`codec`] | encoding of stored records: envelope, format versions, checksums |
//! | [`tables`] | the content of a store, as data: tables, keys, rows, batches; an in-memory store |
//! | [`contract`] | the contract of the bus, as data: subjects, partitions, dead letters |
//! | [`partition`] | the unit of ownership: rounds, timers, commits, passivation |
//! | [`bus`] | NATS: intake, relay, dead letters, the service API, an embedded broker |
//! | [`api`] | the request/reply API for operators and channels, as messages |
//! | `store` | durable storage: RocksDB, the committer, backups, encryption |
//! | `actors` | partitions and twins as actors, around the machine and the cell |
//! | `router` | answers the requests of the API |
//! | [`roles`] | access control: keys, certificates, broker configuration |
//! | [`rehearsal`] | compares two policies on the real history of a sample of customers |
//! | [`policy_source`], [`live_stories`] | loading policies and stories; running stories against a live service |
//! | `app` | build, start, drain, stop |
//!
//! `store`, `actors`, `router` and `app` need the feature `engine`, which is on by default; without it
//! nothing compiles RocksDB.

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
