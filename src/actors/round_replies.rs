//! Collects the batch results of a partition's twins; the last one of a round notifies the partition.
//!
//! A partition and its twins share a thread, so this is a thread-local table instead of a message per
//! result, and no twin needs its partition's address (119 bytes each).

use std::cell::RefCell;

use actix::Addr;
use hashbrown::HashMap;

use super::partition::{PartitionActor, RoundDone};
use crate::partition::BatchResult;

struct RoundReplies {
    address: Addr<PartitionActor>,
    waiting: usize,
    done: Vec<BatchResult>,
}

thread_local! {
    static ROUND_REPLIES: RefCell<HashMap<u16, RoundReplies>> = RefCell::default();
}

/// Registers a partition on this thread.
pub(super) fn register(partition: u16, address: Addr<PartitionActor>) {
    let replies = RoundReplies { address, waiting: 0, done: Vec::new() };
    ROUND_REPLIES.with_borrow_mut(|all| all.insert(partition, replies));
}

/// Unregisters a partition.
pub(super) fn unregister(partition: u16) {
    ROUND_REPLIES.with_borrow_mut(|all| all.remove(&partition));
}

/// One more batch is in flight.
pub(super) fn expect(partition: u16) {
    ROUND_REPLIES.with_borrow_mut(|all| {
        if let Some(replies) = all.get_mut(&partition) {
            replies.waiting += 1;
        }
    });
}

/// Reports the result of a batch. After the last one of a round, the partition is notified.
pub(super) fn report(partition: u16, done: BatchResult) {
    ROUND_REPLIES.with_borrow_mut(|all| {
        let Some(replies) = all.get_mut(&partition) else { return };
        replies.done.push(done);
        replies.waiting -= 1;
        if replies.waiting == 0 {
            replies.address.do_send(RoundDone(std::mem::take(&mut replies.done)));
        }
    });
}
