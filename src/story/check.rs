use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::fmt::Write as _;

use super::script::ForbiddenResult;
use super::{
    Expectation, ExpectedOutput, ExpectedResult, FinalState, OutputKind, Prohibition, SeenOutput,
    Story,
};
use crate::event::{Customer, Value};
use crate::policy::{Policy, SourceLocation};
use crate::twin::{Action, Escalation, EscalationState, Recall, Twin};

/// The result of one expectation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The expectation as text.
    pub expected: String,
    /// What was found instead; none if the expectation was met.
    pub instead: Option<String>,
    /// The location of the expectation.
    pub place: SourceLocation,
}

impl Finding {
    /// Whether the expectation was met.
    pub fn is_met(&self) -> bool {
        self.instead.is_none()
    }
}

/// Compares the outputs with a story's expectations, in the order of the story. Without the final twins,
/// expectations about their state are left out.
pub fn check(
    story: &Story,
    policy: &Policy,
    seen: &[SeenOutput],
    twins: Option<&BTreeMap<Customer, Twin>>,
) -> Vec<Finding> {
    let checking = Checking { story, policy, seen, twins };
    let expected = story.expect.iter().filter_map(|expectation| checking.expectation(expectation));
    let never = story.never.iter().filter_map(|never| checking.never(never));
    expected.chain(never).collect()
}

struct Checking<'a> {
    story: &'a Story,
    policy: &'a Policy,
    seen: &'a [SeenOutput],
    twins: Option<&'a BTreeMap<Customer, Twin>>,
}

impl Checking<'_> {
    fn expectation(&self, expectation: &Expectation) -> Option<Finding> {
        let Expectation { customer, wanted, place } = expectation;
        let (description, instead) = match wanted {
            ExpectedResult::Outcome(outcome) => {
                (describe(outcome), self.outcome(customer, outcome))
            }
            ExpectedResult::Final(wanted) => self.final_state(self.twins?.get(customer), wanted),
        };
        Some(Finding {
            expected: format!("{customer}: {description}"),
            instead,
            place: place.clone(),
        })
    }

    fn never(&self, never: &Prohibition) -> Option<Finding> {
        let Prohibition { customer, unwanted, place } = never;
        let (description, instead) = match unwanted {
            ForbiddenResult::Outcome(outcome) => {
                let found = self.of(customer).find(|seen| self.mismatch(outcome, seen).is_none());
                (describe(outcome), found.map(|seen| self.describe_seen(seen)))
            }
            ForbiddenResult::Need(name) => {
                let twin = self.twins?.get(customer);
                let found = twin.and_then(|twin| twin.need(name, self.story.end));
                (format!("need {name}"), found.map(|need| its_strength(need.strength)))
            }
            ForbiddenResult::Preference(key) => {
                let twin = self.twins?.get(customer);
                let rule = self.policy.preferences.get(key);
                let known = twin.and_then(|twin| twin.profile.preference(key));
                let found = known.and_then(|known| known.usable(rule, self.story.end));
                (format!("preference {key}"), found.map(it_is))
            }
        };
        Some(Finding {
            expected: format!("{customer}: never {description}"),
            instead,
            place: place.clone(),
        })
    }

    fn of<'s>(&'s self, customer: &'s Customer) -> impl Iterator<Item = &'s SeenOutput> {
        self.seen.iter().filter(move |seen| seen.customer() == customer)
    }

    fn describe_seen(&self, seen: &SeenOutput) -> String {
        format!("{seen} at {}", offset(seen.at.since(self.story.start)))
    }

    /// What was found instead of the expected output, if it is missing.
    fn outcome(&self, customer: &Customer, wanted: &ExpectedOutput) -> Option<String> {
        let mismatches: Vec<(&SeenOutput, Option<String>)> =
            self.of(customer).map(|seen| (seen, self.mismatch(wanted, seen))).collect();
        let met = mismatches.iter().filter(|(_, mismatch)| mismatch.is_none()).count();
        match wanted.times {
            Some(times) if met == times as usize => return None,
            None if met > 0 => return None,
            Some(times) if met > 0 => {
                let met = u32::try_from(met).unwrap_or(u32::MAX);
                return Some(format!(
                    "it came {} instead of {}",
                    times_text(met),
                    times_text(times)
                ));
            }
            _ => {}
        }
        if mismatches.is_empty() {
            return Some("no output came for this customer".to_owned());
        }
        // The nearest outputs are those with the right name, if there are any.
        let named = mismatches.iter().filter(|(seen, _)| is_named(wanted, seen));
        let nearest: Vec<_> = named.collect();
        if nearest.is_empty() {
            let others: Vec<String> =
                mismatches.iter().map(|(seen, _)| self.describe_seen(seen)).collect();
            return Some(format!("only other outputs came: {}", others.join("; ")));
        }
        let outputs: Vec<String> = nearest
            .into_iter()
            .map(|(seen, mismatch)| match mismatch {
                Some(mismatch) => format!("{}: {mismatch}", self.describe_seen(seen)),
                None => self.describe_seen(seen),
            })
            .collect();
        Some(outputs.join("; "))
    }

    /// The first difference between an output and the expected one.
    fn mismatch(&self, wanted: &ExpectedOutput, seen: &SeenOutput) -> Option<String> {
        let at = seen.at.since(self.story.start);
        if !is_named(wanted, seen) {
            return Some("another output".to_owned());
        }
        if let Some(by) = wanted.by.filter(|by| at > *by) {
            return Some(format!("later than {}", offset(by)));
        }
        if let Some(from) = wanted.from.filter(|from| at < *from) {
            return Some(format!("sooner than {}", offset(from)));
        }
        match &seen.what {
            OutputKind::Action(action) => action_mismatch(wanted, action),
            OutputKind::Recall(recall) => recall_mismatch(wanted, recall),
            OutputKind::Escalation(escalation) => escalation_mismatch(wanted, escalation),
        }
    }

    fn final_state(&self, twin: Option<&Twin>, wanted: &FinalState) -> (String, Option<String>) {
        let now = self.story.end;
        match wanted {
            FinalState::Need { name, strength_min } => {
                let strength = twin.and_then(|twin| twin.need(name, now)).map(|need| need.strength);
                let description = format!("need {name} of at least {strength_min}");
                let instead = match strength {
                    Some(strength) if strength >= *strength_min => None,
                    Some(strength) => Some(its_strength(strength)),
                    None => Some("the customer has no such need".to_owned()),
                };
                (description, instead)
            }
            FinalState::Preference { key, is, evidence_min } => {
                let known = twin.and_then(|twin| twin.profile.preference(key));
                let value =
                    known.and_then(|known| known.usable(self.policy.preferences.get(key), now));
                let count = known
                    .and_then(|known| known.choices.iter().find(|choice| choice.value == *is))
                    .map_or(0, |choice| choice.count);
                let mut description = format!("preference {key} = {is}");
                if *evidence_min > 0 {
                    // Writing to a string cannot fail.
                    let _ = write!(description, ", chosen at least {evidence_min} times");
                }
                let instead = match value {
                    Some(value) if value == is && count >= *evidence_min => None,
                    Some(value) if value == is => {
                        Some(format!("it was chosen {}", times_text(count)))
                    }
                    Some(value) => Some(it_is(value)),
                    None => Some("it has no value with enough evidence".to_owned()),
                };
                (description, instead)
            }
            FinalState::Fact { name, is } => {
                let value = twin.and_then(|twin| twin.facts.get(name));
                let instead = match value {
                    Some(value) if same(value, is) => None,
                    Some(value) => Some(it_is(value)),
                    None => Some("the customer has no such fact".to_owned()),
                };
                (format!("fact {name} = {is}"), instead)
            }
        }
    }
}

fn its_strength(strength: f64) -> String {
    format!("its strength is {strength:.2}")
}

fn it_is(value: &Value) -> String {
    format!("it is {value}")
}

fn is_named(wanted: &ExpectedOutput, seen: &SeenOutput) -> bool {
    let fits = |wanted: &Option<Box<str>>, found: &str| {
        wanted.as_ref().is_some_and(|wanted| **wanted == *found || **wanted == *"*")
    };
    match &seen.what {
        OutputKind::Action(action) => {
            let issue = action.issue.name();
            let is_any = wanted.action.is_none() && wanted.issue.is_some();
            (is_any || fits(&wanted.action, &action.action))
                && (wanted.issue.is_none() || fits(&wanted.issue, issue))
        }
        OutputKind::Recall(recall) => fits(&wanted.recall, &recall.action),
        // Its later states repeat it.
        OutputKind::Escalation(escalation) => {
            escalation.state == EscalationState::Open
                && escalation.changed.is_empty()
                && fits(&wanted.escalation, &escalation.queue)
        }
    }
}

fn action_mismatch(wanted: &ExpectedOutput, action: &Action) -> Option<String> {
    differs("channel", &wanted.channel, &action.channel)
        .or_else(|| differs("treatment", &wanted.treatment, &action.treatment))
        .or_else(|| differs("tone", &wanted.tone, &action.tone))
        .or_else(|| differs("language", &wanted.language, &action.language))
        .or_else(|| lacks("text", &wanted.text_contains, &action.text))
        .or_else(|| lacks("reason", &wanted.because_contains, &action.reason.because))
        .or_else(|| {
            wanted.data.iter().find_map(|(name, value)| match action.data.get(name) {
                Some(found) if same(found, value) => None,
                Some(found) => Some(format!("its data `{name}` is {found} instead of {value}")),
                None => Some(format!("its data has no `{name}`")),
            })
        })
}

fn recall_mismatch(wanted: &ExpectedOutput, recall: &Recall) -> Option<String> {
    differs("channel", &wanted.channel, &recall.channel)
        .or_else(|| lacks("reason", &wanted.because_contains, &recall.because.to_string()))
}

fn escalation_mismatch(wanted: &ExpectedOutput, escalation: &Escalation) -> Option<String> {
    let transcript = escalation.brief.as_ref().map_or(String::new(), |brief| {
        brief.transcript.iter().map(|line| format!("{}\n", line.text)).collect()
    });
    differs("topic", &wanted.topic, &escalation.topic)
        .or_else(|| lacks("reason", &wanted.because_contains, &escalation.because))
        .or_else(|| lacks("transcript", &wanted.transcript_contains, &transcript))
}

fn differs(what: &str, wanted: &Option<Box<str>>, found: &str) -> Option<String> {
    let wanted = wanted.as_deref().filter(|wanted| *wanted != "*" && *wanted != found)?;
    Some(format!("its {what} is {found} instead of {wanted}"))
}

fn lacks(what: &str, wanted: &[Box<str>], found: &str) -> Option<String> {
    let wanted = wanted.iter().find(|wanted| !found.contains(&***wanted))?;
    Some(format!("its {what} does not contain \"{wanted}\": \"{}\"", found.trim_end()))
}

/// Integers and other numbers of the same value are equal.
fn same(left: &Value, right: &Value) -> bool {
    left == right || left.compare_numbers(right) == Some(Ordering::Equal)
}

fn describe(outcome: &ExpectedOutput) -> String {
    let recall = outcome.recall.as_ref().map(|action| match &**action {
        "*" => "any recall".to_owned(),
        action => format!("recall of {action}"),
    });
    let mut text = match (&outcome.action, &outcome.escalation, &outcome.issue) {
        (None, None, None) if recall.is_some() => recall.unwrap_or_default(),
        (_, Some(queue), _) if **queue == *"*" => "any escalation".to_owned(),
        (_, Some(queue), _) => format!("escalation to {queue}"),
        (Some(action), _, None) if **action == *"*" => "any action".to_owned(),
        (Some(action), _, None) => action.to_string(),
        (Some(action), _, Some(issue)) => format!("{action} ({issue})"),
        (None, _, Some(issue)) => format!("any {issue} action"),
        (None, None, None) => "nothing".to_owned(),
    };
    let mut add = |part: fmt::Arguments<'_>| {
        // Writing to a string cannot fail.
        let _ = text.write_fmt(part);
    };
    if let Some(topic) = &outcome.topic {
        add(format_args!(", {topic}"));
    }
    if let Some(channel) = &outcome.channel {
        add(format_args!(" in {channel}"));
    }
    if let Some(language) = &outcome.language {
        add(format_args!(" in the language {language}"));
    }
    if let Some(times) = outcome.times {
        add(format_args!(", {}", times_text(times)));
    }
    if let Some(from) = outcome.from {
        add(format_args!(", from {}", offset(from)));
    }
    if let Some(by) = outcome.by {
        add(format_args!(", by {}", offset(by)));
    }
    for part in outcome.text_contains.iter().chain(&outcome.transcript_contains) {
        add(format_args!(", with \"{part}\""));
    }
    text
}

/// The time since the story's start, for people: its two largest parts, as `15d 21h`.
pub(super) fn offset(span: std::time::Duration) -> String {
    let secs = span.as_secs();
    let parts =
        [(secs / 86_400, "d"), (secs / 3_600 % 24, "h"), (secs / 60 % 60, "m"), (secs % 60, "s")];
    let largest = parts.iter().position(|(count, _)| *count > 0).unwrap_or(parts.len() - 1);
    let largest: Vec<String> = parts
        .iter()
        .skip(largest)
        .take(2)
        .filter(|(count, _)| *count > 0 || secs == 0)
        .map(|(count, unit)| format!("{count}{unit}"))
        .collect();
    largest.join(" ")
}

fn times_text(times: u32) -> String {
    match times {
        0 => "not at all".to_owned(),
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        times => format!("{times} times"),
    }
}
