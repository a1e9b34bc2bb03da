//! A digital twin for every customer of a company: events come in over NATS, the next best action goes out.
//!
//! The core is a pure function. [`react`](twin::react) takes the state of one customer and one input; it changes
//! the state and returns what is to be done, as data. It has no clock and does no IO, so everything that a twin
//! decides can be tested, replayed and explained without a broker or a database:
//!
//! ```
//! use jumeau::event::{self, Customer, Raw, Time};
//! use jumeau::policy::{self, Files};
//! use jumeau::twin::{Effect, Input, Twin, World, react};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // What the company wants, as its policy says it. `load` returns every mistake at once.
//! let policy = policy::load(&Files::new([(
//!     "shop.toml",
//!     r#"
//!         [policy]
//!         name = "shop"
//!         languages = ["en"]
//!
//!         [needs.help]
//!         describe = "the customer needs a hand"
//!         expires = "1h"
//!
//!         [[rules]]
//!         name = "a payment failed"
//!         on = "track:Payment Failed"
//!         then = [{ raise = "help", strength = 0.8, because = "a payment failed" }]
//!
//!         [[actions]]
//!         name = "offer_help"
//!         serves = ["help"]
//!         issue = "service"
//!         value = 0.9
//!         [[actions.treatments]]
//!         channel = "app"
//!         text.en = "Your payment to {{ event.properties.to }} failed. Shall we help?"
//!     "#,
//! )]))?;
//!
//! // A customer, and an event as a channel publishes it on `jumeau.events.web.alice`.
//! let now = Time::parse("2026-03-02T09:00:00Z").ok_or("no time")?;
//! let mut alice = Twin::new(Customer::new("alice")?, now);
//! let event = event::parse(&Raw {
//!     channel: "web",
//!     customer: "alice",
//!     headers: &[],
//!     payload: br#"{"type": "track", "data": {"name": "Payment Failed", "properties": {"to": "Garage Dupont"}}}"#,
//!     sequence: 1,
//! })?;
//!
//! // One input in, one action out.
//! let reaction = react(&mut alice, &Input::event(event, now), &World::of(&policy));
//! let Some(Effect::Act(action)) = reaction.effects.first() else { panic!("{reaction:?}") };
//! assert_eq!(&*action.action, "offer_help");
//! assert_eq!(&*action.channel, "app");
//! assert_eq!(&*action.text, "Your payment to Garage Dupont failed. Shall we help?");
//! assert_eq!(&*action.reason.because, "a payment failed");
//! # Ok(())
//! # }
//! ```
//!
//! The service around it (broker, database, actors) is built with the feature `engine`, which is on by default.
//! `store`, `commit`, `actors`, `router` and `app` are there only with it; without it nothing compiles RocksDB.
//!
//! The modules, from the pure to the outer; each uses only those above it (`ARCHITECTURE.md` says what holds of
//! them):
//!
//! | module | what is in it |
//! |---|---|
//! | [`config`] | settings, limits, mistakes in what people write |
//! | [`files`] | files that only their owner may read |
//! | [`terminal`] | the only way to a terminal: makes harmless what strangers wrote |
//! | [`event`] | what channels report: values, identifiers, event types, envelopes |
//! | [`language`] | what people say: language, valence, urgency, topics |
//! | [`models`] | what is learned from answers: propensities, and how certain they are |
//! | [`policy`] | what the company wants: rules, needs, actions and treatments, compiled |
//! | [`twin`] | what is known of one customer, and how the twin reacts |
//! | [`story`] | tests of a policy: timed events, and what must and must not come of them |
//! | [`past`] | replay of the events that really happened to one customer, under any policy |
//! | [`codec`] | stored records: envelope, format versions, checksums |
//! | [`tables`] | what a store holds, as data: tables, keys, rows, batches; a store in memory |
//! | [`log`] | the commit log, as data: records, the order in which they are appended, which count |
//! | [`contract`] | the contract of the bus, as data: subjects, partitions, dead letters |
//! | [`partition`] | the unit of ownership: rounds, timers, commits, passivation |
//! | [`bus`] | NATS: events in, outputs out, the service API, the broker of `jumeau dev` |
//! | [`api`] | the messages of the API: requests of operators and channels, and their replies |
//! | `store` | RocksDB, backups, encryption |
//! | `commit` | makes the batches of all partitions durable, in order |
//! | `actors` | partitions and twins as actors |
//! | `router` | answers the requests of the API |
//! | [`roles`] | who may do what on the bus: keys, certificates, the broker's configuration |
//! | [`rehearsal`] | two policies on the real past of a sample of customers, side by side |
//! | [`policy_source`], [`live_stories`] | where policies come from; stories played against a service |
//! | `app` | builds, starts, drains and stops the service |

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used))]

#[cfg(feature = "engine")]
pub mod actors;
pub mod api;
#[cfg(feature = "engine")]
pub mod app;
pub mod bus;
pub mod codec;
#[cfg(feature = "engine")]
pub mod commit;
pub mod config;
pub mod contract;
pub mod event;
pub mod files;
pub mod language;
pub mod live_stories;
pub mod log;
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
