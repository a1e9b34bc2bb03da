use std::sync::{Arc, OnceLock};

use actix::Addr;

use super::partition::PartitionActor;

/// Where a partition is reached.
pub type Address = Addr<PartitionActor>;

/// Where the partitions are reached, by number; from anywhere, once they are started.
#[derive(Debug, Clone, Default)]
pub struct Partitions(Arc<OnceLock<Vec<Addr<PartitionActor>>>>);

impl Partitions {
    /// Enters the partitions, once; what is entered later is not taken.
    pub fn enter(&self, addresses: Vec<Addr<PartitionActor>>) {
        let _ = self.0.set(addresses);
    }

    /// All of them, in the order of their numbers; none before they are started.
    pub fn all(&self) -> &[Addr<PartitionActor>] {
        self.0.get().map_or(&[], Vec::as_slice)
    }

    /// One of them.
    pub fn get(&self, partition: u16) -> Option<&Addr<PartitionActor>> {
        self.all().get(usize::from(partition))
    }

    /// One of them, to answer it: the first begin to work a moment before the last are started and
    /// all are entered, and that moment is waited for.
    pub fn answer(&self, partition: u16) -> Option<&Addr<PartitionActor>> {
        self.0.wait().get(usize::from(partition))
    }
}
