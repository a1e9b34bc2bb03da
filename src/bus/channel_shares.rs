use std::time::Duration;

use tokio::time::Instant;

use crate::event::INTERNAL;

/// The share of each channel in the recently read messages.
#[derive(Debug, Default)]
pub(super) struct ChannelShares {
    /// By channel, as a token of a subject.
    counts: Vec<(Box<str>, u64)>,
    /// Messages of all kinds, skipped ones included.
    total: u64,
    /// The seen channels and their last times.
    seen: Vec<(Box<str>, Instant)>,
}

/// A channel is loud if it sent at least one in this many messages.
const LOUD: u64 = 64;
/// The loudest channels are the fewest that together sent this share of all messages.
const MOST: (u64, u64) = (3, 4);
/// A channel seen within this time may have events waiting behind those of another.
const RECENT: Duration = Duration::from_secs(600);
/// The maximum of channels that are remembered as seen; enough to know that there are others.
const SEEN: usize = 64;

impl ChannelShares {
    /// Counts messages that were skipped.
    pub(super) fn count_slowed(&mut self, count: u64) {
        self.total += count;
    }

    /// Counts one message. Messages between twins belong to no channel: they follow from what channels
    /// sent, and slowing them would not reduce them.
    pub(super) fn count(&mut self, channel: Option<&str>, now: Instant) {
        self.total += 1;
        let Some(channel) = channel.filter(|channel| *channel != INTERNAL) else { return };
        match self.counts.iter_mut().find(|(known, _)| **known == *channel) {
            Some((_, count)) => *count += 1,
            None => self.counts.push((channel.into(), 1)),
        }
        self.see(Some(channel), now);
    }

    /// Notes that a channel sent something.
    pub(super) fn see(&mut self, channel: Option<&str>, now: Instant) {
        let Some(channel) = channel.filter(|channel| *channel != INTERNAL) else { return };
        match self.seen.iter_mut().find(|(known, _)| **known == *channel) {
            Some((_, last)) => *last = now,
            None => {
                if self.seen.len() == SEEN {
                    self.seen.retain(|(_, last)| now.duration_since(*last) < RECENT);
                }
                if self.seen.len() < SEEN {
                    self.seen.push((channel.into(), now));
                }
            }
        }
    }

    /// The number of messages counted.
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// The loud channels that sent most, loudest first. Without the quietest of them if no other channel,
    /// not `slowed` already, has sent something recently: slowing all of them would help no channel.
    pub(super) fn loudest(&self, slowed: &[&str], now: Instant) -> Vec<Box<str>> {
        let mut loud: Vec<&(Box<str>, u64)> =
            self.counts.iter().filter(|(_, count)| count * LOUD >= self.total).collect();
        loud.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let mut sum = self.total - self.counts.iter().map(|(_, count)| count).sum::<u64>();
        let (part, whole) = MOST;
        let is_needed = |(_, count): &&&(Box<str>, u64)| {
            let is_needed = sum * whole < self.total * part;
            sum += count;
            is_needed
        };
        let mut found: Vec<Box<str>> =
            loud.iter().take_while(is_needed).map(|(channel, _)| channel.clone()).collect();
        let is_other = |(channel, last): &(Box<str>, Instant)| {
            now.duration_since(*last) < RECENT
                && !slowed.contains(&&**channel)
                && !found.contains(channel)
        };
        if !self.seen.iter().any(is_other) {
            // The quietest of them is then the one that waits.
            found.pop();
        }
        found
    }

    /// Resets the counts.
    pub(super) fn clear(&mut self) {
        self.counts.clear();
        self.total = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(messages: &[(&str, u64)], now: Instant) -> ChannelShares {
        let mut shares = ChannelShares::default();
        for (channel, count) in messages {
            (0..*count).for_each(|_| shares.count(Some(channel), now));
        }
        shares
    }

    fn loudest(shares: &ChannelShares, slowed: &[&str], now: Instant) -> Vec<String> {
        shares.loudest(slowed, now).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_loudest_channels_are_the_fewest_that_sent_most_of_the_messages() {
        let now = Instant::now();
        let shares = counted(&[("web", 1), ("shop", 80), ("app", 19)], now);
        assert_eq!(loudest(&shares, &[], now), ["shop"]);
        let shares = counted(&[("web", 1), ("shop", 50), ("app", 49)], now);
        assert_eq!(loudest(&shares, &[], now), ["shop", "app"]);
        let many: Vec<String> = (0..12).map(|number| format!("shop{number}")).collect();
        let mut messages: Vec<(&str, u64)> = many.iter().map(|name| (&**name, 10)).collect();
        messages.push(("web", 1));
        assert_eq!(shares.total(), 100);
        assert_eq!(loudest(&counted(&messages, now), &[], now).len(), 10);
    }

    #[test]
    fn internal_and_skipped_messages_do_not_count_as_a_flood() {
        let now = Instant::now();
        let mut shares = counted(&[(INTERNAL, 3), ("web", 1), ("shop", 2)], now);
        shares.count(None, now);
        assert_eq!((shares.total(), loudest(&shares, &[], now)), (7, vec!["shop".to_owned()]));
        shares.count_slowed(200);
        assert_eq!(loudest(&shares, &[], now), [""; 0], "most messages are passed over already");
    }

    #[test]
    fn a_channel_that_delays_no_other_is_not_slowed() {
        let now = Instant::now();
        let mut shares = counted(&[("shop", 10), (INTERNAL, 10)], now);
        assert_eq!(loudest(&shares, &[], now), [""; 0]);
        shares.see(Some("web"), now);
        shares.clear();
        shares.count(Some("shop"), now);
        assert_eq!(loudest(&shares, &[], now), ["shop"], "another one came a moment ago");
        assert_eq!(loudest(&shares, &["web"], now), [""; 0], "that one waits already");
        assert_eq!(loudest(&shares, &[], now + RECENT), [""; 0], "and this one would not");
        let two = counted(&[("shop", 60), ("web", 40)], now);
        assert_eq!(loudest(&two, &[], now), ["shop"], "of two, one passes the other");
    }
}
