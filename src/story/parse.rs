use std::cell::RefCell;
use std::time::Duration;

use super::script::ForbiddenResult;
use super::{
    Expectation, ExpectedOutput, ExpectedResult, FinalState, Prohibition, StepContent, StepSubject,
    Story, StoryStep,
};
use crate::config::limits;
use crate::event::{Channel, Customer, Time, Value, language_tag};
use crate::policy::read::{Findings, TomlItem, TomlSource, TomlTable, hint};
use crate::policy::{EscalationTarget, Mistakes, Policy, RuleStep, nearest};
use crate::twin::LiveBroadcast;

/// Parses a story for a policy.
///
/// # Errors
/// All mistakes at once, each with its line: events that the service would reject, names that the policy
/// does not define (with the nearest right ones), unknown keys, wrong types.
pub fn parse(file: &str, content: &str, policy: &Policy) -> Result<Story, Mistakes> {
    let found = RefCell::new(Findings::default());
    let story = TomlSource::new(file, content, &found)
        .parse()
        .and_then(|document| read(document.root().table()?, policy));
    found.into_inner().finish()?;
    story.ok_or_else(|| Findings::one_in_file(file, "expected a story, found none"))
}

fn read(table: TomlTable<'_>, policy: &Policy) -> Option<Story> {
    let name = table.require("story").and_then(TomlItem::text);
    let start = table.require("start").and_then(|item| {
        let text = item.text()?;
        let time = Time::parse(text);
        if time.is_none() {
            item.wrong(format!("expected a time such as 2026-03-02T09:00:00Z, found `{text}`"));
        }
        time
    });
    let listed = table.require("steps").and_then(TomlItem::list).unwrap_or_default();
    if listed.len() > limits::STORY_STEPS {
        let (most, found) = (limits::STORY_STEPS, listed.len());
        table.wrong(format!("expected at most {most} steps in a story, found {found}"));
    }
    let mut steps: Vec<StoryStep> = listed.into_iter().filter_map(step).collect();
    steps.sort_by_key(|step| step.at);

    let cast = |customer: &Customer| steps.iter().any(|step| step.customer() == Some(customer));
    let reading = StoryReader { policy, cast: &cast };
    let expect: Vec<Expectation> = table
        .get("expect")
        .and_then(TomlItem::list)
        .unwrap_or_default()
        .into_iter()
        .filter_map(|item| reading.expectation(item))
        .collect();
    let never: Vec<Prohibition> = table
        .get("never")
        .and_then(TomlItem::list)
        .unwrap_or_default()
        .into_iter()
        .filter_map(|item| reading.never(item))
        .collect();
    if !table.has("expect") && !table.has("never") {
        table.wrong(
            "expected at least one [[expect]] or [[never]], found none; without one the story tests \
             nothing",
        );
    }
    let lasts = table.get("lasts").and_then(TomlItem::span);
    let place = table.place();
    table.finish();

    let start = start?;
    let of_outcomes = expect.iter().filter_map(|expectation| match &expectation.wanted {
        ExpectedResult::Outcome(outcome) => outcome.by,
        ExpectedResult::Final(_) => None,
    });
    let of_nevers = never.iter().filter_map(|never| match &never.unwanted {
        ForbiddenResult::Outcome(outcome) => outcome.by,
        _ => None,
    });
    let last = steps.iter().map(|step| step.at).chain(of_outcomes).chain(of_nevers).max();
    let lasts = lasts.max(last).unwrap_or_default();
    Some(Story { name: name?.into(), start, end: start + lasts, steps, expect, never, place })
}

fn step(item: TomlItem<'_>) -> Option<StoryStep> {
    let table = item.table()?;
    let at = table.require("at").and_then(offset);
    let refused = table.get("refused").map_or(Some(false), TomlItem::truth);
    let (subject, data, named) = match table.get("broadcast") {
        Some(scope) => {
            let data = table.require("data");
            (scope.text().map(|scope| StepSubject::Broadcast(scope.into())), data, Some(scope))
        }
        None => event(&table),
    };
    let place = table.place();
    table.finish();
    let data = match data.map(TomlItem::value).unwrap_or_default() {
        // Some events have no data.
        Value::Null => Value::Map(Box::default()),
        data => data,
    };
    let step = StoryStep { at: at?, subject: subject?, data, refused: refused?, place };
    // Whether the event can be parsed does not depend on the value of a reference.
    let checked = step.content("story", Time::default(), &[]).and_then(|content| match content {
        StepContent::Broadcast(broadcast) => {
            LiveBroadcast::new(&broadcast, Time::default()).map(drop)
        }
        StepContent::Event(_) => Ok(()),
    });
    if let (false, Err(rejection)) = (step.refused, checked) {
        named.unwrap_or(item).wrong(rejection.detail);
    }
    Some(step)
}

/// The subject of an event, its data, and the location of its type.
fn event<'a>(
    table: &TomlTable<'a>,
) -> (Option<StepSubject>, Option<TomlItem<'a>>, Option<TomlItem<'a>>) {
    let customer = table.require("customer").and_then(customer);
    let channel = table
        .require("channel")
        .and_then(|item| Channel::new(item.text()?).map_err(|message| item.wrong(message)).ok());
    let Some(event) = table.require("event").and_then(TomlItem::table) else {
        return (None, None, None);
    };
    let (named, data) = (event.require("type"), event.get("data"));
    event.finish();
    let kind = named.and_then(TomlItem::text).map(Into::into);
    let subject = match (customer, channel, kind) {
        (Some(customer), Some(channel), Some(kind)) => {
            Some(StepSubject::Event { customer, channel, kind })
        }
        _ => None,
    };
    (subject, data, named)
}

/// A time after the start: `0s`, `36h`, `1d 2h`.
fn offset(item: TomlItem<'_>) -> Option<Duration> {
    item.span()
}

fn customer(item: TomlItem<'_>) -> Option<Customer> {
    Customer::new(item.text()?).map_err(|message| item.wrong(message)).ok()
}

struct StoryReader<'a> {
    policy: &'a Policy,
    cast: &'a dyn Fn(&Customer) -> bool,
}

impl StoryReader<'_> {
    fn expectation(&self, item: TomlItem<'_>) -> Option<Expectation> {
        let table = item.table()?;
        let customer = self.cast(&table);
        let wanted = match self.subject(&table)? {
            "action" | "recall" | "escalation" | "issue" => {
                ExpectedResult::Outcome(Box::new(self.outcome(&table)?))
            }
            "need" => {
                let strength_min =
                    table.get("at_least").map_or(Some(0.0), |item| item.number(0.0..=1.0));
                ExpectedResult::Final(FinalState::Need {
                    name: self.need(&table)?,
                    strength_min: strength_min?,
                })
            }
            "preference" => {
                let evidence = table.get("evidence").map_or(Some(0), |item| item.whole(0..=1_000));
                let is = table.require("is").map(TomlItem::value);
                let key = self.preference(&table)?;
                ExpectedResult::Final(FinalState::Preference {
                    key,
                    is: is?,
                    evidence_min: evidence?,
                })
            }
            _ => {
                let is = table.require("is").map(TomlItem::value);
                let name = table.require("fact").and_then(TomlItem::name)?.into();
                ExpectedResult::Final(FinalState::Fact { name, is: is? })
            }
        };
        let place = table.place();
        table.finish();
        Some(Expectation { customer: customer?, wanted, place })
    }

    fn never(&self, item: TomlItem<'_>) -> Option<Prohibition> {
        let table = item.table()?;
        let customer = self.cast(&table);
        let unwanted = match self.subject(&table)? {
            "action" | "recall" | "escalation" | "issue" => {
                ForbiddenResult::Outcome(Box::new(self.outcome(&table)?))
            }
            "need" => ForbiddenResult::Need(self.need(&table)?),
            "preference" => ForbiddenResult::Preference(self.preference(&table)?),
            _ => {
                table.wrong(
                    "expected one of action, recall, escalation, issue, need, preference in \
                     [[never]], found `fact`; facts are for [[expect]]",
                );
                return None;
            }
        };
        let place = table.place();
        table.finish();
        Some(Prohibition { customer: customer?, unwanted, place })
    }

    /// The customer, who must appear in the story: there are no outputs for anybody else.
    fn cast(&self, table: &TomlTable<'_>) -> Option<Customer> {
        let item = table.require("customer")?;
        let customer = customer(item)?;
        if !(self.cast)(&customer) {
            item.wrong(format!(
                "expected a customer of a step in this story, found `{customer}`, who is in none"
            ));
        }
        Some(customer)
    }

    fn subject(&self, table: &TomlTable<'_>) -> Option<&'static str> {
        const SUBJECTS: [&str; 7] =
            ["action", "recall", "escalation", "need", "preference", "fact", "issue"];
        let subject = SUBJECTS.into_iter().find(|subject| table.has(subject));
        if subject.is_none() {
            let near = |key: &str| nearest(key, SUBJECTS).map(|near| (key.to_owned(), near));
            let found = match table.keys().find_map(near) {
                Some((key, near)) => format!("`{key}`; did you mean `{near}`?"),
                None => "none".to_owned(),
            };
            table.wrong(format!("expected one of {}, found {found}", SUBJECTS.join(", ")));
        }
        subject
    }

    fn known<'n>(
        &self,
        item: TomlItem<'_>,
        what: &str,
        mut known: impl Iterator<Item = &'n str> + Clone,
    ) -> Option<Box<str>> {
        let name = item.text()?;
        if name != "*" && !known.clone().any(|known| known == name) {
            let near = hint(name, &mut known);
            item.wrong(format!("the policy has no {what} `{name}`{near}"));
            return None;
        }
        Some(name.into())
    }

    fn need(&self, table: &TomlTable<'_>) -> Option<Box<str>> {
        let names = self.policy.needs.iter().map(|need| &*need.name);
        self.known(table.require("need")?, "need", names)
    }

    fn preference(&self, table: &TomlTable<'_>) -> Option<Box<str>> {
        let keys = self.policy.preferences.keys().map(|key| &**key);
        self.known(table.require("preference")?, "preference", keys)
    }

    fn outcome(&self, table: &TomlTable<'_>) -> Option<ExpectedOutput> {
        let actions = self.policy.actions.iter().map(|action| &*action.name);
        let queues =
            self.policy.rules.iter().flat_map(|rule| &rule.then).filter_map(|step| match step {
                RuleStep::Escalate { to: EscalationTarget::Queue(queue), .. } => Some(&**queue),
                _ => None,
            });
        let queues = queues.chain(self.policy.queues.iter().map(|queue| &*queue.name));
        let treatments = self.policy.actions.iter().flat_map(|action| &action.treatments);
        let channels = treatments.clone().map(|treatment| &*treatment.channel);
        let tones = treatments.map(|treatment| &*treatment.tone);
        let action = table.get("action").map(|item| self.known(item, "action", actions.clone()));
        let recall = table.get("recall").map(|item| self.known(item, "action", actions));
        let escalation = table.get("escalation").map(|item| self.known(item, "queue", queues));
        let channel = table.get("channel").map(|item| self.known(item, "channel", channels));
        let tone = table.get("tone").map(|item| self.known(item, "tone", tones));
        let text = |key| table.get(key).map(|item: TomlItem<'_>| item.text().map(Box::<str>::from));
        let texts = |key| {
            let items = table.get(key).map_or(Vec::new(), TomlItem::list_or_one);
            items.into_iter().filter_map(TomlItem::text).map(Into::into).collect()
        };
        let issues = ["service", "retention", "nurture", "sales"];
        let issue = table.get("issue").map(|item| self.known(item, "issue", issues.into_iter()));
        let data = table.get("data").and_then(TomlItem::table).map_or(Vec::new(), |data| {
            data.entries()
                .into_iter()
                .map(|(key, item)| (key.text().into(), item.value()))
                .collect()
        });
        let (from, by) = (table.get("from").map(offset), table.get("by").map(offset));
        if let (Some(item), Some(Some(start)), Some(Some(end))) = (table.get("from"), from, by)
            && start > end
        {
            item.wrong("expected `from` not after `by`, found a time after it; nothing fits both");
        }
        let times = table.get("times").map(|item| item.whole(0..=10_000));
        let outcome = ExpectedOutput {
            action: needed(action)?,
            recall: needed(recall)?,
            escalation: needed(escalation)?,
            issue: needed(issue)?,
            channel: needed(channel)?,
            treatment: needed(text("treatment"))?,
            tone: needed(tone)?,
            language: needed(text("language"))?.map(|tag| language_tag(&tag).into()),
            topic: needed(text("topic"))?,
            text_contains: texts("text_contains"),
            because_contains: texts("because_contains"),
            transcript_contains: texts("transcript_contains"),
            data,
            from: needed(from)?,
            by: needed(by)?,
            times: needed(times)?,
        };
        Some(outcome)
    }
}

/// An optional part, which must be right if it is there.
fn needed<T>(part: Option<Option<T>>) -> Option<Option<T>> {
    match part {
        None => Some(None),
        Some(read) => read.map(Some),
    }
}
