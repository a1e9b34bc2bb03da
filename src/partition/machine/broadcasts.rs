//! Broadcasts: received in stream order, stored once per partition, delivered to its twins.

use std::sync::Arc;
use std::time::Duration;

use super::super::campaign::{CampaignCounts, silent_by};
use super::super::host::Host;
use super::super::index;
use super::super::round::{Round, RoundItem, ScanBatch};
use super::super::scans::{ScanRate, ScanStep};
use super::Machine;
use crate::config::settings::TimeMode;
use crate::event::{Broadcast, Customer, Lane, Original, Reason, Rejection, Time};
use crate::partition::Progress;
use crate::policy::Exceeded;
use crate::tables::{IndexKey, Scan, ScanKey};
use crate::twin::{InputResult, Journalled, LiveBroadcast, Reaction, StageCounts, Woken};

/// How long an ended broadcast is kept, so that partitions whose clocks differ a little agree on the
/// number of active ones when the next one starts.
const ENDED_KEPT: Duration = Duration::from_secs(60);

impl<H: Host> Machine<H> {
    /// Resumes the active broadcasts and the scans.
    pub(super) fn recover_broadcasts(
        &mut self,
        stored: Vec<(Broadcast, Time)>,
        scans: Vec<(ScanKey, Scan)>,
    ) {
        for (broadcast, at) in stored {
            let begun = LiveBroadcast::new(&broadcast, at)
                .and_then(|shared| shared.map_or(Ok(None), |one| self.broadcasts.begin(one)));
            if let Err(rejection) = begun {
                // Another version of jumeau accepted it, whose expressions have more functions.
                tracing::error!(scope = %broadcast.scope, %rejection, "a broadcast is skipped");
            }
        }
        let mut scans = scans;
        // In their original order: wake-ups of the same time in the order of their scopes.
        scans.sort_by_key(|(key, _)| match key {
            ScanKey::Wake(scope) => self.broadcasts.get(scope).map(|shared| shared.since),
            ScanKey::Index(_) => None,
            ScanKey::Ended(at, _) => Some(*at),
        });
        for (key, scan) in scans {
            let is_wanted = match &key {
                ScanKey::Wake(scope) => {
                    self.broadcasts.get(scope).is_some_and(|shared| shared.id == scan.of)
                }
                ScanKey::Index(_) => true,
                ScanKey::Ended(at, id) => {
                    self.over.add(*at, *id);
                    false
                }
            };
            if is_wanted {
                let rate = self.rate_of(&key);
                self.scans.begin(key, scan, 0, rate);
            }
        }
        self.set_next_expiry();
    }

    /// Handles a broadcast from the stream. Every partition does, with the same result; the first
    /// partition writes the dead letter of an unusable one.
    pub(super) fn take_in_broadcast(
        &mut self,
        now: Time,
        sequence: u64,
        broadcast: &Broadcast,
        original: &Original,
    ) {
        self.clock = self.clock.max(now);
        self.taken.advance(Lane::Main, sequence);
        self.end_expired_broadcasts(now);
        let id = LiveBroadcast::identity(broadcast);
        if self.over.has(id) || self.broadcasts.has(&broadcast.scope, id) {
            // Counted once, although every partition received it.
            self.counters.duplicates += u64::from(self.partition == 0);
            return;
        }
        match LiveBroadcast::new(broadcast, now) {
            Ok(Some(shared)) => {
                if let Err(rejection) = self.begin_broadcast(broadcast, shared) {
                    self.write_dead_letter_once(sequence, original, &rejection);
                }
            }
            Ok(None) => {
                if let Some(ended) = self.broadcasts.end(&broadcast.scope) {
                    self.forget_broadcast(&ended);
                }
                // A copy of this end must not end a later start.
                self.remember_over(id);
                self.counters.broadcasts += 1;
            }
            Err(rejection) => self.write_dead_letter_once(sequence, original, &rejection),
        }
        self.set_next_expiry();
    }

    fn begin_broadcast(
        &mut self,
        broadcast: &Broadcast,
        shared: LiveBroadcast,
    ) -> Result<(), Rejection> {
        let (since, wakes) = (shared.since, shared.wake);
        let scan = Scan { along: self.index_rows_for(&shared), ..new_scan(shared.id) };
        if let Some(replaced) = self.broadcasts.begin(shared)? {
            self.forget_broadcast(&replaced);
        }
        self.batch.put_broadcast(self.partition, broadcast, since);
        self.counters.broadcasts += 1;
        if wakes {
            self.begin_scan(ScanKey::Wake(broadcast.scope.clone()), scan);
        }
        Ok(())
    }

    fn begin_scan(&mut self, key: ScanKey, scan: Scan) {
        self.batch.put_scan(self.partition, &key, &scan);
        let rate = self.rate_of(&key);
        self.scans.begin(key, scan, self.next_ticket, rate);
    }

    /// The rate of a campaign, in twins per second of the whole service.
    fn rate_of(&self, key: &ScanKey) -> ScanRate {
        let ScanKey::Wake(scope) = key else { return ScanRate::Usual };
        let campaign = self.broadcasts.get(scope).and_then(|shared| shared.decide.as_ref());
        campaign.map_or(ScanRate::Usual, |campaign| ScanRate::Campaign(campaign.rate))
    }

    /// The index rows that contain every twin that a broadcast matches; none if there is no such index,
    /// or not yet.
    fn index_rows_for(&self, shared: &LiveBroadcast) -> Vec<IndexKey> {
        let Some(condition) = &shared.condition else { return Vec::new() };
        let ways = condition.lookups().into_iter().filter_map(|(path, values)| {
            let known = self.scans.get(&ScanKey::Index(path.to_string().into()))?;
            let path = known.progress.is_done.then_some(known.progress.of)?;
            let key = |value| Some(IndexKey { path, value: index::hash_of_value(value)? });
            let mut keys: Vec<IndexKey> = values.iter().map(key).collect::<Option<_>>()?;
            keys.sort_unstable();
            keys.dedup();
            Some(keys).filter(|keys| !keys.is_empty())
        });
        ways.min_by_key(Vec::len).unwrap_or_default()
    }

    /// Removes a broadcast; only the twins' memory of it and the fact that it ended remain.
    fn forget_broadcast(&mut self, ended: &LiveBroadcast) {
        self.batch.delete_broadcast(self.partition, &ended.scope);
        self.exceeded.remove(&ended.scope);
        let key = ScanKey::Wake(ended.scope.clone());
        if self.scans.end(&key) {
            self.batch.delete_scan(self.partition, &key);
        }
        self.remember_over(ended.id);
    }

    fn remember_over(&mut self, id: u64) {
        let at = self.clock;
        self.batch.put_scan(self.partition, &ScanKey::Ended(at, id), &new_scan(id));
        if let Some((at, id)) = self.over.add(at, id) {
            self.batch.delete_scan(self.partition, &ScanKey::Ended(at, id));
        }
    }

    /// Counts an expression that ran out of steps for a twin.
    pub(super) fn count_exceeded(&mut self, exceeded: &Exceeded) {
        let limit = match exceeded {
            Exceeded::Policy(_) => {
                self.counters.policy_errors += 1;
                self.counters.last_policy_error = Some(exceeded.to_string());
                "EXPRESSION_STEPS"
            }
            Exceeded::Broadcast(scope) => {
                if self.broadcasts.get(scope).is_some() {
                    *self.exceeded.entry(scope.clone()).or_default() += 1;
                }
                "CONDITION_STEPS"
            }
        };
        *self.counters.limits.entry(limit.to_owned()).or_default() += 1;
    }

    /// Ends the broadcasts that have expired.
    pub(super) fn end_expired_broadcasts(&mut self, now: Time) {
        for ended in self.broadcasts.expire(now) {
            self.forget_broadcast(&ended);
        }
        self.set_next_expiry();
    }

    fn set_next_expiry(&mut self) {
        // On event time, the clock may be ahead of events that are still to come.
        let next = match self.mode {
            TimeMode::Stream => {
                self.broadcasts.iter().map(|shared| shared.until + ENDED_KEPT).min()
            }
            TimeMode::Event => None,
        };
        self.over_at = next.unwrap_or(Time::MAX);
    }

    /// Stops the scan for an ended broadcast; the broadcast itself is kept a little longer.
    fn stop_ended_scans(&mut self) {
        let now = self.clock;
        let over: Vec<ScanKey> = self
            .broadcasts
            .iter()
            .filter(|shared| !shared.is_live(now))
            .map(|shared| ScanKey::Wake(shared.scope.clone()))
            .collect();
        for key in over {
            if self.scans.end(&key) {
                self.batch.delete_scan(self.partition, &key);
            }
        }
    }

    /// Writes the dead letter of a broadcast in one partition only, although all received it.
    fn write_dead_letter_once(
        &mut self,
        sequence: u64,
        original: &Original,
        rejection: &Rejection,
    ) {
        if self.partition == 0 {
            self.write_dead_letter(sequence, original, rejection);
        }
    }

    /// Handles a change of the policy: starts to index newly named paths, and drops indexes that it no
    /// longer names.
    pub(super) fn settle_indexes(&mut self) {
        let policy = Arc::clone(&self.policy);
        let named: Vec<(ScanKey, u64)> = policy
            .indexed
            .iter()
            .map(|path| (ScanKey::Index(path.to_string().into()), index::hash_of_path(path)))
            .collect();
        let gone: Vec<(ScanKey, u64)> = self
            .scans
            .iter()
            .map(|known| (known.key.clone(), known.progress.of))
            .filter(|(key, _)| matches!(key, ScanKey::Index(_)))
            .filter(|(key, _)| named.iter().all(|(name, _)| name != key))
            .collect();
        for (key, path) in gone {
            self.scans.end(&key);
            self.batch.delete_scan(self.partition, &key);
            self.batch.delete_index_of(self.partition, path);
            for wake in self.scans.iter_mut() {
                if wake.progress.along.iter().any(|row| row.path == path) {
                    // The scan then visits all twins, and skips those that have received it.
                    let Scan { of, visited, touched, said, silent, .. } = wake.progress;
                    wake.progress = Scan { visited, touched, said, silent, ..new_scan(of) };
                    self.batch.put_scan(self.partition, &wake.key, &wake.progress);
                }
            }
        }
        for (key, path) in named {
            if self.scans.get(&key).is_none() {
                self.begin_scan(key, new_scan(path));
            }
        }
    }

    /// The next step of the scans; requests the next twins when it is time.
    pub(super) fn step(&mut self, wall: Time, host: &mut H) -> ScanStep {
        if self.clock >= self.over_at {
            self.end_expired_broadcasts(self.clock - ENDED_KEPT);
        }
        if self.scans.is_idle() {
            return ScanStep::Nothing;
        }
        self.stop_ended_scans();
        match self.scans.step(self.durable, wall) {
            ScanStep::Ask(wanted) => {
                host.find(wanted.row, wanted.after, wanted.limit);
                ScanStep::Wait
            }
            step => step,
        }
    }

    /// Handles the customers that [`Host::find`] found.
    pub fn found(&mut self, customers: Vec<Customer>, wall: Time, host: &mut H) {
        self.scans.found(customers);
        self.go_on(wall, host);
    }

    /// Begins a round of the next twins of a scan.
    pub(super) fn begin_scanning(&mut self, wall: Time, host: &mut H) {
        let Some((key, of, customers)) = self.scans.take() else { return };
        let mut round = Round::default();
        for customer in &customers {
            match &key {
                ScanKey::Wake(scope) => {
                    let Some(shared) = self.broadcasts.get(scope) else { continue };
                    let input = shared.wake(customer, self.clock).by_stream(self.stream);
                    let woken = Woken { id: of, scope: scope.clone() };
                    let item =
                        RoundItem::Wake { customer: customer.clone(), woken, at: self.clock };
                    round.push(item, Some((customer.clone(), input)));
                }
                // These keys ask nothing about an input.
                ScanKey::Index(_) | ScanKey::Ended(..) => {
                    round.batches.insert(customer.clone(), smallvec::SmallVec::new());
                }
            }
        }
        round.scanning = Some(ScanBatch { key, customers, fetched: Vec::new(), wall });
        self.begin_round(round, host);
    }

    pub(super) fn take_in_wake(
        &mut self,
        customer: &Customer,
        woken: Woken,
        at: Time,
        reaction: Result<Reaction, Reason>,
    ) -> bool {
        let reaction = match reaction {
            Ok(reaction) => reaction,
            Err(reason) => {
                // The twin receives the broadcast with its next input.
                *self.counters.dead.entry(reason).or_default() += 1;
                return false;
            }
        };
        let is_touched = reaction.result == InputResult::Applied;
        if is_touched {
            let is_campaign =
                self.broadcasts.get(&woken.scope).is_some_and(|shared| shared.decide.is_some());
            if is_campaign {
                self.scans.count(&ScanKey::Wake(woken.scope.clone()), silent_by(&reaction));
            }
            self.counters.woken += 1;
            let after = self.taken.main;
            self.journal(customer, at, &Journalled::Broadcast { woken, after });
        }
        self.perform(customer, reaction.effects);
        self.note(reaction.notes);
        is_touched
    }

    /// Ends a round of a scan: its progress goes into the open batch.
    ///
    /// Twins that were loaded for it and do not match are dropped from memory at once: nothing of them is
    /// in flight.
    pub(super) fn end_scanning(&mut self, scanning: ScanBatch, touched: &[Customer]) {
        let ScanBatch { key, customers, fetched, wall } = scanning;
        for customer in fetched.iter().filter(|customer| !touched.contains(customer)) {
            self.cache.remove(customer);
        }
        self.counters.visited += customers.len() as u64;
        if self.scans.advance(&key, &customers, touched.len() as u64, wall).is_some() {
            self.store_scan(&key);
        }
    }

    /// Stops scans for broadcasts and indexes; they resume after the next start.
    pub fn hold_scans(&mut self) {
        self.scans.hold();
    }

    /// Whether a broadcast has yet to wake twins.
    pub fn is_waking(&self) -> bool {
        self.scans.is_waking()
    }

    /// Whether a scan is pending.
    pub fn is_scanning(&self) -> bool {
        self.next_policy.is_some() || !self.scans.is_idle()
    }

    /// Active broadcasts and their progress.
    pub fn broadcasts(&self) -> Vec<Progress> {
        self.broadcasts.iter().map(|shared| self.progress(shared)).collect()
    }

    fn progress(&self, shared: &LiveBroadcast) -> Progress {
        let known = self.scans.get(&ScanKey::Wake(shared.scope.clone()));
        let scan = known.map(|known| &known.progress);
        Progress {
            scope: shared.scope.to_string(),
            id: format!("{:016x}", shared.id),
            value: shared.value.clone(),
            condition: shared.condition.as_ref().map(|one| one.source().to_owned()),
            since: shared.since,
            until: shared.until,
            wake: shared.wake,
            visited: scan.map_or(0, |scan| scan.visited),
            woken: scan.map_or(0, |scan| scan.touched),
            partitions: 1,
            partitions_done: u32::from(scan.is_none_or(|scan| scan.is_done)),
            exceeded: self.exceeded.get(&shared.scope).copied().unwrap_or(0),
            by_index: scan.is_some_and(|scan| !scan.along.is_empty()),
            per_second: known.map_or(0.0, |known| known.per_second()),
            campaign: shared
                .decide
                .as_ref()
                .map(|_| scan.map_or_else(CampaignCounts::default, CampaignCounts::of)),
        }
    }
}

/// A new scan of all twins.
fn new_scan(of: u64) -> Scan {
    Scan {
        of,
        along: Vec::new(),
        passed: 0,
        after: None,
        visited: 0,
        touched: 0,
        is_done: false,
        said: 0,
        silent: StageCounts::default(),
    }
}
