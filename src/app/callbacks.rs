//! What one part of the service tells the others.

use std::panic::AssertUnwindSafe;

use futures::FutureExt as _;
use tokio::sync::mpsc::UnboundedSender;

use crate::actors::{Confirmed, Durable, FatalError, Partitions, SetModels};
use crate::models::Snapshot;

/// Notifies each partition of its durable commits.
pub(super) fn durable(partitions: Partitions) -> impl Fn(Vec<(u16, u64)>) + Send + 'static {
    move |tickets| {
        by_partition(tickets, |partition, tickets| {
            if let Some(address) = partitions.answer(partition) {
                address.do_send(Durable(tickets));
            }
        });
    }
}

/// Sends a model snapshot to each partition, which uses it from its next round on.
pub(super) fn publish(partitions: Partitions) -> impl Fn(Snapshot) + Send + 'static {
    move |snapshot| {
        for partition in partitions.all() {
            partition.do_send(SetModels(snapshot.clone()));
        }
    }
}

/// Notifies each partition of its confirmed outputs.
pub(super) fn confirmed(partitions: Partitions) -> impl Fn(Vec<(u16, u64)>) + Send + 'static {
    move |sequences| {
        by_partition(sequences, |partition, sequences| {
            if let Some(address) = partitions.answer(partition) {
                address.do_send(Confirmed(sequences));
            }
        });
    }
}

/// Sends the numbers of each partition to it, in order.
fn by_partition(mut numbers: Vec<(u16, u64)>, mut hand_over: impl FnMut(u16, Vec<u64>)) {
    // The sort is stable: the numbers of one partition stay in order.
    numbers.sort_by_key(|(partition, _)| *partition);
    for group in numbers.chunk_by(|(left, _), (right, _)| left == right) {
        if let Some((partition, _)) = group.first() {
            hand_over(*partition, group.iter().map(|(_, number)| *number).collect());
        }
    }
}

/// Reports a failed commit as a fatal error.
pub(super) fn stop_on_failure(
    fatal: UnboundedSender<FatalError>,
) -> impl FnOnce(crate::tables::Error) + Send + 'static {
    move |error| {
        // Without a receiver the service is stopping already.
        let _ = fatal.send(FatalError(format!("a commit failed: {error}")));
    }
}

/// Runs a task that the service depends on, and reports a fatal error if it panics.
pub(super) async fn watched(
    what: &'static str,
    task: impl Future<Output = ()>,
    fatal: UnboundedSender<FatalError>,
) {
    if AssertUnwindSafe(task).catch_unwind().await.is_err() {
        // Without a receiver the service is stopping already.
        let _ = fatal.send(FatalError(format!(
            "{what} panicked: this is a bug in jumeau, please report it"
        )));
    }
}
