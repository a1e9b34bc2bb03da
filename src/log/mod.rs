//! The commit log as data: what is in a record, in which order records of a chain are appended, and which count.
//!
//! Each [`Chain`](crate::tables::Chain) is one sequence of messages in one stream. A service that begins to serve
//! appends a *claim* to every chain, and then commits. Each commit names the message that it follows, and the
//! broker refuses it if that is not the last of its chain. So after a claim nobody else's commit enters the chain:
//! whoever served before finds the claim behind its own last message, and stops. A claim itself is appended whatever the last message is,
//! or else a busy service could never be followed. It counts if its epoch is higher than all before it.
//!
//! * [`encode`], [`decode`]: a batch as a record, compressed.
//! * [`ChainWriter`]: appends the records of a chain, one after the other.
//! * [`ChainReader`]: reads a chain, and returns the batches that count.
//! * [`MemoryLog`]: a log in memory, for simulation; the one in the broker is in `bus`.

mod chain_reader;
mod chain_writer;
mod memory_log;
mod message;
mod record;

pub use chain_reader::{ChainError, ChainReader};
pub use chain_writer::{AppendVerdict, ChainWriter};
pub use memory_log::MemoryLog;
pub use message::{ChainEnd, LogHeader, LogMessage, MessageKind, Part};
pub use record::{decode, encode};

#[cfg(test)]
mod tests;
