//! Invariants of every twin at all times: shared by tests and simulation.

use crate::config::limits;
use crate::event::InteractionState;
use crate::policy::DUE_TIMER;
use crate::twin::state::{Choice, EscalationRecord, Twin};

/// The violated invariants of a twin; empty for a sound one.
pub fn violations(twin: &Twin) -> Vec<String> {
    let mut found = Vec::new();
    lists_within_their_limits(twin, &mut found);
    values_in_their_ranges(twin, &mut found);
    aggregates_are_sound(twin, &mut found);
    names_are_unique(twin, &mut found);
    escalations_are_sound(twin, &mut found);
    identity_is_sound(twin, &mut found);
    let mut settled = twin.clone();
    settled.settle_guards();
    if settled.guards != twin.guards {
        found.push("guards of something that is not there".to_owned());
    }
    found
}

fn lists_within_their_limits(twin: &Twin, found: &mut Vec<String>) {
    let mut within = |what: &str, len: usize, max: usize| {
        if len > max {
            found.push(format!("{len} {what}, at most {max} allowed"));
        }
    };
    within("traits", twin.profile.traits.len(), limits::TRAITS);
    within("consents", twin.profile.consents.len(), limits::CONSENTS);
    within("preferences", twin.profile.preferences.len(), limits::PREFERENCES);
    within("signals", twin.context.len(), limits::SIGNALS);
    within("facts", twin.facts.len(), limits::FACTS);
    within("interactions", twin.interactions.len(), limits::INTERACTIONS);
    within("cases", twin.cases.len(), limits::CASES);
    within("needs", twin.needs.len(), limits::NEEDS);
    within("contacts", twin.contacts.len(), limits::CONTACTS);
    within("escalations", twin.escalations.len(), limits::ESCALATIONS);
    within("timers", twin.timers.len(), limits::TIMERS);
    within("timeline entries", twin.timeline.len(), limits::TIMELINE_ENTRIES);
    // When an undetected cycle is broken, two full memories can be merged.
    within("identifiers", twin.identifiers.len(), 2 * limits::IDENTIFIERS);
    within("meetings", twin.met.len(), limits::MEETINGS);
    within("trials", twin.trials.len(), limits::POLICY_EXPERIMENTS);
    within("dates of traits", twin.dates.len(), limits::TRAITS + limits::TRAITS_REMOVED);
    within("dates of facts", twin.fact_dates.len(), limits::FACTS);
    if let Some(sentiment) = &twin.sentiment {
        within("channels of sentiment", sentiment.channels.len(), limits::SENTIMENT_CHANNELS);
        within("readings", sentiment.evidence.len(), limits::SENTIMENT_EVIDENCE);
    }
    within("problems", twin.problems.len(), limits::PROBLEMS);
    within("grave matters", twin.grave.len(), limits::GRAVE_MATTERS);
    within("windows", twin.tallies.windows.len(), limits::POLICY_AGGREGATES);
    within("counters", twin.tallies.counters.len(), limits::POLICY_AGGREGATES);
    within("activities", twin.tallies.activities.len(), limits::POLICY_AGGREGATES);
    for window in &twin.tallies.windows {
        let what = format!("entries of window {}", window.name);
        within(&what, window.entries.len(), limits::WINDOW_ENTRIES);
    }
    for known in &twin.profile.preferences {
        within(
            &format!("choices of {}", known.key),
            known.choices.len(),
            limits::PREFERENCE_VALUES,
        );
    }
}

fn values_in_their_ranges(twin: &Twin, found: &mut Vec<String>) {
    if let Some(sentiment) = &twin.sentiment {
        let courses = sentiment.channels.iter().map(|(_, course)| course);
        for course in courses.chain([&sentiment.overall]) {
            let level = course.level(course.at);
            if !(-1.0..=1.0).contains(&level) {
                found.push(format!("a sentiment of {level}"));
            }
        }
    }
    for need in &twin.needs {
        if !(need.strength > 0.0 && need.strength <= 1.0) {
            found.push(format!("need {} has strength {}", need.name, need.strength));
        }
    }
    for known in &twin.interactions {
        if known.pause.is_some() != (known.state == InteractionState::Paused) {
            found.push(format!("{} is {} with {:?}", known.id, known.state.name(), known.pause));
        }
    }
    for known in &twin.profile.preferences {
        for choice in &known.choices {
            if !(choice.weight >= 0.0 && choice.against >= 0.0) {
                let Choice { value, weight, against, .. } = choice;
                found.push(format!("{} {value} weighs {weight} and {against}", known.key));
            }
        }
    }
}

fn escalations_are_sound(twin: &Twin, found: &mut Vec<String>) {
    for (at, known) in twin.escalations.iter().enumerate() {
        if known.is_claimed() && known.agent.is_none() {
            found.push(format!("nobody holds the escalation {}, which is claimed", known.id));
        }
        let is_same = |other: &&EscalationRecord| other.is_open() && other.is_about_the_same(known);
        if known.is_open()
            && let Some(other) = twin.escalations[..at].iter().find(is_same)
        {
            found.push(format!("two open escalations about the same: {}, {}", other.id, known.id));
        }
    }
    let due = twin.open_escalations().filter_map(|known| known.due).min();
    let is_timed = twin.timers.iter().any(|timer| *timer.name == *DUE_TIMER);
    if due.is_some() && !is_timed && twin.timers.len() < limits::TIMERS {
        found.push("a deadline of an escalation without a timer".to_owned());
    }
}

fn aggregates_are_sound(twin: &Twin, found: &mut Vec<String>) {
    for window in &twin.tallies.windows {
        if !window.entries.is_sorted_by_key(|entry| entry.at) {
            found.push(format!("entries of window {} are out of order", window.name));
        }
    }
    for known in &twin.tallies.activities {
        let is_sound = known.first <= known.last
            && [known.recent, known.lasting].iter().all(|sum| (0.0..=f64::MAX).contains(sum));
        if !is_sound {
            found.push(format!("activity {} is {known:?}", known.name));
        }
    }
    for counter in twin.tallies.counters.iter().filter(|counter| !counter.value.is_finite()) {
        found.push(format!("counter {} is {}", counter.name, counter.value));
    }
}

fn identity_is_sound(twin: &Twin, found: &mut Vec<String>) {
    if twin.identifiers.iter().any(|known| known.customer == twin.customer) {
        found.push("a twin's own identifier among the others".to_owned());
    }
    if twin.linked_to.is_some() && (twin.timeline.total() > 0 || !twin.timers.is_empty()) {
        found.push("an identifier that forwards its events remembers something".to_owned());
    }
    if twin.seen < twin.born && twin.timeline.total() > 0 {
        found.push(format!("seen {} before born {}", twin.seen, twin.born));
    }
}

fn names_are_unique(twin: &Twin, found: &mut Vec<String>) {
    unique("timer", twin.timers.iter().map(|timer| &*timer.name), found);
    unique("need", twin.needs.iter().map(|need| &*need.name), found);
    unique("signal", twin.context.iter().map(|signal| &*signal.name), found);
    unique("interaction", twin.interactions.iter().map(|known| &*known.id), found);
    unique("trial", twin.trials.iter().map(|trial| &*trial.experiment), found);
    unique("grave matter", twin.grave.iter().map(|one| one.topic.name()), found);
    unique("case", twin.cases.iter().map(|case| &*case.id), found);
    unique("escalation", twin.escalations.iter().map(|known| &*known.id), found);
    unique("window", twin.tallies.windows.iter().map(|one| &*one.name), found);
    unique("counter", twin.tallies.counters.iter().map(|one| &*one.name), found);
    unique("activity", twin.tallies.activities.iter().map(|one| &*one.name), found);
    unique("identifier", twin.identifiers.iter().map(|known| known.customer.as_str()), found);
    for (at, meeting) in twin.met.iter().enumerate() {
        if twin.met[..at].iter().any(|known| known.id == meeting.id) {
            found.push(format!("met {} twice", meeting.scope));
        }
    }
}

fn unique<'a>(what: &str, names: impl Iterator<Item = &'a str>, found: &mut Vec<String>) {
    let mut names: Vec<&str> = names.collect();
    names.sort_unstable();
    for pair in names.windows(2) {
        if pair[0] == pair[1] {
            found.push(format!("two of {what} {}", pair[0]));
        }
    }
}
