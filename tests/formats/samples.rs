//! What the fixtures hold: a twin, a decision and an exposure with something of every kind in them.

use std::time::Duration;

use jumeau::event::{
    Channel, Customer, InteractionState, Map, OutcomeKind, Sensitivity, Speaker, Time, Value,
};
use jumeau::language::GraveTopic;
use jumeau::models::{Arm, ArmParts, Exposure, Features, Prior};
use jumeau::policy::{AggregateFunction, CatchUp, Issue, Purposes, Version};
use jumeau::twin::{
    Action, ActionReason, Activity, AggregateState, Alternative, ArmAssignment, Candidate,
    CandidateVerdict, Case, Choice, Consent, Contact, ContactOutcome, Counted, Counter, DatedValue,
    Decision, Declared, Derived, EscalationRecord, EscalationState, Forgotten, GraveMatter, Guard,
    Identifier, Interaction, Meeting, Memory, Need, OwnershipRecord, Pause, PausedBy, Preference,
    Presentation, Problem, Profile, Remark, ScoreFactors, Sentiment, Signal, Stage as Passed,
    StageCounts, Timer, TranscriptLine, Twin, UnlinkRecord, Window,
};
use serde_json::json;

pub(super) fn ada() -> Customer {
    Customer::new("ada").unwrap()
}

pub(super) fn at(minutes: i64) -> Time {
    Time::from_ms(1_760_000_000_000 + minutes * 60_000)
}

fn map(pairs: &[(&str, Value)]) -> Map {
    pairs.iter().map(|(name, value)| (Box::<str>::from(*name), value.clone())).collect()
}

/// What a choice went by, with every kind of feature.
pub(super) fn exposure() -> Exposure {
    let mut features = Features::new();
    features.number("balance", -1_200.0);
    features.share("level", 0.3);
    features.text("channel", "app");
    features.flag("gold", true);
    features.unknown("age");
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

/// A candidate that ended in this way.
pub(super) fn candidate(stage: Passed, verdict: CandidateVerdict) -> Candidate {
    let weights = ScoreFactors {
        propensity: 0.5,
        drawn: 0.25,
        chance: 0.75,
        context: 2.0,
        value: 0.5,
        lever: 1.5,
        uplift: 0.5,
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
    let stages = Passed::ALL.iter().copied().cycle();
    ends.into_iter().zip(stages).map(|(verdict, stage)| candidate(stage, verdict)).collect()
}

/// A decision with a candidate of every kind.
pub(super) fn decision() -> Decision {
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
        dropped: StageCounts::of([1, 2, 3, 4, 5, 6, 7, 371]),
        candidates: candidates(),
        chosen: vec![chosen.into()],
        arms: vec![under()],
    }
}

fn grave(topic: GraveTopic) -> GraveMatter {
    let channel = Channel::new("chat").unwrap();
    GraveMatter {
        topic,
        since: at(1),
        at: at(2),
        channel,
        words: "passed away".into(),
        place: 300,
        certain: true,
    }
}

fn under() -> ArmAssignment {
    ArmAssignment { experiment: "halves".into(), arm: "one".into() }
}

/// A twin with something of every kind in it, and every variant of each.
pub(super) fn full() -> Twin {
    Twin {
        linked_to: Some(Customer::new("bob").unwrap()),
        ownership: Some(OwnershipRecord {
            linked: at(1),
            unlinked: Some(UnlinkRecord { at: at(2), from: vec![7, u16::MAX] }),
        }),
        seen: at(10),
        lived: Some(at(11)),
        profile: profile(),
        context: [Sensitivity::Public, Sensitivity::Personal, Sensitivity::Sensitive]
            .map(signal)
            .into(),
        facts: values(),
        interactions: interactions(),
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
        contacts: contacts(),
        escalations: escalations(),
        timers: [CatchUp::Run, CatchUp::Coalesce, CatchUp::Skip].map(timer).into(),
        sentiment: sentiment(),
        tallies: aggregates(),
        problems: [None, Some("c-1".into())]
            .map(|case| Problem { at: at(2), topic: "luggage".into(), case })
            .into(),
        guards: guards(),
        identifiers: vec![identifier()],
        met: vec![Meeting { id: u64::MAX, scope: "fires".into(), at: at(8) }],
        grave: GraveTopic::ALL.iter().map(|topic| grave(*topic)).collect(),
        epoch: 3,
        known: true,
        recent: serde_json::from_value(json!({"older": [1], "newer": [u64::MAX], "since": at(9)}))
            .unwrap(),
        ..Twin::new(ada(), at(0))
    }
}

fn web() -> Channel {
    Channel::new("web").unwrap()
}

/// A value of every type.
fn values() -> Map {
    map(&[
        ("null", Value::Null),
        ("bool", Value::Bool(true)),
        ("int", Value::Int(-44)),
        ("float", Value::Float(182.25)),
        ("text", "caf\u{e9}".into()),
        ("list", Value::List([Value::Int(1), "two".into()].into())),
        ("map", Value::Map(Box::new(map(&[("inner", Value::Bool(false))])))),
    ])
}

fn profile() -> Profile {
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
    Profile {
        traits: values(),
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
    }
}

fn signal(sensitivity: Sensitivity) -> Signal {
    Signal {
        name: "place".into(),
        value: "Lisbon".into(),
        source: web(),
        at: at(1),
        stale_at: Some(at(61)),
        sensitivity,
        purpose: (sensitivity == Sensitivity::Sensitive).then(|| "care".into()),
    }
}

/// One in every state.
fn interactions() -> Vec<Interaction> {
    let line = |from| TranscriptLine { at: at(4), from, channel: web(), text: "hello".into() };
    let interaction = |state| Interaction {
        id: "form-7".into(),
        kind: "loan-form".into(),
        state,
        step: Value::Int(3),
        data: map(&[("amount", Value::Int(12_000))]),
        channel: web(),
        started: at(2),
        touched: at(5),
        stated: Some(at(4)),
        stepped: Some(at(2)),
        lines: [Speaker::Customer, Speaker::Agent, Speaker::Bot].map(line).into(),
        pause: Some(Pause { at: at(6), by: PausedBy::Leaving, offered: Some(at(7)) }),
        older: serde_json::from_value(json!([["amount", at(3)]])).unwrap(),
    };
    [
        InteractionState::Started,
        InteractionState::Progressed,
        InteractionState::Paused,
        InteractionState::Resumed,
        InteractionState::Completed,
        InteractionState::Abandoned,
    ]
    .map(interaction)
    .into()
}

/// One without an outcome, and one with each outcome.
fn contacts() -> Vec<Contact> {
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
    [
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
    .into()
}

fn escalations() -> Vec<EscalationRecord> {
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
    [
        EscalationState::Open,
        EscalationState::Claimed,
        EscalationState::HandedBack,
        EscalationState::Resolved,
    ]
    .map(escalated)
    .into()
}

fn timer(catch_up: CatchUp) -> Timer {
    Timer {
        name: "silence".into(),
        due: at(100),
        every: Some(Duration::from_secs(86_400)),
        catch_up,
    }
}

fn sentiment() -> Option<Box<Sentiment>> {
    let course = |level: f64, messages: u32| json!({"level": level, "fast": level, "slow": 0.0, "variance": 0.25, "messages": messages, "at": at(4)});
    serde_json::from_value(json!({
        "overall": course(-0.5, 3),
        "channels": [["web", course(-0.25, 2)]],
        "urgency": 0.5,
        "language": "fr",
        "evidence": [{"at": at(4), "channel": "web", "number": 7, "reading": {
            "language": "fr", "valence": -0.75, "confidence": 0.5, "urgency": 0.5,
            "words": [{"text": "nul", "weight": -0.5}], "pressing": [],
        }}],
    }))
    .unwrap()
}

/// A window of each function, a counter, an activity.
fn aggregates() -> AggregateState {
    let window = |keep: AggregateFunction| Window {
        name: keep.name().into(),
        keep,
        over: Duration::from_secs(86_400),
        entries: vec![Counted { at: at(3), count: 2, value: Value::Int(7) }],
    };
    AggregateState {
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
    }
}

/// One of each kind of derived value.
fn guards() -> Vec<Guard> {
    [Derived::Fact, Derived::Need, Derived::Window, Derived::Counter, Derived::Activity]
        .map(|of| Guard {
            of,
            name: "map".into(),
            purposes: Purposes::new(["care".into(), "service".into()]),
        })
        .into()
}

fn identifier() -> Identifier {
    Identifier {
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
    }
}
