use super::{ChainEnd, LogHeader, MessageKind, Part};
use crate::tables::{Chain, LogPosition};

/// Appends to a chain, one message after the other, from our claim on.
///
/// Who holds it sends the message with [`header`](ChainWriter::header), until the broker confirms it: then it is
/// [`confirmed`](ChainWriter::confirmed). If no answer comes, it sends the same message again, and the broker
/// recognises it by its id. If the broker refuses it because it does not follow the last message of the chain, it reads
/// the chain's tail and [`judge`](ChainWriter::judge)s.
#[derive(Debug, Clone)]
pub struct ChainWriter {
    chain: Chain,
    epoch: u64,
    /// The sequence of the last message of the chain that we know.
    last: u64,
    /// The number of our next message.
    number: u64,
}

/// What the tail of the chain says about a message that the broker refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppendVerdict {
    /// It is in the chain, at this sequence; its confirmation was lost.
    IsThere(u64),
    /// It is not in the chain; send it again, with the header that it has now.
    SendAgain,
    /// Another service has claimed the chain, with this epoch: we must not serve any more.
    Superseded(u64),
    /// The chain does not hold what we know to be in it: it was purged, or rolled back.
    Broken,
}

impl ChainWriter {
    /// A writer of this chain, which is applied up to our claim.
    pub fn new(chain: Chain, claim: LogPosition) -> ChainWriter {
        ChainWriter { chain, epoch: claim.epoch, last: claim.sequence, number: 1 }
    }

    /// The chain.
    pub fn chain(&self) -> Chain {
        self.chain
    }

    /// The position behind the last message that was confirmed.
    pub fn position(&self) -> LogPosition {
        LogPosition { sequence: self.last, epoch: self.epoch }
    }

    /// The header of our next message.
    pub fn header(&self, kind: MessageKind, part: Part) -> LogHeader {
        LogHeader { id: self.id().into(), kind, epoch: self.epoch, follows: Some(self.last), part }
    }

    /// Our message is in the chain, at this sequence.
    pub fn confirmed(&mut self, sequence: u64) {
        self.last = sequence;
        self.number += 1;
    }

    /// What to do with our message, which the broker refused, given all messages of the chain from the last one on that
    /// we know. The end alone does not tell: behind a claim that counts there may be one that does not.
    pub fn judge(&mut self, tail: &[ChainEnd]) -> AppendVerdict {
        let id = self.id();
        let Some((known, behind)) = tail.split_first() else { return AppendVerdict::Broken };
        if known.sequence != self.last {
            return AppendVerdict::Broken;
        }
        for found in behind {
            if *found.header.id == *id {
                return AppendVerdict::IsThere(found.sequence);
            }
            if found.header.epoch > self.epoch {
                return AppendVerdict::Superseded(found.header.epoch);
            }
            if found.header.kind != MessageKind::Claim {
                return AppendVerdict::Broken;
            }
        }
        // Claims that do not count, because ours was there before: ours goes behind them.
        self.last = tail.last().map_or(self.last, |last| last.sequence);
        AppendVerdict::SendAgain
    }

    fn id(&self) -> String {
        format!("{}.{}.{}", self.chain, self.epoch, self.number)
    }
}
