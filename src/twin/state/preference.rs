//! Preferences: declared by the customer, or inferred from evidence.

use std::cmp::Ordering;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::decay::decay;
use super::merge::part;
use super::{Compared, Mergeable};
use crate::config::limits;
use crate::event::{Time, Value};
use crate::policy::PreferenceRule;
use crate::twin::note::Notes;

/// The preference for a channel.
pub(in crate::twin) const CHANNEL: &str = "channel";

/// The preference for an hour of the day, 0 to 23, in the customer's own time zone.
pub(in crate::twin) const HOUR: &str = "hour";

/// One preference: declared, or inferred from repeated behaviour. Declared always wins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Preference {
    /// The key.
    pub key: Box<str>,
    /// The customer's declaration.
    pub declared: Option<Declared>,
    /// The values that the customer chose, the one with the most weight first.
    pub choices: Vec<Choice>,
    /// The time in which the weight of a choice halves.
    pub half_life: Duration,
    /// When the customer asked to forget it.
    pub forgotten: Option<Forgotten>,
}

/// A declared preference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Declared {
    /// The preferred value.
    pub value: Value,
    /// The statement time.
    pub at: Time,
}

/// The customer's request to forget a preference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Forgotten {
    /// The statement time.
    pub at: Time,
    /// Nothing is inferred again before this time.
    pub until: Time,
}

/// A value that the customer chose or rejected, as evidence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// The value.
    pub value: Value,
    /// The number of outright choices, of any age.
    pub count: u32,
    /// The time of the last evidence.
    pub at: Time,
    /// The timeline numbers of the last inputs with evidence, oldest first; at most 5.
    pub evidence: Vec<u64>,
    /// The weight for it, faded to `at`: a choice has weight 1 when it is made.
    pub weight: f64,
    /// The weight against it, faded to `at` in the same way.
    pub against: f64,
}

/// The sign of an input for a value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::twin) enum PreferenceSign {
    /// The customer chose it; 1 for an outright choice, less for a hint.
    For(f64),
    /// The customer rejected it.
    Against(f64),
}

/// The evidence that one input gives for a preference.
pub(in crate::twin) struct Evidence<'a> {
    pub(in crate::twin) key: &'a str,
    pub(in crate::twin) value: &'a Value,
    pub(in crate::twin) speaks: PreferenceSign,
    /// The timeline number of the input.
    pub(in crate::twin) number: u64,
    pub(in crate::twin) at: Time,
}

const EVIDENCE_SHOWN: usize = 5;

impl Preference {
    /// Removes the choices, and the declared value if that is unchanged, that came with `brought`;
    /// returns what is given back.
    fn part(&mut self, brought: &Preference, beneath: Option<&Preference>) -> Preference {
        let mut back = brought.clone();
        // Evidence that was deleted meanwhile, or has moved elsewhere, is not given back.
        back.choices.retain_mut(|gone| {
            let Some(known) = self.choices.iter_mut().find(|known| known.value == gone.value)
            else {
                return false;
            };
            let mut faded = gone.clone();
            faded.fade(known.at, self.half_life);
            known.weight = (known.weight - faded.weight).max(0.0);
            known.against = (known.against - faded.against).max(0.0);
            gone.count = gone.count.min(known.count);
            known.count -= gone.count;
            known.evidence.retain(|shown| !gone.evidence.contains(shown));
            true
        });
        // The difference of sums may leave a tiny remainder.
        self.choices.retain(|choice| choice.count > 0 || choice.weight.max(choice.against) > 1e-9);
        let mut expected = brought.clone();
        if let Some(before) = beneath {
            Preference::merge(&mut expected, before);
        }
        if self.declared == expected.declared {
            self.declared = beneath.and_then(|before| before.declared.clone());
        } else {
            back.declared = None;
        }
        if self.forgotten == expected.forgotten {
            self.forgotten = beneath.and_then(|before| before.forgotten);
        } else {
            back.forgotten = None;
        }
        back
    }

    pub(super) fn new(key: &str, half_life: Duration) -> Preference {
        Preference {
            key: key.into(),
            declared: None,
            choices: Vec::new(),
            half_life,
            forgotten: None,
        }
    }

    /// The leading choice at `now`, with the confidence in it.
    pub fn leading(&self, now: Time) -> Option<(&Choice, f64)> {
        let rate = |choice| (choice, self.confidence_in(choice, now));
        // Of equals the first, which has the most weight.
        self.choices.iter().map(rate).reduce(|best, next| if next.1 > best.1 { next } else { best })
    }

    /// The confidence in one of the choices at `now`, above 0 and below 1: the posterior mean of its
    /// share under a uniform Dirichlet prior over the `K` values seen and one yet unseen (Gelman et al.,
    /// *Bayesian Data Analysis*, 3rd ed., section 3.4), which is Laplace's rule of succession: `(n + 1) /
    /// (N + K + 1)`. The counts are weights that fade: `n` is the weight for this value, and `N` the
    /// weight for all values, and against this one.
    pub fn confidence_in(&self, choice: &Choice, now: Time) -> f64 {
        let left = |choice: &Choice| decay(now.since(choice.at), self.half_life);
        let all: f64 = self.choices.iter().map(|choice| choice.weight * left(choice)).sum();
        let left = left(choice);
        let total = all + choice.against * left;
        (choice.weight * left + 1.0) / (total + self.choices.len() as f64 + 1.0)
    }

    /// The remaining weight for a choice at `now`.
    pub fn weight_of(&self, choice: &Choice, now: Time) -> f64 {
        choice.weight_at(now, self.half_life)
    }

    /// The remaining weight against a choice at `now`.
    pub fn weight_against(&self, choice: &Choice, now: Time) -> f64 {
        choice.against * decay(now.since(choice.at), self.half_life)
    }

    /// The effective value: the declared one, else one chosen often enough for `rule`.
    pub fn usable(&self, rule: Option<&PreferenceRule>, now: Time) -> Option<&Value> {
        self.known(rule, now, |rule| rule.confidence_min)
    }

    /// The value that may be mentioned to the customer: the declared one, else one certain enough for
    /// `rule`.
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

    pub(super) fn learn(&mut self, value: Value, evidence: &Evidence<'_>, notes: &mut Notes) {
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

    /// Sorts by weight, strongest first, in an order that does not depend on the order of evidence at the
    /// same time.
    fn sort(&mut self, now: Time) {
        let half_life = self.half_life;
        // As of the latest time of any: weights that have faded below the smallest number cannot be
        // compared.
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

    /// The eviction order: inferred ones first, the longest unconfirmed first.
    pub(super) fn eviction_order(&self) -> (bool, Time) {
        let blocked = self.forgotten.map_or(Time::MIN, |forgotten| forgotten.until);
        (self.declared.is_some(), self.last_confirmed().max(blocked))
    }

    /// Whether the customer declared it, or asked to forget it, after this time.
    pub(super) fn was_stated_after(&self, at: Time) -> bool {
        self.declared.as_ref().is_some_and(|declared| declared.at > at)
            || self.forgotten.is_some_and(|forgotten| forgotten.at > at)
    }

    /// Drops what was known when the customer asked to forget it.
    pub(super) fn forget(&mut self, forgotten: Forgotten) {
        self.forgotten = self.forgotten.max(Some(forgotten));
        self.declared.take_if(|declared| declared.at < forgotten.at);
        self.choices.retain(|choice| choice.at >= forgotten.until);
    }

    /// Merges the preference of another twin of the same customer. The latest statement wins; evidence is
    /// added, and the caller makes sure that none is counted twice. The merge is commutative. The numbers
    /// of `other`'s evidence must already be those of this twin's timeline.
    pub fn merge(&mut self, other: &Preference) {
        let (own, others) = (self.last_confirmed(), other.last_confirmed());
        match others.cmp(&own) {
            Ordering::Greater => self.half_life = other.half_life,
            Ordering::Equal => self.half_life = self.half_life.max(other.half_life),
            Ordering::Less => {}
        }
        if let Some(declared) = &other.declared
            && self.declared.as_ref().is_none_or(|known| {
                (declared.at.cmp(&known.at))
                    .then_with(|| in_order(&declared.value, &known.value))
                    .is_gt()
            })
        {
            self.declared = Some(declared.clone());
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

/// Like [`part`], for preferences: where there are new choices since, counts are subtracted.
pub(super) fn part_preferences(
    own: &mut Vec<Preference>,
    brought: &[Preference],
    beneath: &[Preference],
) -> Vec<Preference> {
    let mut back = part(own, brought, beneath);
    for one in Compared::Unknown.of(brought, &back) {
        let before = beneath.iter().find(|before| before.is_same(&one));
        if let Some(known) = own.iter_mut().find(|known| known.is_same(&one)) {
            back.push(known.part(&one, before));
        }
    }
    let says = |known: &Preference| {
        known.declared.is_some() || known.forgotten.is_some() || !known.choices.is_empty()
    };
    own.retain(says);
    back.retain(says);
    back
}

impl Choice {
    fn new(value: Value, at: Time) -> Choice {
        Choice { value, count: 0, at, evidence: Vec::new(), weight: 0.0, against: 0.0 }
    }

    /// The remaining weight for it at `now`.
    fn weight_at(&self, now: Time, half_life: Duration) -> f64 {
        self.weight * decay(now.since(self.at), half_life)
    }

    /// Fades both weights to a later time.
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
        // Evidence older than the last one has faded already.
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
        // One input may give several pieces of evidence.
        if self.evidence.last() == Some(&number) {
            return;
        }
        if self.evidence.len() == EVIDENCE_SHOWN {
            self.evidence.remove(0);
        }
        self.evidence.push(number);
    }
}

/// A total order of values that is always the same.
fn in_order(left: &Value, right: &Value) -> Ordering {
    if left == right { Ordering::Equal } else { left.to_string().cmp(&right.to_string()) }
}

impl Mergeable for Preference {
    fn is_same(&self, other: &Preference) -> bool {
        self.key == other.key
    }

    fn merge(&mut self, other: &Preference) {
        Preference::merge(self, other);
    }

    fn rank(&self) -> impl Ord {
        (self.eviction_order(), &*self.key)
    }
}

#[cfg(test)]
mod tests;
