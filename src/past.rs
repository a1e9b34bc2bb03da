//! What really happened to one customer, taken in once more: by the same policy, which must give the
//! same decisions, or by another, which shows what it would have said. Pure.
//!
//! A past is made of the events in the stream and of the inputs that a journal keeps because the
//! stream does not have them: what channels asked, and what an analyser said of messages. Timers are
//! not taken from the journal: those of the twin that lives through it fire, each at its due time,
//! because another policy starts other timers. So what a service took in late because it was down,
//! and timers that fell between two events of one pull, come at their own time here.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::event::{Analysis, Broadcast, Customer, Event, Kind, Speaker, Time};
use crate::models::Snapshot;
use crate::policy::Policy;
use crate::twin::{
    Action, Asked, Broadcasts, Decision, Effect, Escalation, Fired, Input, Journalled, Recall,
    Shared, Twin, World, react,
};

/// The inputs of one customer, as they came.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Past {
    happened: Vec<Happened>,
    analyses: BTreeMap<u64, Analysis>,
    asked: usize,
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
    Asked(Box<Asked>),
}

/// What came of a past under a policy.
#[derive(Debug, Default)]
pub struct Lived {
    /// Every decision, in the order of time.
    pub decisions: Vec<Decision>,
    /// What was said, in the order of time.
    pub actions: Vec<Arc<Action>>,
    /// What was taken back.
    pub recalls: Vec<Recall>,
    /// What was handed to people.
    pub escalations: Vec<Escalation>,
    /// How many inputs there were, timers included.
    pub inputs: u64,
    /// The twin at the end; none if nothing happened.
    pub twin: Option<Box<Twin>>,
    /// The past has more timers than anybody would wait for: it stops there.
    pub is_cut: bool,
}

/// Timers that one past may fire: one every quarter of an hour for a year.
const TIMERS_MAX: u64 = 4 * 24 * 365;

impl Past {
    /// An event of the stream.
    pub fn event(&mut self, sequence: u64, at: Time, event: Event) {
        self.happened.push(Happened { at, sequence, what: What::Event(Box::new(event)) });
    }

    /// A broadcast of the stream.
    pub fn broadcast(&mut self, sequence: u64, at: Time, told: Arc<Broadcast>) {
        self.happened.push(Happened { at, sequence, what: What::Broadcast(told) });
    }

    /// An input that a journal kept.
    pub fn journalled(&mut self, at: Time, input: Journalled) {
        match input {
            Journalled::Ask(asked) => {
                self.asked += 1;
                let sequence = asked.after;
                self.happened.push(Happened { at, sequence, what: What::Asked(asked) });
            }
            Journalled::Analysis { event, analysis } => {
                self.analyses.insert(event, analysis);
            }
            Journalled::Timer(_) | Journalled::Broadcast(_) => {}
        }
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
            What::Asked(asked) => Some((one.at, &**asked)),
            _ => None,
        })
    }

    /// Has a new twin live through it. Everything that is due up to `until` fires.
    pub fn live(&self, customer: &Customer, policy: &Policy, until: Time) -> Lived {
        let mut ordered: Vec<&Happened> = self.happened.iter().collect();
        // Stable: what channels asked comes behind the event before it, in its own order.
        ordered.sort_by_key(|one| (one.sequence, matches!(one.what, What::Asked(_))));
        let mut life = Life {
            policy,
            models: Snapshot::nothing(),
            broadcasts: Broadcasts::default(),
            lived: Lived::default(),
            timers: 0,
        };
        for one in ordered {
            life.fire(one.at);
            match &one.what {
                What::Event(event) => {
                    let mut event = event.clone();
                    if let Kind::Message(told) = &mut event.kind
                        && told.from == Speaker::Customer
                    {
                        let analysis = self.analyses.get(&event.fingerprint);
                        told.analysis = analysis.cloned().map(Box::new);
                    }
                    life.take(customer, &Input::event(*event, one.at));
                }
                What::Asked(asked) => {
                    let event = asked.event(customer.clone());
                    life.take(customer, &Input::event(event, one.at));
                }
                What::Broadcast(told) => life.hear(customer, told, one.at),
            }
        }
        life.fire(until);
        life.lived
    }
}

/// A twin that lives through a past.
struct Life<'a> {
    policy: &'a Policy,
    models: Snapshot,
    broadcasts: Broadcasts,
    lived: Lived,
    timers: u64,
}

impl Life<'_> {
    fn take(&mut self, customer: &Customer, input: &Input) {
        let Life { policy, models, broadcasts, lived, .. } = self;
        let twin =
            lived.twin.get_or_insert_with(|| Box::new(Twin::new(customer.clone(), input.at)));
        let reaction = react(twin, input, &World { policy, broadcasts, models });
        lived.inputs += 1;
        for effect in reaction.effects {
            match effect {
                Effect::Act(action) => lived.actions.push(action),
                Effect::Recall(recall) => lived.recalls.push(*recall),
                Effect::Escalate(escalation) => lived.escalations.push(*escalation),
                Effect::Record(decision) => lived.decisions.push(*decision),
                _ => {}
            }
        }
    }

    /// Fires what is due, each at its time.
    fn fire(&mut self, until: Time) {
        loop {
            let Some(twin) = &self.lived.twin else { return };
            let next = twin.timers.iter().map(|timer| (timer.due, timer.name.clone())).min();
            let Some((due, name)) = next.filter(|(due, _)| *due <= until) else { return };
            self.timers += 1;
            if self.timers > TIMERS_MAX {
                self.lived.is_cut = true;
                return;
            }
            let customer = twin.customer.clone();
            let fired = Fired { name, due, late: std::time::Duration::ZERO };
            self.take(&customer, &Input::timer(fired, due));
        }
    }

    /// Hears a broadcast; what cannot be used was refused then, too.
    fn hear(&mut self, customer: &Customer, told: &Broadcast, at: Time) {
        self.broadcasts.expire(at);
        match Shared::new(told, at) {
            Ok(Some(shared)) => {
                if self.broadcasts.begin(shared).is_err() || self.lived.twin.is_none() {
                    return;
                }
                let shared = self.broadcasts.get(&told.scope).filter(|shared| shared.wake).cloned();
                if let Some(shared) = shared {
                    self.take(customer, &shared.wake(customer, at));
                }
            }
            Ok(None) => {
                self.broadcasts.end(&told.scope);
            }
            Err(_) => {}
        }
    }
}
