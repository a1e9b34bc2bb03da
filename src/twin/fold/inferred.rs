//! The inferred preferences `channel` and `hour`: where and when this customer responds, learned from
//! outcomes and their messages, if the policy defines them.

use std::time::Duration;

use crate::event::{self, Channel, OutcomeKind, Speaker, Time, Value};
use crate::policy::{Policy, PreferenceRule};
use crate::twin::note::Notes;
use crate::twin::state::place::hour;
use crate::twin::state::preference::{CHANNEL, HOUR};
use crate::twin::state::{Contact, Evidence, PreferenceSign, Twin};

/// Messages in one channel closer together than this are one answer.
const ONE_ANSWER: Duration = Duration::from_secs(30 * 60);

/// The sign of a contact's outcome for its channel; none: neutral.
///
/// A click or an acceptance is an answer. Seeing the action counts a third of one, because it was read. A
/// rejection or a dismissal counts against the channel as much as an answer counts for it, and silence
/// half as much, because its reason is unknown.
fn speaks(outcome: OutcomeKind) -> Option<PreferenceSign> {
    match outcome {
        OutcomeKind::Offered
        | OutcomeKind::Delivered
        | OutcomeKind::Later
        | OutcomeKind::Recalled => None,
        OutcomeKind::Seen => Some(PreferenceSign::For(1.0 / 3.0)),
        OutcomeKind::Clicked | OutcomeKind::Accepted => Some(PreferenceSign::For(1.0)),
        OutcomeKind::Rejected | OutcomeKind::Dismissed => Some(PreferenceSign::Against(1.0)),
        OutcomeKind::Ignored => Some(PreferenceSign::Against(0.5)),
    }
}

/// Learns from the outcome of an action: once from each contact with an answer, and once from each
/// without.
pub(super) fn from_outcome(
    twin: &mut Twin,
    data: &event::OutcomeData,
    policy: &Policy,
    now: Time,
    notes: &mut Notes,
) {
    let Some(known) = twin.contact_of(&data.decision) else { return };
    let Contact { channel, at, outcome, .. } = known;
    let before = outcome.and_then(|outcome| speaks(outcome.kind));
    let Some(speaks) = speaks(data.outcome) else { return };
    let is_told_before = match (speaks, before) {
        (PreferenceSign::For(weight), Some(PreferenceSign::For(known)))
        | (PreferenceSign::Against(weight), Some(PreferenceSign::Against(known))) => {
            weight <= known
        }
        _ => false,
    };
    if is_told_before {
        return;
    }
    let channel = channel.clone();
    // An answer shows that its hour is suitable; without one, the hour of the contact was not.
    let at = if matches!(speaks, PreferenceSign::For(_)) { now } else { *at };
    learn(twin, &channel, at, speaks, policy, now, notes);
}

/// Learns from a message that the customer writes unprompted.
pub(in crate::twin) fn from_message(
    twin: &mut Twin,
    data: &event::MessageData,
    channel: &Channel,
    policy: &Policy,
    now: Time,
    notes: &mut Notes,
) {
    if data.from != Speaker::Customer || rule(policy, CHANNEL).or(rule(policy, HOUR)).is_none() {
        return;
    }
    let goes_on = twin.interactions.iter().flat_map(|known| &known.lines).any(|line| {
        line.from == Speaker::Customer
            && line.channel == *channel
            && now.since(line.at) < ONE_ANSWER
    });
    if !goes_on {
        learn(twin, channel.as_str(), now, PreferenceSign::For(1.0), policy, now, notes);
    }
}

/// Notes the channels in which the customer wants to be contacted, and in which no action has a
/// treatment.
pub(in crate::twin) fn note_unknown_channels(
    data: &event::PreferenceData,
    policy: &Policy,
    notes: &mut Notes,
) {
    let wanted = match &data.value {
        Some(Value::List(channels)) if &*data.key == CHANNEL => &channels[..],
        Some(channel) if &*data.key == CHANNEL => std::slice::from_ref(channel),
        _ => &[],
    };
    for channel in wanted.iter().filter_map(Value::as_text) {
        if policy.channel_called(channel).is_none() {
            notes.unknown("channel", channel);
        }
    }
}

fn rule<'a>(policy: &'a Policy, key: &str) -> Option<&'a PreferenceRule> {
    policy.preferences.get(key)
}

/// Learns about a channel, and about the hour of `at`.
fn learn(
    twin: &mut Twin,
    channel: &str,
    at: Time,
    speaks: PreferenceSign,
    policy: &Policy,
    now: Time,
    notes: &mut Notes,
) {
    if !twin.is_personal(policy, now) {
        return;
    }
    // The current input becomes the next entry.
    let number = twin.timeline.total();
    if let Some(rule) = rule(policy, CHANNEL) {
        let value = Value::from(channel);
        let evidence = Evidence { key: CHANNEL, value: &value, speaks, number, at: now };
        twin.profile.prefer_shown(&evidence, rule, notes);
    }
    if let (Some(rule), Some(hour)) = (rule(policy, HOUR), hour(twin, at)) {
        let value = Value::Int(i64::from(hour));
        let evidence = Evidence { key: HOUR, value: &value, speaks, number, at: now };
        twin.profile.prefer_shown(&evidence, rule, notes);
    }
}
