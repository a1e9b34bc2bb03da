//! The outputs of one stream that the broker has not confirmed, and which of them may be sent.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use rustc_hash::FxHashMap;

use crate::event::Customer;

/// Outputs in the order in which they were submitted. Of each customer at most one is with the broker at a time, so
/// that a customer's outputs are stored in order whoever else publishes to the stream, and none waits for those of
/// another customer. Outputs about nobody wait for nothing.
#[derive(Debug)]
pub(super) struct SendQueue<T> {
    /// By their numbers, which count up from the begin of the queue.
    entries: BTreeMap<u64, QueueEntry<T>>,
    /// The number of the next one.
    next: u64,
    /// Those that may be sent.
    ready: BTreeSet<u64>,
    /// Those that are with the broker.
    sent: BTreeSet<u64>,
    /// Of each customer with an output that is ready or sent, the ones that wait for it.
    behind: FxHashMap<Customer, VecDeque<u64>>,
}

#[derive(Debug)]
struct QueueEntry<T> {
    customer: Option<Customer>,
    content: T,
}

impl<T> SendQueue<T> {
    pub(super) fn new() -> SendQueue<T> {
        SendQueue {
            entries: BTreeMap::new(),
            next: 0,
            ready: BTreeSet::new(),
            sent: BTreeSet::new(),
            behind: FxHashMap::default(),
        }
    }

    /// Adds an output about a customer, or about nobody.
    pub(super) fn push(&mut self, customer: Option<Customer>, content: T) {
        let number = self.next;
        self.next += 1;
        let before = customer.as_ref().and_then(|customer| self.behind.get_mut(customer));
        match before {
            Some(behind) => behind.push_back(number),
            None => {
                self.ready.insert(number);
                if let Some(customer) = &customer {
                    self.behind.insert(customer.clone(), VecDeque::new());
                }
            }
        }
        self.entries.insert(number, QueueEntry { customer, content });
    }

    /// The number of the first one that may be sent; it counts as sent from now on.
    pub(super) fn send_next(&mut self) -> Option<u64> {
        let number = self.ready.pop_first()?;
        self.sent.insert(number);
        Some(number)
    }

    /// An output by its number, until it is removed.
    pub(super) fn get(&self, number: u64) -> Option<&T> {
        self.entries.get(&number).map(|entry| &entry.content)
    }

    /// The same, to change it.
    pub(super) fn get_mut(&mut self, number: u64) -> Option<&mut T> {
        self.entries.get_mut(&number).map(|entry| &mut entry.content)
    }

    /// Removes an output: it is confirmed, or will never be sent. The next one of its customer may be sent.
    pub(super) fn remove(&mut self, number: u64) -> Option<T> {
        let QueueEntry { customer, content } = self.entries.remove(&number)?;
        let was_first = self.ready.remove(&number) | self.sent.remove(&number);
        let Some(customer) = customer else { return Some(content) };
        let Some(behind) = self.behind.get_mut(&customer) else { return Some(content) };
        if !was_first {
            behind.retain(|waiting| *waiting != number);
        } else if let Some(next) = behind.pop_front() {
            self.ready.insert(next);
        } else {
            self.behind.remove(&customer);
        }
        Some(content)
    }

    /// Takes back all that were sent: they may be sent again.
    pub(super) fn take_back(&mut self) {
        self.ready.append(&mut self.sent);
    }

    /// The numbers of those that were not sent, and that the condition selects.
    pub(super) fn unsent(&self, wanted: impl Fn(&T) -> bool) -> Vec<u64> {
        let unsent = self.entries.iter().filter(|(number, _)| !self.sent.contains(number));
        unsent.filter(|(_, entry)| wanted(&entry.content)).map(|(number, _)| *number).collect()
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// How many are with the broker.
    pub(super) fn sent(&self) -> usize {
        self.sent.len()
    }

    /// The number from which on none is left, or was yet added.
    pub(super) fn end(&self) -> u64 {
        self.next
    }

    /// The number below which none is left.
    pub(super) fn first(&self) -> u64 {
        self.entries.first_key_value().map_or(self.next, |(number, _)| *number)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn customer(name: &str) -> Option<Customer> {
        Some(Customer::new(name).unwrap())
    }

    fn send_all(queue: &mut SendQueue<&'static str>) -> Vec<&'static str> {
        std::iter::from_fn(|| {
            let number = queue.send_next()?;
            queue.get(number).copied()
        })
        .collect()
    }

    #[test]
    fn one_output_of_each_customer_is_sent_at_a_time() {
        let mut queue = SendQueue::new();
        queue.push(customer("ann"), "a1");
        queue.push(customer("ann"), "a2");
        queue.push(customer("bob"), "b1");
        queue.push(None, "x");
        queue.push(None, "y");
        assert_eq!(send_all(&mut queue), ["a1", "b1", "x", "y"]);
        assert_eq!(queue.remove(2), Some("b1"));
        assert_eq!(send_all(&mut queue), [""; 0]);
        assert_eq!(queue.remove(0), Some("a1"));
        assert_eq!(send_all(&mut queue), ["a2"]);
        assert_eq!((queue.first(), queue.end(), queue.len(), queue.sent()), (1, 5, 3, 3));
    }

    #[test]
    fn what_is_taken_back_is_sent_again_before_what_waits_for_it() {
        let mut queue = SendQueue::new();
        queue.push(customer("ann"), "a1");
        queue.push(customer("ann"), "a2");
        queue.push(customer("bob"), "b1");
        send_all(&mut queue);
        queue.remove(2);
        queue.take_back();
        assert_eq!(send_all(&mut queue), ["a1"]);
    }

    #[test]
    fn what_is_withdrawn_while_it_waits_keeps_nobody_waiting() {
        let mut queue = SendQueue::new();
        ["a1", "a2", "a3"].into_iter().for_each(|text| queue.push(customer("ann"), text));
        queue.send_next();
        let unsent = queue.unsent(|text| *text != "a3");
        assert_eq!(unsent, [1]);
        queue.remove(1);
        queue.remove(0);
        assert_eq!(send_all(&mut queue), ["a3"]);
        queue.remove(2);
        assert_eq!(queue.behind.len(), 0, "nothing is kept of customers without outputs");
    }

    proptest! {
        /// Whatever is lost, taken back and withdrawn: each output is confirmed or withdrawn, those of a customer
        /// in order, and never two of one customer are with the broker.
        #[test]
        fn outputs_of_a_customer_are_confirmed_in_order(
            steps in prop::collection::vec((0_u8..6, 0_usize..8), 0..200),
        ) {
            let mut queue = SendQueue::new();
            let (mut confirmed, mut pushed) = (Vec::new(), 0);
            let mut with_broker: Vec<u64> = Vec::new();
            let confirm = |queue: &mut SendQueue<(usize, u64)>, number, confirmed: &mut Vec<_>| {
                confirmed.extend(queue.remove(number));
            };
            for (step, which) in steps {
                match step {
                    0 | 1 => {
                        let whose = which % 3;
                        let named = (whose > 0).then(|| Customer::new(&format!("c{whose}")).unwrap());
                        queue.push(named, (whose, pushed));
                        pushed += 1;
                    }
                    2 | 3 => with_broker.extend(queue.send_next()),
                    4 if !with_broker.is_empty() => {
                        let number = with_broker.remove(which % with_broker.len());
                        confirm(&mut queue, number, &mut confirmed);
                    }
                    5 if which == 0 => {
                        queue.take_back();
                        with_broker.clear();
                    }
                    5 if which == 1 => {
                        for number in queue.unsent(|(_, number)| number % 5 == 0) {
                            queue.remove(number);
                        }
                    }
                    _ => {}
                }
                let mut named: Vec<usize> =
                    with_broker.iter().filter_map(|number| queue.get(*number)).map(|sent| sent.0).collect();
                named.retain(|whose| *whose > 0);
                let together = named.len();
                named.sort_unstable();
                named.dedup();
                prop_assert_eq!(named.len(), together);
                prop_assert_eq!(queue.sent(), with_broker.len());
            }
            queue.take_back();
            while let Some(number) = queue.send_next() {
                confirm(&mut queue, number, &mut confirmed);
            }
            prop_assert_eq!(queue.len(), 0);
            for whose in 1..3 {
                let numbers: Vec<u64> =
                    confirmed.iter().filter(|sent| sent.0 == whose).map(|sent| sent.1).collect();
                prop_assert!(numbers.is_sorted());
            }
        }
    }
}
