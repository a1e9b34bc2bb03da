//! Policy rules raise, strengthen and satisfy needs, keep facts, note choices, start timers, hand
//! over to people and propose actions.

use std::cell::RefCell;
use std::sync::Arc;

use smallvec::SmallVec;

use super::deferred::DeferredDecision;
use super::escalation::NewEscalation;
use super::guard::both;
use super::preference::{Evidence, PreferenceSign};
use super::reaction::Notes;
use super::resume::{self, ResumeOffer};
use super::sentiment::MessageContent;
use super::view::{ReadPurpose, View};
use super::{
    Broadcasts, Cause, Derived, Effect, Input, LiveBroadcast, MatchedRules, Signal, Timer, Twin,
    World, aggregate, broadcast, dissatisfaction, escalation, profile, trial,
};
use crate::config::limits;
use crate::event::{EventKind, EventType, OutcomeKind, Sensitivity, Time, Value};
use crate::models::Snapshot;
use crate::policy::{
    CONSENT_TIMER, DUE_TIMER, Due, EXPIRED, EvalError, Expression, IGNORED_TIMER, Path, Policy,
    Purposes, Root, Rule, RuleStep, SourceLocation, Template, Trigger, Truth,
};

/// What one reaction goes by.
pub(super) struct ReactionContext<'a> {
    pub(super) input: &'a Input,
    pub(super) policy: &'a Policy,
    /// What is shared among customers at the moment.
    pub(super) broadcasts: &'a Broadcasts,
    /// What was learned from the outcomes of all customers.
    pub(super) models: &'a Snapshot,
    /// Who is told which rules held.
    pub(super) followed: Option<&'a MatchedRules>,
    /// What of it the twin has just met.
    pub(super) met: broadcast::NewMeetings,
    /// The campaign that has the twin decide.
    pub(super) campaign: Option<&'a Arc<LiveBroadcast>>,
    /// When the twin was seen before this input.
    pub(super) last_seen: Time,
    /// What the customer says, if the input is a message of theirs.
    pub(super) said: Option<MessageContent>,
    /// The parts of the event that come late: something that was said later is known.
    pub(super) late: Box<[Box<str>]>,
    /// Whether the customer may be treated as the one that they are.
    pub(super) is_personal: bool,
    /// Whether what is kept of the customer must not be used.
    pub(super) is_restricted: bool,
    /// Whether an agent is to say what is decided: what speaks against speaking to the customer now
    /// does not count, for they speak already.
    pub(super) is_for_agent: bool,
    /// Whether there is anything sensitive, so that what is read must be looked at.
    pub(super) is_guarded: bool,
    /// What was withheld: from whom, and why.
    withheld: RefCell<Vec<(SourceLocation, String)>>,
}

impl<'a> ReactionContext<'a> {
    pub(super) fn new(
        twin: &Twin,
        input: &'a Input,
        world: &World<'a>,
        last_seen: Time,
    ) -> ReactionContext<'a> {
        let World { policy, broadcasts, models, followed } = *world;
        let is_sensitive = |signal: &Signal| signal.sensitivity == Sensitivity::Sensitive;
        let is_guarded = !policy.context.is_empty()
            || !twin.guards.is_empty()
            || twin.context.iter().any(is_sensitive);
        ReactionContext {
            input,
            policy,
            broadcasts,
            models,
            followed,
            met: broadcast::NewMeetings::new(),
            campaign: None,
            last_seen,
            said: None,
            late: Box::default(),
            is_personal: twin.is_personal(policy, input.at),
            is_restricted: twin.is_restricted(policy, input.at),
            is_for_agent: twin.is_asked_by_agent(input),
            is_guarded,
            withheld: RefCell::default(),
        }
    }

    /// The same, as somebody decides who speaks with the customer.
    pub(super) fn for_an_agent(&self, twin: &Twin) -> ReactionContext<'a> {
        let world = World {
            policy: self.policy,
            broadcasts: self.broadcasts,
            models: self.models,
            followed: self.followed,
        };
        let context = ReactionContext::new(twin, self.input, &world, self.last_seen);
        ReactionContext { is_for_agent: true, ..context }
    }

    /// The moment up to which the twin has lived: late inputs do not move time back, and a
    /// broadcast moves it on although nobody was seen.
    pub(super) fn lived(&self, twin: &Twin) -> Time {
        twin.seen.max(self.input.at)
    }

    /// Whether something goes by a part of the event that comes late.
    pub(super) fn goes_by_what_is_late(&self, read: &[Path]) -> bool {
        let is_late = |path: &Path| {
            path.root == Root::Event
                && self.late.iter().any(|late| {
                    // The part itself, what it is a part of, or a part of it.
                    late.split('.').zip(path.names()).all(|(late, read)| late == read)
                })
        };
        !self.late.is_empty() && read.iter().any(is_late)
    }

    /// The topics that the input touches.
    pub(super) fn topics(&self) -> impl Iterator<Item = (Trigger, &str)> {
        self.said.iter().flat_map(MessageContent::topics).map(|topic| (Trigger::Topic, topic))
    }

    /// What else the input means: the topics that it touches, the further places that are asked
    /// for, and the broadcasts that are met.
    pub(super) fn besides(&self) -> impl Iterator<Item = (Trigger, &str)> {
        let met = self.met.iter().map(|shared| (Trigger::Broadcast, &*shared.scope));
        self.topics().chain(self.further_places()).chain(self.noticed()).chain(met)
    }

    /// What the twin notices by itself: that nothing came of an action, that a promise about an
    /// escalation was broken.
    fn noticed(&self) -> Option<(Trigger, &str)> {
        let Cause::Timer(fired) = &self.input.cause else { return None };
        match &*fired.name {
            IGNORED_TIMER => {
                Some((Trigger::Event(EventType::Outcome), OutcomeKind::Ignored.name()))
            }
            DUE_TIMER => Some((Trigger::Event(EventType::Handoff), EXPIRED)),
            _ => None,
        }
    }

    /// The places beyond the first that a channel asks for.
    fn further_places(&self) -> impl Iterator<Item = (Trigger, &str)> {
        let ask = self.input.ask();
        let places = ask.into_iter().flat_map(|ask| ask.places().skip(1));
        places.map(|place| (Trigger::Event(EventType::Ask), place))
    }

    /// Notes that something sensitive was not read, once for each reader and reason.
    pub(super) fn withhold(&self, place: &SourceLocation, why: String) {
        let mut withheld = self.withheld.borrow_mut();
        if !withheld.iter().any(|(known, said)| known == place && *said == why) {
            withheld.push((place.clone(), why));
        }
    }

    /// Tells the operators what was withheld.
    pub(super) fn tell_withheld(&self, notes: &mut Notes) {
        for (place, why) in self.withheld.take() {
            notes.policy(&place, why);
        }
    }
}

/// What the rules would have decided about.
#[derive(Debug, Default)]
pub(super) struct DecisionRequests {
    /// A need was raised or strengthened.
    pub(super) needs_moved: bool,
    /// Positions of the actions that rules proposed, and what the reasons may be used for.
    pub(super) proposed: SmallVec<[(usize, Option<Purposes>); 2]>,
    /// Positions of the needs that were met just now.
    pub(super) met: SmallVec<[usize; 2]>,
    /// What was left, and is to be offered now that somebody turned up.
    pub(super) offer: Option<ResumeOffer>,
}

impl DecisionRequests {
    /// What would have been said must be decided again, as far as there is a reason left: an action
    /// that a rule proposed, one that asks for a consent that lacks still, or whatever serves the
    /// needs there are. A campaign, and what was left, are looked for as at other times.
    fn decide_again(
        &mut self,
        held: DeferredDecision<'_>,
        twin: &Twin,
        context: &ReactionContext<'_>,
    ) {
        let policy = context.policy;
        match held {
            DeferredDecision::Campaign(..) | DeferredDecision::Offer => {}
            DeferredDecision::Consent(name) => {
                let asker = policy.action_position(name);
                let lacking = twin.askers(policy, Time::MIN, context.input.at);
                let lacks = |asker: &usize| lacking.contains(asker);
                self.proposed.extend(asker.filter(lacks).map(|action| (action, None)));
            }
            DeferredDecision::Needs => self.needs_moved = true,
            DeferredDecision::Action(name) => match policy.action_position(name) {
                Some(action) => self.proposed.push((action, None)),
                None => self.needs_moved = true,
            },
        }
    }

    pub(super) fn is_any(&self) -> bool {
        self.needs_moved || !self.proposed.is_empty() || self.offer.is_some()
    }
}

/// Applies every rule that the input concerns, in the order of the policy. A rule sees what the
/// rules before it have changed.
pub(super) fn understand(
    twin: &mut Twin,
    context: &mut ReactionContext<'_>,
    effects: &mut Vec<Effect>,
    notes: &mut Notes,
) -> DecisionRequests {
    let mut requests = DecisionRequests::default();
    let (trigger, detail) = context.input.trigger();
    if let Cause::Event(event) = &context.input.cause
        && let EventKind::Message(told) = &event.kind
    {
        context.said = twin.listen(told, &event.channel, context);
    }
    dissatisfaction::perceive(twin, context, notes);
    aggregate::count(twin, context, notes);
    trial::hope(twin, context, effects, notes);
    for rule in context.policy.rules_for(trigger, detail, context.besides()) {
        let is_of_input = context.is_guarded && is_of_input(rule, context);
        let by = is_of_input.then(|| twin.purposes_of_input(context)).flatten();
        follow(rule, by, twin, context, effects, notes, &mut requests);
    }
    if twin.is_alarmed_now(context) {
        let index = Path { root: Root::Dissatisfaction, names: [].into() };
        for rule in context.policy.rules_for(Trigger::Dissatisfaction, "", []) {
            let by = twin.purposes_at(&index, context, None);
            follow(rule, by, twin, context, effects, notes, &mut requests);
        }
        escalation::alarm(twin, context, effects, notes);
    }
    escalation::signs(twin, context, effects, notes);
    escalation::tell(twin, context, effects);
    requests.offer = resume::offer(twin, context);
    if let Cause::Timer(fired) = &context.input.cause
        && *fired.name == *CONSENT_TIMER
    {
        let askers = twin.askers(context.policy, fired.due, context.input.at);
        requests.proposed.extend(askers.into_iter().map(|action| (action, None)));
    }
    if let Some(held) = DeferredDecision::of_input(context.input) {
        requests.decide_again(held, twin, context);
    }
    requests
}

/// Whether a rule answers to the input, and not only to a broadcast that happens to be met with it.
fn is_of_input(rule: &Rule, context: &ReactionContext<'_>) -> bool {
    let (trigger, detail) = context.input.trigger();
    context.met.is_empty()
        || context
            .policy
            .rules_for(trigger, detail, context.topics().chain(context.further_places()))
            .any(|known| std::ptr::eq(known, rule))
}

/// Takes the steps of a rule, if it holds. What called it may be used for certain purposes; none:
/// for anything.
fn follow(
    rule: &Rule,
    by: Option<Purposes>,
    twin: &mut Twin,
    context: &ReactionContext<'_>,
    effects: &mut Vec<Effect>,
    notes: &mut Notes,
    requests: &mut DecisionRequests,
) {
    let holds = match &rule.when {
        None => true,
        Some(when) => matches!(when.test(&View::whole(twin, context)), Truth::True),
    };
    let read = rule.when.as_ref().map_or(&[][..], Expression::paths);
    if holds && !context.goes_by_what_is_late(read) {
        if let Some(followed) = context.followed {
            followed.note(&rule.place);
        }
        let made_of = both(by, twin.purposes_at_all(read, context));
        let mut turn = RuleRun { twin, context, rule, effects, notes, requests, made_of };
        rule.then.iter().for_each(|step| turn.take(step));
    }
}

/// One rule at work on one twin.
struct RuleRun<'a, 'b> {
    twin: &'a mut Twin,
    context: &'a ReactionContext<'b>,
    rule: &'a Rule,
    effects: &'a mut Vec<Effect>,
    notes: &'a mut Notes,
    requests: &'a mut DecisionRequests,
    /// What may be done with what the rule goes by; none: anything.
    made_of: Option<Purposes>,
}

impl RuleRun<'_, '_> {
    /// Takes one step. A step whose expressions do not work out is left out and noted: the other
    /// steps and the event must not suffer for it.
    fn take(&mut self, step: &RuleStep) {
        let read = match step {
            RuleStep::Raise { strength, .. } => strength.paths(),
            RuleStep::Strengthen { by, .. } => by.paths(),
            RuleStep::Set { value, .. }
            | RuleStep::Prefer { value, .. }
            | RuleStep::Declare { value, .. } => value.paths(),
            _ => &[],
        };
        if self.context.goes_by_what_is_late(read) {
            return;
        }
        if let Err(error) = self.try_take(step) {
            self.notes.policy(&self.rule.place, error);
        }
    }

    fn try_take(&mut self, step: &RuleStep) -> Result<(), EvalError> {
        let now = self.context.input.at;
        let policy = self.context.policy;
        match step {
            RuleStep::Raise { need, strength, until, because } => {
                let read = [Some(strength.paths()), until.as_ref().map(Expression::paths)];
                let words = because.as_ref().map(Template::paths);
                let made_of = self.made_of(read.into_iter().chain([words]).flatten());
                let strength = self.read(strength, Expression::number)?;
                let until = match until {
                    Some(until) => Some(self.read(until, Expression::time)?),
                    None => None,
                };
                let evidence = self.say(because.as_ref());
                let need = &policy.needs[*need];
                let lives = self.twin.raise(need, strength, until, &evidence, now, self.notes);
                if lives {
                    self.twin.add_guard(Derived::Need, &need.name, made_of);
                }
                self.requests.needs_moved |= lives;
            }
            RuleStep::Strengthen { need, by } => {
                let made_of = self.made_of([by.paths()].into_iter());
                let by = self.read(by, Expression::number)?;
                let need = &policy.needs[*need];
                let lives = self.twin.strengthen(need, by, now);
                if lives {
                    self.twin.add_guard(Derived::Need, &need.name, made_of);
                }
                self.requests.needs_moved |= lives;
            }
            RuleStep::Satisfy { need: position } => {
                let need = &policy.needs[*position];
                self.requests.met.push(*position);
                self.twin.satisfy(need);
                self.unguard(Derived::Need, &need.name);
            }
            RuleStep::Set { fact, value } => match self.read(value, Expression::value)? {
                Value::Null => {
                    self.twin.facts.remove(fact);
                    self.twin.fact_dates.clear(fact);
                    self.unguard(Derived::Fact, fact);
                }
                new => {
                    let made_of = self.made_of([value.paths()].into_iter());
                    self.keep_fact(fact, &new, made_of);
                }
            },
            RuleStep::Problem { topic } => {
                let topic = self.say(Some(topic));
                self.twin.note_problem(&topic, None, self.context, self.notes);
            }
            RuleStep::Prefer { .. } if !self.context.is_personal => {}
            RuleStep::Prefer { key, value } => match self.read(value, Expression::value)? {
                Value::Null => {}
                _ if self.made_of([value.paths()].into_iter()).is_some() => {
                    self.notes.policy(&self.rule.place, "a sensitive fact makes no preference");
                }
                value => {
                    // The input at hand is the newest entry.
                    let number = self.twin.timeline.total().saturating_sub(1);
                    let speaks = PreferenceSign::For(1.0);
                    let evidence = Evidence { key, value: &value, speaks, number, at: now };
                    let rule = &policy.preferences[key];
                    self.twin.profile.prefer_shown(&evidence, rule, self.notes);
                }
            },
            RuleStep::Declare { key, value } => match self.read(value, Expression::value)? {
                Value::Null => {}
                _ if self.made_of([value.paths()].into_iter()).is_some() => {
                    self.notes.policy(&self.rule.place, "a sensitive fact makes no preference");
                }
                value => {
                    let rule = policy.preferences.get(key);
                    let said = self.context.input.said;
                    self.twin.profile.declare(key, &value, rule, said, self.notes);
                }
            },
            RuleStep::Start { timer, due, every, catch_up } => {
                let due = match due {
                    Due::After(span) => now + self.read(span, Expression::span)?,
                    Due::At(time) => self.read(time, Expression::time)?,
                };
                let timer = Timer { name: timer.clone(), due, every: *every, catch_up: *catch_up };
                self.twin.start_timer(timer, self.effects, self.notes);
            }
            RuleStep::Cancel { timer } => self.twin.cancel_timer(timer, self.effects),
            // Whoever wants nothing done with what is kept is heard in what they say now.
            RuleStep::Escalate { .. } if self.context.is_restricted && !self.is_of_the_words() => {}
            RuleStep::Escalate { to, topic, priority, because } => {
                let queue = escalation::route(self.twin, to, self.context);
                let uses = policy.uses_of_queue(queue);
                let because = self.say_to(because.as_ref(), Some(&uses));
                let opening = NewEscalation { to, topic, priority: *priority, because: &because };
                let (effects, notes) = (&mut *self.effects, &mut *self.notes);
                escalation::escalate(self.twin, &opening, self.context, effects, notes);
            }
            RuleStep::Act { action } => {
                let known = self.requests.proposed.iter_mut().find(|(known, _)| known == action);
                match (known, &self.made_of) {
                    // One reason that anybody may know is enough.
                    (Some((_, made_of)), None) => *made_of = None,
                    (Some(_), Some(_)) => {}
                    (None, made_of) => self.requests.proposed.push((*action, made_of.clone())),
                }
            }
        }
        Ok(())
    }

    /// Whether the rule goes by nothing but what the customer says at this moment.
    fn is_of_the_words(&self) -> bool {
        self.rule.when.is_none() && self.context.said.is_some()
    }

    fn read<T>(
        &self,
        expression: &Expression,
        how: impl FnOnce(&Expression, &dyn crate::policy::Scope) -> Result<T, EvalError>,
    ) -> Result<T, EvalError> {
        how(expression, &View::whole(self.twin, self.context))
    }

    /// Words for people; none rather than words with a hole in them.
    fn say(&mut self, template: Option<&Template>) -> String {
        self.say_to(template, None)
    }

    /// Words for people who use them in this way.
    fn say_to(&mut self, template: Option<&Template>, uses: Option<&[Box<str>]>) -> String {
        let Some(template) = template else { return String::new() };
        let place = Some(&self.rule.place);
        let used = uses.map(|uses| ReadPurpose { uses, discreet: false, place });
        let view = View { used, ..View::whole(self.twin, self.context) };
        if self.context.is_guarded && template.paths().iter().any(|path| view.is_withheld(path)) {
            return String::new();
        }
        match template.render(&view) {
            Ok(words) => words,
            Err(error) => {
                let place: &SourceLocation = &self.rule.place;
                self.notes.policy(place, error);
                String::new()
            }
        }
    }

    /// What may be done with what a step makes of these paths; none: anything.
    fn made_of<'p>(&self, read: impl Iterator<Item = &'p [Path]>) -> Option<Purposes> {
        if !self.context.is_guarded {
            return None;
        }
        read.fold(self.made_of.clone(), |all, paths| {
            both(all, self.twin.purposes_at_all(paths, self.context))
        })
    }

    fn unguard(&mut self, of: Derived, name: &str) {
        if self.context.is_guarded {
            self.twin.set_guard(of, name, None);
        }
    }

    fn keep_fact(&mut self, fact: &str, value: &Value, made_of: Option<Purposes>) {
        let facts = &mut self.twin.facts;
        if facts.len() == limits::FACTS && facts.get(fact).is_none() {
            self.notes.limit("FACTS");
        } else if let Some(value) = profile::kept(value, self.notes) {
            facts.insert(fact, value);
            self.twin.fact_dates.set(fact, self.context.input.at);
            if self.context.is_guarded {
                self.twin.set_guard(Derived::Fact, fact, made_of);
            }
        }
    }
}
