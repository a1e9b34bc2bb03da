//! Every stored format that was ever written can still be read.
//!
//! A fixture is one sealed record as hexadecimal digits, `tests/fixtures/<kind>-v<version>.hex`. It
//! is made once, when its format is first written, and never touched again.

use std::time::Duration;

use jumeau::codec::{self, RecordKind};
use jumeau::event::{
    AnalysedWords, Analysis, Broadcast, Campaign, Channel, Customer, ErasureId, EventType,
    InteractionState, Map, OutcomeKind, Output, Sensitivity, SharedFact, Speaker, Time, Value,
};
use jumeau::models::{
    Arm, ArmParts, ArmResult, Exposure, Features, HORIZON, Learner, Lesson, LevelWeights, Prior,
    Snapshot,
};
use jumeau::past::ModelMark;
use jumeau::policy::{AggregateFunction, CatchUp, Issue, Purposes, Version};
use jumeau::tables::{
    ErasureProgress, ErasureStage, IndexKey, Pseudonym, Removed, Scan, Tombstone,
};
use jumeau::twin::{
    Action, ActionReason, Activity, AggregateState, Alternative, Answered, ArmAssignment, Asked,
    Block, Candidate, CandidateVerdict, Case, Choice, Consent, Contact, ContactOutcome, Counted,
    Counter, DatedValue, Decision, Declared, Derived, EntryKind, EscalationRecord, EscalationState,
    Fired, Forgotten, Guard, Identifier, Interaction, Journalled, Meeting, Memory, Need,
    OwnershipRecord, Pause, PausedBy, Preference, Presentation, Problem, Profile, Record, Remark,
    ScoreFactors, Signal, Stage as Passed, Timer, TranscriptLine, Twin, UnlinkRecord, Window,
    Woken,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

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
    let sweep = Scan {
        of: 7,
        along: vec![IndexKey { path: 1, value: u64::MAX }],
        passed: 0,
        after: Some(ada()),
        looked_at: 300,
        touched: 2,
        is_done: false,
        said: 3,
        silent: [0, 0, 0, 0, 5, 0, 0, 0],
    };
    assert_written_as(RecordKind::Sweep, &sweep, fixture);
    assert_eq!(open::<Scan>(RecordKind::Sweep, fixture), sweep);
}

/// What a choice went by, with every kind of feature.
fn exposure() -> Exposure {
    let mut features = Features::new();
    features.number("balance", -1_200.0);
    features.share("level", 0.3);
    features.text("channel", "app");
    features.flag("gold", true);
    features.absent("age");
    let part = |treatment, tone| ArmParts {
        action: "open-card",
        treatment,
        issue: "sales",
        channel: "app",
        tone,
    };
    Exposure {
        features,
        arm: Arm::new(part("card", "gentle")),
        prior: Prior::new(0.03, 10.0),
        propensity: 0.04,
        chance: 0.25,
        model: 7,
    }
}

#[test]
fn an_observation_of_format_1_can_be_read() {
    let fixture = fixture!("observation-v1");
    assert_written_as(RecordKind::Observation, &(exposure(), true, ada()), fixture);
    let found = open::<(Exposure, bool, Customer)>(RecordKind::Observation, fixture);
    assert_eq!(found, (exposure(), true, ada()));
}

#[test]
fn weights_of_format_1_can_be_read() {
    let fixture = fixture!("weights-v1");
    let mut learner = Learner::from(Snapshot::nothing(), HORIZON);
    exposure().teach(&mut learner, true);
    let (_, weights) = learner.changed().remove(0);
    assert_written_as(RecordKind::Weights, &*weights, fixture);
    assert_eq!(open::<LevelWeights>(RecordKind::Weights, fixture), *weights);
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

/// A candidate that ended in this way.
fn candidate(stage: Passed, verdict: CandidateVerdict) -> Candidate {
    let weights = ScoreFactors {
        propensity: 0.5,
        drawn: 0.25,
        chance: 0.75,
        context: 2.0,
        value: 0.5,
        lever: 1.5,
    };
    Candidate {
        action: "open-card".into(),
        treatment: (stage == Passed::Treatment).then(|| "card".into()),
        need: Some("help".into()),
        place: "cards.toml:33".into(),
        stage,
        verdict,
        weights,
        score: weights.score(),
        read: vec![("profile.age".into(), Value::Int(17)), ("facts.trip".into(), Value::Null)],
    }
}

/// A candidate for each way in which one can end, and for each stage.
fn candidates() -> Vec<Candidate> {
    let text = || Box::<str>::from("profile.age >= 18");
    let ends = [
        CandidateVerdict::Chosen,
        CandidateVerdict::Outscored,
        CandidateVerdict::HeldByAgent,
        CandidateVerdict::NeedMet { need: "help".into() },
        CandidateVerdict::NotApplicable { when: text() },
        CandidateVerdict::NotEligible { eligible: text() },
        CandidateVerdict::NotSuitable { suitable: text() },
        CandidateVerdict::Distressed { by: "sentiment.level".into(), is: -0.75, limit: -0.5 },
        CandidateVerdict::MatterOpen { what: "case c-1".into() },
        CandidateVerdict::Unknown { when: text(), because: "no such fact".into() },
        CandidateVerdict::CoolingDown { until: at(9) },
        CandidateVerdict::LimitReached {
            most: 3,
            over_secs: 600,
            until: at(9),
            place: "bank.toml:12".into(),
        },
        CandidateVerdict::Paused { after: 3, until: at(9) },
        CandidateVerdict::WantedLater { until: at(9) },
        CandidateVerdict::QuietHours { until: at(9) },
        CandidateVerdict::OutOfReach { observations: 7 },
        CandidateVerdict::ControlGroup { experiment: "halves".into(), arm: "one".into() },
        CandidateVerdict::NoConsent { purpose: "marketing".into() },
        CandidateVerdict::NotGiven { purposes: "care".into() },
        CandidateVerdict::NoTreatment { because: "app: no text".into() },
    ];
    let stages = Passed::ALL.into_iter().cycle();
    ends.into_iter().zip(stages).map(|(verdict, stage)| candidate(stage, verdict)).collect()
}

/// A decision with a candidate of every kind.
fn decision() -> Decision {
    let chosen = Action {
        decision: "d1".into(),
        customer: ada(),
        action: "open-card".into(),
        issue: Issue::Retention,
        channel: "app".into(),
        treatment: "card".into(),
        tone: "gentle".into(),
        placement: Some("home".into()),
        variant: map(&[("image", "sea.jpg".into())]),
        language: "fr".into(),
        text: "caf\u{e9}".into(),
        data: map(&[("country", "PT".into())]),
        at: at(5),
        reason: ActionReason {
            need: Some("help".into()),
            strength: 0.75,
            because: "asked twice".into(),
            score: 0.375,
            policy: "bank".into(),
            version: Version("abc123".into()),
            instead_of: vec![Alternative {
                action: "wait".into(),
                need: None,
                score: 0.25,
                verdict: CandidateVerdict::Outscored,
            }],
            arms: vec![under()],
        },
        traceparent: None,
    };
    Decision {
        is_plain: true,
        id: "d1".into(),
        number: 300,
        at: at(5),
        by: "track:Flight Booked".into(),
        policy: Version("abc123".into()),
        model: 7,
        considered: 400,
        dropped: [1, 2, 3, 4, 5, 6, 7, 371],
        candidates: candidates(),
        chosen: vec![chosen.into()],
        arms: vec![under()],
    }
}

fn under() -> ArmAssignment {
    ArmAssignment { experiment: "halves".into(), arm: "one".into() }
}

#[test]
fn a_decision_of_format_1_can_be_read() {
    let fixture = fixture!("decision-v1");
    assert_written_as(RecordKind::Decision, &decision(), fixture);
    assert_eq!(open::<Decision>(RecordKind::Decision, fixture), decision());
}

/// A verdict that came later, and a whole number that only an unsigned one holds.
#[test]
fn a_decision_about_a_zone_of_format_1_can_be_read() {
    let unknown = CandidateVerdict::ZoneUnknown { zone: "Mars/Phobos".into() };
    let mut candidate = candidate(Passed::Contact, unknown);
    candidate.read = vec![("profile.serial".into(), Value::UInt(u64::MAX))];
    let decision = Decision { candidates: vec![candidate], chosen: Vec::new(), ..decision() };
    let fixture = fixture!("decision-of-a-zone-v1");
    assert_written_as(RecordKind::Decision, &decision, fixture);
    assert_eq!(open::<Decision>(RecordKind::Decision, fixture), decision);
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
    let fixture = fixture!("twin-v1");
    let twin = full();
    assert_written_as(RecordKind::Twin, &twin.record(), fixture);
    let record: Record<'_> = open(RecordKind::Twin, fixture);
    assert_eq!(Twin::from_record(ada(), record, &[]), twin);
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
    assert_written_as(RecordKind::Twin, &twin.record(), fixture!("twin-of-five-inputs-v1"));
}

fn ada() -> Customer {
    Customer::new("ada").unwrap()
}

fn at(minutes: i64) -> Time {
    Time::from_ms(1_760_000_000_000 + minutes * 60_000)
}

fn map(pairs: &[(&str, Value)]) -> Map {
    pairs.iter().map(|(name, value)| (Box::<str>::from(*name), value.clone())).collect()
}

fn course(level: f64, messages: u32) -> serde_json::Value {
    json!({"level": level, "fast": level, "slow": 0.0, "variance": 0.25, "messages": messages, "at": at(4)})
}

/// A twin with something of every kind in it, and every variant of each.
fn full() -> Twin {
    let web = Channel::new("web").unwrap();
    let values = map(&[
        ("null", Value::Null),
        ("bool", Value::Bool(true)),
        ("int", Value::Int(-44)),
        ("float", Value::Float(182.25)),
        ("text", "caf\u{e9}".into()),
        ("list", Value::List([Value::Int(1), "two".into()].into())),
        ("map", Value::Map(Box::new(map(&[("inner", Value::Bool(false))])))),
    ]);
    let line =
        |from| TranscriptLine { at: at(4), from, channel: web.clone(), text: "hello".into() };
    let interaction = |state| Interaction {
        id: "form-7".into(),
        kind: "loan-form".into(),
        state,
        step: Value::Int(3),
        data: map(&[("amount", Value::Int(12_000))]),
        channel: web.clone(),
        started: at(2),
        touched: at(5),
        stated: Some(at(4)),
        stepped: Some(at(2)),
        lines: [Speaker::Customer, Speaker::Agent, Speaker::Bot].map(line).into(),
        pause: Some(Pause { at: at(6), by: PausedBy::Leaving, offered: Some(at(7)) }),
        older: serde_json::from_value(json!([["amount", at(3)]])).unwrap(),
    };
    let contact = |outcome: Option<OutcomeKind>| Contact {
        decision: "00000000000000ff".into(),
        action: "open-card".into(),
        channel: "app".into(),
        at: at(6),
        outcome: outcome.map(|kind| ContactOutcome { kind, at: at(7) }),
        shown: outcome.is_none().then(|| {
            Box::new(Presentation {
                treatment: "card".into(),
                tone: "gentle".into(),
                language: "en".into(),
                policy: Version("abc123".into()),
                exposure: exposure(),
            })
        }),
    };
    let escalated = |state| EscalationRecord {
        id: "e-1".into(),
        queue: "billing".into(),
        purpose: "service".into(),
        topic: "invoice".into(),
        priority: 4,
        state,
        because: "the bot failed twice".into(),
        agent: Some("Bea".into()),
        desk: None,
        note: None,
        opened: at(8),
        touched: at(9),
        thread: Some("chat-1".into()),
        evidence: vec![Remark { at: at(8), by: None, text: "asks again".into() }],
        notes: vec![Remark { at: at(9), by: Some("Bea".into()), text: "refunded".into() }],
        since: at(8),
        due: Some(at(20)),
        level: 1,
        outcome: Some("refunded".into()),
        language: Some("en".into()),
    };
    let timer = |catch_up| Timer {
        name: "silence".into(),
        due: at(100),
        every: Some(Duration::from_secs(86_400)),
        catch_up,
    };
    let signal = |sensitivity| Signal {
        name: "place".into(),
        value: "Lisbon".into(),
        source: web.clone(),
        at: at(1),
        stale_at: Some(at(61)),
        sensitivity,
        purpose: (sensitivity == Sensitivity::Sensitive).then(|| "care".into()),
    };
    let preference = |declared| Preference {
        key: "seat".into(),
        declared,
        choices: vec![Choice {
            value: "aisle".into(),
            count: 3,
            at: at(5),
            evidence: vec![1, 2, 300],
            weight: 2.75,
            against: 0.5,
        }],
        half_life: Duration::from_secs(180 * 86_400),
        forgotten: Some(Forgotten { at: at(3), until: at(4) }),
    };
    let window = |keep: AggregateFunction| Window {
        name: keep.name().into(),
        keep,
        over: Duration::from_secs(86_400),
        entries: vec![Counted { at: at(3), count: 2, value: Value::Int(7) }],
    };
    Twin {
        linked_to: Some(Customer::new("bob").unwrap()),
        hand: Some(OwnershipRecord {
            linked: at(1),
            parted: Some(UnlinkRecord { at: at(2), from: vec![7, u16::MAX] }),
        }),
        seen: at(10),
        lived: Some(at(11)),
        profile: Profile {
            traits: values.clone(),
            consents: vec![Consent {
                purpose: "marketing".into(),
                channel: Some("mail".into()),
                granted: true,
                at: at(1),
                by: "web".into(),
                proof: Some("form 17".into()),
                until: Some(at(9)),
            }],
            preferences: vec![
                preference(None),
                preference(Some(Declared { value: "window".into(), at: at(2) })),
            ],
        },
        context: [Sensitivity::Public, Sensitivity::Personal, Sensitivity::Sensitive]
            .map(signal)
            .into(),
        facts: values,
        interactions: [
            InteractionState::Started,
            InteractionState::Progressed,
            InteractionState::Paused,
            InteractionState::Resumed,
            InteractionState::Completed,
            InteractionState::Abandoned,
        ]
        .map(interaction)
        .into(),
        cases: vec![Case {
            id: "c-1".into(),
            state: "open".into(),
            topic: Some("luggage".into()),
            opened: Some(at(0)),
            due: None,
            touched: at(1),
            older: serde_json::from_value(json!([["topic", at(0)]])).unwrap(),
        }],
        needs: vec![Need {
            name: "help".into(),
            strength: 0.75,
            evidence: "asked twice".into(),
            raised: at(1),
            until: at(90),
        }],
        contacts: [
            None,
            Some(OutcomeKind::Delivered),
            Some(OutcomeKind::Seen),
            Some(OutcomeKind::Clicked),
            Some(OutcomeKind::Accepted),
            Some(OutcomeKind::Rejected),
            Some(OutcomeKind::Dismissed),
            Some(OutcomeKind::Ignored),
        ]
        .map(contact)
        .into(),
        escalations: [
            EscalationState::Open,
            EscalationState::Claimed,
            EscalationState::HandedBack,
            EscalationState::Resolved,
        ]
        .map(escalated)
        .into(),
        timers: [CatchUp::Run, CatchUp::Coalesce, CatchUp::Skip].map(timer).into(),
        sentiment: serde_json::from_value(json!({
            "overall": course(-0.5, 3),
            "channels": [["web", course(-0.25, 2)]],
            "urgency": 0.5,
            "language": "fr",
            "evidence": [{"at": at(4), "channel": "web", "number": 7, "reading": {
                "language": "fr", "valence": -0.75, "confidence": 0.5, "urgency": 0.5,
                "words": [{"text": "nul", "weight": -0.5}], "pressing": [],
            }}],
        }))
        .unwrap(),
        tallies: AggregateState {
            windows: AggregateFunction::ALL.iter().copied().map(window).collect(),
            counters: vec![Counter {
                name: "interest".into(),
                half_life: Duration::from_secs(7 * 86_400),
                value: 1.5,
                at: at(3),
            }],
            activities: vec![Activity {
                name: "orders".into(),
                first: at(1),
                last: at(3),
                times: 3,
                half_life: Duration::from_secs(30 * 86_400),
                recent: 1.5,
                lasting: 2.5,
                at: at(3),
            }],
        },
        problems: [None, Some("c-1".into())]
            .map(|case| Problem { at: at(2), topic: "luggage".into(), case })
            .into(),
        guards: [
            Derived::Fact,
            Derived::Need,
            Derived::Window,
            Derived::Counter,
            Derived::Activity,
        ]
        .map(|of| Guard {
            of,
            name: "map".into(),
            purposes: Purposes::new(["care".into(), "service".into()]),
        })
        .into(),
        identifiers: vec![Identifier {
            customer: Customer::new("cookie").unwrap(),
            since: at(3),
            epoch: 2,
            said: at(2),
            through: Some(Customer::new("device").unwrap()),
            entries: vec![7, u64::MAX],
            brought: Box::new(Memory {
                born: at(0),
                seen: at(2),
                inputs: 2,
                traits: vec![DatedValue { name: "city".into(), value: "Ghent".into(), at: at(1) }],
                ..Memory::default()
            }),
            beneath: Box::default(),
        }],
        met: vec![Meeting { id: u64::MAX, scope: "fires".into(), at: at(8) }],
        epoch: 3,
        known: true,
        recent: serde_json::from_value(json!({"older": [1], "newer": [u64::MAX], "since": at(9)}))
            .unwrap(),
        ..Twin::new(ada(), at(0))
    }
}
