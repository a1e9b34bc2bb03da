use std::fmt;

use crate::config::limits;
use crate::event::{Channel, Event, EventKind, Rejection, Time, Value, cut};
use crate::policy::{Exceeded, SourceLocation, StepBudget};

use super::identity::{self, IdentityResult};
use super::{
    Cause, Decision, Effect, Input, Twin, World, act, broadcast, decide, learn, perceive, recall,
    resume, understand,
};

/// The result of an input.
#[derive(Debug, Clone, PartialEq)]
pub enum InputResult {
    /// It changed the twin.
    Applied,
    /// The twin has processed it before; nothing changed.
    Duplicate,
    /// It was forwarded to the customer whom the identifier is linked to; nothing changed here.
    PassedOn,
    /// The timer was moved or cancelled meanwhile, or is too late by its catch-up rule.
    Stale,
    /// It has no effect: a broadcast that has ended, does not match or was already received, or a message
    /// about an ended link.
    Untouched,
    /// It was rejected; nothing changed.
    Refused(Rejection),
}

/// A note for operators and policy authors.
#[derive(Debug, Clone, PartialEq)]
pub enum Note {
    /// A limit was reached: its name.
    Limit(&'static str),
    /// Identifiers were linked in a cycle, which was broken.
    Circle,
    /// A line of the policy failed for this twin: its location, and the reason.
    Policy(SourceLocation, String),
    /// The customer's time zone is unknown: the trait's value.
    Zone(Box<str>),
    /// The customer used a name that the policy does not have, for a consent or a preference: the kind of
    /// name, a purpose or a channel, and the name.
    Unknown(&'static str, Box<str>),
    /// A part of the event is older than the known value and was ignored: its path below `event`.
    Late(Box<str>),
    /// A channel sent an impossible time, so the event's statement time is when the stream stored it: the
    /// channel, and the time.
    Time(Box<str>, Time),
    /// An expression exceeded its step budget.
    Exceeded(Exceeded),
}

impl fmt::Display for Note {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Note::Limit(name) => write!(out, "the limit {name} was reached"),
            Note::Circle => {
                out.write_str("identifiers were linked in a cycle; the cycle was broken")
            }
            Note::Policy(place, why) => write!(out, "{place}: {why}"),
            Note::Zone(zone) => write!(out, "unknown time zone `{zone}`"),
            Note::Unknown(what, name) => {
                write!(out, "the policy has no {what} named `{name}`")
            }
            Note::Late(what) => {
                write!(out, "`{what}` is older than the known value, which is kept")
            }
            Note::Time(channel, time) => {
                write!(out, "`{channel}` sent the impossible time {time}")
            }
            Note::Exceeded(exceeded) => write!(out, "{exceeded}"),
        }
    }
}

/// The notes of one reaction.
#[derive(Debug, Default)]
pub(super) struct Notes {
    all: Vec<Note>,
    late: Vec<Box<str>>,
}

/// More notes would add no information.
const NOTES_MAX: usize = 16;

impl Notes {
    pub(super) fn limit(&mut self, name: &'static str) {
        debug_assert!(limits::ALL.iter().any(|limit| limit.name == name), "{name} is no limit");
        self.push(Note::Limit(name));
    }

    pub(super) fn circle(&mut self) {
        self.push(Note::Circle);
    }

    pub(super) fn policy(&mut self, place: &SourceLocation, why: impl ToString) {
        self.push(Note::Policy(place.clone(), why.to_string()));
    }

    pub(super) fn zone(&mut self, said: &Value) {
        self.push(Note::Zone(cut(&said.to_string(), limits::NAME_BYTES).into()));
    }

    pub(super) fn unknown(&mut self, what: &'static str, name: &str) {
        self.push(Note::Unknown(what, cut(name, limits::NAME_BYTES).into()));
    }

    fn time(&mut self, channel: &Channel, time: Time) {
        self.push(Note::Time(channel.as_str().into(), time));
    }

    /// Notes that a part of the event, such as `traits.plan`, is late: a later statement is known.
    pub(super) fn late(&mut self, what: impl Into<Box<str>>) {
        let what = what.into();
        self.push(Note::Late(what.clone()));
        self.late.push(what);
    }

    /// The late parts of the event.
    pub(super) fn those_late(&self) -> &[Box<str>] {
        &self.late
    }

    fn push(&mut self, note: Note) {
        if self.all.len() < NOTES_MAX {
            self.all.push(note);
        }
    }
}

/// The reaction to one input: the changed state and the side effects.
#[derive(Debug, Clone, PartialEq)]
pub struct Reaction {
    /// The result of the input.
    pub verdict: InputResult,
    /// Side effects to perform in this order, after the commit.
    pub effects: Vec<Effect>,
    /// Notes for operators and policy authors.
    pub notes: Vec<Note>,
}

impl Reaction {
    fn nothing(verdict: InputResult) -> Reaction {
        Reaction { verdict, effects: Vec::new(), notes: Vec::new() }
    }

    /// The arbitration, if there was one.
    pub fn decision(&self) -> Option<&Decision> {
        self.effects.iter().find_map(|effect| match effect {
            Effect::Record(decision) => Some(&**decision),
            _ => None,
        })
    }
}

/// Processes one input. The whole life of a twin is a fold of this function over its inputs.
///
/// A rejected or duplicate input changes nothing at all, and neither does a broadcast that does not apply
/// to the twin.
pub fn react(twin: &mut Twin, input: &Input, world: &World<'_>) -> Reaction {
    let budget = StepBudget::begin();
    let lived = twin.has_lived_to();
    let mut reaction = if lived > input.at {
        within_budget(twin, &Input { at: lived, ..input.clone() }, world)
    } else {
        within_budget(twin, input, world)
    };
    reaction.notes.extend(budget.take_exceeded().into_iter().map(Note::Exceeded));
    reaction
}

fn within_budget(twin: &mut Twin, input: &Input, world: &World<'_>) -> Reaction {
    // A timer's own list is authoritative: one may be started for the same time again.
    if let Cause::Event(event) = &input.cause {
        if identity::is_copy(twin, event) {
            return Reaction::nothing(InputResult::Duplicate);
        }
        if let Err(rejection) = world.policy.identity.check(event) {
            return Reaction::nothing(InputResult::Refused(rejection));
        }
    }
    let identity_of = world.policy;
    let world = &World { policy: twin.governed_by(world.policy), ..*world };
    if let Cause::Broadcast(woken) = &input.cause
        && !broadcast::is_woken(twin, woken, input, world)
    {
        return Reaction::nothing(InputResult::Untouched);
    }
    let mut notes = Notes::default();
    if let Cause::Event(Event { impossible: Some(time), channel, .. }) = &input.cause {
        notes.time(channel, *time);
    }
    let mut effects = Vec::new();
    let last_seen = twin.seen;

    // A rejected input does not even unlink an identifier.
    let link = twin.linked_to.clone().map(|to| (to, twin.hand.clone(), twin.epoch));
    let keep_link = |twin: &mut Twin| {
        if let Some((to, hand, epoch)) = link.clone() {
            (twin.linked_to, twin.hand, twin.epoch) = (Some(to), hand, epoch);
        }
    };
    if let Cause::Event(event) = &input.cause
        && identity::concerns(twin, event)
        && let IdentityResult::Done(verdict) =
            identity::meet(twin, event, input, identity_of, &mut effects, &mut notes)
    {
        if matches!(verdict, InputResult::Refused(_)) {
            keep_link(twin);
        }
        return Reaction { verdict, effects, notes: notes.all };
    }
    match perceive::perceive(twin, input, world, &mut effects, &mut notes) {
        Ok(true) => {}
        Ok(false) => {
            return Reaction { verdict: InputResult::Stale, effects, notes: notes.all };
        }
        Err(rejection) => {
            keep_link(twin);
            return Reaction::nothing(InputResult::Refused(rejection));
        }
    }
    twin.live_to(input.at);
    let mut context = understand::ReactionContext::new(twin, input, world, last_seen);
    context.late = notes.those_late().into();
    if !(world.broadcasts.is_empty() && twin.met.is_empty()) {
        context.met = broadcast::meet(twin, &context);
        context.campaign = context.find_campaign(twin);
    }
    let requests = understand::understand(twin, &mut context, &mut effects, &mut notes);
    recall::recall(twin, &context, &requests, &mut effects);
    let mut is_decided = false;
    if (requests.is_any() || input.ask().is_some() || context.campaign().is_some())
        && let Some(decide::Arbitration { decision, exposures, deferred, lost, entered }) =
            decide::decide(twin, &context, &requests)
    {
        for (chosen, exposure) in decision.chosen.iter().zip(exposures) {
            resume::offered(twin, &context, Some(&chosen.action));
            act::act(twin, chosen, exposure, world.policy, &mut effects);
        }
        if !decision.chosen.is_empty() {
            twin.watch_for_silence(world.policy, input.at, &mut effects, &mut notes);
        }
        twin.enter(entered.into_iter(), &context, &mut effects);
        if let Some(timer) = deferred {
            twin.start_timer(timer, &mut effects, &mut notes);
        }
        if let Some((place, why)) = lost {
            notes.policy(&place, why);
        }
        twin.decisions = twin.decisions.wrapping_add(1);
        is_decided = true;
        effects.push(Effect::Record(decision));
    }
    if context.is_guarded {
        twin.settle_guards();
        context.tell_withheld(&mut notes);
    }
    if (is_decided && world.policy.contact.quiet.is_some() || is_about_zone(input))
        && let Err(said) = learn::zone(twin)
    {
        notes.zone(said);
    }
    twin.move_what_is_held(world.policy, input.at, &mut effects, &mut notes);
    twin.watch_for_age(world.policy, input.at, &mut effects, &mut notes);
    if let Some(journalled) = input.journalled() {
        effects.push(Effect::Journal { at: input.at, input: Box::new(journalled) });
    }
    Reaction { verdict: InputResult::Applied, effects, notes: notes.all }
}

/// Whether an input sets the customer's time zone.
fn is_about_zone(input: &Input) -> bool {
    let Cause::Event(event) = &input.cause else { return false };
    matches!(&event.kind, EventKind::Identify(told) if told.traits.get(learn::ZONE).is_some())
}
