//! The stories of the example policies come true on the pure core.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jumeau::policy::{Files, Policy, load};
use jumeau::policy_source::read_files;
use jumeau::story::{
    Coverage, Finding, Played, Story, StoryReport, UnreachedKind, check, parse, play,
    probable_typos,
};

fn folder(policy: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config/policies").join(policy)
}

fn policy(name: &str) -> Policy {
    let files = read_files(&folder(name)).unwrap_or_else(|mistakes| panic!("\n{mistakes}"));
    load(&files).unwrap_or_else(|mistakes| panic!("\n{mistakes}"))
}

fn stories(name: &str, policy: &Policy) -> Vec<Story> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder(name).join("scenarios"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
        .iter()
        .map(|path| {
            let file = path.file_name().unwrap().to_str().unwrap();
            parse(file, &fs::read_to_string(path).unwrap(), policy)
                .unwrap_or_else(|mistakes| panic!("\n{mistakes}"))
        })
        .collect()
}

fn played(story: &Story, policy: &Policy) -> (Played, Vec<Finding>) {
    let played = play(story, policy);
    let findings = check(story, policy, &played.seen, Some(&played.twins));
    (played, findings)
}

fn all_come_true(name: &str) {
    let policy = policy(name);
    let mut failed = String::new();
    for story in stories(name, &policy) {
        let (played, findings) = played(&story, &policy);
        let report = StoryReport {
            story: &story,
            played: Some(&played),
            findings: &findings,
            took: Duration::ZERO,
        };
        if !report.is_passed() {
            failed += &jumeau::terminal::plain(&report.to_string());
        }
    }
    assert!(failed.is_empty(), "\n{failed}");
}

#[test]
fn the_stories_of_the_bank_come_true() {
    all_come_true("bank");
}

#[test]
fn the_stories_of_the_telco_come_true() {
    all_come_true("telco");
}

#[test]
fn the_stories_of_the_airline_come_true() {
    all_come_true("airline");
}

#[test]
fn the_stories_of_the_retailer_come_true() {
    all_come_true("retail");
}

#[test]
fn the_stories_of_the_insurer_come_true() {
    all_come_true("insurance");
}

#[test]
fn the_stories_of_the_utility_come_true() {
    all_come_true("utility");
}

#[test]
fn the_stories_of_the_health_insurer_come_true() {
    all_come_true("health");
}

#[test]
fn the_stories_of_the_streaming_service_come_true() {
    all_come_true("streaming");
}

#[test]
fn every_action_of_the_examples_is_taken_in_some_story() {
    for name in
        ["bank", "telco", "airline", "retail", "insurance", "utility", "health", "streaming"]
    {
        let policy = policy(name);
        let taken: Vec<String> = stories(name, &policy)
            .iter()
            .flat_map(|story| play(story, &policy).seen)
            .map(|seen| seen.to_string())
            .collect();
        for action in &policy.actions {
            let wanted = format!("{} in ", action.name);
            assert!(
                taken.iter().any(|seen| seen.starts_with(&wanted)),
                "no story of {name} takes the action {}",
                action.name
            );
        }
    }
}

/// Against a running service all stories of a policy are played at once.
#[test]
fn no_customer_is_in_two_stories_of_one_policy() {
    for name in jumeau::policy_source::PolicySource::embedded() {
        let policy = policy(name);
        let mut seen: BTreeMap<String, String> = BTreeMap::new();
        for story in stories(name, &policy) {
            let customers: BTreeSet<String> = story
                .steps
                .iter()
                .filter_map(|step| step.customer())
                .map(ToString::to_string)
                .collect();
            for customer in customers {
                let before = seen.insert(customer.clone(), story.name.to_string());
                let also = before.unwrap_or_default();
                assert!(also.is_empty(), "{customer} is in “{also}” and in “{}”", story.name);
            }
        }
    }
}

#[test]
fn a_story_plays_the_same_every_time() {
    let policy = policy("bank");
    for story in stories("bank", &policy) {
        let (first, second) = (play(&story, &policy), play(&story, &policy));
        assert_eq!(format!("{first:?}"), format!("{second:?}"), "{}", story.name);
    }
}

/// A company that starts from a copy of an example policy gets no advice about it.
#[test]
fn the_example_policies_get_no_advice() {
    let languages = jumeau::language::Languages::embedded();
    for name in jumeau::policy_source::PolicySource::embedded() {
        let shelf = jumeau::policy_source::PolicySource::find(name).unwrap();
        let policy = shelf.policy(&languages).unwrap();
        let typos = probable_typos(&shelf.stories_with_text(&policy).unwrap(), &policy);
        let remarks: Vec<String> =
            policy.remarks.iter().chain(&typos).map(ToString::to_string).collect();
        assert!(remarks.is_empty(), "{name}:\n{}", remarks.join("\n"));
    }
}

const SHOP: &str = r#"
[policy]
name = "shop"
languages = ["en"]
[needs.gift]
describe = "wants a gift"
[[rules]]
name = "asks for gifts"
on = "track:Gift Wanted"
then = [{ raise = "gift", strength = 0.9 }]
[[rules]]
name = "leaves a gift behind"
on = "track:Gift Left"
when = "event.properties.price > 10"
then = [{ raise = "gift", strength = 0.5 }]
[[actions]]
name = "offer_gift"
serves = ["gift"]
issue = "service"
value = 0.5
treatments = [
  { channel = "app", text.en = "A gift?" },
  { channel = "email", when = "facts.never == 1", text.en = "A gift, by mail?" },
]
[[actions]]
name = "offer_card"
issue = "service"
value = 0.5
placements = ["home"]
treatments = [{ channel = "app", text.en = "A card?" }]
[[rules]]
name = "never"
on = "page:Nothing"
then = [{ set = "never", to = "1" }]
"#;

const GIFTS: &str = r#"
story = "gifts"
start = "2026-03-02T09:00:00Z"
[[steps]]
at = "0s"
customer = "ann"
channel = "app"
event.type = "track"
event.data.name = "Gift Wanted"
[[steps]]
at = "1s"
customer = "ann"
channel = "app"
event.type = "track"
event.data = { name = "Gift Lefd", properties = { price = 12 } }
[[expect]]
customer = "ann"
action = "offer_gift"
"#;

#[test]
fn json_names_the_treatments_of_actions_that_no_story_reaches() {
    let policy = load(&Files::new([("shop.toml", SHOP)])).unwrap();
    let story = parse("scenarios/gifts.toml", GIFTS, &policy).unwrap();
    let mut coverage = Coverage::default();
    coverage.add(&play(&story, &policy));
    let unreached = serde_json::to_value(coverage.unreached(&policy)).unwrap();
    insta::assert_snapshot!(format!("{:#}", unreached["treatments"]), @r#"
    {
      "of": 3,
      "unreached": [
        {
          "action": "offer_gift",
          "name": "offer_gift · email",
          "place": "shop.toml:23"
        },
        {
          "action": "offer_card",
          "name": "offer_card · app",
          "place": "shop.toml:30"
        }
      ]
    }
    "#);
}

#[test]
fn unreached_parts_are_named_and_typos_are_found_on_both_sides() {
    let policy = load(&Files::new([("shop.toml", SHOP)])).unwrap();
    let story = parse("scenarios/gifts.toml", GIFTS, &policy).unwrap();
    let mut coverage = Coverage::default();
    coverage.add(&play(&story, &policy));
    let unreached = coverage.unreached(&policy);
    let named = |part: &UnreachedKind| {
        let names: Vec<&str> = part.unreached.iter().map(|one| &*one.name).collect();
        format!("{} of {}: {}", names.len(), part.of, names.join(", "))
    };
    assert_eq!(named(&unreached.rules), "2 of 3: leaves a gift behind, never");
    assert_eq!(named(&unreached.actions), "1 of 2: offer_card");
    assert_eq!(named(&unreached.treatments), "2 of 3: offer_gift · email, offer_card · app");
    let alone: Vec<&str> = unreached.treatments_alone().map(|one| &*one.name).collect();
    assert_eq!(alone, ["offer_gift · email"]);
    assert_eq!(&*unreached.rules.unreached[0].place, "shop.toml:11");

    let found = probable_typos(&[(story, GIFTS.to_owned())], &policy);
    let found: Vec<String> = found
        .iter()
        .map(|slip| slip.to_string().lines().next().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(
        found,
        [
            "scenarios/gifts.toml:10:1: nothing in the policy reacts to `track:Gift Lefd`; did you \
             mean `track:Gift Left`?",
            "shop.toml:13:1: the policy reacts to `track:Gift Left`, which no story sends; a story \
             sends `track:Gift Lefd`, which nothing reacts to; is one of them a typo?",
        ]
    );
}
