//! The host of a partition: keeps what it wants done.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use jumeau::event::{Customer, Output, SlowLane, WrittenLane};
use jumeau::partition::{AskAnswer, Cleared, Host, TwinBatch, TwinCell};
use jumeau::tables::{Batch, IndexKey, Urgency};
use jumeau::twin::Twin;

/// What a partition wants done, until the world gets round to it.
#[derive(Default)]
pub(crate) struct Desk {
    pub(super) batches: Vec<(Rc<RefCell<TwinCell>>, TwinBatch)>,
    pub(super) load: Option<Vec<Customer>>,
    pub(super) load_timers: Option<usize>,
    pub(super) load_outputs: Option<(u64, usize)>,
    pub(super) find: Option<(Option<IndexKey>, Option<Customer>, usize)>,
    pub(crate) commits: VecDeque<(u64, Batch)>,
    pub(super) acknowledged: Vec<u64>,
    pub(super) publish: Vec<(u64, Output)>,
    /// Which partition it is of, and what waits in the slow lane, if there is one.
    pub(super) slow_lane: Option<(u16, Rc<RefCell<SlowLane>>)>,
    pub(super) written_lane: WrittenLane,
    pub(super) rested: Vec<(Customer, u32)>,
    pub(super) trace: Option<Customer>,
    /// Outputs that are not to be published any more.
    pub(super) withdrawn: Vec<u64>,
    pub(crate) answers: Vec<(usize, AskAnswer)>,
}

impl Host for Desk {
    type Address = Rc<RefCell<TwinCell>>;
    type Token = u64;
    type Reply = usize;

    fn activate(&mut self, twin: Box<Twin>) -> Rc<RefCell<TwinCell>> {
        Rc::new(RefCell::new(TwinCell::new(twin)))
    }

    fn deliver(&mut self, to: &Rc<RefCell<TwinCell>>, batch: TwinBatch) {
        self.batches.push((to.clone(), batch));
    }

    fn rest(&mut self, twins: Vec<(Customer, &Rc<RefCell<TwinCell>>)>) {
        let rested = twins.into_iter().map(|(customer, cell)| (customer, cell.borrow_mut().rest()));
        self.rested.extend(rested);
    }

    fn load(&mut self, customers: Vec<Customer>) {
        assert!(self.load.replace(customers).is_none(), "two loads at once");
    }

    fn load_outputs(&mut self, from: u64, limit: usize) {
        assert!(self.load_outputs.replace((from, limit)).is_none(), "two loads of outputs");
    }

    fn load_timers(&mut self, limit: usize) {
        assert!(self.load_timers.replace(limit).is_none(), "two loads of timers at once");
    }

    fn find(&mut self, row: Option<IndexKey>, after: Option<Customer>, limit: usize) {
        assert!(self.find.replace((row, after, limit)).is_none(), "two searches at once");
    }

    fn trace(&mut self, customer: Customer) {
        assert!(self.trace.replace(customer).is_none(), "two erasures at once");
    }

    fn clear(&mut self, cleared: Cleared) {
        let withdrawn = |(sequence, _): &mut (u64, Output)| cleared.withdrawn.contains(sequence);
        let gone = self.publish.extract_if(.., withdrawn).map(|(sequence, _)| sequence);
        self.withdrawn.extend(gone);
    }

    fn commit(&mut self, ticket: u64, mut batch: Batch, _urgency: Urgency) {
        if let Some((partition, lane)) = &self.slow_lane {
            batch.note_slow_lane(*partition, &lane.borrow(), &mut self.written_lane);
        }
        self.commits.push_back((ticket, batch));
    }

    fn acknowledge(&mut self, token: u64) {
        self.acknowledged.push(token);
    }

    fn answer(&mut self, request: usize, answer: AskAnswer) {
        self.answers.push((request, answer));
    }

    fn publish(&mut self, outputs: Vec<(u64, Output)>) {
        self.publish.extend(outputs);
    }
}
