//! The reaction to one input: the way through the stages.

use crate::event::{Event, EventKind};
use crate::policy::StepBudget;
use crate::twin::effect::{Effect, InputResult, Reaction};
use crate::twin::input::{Cause, Input};
use crate::twin::moment::{ReactionContext, World, matching};
use crate::twin::note::{Note, Notes};
use crate::twin::state::{Twin, ZONE, place};
use crate::twin::{act, decide, identity, perceive, understand};

/// Processes one input. The whole life of a twin is a fold of this function over its inputs.
///
/// A rejected or duplicate input changes nothing at all, and neither does a broadcast that does not apply
/// to the twin.
pub fn react(twin: &mut Twin, input: &Input, world: &World<'_>) -> Reaction {
    let budget = StepBudget::begin();
    let lived = twin.has_lived_to();
    let mut reaction = if lived > input.at {
        within_budget(twin, &Input { at: lived, ..input.clone() }, world)
    } else {
        within_budget(twin, input, world)
    };
    reaction.notes.extend(budget.take_exceeded().into_iter().map(Note::Exceeded));
    reaction
}

fn within_budget(twin: &mut Twin, input: &Input, world: &World<'_>) -> Reaction {
    let governed = World { policy: twin.governed_by(world.policy), ..*world };
    if let Some(result) = result_before_any_change(twin, input, world, &governed) {
        return Reaction::nothing(result);
    }
    let last_seen = twin.seen;
    let (mut effects, mut notes) = (Vec::new(), Notes::default());
    if let Some(result) = fold_input(twin, input, world, &governed, &mut effects, &mut notes) {
        return Reaction { result, effects, notes: notes.into_all() };
    }
    twin.live_to(input.at);
    let mut context = ReactionContext::new(twin, input, &governed, last_seen);
    context.late = notes.late_parts().into();
    if !(world.broadcasts.is_empty() && twin.met.is_empty()) {
        context.met = perceive::receive_broadcasts(twin, &context);
        context.campaign = context.find_campaign(twin);
    }
    let requests = understand::understand(twin, &mut context, &mut effects, &mut notes);
    for at in 0..twin.contacts.len() {
        let contact = &twin.contacts[at];
        if let Some(why) = decide::no_longer_fits(contact, twin, &context, &requests) {
            act::recall(twin, at, why, &context, &mut effects);
        }
    }
    let is_asked = requests.is_any() || input.ask().is_some() || context.campaign().is_some();
    let decided = is_asked.then(|| decide::decide(twin, &context, &requests)).flatten();
    let is_decided = decided.is_some();
    if let Some(arbitration) = decided {
        act::act(twin, arbitration, &context, &mut effects, &mut notes);
    }
    finish(twin, &context, is_decided, &mut effects, &mut notes);
    Reaction { result: InputResult::Applied, effects, notes: notes.into_all() }
}

/// The result of an input that has no effect, as far as it is known before anything changes.
fn result_before_any_change(
    twin: &Twin,
    input: &Input,
    world: &World<'_>,
    governed: &World<'_>,
) -> Option<InputResult> {
    match &input.cause {
        Cause::Event(event) if identity::is_copy(twin, event) => Some(InputResult::Duplicate),
        Cause::Event(event) => world.policy.identity.check(event).err().map(InputResult::Refused),
        Cause::Broadcast(woken) => {
            (!matching::is_woken(twin, woken, input, governed)).then_some(InputResult::Untouched)
        }
        // A timer's own list is authoritative: one may be started for the same time again.
        Cause::Timer(_) => None,
    }
}

/// Folds an input into the twin; the result, if there is nothing more to do.
fn fold_input(
    twin: &mut Twin,
    input: &Input,
    world: &World<'_>,
    governed: &World<'_>,
    effects: &mut Vec<Effect>,
    notes: &mut Notes,
) -> Option<InputResult> {
    // A rejected input does not even unlink an identifier.
    let link = twin.linked_to.clone().map(|to| (to, twin.ownership.clone(), twin.epoch));
    let result = if let Cause::Event(event) = &input.cause {
        if let Event { impossible: Some(time), channel, .. } = event {
            notes.time(channel, *time);
        }
        identity::handle(twin, event, input, world.policy, effects, notes)
    } else {
        None
    };
    let result =
        result.or_else(|| match perceive::perceive(twin, input, governed, effects, notes) {
            Ok(true) => None,
            Ok(false) => Some(InputResult::Stale),
            Err(rejection) => {
                effects.clear();
                *notes = Notes::default();
                Some(InputResult::Refused(rejection))
            }
        });
    if let (Some(InputResult::Refused(_)), Some((to, ownership, epoch))) = (&result, link) {
        (twin.linked_to, twin.ownership, twin.epoch) = (Some(to), ownership, epoch);
    }
    result
}

/// What follows from every input that was applied: notes, timers, and the journal.
fn finish(
    twin: &mut Twin,
    context: &ReactionContext<'_>,
    is_decided: bool,
    effects: &mut Vec<Effect>,
    notes: &mut Notes,
) {
    let (input, policy) = (context.input, context.policy);
    if context.is_guarded {
        twin.settle_guards();
        context.note_withheld(notes);
    }
    if (is_decided && policy.contact.quiet.is_some() || is_about_zone(input))
        && let Err(zone) = place::zone(twin)
    {
        notes.zone(zone);
    }
    twin.move_deferred_decisions(policy, input.at, effects, notes);
    twin.settle_goals(policy, input.at, effects, notes);
    twin.start_retention_timer(policy, input.at, effects, notes);
    if let Some(journalled) = input.journalled() {
        effects.push(Effect::Journal { at: input.at, input: Box::new(journalled) });
    }
}

/// Whether an input sets the customer's time zone.
fn is_about_zone(input: &Input) -> bool {
    let Cause::Event(event) = &input.cause else { return false };
    matches!(&event.kind, EventKind::Identify(data) if data.traits.get(ZONE).is_some())
}
