//! Sentiment: the valence and urgency of what the customer says, over time.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::decay::decay;
use crate::config::limits;
use crate::event::{Channel, Time};
use crate::language::{Language, Reading};

/// The customer's sentiment, from their own messages: messages of agents and bots never count.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Sentiment {
    /// Over all channels.
    pub overall: ValenceTrend,
    /// By channel, the latest one last; at most [`limits::SENTIMENT_CHANNELS`].
    pub channels: Vec<(Channel, ValenceTrend)>,
    /// The urgency of the most urgent message, 0 to 1, halved every [`URGENCY_HALF_LIFE`].
    pub urgency: f64,
    /// The language of the last message that was long enough to detect it.
    pub language: Option<Language>,
    /// The last messages and the words that caused the reading, oldest first; at most
    /// [`limits::SENTIMENT_EVIDENCE`].
    pub evidence: Vec<HeardMessage>,
}

/// A valence over time: level, trend and variance.
///
/// Three averages of the valences, each an exponential moving average that a message pulls by a share
/// α·confidence and that time pulls back to neutral by a half-life. The slow and the fast one give the
/// trend, as in a moving average convergence/divergence; the variance is computed incrementally (T.
/// Finch, *Incremental calculation of weighted mean and variance*, 2009).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ValenceTrend {
    level: f64,
    fast: f64,
    slow: f64,
    variance: f64,
    /// The number of messages.
    pub messages: u32,
    /// The time of the last one.
    pub at: Time,
}

/// One analysed message of the customer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HeardMessage {
    /// When it was written.
    pub at: Time,
    /// Its channel.
    pub channel: Channel,
    /// The timeline number of the input.
    pub number: u64,
    /// The analysis.
    pub reading: Reading,
}

const DAY: Duration = Duration::from_secs(86_400);

/// The share by which a message of full confidence pulls, and the half-life by which time pulls back: of
/// the level, of the fast and of the slow average.
const LEVEL: (f64, Duration) = (0.5, Duration::from_secs(3 * 86_400));

const FAST: (f64, Duration) = (0.7, DAY);

const SLOW: (f64, Duration) = (0.2, Duration::from_secs(14 * 86_400));

/// The half-life of urgency.
pub const URGENCY_HALF_LIFE: Duration = Duration::from_secs(6 * 3_600);

/// A message without any cue pulls by this share of what one full of cues does.
const SILENT: f64 = 0.25;

impl Default for ValenceTrend {
    fn default() -> ValenceTrend {
        ValenceTrend { level: 0.0, fast: 0.0, slow: 0.0, variance: 0.0, messages: 0, at: Time::MIN }
    }
}

impl ValenceTrend {
    /// The mood now: −1 (bad) to 1 (good).
    pub fn level(&self, now: Time) -> f64 {
        self.level * decay(now.since(self.at), LEVEL.1)
    }

    /// The trend: −1 (worse) to 1 (better), recent messages against long-term ones.
    pub fn trend(&self, now: Time) -> f64 {
        let passed = now.since(self.at);
        (self.fast * decay(passed, FAST.1) - self.slow * decay(passed, SLOW.1)).clamp(-1.0, 1.0)
    }

    /// The volatility: the standard deviation of the valences, 0 to 1.
    pub fn volatility(&self) -> f64 {
        self.variance.sqrt().min(1.0)
    }

    fn at(&self, now: Time) -> ValenceTrend {
        let passed = now.since(self.at);
        ValenceTrend {
            level: self.level * decay(passed, LEVEL.1),
            fast: self.fast * decay(passed, FAST.1),
            slow: self.slow * decay(passed, SLOW.1),
            at: self.at.max(now),
            ..*self
        }
    }

    fn add(&mut self, valence: f64, confidence: f64, now: Time) {
        let before = self.at(now);
        let weight = SILENT + (1.0 - SILENT) * confidence;
        let pulled = |average: f64, share: f64| average + share * weight * (valence - average);
        let (share, off) = (LEVEL.0 * weight, valence - before.level);
        *self = ValenceTrend {
            level: pulled(before.level, LEVEL.0),
            fast: pulled(before.fast, FAST.0),
            slow: pulled(before.slow, SLOW.0),
            variance: (1.0 - share) * (before.variance + share * off * off),
            messages: before.messages.saturating_add(1),
            at: before.at,
        };
    }

    /// Merges the values of two identifiers of one customer: averages of averages, weighted by the number
    /// of messages.
    #[must_use]
    pub fn merged(&self, other: &ValenceTrend) -> ValenceTrend {
        let at = self.at.max(other.at);
        let (one, two) = (self.at(at), other.at(at));
        let (of_one, of_two) = (f64::from(one.messages), f64::from(two.messages));
        let all = (of_one + of_two).max(1.0);
        let mixed = |one: f64, two: f64| (one * of_one + two * of_two) / all;
        ValenceTrend {
            level: mixed(one.level, two.level),
            fast: mixed(one.fast, two.fast),
            slow: mixed(one.slow, two.slow),
            variance: mixed(one.variance, two.variance),
            messages: one.messages.saturating_add(two.messages),
            at,
        }
    }
}

impl Sentiment {
    /// The urgency now: 0 to 1.
    pub fn urgency(&self, now: Time) -> f64 {
        self.urgency * decay(now.since(self.overall.at), URGENCY_HALF_LIFE)
    }

    /// The values for one channel.
    pub fn channel(&self, name: &str) -> Option<&ValenceTrend> {
        self.channels.iter().find(|(known, _)| known.as_str() == name).map(|(_, course)| course)
    }

    pub(in crate::twin) fn add_message(&mut self, heard: HeardMessage) {
        let HeardMessage { at, ref channel, ref reading, .. } = heard;
        let (valence, confidence) = (f64::from(reading.valence), f64::from(reading.confidence));
        self.urgency = self.urgency(at).max(f64::from(reading.urgency));
        self.overall.add(valence, confidence, at);

        let known = self.channels.iter().position(|(known, _)| known == channel);
        let mut course =
            known.map_or_else(ValenceTrend::default, |known| self.channels.remove(known).1);
        course.add(valence, confidence, at);
        if self.channels.len() == limits::SENTIMENT_CHANNELS {
            self.channels.remove(0);
        }
        self.channels.push((channel.clone(), course));

        if self.evidence.len() == limits::SENTIMENT_EVIDENCE {
            self.evidence.remove(0);
        }
        self.evidence.push(heard);
    }

    /// Merges the sentiment of another identifier of the same customer.
    pub fn merge(&mut self, other: &Sentiment) {
        let at = self.overall.at.max(other.overall.at);
        self.urgency = self.urgency(at).max(other.urgency(at));
        // On a tie any order will do, as long as it is always the same.
        let newer = (other.overall.at, other.language) > (self.overall.at, self.language);
        if self.language.is_none() || (newer && other.language.is_some()) {
            self.language = other.language;
        }
        self.overall = self.overall.merged(&other.overall);
        for (channel, course) in &other.channels {
            match self.channels.iter_mut().find(|(known, _)| known == channel) {
                Some((_, known)) => *known = known.merged(course),
                None => self.channels.push((channel.clone(), *course)),
            }
        }
        self.channels.sort_by(|(left, one), (right, two)| (one.at, left).cmp(&(two.at, right)));
        let surplus = self.channels.len().saturating_sub(limits::SENTIMENT_CHANNELS);
        self.channels.drain(..surplus);

        self.evidence.extend(other.evidence.iter().cloned());
        self.evidence.sort_by(|left, right| {
            (left.at, &left.channel, left.number).cmp(&(right.at, &right.channel, right.number))
        });
        let surplus = self.evidence.len().saturating_sub(limits::SENTIMENT_EVIDENCE);
        self.evidence.drain(..surplus);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::config::limits;
    use crate::event::Time;
    use crate::twin::state::Sentiment;

    fn at(hours: f64) -> Time {
        Time::from_ms(1_760_000_000_000 + (hours * 3_600_000.0) as i64)
    }

    fn heard(valence: f32, urgency: f32, channel: &str, hours: f64, number: u64) -> HeardMessage {
        let reading = Reading {
            language: Language::ENGLISH,
            valence,
            confidence: 0.8,
            urgency,
            words: [].into_iter().collect(),
            pressing: [].into_iter().collect(),
        };
        HeardMessage { at: at(hours), channel: Channel::new(channel).unwrap(), number, reading }
    }

    fn sentiment(messages: &[(f32, f64)]) -> Sentiment {
        let mut sentiment = Sentiment::default();
        for ((valence, hours), number) in messages.iter().zip(0..) {
            sentiment.add_message(heard(*valence, 0.2, "chat", *hours, number));
        }
        sentiment
    }

    fn messages() -> impl Strategy<Value = Vec<(f32, f64)>> {
        prop::collection::vec((-1.0f32..=1.0, 0.0..2_000.0), 1..20).prop_map(|mut messages| {
            messages.sort_by(|left: &(f32, f64), right| left.1.total_cmp(&right.1));
            messages
        })
    }

    proptest! {
        #[test]
        fn any_messages_leave_every_measure_within_its_range(messages in messages(), later in 0.0..5_000.0) {
            let known = sentiment(&messages);
            let now = at(2_000.0 + later);
            for course in [&known.overall, known.channel("chat").unwrap()] {
                prop_assert!((-1.0..=1.0).contains(&course.level(now)));
                prop_assert!((-1.0..=1.0).contains(&course.trend(now)));
                prop_assert!((0.0..=1.0).contains(&course.volatility()));
            }
            prop_assert!((0.0..=1.0).contains(&known.urgency(now)));
        }

        #[test]
        fn a_level_fades_without_further_messages(messages in messages(), hours in 0.0..500.0, more in 0.0..500.0) {
            let known = sentiment(&messages).overall;
            let start = known.at;
            let ms = |hours: f64| Duration::from_millis((hours * 3_600_000.0) as u64);
            let (soon, later) = (start + ms(hours), start + ms(hours) + ms(more));
            prop_assert!(known.level(later).abs() <= known.level(soon).abs() + 1e-12);
            // Two consecutive periods fade as much as both at once.
            let twice = known.at(soon).level(later);
            prop_assert!((twice - known.level(later)).abs() < 1e-9);
        }

        #[test]
        fn merging_sentiments_is_commutative(
            one in messages(), two in messages(),
        ) {
            let (one, two) = (sentiment(&one), sentiment(&two));
            let (mut left, mut right) = (one.clone(), two.clone());
            left.merge(&two);
            right.merge(&one);
            prop_assert_eq!(left.overall, right.overall);
            prop_assert_eq!(&left.channels, &right.channels);
            prop_assert_eq!(left.urgency, right.urgency);
            prop_assert!(left.evidence.len() <= limits::SENTIMENT_EVIDENCE);
        }
    }

    #[test]
    fn a_merge_keeps_the_language_that_was_heard_last() {
        let spoken = |language: Option<Language>, hours: f64| Sentiment {
            language,
            ..sentiment(&[(0.5, hours)])
        };
        let (en, fr) = (Some(Language::ENGLISH), "fr".parse().ok());
        for (one, two, expected) in [
            (spoken(en, 1.0), spoken(fr, 2.0), fr),
            (spoken(en, 1.0), spoken(None, 2.0), en),
            (spoken(en, 1.0), spoken(fr, 1.0), en.max(fr)),
        ] {
            let (mut left, mut right) = (one.clone(), two.clone());
            left.merge(&two);
            right.merge(&one);
            assert_eq!((left.language, right.language), (expected, expected));
        }
    }

    #[test]
    fn a_customer_who_becomes_discontent_has_a_falling_trend() {
        let known = sentiment(&[(0.8, 0.0), (0.7, 24.0), (0.8, 48.0), (-0.8, 72.0), (-0.9, 73.0)]);
        let now = at(73.0);
        assert!(known.overall.level(now) < -0.3, "{}", known.overall.level(now));
        assert!(known.overall.trend(now) < -0.4, "{}", known.overall.trend(now));
        assert!(known.overall.volatility() > 0.4, "{}", known.overall.volatility());
        let calm = sentiment(&[(0.8, 0.0), (0.7, 24.0), (0.8, 48.0)]);
        assert!(calm.overall.volatility() < known.overall.volatility());
    }

    #[test]
    fn each_channel_has_its_own_course_and_the_least_recent_is_dropped_first() {
        let mut known = Sentiment::default();
        for (number, hour) in (0..=limits::SENTIMENT_CHANNELS as u64).zip(0u32..) {
            known.add_message(heard(-0.5, 0.0, &format!("channel-{number}"), hour.into(), number));
        }
        assert_eq!(known.channels.len(), limits::SENTIMENT_CHANNELS);
        assert!(known.channel("channel-0").is_none());
        assert!(known.channel("channel-1").is_some());
    }
}
