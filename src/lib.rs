//! jumeau: a digital twin for every customer of a company.
//!
//! The modules, from the pure core outwards; each uses only the ones above it:
//!
//! | room | what is in it |
//! |---|---|
//! | [`config`] | settings and limits |
//! | [`files`] | files that nobody but their owner may read |
//! | [`terminal`] | the only writer to a terminal; escapes untrusted text |
//! | [`event`] | what channels report: values, identifiers, event types, envelopes |
//! | [`language`] | analysis of messages: language, valence, urgency, topics |
//! | [`models`] | learned propensities with their uncertainty |
//! | [`policy`] | compiled policies: rules, needs, actions, treatments |
//! | [`twin`] | the state of one customer and its pure reaction function |
//! | [`story`] | test scenarios for policies |
//! | [`past`] | replays one customer's real history under any policy |
//! | [`codec`] | encoding of stored records: envelope, format versions, checksums |
//! | [`tables`] | what a store holds, as data: tables, keys, rows, batches; a store in memory |
//! | [`contract`] | the contract of the bus, as data: subjects, partitions, dead letters |
//! | [`partition`] | the unit of ownership: rounds, timers, commits, passivation |
//! | [`bus`] | NATS: events in, outputs out, the service API, a broker of our own |
//! | [`api`] | the request/reply API for operators and channels, as messages |
//! | `store` | what must survive: RocksDB, the committer, backups, sealing |
//! | `actors` | partition and twin as actors, around the machine and the cell |
//! | `router` | answers the requests of the API |
//! | [`roles`] | access control: keys, certificates, broker configuration |
//! | [`rehearsal`] | compares two policies on the real history of a sample of customers |
//! | [`policy_source`], [`live_stories`] | where policies come from; stories played against a service |
//! | `app` | build, start, drain, stop |
//!
//! `store`, `actors`, `router` and `app` are there with the feature `engine`, which is on by default.
//! Without it nothing compiles RocksDB.

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
