//! The commit log at a start: whether it is the one that the store follows, and what the store has yet to apply.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context as _;
use futures::{StreamExt as _, TryStreamExt as _, stream};

use crate::bus::{self, Bus, CommitLog};
use crate::commit::ClaimedChains;
use crate::config::settings::Durability;
use crate::config::{Settings, limits};
use crate::event::Time;
use crate::log::{ChainReader, ChainWriter, MessageKind};
use crate::store::{FollowState, LogFollower, Store};
use crate::tables::{Batch, Chain, Commit, LogPosition, Read as _};

/// Requests to the broker at once.
const AT_ONCE: usize = 32;

/// A claim is repeated if another service claimed the chain at the same time.
const CLAIMS: usize = 3;

/// Checks that the log is the one that the store follows, before anything is created or changed on the broker.
pub(super) async fn check(bus: &Bus, store: &Store, settings: &Settings) -> anyhow::Result<()> {
    let durability = settings.store.durability;
    if durability == Durability::Log && settings.store.master_key.is_some() {
        anyhow::bail!(
            "expected `store.durability` = \"disk\" with `store.master-key`, found \"log\": the commit log would hold \
             customers' data in clear; set it to \"disk\""
        );
    }
    let log = bus.commit_log();
    match store.follow_state()? {
        FollowState::Follows(made) => {
            let positions = positions(store, settings.service.partitions)?;
            Ok(check_positions(&log, made, &positions).await?)
        }
        FollowState::Leaves => Ok(()),
        FollowState::Alone if durability == Durability::Disk => Ok(()),
        FollowState::Alone => Ok(check_is_empty(&log).await?),
    }
}

/// Checks that the log holds nothing: a store that follows none cannot know what it means.
async fn check_is_empty(log: &CommitLog) -> Result<(), bus::Error> {
    match log.content().await? {
        Some(content) if content.messages > 0 => {
            let found = format!("{} messages in it", content.messages);
            let expected = "the store that follows it, or none, because the store follows no log";
            Err(log.mismatch(expected.into(), found))
        }
        _ => Ok(()),
    }
}

/// Begins to commit to the log: claims every chain, and applies what the store lacks. `start` is unique to this start.
pub(super) async fn begin(
    bus: &Bus,
    store: &Arc<Store>,
    settings: &Settings,
    start: u64,
) -> anyhow::Result<ClaimedChains> {
    let partitions = settings.service.partitions;
    let log = bus.commit_log();
    if store.follow_state()? == FollowState::Leaves {
        end_leaving(&log, store, partitions).await?;
    }
    if store.follow_state()? == FollowState::Alone {
        // Another service may have served meanwhile. Ours is to begin at its first message.
        check_is_empty(&log).await?;
        log.delete().await?;
        log.create(&settings.streams).await?;
        let made = log.content().await?.context("the commit log was deleted")?.made;
        blocking(store, move |store| store.follow_log(made)).await?;
    } else {
        log.create(&settings.streams).await?;
    }
    let follower = Arc::new(LogFollower(store.clone()));
    let writers = claim(&log, store, follower, (partitions, start)).await?;
    // Before the first commit: the next start finds the log by the positions.
    blocking(store, Store::flush).await?;
    Ok(ClaimedChains { log, writers })
}

/// Ends to commit to the log: applies what the store lacks, and deletes the log. Does nothing if the store follows none.
pub(super) async fn leave(
    bus: &Bus,
    store: &Arc<Store>,
    partitions: u16,
    start: u64,
) -> anyhow::Result<()> {
    let log = bus.commit_log();
    match store.follow_state()? {
        FollowState::Alone => return Ok(()),
        FollowState::Leaves => {}
        FollowState::Follows(_) => {
            // With the write-ahead log: the tables are not flushed together any more.
            claim(&log, store, store.clone(), (partitions, start)).await?;
            blocking(store, Store::begin_leaving_log).await?;
        }
    }
    end_leaving(&log, store, partitions).await
}

/// Gives up a log that is not the one that the store follows, and deletes it: what the store lacks is lost.
pub(super) async fn give_up(bus: &Bus, store: &Arc<Store>, partitions: u16) -> anyhow::Result<()> {
    let log = bus.commit_log();
    if store.follow_state()? != FollowState::Alone {
        blocking(store, Store::begin_leaving_log).await?;
        return end_leaving(&log, store, partitions).await;
    }
    match check_is_empty(&log).await {
        Err(error @ bus::Error::Log { .. }) => {
            tracing::warn!(%error, "the commit log is given up");
            Ok(log.delete().await?)
        }
        checked => Ok(checked?),
    }
}

async fn end_leaving(log: &CommitLog, store: &Arc<Store>, partitions: u16) -> anyhow::Result<()> {
    log.delete().await?;
    blocking(store, move |store| store.end_leaving_log(partitions)).await?;
    tracing::info!("the store follows no commit log any more");
    Ok(())
}

async fn blocking<T: Send + 'static>(
    store: &Arc<Store>,
    step: impl FnOnce(&Store) -> Result<T, crate::tables::Error> + Send + 'static,
) -> anyhow::Result<T> {
    let store = store.clone();
    Ok(tokio::task::spawn_blocking(move || step(&store)).await??)
}

/// How far each chain is applied.
fn positions(store: &Store, partitions: u16) -> anyhow::Result<Vec<(Chain, LogPosition)>> {
    let position = |chain| Ok((chain, store.log_position(chain)?));
    Chain::all(partitions).map(position).collect()
}

/// Checks that the log holds the last message that every chain has applied, and with it all later ones.
async fn check_positions(
    log: &CommitLog,
    made_ms: u64,
    positions: &[(Chain, LogPosition)],
) -> Result<(), bus::Error> {
    let time = |ms: u64| Time::from_ms(i64::try_from(ms).unwrap_or(i64::MAX));
    let expected = || format!("the stream created at {}, which the store follows", time(made_ms));
    let Some(content) = log.content().await? else {
        return Err(log.mismatch(expected(), "none".into()));
    };
    if content.made != made_ms {
        let found = format!("another of this name, created at {}", time(content.made));
        return Err(log.mismatch(expected(), found));
    }
    let applied = positions.iter().copied().filter(|(_, position)| position.sequence > 0);
    let is_new = |(_, position): &(Chain, LogPosition)| position.sequence == 0;
    if positions.iter().any(is_new) && content.first > 1 {
        let expected = "every message from the first on, because the store has yet to apply them";
        let found = format!("that message {} is the first", content.first);
        return Err(log.mismatch(expected.into(), found));
    }
    let check = applied.map(|(chain, position)| async move {
        let expected = format!(
            "message {} in chain {chain}, of epoch {}, up to which the store has applied it",
            position.sequence, position.epoch
        );
        let found = match log.at(position.sequence).await? {
            // A claim that does not count has another epoch.
            Some((found, end))
                if found == chain
                    && (end.header.epoch == position.epoch
                        || end.header.kind == MessageKind::Claim
                            && end.header.epoch < position.epoch) =>
            {
                return Ok(());
            }
            Some((found, end)) => format!("one of epoch {} in chain {found}", end.header.epoch),
            None if position.sequence > content.last => {
                format!("that message {} is the last", content.last)
            }
            None => "that it was deleted".into(),
        };
        Err(log.mismatch(expected, found))
    });
    let checks: Vec<_> = check.collect();
    stream::iter(checks).buffer_unordered(AT_ONCE).try_collect().await
}

/// Claims every chain of so many partitions, and applies everything up to the claims. `start` is unique to this start.
async fn claim(
    log: &CommitLog,
    store: &Arc<Store>,
    applier: Arc<dyn Commit + Send + Sync>,
    (partitions, start): (u16, u64),
) -> anyhow::Result<Vec<ChainWriter>> {
    let positions = positions(store, partitions)?;
    let readers = positions.iter().map(|(chain, at)| (*chain, ChainReader::new(*chain, *at)));
    let mut tail = Tail {
        readers: readers.collect(),
        read: positions.iter().map(|(_, position)| position.sequence).min().unwrap_or(0),
        applier,
        applied: 0,
    };
    if let Some(content) = log.content().await? {
        tail.apply(log, content.last).await?;
    }
    // A full log has no room for claims before what is applied is deleted.
    blocking(store, Store::flush).await?;
    tail.trim(log).await?;
    for attempt in 0..CLAIMS as u64 {
        let epoch = |(chain, reader): (&Chain, &ChainReader)| (*chain, reader.position().epoch);
        let seen: Vec<(Chain, u64)> = tail.readers.iter().map(epoch).collect();
        let claims = stream::iter(seen).map(|(chain, seen)| async move {
            let end = log.end(chain).await?.map_or(0, |end| end.header.epoch);
            let number = start.wrapping_add(attempt);
            let (header, position) = log.claim(chain, seen.max(end) + 1, number).await?;
            Ok::<_, bus::Error>((chain, header.id, position))
        });
        let claims: Vec<_> = claims.buffer_unordered(AT_ONCE).try_collect().await?;
        let upto = claims.iter().map(|(_, _, position)| position.sequence).max().unwrap_or(0);
        if tail.apply(log, upto).await? != upto {
            let found = format!("that it ends before message {upto}");
            return Err(log.mismatch("our claims at its end".into(), found).into());
        }
        let counts = |chain: &Chain, id: &str| {
            tail.readers.get(chain).is_some_and(|reader| reader.claim() == Some(id))
        };
        if claims.iter().all(|(chain, id, _)| counts(chain, id)) {
            let commits = tail.applied;
            tracing::info!(commits, "the commit log is applied");
            // No chain is without a position from now on: the next start finds the log by them.
            let begin = tail.readers.iter().map(|(chain, reader)| {
                let mut batch = Batch::new();
                batch.set_log_position(*chain, reader.position());
                batch
            });
            tail.commit(begin.collect()).await?;
            let writers = claims.into_iter().map(|(chain, _, at)| ChainWriter::new(chain, at));
            return Ok(writers.collect());
        }
    }
    anyhow::bail!(
        "expected to be the only service that claims the commit log, found that another does, too; stop it, or choose \
         another `nats.prefix`"
    )
}

/// What the store has yet to apply.
struct Tail {
    readers: BTreeMap<Chain, ChainReader>,
    /// Everything up to this sequence was read.
    read: u64,
    applier: Arc<dyn Commit + Send + Sync>,
    /// How many commits were applied.
    applied: u64,
}

impl Tail {
    /// Applies everything up to a sequence; returns that of the last message that was read.
    async fn apply(&mut self, log: &CommitLog, upto: u64) -> anyhow::Result<u64> {
        let mut reading = log.read(self.read, upto);
        let mut batches = Vec::new();
        let mut bytes = 0;
        while let Some(found) = reading.next().await? {
            self.read = found.sequence;
            let Some(reader) = self.readers.get_mut(&found.chain) else {
                let found = format!("message {} of chain {}", found.sequence, found.chain);
                let expected = "chains of the store's partitions alone".into();
                return Err(log.mismatch(expected, found).into());
            };
            if let Some(mut batch) = reader.read(&found.message())? {
                batch.set_log_position(found.chain, reader.position());
                bytes += batch.bytes();
                batches.push(batch);
            }
            if bytes > limits::COMMIT_BYTES {
                self.commit(std::mem::take(&mut batches)).await?;
                bytes = 0;
            }
        }
        self.commit(batches).await?;
        Ok(self.read)
    }

    /// Deletes what is applied, which the store has on its disk.
    async fn trim(&self, log: &CommitLog) -> Result<(), bus::Error> {
        let position =
            |(chain, reader): (&Chain, &ChainReader)| (*chain, reader.position().sequence);
        let positions: Vec<(Chain, u64)> = self.readers.iter().map(position).collect();
        let trims = stream::iter(positions).map(|(chain, at)| log.trim_chain(chain, at));
        trims.buffer_unordered(AT_ONCE).try_collect().await
    }

    async fn commit(&mut self, batches: Vec<Batch>) -> anyhow::Result<()> {
        let applier = self.applier.clone();
        self.applied += batches.len() as u64;
        let applied = tokio::task::spawn_blocking(move || applier.commit(&batches));
        applied.await?.context("cannot apply the commit log")
    }
}
