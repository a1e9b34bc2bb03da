//! Reads `[[rules]]`: on an input, if a condition holds, run these steps.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::hint::{hint, one_of};
use super::queues::escalation_target;
use super::read::{TomlItem, TomlTable};
use super::reader::{ExpressionSite, PolicyReader};
use super::symbols::NO_DISSATISFACTION;
use super::trigger::{self, Pattern};
use super::{EscalationTarget, Expression, SourceLocation, Template, Trigger};
use crate::config::limits;

/// One rule: on an input, if a condition holds, run these steps.
#[derive(Debug)]
pub struct Rule {
    /// Its name.
    pub name: Box<str>,
    /// The condition; none: always.
    pub when: Option<Expression>,
    /// The steps, in order.
    pub then: Box<[RuleStep]>,
    /// Its location.
    pub place: SourceLocation,
}

/// One consequence of a rule.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a policy holds some thousands, made once")]
pub enum RuleStep {
    /// Raises a need of the twin to at least this strength.
    Raise {
        /// Position in [`Policy::needs`](super::Policy::needs).
        need: usize,
        /// 0 to 1.
        strength: Expression,
        /// When the need ends, if sooner than its expiry.
        until: Option<Expression>,
        /// The reason, for people to read.
        because: Option<Template>,
    },
    /// Strengthens the need, if the twin has it, by this share of the distance to 1.
    Strengthen {
        /// Position in [`Policy::needs`](super::Policy::needs).
        need: usize,
        /// 0 to 1.
        by: Expression,
    },
    /// Satisfies the need: it is removed.
    Satisfy {
        /// Position in [`Policy::needs`](super::Policy::needs).
        need: usize,
    },
    /// Sets a fact; `null` removes it.
    Set {
        /// The fact.
        fact: Box<str>,
        /// Its value.
        value: Expression,
    },
    /// Records a problem of the customer, perhaps a repeated one: it counts for dissatisfaction.
    Problem {
        /// The topic; the same text is the same problem.
        topic: Template,
    },
    /// Records a choice of the customer: evidence for a preference.
    Prefer {
        /// A key of [`Policy::preferences`](super::Policy::preferences).
        key: Box<str>,
        /// The chosen value.
        value: Expression,
    },
    /// Declares a preference for the customer.
    Declare {
        /// A key of [`Policy::preferences`](super::Policy::preferences).
        key: Box<str>,
        /// The preferred value.
        value: Expression,
    },
    /// Starts or restarts a durable timer.
    Start {
        /// Its name.
        timer: Box<str>,
        /// When it fires.
        due: Due,
        /// The interval after which it fires again; none: it fires once.
        every: Option<Duration>,
        /// How missed firings are handled.
        catch_up: CatchUp,
    },
    /// Cancels a timer.
    Cancel {
        /// Its name.
        timer: Box<str>,
    },
    /// Escalates to agents.
    Escalate {
        /// The target.
        to: EscalationTarget,
        /// The topic; there is one open escalation for each conversation, else for each queue and topic.
        topic: Box<str>,
        /// The priority, from 1 (not urgent) to 5 (immediately).
        priority: u8,
        /// The reason, for people to read.
        because: Option<Template>,
    },
    /// Proposes an action as a candidate of this reaction, whether or not a need asks for it.
    Act {
        /// Position in [`Policy::actions`](super::Policy::actions).
        action: usize,
    },
}

/// When a timer fires.
#[derive(Debug)]
pub enum Due {
    /// This long after now.
    After(Expression),
    /// At this time.
    At(Expression),
}

/// How a timer's firings missed during a downtime are handled.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum CatchUp {
    /// Every missed firing runs, one after the other.
    #[default]
    Run,
    /// The missed firings are merged into one late firing.
    Coalesce,
    /// A firing more than a minute late does not run.
    Skip,
}

/// A rule and its triggers.
pub(super) struct PatternedRule {
    pub(super) rule: Rule,
    pub(super) on: Vec<Pattern>,
}

const STEPS: &[&str] = &[
    "raise",
    "strengthen",
    "satisfy",
    "set",
    "problem",
    "prefer",
    "declare",
    "start",
    "cancel",
    "escalate",
    "act",
];

pub(super) fn read(table: &TomlTable<'_>, reader: &PolicyReader, rules: &mut Vec<PatternedRule>) {
    for item in table.get("rules").and_then(TomlItem::list).unwrap_or_default() {
        let Some(table) = item.table() else { continue };
        let name = table.require("name").and_then(TomlItem::text).unwrap_or_default();
        if rules.iter().any(|known| *known.rule.name == *name) {
            table.wrong(format!("the rule `{name}` is defined twice"));
        }
        let on = table.require("on").map_or(Vec::new(), |item| patterns(item, reader));
        let triggers: Vec<Trigger> = on.iter().map(|(trigger, _)| *trigger).collect();
        let situation = ExpressionSite::Rule(&triggers);
        let when = table.get("when").and_then(|item| reader.expression(item, situation));
        let steps = table.require("then").and_then(TomlItem::list);
        if steps.as_ref().is_some_and(Vec::is_empty) {
            table.wrong("expected at least one step in `then`, found none");
        }
        let steps = steps.unwrap_or_default();
        if steps.len() > limits::RULE_STEPS {
            let (most, found) = (limits::RULE_STEPS, steps.len());
            table.wrong(format!(
                "expected at most {most} steps in a rule, found {found}; split the rule in two"
            ));
        }
        let then = steps.into_iter().filter_map(|item| step(item, reader, situation)).collect();
        let place = table.place();
        table.finish();
        rules.push(PatternedRule { rule: Rule { name: name.into(), when, then, place }, on });
    }
}

pub(super) fn patterns(item: TomlItem<'_>, reader: &PolicyReader) -> Vec<Pattern> {
    let mut on = Vec::new();
    for pattern in item.list_or_one() {
        let Some(text) = pattern.text() else { continue };
        match trigger::parse(text) {
            Ok((trigger, detail)) => {
                if let (Trigger::Timer, Some(timer)) = (trigger, detail)
                    && let Err(message) = reader.names.timer(timer)
                {
                    pattern.wrong(message);
                }
                if let (Trigger::Topic, Some(topic)) = (trigger, detail)
                    && let Err(message) = reader.names.topic(topic)
                {
                    pattern.wrong(message);
                }
                if trigger == Trigger::Dissatisfaction && !reader.names.dissatisfaction {
                    pattern.wrong(NO_DISSATISFACTION);
                }
                if let (Trigger::Broadcast, Some(scope)) = (trigger, detail)
                    && let Err(message) = reader.names.scope(scope)
                {
                    pattern.wrong(message);
                }
                if let Some(detail) = detail {
                    let heard = (trigger, detail.into(), pattern.place());
                    reader.noticed.borrow_mut().heard.push(heard);
                }
                on.push((trigger, detail.map(Into::into)));
            }
            Err(message) => pattern.wrong(message),
        }
    }
    on
}

fn step(
    item: TomlItem<'_>,
    reader: &PolicyReader,
    situation: ExpressionSite<'_>,
) -> Option<RuleStep> {
    let table = item.table()?;
    let mut verbs: Vec<&str> = STEPS.iter().copied().filter(|verb| table.has(verb)).collect();
    if verbs.is_empty() && table.has("skill") {
        verbs.push("escalate");
    }
    let [verb] = verbs.as_slice() else {
        table.wrong(if verbs.is_empty() {
            let near = table.keys().map(|key| hint(key, STEPS.iter().copied()));
            let near: String = near.filter(|near| !near.is_empty()).take(1).collect();
            let found: Vec<String> = table.keys().map(|key| format!("`{key}`")).collect();
            let found = if found.is_empty() { "none".to_owned() } else { found.join(" and ") };
            format!("expected a step with one of {}, found {found}{near}", STEPS.join(", "))
        } else {
            format!("expected one step, found {}; write one table each", verbs.join(" and "))
        });
        return None;
    };
    let reading = StepReader { table: &table, reader, situation };
    let step = match *verb {
        "raise" => reading.raise(),
        "strengthen" => reading.strengthen(),
        "satisfy" => reading.need("satisfy").map(|need| RuleStep::Satisfy { need }),
        "set" => reading.set(),
        "problem" => reading.problem(),
        "prefer" => {
            reading.preference("prefer").map(|(key, value)| RuleStep::Prefer { key, value })
        }
        "declare" => {
            reading.preference("declare").map(|(key, value)| RuleStep::Declare { key, value })
        }
        "start" => reading.start(),
        "cancel" => reading.cancel(),
        "escalate" => reading.escalate(),
        _ => reading.act(),
    };
    table.finish();
    step
}

/// The step that is being read.
struct StepReader<'r, 'a> {
    table: &'r TomlTable<'a>,
    reader: &'r PolicyReader,
    situation: ExpressionSite<'r>,
}

impl StepReader<'_, '_> {
    fn need(&self, key: &'static str) -> Option<usize> {
        let item = self.table.require(key)?;
        self.known(item, |name| self.reader.names.need(name))
    }

    fn known<T>(
        &self,
        item: TomlItem<'_>,
        find: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        find(item.name()?).map_err(|message| item.wrong(message)).ok()
    }

    fn expression(&self, item: TomlItem<'_>) -> Option<Expression> {
        self.reader.expression(item, self.situation)
    }

    /// A share, 0 to 1: a number in range, or an expression.
    fn share(&self, item: TomlItem<'_>) -> Option<Expression> {
        if item.as_text().is_none() {
            item.number(0.0..=1.0)?;
        }
        self.expression(item)
    }

    fn raise(&self) -> Option<RuleStep> {
        let need = self.need("raise");
        let strength = match self.table.get("strength") {
            Some(item) => self.share(item),
            None => Expression::compile("1.0").ok(),
        };
        let until = self.table.get("until").map(|item| self.expression(item));
        let because = self.because();
        Some(RuleStep::Raise {
            need: need?,
            strength: strength?,
            until: flat(until)?,
            because: because?,
        })
    }

    fn because(&self) -> Option<Option<Template>> {
        let item = self.table.get("because");
        flat(item.map(|item| self.reader.template(item, self.situation)))
    }

    fn strengthen(&self) -> Option<RuleStep> {
        let need = self.need("strengthen");
        let by = self.table.require("by").and_then(|item| self.share(item));
        Some(RuleStep::Strengthen { need: need?, by: by? })
    }

    fn set(&self) -> Option<RuleStep> {
        let fact = self.table.require("set").and_then(TomlItem::name);
        let value = self.table.require("to").and_then(|item| self.expression(item));
        Some(RuleStep::Set { fact: fact?.into(), value: value? })
    }

    fn problem(&self) -> Option<RuleStep> {
        let item = self.table.require("problem")?;
        if !self.reader.names.dissatisfaction {
            item.wrong(NO_DISSATISFACTION);
        }
        Some(RuleStep::Problem { topic: self.reader.template(item, self.situation)? })
    }

    fn preference(&self, verb: &'static str) -> Option<(Box<str>, Expression)> {
        let item = self.table.require(verb)?;
        let known = self.known(item, |key| self.reader.names.preference(key));
        let value = self.table.require("value").and_then(|item| self.expression(item));
        known?;
        Some((item.as_text()?.into(), value?))
    }

    fn start(&self) -> Option<RuleStep> {
        let timer = self.table.require("start").and_then(TomlItem::name);
        let after = self.table.get("after").map(|item| self.after(item));
        let at = self.table.get("at").map(|item| self.expression(item));
        let due = match (after, at) {
            (Some(span), None) => span.map(Due::After),
            (None, Some(time)) => time.map(Due::At),
            (None, None) => {
                self.table
                    .wrong("expected `after` (such as \"30m\") or `at` (a time), found neither");
                None
            }
            (Some(_), Some(_)) => {
                self.table.wrong("expected either `after` or `at`, found both; leave one out");
                None
            }
        };
        let every = flat(self.table.get("every").map(|item| {
            let every = item.span()?;
            if every.as_secs() < limits::TIMER_EVERY_SECS_MIN as u64 {
                let least = limits::TIMER_EVERY_SECS_MIN;
                let found = item.as_text().unwrap_or_default();
                item.wrong(format!(
                    "expected at least {least} seconds between two firings of a timer, found \
                     `{found}`"
                ));
                return None;
            }
            Some(every)
        }));
        let catch_up = flat(self.table.get("catch_up").map(catch_up));
        Some(RuleStep::Start {
            timer: timer?.into(),
            due: due?,
            every: every?,
            catch_up: catch_up?.unwrap_or_default(),
        })
    }

    /// A duration such as `30m`, or an expression.
    fn after(&self, item: TomlItem<'_>) -> Option<Expression> {
        match item.as_text().map(humantime::parse_duration) {
            Some(Ok(_)) => {
                let ms = item.span()?.as_millis();
                Expression::compile(&format!("duration(\"{ms}ms\")")).ok()
            }
            _ => self.expression(item),
        }
    }

    fn cancel(&self) -> Option<RuleStep> {
        let item = self.table.require("cancel")?;
        self.known(item, |timer| self.reader.names.timer(timer))?;
        Some(RuleStep::Cancel { timer: item.as_text()?.into() })
    }

    fn escalate(&self) -> Option<RuleStep> {
        let to = escalation_target(self.table, "escalate", self.reader);
        let topic = self.table.require("topic").and_then(TomlItem::name);
        let priority = self.table.get("priority").map_or(Some(3), |item| item.whole(1..=5));
        let because = self.because();
        Some(RuleStep::Escalate {
            to: to?,
            topic: topic?.into(),
            // Within 1 to 5.
            priority: u8::try_from(priority?).unwrap_or(5),
            because: because?,
        })
    }

    fn act(&self) -> Option<RuleStep> {
        let item = self.table.require("act")?;
        let action = self.known(item, |name| self.reader.names.action(name))?;
        Some(RuleStep::Act { action })
    }
}

fn catch_up(item: TomlItem<'_>) -> Option<CatchUp> {
    let known = [("run", CatchUp::Run), ("coalesce", CatchUp::Coalesce), ("skip", CatchUp::Skip)];
    let word = item.text()?;
    match known.into_iter().find(|(name, _)| *name == word) {
        Some((_, rule)) => Some(rule),
        None => {
            if let Err(message) = one_of(word, &known.map(|(name, _)| name), "catch-up rule") {
                item.wrong(message);
            }
            None
        }
    }
}

/// An optional part, which must be right if it is there.
pub(super) fn flat<T>(part: Option<Option<T>>) -> Option<Option<T>> {
    match part {
        None => Some(None),
        Some(None) => None,
        Some(Some(read)) => Some(Some(read)),
    }
}
