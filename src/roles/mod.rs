//! Who may do what on the bus.
//!
//! In come the people and programs of a company; out comes a folder with what each needs: a key, a
//! certificate for the broker, the broker's configuration made of the templates in `config/nats`, and
//! settings for the service. Nothing here runs while the service does.
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
