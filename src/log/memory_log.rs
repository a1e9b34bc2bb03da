use super::{ChainEnd, ChainError, ChainReader, LogHeader, LogMessage};
use crate::tables::{Batch, Chain};

/// An in-memory commit log, for simulation: it refuses what does not follow the last message of its chain, and
/// recognises ids, as the broker does.
#[derive(Debug, Default)]
pub struct MemoryLog {
    pub(super) messages: Vec<MemoryMessage>,
    last: u64,
}

#[derive(Debug)]
pub(super) struct MemoryMessage {
    pub(super) sequence: u64,
    chain: Chain,
    pub(super) header: LogHeader,
    payload: Vec<u8>,
}

impl MemoryLog {
    /// An empty log.
    pub fn new() -> MemoryLog {
        MemoryLog::default()
    }

    /// Appends a message, unless it is there already; returns its sequence, or `None` if it is refused.
    pub fn append(&mut self, chain: Chain, header: &LogHeader, payload: &[u8]) -> Option<u64> {
        if let Some(held) = self.messages.iter().find(|held| held.header.id == header.id) {
            return Some(held.sequence);
        }
        let last = self.of(chain).last().map_or(0, |last| last.sequence);
        if header.follows.is_some_and(|follows| follows != last) {
            return None;
        }
        self.last += 1;
        let (sequence, header) = (self.last, header.clone());
        self.messages.push(MemoryMessage { sequence, chain, header, payload: payload.to_vec() });
        Some(sequence)
    }

    /// Passes over so many sequences, as if messages of other chains had them.
    pub fn skip(&mut self, count: u64) {
        self.last += count;
    }

    /// The last message of a chain.
    pub fn end(&self, chain: Chain) -> Option<ChainEnd> {
        self.tail(chain, 0).pop()
    }

    /// The messages of a chain from this sequence on.
    pub fn tail(&self, chain: Chain, from: u64) -> Vec<ChainEnd> {
        let behind = self.of(chain).filter(|held| held.sequence >= from);
        behind
            .map(|held| ChainEnd { sequence: held.sequence, header: held.header.clone() })
            .collect()
    }

    /// Reads a chain on, up to a sequence; returns the batches that count.
    ///
    /// # Errors
    /// As [`ChainReader::read`].
    pub fn read(
        &self,
        chain: Chain,
        reader: &mut ChainReader,
        upto: u64,
    ) -> Result<Vec<Batch>, ChainError> {
        let mut batches = Vec::new();
        for held in self.of(chain).take_while(|held| held.sequence <= upto) {
            let (header, payload) = (&held.header, &held.payload);
            let message = LogMessage { sequence: held.sequence, header, payload };
            batches.extend(reader.read(&message)?);
        }
        Ok(batches)
    }

    /// Deletes the messages before a sequence.
    pub fn trim(&mut self, before: u64) {
        self.messages.retain(|held| held.sequence >= before);
    }

    /// The number of messages.
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// Whether there are no messages.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    fn of(&self, chain: Chain) -> impl DoubleEndedIterator<Item = &MemoryMessage> {
        self.messages.iter().filter(move |held| held.chain == chain)
    }
}
