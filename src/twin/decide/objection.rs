//! The stages that drop candidates, in order. Each asks one question.

use super::super::understand::ReactionContext;
use super::super::view::{ReadPurpose, View};
use super::super::{Derived, Need, Twin, resume};
use super::{CandidateVerdict, Scoring, Stage};
use crate::policy::{self, Expression, Issue, Truth};

/// The objection to an action: the stage, the verdict, and the expression that decided.
pub(super) type Objection<'a> = (Stage, CandidateVerdict, Option<&'a Expression>);

impl<'a> Scoring<'a> {
    /// The first objection to an action.
    pub(super) fn objection(
        &self,
        action: &'a policy::ActionDefinition,
        need: Option<&'a Need>,
    ) -> Option<Objection<'a>> {
        None.or_else(|| self.candidate(action, need))
            .or_else(|| self.eligibility(action, need))
            .or_else(|| self.applicability(action, need))
            .or_else(|| self.suitability(action, need))
            .or_else(|| self.contact(action))
    }

    /// May it be considered? Not while an agent holds the conversation, nor because of sensitive data
    /// whose purpose does not cover it.
    fn candidate(
        &self,
        action: &policy::ActionDefinition,
        need: Option<&Need>,
    ) -> Option<Objection<'a>> {
        if self.twin.is_held_by_agent() && !action.vital && !self.context.is_for_agent {
            return Some((Stage::Candidate, CandidateVerdict::HeldByAgent, None));
        }
        if self.context.is_restricted && !action.vital {
            return Some((Stage::Candidate, CandidateVerdict::Restricted, None));
        }
        if !self.context.is_guarded {
            return None;
        }
        let given = match need {
            Some(need) => self.twin.guard(Derived::Need, &need.name),
            None => self
                .requests
                .proposed
                .iter()
                .find(|(proposed, _)| std::ptr::eq(&self.context.policy.actions[*proposed], action))
                .and_then(|(_, given)| given.as_ref()),
        }?;
        if given.allow(&action.uses) {
            return None;
        }
        let verdict = CandidateVerdict::NotGiven { purposes: given.to_string().into() };
        self.context.withhold(&action.place, verdict.to_string());
        Some((Stage::Candidate, verdict, None))
    }

    /// Is the customer eligible?
    fn eligibility(
        &self,
        action: &'a policy::ActionDefinition,
        need: Option<&Need>,
    ) -> Option<Objection<'a>> {
        let eligible = action.eligible.as_ref()?;
        let not = |eligible| CandidateVerdict::NotEligible { eligible };
        self.condition(Stage::Eligibility, eligible, action, need, not)
    }

    /// Is it applicable now?
    fn applicability(
        &self,
        action: &'a policy::ActionDefinition,
        need: Option<&Need>,
    ) -> Option<Objection<'a>> {
        let when = action.when.as_ref()?;
        let not = |when| CandidateVerdict::NotApplicable { when };
        self.condition(Stage::Applicability, when, action, need, not)
    }

    /// Is it suitable in the customer's present mood? Whatever a policy says about an action, nothing is
    /// sold to a customer in distress, or while a matter is open.
    fn suitability(
        &self,
        action: &'a policy::ActionDefinition,
        need: Option<&Need>,
    ) -> Option<Objection<'a>> {
        let (by_mood, by_matter) = gates(action.issue);
        let by_mood = self.distress.as_ref().filter(|_| by_mood);
        let by_matter = self.open.as_ref().filter(|_| by_matter);
        if let Some(verdict) = by_mood.or(by_matter) {
            return Some((Stage::Suitability, verdict.clone(), None));
        }
        let suitable = action.suitable.as_ref()?;
        let not = |suitable| CandidateVerdict::NotSuitable { suitable };
        self.condition(Stage::Suitability, suitable, action, need, not)
    }

    /// May the customer be contacted about it now?
    fn contact(&self, action: &policy::ActionDefinition) -> Option<Objection<'a>> {
        let twin = self.twin;
        let now = self.context.input.at;
        if let Some(until) = self.budget.last(&action.name).map(|last| last + action.cooldown)
            && now < until
        {
            return Some((Stage::Contact, CandidateVerdict::CoolingDown { until }, None));
        }
        if !action.vital
            && !self.context.is_for_agent
            && let Some(verdict) = self.budget.objection(action, None)
        {
            return Some((Stage::Contact, verdict, None));
        }
        if let Some(purpose) = &action.purpose {
            let is_allowed = |treatment: &policy::Treatment| {
                twin.allows(self.context.policy, purpose, Some(&treatment.channel), now)
            };
            if !action.treatments.iter().any(is_allowed) {
                let verdict = CandidateVerdict::NoConsent { purpose: purpose.clone() };
                return Some((Stage::Contact, verdict, None));
            }
        }
        if let Some(quiet) = &self.budget.quiet
            && !action.vital
            && !self.context.is_for_agent
            && !action.treatments.iter().any(|treatment| self.is_here(&treatment.channel))
        {
            return Some((Stage::Contact, quiet.clone(), None));
        }
        None
    }

    fn condition(
        &self,
        stage: Stage,
        condition: &'a Expression,
        action: &policy::ActionDefinition,
        need: Option<&Need>,
        not: impl FnOnce(Box<str>) -> CandidateVerdict,
    ) -> Option<Objection<'a>> {
        let used =
            Some(ReadPurpose { uses: &action.uses, discreet: false, place: Some(&action.place) });
        let view = View { twin: self.twin, context: self.context, need, used };
        let source = || condition.source().into();
        let verdict = match condition.test(&view) {
            Truth::True => return None,
            Truth::False => not(source()),
            Truth::Unknown(error) => {
                CandidateVerdict::Unknown { when: source(), because: error.to_string().into() }
            }
        };
        Some((stage, verdict, Some(condition)))
    }

    /// Whether the customer is in this channel now, so that an answer there interrupts nobody.
    pub(super) fn is_here(&self, channel: &str) -> bool {
        let present = self.context.input.channel().map(|present| present.as_str());
        present == Some(channel) && resume::is_there(self.context.input)
    }
}

/// Whether distress, and whether an open matter, rules out actions of an issue.
fn gates(issue: Issue) -> (bool, bool) {
    match issue {
        Issue::Sales => (true, true),
        Issue::Nurture => (true, false),
        Issue::Service | Issue::Retention => (false, false),
    }
}

/// Why actions of an issue are unsuitable now, whatever the individual action.
pub(in super::super) fn unsuitable(
    issue: Issue,
    twin: &Twin,
    context: &ReactionContext<'_>,
) -> Option<CandidateVerdict> {
    let (by_mood, by_matter) = gates(issue);
    let mood = || distress(twin, &View::whole(twin, context)).filter(|_| by_mood);
    let matter = || open_matter(twin, context.policy).filter(|_| by_matter);
    if by_mood { mood().or_else(matter) } else { matter() }
}

/// The evidence that the customer is in distress.
pub(super) fn distress(twin: &Twin, view: &View<'_>) -> Option<CandidateVerdict> {
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
pub(super) fn open_matter(twin: &Twin, policy: &policy::Policy) -> Option<CandidateVerdict> {
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
