//! Every stored format that was ever written can still be read.
//!
//! A fixture is one sealed record as hexadecimal digits, `tests/fixtures/<kind>-v<version>.hex`. It
//! is made once, when its format is first written, and never touched again.

// A folder of its own would be another test.
#[path = "formats/samples.rs"]
mod samples;

use std::time::Duration;

use jumeau::codec::{self, RecordKind};
use jumeau::event::{
    AnalysedWords, Analysis, Broadcast, Campaign, Channel, Customer, ErasureId, EventType, Output,
    SharedFact, Time, Value,
};
use jumeau::log;
use jumeau::models::{ArmResult, Exposure, HORIZON, Learner, Lesson, LevelWeights, Snapshot};
use jumeau::past::ModelMark;
use jumeau::policy::Version;
use jumeau::tables::{
    Batch, ErasureProgress, ErasureStage, IndexKey, Pseudonym, Removed, Scan, Table, Tombstone,
};
use jumeau::twin::{
    Answered, Asked, AwaitedGoal, Block, CandidateVerdict, Decision, EntryKind, Fired, Journalled,
    Measurement, Record, Stage as Passed, StageCounts, Trial, Twin, Woken,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use samples::{ada, at, candidate, decision, exposure, full};

macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!("fixtures/", $name, ".hex"))
    };
}

fn open<T: DeserializeOwned>(kind: RecordKind, fixture: &str) -> T {
    codec::decode(kind, &hex::decode(fixture.trim()).unwrap()).unwrap()
}

/// What is written now is the newest fixture, byte for byte: a changed type is a new format.
fn assert_written_as<T: Serialize>(kind: RecordKind, record: &T, fixture: &str) {
    let mut bytes = Vec::new();
    codec::encode(kind, record, &mut bytes).unwrap();
    assert_eq!(hex::encode(bytes), fixture.trim(), "the stored format of {kind} has changed");
}

#[test]
fn a_number_of_format_1_can_be_read() {
    let fixture = fixture!("number-v1");
    assert_written_as(RecordKind::Number, &1_700_000_000_123u64, fixture);
    assert_eq!(open::<u64>(RecordKind::Number, fixture), 1_700_000_000_123);
}

#[test]
fn a_commit_of_format_1_can_be_read() {
    let mut batch = Batch::new();
    batch.put_twin(7, &ada(), b"state state state state state state");
    batch.put_input(7, &ada(), at(5), 1, b"input");
    batch.delete_output(7, 3);
    batch.delete_past(7, &ada());
    batch.set_cursor(7, 9);
    // How well it is compressed is not part of the format.
    let fixture = hex::decode(fixture!("commit-v1").trim()).unwrap();
    assert_eq!(log::decode(&fixture).unwrap(), batch);
    assert_eq!(log::decode(&log::encode(&batch)).unwrap(), batch);
}

#[test]
fn a_table_has_the_same_number_in_every_commit() {
    let numbers: Vec<_> = Table::ALL.iter().map(|table| (*table as u8, table.name())).collect();
    let expected = [
        (0, "twins"),
        (1, "timeline"),
        (2, "timers"),
        (3, "outbox"),
        (4, "journal"),
        (5, "broadcasts"),
        (6, "sweeps"),
        (7, "index"),
        (8, "decisions"),
        (9, "observations"),
        (10, "learned"),
        (11, "lessons"),
        (12, "marks"),
        (13, "results"),
        (14, "tombstones"),
        (15, "erasures"),
        (16, "waiting"),
        (17, "meta"),
    ];
    assert_eq!(numbers, expected, "a further table comes last");
}

#[test]
fn a_timer_of_format_1_can_be_read() {
    let fixture = fixture!("timer-v1");
    assert_written_as(RecordKind::Timer, &(), fixture);
    open::<()>(RecordKind::Timer, fixture);
}

#[test]
fn an_output_of_format_1_can_be_read() {
    let fixture = fixture!("output-v1");
    let output = Output {
        id: "3-17".into(),
        subject: "jumeau.actions.app.open-card.ada".into(),
        headers: [("content-type".into(), "application/json".into())].into(),
        payload: br#"{"say":"caf\u00e9"}"#.as_slice().into(),
    };
    assert_written_as(RecordKind::Output, &output, fixture);
    assert_eq!(open::<Output>(RecordKind::Output, fixture), output);
}

#[test]
fn a_journalled_timer_of_format_1_can_be_read() {
    let fixture = fixture!("input-v1");
    let fired = Fired { name: "form".into(), due: at(7), late: Duration::from_millis(1_500) };
    let fired = Journalled::Timer { fired, after: 300 };
    assert_written_as(RecordKind::Input, &fired, fixture);
    assert_eq!(open::<Journalled>(RecordKind::Input, fixture), fired);
}

#[test]
fn a_journalled_broadcast_of_format_1_can_be_read() {
    let fixture = fixture!("input-of-a-broadcast-v1");
    let woken = Woken { id: u64::MAX, scope: "fires".into() };
    let woken = Journalled::Broadcast { woken, after: 300 };
    assert_written_as(RecordKind::Input, &woken, fixture);
    assert_eq!(open::<Journalled>(RecordKind::Input, fixture), woken);
}

#[test]
fn a_journalled_answer_of_an_analyser_of_format_1_can_be_read() {
    let fixture = fixture!("input-of-an-analyser-v1");
    let words = vec![AnalysedWords { text: "special".into(), weight: -0.5 }];
    let analysis = Analysis {
        valence: -0.875,
        confidence: 1.0,
        urgency: 0.25,
        language: Some("en".into()),
        words,
    };
    let journalled = Journalled::Analysis { event: 7, analysis };
    assert_written_as(RecordKind::Input, &journalled, fixture);
    assert_eq!(open::<Journalled>(RecordKind::Input, fixture), journalled);
}

#[test]
fn a_broadcast_of_format_1_can_be_read() {
    let fixture = fixture!("broadcast-v1");
    let told = Broadcast {
        scope: "fires".into(),
        id: "b-1".into(),
        fingerprint: u64::MAX,
        time: Some(at(3)),
        fact: SharedFact {
            value: Some(Value::from("level 3")),
            condition: Some("profile.region == 'NSW'".into()),
            ttl: Some(60),
            wake: true,
            ended: false,
            decide: Some(Campaign { rate: Some(200), ..Campaign::default() }),
        },
    };
    assert_written_as(RecordKind::Broadcast, &(&told, at(4)), fixture);
    assert_eq!(open::<(Broadcast, Time)>(RecordKind::Broadcast, fixture), (told, at(4)));
}

#[test]
fn a_sweep_of_format_1_can_be_read() {
    let fixture = fixture!("sweep-v1");
    let scan = Scan {
        of: 7,
        along: vec![IndexKey { path: 1, value: u64::MAX }],
        passed: 0,
        after: Some(ada()),
        visited: 300,
        touched: 2,
        is_done: false,
        said: 3,
        silent: StageCounts::of([0, 0, 0, 0, 5, 0, 0, 0]),
    };
    assert_written_as(RecordKind::Scan, &scan, fixture);
    assert_eq!(open::<Scan>(RecordKind::Scan, fixture), scan);
}

#[test]
fn an_observation_of_format_1_can_be_read() {
    let fixture = fixture!("observation-v1");
    assert_written_as(RecordKind::Observation, &(exposure(), true, ada()), fixture);
    let found = open::<(Exposure, bool, Customer)>(RecordKind::Observation, fixture);
    assert_eq!(found, (exposure(), true, ada()));
}

#[test]
fn weights_of_format_1_continue_at_every_scale() {
    let weights: LevelWeights = open(RecordKind::Weights, fixture!("weights-v1"));
    let arm = exposure().arm;
    let model = Snapshot::restore(1, [(arm.action(), weights)]);
    assert_eq!(model.observations_of_action(&arm), 1.0);
    let belief =
        |model: &Snapshot| model.belief(&exposure().features, &arm, exposure().prior).propensity();
    assert!(belief(&model) > belief(&Snapshot::nothing()), "it was a response");
}

#[test]
fn weights_of_format_2_can_be_read() {
    let fixture = fixture!("weights-v2");
    let mut learner = Learner::from(Snapshot::nothing(), HORIZON);
    exposure().teach(&mut learner, true);
    let (_, weights) = learner.changed().remove(0);
    assert_written_as(RecordKind::Weights, &*weights, fixture);
    assert_eq!(open::<LevelWeights>(RecordKind::Weights, fixture), *weights);
}

#[test]
fn a_lesson_with_weights_of_one_scale_teaches_what_the_weights_themselves_do() {
    let fixture = fixture!("lesson-of-a-level-v1");
    let lesson: Lesson = open(RecordKind::Lesson, fixture);
    assert_written_as(RecordKind::Lesson, &lesson, fixture);
    let Lesson::LevelOfOneScale { weights, .. } = lesson else { panic!("{lesson:?}") };
    assert_eq!(
        LevelWeights::from(weights),
        open::<LevelWeights>(RecordKind::Weights, fixture!("weights-v1"))
    );
}

#[test]
fn a_lesson_with_weights_can_be_read() {
    let fixture = fixture!("lesson-of-scales-v1");
    let lesson: Lesson = open(RecordKind::Lesson, fixture);
    assert_written_as(RecordKind::Lesson, &lesson, fixture);
    let Lesson::Level { weights, .. } = lesson else { panic!("{lesson:?}") };
    assert_eq!(weights, open::<LevelWeights>(RecordKind::Weights, fixture!("weights-v2")));
}

#[test]
fn a_lesson_of_format_1_can_be_read() {
    let fixture = fixture!("lesson-v1");
    let lesson = Lesson::Answers(vec![(exposure(), true), (exposure(), false)]);
    assert_written_as(RecordKind::Lesson, &lesson, fixture);
    assert_eq!(open::<Lesson>(RecordKind::Lesson, fixture), lesson);
}

#[test]
fn a_mark_of_format_1_can_be_read() {
    let fixture = fixture!("mark-v1");
    let mark = ModelMark { version: 7, after: 1_000, input: 12, at: at(4) };
    assert_written_as(RecordKind::Mark, &mark, fixture);
    assert_eq!(open::<ModelMark>(RecordKind::Mark, fixture), mark);
}

#[test]
fn a_result_of_an_experiment_of_format_1_can_be_read() {
    let fixture = fixture!("result-v1");
    let result = ArmResult { entered: 400, reached: 31, value: 620.5, squares: 12_420.25 };
    assert_written_as(RecordKind::Result, &result, fixture);
    assert_eq!(open::<ArmResult>(RecordKind::Result, fixture), result);
}

/// Of formats 1 and 2 nobody knows the place in the stream.
fn a_tombstone(is_lifted: bool, earlier: &[u128], sequence: u64) -> Tombstone {
    let earlier = earlier.iter().copied().map(ErasureId).collect();
    Tombstone { id: ErasureId(7), at: at(1), until: at(2), is_lifted, earlier, sequence }
}

#[test]
fn a_tombstone_of_format_1_can_be_read() {
    let tombstone = open::<Tombstone>(RecordKind::Tombstone, fixture!("tombstone-v1"));
    assert_eq!(tombstone, a_tombstone(false, &[], 0));
}

#[test]
fn a_tombstone_of_format_2_can_be_read() {
    let tombstone = open::<Tombstone>(RecordKind::Tombstone, fixture!("tombstone-v2"));
    assert_eq!(tombstone, a_tombstone(true, &[5, 6], 0));
}

#[test]
fn a_tombstone_of_format_3_can_be_read() {
    let fixture = fixture!("tombstone-v3");
    let tombstone = a_tombstone(true, &[5, 6], 300);
    assert_written_as(RecordKind::Tombstone, &tombstone, fixture);
    assert_eq!(open::<Tombstone>(RecordKind::Tombstone, fixture), tombstone);
}

#[test]
fn an_erasure_of_format_1_can_be_read() {
    let fixture = fixture!("erasure-v1");
    let erasing = ErasureProgress {
        customer: Some(ada()),
        mark: Pseudonym([8; 16]),
        at: at(1),
        until: at(2),
        sequence: 300,
        also: vec![Pseudonym([9; 16])],
        removed: vec![Removed {
            place: "store".into(),
            what: "decisions".into(),
            count: 3,
            at: at(1),
        }],
        stage: ErasureStage::Done(at(3)),
    };
    assert_written_as(RecordKind::Erasure, &Some(&erasing), fixture);
    assert_eq!(open::<Option<ErasureProgress>>(RecordKind::Erasure, fixture), Some(erasing));
}

#[test]
fn a_row_of_an_index_of_format_1_can_be_read() {
    let fixture = fixture!("index-v1");
    assert_written_as(RecordKind::Index, &(), fixture);
    open::<()>(RecordKind::Index, fixture);
}

#[test]
fn a_journalled_request_of_format_1_can_be_read() {
    let fixture = fixture!("input-of-a-request-v1");
    let asked = Journalled::Ask(Box::new(Asked {
        after: 300,
        channel: Channel::new("web").unwrap(),
        id: "r-1".into(),
        fingerprint: u64::MAX,
        traceparent: None,
        ask: serde_json::from_value(json!({ "placements": ["hero"], "context": { "a": 1 } }))
            .unwrap(),
        answered: vec![Answered {
            decision: "d1".into(),
            action: "shoes".into(),
            treatment: "plain".into(),
        }],
    }));
    assert_written_as(RecordKind::Input, &asked, fixture);
    assert_eq!(open::<Journalled>(RecordKind::Input, fixture), asked);
}

#[test]
fn a_decision_of_format_1_can_be_read() {
    let opened = open::<Decision>(RecordKind::Decision, fixture!("decision-v1"));
    assert_eq!(opened, without_uplift(decision()));
}

/// A decision as it was before scores had an uplift.
fn without_uplift(mut decision: Decision) -> Decision {
    for candidate in &mut decision.candidates {
        candidate.score /= candidate.weights.uplift;
        candidate.weights.uplift = 1.0;
    }
    decision
}

#[test]
fn a_decision_of_format_2_can_be_read() {
    let fixture = fixture!("decision-v2");
    let unmoved = CandidateVerdict::NoUplift {
        experiment: "worth".into(),
        with: 0.25,
        without: 0.5,
        least: 0.0,
    };
    let mut decision = decision();
    decision.candidates.push(candidate(Passed::Arbitration, unmoved));
    assert_written_as(RecordKind::Decision, &decision, fixture);
    assert_eq!(open::<Decision>(RecordKind::Decision, fixture), decision);
}

/// A verdict that came later, and a whole number that only an unsigned one holds.
#[test]
fn a_decision_about_a_zone_of_format_1_can_be_read() {
    let unknown = CandidateVerdict::ZoneUnknown { zone: "Mars/Phobos".into() };
    let mut candidate = candidate(Passed::Contact, unknown);
    candidate.read = vec![("profile.serial".into(), Value::UInt(u64::MAX))];
    let decision = Decision { candidates: vec![candidate], chosen: Vec::new(), ..decision() };
    let opened = open::<Decision>(RecordKind::Decision, fixture!("decision-of-a-zone-v1"));
    assert_eq!(opened, without_uplift(decision));
}

/// A row of decisions is a decision, sealed, compressed, and sealed once more.
#[test]
fn a_row_of_decisions_of_format_1_can_be_read() {
    let packed: Vec<u8> = open(RecordKind::Decision, fixture!("decision-row-v1"));
    let sealed = lz4_flex::block::decompress_size_prepended(&packed).unwrap();
    assert_eq!(hex::encode(sealed), fixture!("decision-v1").trim());
}

#[test]
fn a_twin_of_format_1_can_be_read() {
    let record: Record<'_> = open(RecordKind::Twin, fixture!("twin-v1"));
    let twin = Twin { grave: Vec::new(), ..full() };
    assert_eq!(Twin::from_record(ada(), record, &[]), twin);
}

#[test]
fn a_twin_of_format_2_can_be_read() {
    let record: Record<'_> = open(RecordKind::Twin, fixture!("twin-v2"));
    assert_eq!(Twin::from_record(ada(), record, &[]), full());
}

/// Each of its memories has one, too.
#[test]
fn a_twin_in_an_experiment_of_format_2_can_be_read() {
    let record: Record<'_> = open(RecordKind::Twin, fixture!("twin-in-an-experiment-v2"));
    assert_eq!(Twin::from_record(ada(), record, &[]), in_an_experiment(Measurement::Over));
}

#[test]
fn a_twin_of_format_3_can_be_read() {
    let fixture = fixture!("twin-v3");
    let goal = AwaitedGoal {
        decision: "d1".into(),
        arm: "usual".into(),
        action: "open-card".into(),
        policy: Version("abc123".into()),
        since: at(6),
        is_reached: true,
        exposure: exposure(),
    };
    let twin = in_an_experiment(Measurement::Awaiting(Box::new(goal)));
    assert_written_as(RecordKind::Twin, &twin.record(), fixture);
    let record: Record<'_> = open(RecordKind::Twin, fixture);
    assert_eq!(Twin::from_record(ada(), record, &[]), twin);
}

/// A twin that takes part in an experiment, as do the memories of its identifiers.
fn in_an_experiment(measurement: Measurement) -> Twin {
    let mut twin = full();
    let (experiment, arm) = ("worth".into(), "usual".into());
    let trial = Trial { experiment, arm, since: at(5), reached: true, value: 1234.5, measurement };
    for memory in twin.identifiers.iter_mut().flat_map(|one| [&mut one.brought, &mut one.beneath]) {
        memory.trials.push(trial.clone());
    }
    twin.trials.push(trial);
    twin
}

#[test]
fn a_block_of_a_timeline_of_format_1_can_be_read() {
    let block: Block<'_> = open(RecordKind::Block, fixture!("block-v1"));
    assert_written_as(RecordKind::Block, &block, fixture!("block-v1"));
    let record: Record<'_> = open(RecordKind::Twin, fixture!("twin-of-five-inputs-v1"));
    let twin = Twin::from_record(ada(), record, &[block]);
    let entries: Vec<_> = twin.timeline.iter().collect();
    assert_eq!(entries.iter().map(|entry| entry.number).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    assert_eq!((entries[4].at, entries[4].fingerprint), (at(4), 4));
    assert_eq!(entries[0].what, EntryKind::Event(EventType::Track));
    assert_eq!((entries[0].channel, entries[0].text), ("web", "Flight Booked to=LIS"));
}
