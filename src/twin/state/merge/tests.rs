use std::fmt::Debug;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::{option, sample};

use super::*;
use crate::event::{Channel, InteractionState, Map, OutcomeKind, Sensitivity, Speaker, Value};
use crate::policy::{AggregateFunction, CatchUp};
use crate::twin::state::preference::part_preferences;
use crate::twin::state::{
    Case, Consent, Contact, Counter, DatedValue, EscalationRecord, Interaction, Need, PastEntry,
    Preference, Problem, Signal, Timer, Window,
};
use crate::twin::{
    Activity, Choice, ContactOutcome, Counted, Dates, Declared, EntryKind, EscalationState,
    Forgotten, Memory, Pause, PausedBy, TranscriptLine,
};

const DAY: Duration = Duration::from_secs(86_400);

fn day(days: u8) -> Time {
    Time::from_ms(1_760_000_000_000) + DAY * u32::from(days)
}

fn name(number: u8) -> Box<str> {
    format!("n{number}").into()
}

fn when() -> impl Strategy<Value = Time> {
    (0..4u8).prop_map(day)
}

fn channel() -> impl Strategy<Value = Channel> {
    sample::select(vec!["app", "web"]).prop_map(|name| Channel::new(name).unwrap())
}

fn value() -> impl Strategy<Value = Value> {
    (0..3i64).prop_map(Value::Int)
}

fn dated_value() -> impl Strategy<Value = DatedValue> {
    // Null: it was removed.
    let value = prop_oneof![3 => value(), 1 => Just(Value::Null)];
    (0..3u8, value, when()).prop_map(|(of, value, at)| DatedValue { name: name(of), value, at })
}

fn spelled(name: Box<str>, is_loud: bool) -> Box<str> {
    if is_loud { name.to_uppercase().into() } else { name }
}

fn consent() -> impl Strategy<Value = Consent> {
    // In upper case it is the same name.
    let name = || (0..2u8, any::<bool>()).prop_map(|(of, is_loud)| spelled(name(of), is_loud));
    (name(), option::of(name()), any::<bool>(), when()).prop_map(
        |(purpose, channel, granted, at)| Consent {
            purpose,
            channel,
            granted,
            at,
            by: "web".into(),
            proof: None,
            until: granted.then(|| at + std::time::Duration::from_secs(60)),
        },
    )
}

fn signal() -> impl Strategy<Value = Signal> {
    (0..3u8, value(), channel(), when(), option::of(when())).prop_map(
        |(of, value, source, at, stale_at)| Signal {
            name: name(of),
            value,
            source,
            at,
            stale_at,
            sensitivity: Sensitivity::Public,
            purpose: None,
        },
    )
}

fn interaction() -> impl Strategy<Value = Interaction> {
    use InteractionState::{Completed, Paused, Progressed};
    let line = (when(), 0..2u8, channel()).prop_map(|(at, words, channel)| TranscriptLine {
        at,
        from: Speaker::Customer,
        channel,
        text: name(words),
    });
    let stands = (sample::select(vec![Progressed, Paused, Completed]), value(), when(), when());
    let known = (vec((0..4u8, value()), 0..4), vec(line, 0..4), option::of((0..4u8, when())));
    (0..3u8, channel(), stands, known).prop_map(
        |(id, channel, (state, step, stated, other), (data, lines, older))| {
            let data: Map = data.into_iter().map(|(field, value)| (name(field), value)).collect();
            let older =
                older.filter(|(field, at)| data.get(&name(*field)).is_some() && *at != stated);
            let touched = stated.max(other);
            let mut dates = Dates::default();
            older.iter().for_each(|(field, at)| dates.set(&name(*field), *at));
            let pause = Pause { at: touched, by: PausedBy::Silence, offered: None };
            Interaction {
                id: name(id),
                kind: "form".into(),
                state,
                step,
                data,
                channel,
                started: stated.min(other),
                touched,
                stated: Some(stated),
                stepped: Some(other).filter(|other| *other != stated),
                lines,
                pause: (state == Paused).then_some(pause),
                older: dates,
            }
        },
    )
}

fn case() -> impl Strategy<Value = Case> {
    let more = (option::of((0..2u8, when())), option::of((when(), when())));
    (0..3u8, sample::select(vec!["open", "closed"]), more, when()).prop_map(
        |(id, state, (topic, due), touched)| {
            let mut older = Dates::default();
            for (of, at) in [("topic", topic.map(|one| one.1)), ("due", due.map(|one| one.1))] {
                at.filter(|at| *at != touched).into_iter().for_each(|at| older.set(of, at));
            }
            Case {
                id: name(id),
                state: state.into(),
                topic: topic.map(|(topic, _)| name(topic)),
                opened: None,
                due: due.map(|(due, _)| due),
                touched,
                older,
            }
        },
    )
}

fn need() -> impl Strategy<Value = Need> {
    (0..3u8, 1..4u8, 0..3u8, when(), when()).prop_map(|(of, strength, evidence, raised, until)| {
        Need {
            name: name(of),
            strength: f64::from(strength) / 4.0,
            evidence: name(evidence),
            raised,
            until,
        }
    })
}

fn contact() -> impl Strategy<Value = Contact> {
    let kinds = vec![OutcomeKind::Seen, OutcomeKind::Clicked];
    let outcome =
        (sample::select(kinds), when()).prop_map(|(kind, at)| ContactOutcome { kind, at });
    (0..3u8, option::of(outcome)).prop_map(|(decision, outcome)| Contact {
        decision: name(decision),
        action: "offer".into(),
        channel: "web".into(),
        at: day(decision),
        outcome,
        shown: None,
    })
}

fn escalated() -> impl Strategy<Value = EscalationRecord> {
    let states = vec![EscalationState::Open, EscalationState::Resolved];
    (0..3u8, sample::select(states), option::of(0..2u8), when()).prop_map(
        |(id, state, agent, touched)| EscalationRecord {
            id: name(id),
            queue: "shop".into(),
            purpose: "service".into(),
            topic: "bill".into(),
            priority: 3,
            state,
            because: "".into(),
            agent: agent.map(name),
            desk: None,
            note: None,
            opened: day(0),
            touched,
            thread: None,
            evidence: Vec::new(),
            notes: Vec::new(),
            since: day(0),
            due: None,
            level: 0,
            outcome: None,
            language: None,
        },
    )
}

fn timer() -> impl Strategy<Value = Timer> {
    (0..3u8, when(), option::of(Just(DAY))).prop_map(|(of, due, every)| Timer {
        name: name(of),
        due,
        every,
        catch_up: CatchUp::Run,
    })
}

fn window(keep: AggregateFunction) -> impl Strategy<Value = Window> {
    (0..3u8, vec((0..20u8, -3..3i64), 0..8)).prop_map(move |(of, counted)| {
        let window = |entries| Window { name: name(of), keep, over: DAY * 30, entries };
        let mut all = window(Vec::new());
        for (at, value) in counted {
            let value =
                if keep == AggregateFunction::Count { Value::Null } else { Value::Int(value) };
            all.merge(window(vec![Counted { at: day(at), count: 1, value }]));
        }
        all
    })
}

fn counter() -> impl Strategy<Value = Counter> {
    // Whole half-lives and small numbers, so that sums are exact in any order.
    (0..3u8, -4..4i8, when()).prop_map(|(of, value, at)| Counter {
        name: name(of),
        half_life: DAY,
        value: value.into(),
        at,
    })
}

fn activity() -> impl Strategy<Value = Activity> {
    // Whole half-lives and small numbers, as above: the longer half-life is four days.
    (0..3u8, 1..4u32, (0..3u8, 0..3u8), (0..8u8, 0..8u8), 0..3u8).prop_map(
        |(of, times, (first, more), (recent, lasting), at)| Activity {
            name: name(of),
            first: day(4 * first),
            last: day(4 * (first + more)),
            times,
            half_life: DAY,
            recent: recent.into(),
            lasting: lasting.into(),
            at: day(4 * at),
        },
    )
}

fn problem() -> impl Strategy<Value = Problem> {
    (when(), 0..2u8, option::of(0..2u8)).prop_map(|(at, topic, case)| Problem {
        at,
        topic: name(topic),
        case: case.map(name),
    })
}

fn past() -> impl Strategy<Value = PastEntry> {
    (0..4u64, when(), 0..2u8).prop_map(|(fingerprint, at, text)| PastEntry {
        at,
        fingerprint,
        what: EntryKind::Timer,
        channel: "".into(),
        text: name(text),
    })
}

fn preference() -> impl Strategy<Value = Preference> {
    let choice = (value(), 1..4u8, 0..3u8, when(), vec(0..9u64, 0..3)).prop_map(
        |(value, weight, against, at, evidence)| Choice {
            value,
            count: weight.into(),
            at,
            evidence,
            weight: weight.into(),
            against: against.into(),
        },
    );
    let declared = (value(), when()).prop_map(|(value, at)| Declared { value, at });
    (0..3u8, vec(choice, 0..4), option::of(declared)).prop_map(|(key, mut choices, declared)| {
        let mut seen = Vec::new();
        choices.retain(|choice| {
            let is_new = !seen.contains(&choice.value);
            seen.push(choice.value.clone());
            is_new
        });
        for choice in &mut choices {
            choice.evidence.sort_unstable();
            choice.evidence.dedup();
        }
        let none = Preference {
            key: name(key),
            declared: None,
            choices: Vec::new(),
            half_life: DAY,
            forgotten: None,
        };
        let mut known = Preference { declared, choices, ..none.clone() };
        known.merge(&none);
        known
    })
}

/// A preference that the customer may have asked to forget.
fn preference_or_forgotten() -> impl Strategy<Value = Preference> {
    (preference(), option::of(when())).prop_map(|(mut known, at)| {
        let forgotten = at.map(|at| Forgotten { at, until: at + DAY });
        known.merge(&Preference { forgotten, choices: Vec::new(), ..known.clone() });
        known
    })
}

const MAX: usize = 64;

/// Two lists merged, in eviction order.
fn joined<T: Mergeable>(one: &[T], other: &[T]) -> Vec<T> {
    let mut all = one.to_vec();
    join(&mut all, other.to_vec(), "NEEDS", MAX, &mut Notes::default());
    sorted(all)
}

fn sorted<T: Mergeable>(mut all: Vec<T>) -> Vec<T> {
    all.sort_by(|left, right| left.rank().cmp(&right.rank()));
    all
}

/// The memory of one twin: each item once.
fn of_one_twin<T: Mergeable>(all: Vec<T>) -> Vec<T> {
    let mut known: Vec<T> = Vec::new();
    for item in all {
        if !known.iter().any(|one| one.is_same(&item)) {
            known.push(item);
        }
    }
    sorted(known)
}

fn whichever_comes_first<T: Mergeable + Debug>(one: &[T], other: &[T]) {
    assert_eq!(joined(one, other), joined(other, one));
}

fn whichever_two_come_first<T: Mergeable + Debug>([one, two, three]: [&[T]; 3]) {
    assert_eq!(joined(&joined(one, two), three), joined(one, &joined(two, three)));
}

fn what_came_goes_and_what_was_there_stays<T: Mergeable + Debug>(own: &[T], brought: &[T]) {
    let mut all = joined(own, brought);
    let back = part(&mut all, brought, &Compared::Known.of(own, brought));
    assert_eq!(sorted(all), own);
    assert_eq!(back, brought);
}

macro_rules! algebra {
    ($($what:ident: $thing:expr;)+) => {
        $(mod $what {
            use super::*;

            proptest! {
                #[test]
                fn merges_to_the_same_in_any_order(
                    lists in prop::array::uniform3(vec($thing, 0..4).prop_map(of_one_twin)),
                ) {
                    let [one, two, three] = &lists;
                    whichever_comes_first(one, two);
                    whichever_two_come_first([one, two, three]);
                }

                #[test]
                fn separates_into_what_was_merged(
                    lists in prop::array::uniform2(vec($thing, 0..4).prop_map(of_one_twin)),
                ) {
                    let [own, brought] = &lists;
                    what_came_goes_and_what_was_there_stays(own, brought);
                }
            }
        })+
    };
}

algebra! {
    traits_and_facts: dated_value();
    consents: consent();
    signals: signal();
    interactions: interaction();
    cases: case();
    needs: need();
    contacts: contact();
    escalations: escalated();
    timers: timer();
    windows_of_counts: window(AggregateFunction::Count);
    windows_of_sums: window(AggregateFunction::Sum);
    windows_of_least: window(AggregateFunction::Min);
    windows_of_last: window(AggregateFunction::Last);
    windows_of_distinct: window(AggregateFunction::Distinct);
    counters: counter();
    activities: activity();
    problems: problem();
    timelines: past();
    preferences: preference();
}

proptest! {
    #[test]
    fn preferences_merge_and_separate_although_one_was_forgotten(
        lists in prop::array::uniform2(vec(preference_or_forgotten(), 0..4).prop_map(of_one_twin)),
    ) {
        let [one, other] = &lists;
        whichever_comes_first(one, other);
        what_came_goes_and_what_was_there_stays(one, other);
    }

    #[test]
    fn separating_takes_brought_choices_out_of_newer_ones(
        lists in prop::array::uniform2(vec(preference(), 0..4).prop_map(of_one_twin)),
        again in 0..3i64,
    ) {
        let [own, brought] = &lists;
        let new = |choices: &[Preference]| {
            let mut choices = choices.to_vec();
            for known in &mut choices {
                let choice = Choice { value: Value::Int(again), count: 1, at: day(9),
                    evidence: vec![99], weight: 1.0, against: 0.0 };
                known.merge(&Preference { choices: vec![choice], declared: None, ..known.clone() });
            }
            choices
        };
        let mut all = new(&joined(own, brought));
        part_preferences(&mut all, brought, &Compared::Known.of(own, brought));
        // As if it had never arrived, but what was there is read at a later time.
        let expected = new(&own.iter().filter(|one| all.iter().any(|known| known.is_same(one))).cloned().collect::<Vec<_>>());
        for known in &expected {
            let found = all.iter().find(|one| one.is_same(known)).unwrap();
            prop_assert_eq!(&found.declared, &known.declared);
            for choice in &known.choices {
                let same = found.choices.iter().find(|one| one.value == choice.value).unwrap();
                prop_assert_eq!(same.count, choice.count);
                prop_assert!((found.weight_of(same, day(9)) - known.weight_of(choice, day(9))).abs() < 1e-9);
            }
        }
    }
}

#[test]
fn an_interaction_continued_under_another_identifier_keeps_the_data_of_both() {
    let form = |touched: u8, data: &[(u8, i64)]| Interaction {
        id: "f".into(),
        kind: "form".into(),
        state: InteractionState::Progressed,
        step: Value::Int(touched.into()),
        data: data.iter().map(|(field, value)| (name(*field), Value::Int(*value))).collect(),
        channel: Channel::new("web").unwrap(),
        started: day(0),
        touched: day(touched),
        stated: Some(day(touched)),
        stepped: None,
        lines: Vec::new(),
        pause: None,
        older: Dates::default(),
    };
    let mut known = form(3, &[(1, 30), (2, 30)]);
    known.merge(&form(1, &[(2, 10), (3, 10), (4, 10)]));
    known.merge(&form(2, &[(4, 20)]));
    let data: Vec<(&str, i64)> =
        known.data.iter().map(|(name, value)| (name, value.as_number().unwrap() as i64)).collect();
    assert_eq!(data, [("n1", 30), ("n2", 30), ("n3", 10), ("n4", 20)]);
    assert_eq!((known.step, known.started), (Value::Int(3), day(0)));
}

#[test]
fn a_merge_keeps_an_alarm_of_either_identifier() {
    for heard in [[true, false], [false, true]] {
        let [mut own, other] = heard.map(|alarmed| Memory { alarmed, ..Memory::default() });
        own.merge(other, &mut Notes::default());
        assert!(own.alarmed);
    }
}

#[test]
fn a_merge_beyond_a_limit_drops_the_lowest_rank_and_notes_the_limit() {
    let need = |of: u8| Need {
        name: name(of),
        strength: f64::from(of) / 10.0,
        evidence: "".into(),
        raised: day(0),
        until: day(9),
    };
    let mut notes = Notes::default();
    let mut own = vec![need(1), need(3)];
    join(&mut own, vec![need(2), need(4)], "NEEDS", 3, &mut notes);
    let names: Vec<&str> = own.iter().map(|need| &*need.name).collect();
    assert_eq!(names, ["n2", "n3", "n4"]);
    assert_eq!(format!("{notes:?}"), r#"Notes { all: [Limit("NEEDS")], late: [] }"#);
}
