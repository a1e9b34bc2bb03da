//! Completes erasures outside the store: deletes messages from the streams and bytes from the files. The
//! progress is stored, so it resumes after a crash.

use std::sync::Arc;
use std::time::Duration;

use actix::{Context, Handler, Message, ResponseFuture};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::partition::{FatalError, PartitionActor};
use crate::bus::{self, Bus, MessageTrail, Relay, StreamEnds};
use crate::commit::{CommitHandle, LogEraser};
use crate::event::{Customer, ErasureId, Time};
use crate::partition::Cleared;
use crate::store::Store;
use crate::tables::{self, Batch, ErasureProgress, ErasureStage, Pseudonym, Read, Removed};

/// The pause before a failed step is retried.
const PAUSE: Duration = Duration::from_millis(500);

/// How often outputs are looked for that are still in the store: a partition deletes confirmed ones with
/// its next commit, or a moment later.
const LOOK_AGAIN: Duration = Duration::from_millis(25);

/// The handle by which partitions submit erasures.
#[derive(Debug, Clone)]
pub struct Eraser(UnboundedSender<(u16, Cleared)>);

/// The task that performs erasures.
pub struct EraserTask {
    store: Arc<Store>,
    committer: CommitHandle,
    log: Option<LogEraser>,
    bus: Bus,
    relay: Arc<Relay>,
    partitions: u16,
    queue: UnboundedReceiver<(u16, Cleared)>,
    fatal: UnboundedSender<FatalError>,
}

impl Eraser {
    /// An eraser and its task.
    pub fn new(
        (store, committer, log): (Arc<Store>, CommitHandle, Option<LogEraser>),
        bus: Bus,
        relay: Arc<Relay>,
        partitions: u16,
        fatal: UnboundedSender<FatalError>,
    ) -> (Eraser, EraserTask) {
        let (sender, queue) = unbounded_channel();
        (Eraser(sender), EraserTask { store, committer, log, bus, relay, partitions, queue, fatal })
    }

    /// Queues the data of a partition's erasures for deletion.
    pub(super) fn clear(&self, partition: u16, cleared: Cleared) {
        // A task that has ended resumes after the next start.
        let _ = self.0.send((partition, cleared));
    }
}

impl EraserTask {
    /// Resumes unfinished work, then processes new work; ends with the eraser.
    pub async fn run(mut self) {
        if let Err(error) = self.go_on().await {
            // Without a receiver the service is stopping already.
            let _ = self.fatal.send(FatalError(format!("an erasure: {error}")));
        }
    }

    async fn go_on(&mut self) -> Result<(), tables::Error> {
        for partition in 0..self.partitions {
            let (events, left, expired) =
                self.blocking(move |store| unfinished_work(store, partition, now())).await?;
            if !expired.is_empty() {
                let mut batch = Batch::new();
                expired
                    .into_iter()
                    .for_each(|(id, mark)| batch.delete_erasing(partition, id, mark));
                self.committer.write(batch).await?;
            }
            self.delete_events(partition, events).await?;
            for (id, erasing) in left {
                self.finish(partition, id, erasing).await?;
            }
        }
        while let Some((partition, cleared)) = self.queue.recv().await {
            self.delete_events(partition, cleared.events).await?;
            for (id, mark) in cleared.erased {
                let found = self.blocking(move |store| store.erasing(partition)).await?;
                let is_meant =
                    |(known, one): &(ErasureId, ErasureProgress)| *known == id && one.mark == mark;
                if let Some((_, erasing)) = found.into_iter().find(is_meant) {
                    self.finish(partition, id, erasing).await?;
                }
            }
        }
        Ok(())
    }

    /// Deletes events of erased customers from the stream.
    async fn delete_events(
        &self,
        partition: u16,
        sequences: Vec<u64>,
    ) -> Result<(), tables::Error> {
        if sequences.is_empty() {
            return Ok(());
        }
        let trail = self.bus.events_of_erased(sequences);
        let mut backoff = Backoff::default();
        while let Err(error) = self.bus.secure_delete(&trail).await {
            backoff.wait(&error).await;
        }
        let mut batch = Batch::new();
        let sequences = trail.sequences.iter();
        sequences.for_each(|sequence| batch.delete_event_of_erased(partition, *sequence));
        self.committer.write(batch).await
    }

    async fn finish(
        &self,
        partition: u16,
        id: ErasureId,
        mut erasing: ErasureProgress,
    ) -> Result<(), tables::Error> {
        let mut found = None;
        while !matches!(erasing.stage, ErasureStage::Done(_)) {
            erasing = self.next(partition, erasing, &mut found).await?;
            let mut batch = Batch::new();
            batch.put_erasing(partition, id, &erasing);
            self.committer.write(batch).await?;
        }
        tracing::info!(erasure = %id, "identifier erased");
        Ok(())
    }

    /// Performs the next step. What was found in the streams is passed from one step to the next.
    async fn next(
        &self,
        partition: u16,
        mut erasing: ErasureProgress,
        found: &mut Option<Vec<MessageTrail>>,
    ) -> Result<ErasureProgress, tables::Error> {
        let customer = erasing.customer.clone();
        match (erasing.stage, customer) {
            (ErasureStage::Streams, Some(customer)) => {
                // Counted first: after a crash only the rest is found.
                let trails = self.trails(&customer, erasing.sequence).await;
                let events = self.bus.subjects().events_stream();
                let request = (&*events, erasing.sequence);
                erasing.removed.extend(trails.iter().map(|trail| removed(trail, request)));
                *found = Some(trails);
                let count = self.blocking(move |store| store.retired_keys(&customer)).await?;
                if count > 0 {
                    let (place, what) = (KEYS.into(), "keys".into());
                    erasing.removed.push(Removed { place, what, count, at: now() });
                }
                erasing.stage = ErasureStage::Counted;
            }
            (ErasureStage::Counted, Some(customer)) => {
                let trails = match found.take() {
                    Some(trails) => trails,
                    None => self.trails(&customer, erasing.sequence).await,
                };
                for trail in trails {
                    let mut backoff = Backoff::default();
                    while let Err(error) = self.bus.secure_delete(&trail).await {
                        backoff.wait(&error).await;
                    }
                }
                let at = now();
                let gone = erasing.removed.iter_mut().filter(|one| *one.place != *STORE);
                gone.for_each(|one| one.at = at);
                erasing.stage = ErasureStage::Files;
            }
            (ErasureStage::Files, Some(customer)) => {
                self.outputs_left().await?;
                self.blocking(move |store| {
                    store.forget_keys(&customer)?;
                    store.purge(partition, &customer)
                })
                .await?;
                let at = now();
                let keys = erasing.removed.iter_mut().filter(|one| *one.place == *KEYS);
                keys.for_each(|one| one.at = at);
                erasing.customer = None;
                erasing.stage = ErasureStage::Traces;
            }
            (ErasureStage::Traces, _) => {
                self.remove_traces(partition).await?;
                erasing.stage = ErasureStage::Done(now());
            }
            (
                ErasureStage::Streams
                | ErasureStage::Counted
                | ErasureStage::Files
                | ErasureStage::Done(_),
                _,
            ) => {
                erasing.stage = ErasureStage::Done(now());
            }
        }
        Ok(erasing)
    }

    /// Removes what named the customer until their data was gone: the rows of progress, and all commits.
    async fn remove_traces(&self, partition: u16) -> Result<(), tables::Error> {
        self.blocking(move |store| store.purge_erasures(partition)).await?;
        match &self.log {
            Some(log) => log.erase().await,
            None => Ok(()),
        }
    }

    /// The ends of the streams once everything before an erasure, and what it caused, is in the streams
    /// and processed: messages that others received belong to the erasure. Later events of the customer
    /// are dropped as late, so continued sending does not prolong this.
    async fn settled(&self, erasure: u64) -> StreamEnds {
        self.taken_in(erasure).await;
        self.relay.flush().await;
        let StreamEnds { events, .. } = self.stream_ends().await;
        self.taken_in(events).await;
        self.relay.flush().await;
        StreamEnds { events, ..self.stream_ends().await }
    }

    async fn stream_ends(&self) -> StreamEnds {
        let mut backoff = Backoff::default();
        loop {
            match self.bus.stream_ends().await {
                Ok(ends) => return ends,
                Err(error) => backoff.wait(&error).await,
            }
        }
    }

    /// Waits until all partitions have processed everything up to there.
    async fn taken_in(&self, upto: u64) {
        let mut backoff = Backoff::default();
        loop {
            match self.bus.taken_in(upto).await {
                Ok(true) => return,
                Ok(false) => tokio::time::sleep(PAUSE).await,
                Err(error) => backoff.wait(&error).await,
            }
        }
    }

    /// Finds the messages about a customer who is erased at this sequence of the event stream.
    async fn trails(&self, customer: &Customer, erasure: u64) -> Vec<MessageTrail> {
        let ends = self.settled(erasure).await;
        let mut backoff = Backoff::default();
        loop {
            match self.bus.trails(customer, self.partitions, ends).await {
                Ok(mut trails) => {
                    trails.retain(|trail| !trail.sequences.is_empty());
                    return trails;
                }
                Err(error) => backoff.wait(&error).await,
            }
        }
    }

    /// Waits until the outputs that are in the store now have left it, in every partition: those of other
    /// identifiers name the customer, too. A row that is deleted only after the files were rewritten
    /// stays in a file.
    async fn outputs_left(&self) -> Result<(), tables::Error> {
        for partition in 0..self.partitions {
            let next = self.blocking(move |store| Ok(store.meta(partition)?.next_output)).await?;
            while self.blocking(move |store| has_output_before(store, partition, next)).await? {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        }
        Ok(())
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, tables::Error> + Send + 'static,
    ) -> Result<T, tables::Error> {
        let store = self.store.clone();
        match tokio::task::spawn_blocking(move || work(&store)).await {
            Ok(done) => done,
            Err(panic) => Err(tables::Error::Read { detail: panic.to_string() }),
        }
    }
}

/// Asks for the progress of an erasure.
#[derive(Message)]
#[rtype(result = "Result<Vec<ErasureProgress>, String>")]
pub struct GetErasure(pub ErasureId);

impl Handler<GetErasure> for PartitionActor {
    type Result = ResponseFuture<Result<Vec<ErasureProgress>, String>>;

    fn handle(&mut self, GetErasure(wanted): GetErasure, _: &mut Context<Self>) -> Self::Result {
        self.look_up(move |store, partition| {
            let found = store.erasing(partition)?.into_iter().filter(|(id, _)| *id == wanted);
            Ok(found.map(|(_, erasing)| erasing).collect())
        })
    }
}

/// The place of the store's rows in a receipt.
const STORE: &str = "store";
/// The place of the customers' keys in a receipt.
const KEYS: &str = "vault";

/// What a trail removes, without the erasure itself, which is known by its stream and sequence: it says
/// nothing of the customer that was known before.
fn removed(trail: &MessageTrail, (stream, request): (&str, u64)) -> Removed {
    let is_request = |sequence: u64| sequence == request && trail.stream == stream;
    let count = trail.sequences.iter().filter(|sequence| !is_request(**sequence)).count() as u64;
    Removed { place: trail.stream.as_str().into(), what: trail.what.into(), count, at: now() }
}

/// Unfinished work: events to delete and erasures; and the finished erasures that have expired.
type Leftovers = (Vec<u64>, Vec<(ErasureId, ErasureProgress)>, Vec<(ErasureId, Pseudonym)>);

fn unfinished_work(store: &Store, partition: u16, now: Time) -> Result<Leftovers, tables::Error> {
    let is_done = |erasing: &ErasureProgress| matches!(erasing.stage, ErasureStage::Done(_));
    let (done, left): (Vec<_>, Vec<_>) =
        store.erasing(partition)?.into_iter().partition(|(_, erasing)| is_done(erasing));
    let over = done.into_iter().filter(|(_, erasing)| erasing.until <= now);
    let over = over.map(|(id, erasing)| (id, erasing.mark)).collect();
    Ok((store.events_of_erased(partition)?, left, over))
}

/// Whether a partition has an output in the store before this sequence.
fn has_output_before(store: &Store, partition: u16, next: u64) -> Result<bool, tables::Error> {
    let first = store.outbox(partition, 0, 1)?;
    Ok(first.first().is_some_and(|(sequence, _)| *sequence < next))
}

/// Backoff between retries; the broker may be gone indefinitely.
#[derive(Default)]
struct Backoff {
    has_complained: bool,
}

impl Backoff {
    async fn wait(&mut self, error: &bus::Error) {
        if !std::mem::replace(&mut self.has_complained, true) {
            tracing::warn!(%error, "erasure waiting for the broker");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn now() -> Time {
    chrono::Utc::now().into()
}
