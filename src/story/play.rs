use std::collections::BTreeMap;
use std::sync::Arc;

use super::{OutputKind, SeenOutput, StepContent, Story};
use crate::config::limits;
use crate::event::{
    self, Broadcast, Customer, EventType, ForwardedEvent, INTERNAL, Raw, Rejection, Time,
};
use crate::models::{HORIZON, Learner, Snapshot};
use crate::policy::Policy;
use crate::twin::{
    Broadcasts, Effect, Fired, Input, InputResult, LiveBroadcast, MatchedRules, Reaction, Twin,
    World, react,
};

/// A story that was played to its end on the pure core.
#[derive(Debug)]
pub struct Played {
    /// Each input with its reaction, in time order.
    pub turns: Vec<Turn>,
    /// The actions, recalls and escalations that came out, in time order.
    pub seen: Vec<SeenOutput>,
    /// The twins at the end.
    pub twins: BTreeMap<Customer, Twin>,
    /// The active broadcasts at the end.
    pub broadcasts: Broadcasts,
    /// The matched rules.
    pub followed: MatchedRules,
    /// The learner, with everything learned from the outcomes; it continues to learn.
    pub learner: Learner,
    /// Whether the story was cut because it exceeded the limit of its length.
    pub is_cut: bool,
}

/// One input of a story and its reaction.
#[derive(Debug)]
pub struct Turn {
    /// When it was processed, in the story's own time.
    pub at: Time,
    /// The customer whose twin processed it; none: a broadcast, which is stored for all of them.
    pub customer: Option<Customer>,
    /// The cause.
    pub cause: TurnCause,
    /// The reaction; a rejection if the input cannot be parsed.
    pub reaction: Result<Reaction, Rejection>,
}

/// The cause of an input of a story.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TurnCause {
    /// A step of the story: its position.
    Step(usize),
    /// A timer of the twin: its name.
    Timer(Box<str>),
    /// An event that the twin of another identifier forwarded: its type.
    Forwarded(EventType),
    /// A broadcast that woke the twin: its scope.
    Broadcast(Box<str>),
}

/// Plays a story on the pure core in virtual time: the timers of all twins fire as time advances, each at
/// its due time, before the steps with the same time. A broadcast that wakes twins reaches them at once,
/// in the order of the customers.
pub fn play(story: &Story, policy: &Policy) -> Played {
    let mut played = Played {
        turns: Vec::new(),
        seen: Vec::new(),
        twins: BTreeMap::new(),
        broadcasts: Broadcasts::default(),
        followed: MatchedRules::default(),
        learner: Learner::from(Snapshot::nothing(), HORIZON),
        is_cut: false,
    };
    for (position, step) in story.steps.iter().enumerate() {
        let at = story.start + step.at;
        played.fire_timers(at, policy);
        // A number makes the id unique, and the same in every run.
        let content = step.content(&format!("step-{position}"), story.start, &played.seen);
        let cause = TurnCause::Step(position);
        let taken = match content {
            Ok(StepContent::Event(event)) => {
                let customer = event.customer.clone();
                played.take(customer, cause, &Input::event(*event, at), policy);
                continue;
            }
            Ok(StepContent::Broadcast(broadcast)) => played.spread(&broadcast, at),
            Err(rejection) => Err(rejection),
        };
        let customer = step.customer().cloned();
        let (reaction, woken) = match taken {
            Ok(woken) => (Ok(nothing()), woken),
            Err(rejection) => (Err(rejection), None),
        };
        played.turns.push(Turn { at, customer, cause, reaction });
        if let Some(shared) = woken {
            played.wake(&shared, at, policy);
        }
    }
    played.fire_timers(story.end, policy);
    played
}

/// The reaction to a broadcast before any twin receives it.
fn nothing() -> Reaction {
    Reaction { result: InputResult::Applied, effects: Vec::new(), notes: Vec::new() }
}

impl Played {
    /// Processes a broadcast; returns it if it is to wake the matching twins.
    fn spread(
        &mut self,
        broadcast: &Broadcast,
        at: Time,
    ) -> Result<Option<Arc<LiveBroadcast>>, Rejection> {
        self.broadcasts.expire(at);
        let Some(shared) = LiveBroadcast::new(broadcast, at)? else {
            self.broadcasts.end(&broadcast.scope);
            return Ok(None);
        };
        self.broadcasts.begin(shared)?;
        Ok(self.broadcasts.get(&broadcast.scope).filter(|shared| shared.wake).cloned())
    }

    fn wake(&mut self, shared: &LiveBroadcast, at: Time, policy: &Policy) {
        let customers: Vec<Customer> = self.twins.keys().cloned().collect();
        for customer in customers {
            let input = shared.wake(&customer, at);
            self.take(customer, TurnCause::Broadcast(shared.scope.clone()), &input, policy);
        }
    }

    fn fire_timers(&mut self, until: Time, policy: &Policy) {
        loop {
            let next = self
                .twins
                .values()
                .flat_map(|twin| twin.timers.iter().map(move |timer| (timer, twin)))
                .map(|(timer, twin)| (timer.due, &twin.customer, &timer.name))
                .min();
            let Some((due, customer, name)) = next.filter(|(due, ..)| *due <= until) else {
                return;
            };
            if self.turns.len() >= limits::STORY_TURNS {
                self.is_cut = true;
                return;
            }
            let (customer, name) = (customer.clone(), name.clone());
            // Time does not go back: a timer that was due before its twin started it fires now.
            let at = self.turns.last().map_or(due, |turn| turn.at.max(due));
            let fired = Fired { name: name.clone(), due, late: at.since(due) };
            self.take(customer, TurnCause::Timer(name), &Input::timer(fired, at), policy);
        }
    }

    fn take(&mut self, customer: Customer, cause: TurnCause, input: &Input, policy: &Policy) {
        let twin = self
            .twins
            .entry(customer.clone())
            .or_insert_with(|| Twin::new(customer.clone(), input.at));
        let world = World::of(policy)
            .with(&self.broadcasts)
            .knowing(self.learner.model())
            .followed_by(&self.followed);
        let reaction = react(twin, input, &world);
        if reaction.result == InputResult::Untouched {
            return;
        }
        let mut forwarded = Vec::new();
        for effect in &reaction.effects {
            let what = match effect {
                Effect::Act(action) => OutputKind::Action(action.clone()),
                Effect::Recall(recall) => OutputKind::Recall(recall.clone()),
                Effect::Escalate(escalation) => OutputKind::Escalation(escalation.clone()),
                Effect::Forward(message) => {
                    forwarded.push(message.clone());
                    continue;
                }
                Effect::Observe(observation) => {
                    observation.exposure.teach(&mut self.learner, observation.reward > 0);
                    // The next decision uses it.
                    self.learner.publish();
                    continue;
                }
                Effect::StartTimer { .. }
                | Effect::LetGo
                | Effect::Forget { .. }
                | Effect::CancelTimer { .. }
                | Effect::Record(_)
                | Effect::Try(_)
                | Effect::Journal { .. } => {
                    continue;
                }
            };
            self.seen.push(SeenOutput { at: input.at, what });
        }
        let customer = Some(customer);
        self.turns.push(Turn { at: input.at, customer, cause, reaction: Ok(reaction) });
        for message in forwarded {
            self.deliver(&message, input.at, policy);
        }
    }

    /// A message between twins arrives at once.
    fn deliver(&mut self, message: &ForwardedEvent, at: Time, policy: &Policy) {
        if self.turns.len() >= limits::STORY_TURNS {
            self.is_cut = true;
            return;
        }
        let event = event::parse(&Raw {
            channel: INTERNAL,
            customer: &message.to.token(),
            headers: &[],
            payload: &message.payload,
            sequence: 0,
        });
        // A twin can parse what a twin writes; a test of the core checks that.
        let Ok(event) = event else { return };
        let cause = TurnCause::Forwarded(event.kind.event_type());
        self.take(message.to.clone(), cause, &Input::event(event, at), policy);
    }
}
