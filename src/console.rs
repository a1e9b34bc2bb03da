//! The output of the commands on the terminal.

#[cfg(feature = "engine")]
mod engine;

use std::fmt::Display;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
#[cfg(feature = "engine")]
pub(crate) use engine::{Console, adopted, adopted_as_json, as_json, rewrapped, store_summary};
use jumeau::config::Settings;
use jumeau::event::{Broadcast, Time, cut};
use jumeau::live_stories::{LiveStep, StoryResult};
use jumeau::policy::{Mistake, Policy};
use jumeau::policy_source::PolicySource;
use jumeau::roles::Prepared;
use jumeau::story::{
    Finding, OutputKind, SeenOutput, StepContent, StepSubject, StoryReport, StoryStep,
};
use jumeau::terminal::TextStyle;
use jumeau::twin::{Action, Escalation, Recall};
use serde_json::{Value, json};

const GOOD: TextStyle = TextStyle::new(AnsiColor::Green.on_default().bold());
const BAD: TextStyle = TextStyle::new(AnsiColor::Red.on_default().bold());
const DIM: TextStyle = TextStyle::new(Style::new().dimmed());
const WARN: TextStyle = TextStyle::new(AnsiColor::Yellow.on_default().bold());
const STRONG: TextStyle = TextStyle::new(Style::new().bold());
const ACT: TextStyle = TextStyle::new(AnsiColor::Cyan.on_default().bold());
const HAND_OVER: TextStyle = TextStyle::new(AnsiColor::Magenta.on_default().bold());

/// Longer text is cut, so that a step is one line.
const LINE_BYTES: usize = 140;

/// Prints a step of a live story.
pub(crate) fn live_step(step: &LiveStep<'_>) {
    match step {
        LiveStep::Event(at, step) => event(*at, step),
        LiveStep::Reaction(seen) => reaction(seen),
    }
}

/// Prints the results of the stories; returns whether all passed.
pub(crate) fn print_results(outcomes: &[StoryResult<'_>], took: Duration) -> bool {
    println!();
    for StoryResult { story, findings } in outcomes {
        mark(findings.iter().all(Finding::is_met), &story.name);
        for finding in findings {
            let Some(instead) = &finding.instead else { continue };
            println!("    {BAD}expected{BAD:#} {}", finding.expected);
            println!("    {BAD}found{BAD:#}    {instead} {DIM}({}){DIM:#}", finding.place);
        }
    }
    let passed =
        outcomes.iter().filter(|outcome| outcome.findings.iter().all(Finding::is_met)).count();
    verdict(passed, outcomes.len(), took);
    passed == outcomes.len()
}

fn event(at: Time, step: &StoryStep) {
    let text = match step.content("step", at - step.at, &[]) {
        Err(_) => step.kind().to_owned(),
        Ok(StepContent::Event(event)) => {
            let mut text = format!("{} ", event.kind.event_type());
            // Writing to a string cannot fail.
            let _ = event.kind.summarize(&mut text);
            text
        }
        Ok(StepContent::Broadcast(fact)) => broadcast(&fact),
    };
    let (channel, whom) = match &step.subject {
        StepSubject::Event { customer, channel, .. } => (channel.as_str(), customer.as_str()),
        StepSubject::Broadcast(scope) => (Broadcast::TYPE, &**scope),
    };
    let (at, text) = (moment(at), one_line(&text));
    println!("{DIM}{at}{DIM:#}  {channel:<8} {STRONG}{whom:<10}{STRONG:#} {text}");
}

fn broadcast(published: &Broadcast) -> String {
    let Some(value) = &published.fact.value else { return "is over".to_owned() };
    let condition = published.fact.condition.as_deref().unwrap_or("everybody");
    let wakes = if published.fact.wake { ", wakes them" } else { "" };
    format!("{value} for {condition}{wakes}")
}

fn reaction(seen: &SeenOutput) {
    match &seen.what {
        OutputKind::Action(action) => acted(action),
        OutputKind::Recall(recall) => taken_back(recall),
        OutputKind::Escalation(escalation) => handed_over(escalation),
    }
}

fn acted(action: &Action) {
    let Action { customer, action: name, channel, tone, text, reason, .. } = action;
    println!(
        "{DIM}{}{DIM:#}  {ACT}▶ {name}{ACT:#} for {STRONG}{customer}{STRONG:#} in {channel}, {tone}",
        moment(action.at)
    );
    println!("                     {ACT}“{}”{ACT:#}", one_line(text));
    let need = reason.need.as_deref().unwrap_or("a rule");
    let because = if reason.because.is_empty() {
        String::new()
    } else {
        format!(": {}", one_line(&reason.because))
    };
    println!(
        "                     {DIM}because of {need}{because} (score {:.2}){DIM:#}",
        reason.score
    );
    for other in &reason.instead_of {
        println!("                     {DIM}instead of {}: {}{DIM:#}", other.action, other.verdict);
    }
}

fn taken_back(recall: &Recall) {
    println!(
        "{DIM}{}{DIM:#}  {ACT}↶ {}{ACT:#} for {STRONG}{}{STRONG:#} in {} is recalled",
        moment(recall.at),
        recall.action,
        recall.customer,
        recall.channel
    );
    println!("                     {DIM}because {}{DIM:#}", one_line(&recall.because.to_string()));
}

fn handed_over(escalation: &Escalation) {
    let Escalation { customer, queue, topic, priority, state, because, .. } = escalation;
    println!(
        "{DIM}{}{DIM:#}  {HAND_OVER}▲ {queue}/{topic}{HAND_OVER:#} for {STRONG}{customer}{STRONG:#}: \
         {}, priority {priority}",
        moment(escalation.at),
        state.name()
    );
    if !because.is_empty() {
        println!("                     {DIM}because {}{DIM:#}", one_line(because));
    }
    let transcript = escalation.brief.iter().flat_map(|brief| &brief.transcript);
    for line in transcript {
        println!(
            "                     {DIM}{:>8}: {}{DIM:#}",
            line.from.name(),
            one_line(&line.text)
        );
    }
}

fn moment(at: Time) -> String {
    at.to_utc().format("%Y-%m-%d %H:%M").to_string()
}

fn one_line(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match cut(&line, LINE_BYTES) {
        whole if whole.len() == line.len() => line,
        beginning => format!("{beginning}…"),
    }
}

fn mark(is_good: bool, what: impl Display) {
    if is_good {
        println!("{GOOD}✓{GOOD:#} {what}");
    } else {
        println!("{BAD}✗{BAD:#} {what}");
    }
}

/// Prints how many of the stories passed.
pub(crate) fn verdict(passed: usize, all: usize, took: Duration) {
    let style = if passed == all { GOOD } else { BAD };
    println!("{style}{passed} of {} as expected{style:#} in {took:.1?}", many(all, "story"));
}

/// Prints the result of one story on the pure core.
pub(crate) fn report(report: &StoryReport<'_>) {
    println!("{report}");
}

/// Prints that settings and policy are valid.
pub(crate) fn checked(settings: &Settings, source: &PolicySource, policy: &Policy, stories: usize) {
    mark(true, "settings");
    println!(
        "  {} on {}, store in {}",
        many(settings.service.partitions.into(), "partition"),
        settings.nats.shown_url(),
        settings.store.path.display()
    );
    let languages: Vec<String> =
        policy.speech.languages.iter().map(|language| language.to_string()).collect();
    println!("  messages are read in {}", languages.join(", "));
    for (language, about) in policy.speech.languages.models() {
        println!("  in {language} with a model of yours: {about}");
    }
    mark(true, format!("policy {} ({}, {source})", policy.name, policy.version));
    println!(
        "  {}, {}, {}, {}",
        many(policy.rules.len(), "rule"),
        many(policy.needs.len(), "need"),
        many(policy.actions.len(), "action"),
        many(stories, "story")
    );
    for (arm, policy) in &policy.arms {
        let rules = many(policy.rules.len(), "rule");
        let actions = many(policy.actions.len(), "action");
        println!("  in the arm policy {arm}: {}, {rules}, {actions}", policy.name);
    }
}

/// A count with its noun: `1 story`, `2 stories`.
pub(crate) fn many(number: usize, what: &str) -> String {
    let stem = what.strip_suffix('y').filter(|_| number != 1);
    match (number, stem) {
        (1, _) => format!("1 {what}"),
        (_, Some(stem)) => format!("{number} {stem}ies"),
        (_, None) => format!("{number} {what}s"),
    }
}

/// Prints remarks on probable mistakes.
pub(crate) fn remarks(remarks: &[Mistake]) {
    if remarks.is_empty() {
        return;
    }
    let mistakes = if remarks.len() == 1 { "a mistake" } else { "mistakes" };
    println!("{WARN}!{WARN:#} {}, probably {mistakes}:", many(remarks.len(), "remark"));
    for remark in remarks {
        println!();
        // Several lines, with a mark under the word concerned.
        remark.to_string().lines().for_each(|line| println!("{line}"));
    }
}

/// Prints a warning.
pub(crate) fn warn(what: impl Display) {
    println!("{WARN}!{WARN:#} {what}");
}

/// Prints a less important line.
pub(crate) fn faint(what: impl Display) {
    println!("{DIM}{what}{DIM:#}");
}

/// The users with keys, as JSON.
pub(crate) fn keys_as_json(prepared: &Prepared) -> Value {
    let users: Vec<Value> = prepared
        .users
        .iter()
        .map(|user| json!({ "name": user.name, "key": user.key, "inbox": user.inbox }))
        .collect();
    json!({ "broker": prepared.broker, "service": prepared.service, "users": users })
}

/// Prints an error.
pub(crate) fn fail(error: &anyhow::Error) {
    eprintln!("{BAD}error{BAD:#}: {error}");
    for cause in error.chain().skip(1) {
        eprintln!("  {DIM}because{DIM:#} {cause}");
    }
}

/// Prints the users with keys, and the next steps.
pub(crate) fn prepared(prepared: &Prepared) {
    for user in &prepared.users {
        println!("{STRONG}{}{STRONG:#}  {DIM}{}{DIM:#}", user.name, user.key.display());
    }
    println!();
    println!("  nats-server -c {}", prepared.broker.display());
    println!("  jumeau serve --config {}", prepared.service.display());
    let operator = prepared.users.iter().find(|user| user.name.starts_with("operator-"));
    if let Some(operator) = operator {
        println!("  . {} && twinctl stats", operator.key.with_extension("env").display());
    }
}
