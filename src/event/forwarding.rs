//! Messages between twins: an event that came to an identifier of the same customer and, with a `link` or
//! an `unlink`, the memory that moves.
//!
//! They travel through the event stream on the channel [`INTERNAL`], which only twins may use, so they
//! are as durable and as ordered as any event. A forwarded event keeps its fingerprint, so that a twin
//! that knows the event recognises the duplicate. A memory that moves has a fingerprint of its own.

use serde::{Deserialize, Serialize};
use twox_hash::XxHash3_64;

use super::{Customer, Time};

/// The internal channel of twins. A message published there without the service's mark is rejected, and a
/// broker with permissions reserves the channel for the service.
pub const INTERNAL: &str = "_jumeau";

/// How an event was forwarded to this twin.
#[derive(Debug, Clone, PartialEq)]
pub struct Forwarding {
    /// The identifier that forwarded it first: the one that it was addressed to, or whose memory moves.
    pub from: Customer,
    /// The identifiers on its route, each once, in order.
    pub via: Vec<Customer>,
    /// For each of them the number of the link by which it forwarded: see
    /// [`Twin::epoch`](crate::twin::Twin::epoch).
    pub links: Vec<u64>,
    /// The number of hops.
    pub hops: u32,
    /// The memory that moves with it.
    pub carried: Option<CarriedMemory>,
    /// When it was last forwarded; none before the message is built.
    pub at: Option<Time>,
    /// The fingerprint of the message, the same for every copy; 0 before the message is built.
    pub message: u64,
}

/// The memory that moves from twin to twin.
#[derive(Debug, Clone, PartialEq)]
pub struct CarriedMemory {
    /// What the receiver does with it.
    pub kind: TransferKind,
    /// The number of the link that it belongs to.
    pub epoch: u64,
    /// The statement time of the `link` or `unlink` that moves it.
    pub stated_at: Time,
    /// The memory, as JSON; the twin validates it. For [`TransferKind::Leaves`] the hash of the
    /// identifier's new owner.
    pub memory: Box<str>,
}

/// What kind of move it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TransferKind {
    /// An identifier is linked: its memory joins the other's.
    Joins,
    /// A memory returns to its identifier, because of an `unlink` or because the limit of identifiers was
    /// reached.
    Returns,
    /// A memory that could not be returned: the receiver keeps it, without the identifier.
    Rests,
    /// No memory: the identifier belongs to another customer from now on.
    Leaves,
}

/// The hash that represents the identifier's new owner in [`TransferKind::Leaves`]: it is not a name, but
/// somebody who has a name can compare it.
pub fn owner_hash(customer: &str) -> u64 {
    XxHash3_64::oneshot(customer.as_bytes())
}

impl CarriedMemory {
    /// Whether the loss of this message would lose a memory.
    pub fn is_memory(&self) -> bool {
        self.kind != TransferKind::Leaves
    }
}
