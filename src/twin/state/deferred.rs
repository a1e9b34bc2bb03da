//! Deferred decisions: each is a timer, whose name says what is to be decided.

use std::time::Duration;

use super::Timer;
use crate::event::Time;
use crate::policy::{CONSENT_TIMER, CatchUp, QUIET_TIMER};
use crate::twin::input::{Cause, Input};

/// What a quiet-hours timer defers, parsed from its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::twin) enum DeferredDecision<'a> {
    /// The decision of a campaign, by its scope and fingerprint.
    Campaign(&'a str, u64),
    /// An action that a rule proposed.
    Action(&'a str),
    /// An action that asks again for a consent that has expired.
    Consent(&'a str),
    /// An interrupted interaction to be offered again.
    Offer,
    /// The actions that serve the current needs.
    Needs,
}

/// The prefix, in a timer's name, of a campaign's decision; no action's name contains a colon. The scope
/// follows, and the fingerprint in hexadecimal, so that a campaign is not mistaken for the one that
/// replaces it.
const CAMPAIGN: &str = "campaign:";

/// The prefix, in a timer's name, of an action that asks for a consent.
const CONSENT: &str = "consent:";

/// The part of a timer's name for an offer to resume.
const OFFER: &str = "offer:";

/// The part of a timer's name for the current needs.
const NEEDS: &str = "*";

/// While the time zone is unknown, the end of the quiet hours is unknown, too: a deferred decision is
/// made again when a known zone arrives, and checked at this interval meanwhile.
const LOOK_AGAIN: Duration = Duration::from_secs(30 * 24 * 3_600);

impl<'a> DeferredDecision<'a> {
    /// What the timer with this name defers; none: it is another timer.
    pub(in crate::twin) fn of(timer: &'a str) -> Option<DeferredDecision<'a>> {
        let what = timer.strip_prefix(QUIET_TIMER)?;
        if let Some((scope, id)) = what.strip_prefix(CAMPAIGN).and_then(|one| one.rsplit_once(':'))
            && let Ok(id) = u64::from_str_radix(id, 16)
        {
            return Some(DeferredDecision::Campaign(scope, id));
        }
        Some(match (what, what.strip_prefix(CONSENT)) {
            (_, Some(action)) => DeferredDecision::Consent(action),
            (OFFER, _) => DeferredDecision::Offer,
            (NEEDS, _) => DeferredDecision::Needs,
            (action, None) => DeferredDecision::Action(action),
        })
    }

    /// The timer for it: due at the end of the quiet hours, if that is known.
    pub(in crate::twin) fn timer(self, quiet_until: Option<Time>, now: Time) -> Timer {
        let name = match self {
            DeferredDecision::Campaign(scope, id) => {
                format!("{QUIET_TIMER}{CAMPAIGN}{scope}:{id:016x}")
            }
            DeferredDecision::Action(name) => format!("{QUIET_TIMER}{name}"),
            DeferredDecision::Consent(name) => format!("{QUIET_TIMER}{CONSENT}{name}"),
            DeferredDecision::Offer => format!("{QUIET_TIMER}{OFFER}"),
            DeferredDecision::Needs => format!("{QUIET_TIMER}{NEEDS}"),
        };
        let due = quiet_until.unwrap_or(now + LOOK_AGAIN);
        Timer { name: name.into(), due, every: None, catch_up: CatchUp::Coalesce }
    }

    /// The deferred decisions that an input makes again because the quiet hours have ended.
    pub(in crate::twin) fn of_input(input: &'a Input) -> Option<DeferredDecision<'a>> {
        match &input.cause {
            Cause::Timer(fired) => DeferredDecision::of(&fired.name),
            _ => None,
        }
    }

    /// Whether the actions that an input proposes ask for expired consents.
    pub(in crate::twin) fn is_for_consent(input: &Input) -> bool {
        let has_lapsed =
            matches!(&input.cause, Cause::Timer(fired) if *fired.name == *CONSENT_TIMER);
        has_lapsed
            || matches!(DeferredDecision::of_input(input), Some(DeferredDecision::Consent(_)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_timer_names_its_deferred_action() {
        for (held, name) in [
            (DeferredDecision::Action("campaign"), "quiet:campaign"),
            (DeferredDecision::Needs, "quiet:*"),
            (DeferredDecision::Offer, "quiet:offer:"),
            (DeferredDecision::Action("offer"), "quiet:offer"),
            (DeferredDecision::Consent("ask"), "quiet:consent:ask"),
            (DeferredDecision::Campaign("spring", 7), "quiet:campaign:spring:0000000000000007"),
            (DeferredDecision::Campaign("a:b", u64::MAX), "quiet:campaign:a:b:ffffffffffffffff"),
        ] {
            let timer = held.timer(None, Time::from_ms(0));
            assert_eq!((&*timer.name, DeferredDecision::of(name)), (name, Some(held)));
        }
        assert_eq!(DeferredDecision::of("pause:form"), None);
    }
}
