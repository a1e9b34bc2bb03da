use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::shadow::ShadowComparison;
use crate::event::Reason;

/// Statistics of a partition since the start, and its current size.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Counters {
    /// Events that changed their twin.
    pub events: u64,
    /// Events forwarded to the customer whom their identifier is linked to.
    #[serde(rename = "passed_on", default)]
    pub forwarded: u64,
    /// Cycles of linked identifiers that were found and broken.
    #[serde(default)]
    pub circles: u64,
    /// Duplicate events.
    pub duplicates: u64,
    /// Events at or below the cursor that the stream delivered again.
    pub redelivered: u64,
    /// Timers that fired.
    pub timers_fired: u64,
    /// Timers that had been moved or cancelled, or that fired too late.
    pub timers_stale: u64,
    /// Broadcasts that began or ended, each counted by every partition.
    #[serde(default)]
    pub broadcasts: u64,
    /// Twins that a broadcast woke.
    #[serde(default)]
    pub woken: u64,
    /// Twins visited for broadcasts or an index.
    #[serde(rename = "looked_at", default)]
    pub visited: u64,
    /// Answered requests of channels.
    #[serde(default)]
    pub asks: u64,
    /// Actions taken.
    pub actions: u64,
    /// Actions that were recalled.
    #[serde(default)]
    pub recalls: u64,
    /// Observations.
    #[serde(default)]
    pub observations: u64,
    /// Escalations opened or changed.
    pub escalations: u64,
    /// Erased identifiers.
    #[serde(default)]
    pub erasures: u64,
    /// Events of erased customers, dropped.
    #[serde(default)]
    pub erased: u64,
    /// Dead letters, by reason.
    pub dead: BTreeMap<Reason, u64>,
    /// How often each limit was reached.
    pub limits: BTreeMap<String, u64>,
    /// Parts of events that were older than a known statement about the same value, and so changed
    /// nothing.
    #[serde(default)]
    pub late: u64,
    /// Lines of the policy that failed for a twin.
    pub policy_errors: u64,
    /// The last of these: the place and the reason.
    pub last_policy_error: Option<String>,
    /// Customers' messages in languages that are not loaded: they were not read.
    #[serde(default)]
    pub not_understood: u64,
    /// How often a time zone of a customer was invalid: when it was set, and when quiet hours needed it.
    #[serde(default)]
    pub unknown_zones: u64,
    /// The last of these time zones.
    #[serde(default)]
    pub last_unknown_zone: Option<String>,
    /// Consents and channel preferences with a purpose or channel unknown to the policy: stored, but not
    /// used.
    #[serde(default)]
    pub unknown_names: u64,
    /// The last of these, and which of the two it is.
    #[serde(default)]
    pub last_unknown_name: Option<String>,
    /// Events with an impossible time (in the year 1, or 1970); they count as stated when the stream
    /// stored them.
    #[serde(default)]
    pub impossible_times: u64,
    /// The last of these: the channel, and the time.
    #[serde(default)]
    pub last_impossible_time: Option<String>,
    /// Decisions that the shadow policy would also have taken.
    #[serde(default)]
    pub shadow_same: u64,
    /// Decisions in which it differs: `offer_card in app → nothing`.
    #[serde(default)]
    pub shadow_other: BTreeMap<String, u64>,
    /// Twins activated: put into memory, loaded from the store or new.
    pub activations: u64,
    /// Twins passivated.
    pub passivations: u64,
    /// Commits made durable.
    pub commits: u64,

    /// Twins in memory.
    pub resident_twins: u64,
    /// Of these, resting twins: compressed until their next input.
    pub resting_twins: u64,
    /// The approximate size of twins in memory, in bytes.
    pub resident_bytes: u64,
    /// Events pulled and not yet committed.
    pub in_flight: u64,
    /// Outputs committed and not yet confirmed by the broker.
    pub outbox: u64,
    /// Timers held in memory.
    pub timers_near: u64,
    /// Active broadcasts, each held by every partition.
    #[serde(default)]
    pub broadcasts_live: u64,
    /// Erased customers with a tombstone.
    #[serde(default)]
    pub tombstones: u64,
    /// The stream sequence up to which everything is committed.
    pub cursor: u64,
}

/// Combines the counters of two partitions, field by field. It takes them apart without `..`, so that the
/// compiler misses a new field that is not listed.
macro_rules! combine {
    ($all:ident, $other:ident,
        sum: $($sum:ident),*;
        maximum: $($maximum:ident),*;
        sum_of_each: $($each:ident),*;
        first: $($first:ident),*;
    ) => {
        let Counters { $($sum,)* $($maximum,)* $($each,)* $($first,)* } = $other;
        $($all.$sum += $sum;)*
        $($all.$maximum = $all.$maximum.max(*$maximum);)*
        $(for (name, count) in $each {
            *$all.$each.entry(name.clone()).or_default() += count;
        })*
        $(if $all.$first.is_none() {
            $all.$first.clone_from($first);
        })*
    };
}

impl Counters {
    /// Adds the comparison with the shadow policy.
    pub(super) fn add_shadow(&mut self, beside: ShadowComparison) {
        if beside == ShadowComparison::default() {
            return;
        }
        let other = std::mem::take(&mut self.shadow_other);
        let mut all = ShadowComparison { same: self.shadow_same, other };
        all.add(beside);
        (self.shadow_same, self.shadow_other) = (all.same, all.other);
    }

    /// The sum over partitions; the maximum for sequences and for what every partition counts.
    pub fn add(&mut self, other: &Counters) {
        combine!(self, other,
            sum: events, forwarded, circles, duplicates, redelivered, timers_fired, timers_stale,
                woken, visited, asks, actions, recalls, observations, escalations, erasures,
                erased, late, policy_errors, not_understood, unknown_zones, unknown_names, impossible_times,
                shadow_same, activations, passivations, commits, resident_twins, resting_twins,
                resident_bytes, in_flight, outbox, timers_near, tombstones;
            maximum: broadcasts, broadcasts_live, cursor;
            sum_of_each: dead, limits, shadow_other;
            first: last_policy_error, last_unknown_zone, last_unknown_name, last_impossible_time;
        );
    }
}
