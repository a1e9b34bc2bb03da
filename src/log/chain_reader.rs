use super::{LogMessage, MessageKind, Part, record};
use crate::codec;
use crate::tables::{Batch, Chain, LogPosition};

/// Reads a chain from a position on, and returns the batches that count.
#[derive(Debug, Clone)]
pub struct ChainReader {
    chain: Chain,
    /// Everything up to here was returned.
    position: LogPosition,
    /// The last message that was read.
    last: u64,
    /// The id of the last claim that was read and counts.
    claim: Option<Box<str>>,
    /// The parts of a record whose last part was not read yet.
    parts: Vec<u8>,
    parts_read: u32,
}

/// Why a chain cannot be read further.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// Messages are missing.
    #[error(
        "commit log, chain {chain}: expected message {sequence} to follow message {expected}, found that it follows \
         {found}: messages between were deleted; restore the log's stream, or run `jumeau adopt` to go on with what \
         the store has"
    )]
    Gap {
        /// The chain.
        chain: Chain,
        /// The message.
        sequence: u64,
        /// The last message read before it.
        expected: u64,
        /// The message that it was appended behind.
        found: u64,
    },
    /// A message is not of the service that serves there.
    #[error(
        "commit log, chain {chain}: expected message {sequence} of epoch {expected}, found one of epoch {found}: \
         another program writes to the log; restore the log's stream, or run `jumeau adopt` to go on with what the \
         store has"
    )]
    Epoch {
        /// The chain.
        chain: Chain,
        /// The message.
        sequence: u64,
        /// The epoch of the last claim that counts.
        expected: u64,
        /// The epoch of the message.
        found: u64,
    },
    /// A record cannot be decoded.
    #[error("commit log, chain {chain}, message {sequence}")]
    Record {
        /// The chain.
        chain: Chain,
        /// The message.
        sequence: u64,
        /// The error of the codec.
        source: codec::Error,
    },
}

impl ChainReader {
    /// A reader that continues behind this position.
    pub fn new(chain: Chain, position: LogPosition) -> ChainReader {
        ChainReader {
            chain,
            position,
            last: position.sequence,
            claim: None,
            parts: Vec::new(),
            parts_read: 0,
        }
    }

    /// The position behind everything that was read: after the last whole record.
    pub fn position(&self) -> LogPosition {
        self.position
    }

    /// The id of the last claim that was read and counts: who appended it serves, and nobody else.
    pub fn claim(&self) -> Option<&str> {
        self.claim.as_deref()
    }

    /// Reads the next message of the chain; returns a batch if it completes one, which leads to the new position.
    /// Messages at or before the position are passed over.
    ///
    /// # Errors
    /// [`ChainError`]; nothing behind this message may be read then.
    pub fn read(&mut self, message: &LogMessage<'_>) -> Result<Option<Batch>, ChainError> {
        let LogMessage { sequence, header, payload } = *message;
        if sequence <= self.last {
            return Ok(None);
        }
        if header.kind == MessageKind::Claim {
            self.last = sequence;
            if header.epoch > self.position.epoch {
                // Of a record that was not completed before, no further part can come.
                self.drop_parts();
                self.position.epoch = header.epoch;
                self.claim = Some(header.id.clone());
            }
            self.pass(sequence);
            return Ok(None);
        }
        self.check(message)?;
        self.last = sequence;
        if header.kind == MessageKind::Filler {
            self.pass(sequence);
            return Ok(None);
        }
        let Part { number, of } = header.part;
        if number == 1 {
            self.drop_parts();
        }
        if number != self.parts_read + 1 || number > of {
            let detail = format!("part {number} of {of} behind {} others", self.parts_read);
            let source = codec::malformed(codec::RecordKind::Commit, 1, detail);
            return Err(ChainError::Record { chain: self.chain, sequence, source });
        }
        if number < of {
            self.parts.extend_from_slice(payload);
            self.parts_read = number;
            return Ok(None);
        }
        let decoded = if of == 1 {
            record::decode(payload)
        } else {
            self.parts.extend_from_slice(payload);
            record::decode(&self.parts)
        };
        self.drop_parts();
        let batch =
            decoded.map_err(|source| ChainError::Record { chain: self.chain, sequence, source })?;
        self.position.sequence = sequence;
        Ok(Some(batch))
    }

    fn check(&self, message: &LogMessage<'_>) -> Result<(), ChainError> {
        let (chain, sequence) = (self.chain, message.sequence);
        let found = message.header.follows.unwrap_or(0);
        if found != self.last {
            return Err(ChainError::Gap { chain, sequence, expected: self.last, found });
        }
        let (expected, found) = (self.position.epoch, message.header.epoch);
        if found != expected {
            return Err(ChainError::Epoch { chain, sequence, expected, found });
        }
        Ok(())
    }

    /// Passes a message without changes. Parts of a record before it are still needed.
    fn pass(&mut self, sequence: u64) {
        if self.parts_read == 0 {
            self.position.sequence = sequence;
        }
    }

    fn drop_parts(&mut self) {
        self.parts = Vec::new();
        self.parts_read = 0;
    }
}
