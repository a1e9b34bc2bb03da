//! Aggregates over a twin's inputs: sliding windows, fading counters, and activities. An aggregate that
//! no policy defines costs nothing.

use std::cmp::Ordering;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::decay::decay;
use super::{Activity, Mergeable};
use crate::config::limits;
use crate::event::{Time, Value};
use crate::policy::{AggregateFunction, Found};
use crate::twin::note::Notes;

/// All aggregates of one twin.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct AggregateState {
    /// Windows, each name once.
    pub windows: Vec<Window>,
    /// Counters, each name once.
    pub counters: Vec<Counter>,
    /// Activities, each name once.
    #[serde(default)]
    pub activities: Vec<Activity>,
}

/// An aggregate over a period that ends now.
///
/// It is exact as long as it holds at most [`limits::WINDOW_ENTRIES`] entries: inputs at different times,
/// or, for [`AggregateFunction::Distinct`], different values. Beyond that, the two entries nearest to
/// each other in time are joined into one, which leaves the window when the younger one would: an input
/// is then counted for too long, by at most the time between the two.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Window {
    /// The name of the policy's window.
    pub name: Box<str>,
    /// The aggregate function.
    pub keep: AggregateFunction,
    /// The period.
    pub over: Duration,
    /// The entries within the period, oldest first.
    pub entries: Vec<Counted>,
}

/// One counted input, or several joined into one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Counted {
    /// When it arrived; of several the latest.
    pub at: Time,
    /// The number of inputs.
    pub count: u32,
    /// The value; of several inputs their aggregate; null if only their number matters.
    pub value: Value,
}

/// A number that fades: it is halved in each half-life.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Counter {
    /// The name of the policy's counter.
    pub name: Box<str>,
    /// The time in which it is halved.
    pub half_life: Duration,
    /// The value as of `at`.
    pub value: f64,
    /// The time as of which the value is stored.
    pub at: Time,
}

impl Window {
    pub(in crate::twin) fn new(name: &str, keep: AggregateFunction, over: Duration) -> Window {
        Window { name: name.into(), keep, over, entries: Vec::new() }
    }

    /// The result of the window at a time.
    pub fn read(&self, now: Time) -> Found<'_> {
        let since = now - self.over;
        let mut live = self.entries.iter().filter(|entry| entry.at > since);
        let how_many = |live: &mut dyn Iterator<Item = &Counted>| {
            live.map(|entry| i64::from(entry.count)).sum::<i64>()
        };
        match self.keep {
            AggregateFunction::Count | AggregateFunction::Distinct => {
                Found::Int(how_many(&mut live))
            }
            AggregateFunction::Sum => {
                let sum = live
                    .map(|entry| entry.value.as_whole())
                    .try_fold(0i128, |sum, next| sum.checked_add(next?));
                match sum.and_then(Value::whole) {
                    Some(Value::Int(sum)) => Found::Int(sum),
                    Some(Value::UInt(sum)) => Found::UInt(sum),
                    _ => Found::Float(self.sum(since)),
                }
            }
            AggregateFunction::Mean => match how_many(&mut live) {
                0 => Found::Missing,
                count => Found::Float(self.sum(since) / count as f64),
            },
            // The oldest entry that still counts is the minimum, or the maximum: see `admit`.
            AggregateFunction::Min | AggregateFunction::Max => {
                live.next().map_or(Found::Missing, of)
            }
            AggregateFunction::Last => live.next_back().map_or(Found::Missing, of),
        }
    }

    /// The result of a window that has never counted an input.
    pub(in crate::twin) fn nothing(keep: AggregateFunction) -> Found<'static> {
        match keep {
            AggregateFunction::Count | AggregateFunction::Distinct | AggregateFunction::Sum => {
                Found::Int(0)
            }
            AggregateFunction::Mean
            | AggregateFunction::Min
            | AggregateFunction::Max
            | AggregateFunction::Last => Found::Missing,
        }
    }

    fn sum(&self, since: Time) -> f64 {
        let live = self.entries.iter().filter(|entry| entry.at > since);
        // The sum of no floats is -0.0.
        live.filter_map(|entry| entry.value.as_number()).sum::<f64>() + 0.0
    }

    /// Counts one input; `now` is the twin's `now`.
    pub(in crate::twin) fn add(&mut self, entry: Counted, now: Time, notes: &mut Notes) {
        let since = now - self.over;
        self.entries.retain(|entry| entry.at > since);
        if entry.at > since {
            self.admit(entry, true);
        }
        if self.entries.len() > limits::WINDOW_ENTRIES {
            notes.limit("WINDOW_ENTRIES");
            self.fit();
        }
    }

    /// Inserts an entry at its position in time. Of two last entries at the same time the `later` one is
    /// kept.
    fn admit(&mut self, new: Counted, later: bool) {
        let entries = &mut self.entries;
        match self.keep {
            AggregateFunction::Count | AggregateFunction::Sum | AggregateFunction::Mean => {
                let at = entries.partition_point(|known| known.at < new.at);
                match entries.get_mut(at) {
                    Some(known) if known.at == new.at => join(self.keep, known, &new),
                    _ => entries.insert(at, new),
                }
            }
            // An older entry that is no better can never be the result again.
            AggregateFunction::Min | AggregateFunction::Max => {
                let keep = self.keep;
                if entries.iter().any(|known| known.at >= new.at && beats(keep, known, &new)) {
                    return;
                }
                entries.retain(|known| !(known.at <= new.at && beats(keep, &new, known)));
                let at = entries.partition_point(|known| known.at < new.at);
                entries.insert(at, new);
            }
            AggregateFunction::Last => match entries.first_mut() {
                None => entries.push(new),
                Some(known) => {
                    let is_newer = match new.at.cmp(&known.at) {
                        std::cmp::Ordering::Equal => later || text(&new) > text(known),
                        order => order.is_gt(),
                    };
                    if is_newer {
                        *known = new;
                    }
                }
            },
            AggregateFunction::Distinct => {
                let known = entries.iter().position(|known| known.value == new.value);
                if known.is_some_and(|known| entries[known].at >= new.at) {
                    return;
                }
                known.map(|known| entries.remove(known));
                let at =
                    entries.partition_point(|known| (known.at, text(known)) < (new.at, text(&new)));
                entries.insert(at, new);
            }
        }
    }

    /// Joins entries until the window is within its limit.
    fn fit(&mut self) {
        while self.entries.len() > limits::WINDOW_ENTRIES {
            if self.keep == AggregateFunction::Distinct {
                self.entries.remove(0);
                continue;
            }
            let gap = |at: &usize| self.entries[at + 1].at.since(self.entries[*at].at);
            let Some(at) = (0..self.entries.len() - 1).min_by_key(gap) else { return };
            let younger = self.entries.remove(at + 1);
            let older = &mut self.entries[at];
            match self.keep {
                // The older entry is the better one.
                AggregateFunction::Min | AggregateFunction::Max => {}
                keep => join(keep, older, &younger),
            }
            older.at = younger.at;
        }
    }

    /// Merges the window of another identifier: everything that either has counted is counted.
    pub fn merge(&mut self, other: Window) {
        if self.keep != other.keep {
            // One of them is from an older policy.
            let newest = |window: &Window| window.entries.last().map(|entry| entry.at);
            if (newest(&other), other.keep) > (newest(self), self.keep) {
                *self = other;
            }
            return;
        }
        self.over = self.over.max(other.over);
        for entry in other.entries {
            self.admit(entry, false);
        }
        self.fit();
    }
}

impl Counter {
    /// The value of the counter, faded to a time.
    ///
    /// `value · 2^(−elapsed / half-life)`: fading over one period and then another equals fading over
    /// both together.
    pub fn read(&self, now: Time) -> f64 {
        self.value * decay(now.since(self.at), self.half_life)
    }

    pub(in crate::twin) fn add(&mut self, by: f64, at: Time) {
        if at >= self.at {
            self.value = self.read(at) + by;
            self.at = at;
        } else {
            // A late value has faded since then.
            self.value += by * decay(self.at.since(at), self.half_life);
        }
        self.value = self.value.clamp(f64::MIN, f64::MAX);
    }

    /// Merges the counter of another identifier: everything that either has counted is counted.
    pub fn merge(&mut self, other: &Counter) {
        self.half_life = self.half_life.max(other.half_life);
        if other.at > self.at {
            let own = std::mem::replace(self, other.clone());
            self.half_life = self.half_life.max(own.half_life);
            self.add(own.value, own.at);
        } else {
            self.add(other.value, other.at);
        }
    }
}

fn of(entry: &Counted) -> Found<'_> {
    Found::Value(&entry.value)
}

fn text(entry: &Counted) -> String {
    entry.value.to_string()
}

fn number(value: &Value) -> f64 {
    value.as_number().unwrap_or(0.0)
}

/// Whether `one` makes `other`, which is not younger, unnecessary.
fn beats(keep: AggregateFunction, one: &Counted, other: &Counted) -> bool {
    match one.value.compare_numbers(&other.value) {
        Some(Ordering::Equal) => true,
        Some(Ordering::Less) => keep == AggregateFunction::Min,
        Some(Ordering::Greater) => keep == AggregateFunction::Max,
        None => false,
    }
}

/// Adds the inputs of one entry to another.
fn join(keep: AggregateFunction, known: &mut Counted, other: &Counted) {
    known.count = known.count.saturating_add(other.count);
    if keep != AggregateFunction::Count {
        let both = known.value.as_whole().zip(other.value.as_whole());
        let whole = both.and_then(|(sum, next)| sum.checked_add(next)).and_then(Value::whole);
        let sum = number(&known.value) + number(&other.value);
        known.value = whole.unwrap_or_else(|| Value::Float(sum.clamp(f64::MIN, f64::MAX)));
    }
}

impl AggregateState {
    /// Whether nothing has been counted yet.
    pub fn is_empty(&self) -> bool {
        self.windows.is_empty() && self.counters.is_empty() && self.activities.is_empty()
    }

    /// The window with this name.
    pub fn window(&self, name: &str) -> Option<&Window> {
        self.windows.iter().find(|window| &*window.name == name)
    }

    /// The counter with this name.
    pub fn counter(&self, name: &str) -> Option<&Counter> {
        self.counters.iter().find(|counter| &*counter.name == name)
    }

    /// The activity with this name.
    pub fn activity(&self, name: &str) -> Option<&Activity> {
        self.activities.iter().find(|known| &*known.name == name)
    }
}

impl Mergeable for Window {
    fn is_same(&self, other: &Window) -> bool {
        self.name == other.name
    }

    fn merge(&mut self, other: &Window) {
        Window::merge(self, other.clone());
    }

    fn rank(&self) -> impl Ord {
        (self.entries.last().map(|entry| entry.at), &*self.name)
    }
}

impl Mergeable for Counter {
    fn is_same(&self, other: &Counter) -> bool {
        self.name == other.name
    }

    fn merge(&mut self, other: &Counter) {
        Counter::merge(self, other);
    }

    fn rank(&self) -> impl Ord {
        (self.at, &*self.name)
    }
}

#[cfg(test)]
mod tests;
