//! Whose an identifier is, and when that was said: it changes hands, unless that comes late.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::identity::{Identifier, IdentityResult, hashed, refused, send, target};
use super::perceive;
use super::reaction::Notes;
use super::{Effect, Input, InputResult, Memory, Twin};
use crate::config::limits;
use crate::event::{
    CarriedMemory, Customer, Event, EventKind, LinkData, Rejection, Time, TransferKind,
};
use crate::policy::Policy;

/// When it was said whose an identifier is, so that what was said before that changes nothing. It stays
/// with the identifier, whoever's it is; one that comes free because a link could not be obeyed has none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnershipRecord {
    /// When the last link was said.
    pub linked: Time,
    /// That link was taken back.
    pub parted: Option<UnlinkRecord>,
}

/// A link that was taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnlinkRecord {
    /// When the `unlink` was said.
    pub at: Time,
    /// Whose the identifier is not: it may be another's, by whatever was said before. Only a part of
    /// each hash, which tells two apart and names nobody, because these may be erased.
    pub from: Vec<u16>,
}

/// How often an identifier was linked of late: each time makes work for all to whom it belonged, so that
/// whoever links a few identifiers to and fro would keep everybody waiting.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelinkCounter {
    /// When the minute began in which they are counted.
    since: Time,
    /// How many there were in it.
    count: u16,
}

impl RelinkCounter {
    /// Counts one more, unless it is one too many.
    pub(super) fn count(&mut self, identifier: &Customer, at: Time) -> Result<(), Rejection> {
        if at.since(self.since) >= MINUTE {
            *self = RelinkCounter { since: at, count: 0 };
        }
        if usize::from(self.count) >= limits::LINKS_A_MINUTE {
            return Err(refused(format!(
                "expected at most {} links of one identifier to others within a minute, found one more \
                 of `{identifier}`; a device has one identifier, which nobody else uses",
                limits::LINKS_A_MINUTE
            )));
        }
        self.count += 1;
        Ok(())
    }
}

const MINUTE: Duration = Duration::from_secs(60);

impl OwnershipRecord {
    pub(super) fn linked(at: Time) -> OwnershipRecord {
        OwnershipRecord { linked: at, parted: None }
    }

    /// What was known, and that it was said `at` a moment that the identifier is not one of theirs.
    pub(super) fn parted<'a>(
        known: Option<&OwnershipRecord>,
        at: Time,
        from: impl Iterator<Item = &'a Customer>,
    ) -> OwnershipRecord {
        let from = from.map(|one| in_short(one.as_str())).collect();
        let linked = known.map_or(Time::MIN, |hand| hand.linked);
        OwnershipRecord { linked, parted: Some(UnlinkRecord { at, from }) }
    }

    /// Whether a link that was said `at` a moment comes late.
    fn is_behind(&self, to: &str, at: Time) -> bool {
        let is_back = |parted: &UnlinkRecord| at < parted.at && parted.from.contains(&in_short(to));
        at < self.linked || self.parted.as_ref().is_some_and(is_back)
    }
}

/// So little of it that it could be anybody's.
fn in_short(customer: &str) -> u16 {
    twox_hash::XxHash3_64::oneshot(customer.as_bytes()) as u16
}

/// Whether a link comes late: something newer was said of whose this identifier is.
pub(super) fn is_behind(twin: &Twin, told: &LinkData, input: &Input) -> bool {
    twin.hand.as_ref().is_some_and(|hand| hand.is_behind(&told.to, input.said))
}

/// A statement about identifiers comes late: that is all that is remembered of it.
pub(super) fn come_late(
    twin: &mut Twin,
    part: &'static str,
    input: &Input,
    policy: &Policy,
    notes: &mut Notes,
) -> IdentityResult {
    notes.late(part);
    if twin.linked_to.is_some() {
        twin.recent.remember(input.fingerprint, input.stored, notes);
    } else {
        perceive::make_room(twin, input, notes);
        perceive::record(twin, input, policy, notes.those_late());
    }
    IdentityResult::Done(InputResult::Applied)
}

/// This identifier is linked to another customer than before. What it gathered is with the first
/// already, and stays there.
pub(super) fn change_hands(
    twin: &mut Twin,
    event: &Event,
    told: &LinkData,
    input: &Input,
    effects: &mut Vec<Effect>,
    notes: &mut Notes,
) -> Result<IdentityResult, Rejection> {
    let to = target(twin, told)?;
    if twin.known && twin.linked_to.as_ref() != Some(&to) {
        return Err(refused(format!(
            "expected a link of an identifier that is nobody's yet, found `{}`, a known customer who \
             was merged with another; `unlink` it there first",
            twin.customer
        )));
    }
    if twin.linked_to.as_ref() != Some(&to) {
        twin.moves.count(&twin.customer, input.at)?;
    }
    // Also of a link that changes nothing: a copy of it may come when it would.
    twin.recent.remember(event.fingerprint, input.stored, notes);
    let said = input.said;
    twin.hand = Some(OwnershipRecord::linked(said));
    let Some(first) = twin.linked_to.clone().filter(|first| *first != to) else {
        return Ok(IdentityResult::Done(InputResult::Applied));
    };
    // The first does not hear to whom, but can tell whether it is the same customer.
    let (epoch, memory) = (twin.epoch, hashed(&told.to));
    let lost = CarriedMemory { sense: TransferKind::Leaves, epoch, said, memory };
    let silent = Event {
        kind: EventKind::Link(LinkData { to: first.as_str().into(), merge: false }),
        ..event.clone()
    };
    effects.push(send(twin, &silent, &first, lost, input.at)?);
    twin.epoch += 1;
    let nothing = Memory { born: input.at, seen: input.at, ..Memory::default() };
    let nothing = nothing.clone().fit(limits::PASSED_BYTES, notes);
    let (epoch, memory) = (twin.epoch, nothing.into());
    let won = CarriedMemory { sense: TransferKind::Joins, epoch, said, memory };
    effects.push(send(twin, event, &to, won, input.at)?);
    twin.linked_to = Some(to);
    twin.seen = twin.seen.max(input.at);
    Ok(IdentityResult::Done(InputResult::Applied))
}

/// An identifier of this customer is another customer's now, unless that is the same.
pub(super) fn lose(twin: &mut Twin, gone: &Customer, carried: &CarriedMemory) -> IdentityResult {
    let is_same = |one: &Customer| hashed(one.as_str()) == carried.memory;
    let is_own =
        is_same(&twin.customer) || twin.identifiers.iter().any(|known| is_same(&known.customer));
    let is_meant = |known: &Identifier| known.customer == *gone && known.epoch <= carried.epoch;
    if is_own || !twin.identifiers.iter().any(is_meant) {
        return IdentityResult::Done(InputResult::Untouched);
    }
    twin.identifiers.retain(|known| !is_meant(known));
    // What was linked through it goes where it goes.
    let mut through = vec![gone.clone()];
    while let Some(by) = through.pop() {
        twin.identifiers.retain(|known| {
            let goes = known.through.as_ref() == Some(&by);
            if goes {
                through.push(known.customer.clone());
            }
            !goes
        });
    }
    twin.known = true;
    IdentityResult::Done(InputResult::Applied)
}
