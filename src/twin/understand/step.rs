//! Runs the steps of a rule.

use crate::config::limits;
use crate::event::Value;
use crate::policy::{
    Due, EvalError, Expression, NeedDefinition, Path, Purposes, Rule, RuleStep, SourceLocation,
    Template,
};
use crate::twin::effect::Effect;
use crate::twin::escalation::{self, NewEscalation};
use crate::twin::moment::{DecisionRequests, ReactionContext, ReadPurpose, View};
use crate::twin::note::Notes;
use crate::twin::state::guard::both;
use crate::twin::state::{Derived, Evidence, PreferenceSign, Timer, Twin, profile};

/// The run of one rule on one twin.
pub(super) struct RuleRun<'a, 'b> {
    pub(super) twin: &'a mut Twin,
    pub(super) context: &'a ReactionContext<'b>,
    pub(super) rule: &'a Rule,
    pub(super) effects: &'a mut Vec<Effect>,
    pub(super) notes: &'a mut Notes,
    pub(super) requests: &'a mut DecisionRequests,
    /// The purposes of what the rule has read; none: unrestricted.
    pub(super) purposes: Option<Purposes>,
}

impl RuleRun<'_, '_> {
    /// Runs one step. A step whose expressions fail is skipped and noted, so that the other steps and the
    /// event are not affected.
    pub(super) fn take(&mut self, step: &RuleStep) {
        let read = match step {
            RuleStep::Raise { strength, .. } => strength.paths(),
            RuleStep::Strengthen { by, .. } => by.paths(),
            RuleStep::Set { value, .. }
            | RuleStep::Prefer { value, .. }
            | RuleStep::Declare { value, .. } => value.paths(),
            _ => &[],
        };
        if self.context.reads_late_part(read) {
            return;
        }
        if let Err(error) = self.try_take(step) {
            self.notes.policy(&self.rule.place, error);
        }
    }

    fn try_take(&mut self, step: &RuleStep) -> Result<(), EvalError> {
        let policy = self.context.policy;
        match step {
            RuleStep::Raise { need, strength, until, because } => {
                self.raise(&policy.needs[*need], strength, until.as_ref(), because.as_ref())?;
            }
            RuleStep::Strengthen { need, by } => {
                let need = &policy.needs[*need];
                let purposes = self.derived_purposes([by.paths()].into_iter());
                let by = self.read(by, Expression::number)?;
                let lives = self.twin.strengthen(need, by, self.context.input.at);
                self.guard_moved_need(lives, &need.name, purposes);
            }
            RuleStep::Satisfy { need: position } => {
                let need = &policy.needs[*position];
                self.requests.met.push(*position);
                self.twin.satisfy(need);
                self.unguard(Derived::Need, &need.name);
            }
            RuleStep::Set { fact, value } => self.set(fact, value)?,
            RuleStep::Problem { topic } => {
                let topic = self.say(Some(topic));
                let (policy, at) = (self.context.policy, self.context.input.at);
                self.twin.note_problem(&topic, None, policy, at, self.notes);
            }
            RuleStep::Prefer { .. } if !self.context.is_personal => {}
            RuleStep::Prefer { key, value } => {
                if let Some(value) = self.preferred(value)? {
                    // The current input is the newest entry.
                    let number = self.twin.timeline.total().saturating_sub(1);
                    let (speaks, at) = (PreferenceSign::For(1.0), self.context.input.at);
                    let evidence = Evidence { key, value: &value, speaks, number, at };
                    let rule = &policy.preferences[key];
                    self.twin.profile.prefer_shown(&evidence, rule, self.notes);
                }
            }
            RuleStep::Declare { key, value } => {
                if let Some(value) = self.preferred(value)? {
                    let (rule, at) = (policy.preferences.get(key), self.context.input.stated_at);
                    self.twin.profile.declare(key, &value, rule, at, self.notes);
                }
            }
            RuleStep::Start { timer, due, every, catch_up } => {
                let due = match due {
                    Due::After(span) => {
                        self.context.input.at + self.read(span, Expression::span)?
                    }
                    Due::At(time) => self.read(time, Expression::time)?,
                };
                let timer = Timer { name: timer.clone(), due, every: *every, catch_up: *catch_up };
                self.twin.start_timer(timer, self.effects, self.notes);
            }
            RuleStep::Cancel { timer } => self.twin.cancel_timer(timer, self.effects),
            // If processing is restricted, a wish in the current message is still heard.
            RuleStep::Escalate { .. } if self.context.is_restricted && !self.is_of_the_words() => {}
            RuleStep::Escalate { to, topic, priority, because } => {
                let queue = escalation::route(self.twin, to, self.context);
                let uses = policy.uses_of_queue(queue);
                let because = self.say_to(because.as_ref(), Some(&uses));
                let opening = NewEscalation { to, topic, priority: *priority, because: &because };
                let (effects, notes) = (&mut *self.effects, &mut *self.notes);
                escalation::escalate(self.twin, &opening, self.context, effects, notes);
            }
            RuleStep::Act { action } => self.propose(*action),
        }
        Ok(())
    }

    fn raise(
        &mut self,
        need: &NeedDefinition,
        strength: &Expression,
        until: Option<&Expression>,
        because: Option<&Template>,
    ) -> Result<(), EvalError> {
        let read = [Some(strength.paths()), until.map(Expression::paths)];
        let purposes =
            self.derived_purposes(read.into_iter().chain([because.map(Template::paths)]).flatten());
        let strength = self.read(strength, Expression::number)?;
        let until = until.map(|until| self.read(until, Expression::time)).transpose()?;
        let (evidence, now) = (self.say(because), self.context.input.at);
        let lives = self.twin.raise(need, strength, until, &evidence, now, self.notes);
        self.guard_moved_need(lives, &need.name, purposes);
        Ok(())
    }

    /// Notes that a need was raised or strengthened, if it is alive.
    fn guard_moved_need(&mut self, lives: bool, need: &str, purposes: Option<Purposes>) {
        if lives {
            self.twin.add_guard(Derived::Need, need, purposes);
        }
        self.requests.needs_moved |= lives;
    }

    fn set(&mut self, fact: &str, value: &Expression) -> Result<(), EvalError> {
        match self.read(value, Expression::value)? {
            Value::Null => {
                self.twin.facts.remove(fact);
                self.twin.fact_dates.clear(fact);
                self.unguard(Derived::Fact, fact);
            }
            new => {
                let purposes = self.derived_purposes([value.paths()].into_iter());
                self.keep_fact(fact, &new, purposes);
            }
        }
        Ok(())
    }

    /// The value for a preference; none if it is missing, or derived from a sensitive fact.
    fn preferred(&mut self, value: &Expression) -> Result<Option<Value>, EvalError> {
        let found = self.read(value, Expression::value)?;
        if found == Value::Null {
            return Ok(None);
        }
        if self.derived_purposes([value.paths()].into_iter()).is_some() {
            let why = "a preference cannot be inferred from a sensitive fact";
            self.notes.policy(&self.rule.place, why);
            return Ok(None);
        }
        Ok(Some(found))
    }

    fn propose(&mut self, action: usize) {
        let known = self.requests.proposed.iter_mut().find(|(known, _)| *known == action);
        match (known, &self.purposes) {
            // One reason without restrictions is enough.
            (Some((_, purposes)), None) => *purposes = None,
            (Some(_), Some(_)) => {}
            (None, purposes) => self.requests.proposed.push((action, purposes.clone())),
        }
    }

    /// Whether the rule reads only the customer's current message.
    fn is_of_the_words(&self) -> bool {
        self.rule.when.is_none() && self.context.message.is_some()
    }

    fn read<T>(
        &self,
        expression: &Expression,
        how: impl FnOnce(&Expression, &dyn crate::policy::Scope) -> Result<T, EvalError>,
    ) -> Result<T, EvalError> {
        how(expression, &View::whole(self.twin, self.context))
    }

    /// A text for people; none if one of its placeholders has no value.
    fn say(&mut self, template: Option<&Template>) -> String {
        self.say_to(template, None)
    }

    /// A text for people who use it for these purposes.
    fn say_to(&mut self, template: Option<&Template>, uses: Option<&[Box<str>]>) -> String {
        let Some(template) = template else { return String::new() };
        let place = Some(&self.rule.place);
        let used = uses.map(|uses| ReadPurpose { uses, discreet: false, place });
        let view = View { used, ..View::whole(self.twin, self.context) };
        if self.context.is_guarded && template.paths().iter().any(|path| view.is_withheld(path)) {
            return String::new();
        }
        match template.render(&view) {
            Ok(words) => words,
            Err(error) => {
                let place: &SourceLocation = &self.rule.place;
                self.notes.policy(place, error);
                String::new()
            }
        }
    }

    /// The purposes of what a step derives from these paths; none: unrestricted.
    fn derived_purposes<'p>(&self, read: impl Iterator<Item = &'p [Path]>) -> Option<Purposes> {
        if !self.context.is_guarded {
            return None;
        }
        read.fold(self.purposes.clone(), |all, paths| {
            both(all, self.twin.purposes_at_all(paths, self.context))
        })
    }

    fn unguard(&mut self, of: Derived, name: &str) {
        if self.context.is_guarded {
            self.twin.set_guard(of, name, None);
        }
    }

    fn keep_fact(&mut self, fact: &str, value: &Value, purposes: Option<Purposes>) {
        let facts = &mut self.twin.facts;
        if facts.len() == limits::FACTS && facts.get(fact).is_none() {
            self.notes.limit("FACTS");
        } else if let Some(value) = profile::within_limits(value, self.notes) {
            facts.insert(fact, value);
            self.twin.fact_dates.set(fact, self.context.input.at);
            if self.context.is_guarded {
                self.twin.set_guard(Derived::Fact, fact, purposes);
            }
        }
    }
}
