use crate::event::INTERNAL;

/// How many of the messages that were read of late came of each channel.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// By channel, as a token of a subject.
    counts: Vec<(Box<str>, u64)>,
    /// Messages of all kinds.
    total: u64,
    /// The channel of the first message since the tally began.
    first: Option<Box<str>>,
    /// Whether another channel has sent something since.
    is_mixed: bool,
}

/// A channel is loud if it sent at least one of so many messages.
const LOUD: u64 = 8;

impl Tally {
    /// Counts messages that were passed over.
    pub(super) fn count_slowed(&mut self, count: u64) {
        self.total += count;
        self.is_mixed |= count > 0;
    }

    /// Counts one message. What twins send each other is no channel's: it follows from what the channels
    /// sent, and would not become less by waiting.
    pub(super) fn count(&mut self, channel: Option<&str>) {
        self.total += 1;
        let Some(channel) = channel.filter(|channel| *channel != INTERNAL) else { return };
        match self.counts.iter_mut().find(|(known, _)| **known == *channel) {
            Some((_, count)) => *count += 1,
            None => {
                self.is_mixed |= self.first.as_deref().is_some_and(|first| first != channel);
                self.first.get_or_insert_with(|| channel.into());
                self.counts.push((channel.into(), 1));
            }
        }
    }

    /// How many were counted.
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// The channel of which the most came, if it is loud, and not the only one: nobody would wait for it
    /// then.
    pub(super) fn loudest(&self) -> Option<Box<str>> {
        let (channel, count) = self.counts.iter().max_by_key(|(_, count)| *count)?;
        (self.is_mixed && count * LOUD >= self.total).then(|| channel.clone())
    }

    /// Counts anew.
    pub(super) fn clear(&mut self) {
        self.counts.clear();
        self.total = 0;
    }

    /// Begins anew.
    pub(super) fn begin(&mut self) {
        *self = Tally::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loudest_channel_is_the_one_that_sent_the_most_and_never_what_twins_send_each_other() {
        let mut tally = Tally::default();
        for channel in [INTERNAL, INTERNAL, INTERNAL, "web", "shop", "shop"] {
            tally.count(Some(channel));
        }
        tally.count(None);
        assert_eq!((tally.total(), tally.loudest().as_deref()), (7, Some("shop")));
        tally.count_slowed(9);
        assert_eq!(tally.loudest().as_deref(), Some("shop"));
        tally.count_slowed(1);
        assert_eq!(tally.loudest(), None, "most messages are passed over already");
    }

    #[test]
    fn a_channel_for_which_nobody_waits_is_not_loud() {
        let mut tally = Tally::default();
        tally.count(Some("shop"));
        tally.count(Some(INTERNAL));
        assert_eq!(tally.loudest(), None);
        tally.count(Some("web"));
        tally.clear();
        tally.count(Some("shop"));
        assert_eq!(tally.loudest().as_deref(), Some("shop"), "another one came a moment ago");
        tally.begin();
        tally.count(Some("shop"));
        assert_eq!(tally.loudest(), None);
    }
}
