use std::sync::{Arc, OnceLock};

use actix::Addr;

use super::partition::PartitionActor;

/// Where a partition is reached.
pub type PartitionAddress = Addr<PartitionActor>;

/// Where the partitions are reached, by number; from anywhere, once they are started.
#[derive(Debug, Clone)]
pub struct Partitions<A = PartitionAddress>(Arc<OnceLock<Vec<A>>>);

impl<A> Default for Partitions<A> {
    fn default() -> Partitions<A> {
        Partitions(Arc::default())
    }
}

impl<A> Partitions<A> {
    /// Enters the partitions, once; what is entered later is not taken.
    pub fn enter(&self, addresses: Vec<A>) {
        let _ = self.0.set(addresses);
    }

    /// All of them, in the order of their numbers; none before they are started.
    pub fn all(&self) -> &[A] {
        self.0.get().map_or(&[], Vec::as_slice)
    }

    /// One of them.
    pub fn get(&self, partition: u16) -> Option<&A> {
        self.all().get(usize::from(partition))
    }

    /// One of them, to answer it: the first begin to work a moment before the last are started and
    /// all are entered, and that moment is waited for.
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
    fn an_answer_that_comes_before_the_partitions_are_entered_reaches_its_partition() {
        // Whoever does not wait is the first of the two in some of so many rounds.
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
