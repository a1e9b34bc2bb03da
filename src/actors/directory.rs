use std::sync::{Arc, OnceLock};

use actix::Addr;

use super::partition::PartitionActor;

/// The address of a partition.
pub type PartitionAddress = Addr<PartitionActor>;

/// The addresses of the partitions by number; usable from any thread, once they are started.
#[derive(Debug, Clone)]
pub struct Partitions<A = PartitionAddress>(Arc<OnceLock<Vec<A>>>);

impl<A> Default for Partitions<A> {
    fn default() -> Partitions<A> {
        Partitions(Arc::default())
    }
}

impl<A> Partitions<A> {
    /// Sets the addresses, once; later calls have no effect.
    pub fn enter(&self, addresses: Vec<A>) {
        let _ = self.0.set(addresses);
    }

    /// All addresses, in the order of their numbers; none before the partitions are started.
    pub fn all(&self) -> &[A] {
        self.0.get().map_or(&[], Vec::as_slice)
    }

    /// The address of one partition.
    pub fn get(&self, partition: u16) -> Option<&A> {
        self.all().get(usize::from(partition))
    }

    /// The address of one partition, for answers to it: the first partitions begin to work a moment
    /// before the last are started and all are entered, and this waits for that moment.
    pub fn answer(&self, partition: u16) -> Option<&A> {
        self.0.wait().get(usize::from(partition))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::thread;

    use super::*;

    #[test]
    fn an_answer_that_arrives_before_the_partitions_are_registered_reaches_its_partition() {
        // Without the wait, the reader would be first in some of these rounds.
        for _ in 0..300 {
            let partitions = Partitions::<char>::default();
            let start = Barrier::new(2);
            thread::scope(|scope| {
                let early = scope.spawn(|| {
                    start.wait();
                    partitions.answer(1).copied()
                });
                start.wait();
                partitions.enter(vec!['a', 'b']);
                assert_eq!(early.join().unwrap(), Some('b'));
            });
        }
    }
}
