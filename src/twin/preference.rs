use std::cmp::Ordering;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::decay::decay;
use super::profile::{Profile, kept};
use super::reaction::Notes;
use crate::config::limits;
use crate::event::{self, Time, Value};
use crate::policy::PreferenceRule;

/// One preference: declared, or inferred from repeated behaviour. Declared always wins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Preference {
    /// What it is about.
    pub key: Box<str>,
    /// What the customer said.
    pub declared: Option<Declared>,
    /// What the customer chose, that with the most weight first.
    pub choices: Vec<Choice>,
    /// The time in which the weight of a choice halves.
    pub half_life: Duration,
    /// The customer wanted it forgotten.
    pub forgotten: Option<Forgotten>,
}

/// What the customer said to prefer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Declared {
    /// What is preferred.
    pub value: Value,
    /// When it was said.
    pub at: Time,
}

/// That the customer wanted a preference forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Forgotten {
    /// When it was said.
    pub at: Time,
    /// Nothing is inferred again before this moment.
    pub until: Time,
}

/// A value that the customer chose or turned down, as evidence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// What was chosen.
    pub value: Value,
    /// How often it was chosen outright, however long ago.
    pub count: u32,
    /// When there was evidence last.
    pub at: Time,
    /// The numbers in the timeline of the last inputs that showed it, oldest first; at most 5.
    pub evidence: Vec<u64>,
    /// What speaks for it, faded to `at`: a choice weighs 1 when it is made.
    pub weight: f64,
    /// What speaks against it, faded to `at` likewise.
    pub against: f64,
}

/// What an input says about a value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum PreferenceSign {
    /// The customer chose it; 1 for an outright choice, less for a hint.
    For(f64),
    /// The customer turned it down.
    Against(f64),
}

/// What one input shows of a preference.
pub(super) struct Evidence<'a> {
    pub(super) key: &'a str,
    pub(super) value: &'a Value,
    pub(super) speaks: PreferenceSign,
    /// The number of the input in the timeline.
    pub(super) number: u64,
    pub(super) at: Time,
}

const EVIDENCE_SHOWN: usize = 5;

impl Choice {
    fn new(value: Value, at: Time) -> Choice {
        Choice { value, count: 0, at, evidence: Vec::new(), weight: 0.0, against: 0.0 }
    }

    /// What is left at `now` of what speaks for it.
    fn weight_at(&self, now: Time, half_life: Duration) -> f64 {
        self.weight * decay(now.since(self.at), half_life)
    }

    /// Brings both weights to a later moment.
    pub(super) fn fade(&mut self, now: Time, half_life: Duration) {
        if now > self.at {
            let left = decay(now.since(self.at), half_life);
            self.weight *= left;
            self.against *= left;
            self.at = now;
        }
    }

    fn add(&mut self, speaks: PreferenceSign, at: Time, half_life: Duration) {
        self.fade(at, half_life);
        // Evidence from before the last one has faded already.
        let left = decay(self.at.since(at), half_life);
        match speaks {
            PreferenceSign::For(weight) => {
                self.weight += weight * left;
                self.count = self.count.saturating_add(u32::from(weight >= 1.0));
            }
            PreferenceSign::Against(weight) => self.against += weight * left,
        }
    }

    fn show(&mut self, number: u64) {
        // Several pieces of evidence may come of one input.
        if self.evidence.last() == Some(&number) {
            return;
        }
        if self.evidence.len() == EVIDENCE_SHOWN {
            self.evidence.remove(0);
        }
        self.evidence.push(number);
    }
}

impl Preference {
    fn new(key: &str, half_life: Duration) -> Preference {
        Preference {
            key: key.into(),
            declared: None,
            choices: Vec::new(),
            half_life,
            forgotten: None,
        }
    }

    /// The choice that leads at `now`, with the confidence in it.
    pub fn leading(&self, now: Time) -> Option<(&Choice, f64)> {
        let rate = |choice| (choice, self.confidence_in(choice, now));
        // Of equals the first, which has the most weight.
        self.choices.iter().map(rate).reduce(|best, next| if next.1 > best.1 { next } else { best })
    }

    /// The confidence in one of the choices at `now`, above 0 and below 1: the posterior mean of
    /// its share under a uniform Dirichlet prior over the `K` values seen and one yet unseen
    /// (Gelman et al., *Bayesian Data Analysis*, 3rd ed., section 3.4), which is Laplace's rule of
    /// succession: `(n + 1) / (N + K + 1)`. The counts are weights that fade: `n` is what speaks
    /// for this value, and `N` what speaks for any, and against this one.
    pub fn confidence_in(&self, choice: &Choice, now: Time) -> f64 {
        let left = |choice: &Choice| decay(now.since(choice.at), self.half_life);
        let all: f64 = self.choices.iter().map(|choice| choice.weight * left(choice)).sum();
        let left = left(choice);
        let total = all + choice.against * left;
        (choice.weight * left + 1.0) / (total + self.choices.len() as f64 + 1.0)
    }

    /// What is left at `now` of all that speaks for a choice.
    pub fn weight_of(&self, choice: &Choice, now: Time) -> f64 {
        choice.weight_at(now, self.half_life)
    }

    /// What is left at `now` of all that speaks against a choice.
    pub fn weight_against(&self, choice: &Choice, now: Time) -> f64 {
        choice.against * decay(now.since(choice.at), self.half_life)
    }

    /// The value to go by: what was declared, else what was chosen often enough for `rule`.
    pub fn usable(&self, rule: Option<&PreferenceRule>, now: Time) -> Option<&Value> {
        self.known(rule, now, |rule| rule.confidence_min)
    }

    /// The value that may be said to the customer: what was declared, else what is sure enough for
    /// `rule` to be said.
    pub fn sayable(&self, rule: Option<&PreferenceRule>, now: Time) -> Option<&Value> {
        self.known(rule, now, |rule| rule.say_min)
    }

    fn known(
        &self,
        rule: Option<&PreferenceRule>,
        now: Time,
        confidence_min: impl Fn(&PreferenceRule) -> f64,
    ) -> Option<&Value> {
        if let Some(declared) = &self.declared {
            return Some(&declared.value);
        }
        let rule = rule?;
        let (leading, confidence) = self.leading(now)?;
        let enough = leading.count >= rule.evidence_min && confidence >= confidence_min(rule);
        enough.then_some(&leading.value)
    }

    fn learn(&mut self, value: Value, evidence: &Evidence<'_>, notes: &mut Notes) {
        let position = match self.choices.iter().position(|choice| choice.value == value) {
            Some(position) => position,
            None => {
                if self.choices.len() == limits::PREFERENCE_VALUES {
                    // Sorted by weight: the last is the weakest.
                    self.choices.pop();
                    notes.limit("PREFERENCE_VALUES");
                }
                self.choices.push(Choice::new(value, evidence.at));
                self.choices.len() - 1
            }
        };
        let choice = &mut self.choices[position];
        choice.add(evidence.speaks, evidence.at, self.half_life);
        choice.show(evidence.number);
        self.sort(evidence.at);
    }

    /// Strongest first, in an order that does not depend on the order of what came at one time.
    fn sort(&mut self, now: Time) {
        let half_life = self.half_life;
        // From the latest moment of any: what has faded below the smallest number cannot be told.
        let now = self.choices.iter().map(|choice| choice.at).fold(now, Time::max);
        self.choices.sort_by(|left, right| {
            let (left_weight, right_weight) =
                (left.weight_at(now, half_life), right.weight_at(now, half_life));
            right_weight
                .total_cmp(&left_weight)
                .then_with(|| right.at.cmp(&left.at))
                .then_with(|| in_order(&left.value, &right.value))
        });
    }

    fn last_confirmed(&self) -> Time {
        self.choices.iter().map(|choice| choice.at).max().unwrap_or(Time::MIN)
    }

    /// What leaves first when there is no more room: what is only inferred, longest unconfirmed.
    pub(super) fn stays(&self) -> (bool, Time) {
        let blocked = self.forgotten.map_or(Time::MIN, |forgotten| forgotten.until);
        (self.declared.is_some(), self.last_confirmed().max(blocked))
    }

    /// Whether the customer declared it, or wanted it forgotten, after this moment.
    fn was_said_after(&self, at: Time) -> bool {
        self.declared.as_ref().is_some_and(|declared| declared.at > at)
            || self.forgotten.is_some_and(|forgotten| forgotten.at > at)
    }

    /// Drops what was known when the customer wanted all forgotten.
    fn forget(&mut self, forgotten: Forgotten) {
        self.forgotten = self.forgotten.max(Some(forgotten));
        self.declared.take_if(|declared| declared.at < forgotten.at);
        self.choices.retain(|choice| choice.at >= forgotten.until);
    }

    /// Takes in what another twin of the same customer knows. What was said last counts; evidence
    /// adds up, and is not counted twice by the caller. Either way round the same comes out. The
    /// numbers of `other`'s evidence must be those of this twin's timeline by then.
    pub fn merge(&mut self, other: &Preference) {
        let (own, others) = (self.last_confirmed(), other.last_confirmed());
        match others.cmp(&own) {
            Ordering::Greater => self.half_life = other.half_life,
            Ordering::Equal => self.half_life = self.half_life.max(other.half_life),
            Ordering::Less => {}
        }
        if let Some(said) = &other.declared
            && self.declared.as_ref().is_none_or(|known| {
                (said.at.cmp(&known.at)).then_with(|| in_order(&said.value, &known.value)).is_gt()
            })
        {
            self.declared = Some(said.clone());
        }
        if let Some(forgotten) = self.forgotten.max(other.forgotten) {
            self.forget(forgotten);
        }
        let forgotten_until = self.forgotten.map_or(Time::MIN, |forgotten| forgotten.until);
        for theirs in other.choices.iter().filter(|choice| choice.at >= forgotten_until) {
            let Some(known) = self.choices.iter_mut().find(|known| known.value == theirs.value)
            else {
                self.choices.push(theirs.clone());
                continue;
            };
            let mut theirs = theirs.clone();
            let at = known.at.max(theirs.at);
            known.fade(at, self.half_life);
            theirs.fade(at, self.half_life);
            known.weight += theirs.weight;
            known.against += theirs.against;
            known.count = known.count.saturating_add(theirs.count);
            known.evidence.extend(theirs.evidence);
            known.evidence.sort_unstable();
            known.evidence.dedup();
            known.evidence.drain(..known.evidence.len().saturating_sub(EVIDENCE_SHOWN));
        }
        self.sort(own.max(others));
        self.choices.truncate(limits::PREFERENCE_VALUES);
    }
}

/// Two values in some order that is always the same.
fn in_order(left: &Value, right: &Value) -> Ordering {
    if left == right { Ordering::Equal } else { left.to_string().cmp(&right.to_string()) }
}

impl Profile {
    /// The preference about `key`.
    pub fn preference(&self, key: &str) -> Option<&Preference> {
        self.preferences.iter().find(|preference| &*preference.key == key)
    }

    /// Keeps what the customer declares, or forgets all about it, so that nothing is inferred again
    /// for the time that the policy says, which runs from `since`.
    pub(super) fn prefer_told(
        &mut self,
        told: &event::PreferenceData,
        rule: Option<&PreferenceRule>,
        (said, since): (Time, Time),
        notes: &mut Notes,
    ) {
        match &told.value {
            None => {
                let relearn_after =
                    rule.map_or(PreferenceRule::RELEARN_AFTER, |rule| rule.relearn_after);
                let (at, until) = (said, since + relearn_after);
                let known = self.preference_entry(&told.key, rule, notes);
                if known.was_said_after(at) {
                    notes.late("forget");
                }
                // Said at the same moment, what comes last counts.
                known.declared.take_if(|declared| declared.at == at);
                known.forget(Forgotten { at, until });
            }
            Some(value) => self.declare(&told.key, value, rule, said, notes),
        }
    }

    /// Keeps what the customer declares, if nothing that was said later is known of it.
    pub(super) fn declare(
        &mut self,
        key: &str,
        value: &Value,
        rule: Option<&PreferenceRule>,
        at: Time,
        notes: &mut Notes,
    ) {
        if self.preference(key).is_some_and(|known| known.was_said_after(at)) {
            return notes.late("value");
        }
        if let Some(value) = kept(value, notes) {
            self.preference_entry(key, rule, notes).declared = Some(Declared { value, at });
        }
    }

    /// Takes evidence in, unless the customer wanted it forgotten not long ago. What was declared
    /// stays as it is.
    pub(super) fn prefer_shown(
        &mut self,
        evidence: &Evidence<'_>,
        rule: &PreferenceRule,
        notes: &mut Notes,
    ) {
        let forgotten = self.preference(evidence.key).and_then(|known| known.forgotten);
        if forgotten.is_some_and(|forgotten| evidence.at < forgotten.until) {
            return;
        }
        let Some(value) = kept(evidence.value, notes) else { return };
        let known = self.preference_entry(evidence.key, Some(rule), notes);
        if known.half_life != rule.half_life {
            // Until now it faded as it did.
            let half_life = std::mem::replace(&mut known.half_life, rule.half_life);
            known.choices.iter_mut().for_each(|choice| choice.fade(evidence.at, half_life));
        }
        known.learn(value, evidence, notes);
    }

    fn preference_entry(
        &mut self,
        key: &str,
        rule: Option<&PreferenceRule>,
        notes: &mut Notes,
    ) -> &mut Preference {
        let position = match self.preferences.iter().position(|known| &*known.key == key) {
            Some(position) => position,
            None => {
                if self.preferences.len() == limits::PREFERENCES {
                    let least =
                        (0..self.preferences.len()).min_by_key(|at| self.preferences[*at].stays());
                    least.map(|at| self.preferences.remove(at));
                    notes.limit("PREFERENCES");
                }
                let half_life = rule.map_or(PreferenceRule::HALF_LIFE, |rule| rule.half_life);
                self.preferences.push(Preference::new(key, half_life));
                self.preferences.len() - 1
            }
        };
        &mut self.preferences[position]
    }
}

#[cfg(test)]
mod tests;
