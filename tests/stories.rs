//! The stories of the example policies come true on the pure core.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jumeau::policy::{Files, Policy, load};
use jumeau::story::{Finding, Played, Report, Story, check, parse, play};

fn folder(policy: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config/policies").join(policy)
}

fn policy(name: &str) -> Policy {
    let files = Files::read(&folder(name)).unwrap_or_else(|mistakes| panic!("\n{mistakes}"));
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
        let report = Report {
            story: &story,
            played: Some(&played),
            findings: &findings,
            took: Duration::ZERO,
        };
        if !report.is_passed() {
            failed += &anstream::adapter::strip_str(&report.to_string()).to_string();
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
    for name in jumeau::shelf::Shelf::embedded() {
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
