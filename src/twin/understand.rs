//! Policy rules raise, strengthen and satisfy needs, keep facts, note choices, start timers, hand
//! over to people and propose actions.

use smallvec::SmallVec;

use super::preference::{Evidence, Speaks};
use super::reaction::Notes;
use super::sentiment::Said;
use super::view::View;
use super::{Cause, Effect, Input, Timer, Twin, act, profile};
use crate::config::limits;
use crate::event::{Kind, Time, Value};
use crate::policy::{Due, EvalError, Expression, Place, Policy, Rule, Step, Template, Truth};

/// What one reaction goes by.
pub(super) struct Context<'a> {
    pub(super) input: &'a Input,
    pub(super) policy: &'a Policy,
    /// When the twin was seen before this input.
    pub(super) last_seen: Time,
    /// What the customer says, if the input is a message of theirs.
    pub(super) said: Option<Said>,
}

/// What the rules would have decided about.
#[derive(Debug, Default)]
pub(super) struct Wishes {
    /// A need was raised or strengthened.
    pub(super) needs_moved: bool,
    /// Positions of the actions that rules proposed.
    pub(super) proposed: SmallVec<[usize; 2]>,
}

impl Wishes {
    pub(super) fn is_any(&self) -> bool {
        self.needs_moved || !self.proposed.is_empty()
    }
}

/// Applies every rule that the input concerns, in the order of the policy. A rule sees what the
/// rules before it have changed.
pub(super) fn understand(
    twin: &mut Twin,
    context: &mut Context<'_>,
    effects: &mut Vec<Effect>,
    notes: &mut Notes,
) -> Wishes {
    let mut wishes = Wishes::default();
    let (trigger, detail) = context.input.trigger();
    if let Cause::Event(event) = &context.input.cause
        && let Kind::Message(told) = &event.kind
    {
        context.said = twin.listen(told, &event.channel, context);
    }
    let topics = context.said.iter().flat_map(Said::topics);
    for rule in context.policy.rules_for(trigger, detail, topics) {
        let holds = match &rule.when {
            None => true,
            Some(when) => matches!(when.test(&View { twin, context, need: None }), Truth::True),
        };
        if holds {
            let mut turn = Turn { twin, context, rule, effects, notes, wishes: &mut wishes };
            rule.then.iter().for_each(|step| turn.take(step));
        }
    }
    wishes
}

/// One rule at work on one twin.
struct Turn<'a, 'b> {
    twin: &'a mut Twin,
    context: &'a Context<'b>,
    rule: &'a Rule,
    effects: &'a mut Vec<Effect>,
    notes: &'a mut Notes,
    wishes: &'a mut Wishes,
}

impl Turn<'_, '_> {
    /// Takes one step. A step whose expressions do not work out is left out and noted: the other
    /// steps and the event must not suffer for it.
    fn take(&mut self, step: &Step) {
        if let Err(error) = self.try_take(step) {
            self.notes.policy(&self.rule.place, error);
        }
    }

    fn try_take(&mut self, step: &Step) -> Result<(), EvalError> {
        let now = self.context.input.at;
        let policy = self.context.policy;
        match step {
            Step::Raise { need, strength, until, because } => {
                let strength = self.read(strength, Expression::number)?;
                let until = match until {
                    Some(until) => Some(self.read(until, Expression::time)?),
                    None => None,
                };
                let evidence = self.say(because.as_ref());
                let need = &policy.needs[*need];
                let lives = self.twin.raise(need, strength, until, &evidence, now, self.notes);
                self.wishes.needs_moved |= lives;
            }
            Step::Strengthen { need, by } => {
                let by = self.read(by, Expression::number)?;
                self.wishes.needs_moved |= self.twin.strengthen(&policy.needs[*need], by, now);
            }
            Step::Satisfy { need } => self.twin.satisfy(&policy.needs[*need]),
            Step::Set { fact, value } => match self.read(value, Expression::value)? {
                Value::Null => drop(self.twin.facts.remove(fact)),
                value => self.keep_fact(fact, &value),
            },
            Step::Prefer { key, value } => match self.read(value, Expression::value)? {
                Value::Null => {}
                value => {
                    // The input at hand is the newest entry.
                    let number = self.twin.timeline.total().saturating_sub(1);
                    let speaks = Speaks::For(1.0);
                    let evidence = Evidence { key, value: &value, speaks, number, at: now };
                    let rule = &policy.preferences[key];
                    self.twin.profile.prefer_shown(&evidence, rule, self.notes);
                }
            },
            Step::Declare { key, value } => match self.read(value, Expression::value)? {
                Value::Null => {}
                value => {
                    let rule = policy.preferences.get(key);
                    self.twin.profile.declare(key, &value, rule, now, self.notes);
                }
            },
            Step::Start { timer, due, every, catch_up } => {
                let due = match due {
                    Due::After(span) => now + self.read(span, Expression::span)?,
                    Due::At(time) => self.read(time, Expression::time)?,
                };
                let timer = Timer { name: timer.clone(), due, every: *every, catch_up: *catch_up };
                self.twin.start_timer(timer, self.effects, self.notes);
            }
            Step::Cancel { timer } => self.twin.cancel_timer(timer, self.effects),
            Step::Escalate { queue, topic, priority, because } => {
                let because = self.say(because.as_ref());
                let opened = act::Opening { queue, topic, priority: *priority, because: &because };
                if let Some(effect) = act::escalate(self.twin, &opened, self.context, self.notes) {
                    self.effects.push(effect);
                }
            }
            Step::Act { action } => {
                if !self.wishes.proposed.contains(action) {
                    self.wishes.proposed.push(*action);
                }
            }
        }
        Ok(())
    }

    fn read<T>(
        &self,
        expression: &Expression,
        how: impl FnOnce(&Expression, &dyn crate::policy::Scope) -> Result<T, EvalError>,
    ) -> Result<T, EvalError> {
        how(expression, &View { twin: self.twin, context: self.context, need: None })
    }

    /// Words for people; none rather than words with a hole in them.
    fn say(&mut self, template: Option<&Template>) -> String {
        let Some(template) = template else { return String::new() };
        match template.render(&View { twin: self.twin, context: self.context, need: None }) {
            Ok(words) => words,
            Err(error) => {
                let place: &Place = &self.rule.place;
                self.notes.policy(place, error);
                String::new()
            }
        }
    }

    fn keep_fact(&mut self, fact: &str, value: &Value) {
        let facts = &mut self.twin.facts;
        if facts.len() == limits::FACTS && facts.get(fact).is_none() {
            self.notes.limit("FACTS");
        } else if let Some(value) = profile::kept(value, self.notes) {
            facts.insert(fact, value);
        }
    }
}
