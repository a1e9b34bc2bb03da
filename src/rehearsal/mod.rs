//! Compares two policies on the real history of a sample of customers.
//!
//! Each history is replayed under the live policy and under another one. The [`RehearsalReport`] shows
//! actions by issue and channel, actions per customer, value, who would gain or lose, and the
//! distribution across a trait.

mod html;
mod recollection;
mod sample;
mod text;

pub use html::html;
pub use recollection::{
    Error, Lives, ModelSource, RelearnedModels, forged, live, recollect, rights, running,
};
pub use sample::CustomerSample;
pub use text::text;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::event::{Customer, Time, Value};
use crate::models::Snapshot;
use crate::past::{Lived, Past};
use crate::policy::{Issue, Policy};
use crate::twin::Action;

/// The comparison of two policies on the same histories.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct RehearsalReport {
    /// The live policy: name and version.
    pub live: Box<str>,
    /// The other one.
    pub other: Box<str>,
    /// Customers in the sample.
    pub customers: u64,
    /// Processed inputs, without timers.
    pub inputs: u64,
    /// From the first input to the last.
    pub span: Option<(Time, Time)>,
    /// The figures of all customers.
    pub whole: Pair<RehearsalFigures>,
    /// Actions by issue.
    pub issues: BTreeMap<Box<str>, Pair<u64>>,
    /// Actions by channel.
    pub channels: BTreeMap<Box<str>, Pair<u64>>,
    /// Customers by how many actions they get; the last entry: that many or more.
    pub pressure: Vec<Pair<u64>>,
    /// Customers with more value under the other policy.
    pub gain: u64,
    /// Customers with less value under it.
    pub lose: u64,
    /// The trait by which groups are compared (fairness).
    pub across: Option<Box<str>>,
    /// Figures by its values, each for the customers who have that value.
    pub groups: BTreeMap<Box<str>, Pair<RehearsalFigures>>,
}

/// A value under the live policy and under the other one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Pair<T> {
    /// Under the live one.
    pub live: T,
    /// Under the other one.
    pub other: T,
}

/// Action figures of a group of customers.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct RehearsalFigures {
    /// Customers.
    pub customers: u64,
    /// Of these, customers who get an action.
    pub reached: u64,
    /// Actions.
    pub actions: u64,
    /// Of these, actions that sell.
    pub sales: u64,
    /// Escalations.
    pub escalations: u64,
    /// The sum of the scores of the actions: propensity × context × value × lever.
    pub value: f64,
}

/// The highest number of actions per customer that [`RehearsalReport::pressure`] counts separately.
pub const PRESSURE: usize = 9;

/// The maximum of separate groups of a trait; further ones are combined.
const GROUPS_MAX: usize = 16;

impl RehearsalReport {
    /// An empty report for two policies.
    pub fn new(live: &Policy, other: &Policy, across: Option<&str>) -> RehearsalReport {
        let name = |policy: &Policy| format!("{} {}", policy.name, policy.version).into();
        RehearsalReport {
            live: name(live),
            other: name(other),
            across: across.map(Into::into),
            pressure: vec![Pair::default(); PRESSURE],
            ..RehearsalReport::default()
        }
    }

    /// Replays one customer's history under both policies, with one model snapshot.
    pub fn rehearse(
        &mut self,
        customer: &Customer,
        past: &Past,
        policies: Pair<&Policy>,
        until: Time,
        models: &Snapshot,
    ) {
        let lives = Pair {
            live: past.live(customer, policies.live, until, models),
            other: past.live(customer, policies.other, until, models),
        };
        self.add(past, &lives);
    }

    /// Adds the two replays of one more customer.
    pub fn add(&mut self, past: &Past, lives: &Pair<Lived>) {
        self.customers += 1;
        self.inputs += past.len() as u64;
        if let Some((first, last)) = past.span() {
            let (from, to) = self.span.unwrap_or((first, last));
            self.span = Some((from.min(first), to.max(last)));
        }
        let group = self.group(lives.live.twin.as_deref());
        let figures = [&lives.live, &lives.other].map(|lived| RehearsalFigures {
            customers: 1,
            reached: u64::from(!lived.actions.is_empty()),
            actions: lived.actions.len() as u64,
            sales: lived.actions.iter().filter(|one| one.issue == Issue::Sales).count() as u64,
            escalations: lived.escalations.len() as u64,
            value: lived.actions.iter().fold(0.0, |all, action| all + action.reason.score),
        });
        let [live, other] = figures;
        self.whole.live.add(&live);
        self.whole.other.add(&other);
        self.gain += u64::from(other.value > live.value + f64::EPSILON);
        self.lose += u64::from(other.value < live.value - f64::EPSILON);
        if let Some(group) = group {
            let group = self.groups.entry(group).or_default();
            group.live.add(&live);
            group.other.add(&other);
        }
        let step = |actions: u64| usize::try_from(actions).unwrap_or(PRESSURE).min(PRESSURE - 1);
        if let Some(count) = self.pressure.get_mut(step(live.actions)) {
            count.live += 1;
        }
        if let Some(count) = self.pressure.get_mut(step(other.actions)) {
            count.other += 1;
        }
        for action in &lives.live.actions {
            self.count(action, |pair| &mut pair.live);
        }
        for action in &lives.other.actions {
            self.count(action, |pair| &mut pair.other);
        }
    }

    fn count(&mut self, action: &Action, side: impl Fn(&mut Pair<u64>) -> &mut u64) {
        *side(self.issues.entry(action.issue.name().into()).or_default()) += 1;
        *side(self.channels.entry(action.channel.clone()).or_default()) += 1;
    }

    /// The group of a customer; none if groups are not compared.
    fn group(&self, twin: Option<&crate::twin::Twin>) -> Option<Box<str>> {
        let name = self.across.as_deref()?;
        let group: Box<str> = match twin.and_then(|twin| twin.profile.traits.get(name)) {
            None | Some(Value::Null) => "(unknown)".into(),
            Some(value) => value.to_string().into(),
        };
        let is_room = self.groups.len() < GROUPS_MAX || self.groups.contains_key(&group);
        Some(if is_room { group } else { "(others)".into() })
    }
}

impl RehearsalFigures {
    fn add(&mut self, other: &RehearsalFigures) {
        self.customers += other.customers;
        self.reached += other.reached;
        self.actions += other.actions;
        self.sales += other.sales;
        self.escalations += other.escalations;
        self.value += other.value;
    }

    /// Actions per customer.
    pub fn pressure(&self) -> f64 {
        self.actions as f64 / self.customers.max(1) as f64
    }

    /// Value per customer.
    pub fn worth(&self) -> f64 {
        self.value / self.customers.max(1) as f64
    }
}

#[cfg(test)]
mod tests;
