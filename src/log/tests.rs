//! Several services on one chain, in a model of the broker: what they confirm is what is read, once and in order.

use proptest::prelude::*;

use super::*;
use crate::tables::{Batch, Chain, LogPosition};

const CHAIN: Chain = Chain::Partition(7);

/// Appends a message, with some of other chains before it.
fn append_among_others(stream: &mut MemoryLog, header: &LogHeader, payload: &[u8]) -> Option<u64> {
    stream.skip(stream.len() as u64 % 3);
    stream.append(CHAIN, header, payload)
}

/// Reads everything behind a position, up to a sequence.
fn read(
    stream: &MemoryLog,
    from: LogPosition,
    upto: u64,
) -> Result<(Vec<Batch>, ChainReader), ChainError> {
    let mut reader = ChainReader::new(CHAIN, from);
    let batches = stream.read(CHAIN, &mut reader, upto)?;
    Ok((batches, reader))
}

/// A service: it has claimed the chain or not, and has at most one record in flight.
#[derive(Debug, Default)]
struct Service {
    /// The epoch at the end of the chain when it last looked.
    seen: u64,
    /// The number of its start.
    start: u64,
    writer: Option<ChainWriter>,
    /// The parts of the record in flight that are not confirmed, and the number of all.
    parts: Vec<Vec<u8>>,
    of: u32,
    record: Option<Batch>,
}

/// What happens to a message and its answer.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Arrives,
    AnswerLost,
    Lost,
}

#[derive(Debug, Clone)]
enum Step {
    /// A service looks at the end of the chain, in order to claim it.
    Look(usize),
    /// It appends a claim.
    Claim(usize),
    /// It has something to commit, in this many parts.
    Begin(usize, u32),
    /// It sends what is in flight.
    Send(usize, Fate),
    /// It crashes.
    Crash(usize),
}

const SERVICES: usize = 3;

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let who = 0..SERVICES;
    let fate = prop_oneof![
        6 => Just(Fate::Arrives),
        2 => Just(Fate::AnswerLost),
        1 => Just(Fate::Lost),
    ];
    let step = prop_oneof![
        2 => who.clone().prop_map(Step::Look),
        2 => who.clone().prop_map(Step::Claim),
        6 => (who.clone(), 1..4u32).prop_map(|(who, of)| Step::Begin(who, of)),
        12 => (who.clone(), fate).prop_map(|(who, fate)| Step::Send(who, fate)),
        1 => who.prop_map(Step::Crash),
    ];
    prop::collection::vec(step, 0..200)
}

fn record(number: u64) -> Batch {
    let mut batch = Batch::new();
    batch.set_cursor(7, number);
    batch
}

/// The model with its services, and the records that they hold to be committed.
#[derive(Debug, Default)]
struct Model {
    stream: MemoryLog,
    services: [Service; SERVICES],
    /// With the number of the start that holds it to be so.
    committed: Vec<(u64, Batch)>,
    records: u64,
    starts: u64,
}

impl Model {
    fn step(&mut self, step: Step) {
        match step {
            Step::Look(who) => {
                self.services[who].seen = self.stream.end(CHAIN).map_or(0, |end| end.header.epoch);
            }
            Step::Claim(who) => self.claim(who),
            Step::Begin(who, of) => self.begin(who, of),
            Step::Send(who, fate) => self.send(who, fate),
            Step::Crash(who) => self.services[who] = Service::default(),
        }
    }

    fn claim(&mut self, who: usize) {
        self.starts += 1;
        let epoch = self.services[who].seen + 1;
        let header = LogHeader::claim(CHAIN, epoch, self.starts);
        let sequence =
            append_among_others(&mut self.stream, &header, &[]).expect("a claim follows anything");
        let read = read(&self.stream, LogPosition::default(), sequence);
        let (_, reader) = read.expect("the chain is sound");
        // It serves only if its claim is the one that counts.
        let counts = reader.claim() == Some(&*header.id);
        let claim = LogPosition { sequence, epoch };
        self.services[who] = Service {
            start: self.starts,
            writer: counts.then(|| ChainWriter::new(CHAIN, claim)),
            ..Service::default()
        };
    }

    fn begin(&mut self, who: usize, of: u32) {
        let service = &mut self.services[who];
        if service.writer.is_none() || service.record.is_some() {
            return;
        }
        self.records += 1;
        let batch = record(self.records);
        let encoded = encode(&batch);
        let size = encoded.len().div_ceil(of as usize);
        service.parts = encoded.chunks(size).rev().map(<[u8]>::to_vec).collect();
        service.of = u32::try_from(service.parts.len()).unwrap();
        service.record = Some(batch);
    }

    fn send(&mut self, who: usize, fate: Fate) {
        let service = &mut self.services[who];
        let (Some(writer), Some(payload)) = (&mut service.writer, service.parts.last()) else {
            return;
        };
        let number = service.of - u32::try_from(service.parts.len()).unwrap() + 1;
        let part = Part { number, of: service.of };
        let header = writer.header(MessageKind::Commit, part);
        let answer = match fate {
            Fate::Lost => return,
            Fate::Arrives => append_among_others(&mut self.stream, &header, payload),
            Fate::AnswerLost => {
                append_among_others(&mut self.stream, &header, payload);
                return;
            }
        };
        let confirmed = match answer {
            Some(sequence) => sequence,
            None => match writer.judge(&self.stream.tail(CHAIN, writer.position().sequence)) {
                AppendVerdict::IsThere(sequence) => sequence,
                AppendVerdict::SendAgain => return,
                AppendVerdict::Superseded(_) => {
                    self.services[who] = Service::default();
                    return;
                }
                AppendVerdict::Broken => panic!("nothing was deleted"),
            },
        };
        writer.confirmed(confirmed);
        service.parts.pop();
        if service.parts.is_empty() {
            let start = service.start;
            self.committed.extend(service.record.take().map(|batch| (start, batch)));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn what_services_hold_to_be_committed_is_read_once_and_in_their_order(steps in steps()) {
        let mut model = Model::default();
        for step in steps {
            model.step(step);
        }
        let (read, _) = read(&model.stream, LogPosition::default(), u64::MAX).unwrap();
        for (number, batch) in read.iter().enumerate() {
            prop_assert!(!read[..number].contains(batch), "{batch:?} is twice in {read:?}");
        }
        // One that served before may be told late that its last record is there.
        let place = |batch: &Batch| read.iter().position(|read| read == batch);
        for (start, batch) in &model.committed {
            prop_assert!(place(batch).is_some(), "{batch:?} is not in {read:?}");
            let own = model.committed.iter().filter(|(other, _)| other == start);
            prop_assert!(own.map(|(_, batch)| place(batch)).is_sorted());
        }
        // Those whose confirmation was lost may be there, too.
        let unconfirmed = read.len() - model.committed.len();
        prop_assert!(unconfirmed as u64 <= model.starts, "one a start: {unconfirmed}");
    }

    #[test]
    fn a_chain_that_is_read_in_two_goes_is_read_as_in_one(
        steps in steps(),
        at in any::<prop::sample::Index>(),
    ) {
        let mut model = Model::default();
        for step in steps {
            model.step(step);
        }
        let (all, end) = read(&model.stream, LogPosition::default(), u64::MAX).unwrap();
        let middle = at.index(model.stream.messages.len() + 1);
        let upto = model.stream.messages.get(middle).map_or(u64::MAX, |held| held.sequence);
        let (mut two, reader) = read(&model.stream, LogPosition::default(), upto).unwrap();
        let (later, last) = read(&model.stream, reader.position(), u64::MAX).unwrap();
        two.extend(later);
        prop_assert_eq!(two, all);
        prop_assert_eq!(last.position(), end.position());
    }
}

fn claimed() -> (MemoryLog, ChainWriter) {
    let mut stream = MemoryLog::new();
    let sequence = stream.append(CHAIN, &LogHeader::claim(CHAIN, 1, 1), &[]).unwrap();
    (stream, ChainWriter::new(CHAIN, LogPosition { sequence, epoch: 1 }))
}

fn append(stream: &mut MemoryLog, writer: &mut ChainWriter, number: u64) {
    let header = writer.header(MessageKind::Commit, Part::WHOLE);
    let sequence = stream.append(CHAIN, &header, &encode(&record(number))).unwrap();
    writer.confirmed(sequence);
}

#[test]
fn a_chain_with_a_deleted_message_is_not_read_beyond_it() {
    let (mut stream, mut writer) = claimed();
    (1..=3).for_each(|number| append(&mut stream, &mut writer, number));
    let missing = stream.messages.remove(2).sequence;
    let error = read(&stream, LogPosition::default(), u64::MAX).unwrap_err();
    assert!(matches!(error, ChainError::Gap { found, .. } if found == missing), "{error}");
}

#[test]
fn a_chain_that_lost_its_end_or_everything_is_not_written_further() {
    let (mut stream, mut writer) = claimed();
    (1..=3).for_each(|number| append(&mut stream, &mut writer, number));
    stream.messages.pop();
    let tail = stream.tail(CHAIN, writer.position().sequence);
    assert_eq!(writer.judge(&tail), AppendVerdict::Broken);
    assert_eq!(writer.judge(&stream.tail(CHAIN, 0)), AppendVerdict::Broken);
}

#[test]
fn who_served_before_learns_who_serves_now() {
    let (mut stream, mut before) = claimed();
    append(&mut stream, &mut before, 1);
    stream.append(CHAIN, &LogHeader::claim(CHAIN, 2, 2), &[]).unwrap();
    let header = before.header(MessageKind::Commit, Part::WHOLE);
    assert_eq!(stream.append(CHAIN, &header, &encode(&record(2))), None);
    let tail = stream.tail(CHAIN, before.position().sequence);
    assert_eq!(before.judge(&tail), AppendVerdict::Superseded(2));
    // Somebody who looked before the second claim comes too late. His claim hides it, but does not undo it.
    stream.append(CHAIN, &LogHeader::claim(CHAIN, 2, 3), &[]).unwrap();
    stream.append(CHAIN, &LogHeader::claim(CHAIN, 1, 4), &[]).unwrap();
    let tail = stream.tail(CHAIN, before.position().sequence);
    assert_eq!(before.judge(&tail), AppendVerdict::Superseded(2));
    let (_, reader) = read(&stream, LogPosition::default(), u64::MAX).unwrap();
    assert_eq!(reader.claim(), Some(&*LogHeader::claim(CHAIN, 2, 2).id));
}

#[test]
fn a_filler_moves_the_position_and_changes_nothing() {
    let (mut stream, mut writer) = claimed();
    append(&mut stream, &mut writer, 1);
    let header = writer.header(MessageKind::Filler, Part::WHOLE);
    let sequence = stream.append(CHAIN, &header, &[0; 100]).unwrap();
    writer.confirmed(sequence);
    let (read, reader) = read(&stream, LogPosition::default(), u64::MAX).unwrap();
    assert_eq!(read, [record(1)]);
    assert_eq!(reader.position(), writer.position());
}
