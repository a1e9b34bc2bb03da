//! A policy as the twin uses it: compiled, checked, indexed. Every value here is valid.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

use super::retention::RetentionRule;
use super::rules::Pattern;
use super::{
    Aggregates, AutoEscalations, ConsentRule, ContactRules, DissatisfactionRule, ErasureRule,
    EscalationTarget, Experiments, Explore, Expression, Files, IdentityRule, IssueWeights, Mistake,
    Path, Queue, Root, SignalRule, Speech, Suitability, Template,
};
use crate::event::{EventType, Map, folded_name};
use crate::models::Arm;

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
    pub tallies: Aggregates,
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
        besides: impl IntoIterator<Item = (Trigger, &'a str)>,
    ) -> impl Iterator<Item = &'a Rule> {
        let found = self.index.concerned(trigger, detail, besides);
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
    pub fn shown(&self, placement: &str) -> &[u32] {
        self.shown.get(placement).map_or(&[], Vec::as_slice)
    }
}

/// The version of a policy: the first 16 hexadecimal digits of the SHA-256 of its files' names and
/// contents.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct Version(pub Box<str>);

impl fmt::Display for Version {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// A location in the policy's files, for explanations. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SourceLocation(Arc<str>);

impl SourceLocation {
    /// A line, from 1, of a file whose path is relative to the policy's folder.
    pub fn new(file: &str, line: u32) -> SourceLocation {
        SourceLocation(format!("{file}:{line}").into())
    }

    /// The file.
    pub fn file(&self) -> &str {
        self.0.rsplit_once(':').map_or(&self.0, |(file, _)| file)
    }

    /// The line, from 1.
    pub fn line(&self) -> u32 {
        self.0.rsplit_once(':').and_then(|(_, line)| line.parse().ok()).unwrap_or(1)
    }

    /// The location as text: `cards.toml:33`.
    pub fn written(&self) -> &Arc<str> {
        &self.0
    }
}

impl fmt::Display for SourceLocation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// The kind of input that triggers a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Trigger {
    /// An event of this type.
    Event(EventType),
    /// A timer of the twin that fired.
    Timer,
    /// A message of the customer that matches a topic.
    Topic,
    /// A broadcast that matches the customer, who receives it.
    Broadcast,
    /// The customer's dissatisfaction has reached the policy's alarm threshold.
    Dissatisfaction,
}

impl Trigger {
    /// An input of this kind and detail, as in a rule's `on`: `track:Flight Booked`.
    pub fn called(self, detail: &str) -> String {
        let kind = match self {
            Trigger::Event(kind) => kind.name(),
            Trigger::Timer => "timer",
            Trigger::Topic => "topic",
            Trigger::Broadcast => "broadcast",
            Trigger::Dissatisfaction => "dissatisfaction",
        };
        if detail.is_empty() { kind.to_owned() } else { format!("{kind}:{detail}") }
    }

    /// A detail in the form for comparison: channels write purposes in any case.
    fn spelled(self, detail: &str) -> Cow<'_, str> {
        match self {
            Trigger::Event(EventType::Consent) => folded_name(detail),
            _ => Cow::Borrowed(detail),
        }
    }
}

/// An index of rules by trigger and detail, so that an input evaluates only relevant rules.
#[derive(Debug, Default)]
pub struct Index {
    exact: HashMap<(Trigger, Box<str>), Box<[u32]>>,
    any: HashMap<Trigger, Box<[u32]>>,
}

impl Index {
    /// An index of positions by trigger. The entries of a detail include those for any detail.
    pub(super) fn of<'a>(things: impl Iterator<Item = &'a [Pattern]>) -> Index {
        let mut any: HashMap<Trigger, BTreeSet<u32>> = HashMap::new();
        let mut exact: HashMap<(Trigger, Box<str>), BTreeSet<u32>> = HashMap::new();
        for (at, on) in (0u32..).zip(things) {
            for (trigger, detail) in on {
                match detail {
                    None => any.entry(*trigger).or_default().insert(at),
                    Some(detail) => {
                        let detail = trigger.spelled(detail).into();
                        exact.entry((*trigger, detail)).or_default().insert(at)
                    }
                };
            }
        }
        for ((trigger, _), positions) in &mut exact {
            positions.extend(any.get(trigger).into_iter().flatten());
        }
        let ordered = Vec::from_iter::<BTreeSet<u32>>;
        Index {
            exact: exact.into_iter().map(|(key, all)| (key, ordered(all).into())).collect(),
            any: any.into_iter().map(|(key, all)| (key, ordered(all).into())).collect(),
        }
    }

    /// Positions of the entries that an input and its further triggers concern; ascending.
    pub(super) fn concerned<'a>(
        &self,
        trigger: Trigger,
        detail: &str,
        besides: impl IntoIterator<Item = (Trigger, &'a str)>,
    ) -> Cow<'_, [u32]> {
        let mut found = Cow::Borrowed(self.get(trigger, detail));
        for (trigger, detail) in besides {
            let more = self.get(trigger, detail);
            if !more.is_empty() {
                found.to_mut().extend_from_slice(more);
            }
        }
        if let Cow::Owned(found) = &mut found {
            found.sort_unstable();
            found.dedup();
        }
        found
    }

    /// Positions, ascending.
    fn get(&self, trigger: Trigger, detail: &str) -> &[u32] {
        #[derive(Hash)]
        struct Borrowed<'a>(Trigger, &'a str);
        impl hashbrown::Equivalent<(Trigger, Box<str>)> for Borrowed<'_> {
            fn equivalent(&self, key: &(Trigger, Box<str>)) -> bool {
                self.0 == key.0 && *self.1 == *key.1
            }
        }
        self.exact
            .get(&Borrowed(trigger, &trigger.spelled(detail)))
            .or_else(|| self.any.get(&trigger))
            .map_or(&[], |rules| rules)
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

/// An input as a policy names it: by its kind and detail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Occasion {
    /// The kind of input.
    pub trigger: Trigger,
    /// Its detail; none: any.
    pub detail: Option<Box<str>>,
}

impl Occasion {
    fn is(&self, (trigger, detail): (Trigger, &str)) -> bool {
        self.trigger == trigger && self.detail.as_deref().is_none_or(|own| own == detail)
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

/// The timer for the next consent that expires.
pub const CONSENT_TIMER: &str = "consent:";

/// The timer for the next value whose retention period ends.
pub const RETENTION_TIMER: &str = "retention:";

/// One rule: on an input, if a condition holds, run these steps.
#[derive(Debug)]
pub struct Rule {
    /// Its name.
    pub name: Box<str>,
    /// The condition; none: always.
    pub when: Option<Expression>,
    /// The steps, in order.
    pub then: Box<[RuleStep]>,
    /// Its location.
    pub place: SourceLocation,
}

/// One consequence of a rule.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a policy holds some thousands, made once")]
pub enum RuleStep {
    /// Raises a need of the twin to at least this strength.
    Raise {
        /// Position in [`Policy::needs`].
        need: usize,
        /// 0 to 1.
        strength: Expression,
        /// When the need ends, if sooner than its expiry.
        until: Option<Expression>,
        /// The reason, for people to read.
        because: Option<Template>,
    },
    /// Strengthens the need, if the twin has it, by this share of the distance to 1.
    Strengthen {
        /// Position in [`Policy::needs`].
        need: usize,
        /// 0 to 1.
        by: Expression,
    },
    /// Satisfies the need: it is removed.
    Satisfy {
        /// Position in [`Policy::needs`].
        need: usize,
    },
    /// Sets a fact; `null` removes it.
    Set {
        /// The fact.
        fact: Box<str>,
        /// Its value.
        value: Expression,
    },
    /// Records a problem of the customer, perhaps a repeated one: it counts for dissatisfaction.
    Problem {
        /// The topic; the same text is the same problem.
        topic: Template,
    },
    /// Records a choice of the customer: evidence for a preference.
    Prefer {
        /// A key of [`Policy::preferences`].
        key: Box<str>,
        /// The chosen value.
        value: Expression,
    },
    /// Declares a preference for the customer.
    Declare {
        /// A key of [`Policy::preferences`].
        key: Box<str>,
        /// The preferred value.
        value: Expression,
    },
    /// Starts or restarts a durable timer.
    Start {
        /// Its name.
        timer: Box<str>,
        /// When it fires.
        due: Due,
        /// The interval after which it fires again; none: it fires once.
        every: Option<Duration>,
        /// How missed firings are handled.
        catch_up: CatchUp,
    },
    /// Cancels a timer.
    Cancel {
        /// Its name.
        timer: Box<str>,
    },
    /// Escalates to agents.
    Escalate {
        /// The target.
        to: EscalationTarget,
        /// The topic; there is one open escalation for each conversation, else for each queue and topic.
        topic: Box<str>,
        /// The priority, from 1 (not urgent) to 5 (immediately).
        priority: u8,
        /// The reason, for people to read.
        because: Option<Template>,
    },
    /// Proposes an action as a candidate of this reaction, whether or not a need asks for it.
    Act {
        /// Position in [`Policy::actions`].
        action: usize,
    },
}

/// When a timer fires.
#[derive(Debug)]
pub enum Due {
    /// This long after now.
    After(Expression),
    /// At this time.
    At(Expression),
}

/// How a timer's firings missed during a downtime are handled.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum CatchUp {
    /// Every missed firing runs, one after the other.
    #[default]
    Run,
    /// The missed firings are merged into one late firing.
    Coalesce,
    /// A firing more than a minute late does not run.
    Skip,
}

/// The kinds of objectives that actions serve, and that must be kept in balance.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Issue {
    /// Help with what the customer has.
    Service,
    /// Retention of the customer.
    Retention,
    /// Improvement of the customer's life without a sale.
    Nurture,
    /// A sale.
    Sales,
}

impl Issue {
    /// The issue's name in policies and on the bus.
    pub const fn name(self) -> &'static str {
        match self {
            Issue::Service => "service",
            Issue::Retention => "retention",
            Issue::Nurture => "nurture",
            Issue::Sales => "sales",
        }
    }
}

/// The definition of an action: something the company can do for the customer.
#[derive(Debug)]
pub struct ActionDefinition {
    /// Its name; records of decisions share it.
    pub name: Arc<str>,
    /// Positions in [`Policy::needs`] of the needs that it serves.
    pub serves: Box<[usize]>,
    /// The issue it belongs to.
    pub issue: Issue,
    /// The purpose whose consent it needs; none: it needs none.
    pub purpose: Option<Box<str>>,
    /// The purposes for which it uses facts: its purpose or its issue, and `sales` if it sells.
    pub uses: Box<[Box<str>]>,
    /// The placements in which it may be shown.
    pub placements: Box<[Box<str>]>,
    /// The condition of eligibility; none: every customer is eligible.
    pub eligible: Option<Expression>,
    /// The condition of applicability; none: it is always applicable.
    pub when: Option<Expression>,
    /// The condition of suitability; none: it is always suitable.
    pub suitable: Option<Expression>,
    /// Its value, 0 to 1.
    pub value: Worth,
    /// The prior probability of acceptance; none: unknown.
    pub propensity: Option<PriorPropensity>,
    /// The lever that people set for or against it, 0.1 to 10.
    pub lever: f64,
    /// Whether it must be sent: limits and quiet hours do not apply to it.
    pub vital: bool,
    /// Its cooldown after it was taken.
    pub cooldown: Duration,
    /// It counts as ignored after this time without an outcome; none: only if a channel says so.
    pub ignored_after: Option<Duration>,
    /// It can be recalled for this long, unless it has been seen.
    pub pending: Duration,
    /// Data for the integrator, by name.
    pub data: Box<[(Box<str>, Expression)]>,
    /// Its treatments, best first.
    pub treatments: Box<[Treatment]>,
    /// Its location.
    pub place: SourceLocation,
}

impl ActionDefinition {
    /// The event paths that it reads (except the time), which are no longer available in a later decision
    /// without that event. Empty: it depends only on the twin's state.
    pub fn of_event(&self) -> impl Iterator<Item = &Path> {
        let worth = match &self.value {
            Worth::Of(value) => Some(value),
            Worth::Fixed(_) => None,
        };
        let asked = [&self.eligible, &self.when, &self.suitable].into_iter().flatten().chain(worth);
        let told = self.treatments.iter().flat_map(|treatment| {
            let texts = treatment.texts.values().map(Template::paths);
            treatment.when.iter().map(Expression::paths).chain(texts)
        });
        let data = self.data.iter().map(|(_, value)| value.paths());
        let read = asked.map(Expression::paths).chain(told).chain(data).flatten();
        read.filter(|path| path.root == Root::Event && path.names().next() != Some("time"))
    }
}

/// The value of an action.
#[derive(Debug)]
pub enum Worth {
    /// A fixed value.
    Fixed(f64),
    /// The result of this expression, clamped to 0 to 1.
    Of(Expression),
}

/// The prior probability that a customer accepts an action.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PriorPropensity {
    /// The probability, above 0 and below 1.
    pub expected: f64,
    /// Its weight in observations.
    pub weight: f64,
}

/// How an action is presented.
#[derive(Debug)]
pub struct Treatment {
    /// Its name, unique within the action; records of decisions share it.
    pub name: Arc<str>,
    /// The channel.
    pub channel: Box<str>,
    /// The only placement for which it is made; none: any.
    pub placement: Option<Box<str>>,
    /// The tone: `neutral`, `gentle`, `direct`, `urgent`…
    pub tone: Box<str>,
    /// Creative attributes for the channel: an image, a colour…
    pub variant: Map,
    /// The condition; none: always.
    pub when: Option<Expression>,
    /// Whether sensitive data is excluded from it, even if the purpose allows it.
    pub discreet: bool,
    /// The arm by which the models know it.
    pub arm: Arm,
    /// The texts, by language tag.
    pub texts: BTreeMap<Box<str>, Template>,
    /// Its location.
    pub place: SourceLocation,
}
