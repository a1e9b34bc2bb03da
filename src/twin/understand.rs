//! Understand: policy rules raise, strengthen and satisfy needs, set facts, note choices, start timers,
//! escalate and propose actions.

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

/// The context of one reaction.
pub(super) struct ReactionContext<'a> {
    pub(super) input: &'a Input,
    pub(super) policy: &'a Policy,
    /// The active broadcasts.
    pub(super) broadcasts: &'a Broadcasts,
    /// The models learned from the outcomes of all customers.
    pub(super) models: &'a Snapshot,
    /// The observer of matched rules.
    pub(super) followed: Option<&'a MatchedRules>,
    /// The broadcasts that the twin receives with this input.
    pub(super) met: broadcast::NewMeetings,
    /// The campaign for which the twin decides.
    pub(super) campaign: Option<&'a Arc<LiveBroadcast>>,
    /// When the twin was seen before this input.
    pub(super) last_seen: Time,
    /// The analysed text, if the input is a message of the customer.
    pub(super) said: Option<MessageContent>,
    /// The late parts of the event: a later statement is known.
    pub(super) late: Box<[Box<str>]>,
    /// Whether personalization is allowed.
    pub(super) is_personal: bool,
    /// Whether processing is restricted.
    pub(super) is_restricted: bool,
    /// Whether the decision is for an agent to say: objections to contacting the customer now do not
    /// count, because they are already in conversation.
    pub(super) is_for_agent: bool,
    /// Whether the twin has any sensitive data, so that reads must be checked.
    pub(super) is_guarded: bool,
    /// Withheld reads: by whom, and why.
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

    /// The same context, for a decision of an agent in conversation with the customer.
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

    /// The twin's `now`: a late input does not move time back, and a broadcast advances it without
    /// counting as seeing the customer.
    pub(super) fn lived(&self, twin: &Twin) -> Time {
        twin.seen.max(self.input.at)
    }

    /// Whether something uses a part of the event that is late.
    pub(super) fn goes_by_what_is_late(&self, read: &[Path]) -> bool {
        let is_late = |path: &Path| {
            path.root == Root::Event
                && self.late.iter().any(|late| {
                    // The part itself, one that contains it, or one within it.
                    late.split('.').zip(path.names()).all(|(late, read)| late == read)
                })
        };
        !self.late.is_empty() && read.iter().any(is_late)
    }

    /// The topics that the input matches.
    pub(super) fn topics(&self) -> impl Iterator<Item = (Trigger, &str)> {
        self.said.iter().flat_map(MessageContent::topics).map(|topic| (Trigger::Topic, topic))
    }

    /// Further triggers of the input: the topics that it matches, further requested placements, and the
    /// broadcasts that are received.
    pub(super) fn besides(&self) -> impl Iterator<Item = (Trigger, &str)> {
        let met = self.met.iter().map(|shared| (Trigger::Broadcast, &*shared.scope));
        self.topics().chain(self.further_places()).chain(self.noticed()).chain(met)
    }

    /// What the twin detects by itself: that an action had no outcome, that a deadline of an escalation
    /// was missed.
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

    /// The placements beyond the first that a channel requests.
    fn further_places(&self) -> impl Iterator<Item = (Trigger, &str)> {
        let ask = self.input.ask();
        let places = ask.into_iter().flat_map(|ask| ask.places().skip(1));
        places.map(|place| (Trigger::Event(EventType::Ask), place))
    }

    /// Records that sensitive data was not read, once for each reader and reason.
    pub(super) fn withhold(&self, place: &SourceLocation, why: String) {
        let mut withheld = self.withheld.borrow_mut();
        if !withheld.iter().any(|(known, said)| known == place && *said == why) {
            withheld.push((place.clone(), why));
        }
    }

    /// Notes the withheld reads for operators.
    pub(super) fn tell_withheld(&self, notes: &mut Notes) {
        for (place, why) in self.withheld.take() {
            notes.policy(&place, why);
        }
    }
}

/// What the rules ask the arbitration to decide.
#[derive(Debug, Default)]
pub(super) struct DecisionRequests {
    /// Whether a need was raised or strengthened.
    pub(super) needs_moved: bool,
    /// Positions of the actions that rules proposed, with the purposes of the reasons.
    pub(super) proposed: SmallVec<[(usize, Option<Purposes>); 2]>,
    /// Positions of the needs that were just satisfied.
    pub(super) met: SmallVec<[usize; 2]>,
    /// The interaction to offer because the customer returned.
    pub(super) offer: Option<ResumeOffer>,
}

impl DecisionRequests {
    /// Requests a deferred decision again, as far as it still has a reason: an action that a rule
    /// proposed, one that asks for a consent that is still missing, or the actions that serve the current
    /// needs. Campaigns and interactions to resume are found as at other times.
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

/// Applies every rule that the input triggers, in the order of the policy. A rule sees the changes of
/// earlier rules.
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

/// Whether the input itself triggers a rule, and not only a broadcast that the twin receives with it.
fn is_of_input(rule: &Rule, context: &ReactionContext<'_>) -> bool {
    let (trigger, detail) = context.input.trigger();
    context.met.is_empty()
        || context
            .policy
            .rules_for(trigger, detail, context.topics().chain(context.further_places()))
            .any(|known| std::ptr::eq(known, rule))
}

/// Runs the steps of a rule, if its condition holds, with the purposes of what triggered it; none:
/// unrestricted.
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

/// The run of one rule on one twin.
struct RuleRun<'a, 'b> {
    twin: &'a mut Twin,
    context: &'a ReactionContext<'b>,
    rule: &'a Rule,
    effects: &'a mut Vec<Effect>,
    notes: &'a mut Notes,
    requests: &'a mut DecisionRequests,
    /// The purposes of what the rule has read; none: unrestricted.
    made_of: Option<Purposes>,
}

impl RuleRun<'_, '_> {
    /// Runs one step. A step whose expressions fail is skipped and noted, so that the other steps and the
    /// event are not affected.
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
                    self.notes.policy(
                        &self.rule.place,
                        "a preference cannot be inferred from a sensitive fact",
                    );
                }
                value => {
                    // The current input is the newest entry.
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
                    self.notes.policy(
                        &self.rule.place,
                        "a preference cannot be inferred from a sensitive fact",
                    );
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
            // If processing is restricted, a wish in the current message is still heard.
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
                    // One reason without restrictions is enough.
                    (Some((_, made_of)), None) => *made_of = None,
                    (Some(_), Some(_)) => {}
                    (None, made_of) => self.requests.proposed.push((*action, made_of.clone())),
                }
            }
        }
        Ok(())
    }

    /// Whether the rule reads only the customer's current message.
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

    /// A text for people; none if one of its placeholders has no value.
    fn say(&mut self, template: Option<&Template>) -> String {
        self.say_to(template, None)
    }

    /// A text for people who use it for these purposes.
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

    /// The purposes of what a step derives from these paths; none: unrestricted.
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
