//! A policy as the twin uses it: compiled, checked, indexed. Every value here is valid.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::consents::KNOWN_PURPOSES;
use super::purposes::SIGNAL_PURPOSE;
use super::queues::QUEUE_PURPOSE;
use super::retention::RetentionRule;
use super::{
    ActionDefinition, Aggregates, AutoEscalations, ConsentRule, ContactRules, DissatisfactionRule,
    ErasureRule, Experiments, Explore, Expression, Files, GraveRules, IdentityRule, Index, Issue,
    IssueWeights, Mistake, Occasion, PERSONALIZATION, PROCESSING, PROFILING, Path, Purposes, Queue,
    Rule, SignalRule, SourceLocation, Speech, Suitability, Trigger, Version,
};
use crate::event::{Sensitivity, SignalData, is_same_name};
use hashbrown::HashMap;

/// What a company wants of its twins: rules, needs, actions, treatments and limits, loaded from one
/// folder and versioned by the hash of its content.
#[derive(Debug)]
pub struct Policy {
    /// The policy's name.
    pub name: Box<str>,
    /// The hash of the policy's files.
    pub version: Version,
    /// The policy's files, including those of experiment arms.
    pub files: Arc<Files>,
    /// Warnings, ordered by file and line: valid, but probably not intended.
    pub remarks: Box<[Mistake]>,
    /// The inputs that trigger something, by kind and detail, with their locations.
    pub heard: Box<[(Trigger, Box<str>, SourceLocation)]>,
    /// The languages of treatments, as BCP 47 tags; the first is the default.
    pub languages: Box<[Box<str>]>,
    /// The needs that rules may raise.
    pub needs: Box<[NeedDefinition]>,
    /// The preferences that rules may infer, by key.
    pub preferences: BTreeMap<Box<str>, PreferenceRule>,
    /// How messages are analysed, and the topics that they may match.
    pub speech: Speech,
    /// The rules for interactions that pause and resume, by kind.
    pub interactions: BTreeMap<Box<str>, InteractionRule>,
    /// The actions.
    pub actions: Box<[ActionDefinition]>,
    /// The rules, in the order of files and lines.
    pub rules: Box<[Rule]>,
    /// The rules that an input triggers.
    pub(super) index: Index,
    /// The aggregates over a twin's events.
    pub aggregates: Aggregates,
    /// The experiments on shares of the customers.
    pub experiments: Arc<Experiments>,
    /// The policies of experiment arms, by the names of their folders. They have the same experiments and
    /// the same version.
    pub arms: BTreeMap<Box<str>, Policy>,
    /// How dissatisfaction is computed; none: it is not used.
    pub dissatisfaction: Option<DissatisfactionRule>,
    /// The sensitivity of signals, by name.
    pub context: BTreeMap<Box<str>, SignalRule>,
    /// The consent rules, by purpose.
    pub consents: BTreeMap<Box<str>, ConsentRule>,
    /// How often, and when, a customer may be contacted.
    pub contact: ContactRules,
    /// The longest time for which any action can be recalled.
    pub pending: Duration,
    /// When sales are unsuitable.
    pub suitability: Suitability,
    /// The weight of each issue.
    pub weights: IssueWeights,
    /// The model features that distinguish customers and situations; none: only the results of
    /// exploration are learned.
    pub features: Option<Box<[Expression]>>,
    /// Exploration; none: disabled.
    pub explore: Option<Explore>,
    /// Positions of actions by placement, ascending.
    pub(super) shown: BTreeMap<Box<str>, Vec<u32>>,
    /// Positions of the actions with a placement, ascending.
    pub(super) shown_somewhere: Box<[u32]>,
    /// Positions of needs by name.
    pub(super) needs_by_name: HashMap<Box<str>, usize>,
    /// Positions of actions by position of the need that they serve, ascending.
    pub(super) serving: Box<[Vec<u32>]>,
    /// Positions of actions by name.
    pub(super) by_name: HashMap<Box<str>, u32>,
    /// The queues of agents, in the order of files and lines.
    pub queues: Box<[Queue]>,
    /// Automatic escalations.
    pub escalates: AutoEscalations,
    /// What follows from grave topics.
    pub grave: GraveRules,
    /// Retention periods; none: only the limits apply.
    pub retention: Option<RetentionRule>,
    /// How erasures are handled.
    pub erasure: ErasureRule,
    /// Placeholder identifiers, and the traits that make a customer known.
    pub identity: IdentityRule,
    /// Indexed paths (traits and facts), for broadcasts that often select by them.
    pub indexed: Box<[Path]>,
}

impl Policy {
    /// The rules that an input of this kind triggers, in the order of files and lines; also those of its
    /// further triggers: topics that it matches, broadcasts that are received with it.
    pub fn rules_for<'a>(
        &'a self,
        trigger: Trigger,
        detail: &str,
        further_triggers: impl IntoIterator<Item = (Trigger, &'a str)>,
    ) -> impl Iterator<Item = &'a Rule> {
        let found = self.index.concerned(trigger, detail, further_triggers);
        (0..found.len()).map(move |at| &self.rules[found[at] as usize])
    }

    /// The need with this name.
    pub fn need(&self, name: &str) -> Option<&NeedDefinition> {
        self.needs.get(self.need_position(name)?)
    }

    /// The action with this name.
    pub fn action(&self, name: &str) -> Option<&ActionDefinition> {
        self.actions.get(self.action_position(name)?)
    }

    /// The position of an action.
    pub fn action_position(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).map(|at| *at as usize)
    }

    /// Positions of the actions that serve a need, by its position; ascending.
    pub fn serving(&self, need: usize) -> &[u32] {
        self.serving.get(need).map_or(&[], Vec::as_slice)
    }

    /// The position of a need.
    pub fn need_position(&self, name: &str) -> Option<usize> {
        self.needs_by_name.get(name).copied()
    }

    /// Positions of the actions that may be shown in some placement; ascending.
    pub fn shown_somewhere(&self) -> &[u32] {
        &self.shown_somewhere
    }

    /// Positions of the actions that may be shown in a placement; ascending.
    pub fn in_placement(&self, placement: &str) -> &[u32] {
        self.shown.get(placement).map_or(&[], Vec::as_slice)
    }
}

impl Policy {
    /// The queue with this name.
    pub fn queue(&self, name: &str) -> Option<&Queue> {
        self.queues.iter().find(|queue| *queue.name == *name)
    }

    /// The purposes for which the agents of a queue use facts.
    pub fn uses_of_queue(&self, queue: &str) -> Box<[Box<str>]> {
        [self.purpose_of_queue(queue).into()].into()
    }

    /// The one purpose for which the agents of a queue use facts.
    pub fn purpose_of_queue(&self, queue: &str) -> &str {
        self.queue(queue).map_or(QUEUE_PURPOSE, |queue| &queue.purpose)
    }
}

impl Policy {
    /// The purposes of a signal: none if unrestricted.
    pub fn purposes(
        &self,
        name: &str,
        reported: Sensitivity,
        purpose: Option<&str>,
    ) -> Option<Purposes> {
        let rule = self.context.get(name);
        let declared = rule.map_or(Sensitivity::Public, |rule| rule.sensitivity);
        if reported.max(declared) != Sensitivity::Sensitive {
            return None;
        }
        let declared = rule.and_then(|rule| rule.purposes.as_ref());
        Some(match (declared, purpose) {
            (Some(declared), Some(purpose)) => declared.and(&Purposes::new([purpose.into()])),
            (Some(declared), None) => declared.clone(),
            (None, purpose) => Purposes::new([purpose.unwrap_or(SIGNAL_PURPOSE).into()]),
        })
    }

    /// The purposes of a reported signal: none if unrestricted.
    pub fn purposes_of(&self, signal: &SignalData) -> Option<Purposes> {
        self.purposes(&signal.name, signal.sensitivity, signal.purpose.as_deref())
    }
}

impl Policy {
    /// The rule of a purpose, for any spelling of its name.
    pub fn consent_rule(&self, purpose: &str) -> Option<&ConsentRule> {
        self.consents.get(purpose).or_else(|| {
            let mut all = self.consents.iter();
            all.find(|(known, _)| is_same_name(known, purpose)).map(|(_, rule)| rule)
        })
    }

    /// The policy's spelling of a purpose, for any spelling of it; none if the policy has no such
    /// purpose.
    pub fn purpose_called(&self, name: &str) -> Option<&str> {
        let declared = self.consents.keys();
        let used = self.actions.iter().flat_map(|action| action.purpose.iter().chain(&action.uses));
        let of_queues = self.queues.iter().map(|queue| &queue.purpose);
        let given = self.context.values().filter_map(|signal| signal.purposes.as_ref());
        let given = given.flat_map(|purposes| purposes.iter());
        let own = declared.chain(used).chain(of_queues).map(|name| &**name).chain(given);
        let always = Issue::NAMES.iter().copied().chain(KNOWN_PURPOSES);
        own.chain(always).find(|known| is_same_name(known, name))
    }

    /// The policy's spelling of a channel, for any spelling of it; none: no action uses the channel.
    pub fn channel_called(&self, name: &str) -> Option<&str> {
        let treatments = self.actions.iter().flat_map(|action| &action.treatments);
        treatments.map(|way| &*way.channel).find(|known| is_same_name(known, name))
    }

    /// Whether a purpose needs the customer's consent, if they have made no statement.
    pub fn needs_consent(&self, purpose: &str) -> bool {
        // A customer expects to be served at all, so this needs no consent; it can be refused, too.
        let free = [PERSONALIZATION, PROFILING, PROCESSING];
        let otherwise = !free.iter().any(|known| is_same_name(known, purpose));
        self.consent_rule(purpose).map_or(otherwise, |rule| rule.needed)
    }
}

/// A need that rules may raise in a twin.
#[derive(Debug)]
pub struct NeedDefinition {
    /// Its name.
    pub name: Box<str>,
    /// What it means, for people.
    pub describe: Box<str>,
    /// How long it is live after it was last raised or strengthened.
    pub expires: Duration,
    /// Its location.
    pub place: SourceLocation,
}

/// How a preference is inferred, and when it may be used.
#[derive(Debug, Clone, PartialEq)]
pub struct PreferenceRule {
    /// The minimum number of times the value must have been chosen.
    pub evidence_min: u32,
    /// The minimum confidence in the value, 0 to 1, before it is used.
    pub confidence_min: f64,
    /// The minimum confidence in the value, 0 to 1, before it is mentioned to the customer; at least that
    /// for its use.
    pub say_min: f64,
    /// The time in which the weight of a choice halves.
    pub half_life: Duration,
    /// How long nothing is inferred again after the customer asked to forget it.
    pub relearn_after: Duration,
    /// Its location.
    pub place: SourceLocation,
}

impl PreferenceRule {
    /// [`PreferenceRule::half_life`], if the policy gives none: a habit with two choices a year is kept.
    pub const HALF_LIFE: Duration = Duration::from_secs(180 * 86_400);
    /// [`PreferenceRule::relearn_after`], if the policy gives none.
    pub const RELEARN_AFTER: Duration = Duration::from_secs(90 * 86_400);
}

/// How interactions of a kind pause and resume.
#[derive(Debug)]
pub struct InteractionRule {
    /// It is paused after this time without activity.
    pub pause_after: Duration,
    /// The inputs by which the customer leaves the channel, which pauses the interactions there.
    pub leaves: Box<[Occasion]>,
    /// The inputs that show that the customer, or an agent for them, is present again.
    pub returns: Box<[Occasion]>,
    /// Position in [`Policy::actions`] of the action that offers to resume; none: it is not offered.
    pub resume: Option<usize>,
    /// The value of resuming it, 0 to 1.
    pub value: f64,
    /// The number of steps, if they are numbered.
    pub steps: Option<u32>,
    /// It is offered at most this long after it was paused.
    pub offer_within: Duration,
    /// Its location.
    pub place: SourceLocation,
}

impl InteractionRule {
    /// Whether the customer leaves with this input.
    pub fn is_leaving(&self, input: (Trigger, &str)) -> bool {
        self.leaves.iter().any(|occasion| occasion.is(input))
    }

    /// Whether this input shows that the customer, or an agent for them, is present again.
    pub fn is_return(&self, input: (Trigger, &str)) -> bool {
        self.returns.iter().any(|occasion| occasion.is(input))
    }
}

/// The prefix of the timers that check the silence of interactions: the kind follows. No timer of a
/// policy can have such a name.
pub const PAUSE_TIMER: &str = "pause:";

/// The prefix of the timers that wait for the end of quiet hours: what is deferred follows, a rule's
/// action, or `*` for actions that serve needs.
pub const QUIET_TIMER: &str = "quiet:";

/// The timer that marks actions without an outcome as ignored.
pub const IGNORED_TIMER: &str = "ignored:";

/// The timer that ends waiting for the goals of experiments that measure uplift.
pub const GOAL_TIMER: &str = "goal:";

/// The timer for the next consent that expires.
pub const CONSENT_TIMER: &str = "consent:";

/// The timer for the next value whose retention period ends.
pub const RETENTION_TIMER: &str = "retention:";
