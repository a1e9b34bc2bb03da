use async_nats::Subject;

use crate::contract::partition_of;
use crate::event::{Content, Customer, Delivery, Time};

/// Deliveries of one lane, in order, by partition.
#[derive(Debug)]
pub(super) struct PullBuffer {
    /// The number of partitions.
    partitions: u16,
    pub(super) parts: Vec<(u16, Vec<Delivery>)>,
    /// The last sequence that was read, also if it belongs to the other lane.
    pub(super) last_sequence: u64,
    /// When the stream stored the last delivery; none if there is none.
    pub(super) last_stored: Option<(u64, Time)>,
    /// The subject on which the last message is acknowledged.
    pub(super) reply: Option<Subject>,
    /// How many messages the stream held after it.
    pub(super) pending: u64,
    /// The last sequence that was skipped for the slow lane; 0: none.
    pub(super) skipped: u64,
    /// The number of skipped messages.
    pub(super) skips: usize,
    /// The first sequence that was expected and is missing, and the one that was found instead.
    pub(super) gap: Option<(u64, u64)>,
}

impl PullBuffer {
    /// An empty buffer after a sequence.
    pub(super) fn behind(sequence: u64, partitions: u16) -> PullBuffer {
        PullBuffer {
            partitions,
            parts: Vec::new(),
            last_sequence: sequence,
            last_stored: None,
            reply: None,
            pending: 0,
            skipped: 0,
            skips: 0,
            gap: None,
        }
    }

    /// Skips a message that belongs to the slow lane.
    pub(super) fn skip(&mut self, sequence: u64) {
        self.go_on_to(sequence);
        self.skipped = sequence;
        self.skips += 1;
    }

    /// Adds a delivery to the part of its partition, a broadcast to that of every partition.
    pub(super) fn add(&mut self, delivery: Delivery) {
        self.go_on_to(delivery.sequence);
        self.last_stored = Some((delivery.sequence, delivery.stored));
        if matches!(delivery.content, Content::Broadcast(_)) {
            for partition in 0..self.partitions {
                self.add_to(partition, Delivery { partition, ..delivery.clone() });
            }
        } else {
            // The subject of a memory names a partition, and anybody may have published it: a twin
            // belongs to one partition, whatever a subject says.
            let partition = match Customer::from_token(delivery.original.subject.customer()) {
                Ok(customer) if delivery.original.is_internal() => {
                    partition_of(&customer, self.partitions)
                }
                _ => Some(delivery.partition).filter(|named| *named < self.partitions),
            };
            let partition = partition.unwrap_or(0);
            self.add_to(partition, Delivery { partition, ..delivery });
        }
    }

    fn go_on_to(&mut self, sequence: u64) {
        let expected = self.last_sequence + 1;
        if sequence > expected {
            self.gap.get_or_insert((expected, sequence));
        }
        self.last_sequence = sequence;
    }

    fn add_to(&mut self, partition: u16, delivery: Delivery) {
        match self.parts.iter_mut().find(|(known, _)| *known == partition) {
            Some((_, deliveries)) => deliveries.push(delivery),
            None => self.parts.push((partition, vec![delivery])),
        }
    }
}
