//! Records an input in the timeline.

use std::fmt::Write as _;

use crate::event::{Event, EventKind, MessageData, Speaker};
use crate::language::{AUTOMATIC, Languages};
use crate::policy::Policy;
use crate::twin::input::{Cause, Input};
use crate::twin::note::Notes;
use crate::twin::state::{EntryKind, EntryText, Twin};

/// Whether the input is an automatic message from the customer's address.
pub(in crate::twin) fn is_automatic(input: &Input, policy: &Policy) -> bool {
    match &input.cause {
        Cause::Event(Event { kind: EventKind::Message(data), .. }) => {
            let languages = &policy.speech.languages;
            is_automatic_message(data, &languages.own_words(&data.text), languages)
        }
        _ => false,
    }
}

/// A recent entry that leaves the timeline is still remembered by its fingerprint.
pub(in crate::twin) fn make_room(twin: &mut Twin, input: &Input, notes: &mut Notes) {
    twin.recent.turn(input.stored);
    if let Some(oldest) = twin.timeline.leaving()
        && matches!(oldest.what, EntryKind::Event(_))
        && input.is_recent(oldest.at)
    {
        twin.recent.remember(oldest.fingerprint, input.stored, notes);
    }
}

/// Records an input in the timeline, with the parts of it that are `late`.
pub(in crate::twin) fn record(twin: &mut Twin, input: &Input, policy: &Policy, late: &[Box<str>]) {
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
                    EventKind::Signal(data)
                        if policy.context.contains_key(&data.name)
                            && policy.purposes_of(data).is_some() =>
                    {
                        write!(line, "{} (sensitive)", data.name)
                    }
                    EventKind::Message(data) if is_automatic(input, policy) => {
                        write!(line, "{}: {AUTOMATIC}{}", data.from.name(), data.text)
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

/// Whether a customer's message with this own text is automatic: the channel says so, or the text clearly
/// shows it.
pub(in crate::twin) fn is_automatic_message(
    data: &MessageData,
    own: &str,
    languages: &Languages,
) -> bool {
    data.from == Speaker::Customer && (data.automatic || languages.is_automatic(own))
}
