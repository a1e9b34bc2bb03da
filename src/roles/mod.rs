//! Access control on the bus.
//!
//! Takes the people and programs of a company; writes a folder with keys, a certificate for the broker,
//! the broker's configuration (from the templates in `config/nats`) and settings for the service. Not
//! used at run time.
//!
//! * [`Company`]: the users.
//! * [`prepare`]: writes the folder.
//! * [`denied`]: explains denied operations.
//! * [`Lacks`]: explains rejected connections.

mod certificates;
mod company;
mod denied;
mod error;
mod folder;
mod grant;
mod template;

pub use company::{AGENT, Agent, Broadcaster, Company, SERVICE_USER};
pub use denied::{Lacks, denied};
pub use error::Error;
pub use folder::{Prepared, User, prepare};
