//! Status of the service: counters, learning, broadcasts and experiments.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::atomic::Ordering;

use futures::future::join_all;

use super::{Router, from_bus, gone, now};
use crate::actors::{GetBroadcasts, GetCounters, GetExperimentResults};
use crate::api::{self, ExperimentsReply, Learning, LiveBroadcasts, Publishing, Stats};
use crate::bus::ApiError;
use crate::partition::{Counters, Progress};

impl Router {
    pub(super) async fn counters(&self) -> Result<Vec<Counters>, ApiError> {
        let glances = self.partitions.all().iter().map(|address| address.send(GetCounters));
        let found: Result<Vec<Box<Counters>>, _> = join_all(glances).await.into_iter().collect();
        Ok(found.map_err(gone)?.into_iter().map(|counters| *counters).collect())
    }

    pub(super) async fn stats(&self) -> Result<Stats, ApiError> {
        // Events that are no lag before the partitions are asked are in their counters; messages that they
        // have sent each other since then are lag afterwards.
        let before = self.bus.lag().await.map_err(from_bus)?;
        let partitions = self.counters().await?;
        let is_up = self.bus.is_up();
        let after = self.bus.lag().await.map_err(from_bus)?;
        let came = after.last.saturating_sub(before.last);
        let lag = before.behind().max(after.behind()).max(came);
        Ok(Stats {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started: self.started,
            at: now(),
            time: self.mode,
            policy: self.policy.read().status.clone(),
            desks: self.probes.rights.agent_channels().names().map(Into::into).collect(),
            merging: self.probes.rights.merging().map(Into::into).collect(),
            connected: is_up,
            lag,
            slowed: self.probes.floor.slowed(),
            resets: self.probes.resets.load(Ordering::Relaxed),
            missed: self.probes.missed.count(),
            publishing: Publishing {
                outages: self.bus.outages(),
                relayed: self.probes.relay.counters(),
                trouble: self.probes.relay.trouble(),
            },
            streams: self.probes.watch.stats(),
            space: self.probes.room.space(),
            clock: self.probes.clock.jumps(),
            learning: self.learning(),
            partitions,
        })
    }

    fn learning(&self) -> Learning {
        let figures = self.learner.figures();
        Learning {
            version: figures.version.load(Ordering::Relaxed),
            answers: figures.answers.load(Ordering::Relaxed),
            levels: figures.levels.load(Ordering::Relaxed),
            forgotten: figures.forgotten.load(Ordering::Relaxed),
        }
    }

    pub(super) async fn broadcasts(&self) -> Result<LiveBroadcasts, ApiError> {
        let glances = self.partitions.all().iter().map(|address| address.send(GetBroadcasts));
        let found: Result<Vec<Vec<Progress>>, _> = join_all(glances).await.into_iter().collect();
        let mut all: BTreeMap<(String, String), Progress> = BTreeMap::new();
        for one in found.map_err(gone)?.into_iter().flatten() {
            match all.entry((one.scope.clone(), one.id.clone())) {
                Entry::Occupied(mut known) => known.get_mut().add(&one),
                Entry::Vacant(free) => drop(free.insert(one)),
            }
        }
        let partitions = u32::try_from(self.partitions.all().len()).unwrap_or(u32::MAX);
        all.values_mut().for_each(|one| one.in_all(partitions));
        Ok(LiveBroadcasts { at: now(), broadcasts: all.into_values().collect() })
    }

    pub(super) async fn experiments(&self) -> Result<ExperimentsReply, ApiError> {
        let glances =
            self.partitions.all().iter().map(|address| address.send(GetExperimentResults));
        let found: Result<Vec<_>, _> = join_all(glances).await.into_iter().collect();
        let found = found.map_err(gone)?;
        let policy = found.first().map(|(policy, _)| policy.clone());
        let counted = found.into_iter().flat_map(|(_, results)| results);
        let experiments =
            policy.map_or_else(Vec::new, |policy| api::experiment_stats(&policy, counted));
        Ok(ExperimentsReply { at: now(), experiments })
    }
}
