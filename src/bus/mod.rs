//! The bus: NATS, and the only room that names its client library.
//!
//! In come the settings of the broker, [`Output`](crate::event::Output)s to publish and
//! [`Receipt`]s of what is durable; out come [`Delivery`](crate::event::Delivery)s in order,
//! confirmations, and errors that say what to do.
//!
//! * [`Subjects`]: the names of everything; a contract.
//! * [`Bus`]: a connection, and the streams behind it.
//! * [`Ownership`]: one service under a prefix.
//! * [`Intake`]: events in, each at least once, in order, none missing.
//! * [`dead_letter`]: what becomes of an event that cannot be used.
//! * [`Relay`]: outputs out, in order, until they are confirmed.
//! * [`Watch`]: what the streams keep, and who is behind.
//! * [`Service`]: what operators and channels ask.
//! * [`Broker`]: a nats-server of our own, for `jumeau dev` and for tests.

mod analyser;
mod broker;
mod careful;
mod channel;
mod connection;
mod dead;
mod delivery;
mod denied;
mod error;
mod fitting;
mod gathered;
mod identity;
mod intake;
mod kept;
mod lease;
mod main_lane;
mod messages;
mod missed;
mod owner;
mod pages;
mod past;
mod receipt;
mod relay;
mod service;
mod shred;
mod slow_lane;
mod stream;
mod tally;
mod unreadable;

pub use analyser::{Analyser, Question};
pub use broker::{Broker, BrokerOptions};
pub use channel::Heard;
pub use connection::{Bus, Outages, fresh_id};
pub use dead::DeadLetter;
pub use denied::{Attempt, Denied};
pub use error::Error;
pub use identity::{Standing, Taken};
pub use intake::{Floor, Intake, Part, Pulled, Resume};
pub use kept::{Kept, Reader, Watch};
pub use missed::Missed;
pub use owner::{Claim, Ownership};
pub use past::Arrivals;
pub use receipt::Receipt;
pub use relay::{Relay, Relayed};
pub use service::{ASKER, ApiError, Asker, Endpoint, Request, Service};
pub use shred::{Ends, Trail};
pub use stream::Lag;
