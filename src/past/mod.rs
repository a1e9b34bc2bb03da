//! What really happened to one customer, taken in once more: by the same policy, which must give the
//! same decisions, or by another, which shows what it would have said. Pure.
//!
//! A past is made of the events in the stream and of the inputs that a journal keeps because the
//! stream does not have them: what channels asked, and what an analyser said of messages. Timers are
//! not taken from the journal: those of the twin that lives through it fire, each at its due time,
//! because another policy starts other timers. So what a service took in late because it was down,
//! and timers that fell between two events of one pull, come at their own time here.
//!
//! What was learned changes while twins decide. Marks say from where on a partition went by which
//! version of it: a [`Life`] asks for the version that each of its inputs went by.

mod life;
mod mark;

pub use life::{Life, Lived};
pub use mark::Mark;

use std::collections::BTreeMap;
use std::sync::Arc;

use self::mark::Marks;
use crate::event::{Analysis, Broadcast, Customer, Event, Time};
use crate::models::Snapshot;
use crate::policy::Policy;
use crate::twin::{Asked, HandedOver, Journalled};

/// The inputs of one customer, as they came.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Past {
    happened: Vec<Happened>,
    analyses: BTreeMap<u64, Analysis>,
    /// Timers that fired: when each was due, its name, and its number in the journal.
    fired: BTreeMap<(Time, Box<str>), u32>,
    marks: Marks,
}

/// One input.
#[derive(Debug, Clone, PartialEq)]
struct Happened {
    at: Time,
    /// Its sequence in the stream, or that of the last event before it.
    sequence: u64,
    what: What,
}

#[derive(Debug, Clone, PartialEq)]
enum What {
    Event(Box<Event>),
    Broadcast(Arc<Broadcast>),
    Asked { number: u32, asked: Box<Asked> },
    HandedOver { number: u32, told: Box<HandedOver> },
}

impl Past {
    /// An event of the stream.
    pub fn event(&mut self, sequence: u64, at: Time, event: Event) {
        self.happened.push(Happened { at, sequence, what: What::Event(Box::new(event)) });
    }

    /// A broadcast of the stream.
    pub fn broadcast(&mut self, sequence: u64, at: Time, told: Arc<Broadcast>) {
        self.happened.push(Happened { at, sequence, what: What::Broadcast(told) });
    }

    /// An input that a journal kept, and its number there.
    pub fn journalled(&mut self, at: Time, number: u32, input: Journalled) {
        match input {
            Journalled::Ask(asked) => {
                let sequence = asked.after;
                let what = What::Asked { number, asked };
                self.happened.push(Happened { at, sequence, what });
            }
            Journalled::Handoff(told) => {
                let sequence = told.after;
                let what = What::HandedOver { number, told };
                self.happened.push(Happened { at, sequence, what });
            }
            Journalled::Analysis { event, analysis } => {
                self.analyses.insert(event, analysis);
            }
            Journalled::Timer(fired) => {
                self.fired.insert((fired.due, fired.name), number);
            }
            Journalled::Broadcast(_) => {}
        }
    }

    /// From where on the customer's partition went by which version of what was learned.
    pub fn learned(&mut self, marks: Vec<Mark>) {
        self.marks = Marks::new(marks);
    }

    /// How many inputs there are, timers aside.
    pub fn len(&self) -> usize {
        self.happened.len()
    }

    /// Whether nothing happened.
    pub fn is_empty(&self) -> bool {
        self.happened.is_empty()
    }

    /// When the first and the last of them came; none if nothing happened.
    pub fn span(&self) -> Option<(Time, Time)> {
        let times = || self.happened.iter().map(|one| one.at);
        times().min().zip(times().max())
    }

    /// What channels asked, and what they were answered.
    pub fn asked(&self) -> impl Iterator<Item = (Time, &Asked)> {
        self.happened.iter().filter_map(|one| match &one.what {
            What::Asked { asked, .. } => Some((one.at, &**asked)),
            _ => None,
        })
    }

    /// A new twin that is to live through it. Everything that is due up to `until` fires.
    pub fn life<'a>(&'a self, customer: &'a Customer, policy: &'a Policy, until: Time) -> Life<'a> {
        Life::new(self, customer, policy, until)
    }

    /// Has a new twin live through it by what is known in one snapshot.
    pub fn live(
        &self,
        customer: &Customer,
        policy: &Policy,
        until: Time,
        models: &Snapshot,
    ) -> Lived {
        self.life(customer, policy, until).to_end(models)
    }
}
