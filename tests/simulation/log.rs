//! Commits that go to a commit log in the broker, which the store follows: messages and answers get lost, arrive again
//! or late, others claim too late, the log is trimmed, and the store has on its disk what it had flushed.

use jumeau::log::{
    AppendVerdict, ChainReader, ChainWriter, LogHeader, MemoryLog, MessageKind, Part, encode,
};
use jumeau::tables::{Batch, Chain, Read};
use rand::RngExt;

use super::world::{PARTITIONS, World};

/// The commit log, and what the process knows of it.
#[derive(Default)]
pub(crate) struct Log {
    stream: MemoryLog,
    /// The number of the last claim.
    starts: u64,
    chains: Vec<ChainState>,
    /// What processes that crashed had sent, which may arrive at any time.
    late: Vec<(Chain, LogHeader, Vec<u8>)>,
}

struct ChainState {
    writer: ChainWriter,
    in_flight: Option<Record>,
}

/// A record that is being appended.
struct Record {
    tickets: Vec<u64>,
    batch: Batch,
    /// What is not confirmed, the next part last.
    parts: Vec<Vec<u8>>,
    of: u32,
}

impl Record {
    fn part(&self) -> Option<(Part, &[u8])> {
        let left = u32::try_from(self.parts.len()).unwrap();
        Some((Part { number: self.of - left + 1, of: self.of }, self.parts.last()?))
    }
}

impl Log {
    pub(crate) fn is_settled(&self) -> bool {
        self.chains.iter().all(|chain| chain.in_flight.is_none())
    }

    /// What was sent and not confirmed may arrive later, and belongs to nobody.
    pub(crate) fn crash(&mut self) {
        for chain in self.chains.drain(..) {
            if let Some(record) = &chain.in_flight
                && let Some((part, payload)) = record.part()
            {
                let header = chain.writer.header(MessageKind::Commit, part);
                self.late.push((chain.writer.chain(), header, payload.to_vec()));
            }
        }
    }
}

impl World {
    /// Claims every chain, and applies what the store lacks.
    pub(crate) fn follow_log(&mut self) {
        let Some(log) = &mut self.log else { return };
        for partition in 0..PARTITIONS {
            let chain = Chain::Partition(partition);
            let position = self.memory.log_position(chain).unwrap();
            let mut reader = ChainReader::new(chain, position);
            // Everything is read before: the last message may be a claim that does not count, and hides the epoch.
            let mut batches = Vec::new();
            let mut read = |stream: &MemoryLog, reader: &mut ChainReader| match stream.read(
                chain,
                reader,
                u64::MAX,
            ) {
                Ok(read) => batches.extend(read),
                Err(error) => self.found.push(error.to_string()),
            };
            read(&log.stream, &mut reader);
            log.starts += 1;
            let claim = LogHeader::claim(chain, reader.position().epoch + 1, log.starts);
            log.stream.append(chain, &claim, &[]).expect("a claim follows anything");
            read(&log.stream, &mut reader);
            if reader.claim() != Some(&*claim.id) {
                self.found.push(format!("the claim {claim:?} does not count"));
            }
            self.seen.applied_again += batches.len() as u64;
            let mut applied = Batch::new();
            batches.iter().for_each(|batch| applied.append(batch));
            applied.set_log_position(chain, reader.position());
            self.memory.write(&[applied]).unwrap();
            let writer = ChainWriter::new(chain, reader.position());
            log.chains.push(ChainState { writer, in_flight: None });
        }
    }

    /// The chain of a partition goes on: a record begins, or its next message is sent.
    pub(crate) fn append(&mut self, at: usize, with_faults: bool) {
        let (Some(running), Some(log)) = (&mut self.running, &mut self.log) else { return };
        let rng = &mut self.rng;
        let chain = Chain::Partition(at as u16);
        if with_faults && rng.random_bool(0.02) {
            log.starts += 1;
            // Somebody who looked before the last start claims too late.
            let epoch = rng.random_range(0..=log.chains[at].writer.position().epoch);
            log.stream.append(chain, &LogHeader::claim(chain, epoch, log.starts), &[]);
        }
        if with_faults && rng.random_bool(0.2) && !log.late.is_empty() {
            let which = rng.random_range(0..log.late.len());
            let (chain, header, payload) = log.late.remove(which);
            let was_refused = log.stream.append(chain, &header, &payload).is_none();
            self.seen.refused_late += u64::from(was_refused);
        }
        let state = &mut log.chains[at];
        if state.in_flight.is_none() {
            let commits = &mut running[at].desk.commits;
            let count = rng.random_range(0..=commits.len());
            let mut batch = Batch::new();
            let mut tickets = Vec::new();
            for (ticket, later) in commits.drain(..count) {
                batch.append(&later);
                tickets.push(ticket);
            }
            // Seldom an empty one: a mark.
            if batch.is_empty() && !rng.random_bool(0.1) {
                return;
            }
            let record = encode(&batch);
            let size = record.len().div_ceil(rng.random_range(1..4));
            let parts: Vec<_> = record.chunks(size).rev().map(<[u8]>::to_vec).collect();
            let of = u32::try_from(parts.len()).unwrap();
            state.in_flight = Some(Record { tickets, batch, parts, of });
        }
        let Some(record) = &mut state.in_flight else { return };
        let Some((part, payload)) = record.part() else { return };
        let header = state.writer.header(MessageKind::Commit, part);
        let fate = if with_faults { rng.random_range(0..20) } else { 9 };
        // 0: it is lost, or the log is full.
        let answer = (fate > 0).then(|| log.stream.append(chain, &header, payload));
        let confirmed = match answer {
            // 1: the answer is lost, too.
            None | Some(_) if fate < 2 => None,
            Some(Some(sequence)) => Some(sequence),
            _ => {
                let tail = log.stream.tail(chain, state.writer.position().sequence);
                match state.writer.judge(&tail) {
                    AppendVerdict::IsThere(sequence) => Some(sequence),
                    AppendVerdict::SendAgain => None,
                    other => {
                        self.found.push(format!("{chain}: {other:?} in {tail:?}"));
                        None
                    }
                }
            }
        };
        let Some(sequence) = confirmed else { return };
        state.writer.confirmed(sequence);
        record.parts.pop();
        if record.parts.is_empty()
            && let Some(Record { tickets, mut batch, .. }) = state.in_flight.take()
        {
            batch.set_log_position(chain, state.writer.position());
            self.memory.write(&[batch]).unwrap();
            running[at].durable.extend(tickets);
        }
    }

    /// The store writes what it applied to its disk, and the log is trimmed below that.
    pub(crate) fn flush(&mut self) {
        let Some(log) = &mut self.log else { return };
        self.memory.sync().unwrap();
        if self.rng.random_bool(0.5) {
            let position =
                |partition| self.memory.log_position(Chain::Partition(partition)).unwrap().sequence;
            let applied = (0..PARTITIONS).map(position).min().unwrap_or(0);
            let before = log.stream.len();
            log.stream.trim(applied);
            self.seen.trimmed += (before - log.stream.len()) as u64;
        }
    }
}
