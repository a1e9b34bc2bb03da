use std::sync::Arc;
use std::time::Duration;

use super::mark::ModelMarks;
use super::{Past, PastInput, PastStep, Rung};
use crate::event::{Broadcast, Customer, EventKind, Speaker, Time};
use crate::models::Snapshot;
use crate::policy::Policy;
use crate::twin::{
    Action, Broadcasts, Decision, Effect, EndedBroadcasts, Escalation, Fired, Input, LiveBroadcast,
    Recall, Twin, World, react,
};

/// The result of a replay.
#[derive(Debug, Default)]
pub struct Lived {
    /// Every decision, in time order.
    pub decisions: Vec<Decision>,
    /// The actions, in time order.
    pub actions: Vec<Arc<Action>>,
    /// The recalls.
    pub recalls: Vec<Recall>,
    /// The messages about escalations.
    pub escalations: Vec<Escalation>,
    /// The number of inputs, timers included.
    pub inputs: u64,
    /// The twin at the end; none if there were no inputs.
    pub twin: Option<Box<Twin>>,
    /// Whether the replay was cut because it exceeded the limit of timers.
    pub is_cut: bool,
}

/// The maximum number of timers in one replay: one every quarter of an hour for a year.
const TIMERS_MAX: u64 = 4 * 24 * 365;

/// A replay, input by input, so that each input can use the model version of its time.
#[derive(Debug)]
pub struct Life<'a> {
    past: &'a Past,
    marks: &'a ModelMarks,
    /// The history, in order.
    ordered: Vec<&'a PastStep>,
    /// The number of processed inputs.
    taken: usize,
    customer: &'a Customer,
    policy: &'a Policy,
    /// Timers that are due by then fire.
    until: Time,
    broadcasts: Broadcasts,
    over: EndedBroadcasts,
    lived: Lived,
    timers: u64,
    /// The stream time of the last event.
    stream: Option<Time>,
}

/// The next input of a replay.
enum Next<'a> {
    Timer { due: Time, name: Box<str>, rung: Option<Rung> },
    Happened(&'a PastStep),
}

impl<'a> Life<'a> {
    pub(super) fn new(
        past: &'a Past,
        customer: &'a Customer,
        policy: &'a Policy,
        until: Time,
    ) -> Life<'a> {
        let mut ordered: Vec<&PastStep> = past.happened.iter().collect();
        ordered.sort_by_key(|one| one.place());
        Life {
            past,
            marks: &past.marks,
            ordered,
            taken: 0,
            customer,
            policy,
            until,
            broadcasts: Broadcasts::default(),
            over: EndedBroadcasts::default(),
            lived: Lived::default(),
            timers: 0,
            stream: None,
        }
    }

    /// The model version of the next input; none at the end; 0 if none was learned yet or it is unknown.
    pub fn next_version(&self) -> Option<u64> {
        Some(match self.next()? {
            Next::Timer { due, rung, .. } => match rung.and_then(|rung| rung.place.1) {
                Some(number) => self.marks.of_input(number),
                None => self.marks.of_moment(due),
            },
            Next::Happened(one) => match &one.what {
                PastInput::Event(_) => self.marks.of_event(one.sequence),
                PastInput::Asked { number, .. }
                | PastInput::HandedOver { number, .. }
                | PastInput::Woken { number, .. } => self.marks.of_input(*number),
                PastInput::Broadcast(_) => self.marks.of_moment(one.at),
            },
        })
    }

    /// Processes the next input; `false` if there is none.
    pub fn go_on(&mut self, models: &Snapshot) -> bool {
        match self.next() {
            None => return false,
            Some(Next::Timer { due, name, rung }) => {
                self.timers += 1;
                if self.timers > TIMERS_MAX {
                    self.lived.is_cut = true;
                    self.taken = self.ordered.len();
                    return false;
                }
                let (at, late) = rung.map_or((due, Duration::ZERO), |rung| (rung.at, rung.late));
                self.take(Input::timer(Fired { name, due, late }, at), models);
            }
            Some(Next::Happened(one)) => {
                self.taken += 1;
                self.happen(one, models);
            }
        }
        true
    }

    /// Replays to the end with one model snapshot.
    pub fn to_end(mut self, models: &Snapshot) -> Lived {
        while self.go_on(models) {}
        self.lived
    }

    /// The results so far.
    pub fn lived(self) -> Lived {
        self.lived
    }

    /// The next input. What originally came before the next step comes before it, and so does a timer
    /// that did not fire originally and is due by that step's time.
    fn next(&self) -> Option<Next<'a>> {
        if self.lived.is_cut {
            return None;
        }
        let happened = self.ordered.get(self.taken).copied();
        let until = happened.map_or(self.until, |one| one.at);
        let place = happened.map(PastStep::place);
        let timers = self.lived.twin.iter().flat_map(|twin| &twin.timers);
        let timers = timers.map(|timer| {
            let rung = self.past.fired.get(&(timer.due, timer.name.clone())).copied();
            (rung.map_or(timer.due, |rung| rung.at), rung, timer)
        });
        let due = timers.filter(|(at, rung, _)| match rung {
            Some(rung) => place.is_none_or(|place| rung.place < place),
            None => *at <= until,
        });
        let first = due.min_by(|(at, rung, timer), (other_at, other_rung, other)| {
            let places = rung.map(|rung| rung.place).zip(other_rung.map(|rung| rung.place));
            match places {
                Some((place, other)) => place.cmp(&other),
                None => (at, &timer.name).cmp(&(other_at, &other.name)),
            }
        });
        match first {
            Some((_, rung, timer)) => {
                Some(Next::Timer { due: timer.due, name: timer.name.clone(), rung })
            }
            None => happened.map(Next::Happened),
        }
    }

    fn happen(&mut self, one: &PastStep, models: &Snapshot) {
        match &one.what {
            PastInput::Event(event) => {
                let mut event = event.clone();
                if let EventKind::Message(message) = &mut event.kind
                    && message.from == Speaker::Customer
                {
                    let analysis = self.past.analyses.get(&event.fingerprint);
                    message.analysis = analysis.cloned().map(Box::new);
                }
                self.stream = Some(one.at);
                self.take(Input::event(*event, one.at), models);
            }
            PastInput::Asked { asked, .. } => {
                let event = asked.event(self.customer.clone());
                self.take(Input::event(event, one.at), models);
            }
            PastInput::HandedOver { act, .. } => {
                let event = act.event(self.customer.clone());
                self.take(Input::event(event, one.at), models);
            }
            PastInput::Woken { woken, .. } => {
                let known =
                    self.broadcasts.get(&woken.scope).filter(|shared| shared.id == woken.id);
                if let Some(shared) = known.cloned() {
                    self.take(shared.wake(self.customer, one.at), models);
                }
            }
            PastInput::Broadcast(broadcast) => self.take_broadcast(broadcast, one.at, models),
        }
    }

    fn take(&mut self, input: Input, models: &Snapshot) {
        let input = &input.by_stream(self.stream);
        let Life { policy, broadcasts, lived, customer, .. } = self;
        let twin =
            lived.twin.get_or_insert_with(|| Box::new(Twin::new(customer.clone(), input.at)));
        let reaction = react(twin, input, &World::of(policy).with(broadcasts).knowing(models));
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

    /// Processes a broadcast; one that cannot be used was rejected originally, too.
    fn take_broadcast(&mut self, broadcast: &Broadcast, at: Time, models: &Snapshot) {
        for ended in self.broadcasts.expire(at) {
            self.over.add(at, ended.id);
        }
        let id = LiveBroadcast::identity(broadcast);
        if self.over.has(id) || self.broadcasts.has(&broadcast.scope, id) {
            return;
        }
        match LiveBroadcast::new(broadcast, at) {
            Ok(Some(shared)) => {
                let Ok(replaced) = self.broadcasts.begin(shared) else { return };
                if let Some(replaced) = replaced {
                    self.over.add(at, replaced.id);
                }
                if self.lived.twin.is_none() {
                    return;
                }
                let shared =
                    self.broadcasts.get(&broadcast.scope).filter(|shared| shared.wake).cloned();
                // A broadcast that originally woke the twin does so at the original time.
                if let Some(shared) = shared.filter(|one| !self.past.woken.contains(&one.id)) {
                    self.take(shared.wake(self.customer, at), models);
                }
            }
            Ok(None) => {
                if let Some(ended) = self.broadcasts.end(&broadcast.scope) {
                    self.over.add(at, ended.id);
                }
                self.over.add(at, id);
            }
            Err(_) => {}
        }
    }
}
