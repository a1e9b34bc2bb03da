//! The checks that drop candidates: one list, in order.
//!
//! Each check asks one question about an action. The list says in which stage, whether it is asked again
//! while the action is on its way to the customer, and which actions are exempt.

use std::cell::OnceCell;

use super::contact_budget::ContactBudget;
use crate::policy::{self, ActionDefinition, Expression, Issue, Path, Root, Truth};
use crate::twin::effect::{CandidateVerdict, Stage};
use crate::twin::moment::{DecisionRequests, ReactionContext, ReadPurpose, View, resume};
use crate::twin::state::{Contact, Derived, Need, Twin};

/// The objection to an action: the stage, the verdict, and the expression that decided.
pub(super) type Objection<'a> = (Stage, CandidateVerdict, Option<&'a Expression>);

/// A check's answer: the verdict, and the expression that decided.
type CheckAnswer<'a> = Option<(CandidateVerdict, Option<&'a Expression>)>;

/// One question about an action.
struct StageCheck {
    stage: Stage,
    asked: CheckTime,
    exempt: Exemption,
    ask: for<'a> fn(&CheckedAction<'_, 'a>) -> CheckAnswer<'a>,
}

/// When a check is made.
#[derive(Clone, Copy, PartialEq, Eq)]
enum CheckTime {
    /// When it is decided whether to take the action.
    Once,
    /// Then, and again while the action is on its way.
    Again,
    /// Only while the action is on its way.
    Later,
}

/// The actions that a check does not concern.
#[derive(Clone, Copy)]
enum Exemption {
    Nothing,
    Vital,
    /// Vital ones, and those that an agent, who is in conversation with the customer, is to propose.
    VitalOrByAgent,
}

impl Exemption {
    fn covers(self, action: &ActionDefinition, is_for_agent: bool) -> bool {
        match self {
            Exemption::Nothing => false,
            Exemption::Vital => action.vital,
            Exemption::VitalOrByAgent => action.vital || is_for_agent,
        }
    }
}

/// Whether limits, pauses and quiet hours apply to an action.
pub(super) fn is_limited(action: &ActionDefinition, context: &ReactionContext<'_>) -> bool {
    !Exemption::VitalOrByAgent.covers(action, context.is_for_agent)
}

const CHECKS: [StageCheck; 12] = {
    use CheckTime::{Again, Later, Once};
    use Exemption::{Nothing, Vital, VitalOrByAgent};
    use Stage::{Applicability, Candidate, Contact, Eligibility, Suitability};
    [
        StageCheck { stage: Candidate, asked: Again, exempt: VitalOrByAgent, ask: held_by_agent },
        StageCheck { stage: Candidate, asked: Again, exempt: Vital, ask: restricted },
        StageCheck { stage: Candidate, asked: Once, exempt: Nothing, ask: reason_not_given },
        StageCheck { stage: Candidate, asked: Later, exempt: Nothing, ask: need_met },
        StageCheck { stage: Eligibility, asked: Again, exempt: Nothing, ask: not_eligible },
        StageCheck { stage: Applicability, asked: Again, exempt: Nothing, ask: not_applicable },
        StageCheck { stage: Suitability, asked: Again, exempt: Nothing, ask: unsuitable_issue },
        StageCheck { stage: Suitability, asked: Again, exempt: Nothing, ask: not_suitable },
        StageCheck { stage: Contact, asked: Once, exempt: Nothing, ask: cooling_down },
        StageCheck { stage: Contact, asked: Once, exempt: VitalOrByAgent, ask: limit_reached },
        StageCheck { stage: Contact, asked: Again, exempt: Nothing, ask: no_consent },
        StageCheck { stage: Contact, asked: Once, exempt: VitalOrByAgent, ask: quiet_hours },
    ]
};

/// What the checks are asked about: an action, for a customer, at a time.
pub(super) struct CheckedAction<'q, 'a> {
    pub(super) twin: &'q Twin,
    pub(super) context: &'q ReactionContext<'q>,
    pub(super) requests: &'q DecisionRequests,
    pub(super) suitability: &'q Unsuitability,
    pub(super) action: &'a ActionDefinition,
    pub(super) need: Option<&'q Need>,
    pub(super) occasion: CheckOccasion<'q, 'a>,
}

/// Why the checks are asked.
#[derive(Clone, Copy)]
pub(super) enum CheckOccasion<'q, 'a> {
    /// To decide whether to take the action, with this contact budget.
    Decision(&'q ContactBudget<'a>),
    /// The action was taken, and the customer has not seen it yet.
    OnItsWay(&'q Contact),
}

impl<'q, 'a> CheckedAction<'q, 'a> {
    /// The first objection.
    pub(super) fn objection(&self) -> Option<Objection<'a>> {
        let is_decision = matches!(self.occasion, CheckOccasion::Decision(_));
        // What is on its way is no longer up to an agent.
        let is_for_agent = self.context.is_for_agent && is_decision;
        CHECKS.iter().find_map(|check| {
            let is_asked = match check.asked {
                CheckTime::Again => true,
                CheckTime::Once => is_decision,
                CheckTime::Later => !is_decision,
            };
            if !is_asked || check.exempt.covers(self.action, is_for_agent) {
                return None;
            }
            let (verdict, by) = (check.ask)(self)?;
            Some((check.stage, verdict, by))
        })
    }

    fn budget(&self) -> Option<&'q ContactBudget<'a>> {
        match self.occasion {
            CheckOccasion::Decision(budget) => Some(budget),
            CheckOccasion::OnItsWay(_) => None,
        }
    }

    /// The objection of a condition that does not hold.
    fn condition(
        &self,
        condition: &'a Option<Expression>,
        not: impl FnOnce(Box<str>) -> CandidateVerdict,
    ) -> CheckAnswer<'a> {
        let condition = condition.as_ref()?;
        let (action, is_decision) = (self.action, self.budget().is_some());
        if !is_decision && !can_be_asked_again(condition, action) {
            return None;
        }
        // Withheld reads were noted when the action was taken.
        let place = is_decision.then_some(&action.place);
        let used = Some(ReadPurpose { uses: &action.uses, discreet: false, place });
        let view = View { twin: self.twin, context: self.context, need: self.need, used };
        let source = || condition.source().into();
        let verdict = match condition.test(&view) {
            Truth::True => return None,
            Truth::False => not(source()),
            // A condition that cannot be evaluated has not turned false.
            Truth::Unknown(_) if !is_decision => return None,
            Truth::Unknown(error) => {
                CandidateVerdict::Unknown { when: source(), because: error.to_string().into() }
            }
        };
        Some((verdict, Some(condition)))
    }
}

fn held_by_agent<'a>(about: &CheckedAction<'_, 'a>) -> CheckAnswer<'a> {
    about.twin.is_held_by_agent().then_some((CandidateVerdict::HeldByAgent, None))
}

fn restricted<'a>(about: &CheckedAction<'_, 'a>) -> CheckAnswer<'a> {
    about.context.is_restricted.then_some((CandidateVerdict::Restricted, None))
}

/// The reason is derived from sensitive data whose purpose does not cover the action.
fn reason_not_given<'a>(about: &CheckedAction<'_, 'a>) -> CheckAnswer<'a> {
    let CheckedAction { twin, context, action, .. } = *about;
    if !context.is_guarded {
        return None;
    }
    let is_this = |proposed: usize| std::ptr::eq(&context.policy.actions[proposed], action);
    let given = match about.need {
        Some(need) => twin.guard(Derived::Need, &need.name),
        None => {
            let mut proposed = about.requests.proposed.iter();
            proposed.find(|(at, _)| is_this(*at)).and_then(|(_, given)| given.as_ref())
        }
    }?;
    if given.allow(&action.uses) {
        return None;
    }
    let verdict = CandidateVerdict::NotGiven { purposes: given.to_string().into() };
    context.withhold(&action.place, verdict.to_string());
    Some((verdict, None))
}

/// The need that it served was just satisfied, and it serves no other.
fn need_met<'a>(about: &CheckedAction<'_, 'a>) -> CheckAnswer<'a> {
    let met = about.action.serves.iter().find(|need| about.requests.met.contains(need))?;
    let need = about.context.policy.needs[*met].name.clone();
    about.need.is_none().then_some((CandidateVerdict::NeedMet { need }, None))
}

fn not_eligible<'a>(about: &CheckedAction<'_, 'a>) -> CheckAnswer<'a> {
    let not = |eligible| CandidateVerdict::NotEligible { eligible };
    about.condition(&about.action.eligible, not)
}

fn not_applicable<'a>(about: &CheckedAction<'_, 'a>) -> CheckAnswer<'a> {
    about.condition(&about.action.when, |when| CandidateVerdict::NotApplicable { when })
}

/// A policy cannot exempt an action from this one.
fn unsuitable_issue<'a>(about: &CheckedAction<'_, 'a>) -> CheckAnswer<'a> {
    let CheckedAction { twin, context, suitability, action, .. } = *about;
    Some((suitability.objection(action.issue, twin, context)?, None))
}

fn not_suitable<'a>(about: &CheckedAction<'_, 'a>) -> CheckAnswer<'a> {
    let not = |suitable| CandidateVerdict::NotSuitable { suitable };
    about.condition(&about.action.suitable, not)
}

fn cooling_down<'a>(about: &CheckedAction<'_, 'a>) -> CheckAnswer<'a> {
    let until = about.budget()?.last(&about.action.name)? + about.action.cooldown;
    (about.context.input.at < until).then_some((CandidateVerdict::CoolingDown { until }, None))
}

fn limit_reached<'a>(about: &CheckedAction<'_, 'a>) -> CheckAnswer<'a> {
    Some((about.budget()?.objection(about.action, None)?, None))
}

/// No consent for any of its channels, or for the one in which it is on its way.
fn no_consent<'a>(about: &CheckedAction<'_, 'a>) -> CheckAnswer<'a> {
    let purpose = about.action.purpose.as_ref()?;
    let (policy, now) = (about.context.policy, about.context.input.at);
    let allows = |channel: &str| about.twin.allows(policy, purpose, Some(channel), now);
    let is_allowed = match about.occasion {
        CheckOccasion::OnItsWay(contact) => allows(&contact.channel),
        CheckOccasion::Decision(_) => {
            about.action.treatments.iter().any(|treatment| allows(&treatment.channel))
        }
    };
    (!is_allowed).then(|| (CandidateVerdict::NoConsent { purpose: purpose.clone() }, None))
}

/// Quiet hours, unless the customer is in one of its channels now.
fn quiet_hours<'a>(about: &CheckedAction<'_, 'a>) -> CheckAnswer<'a> {
    let quiet = about.budget()?.quiet.as_ref()?;
    let mut channels = about.action.treatments.iter().map(|treatment| &treatment.channel);
    let is_here = channels.any(|channel| is_here(channel, about.context));
    (!is_here).then(|| (quiet.clone(), None))
}

/// Whether the customer is in this channel now, so that an answer there interrupts nobody.
pub(super) fn is_here(channel: &str, context: &ReactionContext<'_>) -> bool {
    let present = context.input.channel().map(|present| present.as_str());
    present == Some(channel) && resume::is_there(context.input)
}

/// Whether a condition can be evaluated again later: not if it is about the event that led to the action,
/// or about the action itself.
fn can_be_asked_again(condition: &Expression, action: &ActionDefinition) -> bool {
    let is_past = |path: &Path| match path.root {
        Root::Event | Root::Need => true,
        Root::Contacts => path.names().next() == Some(&*action.name),
        _ => false,
    };
    !condition.paths().iter().any(is_past)
}

/// Whether the customer has a grave or an open matter or is in distress, computed when first asked.
#[derive(Default)]
pub(super) struct Unsuitability {
    grave: OnceCell<Option<CandidateVerdict>>,
    distress: OnceCell<Option<CandidateVerdict>>,
    open: OnceCell<Option<CandidateVerdict>>,
}

impl Unsuitability {
    /// Computed now: the conditions of candidates share its budget of steps, and could use it up before.
    pub(super) fn now(twin: &Twin, context: &ReactionContext<'_>) -> Unsuitability {
        Unsuitability {
            grave: grave_matter(twin, context).into(),
            distress: distress(twin, &View::whole(twin, context)).into(),
            open: open_matter(twin, context.policy).into(),
        }
    }

    /// Why actions of an issue are unsuitable now, whatever the individual action: nothing is sold to a
    /// customer in distress, beside a grave matter, or while a matter is open.
    pub(super) fn objection(
        &self,
        issue: Issue,
        twin: &Twin,
        context: &ReactionContext<'_>,
    ) -> Option<CandidateVerdict> {
        let grave = || self.grave.get_or_init(|| grave_matter(twin, context)).clone();
        let distress = || {
            let known = self.distress.get_or_init(|| distress(twin, &View::whole(twin, context)));
            known.clone()
        };
        let open = || self.open.get_or_init(|| open_matter(twin, context.policy)).clone();
        match issue {
            Issue::Sales => grave().or_else(distress).or_else(open),
            Issue::Nurture => grave().or_else(distress),
            Issue::Service | Issue::Retention => None,
        }
    }
}

/// Why actions of an issue are unsuitable now, whatever the individual action.
pub(in crate::twin) fn unsuitable(
    issue: Issue,
    twin: &Twin,
    context: &ReactionContext<'_>,
) -> Option<CandidateVerdict> {
    Unsuitability::default().objection(issue, twin, context)
}

/// The grave matter beside which nothing is sold or promoted.
fn grave_matter(twin: &Twin, context: &ReactionContext<'_>) -> Option<CandidateVerdict> {
    let (matter, until) = twin.grave_matter(context.policy, context.input.at)?;
    Some(CandidateVerdict::Grave { topic: matter.topic, until })
}

/// The evidence that the customer is in distress.
fn distress(twin: &Twin, view: &View<'_>) -> Option<CandidateVerdict> {
    let (policy, now) = (view.context.policy, view.context.input.at);
    let known = &policy.suitability;
    let distressed = |by: &str, is: f64, limit: f64| {
        Some(CandidateVerdict::Distressed { by: by.into(), is, limit })
    };
    if let Some(sentiment) = &twin.sentiment {
        let (level, urgency) = (sentiment.overall.level(now), sentiment.urgency(now));
        if level < known.level {
            return distressed("sentiment.level", level, known.level);
        }
        if urgency > known.urgency {
            return distressed("sentiment.urgency", urgency, known.urgency);
        }
    }
    let index = twin.dissatisfaction_by(policy.dissatisfaction.as_ref()?, view).index;
    if index > known.dissatisfaction {
        return distressed("dissatisfaction", index, known.dissatisfaction);
    }
    None
}

/// The customer's open matter, which rules out sales.
fn open_matter(twin: &Twin, policy: &policy::Policy) -> Option<CandidateVerdict> {
    let known = &policy.suitability;
    if known.cases
        && let Some(case) = twin.cases.iter().find(|case| case.is_open())
    {
        let what = format!("the case {}", case.topic.as_ref().unwrap_or(&case.id));
        return Some(CandidateVerdict::MatterOpen { what: what.into() });
    }
    if known.escalations
        && let Some(known) = twin.escalations.iter().find(|known| known.is_open())
    {
        let what = format!("the escalation to {} about {}", known.queue, known.topic);
        return Some(CandidateVerdict::MatterOpen { what: what.into() });
    }
    None
}
