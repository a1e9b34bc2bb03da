use crate::tables::Chain;

/// What a message of a chain is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, strum::Display, strum::EnumString)]
#[strum(serialize_all = "lowercase")]
pub enum MessageKind {
    /// A service begins to serve.
    Claim,
    /// A batch, or a part of one.
    Commit,
    /// Bytes that mean nothing: behind them, the broker gives up the files of those before.
    Filler,
}

/// Which part of a record a message holds: a record that is larger than a message may be has several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Its number, from 1.
    pub number: u32,
    /// How many there are.
    pub of: u32,
}

impl Part {
    /// The whole record.
    pub const WHOLE: Part = Part { number: 1, of: 1 };
}

/// What is said of a message of a chain besides its payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogHeader {
    /// The message's id, unique in the log: `<chain>.<epoch>.<number>` of a commit; of a claim the last part is
    /// the number of the start.
    pub id: Box<str>,
    /// What it is.
    pub kind: MessageKind,
    /// The epoch of the service that appended it.
    pub epoch: u64,
    /// The sequence of the message that it follows in its chain, and without which the broker refuses it; a claim
    /// has none.
    pub follows: Option<u64>,
    /// Which part of a record its payload is.
    pub part: Part,
}

/// A message of a chain, as it is in the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogMessage<'a> {
    /// Its sequence in the stream.
    pub sequence: u64,
    /// Its headers.
    pub header: &'a LogHeader,
    /// A record, a part of one, or nothing.
    pub payload: &'a [u8],
}

/// A message at the end of a chain, without its payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainEnd {
    /// Its sequence in the stream.
    pub sequence: u64,
    /// Its headers.
    pub header: LogHeader,
}

impl LogHeader {
    /// The header of a claim; `start` is unique to the start of a service.
    pub fn claim(chain: Chain, epoch: u64, start: u64) -> LogHeader {
        LogHeader {
            id: format!("{chain}.{epoch}.claim-{start:016x}").into(),
            kind: MessageKind::Claim,
            epoch,
            follows: None,
            part: Part::WHOLE,
        }
    }
}
