//! Validates the input and folds it into the state. All checks happen before the first change.

use std::fmt::Write as _;

use super::reaction::Notes;
use super::sentiment::is_programs;
use super::timeline::EntryText;
use super::understand::ReactionContext;
use super::{Cause, Effect, EntryKind, Input, Twin, World, escalation, learn, resume};
use crate::config::limits;
use crate::event::{Event, EventKind, Rejection};
use crate::language::AUTOMATIC;
use crate::policy::{CONSENT_TIMER, DUE_TIMER, IGNORED_TIMER, Policy, RETENTION_TIMER};

/// Folds an input into the state; `false` if it is a timer that rules should not see.
///
/// # Errors
/// A [`Rejection`]; then the twin is unchanged.
pub(super) fn perceive(
    twin: &mut Twin,
    input: &Input,
    world: &World<'_>,
    effects: &mut Vec<Effect>,
    notes: &mut Notes,
) -> Result<bool, Rejection> {
    let policy = world.policy;
    let is_heard = match &input.cause {
        Cause::Event(event) => {
            fold(twin, event, input, world, effects, notes)?;
            resume::keep_step(twin, input, policy, effects, notes);
            true
        }
        Cause::Timer(fired) => {
            let is_heard = twin.fire_timer(fired, effects);
            match resume::paused_kind(&fired.name) {
                Some(kind) if is_heard => {
                    resume::pause_silent(twin, kind, input.at, policy, effects, notes)
                }
                _ if is_heard && *fired.name == *RETENTION_TIMER => {
                    twin.grow_old(policy, input.at, effects, notes);
                    false
                }
                _ if is_heard && *fired.name == *CONSENT_TIMER => {
                    twin.watch_for_lapses(input.at, effects, notes);
                    true
                }
                _ if is_heard && *fired.name == *IGNORED_TIMER => {
                    twin.notice_silence(policy, input.at, effects, notes)
                }
                _ if is_heard && *fired.name == *DUE_TIMER => {
                    let context = ReactionContext::new(twin, input, world, twin.seen);
                    escalation::keep_promises(twin, &context, effects, notes)
                }
                _ => is_heard,
            }
        }
        // Whether it applies to this twin was checked before.
        Cause::Broadcast(_) => true,
    };
    if is_heard {
        make_room(twin, input, notes);
        record(twin, input, policy, notes.those_late());
    }
    twin.expire_needs(input.at);
    if !twin.guards.is_empty() {
        twin.settle_guards();
    }
    Ok(is_heard)
}

fn fold(
    twin: &mut Twin,
    event: &Event,
    input: &Input,
    world: &World<'_>,
    effects: &mut Vec<Effect>,
    notes: &mut Notes,
) -> Result<(), Rejection> {
    let (now, policy) = (input.at, world.policy);
    let is_automatic = is_automatic(input, policy);
    match &event.kind {
        EventKind::Identify(told) => {
            twin.profile.identify(told, input.said, &mut twin.dates, notes)
        }
        // The memory has moved by now.
        EventKind::Link(_) | EventKind::Unlink(_) => {}
        // The policy gives these a meaning; the timeline records that they happened.
        EventKind::Page(_) | EventKind::Screen(_) | EventKind::Track(_) | EventKind::Ask(_) => {}
        EventKind::Message(told) => {
            let languages = &policy.speech.languages;
            if is_automatic {
                let room = limits::TRANSCRIPT_LINE_BYTES - AUTOMATIC.len();
                let kept = format!("{AUTOMATIC}{}", languages.shortened(&told.text, room));
                twin.hear(told, (&kept, true), &event.channel, input, notes);
            } else {
                learn::from_message(twin, told, &event.channel, policy, now, notes);
                let kept = languages.shortened(&told.text, limits::TRANSCRIPT_LINE_BYTES);
                twin.hear(told, (&kept, false), &event.channel, input, notes);
            }
        }
        EventKind::Preference(told) => {
            learn::tell_unknown(told, policy, notes);
            let rule = policy.preferences.get(&told.key);
            let since = input.since();
            twin.profile.prefer_told(told, rule, (input.said, since), notes);
        }
        EventKind::Consent(told) => {
            twin.profile.consent_room(told)?;
            twin.hear_consent(told, &event.channel, policy, input, effects, notes);
        }
        EventKind::Interaction(told) => {
            twin.move_interaction(told, &event.channel, input, notes);
        }
        EventKind::Case(told) => twin.move_case(told, input.said, notes),
        EventKind::Signal(told) => twin.sense(told, &event.channel, input, notes),
        EventKind::Outcome(told) => twin.hear_outcome(told, policy, now, effects, notes),
        EventKind::Handoff(told) => {
            escalation::hand_over(twin, told, &event.channel, input, world, effects, notes)?;
        }
    }
    Ok(())
}

/// Whether the input is an automatic message from the customer's address.
fn is_automatic(input: &Input, policy: &Policy) -> bool {
    match &input.cause {
        Cause::Event(Event { kind: EventKind::Message(told), .. }) => {
            let languages = &policy.speech.languages;
            is_programs(told, &languages.own_words(&told.text), languages)
        }
        _ => false,
    }
}

/// A recent entry that leaves the timeline is still remembered by its fingerprint.
pub(super) fn make_room(twin: &mut Twin, input: &Input, notes: &mut Notes) {
    twin.recent.turn(input.stored);
    if let Some(oldest) = twin.timeline.leaving()
        && matches!(oldest.what, EntryKind::Event(_))
        && input.is_recent(oldest.at)
    {
        twin.recent.remember(oldest.fingerprint, input.stored, notes);
    }
}

/// Records an input in the timeline, with the parts of it that are `late`.
pub(super) fn record(twin: &mut Twin, input: &Input, policy: &Policy, late: &[Box<str>]) {
    if twin.timeline.total() == 0 {
        twin.born = input.at;
    }
    // Events may arrive out of order; `seen` never moves back. A broadcast does not count as seeing the
    // customer.
    if !matches!(input.cause, Cause::Broadcast(_)) {
        twin.seen = twin.seen.max(input.at);
    }
    let timeline = &mut twin.timeline;
    let (at, identity) = (input.at, input.fingerprint);
    match &input.cause {
        Cause::Event(event) => {
            let what = EntryKind::Event(event.kind.event_type());
            timeline.push_with(at, identity, what, event.channel.as_str(), |line| {
                if !late.is_empty() {
                    write!(line, "(late: {}) ", late.join(", "))?;
                }
                match &event.kind {
                    // The policy may define a stricter sensitivity than the channel.
                    EventKind::Signal(told)
                        if policy.context.contains_key(&told.name)
                            && policy.purposes_of(told).is_some() =>
                    {
                        write!(line, "{} (sensitive)", told.name)
                    }
                    EventKind::Message(told) if is_automatic(input, policy) => {
                        write!(line, "{}: {AUTOMATIC}{}", told.from.name(), told.text)
                    }
                    kind => kind.summarize(line),
                }
            });
        }
        Cause::Timer(fired) => {
            timeline
                .push_with(at, identity, EntryKind::Timer, "", |line| line.write_str(&fired.name));
        }
        Cause::Broadcast(woken) => {
            let write = |line: &mut EntryText<'_>| write!(line, "met {}", woken.scope);
            timeline.push_with(at, identity, EntryKind::Broadcast, "", write);
        }
    }
}
