//! `jumeau check` and `jumeau test`: checks a policy, and runs its stories.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use jumeau::bus::Bus;
use jumeau::config::Settings;
use jumeau::language::Languages;
use jumeau::policy::{Mistake, Mistakes, Policy};
use jumeau::policy_source::{self, PolicySource};
use jumeau::story::{Coverage, Finding, Reachable, Story, StoryReport, Unreached, UnreachedKind};
use jumeau::{live_stories, story, terminal};
use serde_json::{Value, json};

use crate::console::{self, many};
use crate::{Check, Test, languages};

/// How many uncovered items of a kind are listed without `--verbose`.
const NAMED: usize = 5;

/// Whether settings and policy are valid; with `--strict` also whether there are no remarks.
pub(crate) fn check(arguments: &Check) -> anyhow::Result<bool> {
    let settings = arguments.choices.settings_for_start(&[])?;
    let source = PolicySource::find(&settings.service.policy)?;
    let languages = languages(&settings)?;
    match checked(arguments, &settings, &source, &languages) {
        Err(error) if arguments.json => {
            let Some(mistakes) = error.downcast_ref::<Mistakes>() else { return Err(error) };
            let mistakes: Vec<Value> = mistakes.iter().map(place).collect();
            tell(&json!({ "is_sound": false, "mistakes": mistakes, "remarks": [] }))?;
            Ok(false)
        }
        done => done,
    }
}

/// The shadow policy, if the settings name one.
pub(crate) fn shadow(
    settings: &Settings,
    languages: &Arc<Languages>,
) -> anyhow::Result<Option<Policy>> {
    let Some(name) = &settings.service.shadow else { return Ok(None) };
    let policy = PolicySource::find(name).and_then(|source| source.policy(languages));
    policy.map(Some).with_context(|| format!("the shadow policy `{name}` (`service.shadow`)"))
}

fn checked(
    arguments: &Check,
    settings: &Settings,
    source: &PolicySource,
    languages: &Arc<Languages>,
) -> anyhow::Result<bool> {
    let policy = source.policy(languages)?;
    shadow(settings, languages)?;
    let stories = source.stories_with_text(&policy)?;
    let mut remarks = policy.remarks.to_vec();
    remarks.extend(story::probable_typos(&stories, &policy));
    let is_good = remarks.is_empty() || !arguments.strict;
    if arguments.json {
        let remarks: Vec<Value> = remarks.iter().map(place).collect();
        tell(&json!({
            "is_sound": true,
            "policy": summary(settings, source, &policy, stories.len()),
            "mistakes": [],
            "remarks": remarks,
        }))?;
    } else {
        console::checked(settings, source, &policy, stories.len());
        console::remarks(&remarks);
    }
    Ok(is_good)
}

fn summary(settings: &Settings, source: &PolicySource, policy: &Policy, stories: usize) -> Value {
    json!({
        "name": policy.name,
        "version": policy.version,
        "source": source.to_string(),
        "languages": policy.languages,
        "models": policy.speech.languages.models().map(|(language, about)| {
            json!({ "language": language, "about": about })
        }).collect::<Vec<_>>(),
        "rules": policy.rules.len(),
        "needs": policy.needs.len(),
        "actions": policy.actions.len(),
        "stories": stories,
        "partitions": settings.service.partitions,
    })
}

fn place(mistake: &Mistake) -> Value {
    let Mistake { file, line, column, message, .. } = mistake;
    json!({ "file": file, "line": line, "column": column, "message": message })
}

/// Runs the stories of a policy; returns whether all passed.
pub(crate) fn test(arguments: &Test) -> anyhow::Result<bool> {
    let source = PolicySource::find(&arguments.policy)?;
    let languages =
        policy_source::languages(arguments.languages.as_deref(), arguments.models.as_deref())?;
    let policy = source.policy(&languages)?;
    let stories = source.stories(&policy)?;
    if stories.is_empty() {
        bail!("expected stories in {}, found none", source.scenarios().display());
    }
    match &arguments.live {
        None => on_core(arguments, &policy, &stories),
        Some(url) => {
            let runtime = tokio::runtime::Runtime::new()?;
            runtime.block_on(live(url, arguments.json, &policy, &stories))
        }
    }
}

fn on_core(arguments: &Test, policy: &Policy, stories: &[Story]) -> anyhow::Result<bool> {
    let mut passed = 0;
    let mut coverage = Coverage::default();
    let mut results = Vec::new();
    let all_began = Instant::now();
    for story in stories {
        let began = Instant::now();
        let played = story::play(story, policy);
        coverage.add(&played);
        let findings = story::check(story, policy, &played.seen, Some(&played.twins));
        let took = began.elapsed();
        let report = StoryReport { story, played: Some(&played), findings: &findings, took };
        passed += usize::from(report.is_passed());
        if arguments.json {
            results.push(of_story(story, report.is_passed(), &findings, Some(took)));
        } else {
            console::report(&report);
        }
    }
    let unreached = coverage.unreached(policy);
    if arguments.json {
        tell(&json!({ "passed": passed, "stories": results, "unreached": unreached }))?;
    } else {
        console::verdict(passed, stories.len(), all_began.elapsed());
        not_reached(&unreached, arguments.verbose);
    }
    Ok(passed == stories.len())
}

async fn live(
    url: &str,
    is_json: bool,
    policy: &Policy,
    stories: &[Story],
) -> anyhow::Result<bool> {
    let mut settings = Settings::default().nats;
    url.clone_into(&mut settings.url);
    let bus = Bus::connect(&settings).await?;
    let began = Instant::now();
    let print = |step: live_stories::LiveStep<'_>| {
        if !is_json {
            console::live_step(&step);
        }
    };
    let outcomes = live_stories::play(&bus, policy, stories, print).await?;
    if !is_json {
        return Ok(console::print_results(&outcomes, began.elapsed()));
    }
    let is_met =
        |outcome: &live_stories::StoryResult<'_>| outcome.findings.iter().all(Finding::is_met);
    let passed = outcomes.iter().filter(|outcome| is_met(outcome)).count();
    let results: Vec<Value> = outcomes
        .iter()
        .map(|outcome| of_story(outcome.story, is_met(outcome), &outcome.findings, None))
        .collect();
    tell(&json!({ "passed": passed, "stories": results }))?;
    Ok(passed == outcomes.len())
}

fn of_story(story: &Story, passed: bool, findings: &[Finding], took: Option<Duration>) -> Value {
    let findings: Vec<Value> = findings
        .iter()
        .map(|Finding { expected, instead, place }| {
            json!({ "expected": expected, "found": instead, "place": place.to_string() })
        })
        .collect();
    json!({
        "story": story.name,
        "file": story.place.file(),
        "passed": passed,
        "expectations": findings,
        "ms": took.map(|took| took.as_secs_f64() * 1_000.0),
    })
}

/// Prints the uncovered parts of a policy: their number, and some or all of them.
fn not_reached(unreached: &Unreached, is_verbose: bool) {
    if unreached.is_empty() {
        terminal::say("stories cover every rule, action and treatment");
        return;
    }
    let Unreached { rules, actions, treatments } = unreached;
    let counted: Vec<String> = [("rule", rules), ("action", actions), ("treatment", treatments)]
        .iter()
        .filter(|(_, part)| !part.unreached.is_empty())
        .map(|(what, part)| format!("{} of {}", part.unreached.len(), many(part.of, what)))
        .collect();
    console::warn(format_args!("no story covers {}", counted.join(", ")));
    // If an action is listed, its treatments are implied.
    let alone: Vec<&Reachable> = match is_verbose {
        true => treatments.unreached.iter().collect(),
        false => unreached.treatments_alone().collect(),
    };
    fn all(part: &UnreachedKind) -> Vec<&Reachable> {
        part.unreached.iter().collect()
    }
    let mut is_short = alone.len() < treatments.unreached.len();
    for (what, all) in [("rule", all(rules)), ("action", all(actions)), ("treatment", alone)] {
        let shown = if is_verbose { all.len() } else { NAMED };
        for one in all.iter().take(shown) {
            console::faint(format_args!("  {what} {}  {}", one.name, one.place));
        }
        is_short |= all.len() > shown;
    }
    if is_short {
        console::faint("  --verbose lists all of them");
    }
}

/// Prints JSON.
pub(crate) fn tell(value: &Value) -> anyhow::Result<()> {
    terminal::say(terminal::json(&serde_json::to_string_pretty(value)?));
    Ok(())
}
