//! Dispatches pulls to the partitions.

use std::sync::Arc;

use futures::StreamExt;
use futures::stream::FuturesOrdered;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::actors::{EventsPulled, FatalError, Partitions, PullReceipt};
use crate::bus::{self, Analyser, Intake};
use crate::config::limits;
use crate::event::Lane;
use crate::partition::Pulled;

/// Dispatches pulls to the partitions, as far as permits are free.
pub(super) async fn dispatch(
    mut intake: Intake,
    analyser: Option<Analyser>,
    partitions: Partitions,
    fatal: UnboundedSender<FatalError>,
) {
    let analyser = analyser.as_ref();
    let mut inboxes = PartitionInboxes::new(partitions);
    // Slow-lane pages whose messages are at the analyser: the main lane overtakes them there, too. There
    // are at most as many as may be in flight to the disk at once.
    let mut asked = FuturesOrdered::new();
    loop {
        let mut pulled = tokio::select! {
            Some(parts) = asked.next() => {
                inboxes.hand_over(parts).await;
                continue;
            }
            pulled = intake.next() => match pulled {
                Ok(pulled) => pulled,
                Err(error) => {
                    let _ = fatal.send(FatalError(format!("the stream of events: {error}")));
                    return;
                }
            },
        };
        match analyser {
            Some(analyser) if is_slow(&pulled.parts) => {
                let mut parts = pulled.parts;
                asked.push_back(async move {
                    analyser.read(&mut parts, Lane::Slow).await;
                    parts
                });
                continue;
            }
            Some(analyser) => analyser.read(&mut pulled.parts, Lane::Main).await,
            None => {}
        }
        inboxes.is_last = pulled.is_caught_up;
        inboxes.hand_over(pulled.parts).await;
    }
}

/// Whether a pull is of the slow lane; an empty one is of none.
fn is_slow(parts: &[bus::PartitionPull]) -> bool {
    let first = parts.first().and_then(|part| part.deliveries.first());
    first.is_some_and(|first| first.lane == Lane::Slow)
}

/// The inboxes of the partitions.
struct PartitionInboxes {
    partitions: Partitions,
    room: Arc<Semaphore>,
    /// Whether the stream held nothing more at the last read.
    is_last: bool,
    /// What each partition has been told about that.
    reported: Vec<bool>,
}

impl PartitionInboxes {
    fn new(partitions: Partitions) -> PartitionInboxes {
        let reported = vec![false; partitions.all().len()];
        let room = Arc::new(Semaphore::new(limits::IN_FLIGHT_EVENTS));
        PartitionInboxes { partitions, room, is_last: false, reported }
    }

    /// Sends each partition its part, once permits are free.
    async fn hand_over(&mut self, parts: Vec<bus::PartitionPull>) {
        let is_last = self.is_last;
        let addresses = self.partitions.all();
        for part in parts {
            let Some(address) = addresses.get(usize::from(part.partition)) else { continue };
            let permit = acquire(&self.room, part.deliveries.len()).await;
            self.reported[usize::from(part.partition)] = is_last;
            let token = Some(PullReceipt { acknowledgement: part.receipt, permit });
            let pulled = Pulled { deliveries: part.deliveries, token, is_last };
            address.do_send(EventsPulled { pulled });
        }
        // Partitions without a part are notified only of changes.
        for (address, reported) in addresses.iter().zip(&mut self.reported) {
            if std::mem::replace(reported, is_last) != is_last {
                let pulled = Pulled { deliveries: Vec::new(), token: None, is_last };
                address.do_send(EventsPulled { pulled });
            }
        }
    }
}

/// Permits for this many events, or the maximum.
async fn acquire(room: &Arc<Semaphore>, events: usize) -> Option<OwnedSemaphorePermit> {
    let events = u32::try_from(events.min(limits::IN_FLIGHT_EVENTS)).unwrap_or(u32::MAX);
    // The semaphore is never closed.
    room.clone().acquire_many_owned(events).await.ok()
}
