//! The timeline: the recent inputs, packed.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::ops::Range;

use bytes::Bytes;
use serde::ser::SerializeSeq;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Mergeable;
use super::merge::text;
use crate::config::limits;
use crate::event::{EventType, Time, cut};

/// One entry of a timeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastEntry {
    /// When it was processed.
    pub at: Time,
    /// Its fingerprint.
    pub fingerprint: u64,
    /// The kind of input.
    pub what: EntryKind,
    /// The channel that reported it; empty for a timer and a broadcast.
    pub channel: Box<str>,
    /// Its content in short.
    pub text: Box<str>,
}

/// The kind of input of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// An event of this type.
    Event(EventType),
    /// A timer that fired.
    Timer,
    /// A broadcast that woke the twin.
    Broadcast,
}

impl EntryKind {
    /// The name for people.
    pub fn name(self) -> &'static str {
        match self {
            EntryKind::Event(event_type) => event_type.name(),
            EntryKind::Timer => "timer",
            EntryKind::Broadcast => "broadcast",
        }
    }

    // Stored bytes: these numbers must never change; only new ones may be added.
    const fn code(self) -> u8 {
        match self {
            EntryKind::Timer => 0,
            EntryKind::Event(EventType::Identify) => 1,
            EntryKind::Event(EventType::Link) => 2,
            EntryKind::Event(EventType::Page) => 3,
            EntryKind::Event(EventType::Screen) => 4,
            EntryKind::Event(EventType::Track) => 5,
            EntryKind::Event(EventType::Message) => 6,
            EntryKind::Event(EventType::Preference) => 7,
            EntryKind::Event(EventType::Consent) => 8,
            EntryKind::Event(EventType::Interaction) => 9,
            EntryKind::Event(EventType::Case) => 10,
            EntryKind::Event(EventType::Signal) => 11,
            EntryKind::Event(EventType::Outcome) => 12,
            EntryKind::Event(EventType::Handoff) => 13,
            EntryKind::Event(EventType::Unlink) => 14,
            EntryKind::Broadcast => 15,
            EntryKind::Event(EventType::Ask) => 16,
        }
    }

    fn all() -> impl Iterator<Item = EntryKind> {
        EventType::ALL
            .iter()
            .copied()
            .map(EntryKind::Event)
            .chain([EntryKind::Timer, EntryKind::Broadcast])
    }

    fn from_code(code: u8) -> Option<EntryKind> {
        EntryKind::all().find(|what| what.code() == code)
    }
}

impl<'de> Deserialize<'de> for EntryKind {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<EntryKind, D::Error> {
        let name = <Box<str>>::deserialize(from)?;
        EntryKind::all().find(|known| known.name() == &*name).ok_or_else(|| {
            serde::de::Error::custom(format!("expected a kind of input, found `{name}`"))
        })
    }
}

impl Serialize for EntryKind {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.name())
    }
}

/// One processed input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Entry<'a> {
    /// The zero-based index of this input of the twin.
    pub number: u64,
    /// When it was processed.
    pub at: Time,
    /// The kind of input.
    pub what: EntryKind,
    /// The channel that reported it; empty for a timer and a broadcast.
    pub channel: &'a str,
    /// Its content in short.
    pub text: &'a str,
    /// Its fingerprint.
    #[serde(skip)]
    pub fingerprint: u64,
}

/// The last inputs of a twin, oldest first: its recent history, and its memory for duplicates.
///
/// All entries are in one allocation, because each of a million twins has about twenty of them. The
/// layout of one entry is a stored contract: length of the whole (u16), fingerprint (u64), time in ms
/// (i64), kind (u8), length of the channel (u8), channel, text; numbers little-endian.
///
/// A store keeps entries in blocks of [`Timeline::BLOCK`], each written once when it is full; those after
/// the last full block are stored with the twin's state, which every input changes anyway. So most inputs
/// cost a store one row and not two.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Timeline {
    bytes: Vec<u8>,
    len: u16,
    /// The byte offset of the entries after the last full block.
    open_at: u32,
    /// The total number of entries ever added.
    total: u64,
}

/// The end of a timeline at some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimelineEnd {
    total: u64,
    newest: Option<u64>,
}

/// Entries that a store keeps in one row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block<'a> {
    /// The number of its first entry.
    first: u64,
    entries: Packed<'a>,
}

/// Packed timeline entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed<'a>(Cow<'a, [u8]>);

const HEADER: usize = 2 + 8 + 8 + 1 + 1;

impl Timeline {
    /// The number of entries in one row of a store.
    pub const BLOCK: u64 = 4;

    /// The maximum number of such rows of a twin; a new one replaces the oldest.
    pub const BLOCKS: u64 = limits::TIMELINE_ENTRIES as u64 / Timeline::BLOCK;

    /// The total number of entries ever added: the number of the next one.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The number of entries held.
    pub fn len(&self) -> usize {
        usize::from(self.len)
    }

    /// Whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        self.bytes.capacity()
    }

    /// A timeline of `total` inputs, of which these are the last.
    pub(in crate::twin) fn of(total: u64, last: &[PastEntry]) -> Timeline {
        let beyond = last.len().saturating_sub(limits::TIMELINE_ENTRIES);
        let last = last.get(beyond..).unwrap_or_default();
        let before = total.saturating_sub(last.len() as u64);
        let mut timeline = Timeline { total: before, ..Timeline::default() };
        for past in last {
            timeline.push(past.at, past.fingerprint, past.what, &past.channel, &past.text);
        }
        timeline
    }

    /// The current end, for [`Timeline::changed_from`].
    pub fn end(&self) -> TimelineEnd {
        let newest = self.numbered().last().and_then(|(_, bytes)| unpack(bytes));
        TimelineEnd { total: self.total, newest: newest.map(|entry| entry.fingerprint) }
    }

    /// The number of the first entry that differs from those at `end`: all newer entries, or all held
    /// ones if memories were moved in between.
    pub fn changed_from(&self, end: TimelineEnd) -> u64 {
        let Some(newest) = end.newest else {
            return 0;
        };
        let last = self.numbered().find(|(number, _)| number + 1 == end.total);
        let is_same = last
            .and_then(|(_, bytes)| unpack(bytes))
            .is_some_and(|entry| entry.fingerprint == newest);
        if is_same { end.total } else { 0 }
    }

    /// Whether the entries contain an input with this fingerprint.
    pub fn knows(&self, fingerprint: u64) -> bool {
        let wanted = fingerprint.to_le_bytes();
        Split { rest: &self.bytes }.any(|entry| entry.get(2..10) == Some(&wanted[..]))
    }

    /// The entry that the next one will push out.
    pub(in crate::twin) fn leaving(&self) -> Option<Entry<'_>> {
        (self.len() == limits::TIMELINE_ENTRIES).then(|| self.iter().next()).flatten()
    }

    /// The entries, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = Entry<'_>> {
        self.numbered().filter_map(|(number, bytes)| Some(Entry { number, ..unpack(bytes)? }))
    }

    fn numbered(&self) -> impl Iterator<Item = (u64, &[u8])> {
        (self.total - u64::from(self.len)..).zip(Split { rest: &self.bytes })
    }

    /// The entries after the last full block.
    pub fn open(&self) -> Packed<'_> {
        Packed(Cow::Borrowed(self.bytes.get(self.open_at as usize..).unwrap_or_default()))
    }

    /// The blocks that became full after there had been `since` entries, each with its position in a ring
    /// of [`Timeline::BLOCKS`]; of the oldest only the entries that are still held.
    pub fn blocks_since(&self, since: u64) -> impl Iterator<Item = (u8, Block<'_>)> {
        let (from, until) = (since / Timeline::BLOCK, self.total / Timeline::BLOCK);
        (from..until).filter_map(|block| {
            let numbers = block * Timeline::BLOCK..(block + 1) * Timeline::BLOCK;
            Some(((block % Timeline::BLOCKS) as u8, self.block(&numbers)?))
        })
    }

    /// All entries before the open ones, as if they were one block.
    pub fn closed(&self) -> Block<'_> {
        let closed = self.bytes.get(..self.open_at as usize).unwrap_or_default();
        Block { first: self.total - u64::from(self.len), entries: Packed(Cow::Borrowed(closed)) }
    }

    /// The held entries with these numbers.
    fn block(&self, numbers: &Range<u64>) -> Option<Block<'_>> {
        let mut block: Option<(u64, Range<usize>)> = None;
        let mut at = 0;
        for (number, entry) in self.numbered() {
            let start = at;
            at += entry.len();
            if numbers.contains(&number) {
                block.get_or_insert((number, start..start)).1.end = at;
            }
        }
        let (first, range) = block?;
        Some(Block { first, entries: Packed(Cow::Borrowed(self.bytes.get(range)?)) })
    }

    /// Restores a stored timeline from the total and held numbers of entries, its blocks in any order,
    /// and the entries after them. Invalid entries are skipped.
    pub fn from_blocks(
        total: u64,
        held: usize,
        blocks: &[Block<'_>],
        open: &Packed<'_>,
    ) -> Timeline {
        let open: Vec<&[u8]> = open.split().collect();
        let open_from = total.saturating_sub(open.len() as u64);
        let mut entries: Vec<(u64, &[u8])> = blocks
            .iter()
            .flat_map(|block| (block.first..).zip(block.entries.split()))
            .filter(|(number, _)| *number < open_from)
            .collect();
        entries.sort_unstable_by_key(|(number, _)| *number);
        entries.extend((open_from..).zip(open));
        // Entries are numbered backwards from the newest, so only an unbroken tail can be held.
        let tail = entries
            .iter()
            .rev()
            .zip(1..=held.min(limits::TIMELINE_ENTRIES) as u64)
            .take_while(|((number, bytes), back)| number + back == total && unpack(bytes).is_some())
            .count();
        let mut timeline = Timeline { total: total - tail as u64, ..Timeline::default() };
        timeline.bytes.reserve_exact(entries.iter().map(|(_, bytes)| bytes.len()).sum());
        for (_, entry) in entries.split_off(entries.len() - tail) {
            timeline.bytes.extend_from_slice(entry);
            timeline.count();
        }
        timeline
    }

    /// Adds an entry; beyond the limit the oldest is dropped.
    fn push(&mut self, at: Time, fingerprint: u64, what: EntryKind, channel: &str, text: &str) {
        self.push_with(at, fingerprint, what, channel, |line| line.write_str(text));
    }

    /// Adds an entry whose text is written in place; beyond the limit the oldest is dropped. A text
    /// longer than an entry is cut.
    pub(in crate::twin) fn push_with(
        &mut self,
        at: Time,
        fingerprint: u64,
        what: EntryKind,
        channel: &str,
        text: impl FnOnce(&mut EntryText<'_>) -> fmt::Result,
    ) {
        if self.len() == limits::TIMELINE_ENTRIES
            && let Some(oldest) = (Split { rest: &self.bytes }).next()
        {
            let gone = oldest.len();
            self.bytes.drain(..gone);
            self.len -= 1;
            // At least one full block follows the oldest of so many.
            self.open_at -= gone as u32;
        }
        let channel = cut(channel, limits::CHANNEL_BYTES);
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 2]);
        self.bytes.extend_from_slice(&fingerprint.to_le_bytes());
        self.bytes.extend_from_slice(&at.ms().to_le_bytes());
        self.bytes.push(what.code());
        self.bytes.push(channel.len() as u8);
        self.bytes.extend_from_slice(channel.as_bytes());
        // A full line returns an error, and has the maximum length.
        let _ = text(&mut EntryText { bytes: &mut self.bytes, left: limits::TIMELINE_TEXT_BYTES });
        let length = self.bytes.len() - start;
        self.bytes[start..start + 2].copy_from_slice(&(length as u16).to_le_bytes());
        self.count();
    }

    /// Counts an entry that was appended to the bytes.
    fn count(&mut self) {
        self.len += 1;
        self.total += 1;
        if self.total.is_multiple_of(Timeline::BLOCK) {
            // At most TIMELINE_ENTRIES entries of at most 64 KiB, which fits.
            self.open_at = self.bytes.len() as u32;
        }
    }
}

// Both limits must fit their length fields.
const _: () = assert!(
    limits::CHANNEL_BYTES <= u8::MAX as usize
        && HEADER + limits::CHANNEL_BYTES + limits::TIMELINE_TEXT_BYTES <= u16::MAX as usize
        && limits::TIMELINE_ENTRIES <= u8::MAX as usize
        && limits::TIMELINE_ENTRIES as u64 == Timeline::BLOCK * Timeline::BLOCKS
);

/// The text of an entry while it is written: what no longer fits is left out.
pub(in crate::twin) struct EntryText<'a> {
    bytes: &'a mut Vec<u8>,
    left: usize,
}

impl fmt::Write for EntryText<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let fitting = cut(text, self.left);
        self.bytes.extend_from_slice(fitting.as_bytes());
        if fitting.len() < text.len() {
            self.left = 0;
            return Err(fmt::Error);
        }
        self.left -= fitting.len();
        Ok(())
    }
}

/// An iterator over packed entries.
struct Split<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Split<'a> {
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
        what: EntryKind::from_code(*what)?,
        channel: std::str::from_utf8(channel).ok()?,
        text: std::str::from_utf8(text).ok()?,
        fingerprint: u64::from_le_bytes(*fingerprint),
    })
}

impl Packed<'_> {
    fn split(&self) -> Split<'_> {
        Split { rest: &self.0 }
    }
}

impl Serialize for Packed<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Packed<'_> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        // Any bytes are accepted as packed entries: invalid entries are left out when they are split.
        Bytes::deserialize(from).map(|bytes| Packed(Cow::Owned(bytes.into())))
    }
}

impl Serialize for Timeline {
    /// Only for people: a store keeps the packed entries.
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

impl Mergeable for PastEntry {
    fn is_same(&self, other: &PastEntry) -> bool {
        self.fingerprint == other.fingerprint
    }

    /// Both identifiers received the same input: the first time wins.
    fn merge(&mut self, other: &PastEntry) {
        if (other.at, text(other)) < (self.at, text(self)) {
            self.clone_from(other);
        }
    }

    fn rank(&self) -> impl Ord {
        (self.at, self.fingerprint)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn owned(block: &Block<'_>) -> Block<'static> {
        let entries = Packed(Cow::Owned(block.entries.0.to_vec()));
        Block { first: block.first, entries }
    }

    fn filled(texts: &[String]) -> Timeline {
        let mut timeline = Timeline::default();
        for (number, text) in texts.iter().enumerate() {
            let what = EntryKind::Event(EventType::Track);
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
        fn a_timeline_decodes_from_its_blocks(
            texts in prop::collection::vec("[a-z]{0,9}", 0..150),
            step in 1usize..9,
        ) {
            let timeline = filled(&texts);
            let mut ring = BTreeMap::new();
            for from in (0..texts.len()).step_by(step) {
                // Written as in commits: later blocks replace earlier ones.
                let partial = filled(&texts[..texts.len().min(from + step)]);
                let new = partial.blocks_since(from as u64);
                ring.extend(new.map(|(slot, block)| (slot, owned(&block))));
            }
            prop_assert!(ring.len() as u64 <= Timeline::BLOCKS);
            let blocks: Vec<Block<'_>> = ring.into_values().collect();
            let back = Timeline::from_blocks(timeline.total(), timeline.len(), &blocks, &timeline.open());
            prop_assert_eq!(&back, &timeline);
            let back = Timeline::from_blocks(timeline.total(), timeline.len(), &[timeline.closed()], &timeline.open());
            prop_assert_eq!(&back, &timeline);
        }

        #[test]
        fn blocks_that_do_not_decode_are_left_out(
            first in 0u64..12,
            [block, open] in prop::array::uniform2(prop::collection::vec(any::<u8>(), 0..64)),
        ) {
            let packed = |bytes| Packed(Cow::Owned(bytes));
            let blocks = [Block { first, entries: packed(block) }];
            let timeline = Timeline::from_blocks(10, 64, &blocks, &packed(open));
            prop_assert_eq!(timeline.iter().count(), timeline.len());
            prop_assert_eq!(timeline.total(), 10);
        }
    }

    #[test]
    fn every_kind_of_input_has_a_code_of_its_own() {
        for what in EntryKind::all() {
            assert_eq!(EntryKind::from_code(what.code()), Some(what));
        }
    }
}
