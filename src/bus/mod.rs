//! The bus: NATS, and the only room that names its client library.
//!
//! In come the settings of the broker, [`Output`](crate::event::Output)s to publish and
//! [`Receipt`]s of what is durable; out come [`Delivery`](crate::event::Delivery)s in order,
//! confirmations, and errors that say what to do.
//!
//! * [`Subjects`]: the names of everything; a contract.
//! * [`Bus`]: a connection, and the streams behind it.
//! * [`Intake`]: events in, each at least once, in order, none missing.
//! * [`dead_letter`]: what becomes of an event that cannot be used.

mod connection;
mod dead;
mod delivery;
mod error;
mod intake;
mod receipt;
mod stream;
mod subject;

pub use connection::Bus;
pub use dead::{DeadLetter, dead_letter};
pub use error::Error;
pub use intake::{Floor, Intake, Part, Pulled, Resume};
pub use receipt::Receipt;
pub use stream::Lag;
pub use subject::{Subjects, partition_of};
