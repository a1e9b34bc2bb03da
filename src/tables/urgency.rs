#[cfg(doc)]
use crate::config::limits;

/// The urgency of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    /// At once: an answer waits for it.
    Immediate,
    /// Together with the next immediate one, but within [`limits::COMMIT_LINGER_MS`]: each commit costs a
    /// sync, which deferred batches share.
    Deferred,
}
