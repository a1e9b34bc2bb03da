use proptest::prelude::*;

use super::*;
use crate::event;
use crate::policy::SourceLocation;
use crate::twin::state::Profile;

const DAY: Duration = Duration::from_secs(86_400);

fn rule() -> PreferenceRule {
    PreferenceRule {
        evidence_min: 3,
        confidence_min: 0.6,
        say_min: 0.75,
        half_life: DAY * 100,
        relearn_after: DAY * 30,
        place: SourceLocation::new("seat.toml", 1),
    }
}

fn day(days: u32) -> Time {
    Time::from_ms(0) + DAY * days
}

fn show(profile: &mut Profile, value: &str, speaks: PreferenceSign, number: u64, at: Time) {
    let value = Value::from(value);
    let evidence = Evidence { key: "seat", value: &value, speaks, number, at };
    profile.prefer_shown(&evidence, &rule(), &mut Notes::default());
}

/// The choices of a customer, each on the day of its number.
fn chosen(values: &[&str]) -> Profile {
    let mut profile = Profile::default();
    for (number, value) in (0..).zip(values) {
        show(&mut profile, value, PreferenceSign::For(1.0), number.into(), day(number));
    }
    profile
}

fn declaration(value: Option<&str>) -> event::PreferenceData {
    event::PreferenceData {
        key: "seat".into(),
        value: value.map(Value::from),
        forget: value.is_none(),
    }
}

fn seat(profile: &Profile) -> &Preference {
    profile.preference("seat").unwrap()
}

fn usable(profile: &Profile, now: Time) -> Option<&str> {
    seat(profile).usable(Some(&rule()), now)?.as_text()
}

fn confidence(profile: &Profile, now: Time) -> f64 {
    seat(profile).leading(now).unwrap().1
}

#[test]
fn a_choice_is_usable_after_enough_evidence() {
    assert_eq!(usable(&chosen(&["aisle", "aisle"]), day(2)), None);
    let three = chosen(&["aisle", "aisle", "aisle"]);
    assert_eq!(usable(&three, day(3)), Some("aisle"));
    assert_eq!(seat(&three).choices[0].evidence, [0, 1, 2]);
}

#[test]
fn the_confidence_is_the_posterior_mean_of_the_share() {
    let mut profile = Profile::default();
    for (number, value) in (0..).zip(["aisle", "aisle", "aisle", "window"]) {
        show(&mut profile, value, PreferenceSign::For(1.0), number, day(0));
    }
    // 3 of 4, with a prior of one for each of the two values seen and for one unseen.
    assert!((confidence(&profile, day(0)) - 4.0 / 7.0).abs() < 1e-12);
}

#[test]
fn contradicted_evidence_lowers_the_confidence() {
    let steady = chosen(&["aisle", "aisle", "aisle"]);
    let torn = chosen(&["aisle", "window", "aisle", "window", "aisle"]);
    assert!(confidence(&torn, day(5)) < confidence(&steady, day(5)));
    assert_eq!(usable(&torn, day(5)), None);
}

#[test]
fn a_rejected_choice_loses_confidence_without_an_alternative() {
    let mut profile = chosen(&["aisle", "aisle", "aisle"]);
    let before = confidence(&profile, day(3));
    show(&mut profile, "aisle", PreferenceSign::Against(1.0), 3, day(3));
    assert!(confidence(&profile, day(3)) < before);
    show(&mut profile, "aisle", PreferenceSign::Against(1.0), 4, day(3));
    assert_eq!(usable(&profile, day(3)), None);
}

#[test]
fn an_old_preference_fades_and_a_new_one_replaces_it() {
    let mut profile = chosen(&["aisle", "aisle", "aisle"]);
    assert_eq!(usable(&profile, day(100)), Some("aisle"));
    assert_eq!(usable(&profile, day(400)), None);
    for number in 0..3 {
        show(&mut profile, "window", PreferenceSign::For(1.0), number + 3, day(400));
    }
    assert_eq!(usable(&profile, day(400)), Some("window"));
}

#[test]
fn a_usable_preference_may_be_too_uncertain_to_be_sayable() {
    let profile = chosen(&["aisle", "aisle", "aisle"]);
    let now = day(60);
    assert_eq!(usable(&profile, now), Some("aisle"));
    assert_eq!(seat(&profile).sayable(Some(&rule()), now), None);
    assert_eq!(seat(&profile).sayable(Some(&rule()), day(3)), Some(&Value::from("aisle")));
}

#[test]
fn a_forgotten_preference_is_not_learned_again_before_its_time() {
    let mut profile = chosen(&["aisle", "aisle", "aisle"]);
    profile.keep_preference(
        &declaration(Some("window")),
        Some(&rule()),
        (day(4), day(4)),
        &mut Notes::default(),
    );
    profile.keep_preference(
        &declaration(None),
        Some(&rule()),
        (day(5), day(5)),
        &mut Notes::default(),
    );
    assert_eq!(usable(&profile, day(5)), None);
    assert_eq!(seat(&profile).forgotten, Some(Forgotten { at: day(5), until: day(35) }));
    for number in 0..3 {
        show(&mut profile, "aisle", PreferenceSign::For(1.0), number, day(34));
    }
    assert!(seat(&profile).choices.is_empty());
    for number in 0..3 {
        show(&mut profile, "aisle", PreferenceSign::For(1.0), number, day(35));
    }
    assert_eq!(usable(&profile, day(35)), Some("aisle"));
}

#[test]
fn a_declaration_older_than_the_forgetting_changes_nothing() {
    let mut profile = Profile::default();
    let mut say = |what: Option<&str>, at: u32| {
        let mut notes = Notes::default();
        profile.keep_preference(&declaration(what), Some(&rule()), (day(at), day(at)), &mut notes);
        let known = seat(&profile);
        let declared = known.declared.as_ref().map(|known| known.value.to_string());
        (declared, notes.late_parts().len())
    };
    let declared = |value: &str| Some(value.to_owned());
    assert_eq!(say(Some("aisle"), 5), (declared("aisle"), 0));
    assert_eq!(say(None, 4), (declared("aisle"), 1), "it was forgotten before");
    assert_eq!(say(Some("window"), 3), (declared("aisle"), 1));
    assert_eq!(say(None, 7), (None, 0));
    assert_eq!(say(Some("window"), 6), (None, 1));
    assert_eq!(say(Some("middle"), 7), (declared("middle"), 0), "at once: what comes last counts");
    assert_eq!(say(None, 7), (None, 0));
}

#[test]
fn a_merge_does_not_bring_back_a_forgotten_preference() {
    let mut profile = chosen(&["aisle"]);
    profile.keep_preference(
        &declaration(None),
        Some(&rule()),
        (day(5), day(5)),
        &mut Notes::default(),
    );
    profile.preferences[0].merge(seat(&chosen(&["aisle", "aisle", "aisle"])));
    assert_eq!(usable(&profile, day(5)), None);
}

fn any_evidence() -> impl Strategy<Value = Vec<(u8, u32, PreferenceSign)>> {
    let speaks = prop_oneof![
        (0.1..=1.0f64).prop_map(PreferenceSign::For),
        (0.1..=1.0f64).prop_map(PreferenceSign::Against)
    ];
    prop::collection::vec((0..5u8, 0..300u32, speaks), 1..24)
}

fn profile_of(evidence: &[(u8, u32, PreferenceSign)]) -> Profile {
    let mut profile = Profile::default();
    for (value, days, speaks) in evidence {
        show(&mut profile, &value.to_string(), *speaks, 7, day(*days));
    }
    profile
}

/// Weights and times by value, rounded so that sums of fractions in another order are equal.
fn rounded(profile: &Profile) -> Vec<(String, u32, Time, i64, i64)> {
    let round = |weight: f64| (weight * 1e9).round() as i64;
    let mut all: Vec<_> = seat(profile)
        .choices
        .iter()
        .map(|one| {
            let (weight, against) = (round(one.weight), round(one.against));
            (one.value.to_string(), one.count, one.at, weight, against)
        })
        .collect();
    all.sort();
    all
}

proptest! {
    #[test]
    fn the_order_of_evidence_does_not_matter(evidence in any_evidence(), seed in any::<u64>()) {
        let mut shuffled = evidence.clone();
        shuffled.sort_by_key(|(value, days, _)| {
            (u64::from(*value) << 32 | u64::from(*days)).wrapping_mul(seed | 1)
        });
        let (one, other) = (rounded(&profile_of(&evidence)), rounded(&profile_of(&shuffled)));
        prop_assert_eq!(one.len(), other.len());
        for (left, right) in one.iter().zip(&other) {
            prop_assert_eq!((&left.0, left.1, left.2), (&right.0, right.1, right.2));
            prop_assert!((left.3 - right.3).abs() <= 1 && (left.4 - right.4).abs() <= 1);
        }
    }

    #[test]
    fn the_order_of_simultaneous_evidence_does_not_matter(
        values in prop::collection::vec(0..5u8, 1..24),
    ) {
        let of = |values: &[u8]| {
            let all: Vec<_> =
                values.iter().map(|value| (*value, 1, PreferenceSign::For(1.0))).collect();
            profile_of(&all)
        };
        let mut sorted = values.clone();
        sorted.sort_unstable();
        prop_assert_eq!(of(&values), of(&sorted));
    }

    #[test]
    fn the_confidence_is_between_0_and_1_and_decays_to_the_prior(
        evidence in any_evidence(),
        later in 0..100_000u32,
    ) {
        let profile = profile_of(&evidence);
        let known = seat(&profile);
        for choice in &known.choices {
            let confidence = known.confidence_in(choice, day(300 + later));
            prop_assert!(confidence > 0.0 && confidence < 1.0, "{confidence}");
        }
        let prior = 1.0 / (known.choices.len() as f64 + 1.0);
        let long_after = known.leading(Time::MAX).unwrap().1;
        prop_assert!((long_after - prior).abs() < 1e-9);
    }

    #[test]
    fn a_declaration_outweighs_any_evidence(evidence in any_evidence()) {
        let mut profile = Profile::default();
        profile.keep_preference(&declaration(Some("window")), Some(&rule()), (day(0), day(0)), &mut Notes::default());
        for (value, days, speaks) in &evidence {
            show(&mut profile, &value.to_string(), *speaks, 7, day(*days));
            prop_assert_eq!(usable(&profile, day(*days)), Some("window"));
        }
    }

    #[test]
    fn merging_preferences_is_commutative(
        [left, right] in prop::array::uniform2(any_evidence()),
        [said_left, said_right] in prop::array::uniform2(prop::option::of(0..300u32)),
        forgotten in prop::option::of(0..300u32),
    ) {
        let (mut left, mut right) = (profile_of(&left), profile_of(&right));
        let say = |profile: &mut Profile, what: Option<&str>, at: u32| {
            profile.keep_preference(&declaration(what), Some(&rule()), (day(at), day(at)), &mut Notes::default());
        };
        said_left.into_iter().for_each(|at| say(&mut left, Some("aisle"), at));
        said_right.into_iter().for_each(|at| say(&mut right, Some("window"), at));
        forgotten.into_iter().for_each(|at| say(&mut left, None, at));
        let (mut one, mut other) = (left.clone(), right.clone());
        one.preferences[0].merge(seat(&right));
        other.preferences[0].merge(seat(&left));
        prop_assert_eq!(one, other);
    }
}
