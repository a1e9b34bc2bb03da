//! What a customer and the company do: interactions, cases, contacts, escalations, timers, broadcasts.

use comfy_table::{Attribute, Color};
use jumeau::api::TwinView;
use jumeau::event::{Time, Value};
use jumeau::policy;
use jumeau::twin::{Case, Contact, EscalationRecord, EscalationState, Interaction, Timer, Trial};

use super::{faint, map, span, value};
use crate::render::quantity::{distance, moment};
use crate::render::sheet::{Cell, Sheet};

/// What is going on, and what has been done.
pub(super) fn activity(sheet: &mut Sheet, twin: &TwinView, now: Time) {
    let interactions = twin.interactions.iter().map(|one| interaction(one, now));
    sheet.section("interactions", interactions.collect());
    for one in twin.interactions.iter().filter(|one| !one.lines.is_empty()) {
        sheet.section(&format!("said in {} {}", one.kind, one.id), transcript(one));
    }
    sheet.section("cases", twin.cases.iter().map(|one| case(one, now)).collect());
    let latest_first = twin.contacts.iter().rev();
    sheet.section("contacts", latest_first.map(|one| contact(one, now)).collect());
    sheet.section("escalations", twin.escalations.iter().map(|one| escalation(one, now)).collect());
    sheet.section("timers", twin.timers.iter().map(|one| timer(one, now)).collect());
    sheet.section("experiments", twin.trials.iter().map(|one| trial(one, now)).collect());
    let met = twin.met.iter().map(|met| vec![Cell::new(&met.scope), faint(distance(now, met.at))]);
    sheet.section("met", met.collect());
}

fn interaction(one: &Interaction, now: Time) -> Vec<Cell> {
    let step = match &one.step {
        Value::Null => String::new(),
        step => format!(" at step {}", value(step)),
    };
    let pause = one.pause.map_or(String::new(), |pause| {
        let offered = pause.offered.map(|at| format!(", offered {}", distance(now, at)));
        format!(" by {}{}", pause.by.name(), offered.unwrap_or_default())
    });
    vec![
        Cell::new(format!("{} {}", one.kind, one.id)),
        Cell::new(format!("{}{step} on {}{pause}", one.state.name(), one.channel)),
        faint(distance(now, one.touched)),
        Cell::new(map(&one.data)),
    ]
}

/// The messages of an interaction.
fn transcript(one: &Interaction) -> Vec<Vec<Cell>> {
    let lines = one.lines.iter().map(|line| {
        vec![
            faint(moment(line.at)),
            faint(&line.channel),
            Cell::new(line.from.name()),
            Cell::new(&line.text),
        ]
    });
    lines.collect()
}

fn case(case: &Case, now: Time) -> Vec<Cell> {
    let state = Cell::new(&case.state);
    vec![
        Cell::new(&case.id),
        if case.is_open() { state.fg(Color::Yellow) } else { state.add_attribute(Attribute::Dim) },
        Cell::new(case.topic.as_deref().unwrap_or("")),
        faint(case.due.map_or(String::new(), |due| format!("due {}", distance(now, due)))),
    ]
}

fn contact(contact: &Contact, now: Time) -> Vec<Cell> {
    let outcome = match &contact.outcome {
        Some(outcome) => format!("{} {}", outcome.kind.name(), distance(now, outcome.at)),
        None => "no outcome yet".into(),
    };
    vec![
        Cell::new(&contact.action).fg(Color::Green),
        Cell::new(format!("in {}", contact.channel)),
        faint(distance(now, contact.at)),
        Cell::new(outcome),
    ]
}

fn escalation(one: &EscalationRecord, now: Time) -> Vec<Cell> {
    let state = match one.state {
        EscalationState::Open => "open",
        EscalationState::Claimed => "claimed",
        EscalationState::HandedBack => "handed back",
        EscalationState::Resolved => "resolved",
        EscalationState::Expired => "expired",
    };
    let by = one.agent.as_deref().map_or(String::new(), |agent| format!(" by {agent}"));
    let color = if one.is_open() { Color::Magenta } else { Color::Green };
    vec![
        Cell::new(format!("{} {}", one.queue, one.topic)),
        Cell::new(format!("{state}{by}")).fg(color),
        Cell::new(format!("priority {}", one.priority)),
        Cell::new(&one.because),
        faint(distance(now, one.touched)),
    ]
}

/// What a timer is for. Those of rules have a name; of those that every twin keeps, the prefix alone says
/// little.
fn timer_name(name: &str) -> String {
    let what = match name {
        policy::GOAL_TIMER => "ends waiting for goals of experiments",
        policy::IGNORED_TIMER => "notices actions without an outcome",
        policy::CONSENT_TIMER => "ends consents",
        policy::RETENTION_TIMER => "deletes what is kept no longer",
        _ => return name.to_owned(),
    };
    format!("{name} {what}")
}

/// An experiment that the customer has entered.
fn trial(trial: &Trial, now: Time) -> Vec<Cell> {
    let reached = if trial.reached { "goal reached" } else { "goal not reached" };
    let awaited = trial.measurement.awaited();
    let awaited =
        awaited.map_or(String::new(), |goal| format!("uplift of {} is measured", goal.action));
    vec![
        Cell::new(&trial.experiment),
        Cell::new(format!("in the arm {}", trial.arm)).fg(Color::Blue),
        faint(format!("entered {}", distance(now, trial.since))),
        Cell::new(reached),
        faint(awaited),
    ]
}

fn timer(timer: &Timer, now: Time) -> Vec<Cell> {
    let every = timer.every.map_or(String::new(), |every| format!("then every {}", span(every)));
    vec![
        Cell::new(timer_name(&timer.name)),
        Cell::new(distance(now, timer.due)),
        faint(moment(timer.due)),
        faint(every),
    ]
}
