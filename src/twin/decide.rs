//! The central authority: one arbitration for all channels. A pure read of the twin.
//!
//! Every action that serves a live need, that a rule proposed, or that offers to go on with what was
//! left, is a candidate. It is dropped by
//! the first of these that speaks against it: an agent who holds the conversation, its condition,
//! its cooldown, a missing consent. Of those that are left the one with the highest score, need
//! strength × value, is taken for which a treatment can be said.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::effect::{Action, Reason};
use super::understand::{Context, Wishes};
use super::view::{Used, View};
use super::{Derived, Need, Twin, learn};
use crate::config::limits;
use crate::event::{Map, Time, Value};
use crate::language::Language;
use crate::policy::{self, Root, Template, Treatment, Truth};

/// One arbitration: every candidate, why each was kept or dropped, what was chosen.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// The candidates, best first.
    pub candidates: Vec<Candidate>,
    /// The action to take, if one is left.
    pub chosen: Option<Arc<Action>>,
}

/// An action that was considered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Candidate {
    /// The action.
    pub action: Box<str>,
    /// The need that it would serve; none if a rule proposed it.
    pub need: Option<Box<str>>,
    /// Need strength × value.
    pub score: f64,
    /// What became of it.
    pub verdict: Verdict,
}

/// What became of a candidate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "is")]
pub enum Verdict {
    /// It was taken.
    Chosen,
    /// Another one had the higher score.
    Outscored,
    /// An agent holds the conversation.
    HeldByAgent,
    /// Its condition does not hold.
    NotApplicable {
        /// The condition.
        when: Box<str>,
    },
    /// Its condition could not be worked out.
    Unknown {
        /// The condition.
        when: Box<str>,
        /// Why not.
        because: Box<str>,
    },
    /// It was taken too recently.
    CoolingDown {
        /// Until when it rests.
        until: Time,
    },
    /// The customer has not allowed it.
    NoConsent {
        /// What for.
        purpose: Box<str>,
    },
    /// It is for something sensitive that was not given for this.
    NotGiven {
        /// What it was given for.
        purposes: Box<str>,
    },
    /// No treatment can be said.
    NoTreatment {
        /// Why the last one could not.
        because: Box<str>,
    },
}

impl fmt::Display for Verdict {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Chosen => out.write_str("chosen"),
            Verdict::Outscored => out.write_str("another one had the higher score"),
            Verdict::HeldByAgent => out.write_str("an agent holds the conversation"),
            Verdict::NotApplicable { when } => write!(out, "does not hold: {when}"),
            Verdict::Unknown { because, .. } => out.write_str(because),
            Verdict::CoolingDown { until } => write!(out, "rests until {until}"),
            Verdict::NoConsent { purpose } => write!(out, "no consent to {purpose}"),
            Verdict::NotGiven { purposes } => {
                write!(out, "goes by something sensitive that was given for {purposes}")
            }
            Verdict::NoTreatment { because } => out.write_str(because),
        }
    }
}

/// A candidate while it is weighed.
struct Weighed<'a> {
    action: &'a policy::Action,
    need: Option<&'a Need>,
    /// Why, in words for people.
    because: &'a str,
    score: f64,
    verdict: Verdict,
}

/// Weighs every candidate and takes at most one.
pub(super) fn decide(twin: &Twin, context: &Context<'_>, wishes: &Wishes) -> Decision {
    let mut weighed: Vec<Weighed<'_>> = candidates(twin, context, wishes)
        .map(|(action, need)| {
            let offered = wishes
                .offer
                .as_ref()
                .filter(|offer| std::ptr::eq(action, &context.policy.actions[offer.action]));
            let because = match (need, offered) {
                (Some(need), _) => &*need.evidence,
                (None, offered) => offered.map_or("", |offer| &*offer.because),
            };
            let strength = need.map_or(1.0, |need| need.strength);
            let verdict = objection(twin, context, wishes, action, need);
            let verdict = verdict.unwrap_or(Verdict::Outscored);
            Weighed { action, need, because, score: strength * action.value, verdict }
        })
        .collect();
    // A stable sort: of equal scores the policy's order decides.
    weighed.sort_by(|left, right| right.score.total_cmp(&left.score));

    let mut said = None;
    for candidate in &mut weighed {
        if candidate.verdict != Verdict::Outscored {
            continue;
        }
        match treat(twin, context, candidate) {
            Ok(treated) => {
                candidate.verdict = Verdict::Chosen;
                said = Some(treated);
                break;
            }
            Err(verdict) => candidate.verdict = verdict,
        }
    }

    let record = |weighed: &Weighed<'_>| Candidate {
        action: weighed.action.name.clone(),
        need: weighed.need.map(|need| need.name.clone()),
        score: weighed.score,
        verdict: weighed.verdict.clone(),
    };
    let chosen = weighed.iter().find(|candidate| candidate.verdict == Verdict::Chosen);
    let chosen = chosen.zip(said).map(|(candidate, said)| {
        // Nor does the record of a decision tell of needs that were not given for this.
        let losers = weighed
            .iter()
            .filter(|other| other.verdict != Verdict::Chosen)
            .filter(|other| is_given(twin, other.need, &candidate.action.uses));
        let losers = losers.take(limits::CANDIDATES).map(record);
        Arc::new(message(twin, context, candidate, said, losers))
    });
    Decision { candidates: weighed.iter().take(limits::CANDIDATES).map(record).collect(), chosen }
}

/// The actions worth considering, each with the strongest need that it serves.
fn candidates<'a>(
    twin: &'a Twin,
    context: &'a Context<'_>,
    wishes: &'a Wishes,
) -> impl Iterator<Item = (&'a policy::Action, Option<&'a Need>)> {
    let policy = context.policy;
    policy.actions.iter().enumerate().filter_map(move |(position, action)| {
        let need = action
            .serves
            .iter()
            .filter_map(|need| twin.need(&policy.needs[*need].name, context.input.at))
            .max_by(|left, right| {
                let fit = |need| is_given(twin, Some(need), &action.uses);
                fit(left).cmp(&fit(right)).then(left.strength.total_cmp(&right.strength))
            });
        let is_proposed = wishes.proposed.iter().any(|(proposed, _)| *proposed == position)
            || wishes.offers(position);
        (need.is_some() || is_proposed).then_some((action, need))
    })
}

/// Whether a need may be used in this way: it may be made of something sensitive.
fn is_given(twin: &Twin, need: Option<&Need>, uses: &[Box<str>]) -> bool {
    need.and_then(|need| twin.guard(Derived::Need, &need.name))
        .is_none_or(|given| given.allow(uses))
}

/// What an action that was not given for it goes by.
fn not_given(
    twin: &Twin,
    context: &Context<'_>,
    wishes: &Wishes,
    action: &policy::Action,
    need: Option<&Need>,
) -> Option<Verdict> {
    let given = match need {
        Some(need) => twin.guard(Derived::Need, &need.name),
        None => wishes
            .proposed
            .iter()
            .find(|(proposed, _)| std::ptr::eq(&context.policy.actions[*proposed], action))
            .and_then(|(_, given)| given.as_ref()),
    }?;
    if given.allow(&action.uses) {
        return None;
    }
    let purposes = given.to_string().into();
    let verdict = Verdict::NotGiven { purposes };
    context.withhold(&action.place, verdict.to_string());
    Some(verdict)
}

/// The first thing that speaks against an action.
fn objection(
    twin: &Twin,
    context: &Context<'_>,
    wishes: &Wishes,
    action: &policy::Action,
    need: Option<&Need>,
) -> Option<Verdict> {
    if twin.is_held_by_agent() {
        return Some(Verdict::HeldByAgent);
    }
    if context.is_guarded
        && let Some(verdict) = not_given(twin, context, wishes, action, need)
    {
        return Some(verdict);
    }
    if let Some(when) = &action.when {
        let used = Some(Used { uses: &action.uses, discreet: false, place: Some(&action.place) });
        match when.test(&View { twin, context, need, used }) {
            Truth::True => {}
            Truth::False => {
                return Some(Verdict::NotApplicable { when: when.source().into() });
            }
            Truth::Unknown(error) => {
                let because = error.to_string().into();
                return Some(Verdict::Unknown { when: when.source().into(), because });
            }
        }
    }
    let rests_until = twin.last_contact(&action.name).map(|last| last.at + action.cooldown);
    if let Some(until) = rests_until
        && context.input.at < until
    {
        return Some(Verdict::CoolingDown { until });
    }
    if let Some(purpose) = &action.purpose {
        let allowed = |treatment: &Treatment| {
            twin.profile.consent(purpose, Some(&treatment.channel)) == Some(true)
        };
        if !action.treatments.iter().any(allowed) {
            return Some(Verdict::NoConsent { purpose: purpose.clone() });
        }
    }
    None
}

/// How an action is said this time.
struct Said<'a> {
    treatment: &'a Treatment,
    language: &'a str,
    text: String,
    data: Map,
}

/// Where the customer wants to be spoken to.
enum Wanted<'a> {
    /// Rather here than elsewhere.
    Rather(Option<&'a str>),
    /// Here and nowhere else, best first.
    Only(&'a [Value]),
}

impl Wanted<'_> {
    fn of<'a>(twin: &'a Twin, context: &Context<'_>) -> Wanted<'a> {
        match usable(twin, context, learn::CHANNEL) {
            Some(Value::List(channels)) => Wanted::Only(channels),
            other => Wanted::Rather(other.and_then(Value::as_text)),
        }
    }

    /// How far behind the best a channel is; none: not here.
    fn rank(&self, channel: &str) -> Option<usize> {
        match self {
            Wanted::Rather(wanted) => Some(usize::from(*wanted != Some(channel))),
            Wanted::Only(channels) => {
                channels.iter().position(|wanted| wanted.as_text() == Some(channel))
            }
        }
    }
}

/// The best treatment that can be said: in the channel that the customer prefers, else in the one
/// where the customer is, else in the policy's order. Where the customer named the only channels,
/// in one of these.
fn treat<'a>(
    twin: &Twin,
    context: &'a Context<'_>,
    candidate: &Weighed<'a>,
) -> Result<Said<'a>, Verdict> {
    let Weighed { action, need, .. } = *candidate;
    let used = |discreet| Some(Used { uses: &action.uses, discreet, place: Some(&action.place) });
    let view = View { twin, context, need, used: used(false) };
    let wanted = Wanted::of(twin, context);
    let present = context.input.channel();
    let mut treatments: Vec<&Treatment> = action.treatments.iter().collect();
    treatments.sort_by_key(|treatment| {
        let is_elsewhere = present.is_none_or(|present| present.as_str() != &*treatment.channel);
        (wanted.rank(&treatment.channel).unwrap_or(usize::MAX), is_elsewhere)
    });

    let mut because: Box<str> = "the action has no treatment".into();
    for treatment in treatments {
        if wanted.rank(&treatment.channel).is_none() {
            because =
                format!("the customer does not want to hear of us in {}", treatment.channel).into();
            continue;
        }
        if let Some(purpose) = &action.purpose
            && twin.profile.consent(purpose, Some(&treatment.channel)) != Some(true)
        {
            because = format!("no consent to {purpose} in {}", treatment.channel).into();
            continue;
        }
        if let Some(when) = &treatment.when
            && !matches!(when.test(&view), Truth::True)
        {
            because = format!("{} does not hold: {}", treatment.name, when.source()).into();
            continue;
        }
        let Some((language, template)) = words(&treatment.texts, twin, context) else {
            because = format!("{} has no text", treatment.name).into();
            continue;
        };
        if let Some(key) = unsure(template, twin, context) {
            because =
                format!("{}: preferences.{key} is not sure enough to be said", treatment.name)
                    .into();
            continue;
        }
        let view = View { used: used(treatment.discreet), ..view };
        // A hole in a text is no way to keep a secret.
        let withheld = template.paths().iter().find(|path| view.is_withheld(path));
        if let Some(path) = withheld {
            because = format!("{}: {path} is sensitive", treatment.name).into();
            continue;
        }
        match template.render(&view) {
            Ok(text) => {
                return Ok(Said { treatment, language, text, data: data(action, &view) });
            }
            Err(error) => because = format!("{}: {error}", treatment.name).into(),
        }
    }
    Err(Verdict::NoTreatment { because })
}

/// Data for whoever performs the action; what cannot be worked out is left out.
fn data(action: &policy::Action, view: &View<'_>) -> Map {
    let known = |(name, value): &(Box<str>, policy::Expression)| match value.value(view) {
        Ok(Value::Null) | Err(_) => None,
        Ok(value) => Some((name.clone(), value)),
    };
    action.data.iter().filter_map(known).collect()
}

/// The words in the customer's language, else in the policy's first, else in any.
fn words<'a>(
    texts: &'a BTreeMap<Box<str>, Template>,
    twin: &Twin,
    context: &Context<'_>,
) -> Option<(&'a str, &'a Template)> {
    let wanted = language(twin, context);
    let primary = wanted.and_then(|tag| tag.split(['-', '_']).next());
    let default = context.policy.languages.first().map(|tag| &**tag);
    [wanted, primary, default]
        .into_iter()
        .flatten()
        .find_map(|tag| texts.get_key_value(tag))
        .or_else(|| texts.first_key_value())
        .map(|(tag, template)| (&**tag, template))
}

/// The customer's language, as far as it is known: a preference, else a trait, else the one in
/// which they last wrote.
pub(super) fn language<'a>(twin: &'a Twin, context: &Context<'_>) -> Option<&'a str> {
    usable_text(twin, context, "language")
        .or_else(|| twin.profile.traits.get("language").and_then(Value::as_text))
        .or_else(|| twin.profile.traits.get("locale").and_then(Value::as_text))
        .or_else(|| {
            let sentiment = twin.sentiment.as_ref()?;
            sentiment.language.as_ref().map(Language::as_str)
        })
}

fn usable_text<'a>(twin: &'a Twin, context: &Context<'_>, key: &str) -> Option<&'a str> {
    usable(twin, context, key)?.as_text()
}

fn usable<'a>(twin: &'a Twin, context: &Context<'_>, key: &str) -> Option<&'a Value> {
    let rule = context.policy.preferences.get(key);
    twin.profile.preference(key)?.usable(rule, context.input.at)
}

/// A preference that the words name, and that is sure enough to go by but not to be said. Left out,
/// it would make a text say something else: "if it is the aisle, otherwise the window".
fn unsure<'a>(template: &'a Template, twin: &Twin, context: &Context<'_>) -> Option<&'a str> {
    let named = template.paths().iter().filter(|path| path.root == Root::Preferences);
    named.filter_map(|path| path.names().next()).find(|key| {
        let rule = context.policy.preferences.get(*key);
        twin.profile.preference(key).is_some_and(|known| {
            let now = context.input.at;
            known.usable(rule, now).is_some() && known.sayable(rule, now).is_none()
        })
    })
}

fn message(
    twin: &Twin,
    context: &Context<'_>,
    candidate: &Weighed<'_>,
    said: Said<'_>,
    instead_of: impl Iterator<Item = Candidate>,
) -> Action {
    let Weighed { action, need, because, score, .. } = *candidate;
    Action {
        decision: super::act::identifier('d', twin, context.input, ""),
        customer: twin.customer.clone(),
        action: action.name.clone(),
        issue: action.issue,
        channel: said.treatment.channel.clone(),
        treatment: said.treatment.name.clone(),
        tone: said.treatment.tone.clone(),
        language: said.language.into(),
        text: said.text.into(),
        data: said.data,
        at: context.input.at,
        reason: Reason {
            need: need.map(|need| need.name.clone()),
            strength: need.map_or(1.0, |need| need.strength),
            because: need
                .filter(|need| {
                    said.treatment.discreet && twin.guard(Derived::Need, &need.name).is_some()
                })
                .map_or(because, |_| "")
                .into(),
            score,
            policy: context.policy.name.clone(),
            version: context.policy.version.clone(),
            instead_of: instead_of.collect(),
        },
        traceparent: context.input.traceparent().map(Into::into),
    }
}
