//! The identity of the event stream, and the ownership of the prefix.

use std::sync::Arc;

use tokio::sync::mpsc::UnboundedSender;

use super::commit_log;
use crate::actors::FatalError;
use crate::api;
use crate::bus::{self, Bus, Claim, LastTakenEvent, Ownership};
use crate::commit::ClaimedChains;
use crate::config::Settings;
use crate::config::settings::Durability;
use crate::event::{SlowLane, Time};
use crate::store::{FollowState, Store};
use crate::tables::{PartitionMeta, Read};

/// Checks that the stream is the one whose events the store has processed, that the commit log is the one
/// that it follows, and that no other service owns the prefix; only then creates or changes anything on the
/// broker. If commits go to the log, returns its chains, with the store up to date.
pub(super) async fn own(
    bus: Bus,
    store: Arc<Store>,
    settings: Settings,
    fatal: UnboundedSender<FatalError>,
) -> anyhow::Result<(Ownership, Option<ClaimedChains>)> {
    let partitions = settings.service.partitions;
    check(&bus, &store, &metas(&store, partitions)?).await?;
    commit_log::check(&bus, &store, &settings).await?;
    let claim =
        Claim { number: fresh_number(), before: store.owner()?, now: super::policy_handle::now() };
    store.set_owner(claim.number)?;
    let lost = move |error: bus::Error| {
        // Without a receiver the service is stopping already.
        let _ = fatal.send(FatalError(error.to_string()));
    };
    let ownership = bus.own(claim, settings.streams.replicas.into(), lost).await?;
    bus.ensure_streams(&settings.streams, partitions).await?;
    if let Some(state) = bus.stream_state().await? {
        store.set_stream(state.made)?;
    }
    let chains = match settings.store.durability {
        Durability::Disk => {
            commit_log::leave(&bus, &store, partitions, claim.number).await?;
            None
        }
        Durability::Log => Some(commit_log::begin(&bus, &store, &settings, claim.number).await?),
    };
    // Commits from the log have moved the cursors.
    check(&bus, &store, &metas(&store, partitions)?).await?;
    Ok((ownership, chains))
}

fn metas(store: &Store, partitions: u16) -> anyhow::Result<Vec<PartitionMeta>> {
    Ok((0..partitions).map(|partition| store.meta(partition)).collect::<Result<_, _>>()?)
}

/// A number unique to this start, never zero.
fn fresh_number() -> u64 {
    let [b0, b1, b2, b3, b4, b5, b6, b7, ..] = api::fresh_secret();
    u64::from_le_bytes([b0, b1, b2, b3, b4, b5, b6, b7]).max(1)
}

async fn check(bus: &Bus, store: &Store, metas: &[PartitionMeta]) -> anyhow::Result<()> {
    let stream = bus.subjects().events_stream();
    let highest = highest(metas);
    let known = store.stream()?;
    let Some(state) = bus.stream_state().await? else {
        if highest > 0 {
            return Err(bus::Error::Gone { stream, taken: highest }.into());
        }
        return Ok(());
    };
    if highest == 0 {
        if known != Some(state.made) && state.acknowledged > 0 {
            let acknowledged = state.acknowledged;
            return Err(bus::Error::Strange { stream, acknowledged }.into());
        }
        return Ok(());
    }
    if let Some(known) = known.filter(|known| *known != state.made) {
        return Err(bus::Error::another(stream, known, state.made).into());
    }
    Ok(bus.holds(state.last, highest, &last_taken(metas)).await?)
}

/// The last processed sequence, of either lane.
fn highest(metas: &[PartitionMeta]) -> u64 {
    metas.iter().map(|meta| meta.cursor.max(meta.slow_cursor)).max().unwrap_or(0)
}

fn last_taken(metas: &[PartitionMeta]) -> Vec<LastTakenEvent> {
    let taken =
        |meta: &PartitionMeta| Some(LastTakenEvent { sequence: meta.cursor, stored: meta.stored? });
    metas.iter().filter_map(taken).collect()
}

/// The last processed event of each partition; none: it has processed nothing. A cursor may lack its
/// timestamp, as in a store of an earlier version. Such a partition uses that of a partition that it is
/// not behind, or else the earliest: all read the same stream, and repeated events are recognised.
fn until(metas: &[PartitionMeta]) -> anyhow::Result<Vec<Option<LastTakenEvent>>> {
    let all = last_taken(metas);
    let of = |meta: &PartitionMeta| {
        if meta.cursor == 0 {
            return Ok(None);
        }
        let own = meta.stored.map(|stored| LastTakenEvent { sequence: meta.cursor, stored });
        let before = all.iter().filter(|taken| taken.sequence <= meta.cursor);
        let other = || before.max_by_key(|taken| taken.sequence);
        let earliest = || all.iter().min_by_key(|taken| taken.sequence);
        let found = own.or_else(|| other().or_else(earliest).copied());
        found.map(Some).ok_or_else(|| {
            anyhow::anyhow!(
                "expected a store with the timestamp of its last processed event, found one \
                 without: every event would be processed again; start the service on its own stream \
                 first, or use an empty store"
            )
        })
    };
    metas.iter().map(of).collect()
}

/// The cursors of a store that continues with another stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdoptedStream {
    /// The stream.
    pub stream: String,
    /// The highest cursor before.
    pub before: u64,
    /// The highest cursor now: the store continues after it.
    pub now: u64,
    /// When the last processed event was stored, if known.
    pub until: Option<Time>,
    /// The last sequence in the stream; none if there is no stream, and the next start creates one.
    pub last: Option<u64>,
    /// The channels whose waiting events will not be processed: they lay at or before `before`.
    pub given_up: Vec<Box<str>>,
}

/// Continues with the current event stream, though it is not the one that the store has processed: after
/// everything that was stored no later than the last processed event; with an empty store from the
/// beginning. Processed events stay processed.
///
/// # Errors
/// As the start of a service: no broker, or a store that another process has open.
pub async fn adopt(settings: &Settings) -> anyhow::Result<AdoptedStream> {
    let partitions = settings.service.partitions;
    let bus = Bus::connect(&settings.nats).await?;
    let store = Arc::new(Store::open(&settings.store, partitions)?);
    if store.follow_state()? == FollowState::Alone {
        commit_log::give_up(&bus, &store, partitions).await?;
    } else {
        // What the log holds beyond the store is applied if it is the store's log, and lost if it is not.
        match commit_log::check(&bus, &store, settings).await {
            Ok(()) => commit_log::leave(&bus, &store, partitions, fresh_number()).await?,
            Err(error) if matches!(error.downcast_ref(), Some(bus::Error::Log { .. })) => {
                tracing::warn!(%error, "the commit log is given up");
                commit_log::give_up(&bus, &store, partitions).await?;
            }
            Err(error) => return Err(error),
        }
    }
    let metas = metas(&store, partitions)?;
    let lane = SlowLane::newest(metas.iter().map(|meta| meta.slow_lane.clone()));
    let state = bus.stream_state().await?;
    let last = state.map(|state| state.last);
    let mut cursors = Vec::with_capacity(metas.len());
    let mut is_same = last >= Some(highest(&metas));
    for (partition, known) in (0..partitions).zip(until(&metas)?) {
        let found = match (known, last) {
            (Some(known), Some(last)) => bus.found_again(known, last).await?,
            _ => None,
        };
        is_same &= found == known;
        let cursor = found.map_or(0, |found| found.sequence);
        cursors.push((partition, cursor, found.map(|found| found.stored)));
    }
    store.adopt(state.map(|state| state.made), &cursors, is_same)?;
    bus.close().await?;
    Ok(AdoptedStream {
        stream: bus.subjects().events_stream(),
        before: highest(&metas),
        now: cursors.iter().map(|(_, cursor, _)| *cursor).max().unwrap_or(0),
        until: metas.iter().filter_map(|meta| meta.stored).max(),
        last,
        given_up: lane.slowed().filter(|_| !is_same).map(Into::into).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta(cursor: u64, stored: Option<i64>) -> PartitionMeta {
        PartitionMeta { cursor, stored: stored.map(Time::from_ms), ..PartitionMeta::default() }
    }

    #[test]
    fn a_cursor_without_a_timestamp_is_not_adopted_at_the_beginning() {
        let found = |metas: &[PartitionMeta]| {
            let until = until(metas).unwrap().into_iter();
            until.map(|one| one.map(|taken| taken.sequence)).collect::<Vec<_>>()
        };
        let own = || meta(9, Some(900));
        assert_eq!(
            found(&[own(), meta(20, None), meta(30, Some(3_000))]),
            [Some(9), Some(9), Some(30)]
        );
        assert_eq!(found(&[meta(5, None), own()]), [Some(9), Some(9)]);
        assert_eq!(
            found(&[PartitionMeta::default(), own()]),
            [None, Some(9)],
            "it has taken in nothing"
        );
        assert!(until(&[meta(5, None)]).is_err());
    }
}
