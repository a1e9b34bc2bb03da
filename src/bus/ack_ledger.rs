use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use async_nats::{Client, Subject};
use parking_lot::Mutex;
use tokio::sync::{Notify, OwnedSemaphorePermit, watch};

use super::connection::ConnectionStatus;

/// The ledger of pulls that are dispatched but not yet durable, in stream order.
#[derive(Debug)]
pub(super) struct AckLedger {
    open: Mutex<OpenPulls>,
    floor: AtomicU64,
    /// Notifies waiters when the floor rises.
    risen: Notify,
}

#[derive(Debug)]
struct OpenPulls {
    pulls: VecDeque<Arc<PendingPull>>,
    /// Where to acknowledge next; each value replaces the previous one, because it includes it.
    next: watch::Sender<Option<Subject>>,
}

/// One pull.
#[derive(Debug)]
pub(super) struct PendingPull {
    last_sequence: u64,
    /// The subject on which it is acknowledged; none if the consumer never delivered it.
    reply: Option<Subject>,
    /// Parts that are not durable yet.
    waiting: AtomicUsize,
    /// The permit that it holds until it is durable.
    _room: Option<OwnedSemaphorePermit>,
}

impl AckLedger {
    /// A ledger with everything up to `floor` settled.
    pub(super) fn new(floor: u64) -> Arc<AckLedger> {
        let open = OpenPulls { pulls: VecDeque::new(), next: watch::Sender::new(None) };
        Arc::new(AckLedger {
            open: Mutex::new(open),
            floor: AtomicU64::new(floor),
            risen: Notify::new(),
        })
    }

    /// Forgets what was dispatched, because it will be delivered again; returns the floor.
    ///
    /// From here on acknowledgements go through `client`, by a task that ends with the ledger, the
    /// connection `link`, or the next call. No earlier acknowledgement is sent any more: a consumer that
    /// was reset since would misunderstand it.
    pub(super) fn restart(&self, client: Client, link: watch::Receiver<ConnectionStatus>) -> u64 {
        let (next, mut asked) = watch::channel::<Option<Subject>>(None);
        tokio::spawn(async move {
            while asked.changed().await.is_ok() {
                let reply = asked.borrow_and_update().clone();
                if link.borrow().was_lost() {
                    return;
                }
                if let Some(reply) = reply {
                    // A lost acknowledgement is replaced by the next one, or by the reset that follows a
                    // lost connection.
                    let _ = client.publish(reply, "+ACK".into()).await;
                }
            }
        });
        *self.open.lock() = OpenPulls { pulls: VecDeque::new(), next };
        self.floor()
    }

    /// Acknowledges nothing until the next [`restart`](AckLedger::restart); what was dispatched still
    /// counts for the floor.
    pub(super) fn fall_silent(&self) {
        self.open.lock().next = watch::Sender::new(None);
    }

    /// Enters a pull that is about to be dispatched in `waiting` parts, possibly none.
    pub(super) fn enter(
        &self,
        last_sequence: u64,
        reply: Option<Subject>,
        waiting: usize,
        room: Option<OwnedSemaphorePermit>,
    ) -> Arc<PendingPull> {
        let pull =
            PendingPull { last_sequence, reply, waiting: AtomicUsize::new(waiting), _room: room };
        let pull = Arc::new(pull);
        self.open.lock().pulls.push_back(pull.clone());
        if waiting == 0 {
            self.settle();
        }
        pull
    }

    /// Raises the floor to this sequence: nothing up to it is to be dispatched.
    pub(super) fn pass(&self, upto: u64) {
        self.floor.fetch_max(upto, Ordering::AcqRel);
    }

    /// Waits until the floor has risen since the last wait.
    pub(super) async fn risen(&self) {
        self.risen.notified().await;
    }

    pub(super) fn floor(&self) -> u64 {
        self.floor.load(Ordering::Acquire)
    }

    /// Acknowledges every pull that is durable and has only durable ones before it.
    fn settle(&self) {
        let mut open = self.open.lock();
        let mut settled = None;
        while open.pulls.front().is_some_and(|pull| pull.waiting.load(Ordering::Acquire) == 0) {
            settled = open.pulls.pop_front();
        }
        if let Some(pull) = settled {
            self.floor.fetch_max(pull.last_sequence, Ordering::AcqRel);
            if let Some(reply) = &pull.reply {
                open.next.send_replace(Some(reply.clone()));
            }
            self.risen.notify_one();
        }
    }
}

/// Acknowledges one partition's part of a pull as durable.
///
/// The stream is acknowledged once every part of a pull and of all earlier pulls was acknowledged. A
/// handle that is dropped acknowledges nothing: its events are delivered again later.
#[derive(Debug)]
#[must_use = "the stream delivers again what is not reported as durable"]
pub struct AckHandle {
    ledger: Arc<AckLedger>,
    pull: Arc<PendingPull>,
}

impl AckHandle {
    pub(super) fn new(ledger: &Arc<AckLedger>, pull: &Arc<PendingPull>) -> AckHandle {
        AckHandle { ledger: ledger.clone(), pull: pull.clone() }
    }

    /// Marks the part as durable. Non-blocking; may be called from any thread.
    pub fn committed(self) {
        if self.pull.waiting.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.ledger.settle();
        }
    }
}
