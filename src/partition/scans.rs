//! Scans over the twins of a partition, a few at a time: to wake matching twins for a broadcast, or to
//! build an index.

use std::time::Duration;

use super::host::Bounds;
use crate::config::limits;
use crate::config::settings::TimeMode;
use crate::event::{Customer, Time};
use crate::tables::{IndexKey, Scan, ScanKey};
use crate::twin::Stage;

/// The scans of a partition. One is in progress at a time: waking scans in the order of their broadcasts,
/// then campaigns, then index scans.
#[derive(Debug)]
pub(super) struct Scans {
    all: Vec<ActiveScan>,
    search: ScanSearch,
    pace: ScanPace,
    mode: TimeMode,
    partitions: u16,
    is_held: bool,
}

/// A scan, complete or not.
#[derive(Debug)]
pub(super) struct ActiveScan {
    pub(super) key: ScanKey,
    pub(super) progress: Scan,
    /// The commit with which it began: only once that is durable does the store have every twin that
    /// existed before. Later twins receive the broadcast, or are indexed, with their own inputs.
    since: u64,
    /// When this process started and last continued it, by the host clock, and the number of twins
    /// visited in between.
    began: Option<Time>,
    latest: Time,
    counted: u64,
    /// A campaign has its own pace, and no other scan waits for it.
    campaign: Option<ScanPace>,
}

/// The rate of a scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ScanRate {
    /// The rate of all scans.
    Usual,
    /// The rate of a campaign: at most this, in twins per second of the whole service.
    Campaign(Option<u32>),
}

/// The search for the next twins.
#[derive(Debug, Default)]
enum ScanSearch {
    #[default]
    None,
    /// Requested.
    Asked(ScanRequest),
    /// Found; the next to visit.
    Found(ScanRequest, Vec<Customer>),
}

/// A request to the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ScanRequest {
    key: ScanKey,
    of: u64,
    /// The commit with which the scan began: results of an earlier scan are discarded.
    since: u64,
    /// The index row to search; none: all twins.
    pub(super) row: Option<IndexKey>,
    /// Only after this customer.
    pub(super) after: Option<Customer>,
    /// The maximum number.
    pub(super) limit: usize,
}

/// The next step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ScanStep {
    /// None, or not yet.
    Nothing,
    /// Find the next twins.
    Ask(ScanRequest),
    /// Wait for a pending answer; on event time, nothing overtakes a waking scan.
    Wait,
    /// Visit the next twins.
    Go,
}

/// The pace at which twins are visited.
#[derive(Debug, Clone)]
struct ScanPace {
    /// The batch size.
    batch: usize,
    /// The pause between batches.
    pause: Duration,
    /// When the next batch is due, by the host clock.
    next: Time,
}

/// The minimum interval between batches, so that the store is searched for several twins at a time, not
/// for single ones.
const BEAT: Duration = Duration::from_millis(250);

impl ScanPace {
    fn new(mode: TimeMode, bounds: &Bounds) -> ScanPace {
        if mode == TimeMode::Event {
            // The host clock means nothing there.
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
        // Further away than a pause: the host clock was set back.
        wall >= self.next || self.next.since(wall) > self.pause
    }
}

impl Scans {
    /// No scans yet.
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

    /// Begins or resumes a scan with the commit `since`; it replaces an earlier one of its key.
    pub(super) fn begin(&mut self, key: ScanKey, scan: Scan, since: u64, rate: ScanRate) {
        self.end(&key);
        let campaign = match rate {
            ScanRate::Usual => None,
            ScanRate::Campaign(rate) => Some(self.pace_of(rate)),
        };
        let (began, latest, counted) = (None, Time::MIN, 0);
        self.all.push(ActiveScan { key, progress: scan, since, began, latest, counted, campaign });
    }

    /// The pace of a campaign: never faster than that of all scans.
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

    /// Counts one decision for a campaign: an action, or the stage that dropped the last candidate.
    pub(super) fn count(&mut self, key: &ScanKey, silent_by: Option<Stage>) {
        let Some(scan) = self.all.iter_mut().find(|scan| scan.key == *key) else { return };
        match silent_by {
            None => scan.progress.said += 1,
            Some(stage) => scan.progress.silent.add(stage, 1),
        }
    }

    /// Ends a scan; returns whether there was one.
    pub(super) fn end(&mut self, key: &ScanKey) -> bool {
        let before = self.all.len();
        self.all.retain(|scan| scan.key != *key);
        self.all.len() < before
    }

    pub(super) fn get(&self, key: &ScanKey) -> Option<&ActiveScan> {
        self.all.iter().find(|scan| scan.key == *key)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut ActiveScan> {
        self.all.iter_mut()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &ActiveScan> {
        self.all.iter()
    }

    /// Whether no scan is pending.
    pub(super) fn is_idle(&self) -> bool {
        self.all.iter().all(|scan| scan.progress.is_done)
    }

    /// Stops all scans from here on.
    pub(super) fn hold(&mut self) {
        self.is_held = true;
    }

    /// Whether a waking scan is incomplete.
    pub(super) fn is_waking(&self) -> bool {
        self.next().is_some_and(|next| next.wakes())
    }

    /// When the next step is due, by the host clock; `durable` is the last durable commit.
    pub(super) fn next_due(&self, durable: u64) -> Option<Time> {
        if !matches!(self.search, ScanSearch::None) {
            return None;
        }
        let next = self.next().filter(|next| next.since <= durable)?;
        Some(self.pace_for(next).next)
    }

    /// The next step at `wall`; `durable` is the last durable commit.
    pub(super) fn step(&mut self, durable: u64, wall: Time) -> ScanStep {
        let Some(next) = self.next() else { return ScanStep::Nothing };
        let pace = self.pace_for(next);
        match &self.search {
            ScanSearch::Asked(_) => ScanStep::Wait,
            ScanSearch::Found(wanted, _) if next.is(wanted) => ScanStep::Go,
            _ if next.since > durable => ScanStep::Wait,
            _ if !pace.is_due(wall) => ScanStep::Nothing,
            _ => {
                let wanted = next.request(pace.batch);
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

    /// Handles the twins that were found.
    pub(super) fn found(&mut self, customers: Vec<Customer>) {
        if let ScanSearch::Asked(wanted) = std::mem::take(&mut self.search) {
            self.search = ScanSearch::Found(wanted, customers);
        }
    }

    /// Takes the twins to visit next, and their scan.
    pub(super) fn take(&mut self) -> Option<(ScanKey, u64, Vec<Customer>)> {
        match std::mem::take(&mut self.search) {
            ScanSearch::Found(wanted, customers) => Some((wanted.key, wanted.of, customers)),
            ScanSearch::None | ScanSearch::Asked(_) => None,
        }
    }

    /// Advances a scan: it visited these twins, of which `touched` matched. Returns its position.
    pub(super) fn advance(
        &mut self,
        key: &ScanKey,
        customers: &[Customer],
        touched: u64,
        wall: Time,
    ) -> Option<&Scan> {
        let usual = self.pace.batch;
        let scan = self.all.iter_mut().find(|scan| scan.key == *key)?;
        let batch = scan.campaign.as_ref().map_or(usual, |pace| pace.batch);
        let visited = customers.len() as u64;
        match scan.began {
            // The first ones start the measurement.
            None => scan.began = Some(wall),
            Some(_) => scan.counted += visited,
        }
        scan.latest = wall;
        let scan = &mut scan.progress;
        scan.visited += visited;
        scan.touched += touched;
        if customers.len() < batch {
            scan.passed += 1;
            scan.after = None;
            scan.is_done = scan.passed as usize >= scan.along.len();
        } else {
            scan.after = customers.last().cloned();
        }
        Some(scan)
    }

    fn next(&self) -> Option<&ActiveScan> {
        if self.is_held {
            return None;
        }
        let undone = || self.all.iter().filter(|scan| !scan.progress.is_done);
        undone()
            .find(|scan| scan.wakes() && scan.campaign.is_none())
            .or_else(|| undone().find(|scan| scan.wakes()))
            .or_else(|| undone().next())
    }

    fn pace_for<'a>(&'a self, scan: &'a ActiveScan) -> &'a ScanPace {
        scan.campaign.as_ref().unwrap_or(&self.pace)
    }
}

impl ActiveScan {
    fn wakes(&self) -> bool {
        matches!(self.key, ScanKey::Wake(_))
    }

    fn is(&self, wanted: &ScanRequest) -> bool {
        self.request(wanted.limit) == *wanted
    }

    fn request(&self, limit: usize) -> ScanRequest {
        let row = self.progress.along.get(self.progress.passed as usize).copied();
        ScanRequest {
            key: self.key.clone(),
            of: self.progress.of,
            since: self.since,
            row,
            after: self.progress.after.clone(),
            limit,
        }
    }

    /// Twins visited per second.
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
        /// Whatever twins are found, at whatever times, and however the clock is set back.
        #[test]
        fn a_scan_keeps_to_its_rate(
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
            let mut scans = Scans::new(TimeMode::Stream, &bounds);
            let (along, after) = (Vec::new(), None);
            let scan = Scan {
                of: 1,
                along,
                passed: 0,
                after,
                visited: 0,
                touched: 0,
                is_done: false,
                said: 0,
                silent: crate::twin::StageCounts::default(),
            };
            scans.begin(ScanKey::Wake("fires".into()), scan, 0, rate);
            let mut wall = Time::from_ms(1_760_000_000_000);
            let mut visited: Vec<(Time, usize)> = Vec::new();
            for step in steps {
                wall = wall + Duration::from_millis(step);
                if let ScanStep::Ask(wanted) = scans.step(0, wall) {
                    let customer = Customer::new(&format!("c{}", visited.len())).unwrap();
                    scans.found(vec![customer; wanted.limit]);
                    prop_assert_eq!(scans.step(0, wall), ScanStep::Go);
                    let (key, _, customers) = scans.take().unwrap();
                    scans.advance(&key, &customers, 0, wall);
                    visited.push((wall, customers.len()));
                }
            }
            prop_assert!(!visited.is_empty());
            let per_second = match rate {
                ScanRate::Campaign(Some(rate)) => per_second.min(rate),
                _ => per_second,
            };
            for (first, (from, batch)) in visited.iter().enumerate() {
                let within = visited[first..].iter().take_while(|(at, _)| at.since(*from) < Duration::from_secs(1));
                let count: usize = within.map(|(_, count)| count).sum();
                // Twins visited together may fall at both ends of the second.
                prop_assert!(count <= per_second as usize + batch, "{count} of {per_second}");
            }
        }
    }
}
