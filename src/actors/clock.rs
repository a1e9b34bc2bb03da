use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::event::Time;
use crate::partition::ClockJumps;

/// A clock that is set by less than this, either way, is accepted at once.
const TOLERANCE: Duration = Duration::from_secs(2);

/// A clock that was set by more is accepted once it has been stable for this long. A mistake that is
/// corrected meanwhile has no effect: no timer fires early, and no twin lives in a future that is taken
/// back.
const DOUBT: Duration = Duration::from_secs(60);

/// The host clock as used by partitions: a jump is ignored until the new time has been stable for a
/// minute.
#[derive(Debug)]
pub struct Clock {
    steady: Mutex<SteadyClock>,
}

impl Clock {
    /// A clock that shows the host clock's current time.
    pub fn new() -> Clock {
        Clock { steady: Mutex::new(SteadyClock::new(wall(), Instant::now())) }
    }

    /// The current time of partitions.
    pub fn now(&self) -> Time {
        let mut steady = self.steady.lock();
        steady.read(wall(), Instant::now())
    }

    /// Records the offset from the broker's clock, if known, and warns if the two contradict each other.
    pub fn compare(&self, ahead_of_broker_ms: Option<i64>) {
        let mut steady = self.steady.lock();
        steady.jumps.ahead_of_broker_ms = ahead_of_broker_ms;
        if steady.jumps.contradicts_broker() {
            tracing::warn!(
                ms = ahead_of_broker_ms,
                "the host clock and the broker's clock differ by more than a minute: timers use the \
                 host clock, events are stamped by the broker; synchronise both from one time \
                 source"
            );
        }
    }

    /// Its statistics.
    pub fn jumps(&self) -> ClockJumps {
        self.steady.lock().jumps
    }
}

impl Default for Clock {
    fn default() -> Clock {
        Clock::new()
    }
}

fn wall() -> Time {
    chrono::Utc::now().into()
}

/// The clock's logic, without reading real clocks.
#[derive(Debug)]
struct SteadyClock {
    /// The last accepted reading, and its monotonic time.
    believed: (Time, Instant),
    /// Since when, and by how much, the host clock differs.
    doubt: Option<(Instant, i64)>,
    jumps: ClockJumps,
}

impl SteadyClock {
    fn new(wall: Time, at: Instant) -> SteadyClock {
        SteadyClock { believed: (wall, at), doubt: None, jumps: ClockJumps::default() }
    }

    fn read(&mut self, wall: Time, at: Instant) -> Time {
        let (before, then) = self.believed;
        let expected = before + at.saturating_duration_since(then);
        let off = wall.ms().saturating_sub(expected.ms());
        if is_little(off) {
            return self.believe(wall, at);
        }
        match self.doubt {
            Some((since, by)) if is_little(off.saturating_sub(by)) => {
                if at.saturating_duration_since(since) >= DOUBT {
                    tracing::warn!(
                        ms = off,
                        "the changed host clock has been stable for a minute and is used from now \
                         on"
                    );
                    return self.believe(wall, at);
                }
            }
            _ => {
                tracing::warn!(
                    ms = off,
                    "the host clock jumped; ignoring the jump until it has been stable for a minute"
                );
                self.doubt = Some((at, off));
                self.jumps = ClockJumps {
                    times: self.jumps.times + 1,
                    last_ms: off,
                    is_doubted: true,
                    ..self.jumps
                };
            }
        }
        expected
    }

    fn believe(&mut self, wall: Time, at: Instant) -> Time {
        self.believed = (wall, at);
        self.doubt = None;
        self.jumps.is_doubted = false;
        wall
    }
}

fn is_little(ms: i64) -> bool {
    u128::from(ms.unsigned_abs()) <= TOLERANCE.as_millis()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Time = Time::from_ms(1_760_000_000_000);
    const HOUR: i64 = 3_600_000;

    /// A clock that was read at noon, and that time.
    fn clock() -> (SteadyClock, Instant) {
        let begin = Instant::now();
        (SteadyClock::new(NOON, begin), begin)
    }

    /// The reading this many seconds after noon, when the host clock is off by this much.
    fn read(clock: &mut SteadyClock, begin: Instant, seconds: u64, off_ms: i64) -> i64 {
        let after = Duration::from_secs(seconds);
        let shown = Time::from_ms((NOON + after).ms() + off_ms);
        clock.read(shown, begin + after).ms() - NOON.ms()
    }

    #[test]
    fn a_steady_clock_is_trusted_and_so_is_a_small_correction() {
        let (mut clock, begin) = clock();
        assert_eq!(read(&mut clock, begin, 1, 0), 1_000);
        assert_eq!(read(&mut clock, begin, 2, 1_500), 3_500);
        assert_eq!(read(&mut clock, begin, 3, 0), 3_000);
        assert_eq!(clock.jumps, ClockJumps::default());
    }

    #[test]
    fn a_jump_of_an_hour_that_is_corrected_within_a_minute_has_no_effect() {
        for off in [HOUR, -HOUR] {
            let (mut clock, begin) = clock();
            for second in 1..59 {
                assert_eq!(read(&mut clock, begin, second, off), second as i64 * 1_000);
            }
            assert_eq!(
                clock.jumps,
                ClockJumps { times: 1, last_ms: off, is_doubted: true, ..ClockJumps::default() }
            );
            assert_eq!(read(&mut clock, begin, 59, 0), 59_000);
            assert_eq!(clock.jumps, ClockJumps { times: 1, last_ms: off, ..ClockJumps::default() });
            // A later jump is ignored for as long again.
            assert_eq!(read(&mut clock, begin, 61, off), 61_000);
            assert_eq!(clock.jumps.times, 2);
        }
    }

    #[test]
    fn a_clock_that_jumped_is_trusted_after_a_stable_minute() {
        for off in [HOUR, -HOUR] {
            let (mut clock, begin) = clock();
            assert_eq!(read(&mut clock, begin, 1, off), 1_000);
            assert_eq!(read(&mut clock, begin, 60, off), 60_000);
            assert_eq!(read(&mut clock, begin, 61, off), 61_000 + off);
            assert_eq!(read(&mut clock, begin, 62, off), 62_000 + off);
            assert_eq!(clock.jumps, ClockJumps { times: 1, last_ms: off, ..ClockJumps::default() });
        }
    }

    #[test]
    fn a_clock_that_jumps_again_and_again_is_not_trusted() {
        let (mut clock, begin) = clock();
        for second in 1..600 {
            let off = if second / 30 % 2 == 0 { HOUR } else { 2 * HOUR };
            assert_eq!(read(&mut clock, begin, second, off), second as i64 * 1_000);
        }
    }

    #[test]
    fn a_clock_more_than_a_minute_from_the_brokers_is_reported_and_stays_reported() {
        for (ahead, contradicts) in
            [(Some(60_000), false), (Some(-60_001), true), (Some(3_600_000), true), (None, false)]
        {
            let clock = Clock::new();
            clock.compare(ahead);
            assert_eq!(clock.jumps().contradicts_broker(), contradicts, "{ahead:?}");
            let (mut steady, begin) = self::clock();
            steady.jumps = clock.jumps();
            read(&mut steady, begin, 1, HOUR);
            assert_eq!((steady.jumps.times, steady.jumps.ahead_of_broker_ms), (1, ahead));
        }
    }
}
