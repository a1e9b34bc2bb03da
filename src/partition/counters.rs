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
    #[serde(default)]
    pub passed_on: u64,
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
    #[serde(default)]
    pub looked_at: u64,
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
    /// Late events of erased customers, dropped.
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
    /// Twins activated.
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

impl Counters {
    /// Adds the comparison with the shadow policy.
    pub(super) fn beside(&mut self, beside: ShadowComparison) {
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
        let Counters {
            events,
            passed_on,
            circles,
            duplicates,
            redelivered,
            timers_fired,
            timers_stale,
            broadcasts,
            woken,
            looked_at,
            asks,
            actions,
            recalls,
            observations,
            escalations,
            erasures,
            erased,
            dead,
            limits,
            late,
            policy_errors,
            last_policy_error,
            unknown_zones,
            last_unknown_zone,
            unknown_names,
            last_unknown_name,
            impossible_times,
            last_impossible_time,
            shadow_same,
            shadow_other,
            activations,
            passivations,
            commits,
            resident_twins,
            resting_twins,
            resident_bytes,
            in_flight,
            outbox,
            timers_near,
            broadcasts_live,
            tombstones,
            cursor,
        } = other;
        self.events += events;
        self.passed_on += passed_on;
        self.circles += circles;
        self.duplicates += duplicates;
        self.redelivered += redelivered;
        self.timers_fired += timers_fired;
        self.timers_stale += timers_stale;
        self.broadcasts = self.broadcasts.max(*broadcasts);
        self.woken += woken;
        self.looked_at += looked_at;
        self.asks += asks;
        self.actions += actions;
        self.recalls += recalls;
        self.observations += observations;
        self.escalations += escalations;
        self.erasures += erasures;
        self.erased += erased;
        for (reason, count) in dead {
            *self.dead.entry(*reason).or_default() += count;
        }
        for (limit, count) in limits {
            *self.limits.entry(limit.clone()).or_default() += count;
        }
        self.late += late;
        self.policy_errors += policy_errors;
        if self.last_policy_error.is_none() {
            self.last_policy_error.clone_from(last_policy_error);
        }
        self.unknown_zones += unknown_zones;
        if self.last_unknown_zone.is_none() {
            self.last_unknown_zone.clone_from(last_unknown_zone);
        }
        self.unknown_names += unknown_names;
        if self.last_unknown_name.is_none() {
            self.last_unknown_name.clone_from(last_unknown_name);
        }
        self.impossible_times += impossible_times;
        if self.last_impossible_time.is_none() {
            self.last_impossible_time.clone_from(last_impossible_time);
        }
        self.shadow_same += shadow_same;
        for (difference, count) in shadow_other {
            *self.shadow_other.entry(difference.clone()).or_default() += count;
        }
        self.activations += activations;
        self.passivations += passivations;
        self.commits += commits;
        self.resident_twins += resident_twins;
        self.resting_twins += resting_twins;
        self.resident_bytes += resident_bytes;
        self.in_flight += in_flight;
        self.outbox += outbox;
        self.timers_near += timers_near;
        self.broadcasts_live = self.broadcasts_live.max(*broadcasts_live);
        self.tombstones += tombstones;
        self.cursor = self.cursor.max(*cursor);
    }
}
