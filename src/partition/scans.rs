//! Scans over the twins of a partition, a few at a time: to wake matching twins for a broadcast, or to
//! build an index.

use std::time::Duration;

use super::host::Bounds;
use crate::config::limits;
use crate::config::settings::TimeMode;
use crate::event::{Customer, Time};
use crate::tables::{IndexKey, Scan, ScanKey};
use crate::twin::Stage;

/// The sweeps of a partition. One at a time goes on: those that wake in the order in which their
/// broadcasts came, then campaigns, then those that make an index.
#[derive(Debug)]
pub(super) struct Scans {
    all: Vec<ActiveScan>,
    search: ScanSearch,
    pace: ScanPace,
    mode: TimeMode,
    partitions: u16,
    is_held: bool,
}

/// A sweep, done or not.
#[derive(Debug)]
pub(super) struct ActiveScan {
    pub(super) key: ScanKey,
    pub(super) sweep: Scan,
    /// The commit with which it began: only once that is durable does the store have every twin
    /// that there was before it. Later ones come upon its subject by themselves.
    since: u64,
    /// When this process started and last continued it, by the host clock, and the number of twins
    /// visited in between.
    began: Option<Time>,
    latest: Time,
    counted: u64,
    /// A campaign has a pace of its own, and no other waits for it.
    campaign: Option<ScanPace>,
}

/// How fast a sweep may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ScanRate {
    /// As fast as any.
    Usual,
    /// A campaign: no faster than this, in twins a second of the whole service.
    Campaign(Option<u32>),
}

/// The search for the next twins.
#[derive(Debug, Default)]
enum ScanSearch {
    #[default]
    None,
    /// They were asked for.
    Asked(ScanRequest),
    /// These come next.
    Found(ScanRequest, Vec<Customer>),
}

/// What is asked of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ScanRequest {
    key: ScanKey,
    of: u64,
    /// The commit with which the sweep began: what was found for one before it is of no use.
    since: u64,
    /// The row of the index in which to look; none: among all twins.
    pub(super) row: Option<IndexKey>,
    /// Behind this one.
    pub(super) after: Option<Customer>,
    /// So many at most.
    pub(super) limit: usize,
}

/// What there is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ScanStep {
    /// Nothing, or not yet.
    Nothing,
    /// To look for the next twins.
    Ask(ScanRequest),
    /// Wait for a pending answer; on event time, nothing overtakes a waking scan.
    Wait,
    /// Visit the next twins.
    Go,
}

/// How fast twins are looked at.
#[derive(Debug, Clone)]
struct ScanPace {
    /// The batch size.
    batch: usize,
    /// The pause between batches.
    pause: Duration,
    /// When the next batch is due, by the host clock.
    next: Time,
}

/// A batch takes this long or longer to be due, so that few twins at a time are looked for in the
/// store, and not single ones.
const BEAT: Duration = Duration::from_millis(250);

impl ScanPace {
    fn new(mode: TimeMode, bounds: &Bounds) -> ScanPace {
        if mode == TimeMode::Event {
            // The clock on the wall means nothing there.
            return ScanPace { batch: limits::SWEEP_BATCH, pause: Duration::ZERO, next: Time::MIN };
        }
        ScanPace::of(bounds.wake_pause)
    }

    fn of(pause: Duration) -> ScanPace {
        let pause = pause.max(Duration::from_nanos(1));
        let batch = (BEAT.as_nanos() / pause.as_nanos()).clamp(1, limits::SWEEP_BATCH as u128);
        // At most SWEEP_BATCH.
        let batch = batch as u32;
        ScanPace { batch: batch as usize, pause: pause * batch, next: Time::MIN }
    }

    fn is_due(&self, wall: Time) -> bool {
        // Further away than a pause: the clock on the wall was set back.
        wall >= self.next || self.next.since(wall) > self.pause
    }
}

impl Scans {
    /// The sweeps that a partition was in the middle of, or done with.
    pub(super) fn new(mode: TimeMode, bounds: &Bounds) -> Scans {
        Scans {
            all: Vec::new(),
            search: ScanSearch::None,
            pace: ScanPace::new(mode, bounds),
            mode,
            partitions: bounds.partitions,
            is_held: false,
        }
    }

    /// One begins, or goes on, with the commit `since`; in place of an earlier one of its key.
    pub(super) fn begin(&mut self, key: ScanKey, sweep: Scan, since: u64, rate: ScanRate) {
        self.end(&key);
        let campaign = match rate {
            ScanRate::Usual => None,
            ScanRate::Campaign(rate) => Some(self.pace_of(rate)),
        };
        let (began, latest, counted) = (None, Time::MIN, 0);
        self.all.push(ActiveScan { key, sweep, since, began, latest, counted, campaign });
    }

    /// The pace of a campaign: never faster than that of all sweeps.
    fn pace_of(&self, rate: Option<u32>) -> ScanPace {
        match rate {
            Some(rate) if self.mode == TimeMode::Stream => {
                let usual = self.pace.pause / u32::try_from(self.pace.batch).unwrap_or(u32::MAX);
                let own = Duration::from_secs(self.partitions.into()) / rate.max(1);
                ScanPace::of(own.max(usual))
            }
            _ => self.pace.clone(),
        }
    }

    /// One more customer has decided for a campaign: something was said, or this stage kept silent.
    pub(super) fn count(&mut self, key: &ScanKey, silent_by: Option<Stage>) {
        let Some(ongoing) = self.all.iter_mut().find(|ongoing| ongoing.key == *key) else { return };
        match silent_by {
            None => ongoing.sweep.said += 1,
            Some(stage) => ongoing.sweep.silent[stage as usize] += 1,
        }
    }

    /// One is over; returns whether there was one.
    pub(super) fn end(&mut self, key: &ScanKey) -> bool {
        let before = self.all.len();
        self.all.retain(|ongoing| ongoing.key != *key);
        self.all.len() < before
    }

    pub(super) fn get(&self, key: &ScanKey) -> Option<&ActiveScan> {
        self.all.iter().find(|ongoing| ongoing.key == *key)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut ActiveScan> {
        self.all.iter_mut()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &ActiveScan> {
        self.all.iter()
    }

    /// Whether nothing is left to do.
    pub(super) fn is_idle(&self) -> bool {
        self.all.iter().all(|ongoing| ongoing.sweep.is_done)
    }

    /// From here on none goes on.
    pub(super) fn hold(&mut self) {
        self.is_held = true;
    }

    /// Whether there is one that wakes and is not done.
    pub(super) fn is_waking(&self) -> bool {
        self.next().is_some_and(|next| next.wakes())
    }

    /// When there is something to do again, by the clock on the wall; `durable` is the last commit
    /// that is.
    pub(super) fn next_due(&self, durable: u64) -> Option<Time> {
        if !matches!(self.search, ScanSearch::None) {
            return None;
        }
        let next = self.next().filter(|next| next.since <= durable)?;
        Some(self.pace_for(next).next)
    }

    /// What there is to do at `wall`; `durable` is the last commit that is.
    pub(super) fn step(&mut self, durable: u64, wall: Time) -> ScanStep {
        let Some(next) = self.next() else { return ScanStep::Nothing };
        let pace = self.pace_for(next);
        match &self.search {
            ScanSearch::Asked(_) => ScanStep::Wait,
            ScanSearch::Found(wanted, _) if next.is(wanted) => ScanStep::Go,
            _ if next.since > durable => ScanStep::Wait,
            _ if !pace.is_due(wall) => ScanStep::Nothing,
            _ => {
                let wanted = next.wanted(pace.batch);
                let then = wall + pace.pause;
                let key = next.key.clone();
                let own = self.all.iter_mut().find(|one| one.key == key);
                match own.and_then(|one| one.campaign.as_mut()) {
                    Some(pace) => pace.next = then,
                    None => self.pace.next = then,
                }
                self.search = ScanSearch::Asked(wanted.clone());
                ScanStep::Ask(wanted)
            }
        }
    }

    /// The twins that were asked for are found.
    pub(super) fn found(&mut self, customers: Vec<Customer>) {
        if let ScanSearch::Asked(wanted) = std::mem::take(&mut self.search) {
            self.search = ScanSearch::Found(wanted, customers);
        }
    }

    /// The twins to take in hand, and for which sweep.
    pub(super) fn take(&mut self) -> Option<(ScanKey, u64, Vec<Customer>)> {
        match std::mem::take(&mut self.search) {
            ScanSearch::Found(wanted, customers) => Some((wanted.key, wanted.of, customers)),
            ScanSearch::None | ScanSearch::Asked(_) => None,
        }
    }

    /// A sweep has come further: it looked at these twins, and `touched` of them it concerned.
    /// Returns how far it is now.
    pub(super) fn advance(
        &mut self,
        key: &ScanKey,
        customers: &[Customer],
        touched: u64,
        wall: Time,
    ) -> Option<&Scan> {
        let usual = self.pace.batch;
        let ongoing = self.all.iter_mut().find(|ongoing| ongoing.key == *key)?;
        let batch = ongoing.campaign.as_ref().map_or(usual, |pace| pace.batch);
        let looked_at = customers.len() as u64;
        match ongoing.began {
            // The first ones are the beginning from which time is counted.
            None => ongoing.began = Some(wall),
            Some(_) => ongoing.counted += looked_at,
        }
        ongoing.latest = wall;
        let sweep = &mut ongoing.sweep;
        sweep.looked_at += looked_at;
        sweep.touched += touched;
        if customers.len() < batch {
            sweep.passed += 1;
            sweep.after = None;
            sweep.is_done = sweep.passed as usize >= sweep.along.len();
        } else {
            sweep.after = customers.last().cloned();
        }
        Some(sweep)
    }

    fn next(&self) -> Option<&ActiveScan> {
        if self.is_held {
            return None;
        }
        let undone = || self.all.iter().filter(|ongoing| !ongoing.sweep.is_done);
        undone()
            .find(|ongoing| ongoing.wakes() && ongoing.campaign.is_none())
            .or_else(|| undone().find(|ongoing| ongoing.wakes()))
            .or_else(|| undone().next())
    }

    fn pace_for<'a>(&'a self, ongoing: &'a ActiveScan) -> &'a ScanPace {
        ongoing.campaign.as_ref().unwrap_or(&self.pace)
    }
}

impl ActiveScan {
    fn wakes(&self) -> bool {
        matches!(self.key, ScanKey::Wake(_))
    }

    fn is(&self, wanted: &ScanRequest) -> bool {
        self.wanted(wanted.limit) == *wanted
    }

    fn wanted(&self, limit: usize) -> ScanRequest {
        let row = self.sweep.along.get(self.sweep.passed as usize).copied();
        ScanRequest {
            key: self.key.clone(),
            of: self.sweep.of,
            since: self.since,
            row,
            after: self.sweep.after.clone(),
            limit,
        }
    }

    /// Twins that it looks at in a second.
    pub(super) fn per_second(&self) -> f64 {
        let Some(began) = self.began else { return 0.0 };
        let seconds = self.latest.since(began).as_secs_f64();
        if seconds > 0.0 { self.counted as f64 / seconds } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::settings::Answers;

    proptest! {
        /// Whoever comes by, at whatever moments, and however the clock is set back.
        #[test]
        fn no_more_twins_are_looked_at_in_a_second_than_may_be(
            per_second in 1u32..2_000,
            rate in prop_oneof![
                Just(ScanRate::Usual),
                prop::option::of(1u32..2_000).prop_map(ScanRate::Campaign),
            ],
            steps in prop::collection::vec(0u64..400, 1..400),
        ) {
            let bounds = Bounds {
                resident_twins_max: 1,
                resident_bytes_max: 1,
                timers_near_max: 1,
                outbox_max: 1,
                rest_after: None,
                wake_pause: Duration::from_secs(1) / per_second,
                partitions: 1,
                answers: Answers::Durable,
            };
            let mut sweeps = Scans::new(TimeMode::Stream, &bounds);
            let (along, after) = (Vec::new(), None);
            let sweep = Scan {
                of: 1,
                along,
                passed: 0,
                after,
                looked_at: 0,
                touched: 0,
                is_done: false,
                said: 0,
                silent: Default::default(),
            };
            sweeps.begin(ScanKey::Wake("fires".into()), sweep, 0, rate);
            let mut wall = Time::from_ms(1_760_000_000_000);
            let mut looked_at: Vec<(Time, usize)> = Vec::new();
            for step in steps {
                wall = wall + Duration::from_millis(step);
                if let ScanStep::Ask(wanted) = sweeps.step(0, wall) {
                    let customer = Customer::new(&format!("c{}", looked_at.len())).unwrap();
                    sweeps.found(vec![customer; wanted.limit]);
                    prop_assert_eq!(sweeps.step(0, wall), ScanStep::Go);
                    let (key, _, customers) = sweeps.take().unwrap();
                    sweeps.advance(&key, &customers, 0, wall);
                    looked_at.push((wall, customers.len()));
                }
            }
            prop_assert!(!looked_at.is_empty());
            let per_second = match rate {
                ScanRate::Campaign(Some(rate)) => per_second.min(rate),
                _ => per_second,
            };
            for (first, (from, batch)) in looked_at.iter().enumerate() {
                let within = looked_at[first..].iter().take_while(|(at, _)| at.since(*from) < Duration::from_secs(1));
                let count: usize = within.map(|(_, count)| count).sum();
                // What is looked at together may stand at both ends of the second.
                prop_assert!(count <= per_second as usize + batch, "{count} of {per_second}");
            }
        }
    }
}
