//! The context of one reaction.

use std::cell::RefCell;
use std::sync::Arc;

use super::{Broadcasts, LiveBroadcast, MatchedRules, MessageContent, NewMeetings, World};
use crate::event::{EventType, OutcomeKind, Sensitivity, Time};
use crate::models::Snapshot;
use crate::policy::{
    DUE_TIMER, EXPIRED, IGNORED_TIMER, Path, Policy, Root, SourceLocation, Trigger,
};
use crate::twin::input::{Cause, Input};
use crate::twin::note::Notes;
use crate::twin::state::{Signal, Twin};

/// The context of one reaction.
pub(in crate::twin) struct ReactionContext<'a> {
    pub(in crate::twin) input: &'a Input,
    pub(in crate::twin) policy: &'a Policy,
    /// The active broadcasts.
    pub(in crate::twin) broadcasts: &'a Broadcasts,
    /// The models learned from the outcomes of all customers.
    pub(in crate::twin) models: &'a Snapshot,
    /// The observer of matched rules.
    pub(in crate::twin) followed: Option<&'a MatchedRules>,
    /// The broadcasts that the twin receives with this input.
    pub(in crate::twin) met: NewMeetings,
    /// The campaign for which the twin decides.
    pub(in crate::twin) campaign: Option<&'a Arc<LiveBroadcast>>,
    /// When the twin was seen before this input.
    pub(in crate::twin) last_seen: Time,
    /// The analysed text, if the input is a message of the customer.
    pub(in crate::twin) message: Option<MessageContent>,
    /// The late parts of the event: a later statement is known.
    pub(in crate::twin) late: Box<[Box<str>]>,
    /// Whether personalization is allowed.
    pub(in crate::twin) is_personal: bool,
    /// Whether processing is restricted.
    pub(in crate::twin) is_restricted: bool,
    /// Whether the decision is for an agent to say: objections to contacting the customer now do not
    /// count, because they are already in conversation.
    pub(in crate::twin) is_for_agent: bool,
    /// Whether the twin has any sensitive data, so that reads must be checked.
    pub(in crate::twin) is_guarded: bool,
    /// Withheld reads: by whom, and why.
    withheld: RefCell<Vec<(SourceLocation, String)>>,
}

impl<'a> ReactionContext<'a> {
    pub(in crate::twin) fn new(
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
            met: NewMeetings::new(),
            campaign: None,
            last_seen,
            message: None,
            late: Box::default(),
            is_personal: twin.is_personal(policy, input.at),
            is_restricted: twin.is_restricted(policy, input.at),
            is_for_agent: twin.is_asked_by_agent(input),
            is_guarded,
            withheld: RefCell::default(),
        }
    }

    /// The same context, for a decision of an agent in conversation with the customer.
    pub(in crate::twin) fn for_an_agent(&self, twin: &Twin) -> ReactionContext<'a> {
        let world = World {
            policy: self.policy,
            broadcasts: self.broadcasts,
            models: self.models,
            followed: self.followed,
        };
        let context = ReactionContext::new(twin, self.input, &world, self.last_seen);
        ReactionContext { is_for_agent: true, ..context }
    }

    /// The twin's `now`: a late statement does not move time back, and a broadcast advances it without
    /// counting as seeing the customer.
    pub(in crate::twin) fn twin_now(&self, twin: &Twin) -> Time {
        twin.seen.max(self.input.at)
    }

    /// Whether something uses a part of the event that is late.
    pub(in crate::twin) fn reads_late_part(&self, read: &[Path]) -> bool {
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
    pub(in crate::twin) fn topics(&self) -> impl Iterator<Item = (Trigger, &str)> {
        self.message.iter().flat_map(MessageContent::topics).map(|topic| (Trigger::Topic, topic))
    }

    /// Further triggers of the input: the topics that it matches, further requested placements, and the
    /// broadcasts that are received.
    pub(in crate::twin) fn further_triggers(&self) -> impl Iterator<Item = (Trigger, &str)> {
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
    pub(in crate::twin) fn further_places(&self) -> impl Iterator<Item = (Trigger, &str)> {
        let ask = self.input.ask();
        let places = ask.into_iter().flat_map(|ask| ask.places().skip(1));
        places.map(|place| (Trigger::Event(EventType::Ask), place))
    }

    /// Records that sensitive data was not read, once for each reader and reason.
    pub(in crate::twin) fn withhold(&self, place: &SourceLocation, why: String) {
        let mut withheld = self.withheld.borrow_mut();
        if !withheld.iter().any(|(known, reason)| known == place && *reason == why) {
            withheld.push((place.clone(), why));
        }
    }

    /// Notes the withheld reads for operators.
    pub(in crate::twin) fn note_withheld(&self, notes: &mut Notes) {
        for (place, why) in self.withheld.take() {
            notes.policy(&place, why);
        }
    }
}
