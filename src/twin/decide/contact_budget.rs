//! The contact budget: how often, and when, the customer may be contacted.

use hashbrown::HashMap;
use smallvec::SmallVec;

use crate::config::limits;
use crate::event::{OutcomeKind, Time, Zone, cut};
use crate::policy::{self, ContactLimit, ContactPause, Issue, Per, Policy};
use crate::twin::effect::CandidateVerdict;
use crate::twin::moment::ReactionContext;
use crate::twin::state::{Contact, Twin, place};

/// The remaining contact budget at this time, computed once for all candidates. It is exact: a contact
/// counts from the time of its decision until it is as old as the limit's period.
///
/// A contact that was recalled before the customer saw it does not count. Where a twin may have dropped
/// contacts that would count, the limit is taken as reached.
pub(super) struct ContactBudget<'a> {
    limits: SmallVec<[Spent<'a>; 4]>,
    /// When each action was last taken, and not recalled.
    last: HashMap<&'a str, Time>,
    /// Actions paused because the customer does not want them, or not now.
    paused: SmallVec<[(PausedActions<'a>, CandidateVerdict); 2]>,
    /// Quiet hours, if they apply now; none: they do not.
    pub(super) quiet: Option<CandidateVerdict>,
}

/// The count for one limit.
struct Spent<'a> {
    limit: &'a ContactLimit,
    /// The times of the contacts, oldest first.
    times: SmallVec<[Time; 8]>,
    /// Until when dropped contacts may be missing from the count.
    lost: Option<Time>,
}

/// Which actions are paused.
#[derive(Clone, Copy)]
enum PausedActions<'a> {
    Action(&'a str),
    Issue(Issue),
    All,
}

impl PausedActions<'_> {
    fn covers(self, action: &policy::ActionDefinition) -> bool {
        match self {
            PausedActions::Action(name) => name == &*action.name,
            PausedActions::Issue(issue) => issue == action.issue,
            PausedActions::All => true,
        }
    }
}

impl<'a> ContactBudget<'a> {
    pub(in crate::twin) fn of(
        twin: &'a Twin,
        context: &'a ReactionContext<'_>,
    ) -> ContactBudget<'a> {
        let (policy, now) = (context.policy, context.input.at);
        let rules = &policy.contact;
        let mut paused = SmallVec::new();
        if !twin.contacts.is_empty() {
            postponed(twin, policy, now, &mut paused);
            if let Some(pause) = &rules.pause {
                pauses(twin, pause, policy, now, &mut paused);
            }
        }
        ContactBudget {
            // Of two contacts by the same action the later one is kept.
            last: twin
                .contacts
                .iter()
                .filter(|contact| !contact.is_recalled())
                .map(|contact| (&*contact.action, contact.at))
                .collect(),
            limits: rules.limits.iter().map(|limit| spent(twin, limit, policy, now)).collect(),
            paused,
            quiet: rules.quiet.and_then(|quiet| match place::zone(twin) {
                Ok(zone) => {
                    let zone = zone.or(rules.timezone).unwrap_or(Zone::UTC);
                    quiet.until(now, &zone).map(|until| CandidateVerdict::QuietHours { until })
                }
                // It may be night there at any time.
                Err(zone) => Some(CandidateVerdict::ZoneUnknown {
                    zone: cut(&zone.to_string(), limits::NAME_BYTES).into(),
                }),
            }),
        }
    }

    /// When an action was last taken.
    pub(super) fn last(&self, action: &str) -> Option<Time> {
        self.last.get(action).copied()
    }

    /// The objection to one more contact by an action: in one channel, or from the limits that apply to
    /// all channels.
    pub(super) fn objection(
        &self,
        action: &policy::ActionDefinition,
        channel: Option<&str>,
    ) -> Option<CandidateVerdict> {
        if channel.is_none() {
            let paused = self.paused.iter().find(|(what, _)| what.covers(action));
            if let Some((_, verdict)) = paused {
                return Some(verdict.clone());
            }
        }
        self.limits.iter().find_map(|spent| {
            let Spent { limit, times, lost } = spent;
            if limit.channel.as_deref() != channel || !covers(limit, &action.name, action.issue) {
                return None;
            }
            // The limit allows one more contact once this many have left the window.
            let surplus = (times.len() + 1).checked_sub(limit.most as usize).filter(|n| *n > 0);
            let until = surplus.and_then(|surplus| times.get(surplus - 1));
            let until = until.map(|oldest| *oldest + limit.over).max(*lost)?;
            Some(CandidateVerdict::LimitReached {
                most: limit.most,
                over_secs: limit.over.as_secs(),
                until,
                place: limit.place.to_string().into(),
            })
        })
    }

    /// Records a contact that is decided now.
    pub(super) fn spend(&mut self, action: &policy::ActionDefinition, channel: &str, now: Time) {
        for spent in &mut self.limits {
            let limit = spent.limit;
            let is_here = limit.channel.as_deref().is_none_or(|own| own == channel);
            if is_here && covers(limit, &action.name, action.issue) {
                spent.times.push(now);
            }
        }
    }
}

fn covers(limit: &ContactLimit, action: &str, issue: Issue) -> bool {
    limit.issue.is_none_or(|own| own == issue)
        && limit.action.as_deref().is_none_or(|own| own == action)
}

fn spent<'a>(twin: &Twin, limit: &'a ContactLimit, policy: &Policy, now: Time) -> Spent<'a> {
    let is_within = |at: Time| now < at + limit.over;
    let counted = twin.contacts.iter().filter(|contact| limit.counts(contact, policy, now));
    let mut times: SmallVec<[Time; 8]> = counted.map(|contact| contact.at).collect();
    times.sort_unstable();
    let oldest = twin.contacts.iter().map(|contact| contact.at).min();
    // Contacts that limits need are dropped last: none is missing while the list has room for all that
    // the limits allow.
    let let_through: u32 = policy.contact.limits.iter().map(|limit| limit.most).sum();
    let is_full =
        twin.contacts.len() >= limits::CONTACTS && let_through as usize >= limits::CONTACTS;
    let lost = oldest.filter(|at| is_full && is_within(*at)).map(|at| at + limit.over);
    Spent { limit, times, lost }
}

/// Actions that the customer asked to see later.
fn postponed<'a>(
    twin: &'a Twin,
    policy: &Policy,
    now: Time,
    paused: &mut SmallVec<[(PausedActions<'a>, CandidateVerdict); 2]>,
) {
    for contact in &twin.contacts {
        if let Some(outcome) = contact.outcome
            && outcome.kind == OutcomeKind::Later
            && now < outcome.at + policy.contact.later
        {
            let until = outcome.at + policy.contact.later;
            paused.push((
                PausedActions::Action(&contact.action),
                CandidateVerdict::WantedLater { until },
            ));
        }
    }
}

/// Actions with too many consecutive rejections or ignored contacts.
fn pauses<'a>(
    twin: &'a Twin,
    pause: &ContactPause,
    policy: &Policy,
    now: Time,
    paused: &mut SmallVec<[(PausedActions<'a>, CandidateVerdict); 2]>,
) {
    let what = |contact: &'a Contact| match pause.per {
        Per::Action => Some(PausedActions::Action(&contact.action)),
        Per::Issue => {
            policy.action(&contact.action).map(|action| PausedActions::Issue(action.issue))
        }
        Per::Customer => Some(PausedActions::All),
    };
    let is_same = |one: PausedActions<'_>, other: PausedActions<'_>| match (one, other) {
        (PausedActions::Action(one), PausedActions::Action(other)) => one == other,
        (PausedActions::Issue(one), PausedActions::Issue(other)) => one == other,
        (PausedActions::All, PausedActions::All) => true,
        _ => false,
    };
    let mut rows: SmallVec<[(PausedActions<'a>, u32, Time, bool); 8]> = SmallVec::new();
    for contact in twin.contacts.iter().rev() {
        let (Some(what), Some(outcome)) = (what(contact), contact.outcome) else { continue };
        let is_unwanted = pause.of.contains(&outcome.kind);
        let is_wanted = matches!(outcome.kind, OutcomeKind::Clicked | OutcomeKind::Accepted);
        if !is_unwanted && !is_wanted {
            continue;
        }
        let known = rows.iter().position(|(row, ..)| is_same(*row, what));
        match known.and_then(|at| rows.get_mut(at)) {
            None => rows.push((what, u32::from(is_unwanted), outcome.at, is_wanted)),
            Some((_, count, last, is_over)) => {
                *count += u32::from(is_unwanted && !*is_over);
                *last = if *is_over { *last } else { (*last).max(outcome.at) };
                *is_over |= is_wanted;
            }
        }
    }
    for (what, count, last, _) in rows {
        let until = last + pause.span;
        if count >= pause.after && now < until {
            paused.push((what, CandidateVerdict::Paused { after: count, until }));
        }
    }
}
