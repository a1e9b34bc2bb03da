//! A policy as the twin reads it: compiled, checked, indexed. Nothing here can be wrong any more.

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
    /// The hash of everything the policy was made of.
    pub version: Version,
    /// What it was made of, with the policies of arms.
    pub files: Arc<Files>,
    /// What is allowed, and most likely not meant; in the order of files and lines.
    pub remarks: Box<[Mistake]>,
    /// Inputs that something of it answers to, by kind and detail, and where.
    pub heard: Box<[(Trigger, Box<str>, SourceLocation)]>,
    /// The languages in which treatments may be said, as BCP 47 tags; the first is the default.
    pub languages: Box<[Box<str>]>,
    /// The needs that rules may raise.
    pub needs: Box<[NeedDefinition]>,
    /// The preferences that rules may infer, by key.
    pub preferences: BTreeMap<Box<str>, PreferenceRule>,
    /// How messages are read, and the topics that they may touch.
    pub speech: Speech,
    /// The kinds of interactions that pause and are taken up again, by kind.
    pub interactions: BTreeMap<Box<str>, InteractionRule>,
    /// The actions that may be taken.
    pub actions: Box<[ActionDefinition]>,
    /// The rules, in the order of files and lines.
    pub rules: Box<[Rule]>,
    /// Which rules an input concerns.
    pub(super) index: Index,
    /// What twins count of the events that pass.
    pub tallies: Aggregates,
    /// What is tried on a part of the customers.
    pub experiments: Arc<Experiments>,
    /// The policies that customers in some arms of them live under, by the names of their folders.
    /// They have the same experiments and the same version.
    pub arms: BTreeMap<Box<str>, Policy>,
    /// What the dissatisfaction of a customer is made of; none: nobody asks.
    pub dissatisfaction: Option<DissatisfactionRule>,
    /// How sensitive signals are, by name.
    pub context: BTreeMap<Box<str>, SignalRule>,
    /// What needs the customer's consent, by purpose.
    pub consents: BTreeMap<Box<str>, ConsentRule>,
    /// How often, and when, a customer may be spoken to.
    pub contact: ContactRules,
    /// How long any action can be taken back, at most.
    pub pending: Duration,
    /// When it is no time to sell.
    pub suitability: Suitability,
    /// How much each issue weighs.
    pub weights: IssueWeights,
    /// What tells customers and moments apart, for the models; none: nothing is learned but what is
    /// explored.
    pub features: Option<Box<[Expression]>>,
    /// How far what is new may be tried; none: it is not.
    pub explore: Option<Explore>,
    /// Positions of actions by where they may be shown, ascending.
    pub(super) shown: BTreeMap<Box<str>, Vec<u32>>,
    /// Positions of the actions that may be shown somewhere, ascending.
    pub(super) shown_somewhere: Box<[u32]>,
    /// Positions of needs by name.
    pub(super) needs_by_name: HashMap<Box<str>, usize>,
    /// Positions of actions by position of the need that they serve, ascending.
    pub(super) serving: Box<[Vec<u32>]>,
    /// Positions of actions by name.
    pub(super) by_name: HashMap<Box<str>, u32>,
    /// The people who take over, in the order of files and lines.
    pub queues: Box<[Queue]>,
    /// What the twin hands to them by itself.
    pub escalates: AutoEscalations,
    /// How long what is known is kept; none: as long as there is room.
    pub retention: Option<RetentionRule>,
    /// What becomes of customers who are erased.
    pub erasure: ErasureRule,
    /// Which identifiers are nobody's, and who is known.
    pub identity: IdentityRule,
    /// What broadcasts often go by, so that an index of it is worth its cost: traits and facts.
    pub indexed: Box<[Path]>,
}

impl Policy {
    /// The rules that an input of this kind concerns, in the order of files and lines; also those
    /// of what else it means: topics that it touches, broadcasts that are met with it.
    pub fn rules_for<'a>(
        &'a self,
        trigger: Trigger,
        detail: &str,
        besides: impl IntoIterator<Item = (Trigger, &'a str)>,
    ) -> impl Iterator<Item = &'a Rule> {
        let found = self.index.concerned(trigger, detail, besides);
        (0..found.len()).map(move |at| &self.rules[found[at] as usize])
    }

    /// The need of a name.
    pub fn need(&self, name: &str) -> Option<&NeedDefinition> {
        self.needs.get(self.need_position(name)?)
    }

    /// The action of a name.
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

    /// Positions of the actions that may be shown in some place; ascending.
    pub fn shown_somewhere(&self) -> &[u32] {
        &self.shown_somewhere
    }

    /// Positions of the actions that may be shown in a place; ascending.
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

/// Where something stands in the policy's files: what an explanation points to. Cheap to clone.
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

    /// In words: `cards.toml:33`.
    pub fn written(&self) -> &Arc<str> {
        &self.0
    }
}

impl fmt::Display for SourceLocation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// What kind of input a rule answers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Trigger {
    /// An event of this type.
    Event(EventType),
    /// A timer of the twin that fired.
    Timer,
    /// A message of the customer's that touches a topic.
    Topic,
    /// A broadcast that concerns the customer: they meet it.
    Broadcast,
    /// The dissatisfaction of the customer has risen to the policy's alarm.
    Dissatisfaction,
}

impl Trigger {
    /// An input of this kind and detail, as a rule's `on` names it: `track:Flight Booked`.
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

    /// A detail as it is compared: channels write purposes in any capitals.
    fn spelled(self, detail: &str) -> Cow<'_, str> {
        match self {
            Trigger::Event(EventType::Consent) => folded_name(detail),
            _ => Cow::Borrowed(detail),
        }
    }
}

/// Positions by trigger and by detail, so that an input asks only what it concerns.
#[derive(Debug, Default)]
pub struct Index {
    exact: HashMap<(Trigger, Box<str>), Box<[u32]>>,
    any: HashMap<Trigger, Box<[u32]>>,
}

impl Index {
    /// Positions of things by what they answer to. The entries of a detail hold those for any
    /// detail, too.
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

    /// Positions of what an input concerns, and of what else it means; ascending.
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
    /// How long it lives after it was last raised or strengthened.
    pub expires: Duration,
    /// Where it stands.
    pub place: SourceLocation,
}

/// How a preference is inferred, and when it may be used.
#[derive(Debug, Clone, PartialEq)]
pub struct PreferenceRule {
    /// Least number of times the value must have been chosen.
    pub evidence_min: u32,
    /// Least confidence in the value, 0 to 1, before it is used.
    pub confidence_min: f64,
    /// Least confidence in the value, 0 to 1, before it is said to the customer; at least the one
    /// before it is used.
    pub say_min: f64,
    /// The time in which the weight of a choice halves.
    pub half_life: Duration,
    /// How long nothing is inferred again once the customer wanted it forgotten.
    pub relearn_after: Duration,
    /// Where it stands.
    pub place: SourceLocation,
}

impl PreferenceRule {
    /// [`PreferenceRule::half_life`] where the policy does not say: two habits a year stay alive.
    pub const HALF_LIFE: Duration = Duration::from_secs(180 * 86_400);
    /// [`PreferenceRule::relearn_after`] where the policy does not say.
    pub const RELEARN_AFTER: Duration = Duration::from_secs(90 * 86_400);
}

/// How interactions of a kind pause, and how they are taken up again.
#[derive(Debug)]
pub struct InteractionRule {
    /// After so long without a sign it is paused.
    pub pause_after: Duration,
    /// By these the customer leaves the channel, and what went on there is paused.
    pub leaves: Box<[Occasion]>,
    /// By these the customer, or an agent for them, turns up again.
    pub returns: Box<[Occasion]>,
    /// Position in [`Policy::actions`] of the action that offers to go on; none: it is not offered.
    pub resume: Option<usize>,
    /// What it is worth to go on, 0 to 1.
    pub value: f64,
    /// How many steps it has, if they are numbered.
    pub steps: Option<u32>,
    /// It is not offered any more so long after it was left.
    pub offer_within: Duration,
    /// Where it stands.
    pub place: SourceLocation,
}

impl InteractionRule {
    /// Whether the customer leaves by this input.
    pub fn is_leaving(&self, input: (Trigger, &str)) -> bool {
        self.leaves.iter().any(|occasion| occasion.is(input))
    }

    /// Whether the customer, or an agent for them, turns up by this input.
    pub fn is_return(&self, input: (Trigger, &str)) -> bool {
        self.returns.iter().any(|occasion| occasion.is(input))
    }
}

/// An input as a policy names it: of this kind and detail.
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

/// How the names of the timers begin that notice the silence of interactions: the kind follows. No
/// timer of a policy's own can have such a name.
pub const PAUSE_TIMER: &str = "pause:";

/// How the names of the timers begin that wait for quiet hours to end: what waits follows, a rule's
/// action, or `*` for what serves needs.
pub const QUIET_TIMER: &str = "quiet:";

/// The timer that waits for actions of which nothing comes.
pub const IGNORED_TIMER: &str = "ignored:";

/// The timer that waits for consents that lapse.
pub const CONSENT_TIMER: &str = "consent:";

/// The timer that waits for what grows old.
pub const RETENTION_TIMER: &str = "retention:";

/// One rule: on such an input, if such a condition holds, then these steps.
#[derive(Debug)]
pub struct Rule {
    /// Its name.
    pub name: Box<str>,
    /// What must hold; none: always.
    pub when: Option<Expression>,
    /// What then happens, in this order.
    pub then: Box<[RuleStep]>,
    /// Where it stands.
    pub place: SourceLocation,
}

/// One consequence of a rule.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a policy holds some thousands, made once")]
pub enum RuleStep {
    /// The twin has this need, at least at this strength.
    Raise {
        /// Position in [`Policy::needs`].
        need: usize,
        /// 0 to 1.
        strength: Expression,
        /// The need ends at this moment, if sooner than its expiry.
        until: Option<Expression>,
        /// Why, in words for people.
        because: Option<Template>,
    },
    /// The need, if the twin has it, grows by this share of what is missing to 1.
    Strengthen {
        /// Position in [`Policy::needs`].
        need: usize,
        /// 0 to 1.
        by: Expression,
    },
    /// The need is met: it goes.
    Satisfy {
        /// Position in [`Policy::needs`].
        need: usize,
    },
    /// A fact gets a value; `null` takes it away.
    Set {
        /// The fact.
        fact: Box<str>,
        /// Its value.
        value: Expression,
    },
    /// The customer has a problem, perhaps again: it counts for dissatisfaction.
    Problem {
        /// What it is about; the same words are the same problem.
        topic: Template,
    },
    /// The customer chose this: evidence for a preference.
    Prefer {
        /// A key of [`Policy::preferences`].
        key: Box<str>,
        /// What was chosen.
        value: Expression,
    },
    /// The customer said so: a declared preference.
    Declare {
        /// A key of [`Policy::preferences`].
        key: Box<str>,
        /// What is preferred.
        value: Expression,
    },
    /// A durable timer starts, or starts anew.
    Start {
        /// Its name.
        timer: Box<str>,
        /// When it fires.
        due: Due,
        /// It fires again after each such span.
        every: Option<Duration>,
        /// What happens to firings that were missed.
        catch_up: CatchUp,
    },
    /// A timer goes without firing.
    Cancel {
        /// Its name.
        timer: Box<str>,
    },
    /// The twin hands over to people.
    Escalate {
        /// To whom.
        to: EscalationTarget,
        /// What it is about; one open escalation for each conversation, else for each queue and
        /// topic.
        topic: Box<str>,
        /// 1 (whenever) to 5 (now).
        priority: u8,
        /// Why, in words for people.
        because: Option<Template>,
    },
    /// An action becomes a candidate of this reaction, whether or not a need asks for it.
    Act {
        /// Position in [`Policy::actions`].
        action: usize,
    },
}

/// When a timer fires.
#[derive(Debug)]
pub enum Due {
    /// So long after now.
    After(Expression),
    /// At a moment.
    At(Expression),
}

/// What happens to a timer's firings that were missed while the service was down.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum CatchUp {
    /// Every missed firing runs, one after the other.
    #[default]
    Run,
    /// The missed firings run as one, late.
    Coalesce,
    /// A firing more than a minute late does not run.
    Skip,
}

/// The kinds of purpose that actions serve, and that must be kept in balance.
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
    /// Helping with what the customer has.
    Service,
    /// Keeping the customer.
    Retention,
    /// Making the customer's life better without a sale.
    Nurture,
    /// Selling.
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

/// Something the company can do for the customer.
#[derive(Debug)]
pub struct ActionDefinition {
    /// Its name; records of decisions share it.
    pub name: Arc<str>,
    /// Positions in [`Policy::needs`] of the needs that it serves.
    pub serves: Box<[usize]>,
    /// The issue it belongs to.
    pub issue: Issue,
    /// The consent it needs; none: it needs none.
    pub purpose: Option<Box<str>>,
    /// What it uses facts for: its purpose or its issue, and `sales` if it sells.
    pub uses: Box<[Box<str>]>,
    /// Where it may be shown, if a channel asks for something to show there.
    pub placements: Box<[Box<str>]>,
    /// What must hold for the customer to have it; none: everybody may.
    pub eligible: Option<Expression>,
    /// What must hold for it to make sense; none: it always does.
    pub when: Option<Expression>,
    /// What must hold for it to be good for the customer; none: it is.
    pub suitable: Option<Expression>,
    /// What it is worth, 0 to 1.
    pub value: Worth,
    /// How likely a customer is to take it up, as far as nothing was learned; none: nobody knows.
    pub propensity: Option<PriorPropensity>,
    /// What people put on the scales for or against it, 0.1 to 10.
    pub lever: f64,
    /// It must go out: limits and quiet hours do not hold it.
    pub vital: bool,
    /// How long it rests after it was taken.
    pub cooldown: Duration,
    /// Nothing came of it in so long a time: it was ignored; none: a channel says so.
    pub ignored_after: Option<Duration>,
    /// For so long it can be taken back, unless it was seen before.
    pub pending: Duration,
    /// Data for whoever performs it, by name.
    pub data: Box<[(Box<str>, Expression)]>,
    /// How it may be said, best first.
    pub treatments: Box<[Treatment]>,
    /// Where it stands.
    pub place: SourceLocation,
}

impl ActionDefinition {
    /// The parts of an event that it reads, its time aside: what is not known any more when it is
    /// decided about without that event. None: it goes by what the twin remembers.
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

/// What an action is worth.
#[derive(Debug)]
pub enum Worth {
    /// Always this.
    Fixed(f64),
    /// What this comes to, brought within 0 to 1.
    Of(Expression),
}

/// How likely a customer is to take an action up, before anything is learned.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PriorPropensity {
    /// How likely, above 0 and below 1.
    pub expected: f64,
    /// How many observations this expectation is worth.
    pub weight: f64,
}

/// How an action is said.
#[derive(Debug)]
pub struct Treatment {
    /// Its name, unique within the action; records of decisions share it.
    pub name: Arc<str>,
    /// The channel.
    pub channel: Box<str>,
    /// The one place for which it is made; none: any.
    pub placement: Option<Box<str>>,
    /// How it sounds: `neutral`, `gentle`, `direct`, `urgent`…
    pub tone: Box<str>,
    /// What else tells it apart, for whoever shows it: an image, a colour…
    pub variant: Map,
    /// What must hold; none: always.
    pub when: Option<Expression>,
    /// Nothing sensitive is said in it, even if the purpose fits.
    pub discreet: bool,
    /// What the models know it by.
    pub arm: Arm,
    /// The words, by language tag.
    pub texts: BTreeMap<Box<str>, Template>,
    /// Where it stands.
    pub place: SourceLocation,
}
