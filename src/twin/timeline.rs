use std::fmt;

use serde::ser::SerializeSeq;
use serde::{Serialize, Serializer};

use crate::config::limits;
use crate::event::{EventType, Time, cut};

/// What kind of input an entry records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// An event of this type.
    Event(EventType),
    /// A timer that fired.
    Timer,
}

impl What {
    /// The name that people see.
    pub const fn name(self) -> &'static str {
        match self {
            What::Event(event_type) => event_type.name(),
            What::Timer => "timer",
        }
    }

    // Stored bytes: these numbers must never change, only grow.
    const fn code(self) -> u8 {
        match self {
            What::Timer => 0,
            What::Event(EventType::Identify) => 1,
            What::Event(EventType::Link) => 2,
            What::Event(EventType::Page) => 3,
            What::Event(EventType::Screen) => 4,
            What::Event(EventType::Track) => 5,
            What::Event(EventType::Message) => 6,
            What::Event(EventType::Preference) => 7,
            What::Event(EventType::Consent) => 8,
            What::Event(EventType::Interaction) => 9,
            What::Event(EventType::Case) => 10,
            What::Event(EventType::Signal) => 11,
            What::Event(EventType::Outcome) => 12,
            What::Event(EventType::Handoff) => 13,
        }
    }

    fn from_code(code: u8) -> Option<What> {
        EventType::ALL
            .into_iter()
            .map(What::Event)
            .chain([What::Timer])
            .find(|what| what.code() == code)
    }
}

impl Serialize for What {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.name())
    }
}

/// One input that a twin took in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Entry<'a> {
    /// The how-manieth input of this twin it was, from 0.
    pub number: u64,
    /// When it was taken in.
    pub at: Time,
    /// What kind it was.
    pub what: What,
    /// The channel that reported it; empty for a timer.
    pub channel: &'a str,
    /// What it said, in short.
    pub text: &'a str,
    /// Its identity.
    #[serde(skip)]
    pub fingerprint: u64,
}

/// The last inputs of a twin, oldest first: its recent past, and its memory for duplicates.
///
/// All entries lie in one block of bytes, because a million idle twins hold twenty of them each.
/// The layout of one entry is a stored contract: length of the whole (u16), fingerprint (u64), time
/// in ms (i64), kind (u8), length of the channel (u8), channel, text; numbers little-endian.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Timeline {
    bytes: Vec<u8>,
    len: u16,
    /// How many entries there ever were.
    total: u64,
}

const HEADER: usize = 2 + 8 + 8 + 1 + 1;

impl Timeline {
    /// How many entries there ever were: the number of the next one.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// How many entries are held.
    pub fn len(&self) -> usize {
        usize::from(self.len)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        self.bytes.capacity()
    }

    /// Whether an input of this identity is among the entries.
    pub fn knows(&self, fingerprint: u64) -> bool {
        let wanted = fingerprint.to_le_bytes();
        Packed { rest: &self.bytes }.any(|entry| entry.get(2..10) == Some(&wanted[..]))
    }

    /// The entries, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = Entry<'_>> {
        let first = self.total - u64::from(self.len);
        Packed { rest: &self.bytes }
            .zip(first..)
            .filter_map(|(bytes, number)| Some(Entry { number, ..unpack(bytes)? }))
    }

    /// The packed entries from number `from` on, each with its slot in a ring of
    /// [`limits::TIMELINE_ENTRIES`], as a store keeps them.
    pub fn packed_since(&self, from: u64) -> impl Iterator<Item = (u8, &[u8])> {
        let first = self.total - u64::from(self.len);
        Packed { rest: &self.bytes }
            .zip(first..)
            .skip_while(move |(_, number)| *number < from)
            .map(|(bytes, number)| (slot(number), bytes))
    }

    /// The timeline that a store kept: the number of entries there ever were, and packed entries
    /// by slot. Whatever is not an entry is left out.
    pub fn from_packed<'a>(
        total: u64,
        entries: impl IntoIterator<Item = (u8, &'a [u8])>,
    ) -> Timeline {
        let held = total.min(limits::TIMELINE_ENTRIES as u64);
        let mut entries: Vec<(u64, &[u8])> = entries
            .into_iter()
            .filter(|(_, bytes)| unpack(bytes).is_some())
            .filter_map(|(at, bytes)| {
                (total - held..total).find(|number| slot(*number) == at).map(|n| (n, bytes))
            })
            .collect();
        entries.sort_unstable_by_key(|(number, _)| *number);
        // Entries are numbered backwards from the newest, so only an unbroken tail can be held.
        let tail = entries
            .iter()
            .rev()
            .zip(1..)
            .take_while(|((number, _), back)| number + back == total)
            .count();
        let tail = &entries[entries.len() - tail..];
        let mut bytes = Vec::with_capacity(tail.iter().map(|(_, bytes)| bytes.len()).sum());
        tail.iter().for_each(|(_, entry)| bytes.extend_from_slice(entry));
        // At most TIMELINE_ENTRIES, which fits.
        Timeline { bytes, len: tail.len() as u16, total }
    }

    /// Adds an entry; the oldest leaves when there are too many.
    pub(super) fn push(
        &mut self,
        at: Time,
        fingerprint: u64,
        what: What,
        channel: &str,
        text: &str,
    ) {
        if self.len() == limits::TIMELINE_ENTRIES
            && let Some(oldest) = (Packed { rest: &self.bytes }).next()
        {
            let gone = oldest.len();
            self.bytes.drain(..gone);
            self.len -= 1;
        }
        let text = cut(text, limits::TIMELINE_TEXT_BYTES);
        let channel = cut(channel, limits::CHANNEL_BYTES);
        let length = HEADER + channel.len() + text.len();
        // Exact growth: doubling would leave half of a resident timeline empty.
        self.bytes.reserve_exact(length);
        self.bytes.extend_from_slice(&(length as u16).to_le_bytes());
        self.bytes.extend_from_slice(&fingerprint.to_le_bytes());
        self.bytes.extend_from_slice(&at.ms().to_le_bytes());
        self.bytes.push(what.code());
        self.bytes.push(channel.len() as u8);
        self.bytes.extend_from_slice(channel.as_bytes());
        self.bytes.extend_from_slice(text.as_bytes());
        self.len += 1;
        self.total += 1;
    }
}

// Both limits must fit their length fields.
const _: () = assert!(
    limits::CHANNEL_BYTES <= u8::MAX as usize
        && HEADER + limits::CHANNEL_BYTES + limits::TIMELINE_TEXT_BYTES <= u16::MAX as usize
        && limits::TIMELINE_ENTRIES <= u8::MAX as usize
);

fn slot(number: u64) -> u8 {
    (number % limits::TIMELINE_ENTRIES as u64) as u8
}

/// Splits a block of bytes into entries.
struct Packed<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Packed<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let length = usize::from(u16::from_le_bytes(*self.rest.first_chunk()?));
        let (entry, rest) = self.rest.split_at_checked(length.max(HEADER))?;
        self.rest = rest;
        Some(entry)
    }
}

fn unpack(bytes: &[u8]) -> Option<Entry<'_>> {
    let (length, rest) = bytes.split_first_chunk()?;
    if usize::from(u16::from_le_bytes(*length)) != bytes.len() {
        return None;
    }
    let (fingerprint, rest) = rest.split_first_chunk()?;
    let (at, rest) = rest.split_first_chunk()?;
    let ([what, channel], rest) = rest.split_first_chunk()?;
    let (channel, text) = rest.split_at_checked(usize::from(*channel))?;
    Some(Entry {
        number: 0,
        at: Time::from_ms(i64::from_le_bytes(*at)),
        what: What::from_code(*what)?,
        channel: std::str::from_utf8(channel).ok()?,
        text: std::str::from_utf8(text).ok()?,
        fingerprint: u64::from_le_bytes(*fingerprint),
    })
}

impl Serialize for Timeline {
    /// For people only: a store keeps the packed entries.
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut list = to.serialize_seq(Some(self.len()))?;
        self.iter().try_for_each(|entry| list.serialize_element(&entry))?;
        list.end()
    }
}

impl fmt::Debug for Timeline {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn filled(texts: &[String]) -> Timeline {
        let mut timeline = Timeline::default();
        for (number, text) in texts.iter().enumerate() {
            let what = What::Event(EventType::Track);
            timeline.push(Time::from_ms(number as i64), number as u64, what, "web", text);
        }
        timeline
    }

    proptest! {
        #[test]
        fn a_timeline_keeps_the_last_entries_in_order(texts in prop::collection::vec("\\PC{0,200}", 0..150)) {
            let timeline = filled(&texts);
            let first = texts.len().saturating_sub(limits::TIMELINE_ENTRIES);
            prop_assert_eq!(timeline.total(), texts.len() as u64);
            let kept: Vec<_> = timeline.iter().collect();
            prop_assert_eq!(kept.len(), texts.len() - first);
            for (entry, (number, text)) in kept.iter().zip(texts.iter().enumerate().skip(first)) {
                prop_assert_eq!(entry.number, number as u64);
                prop_assert_eq!(entry.text, cut(text, limits::TIMELINE_TEXT_BYTES));
                prop_assert!(timeline.knows(number as u64));
            }
            prop_assert_eq!(timeline.knows(first.wrapping_sub(1) as u64), false);
        }

        #[test]
        fn a_timeline_comes_back_from_its_slots(texts in prop::collection::vec("[a-z]{0,9}", 0..150)) {
            let timeline = filled(&texts);
            let mut ring = std::collections::BTreeMap::new();
            for upto in 0..=texts.len() {
                // Written one by one, as commits do: later entries overwrite earlier slots.
                let partial = filled(&texts[..upto]);
                let from = (upto as u64).saturating_sub(1);
                ring.extend(partial.packed_since(from).map(|(slot, bytes)| (slot, bytes.to_vec())));
            }
            let entries = ring.iter().map(|(slot, bytes)| (*slot, &bytes[..]));
            prop_assert_eq!(Timeline::from_packed(timeline.total(), entries), timeline);
        }

        #[test]
        fn bytes_that_are_no_entries_are_left_out(slot in 0u8..64, bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let timeline = Timeline::from_packed(10, [(slot, &bytes[..])]);
            prop_assert!(timeline.len() <= 1);
        }
    }

    #[test]
    fn every_kind_of_input_has_a_code_of_its_own() {
        for what in EventType::ALL.map(What::Event).into_iter().chain([What::Timer]) {
            assert_eq!(What::from_code(what.code()), Some(what));
        }
    }
}
