use std::time::Duration;

use crate::config::limits;
use crate::event::Time;

/// A token bucket for the dead letters of a partition: a burst, then as many per second as people could
/// look at. So a channel that sends only invalid events is read at full speed and does not delay others;
/// the event stream still holds all of its events.
#[derive(Debug)]
pub(super) struct DeadLetterBudget {
    left: usize,
    /// The time up to which tokens were added.
    at: Time,
}

/// The interval at which a token is added.
const ONE_MORE: Duration = Duration::from_millis(1_000 / limits::DEAD_LETTERS_A_SECOND as u64);

impl DeadLetterBudget {
    pub(super) fn new() -> DeadLetterBudget {
        DeadLetterBudget { left: limits::DEAD_LETTERS_AT_ONCE, at: Time::MIN }
    }

    /// Takes a token at `now`, by the partition's clock; `false` if there is none.
    pub(super) fn take(&mut self, now: Time) -> bool {
        let more = now.since(self.at).as_millis() / ONE_MORE.as_millis();
        let more = usize::try_from(more).unwrap_or(usize::MAX);
        if more > 0 {
            self.left = self.left.saturating_add(more).min(limits::DEAD_LETTERS_AT_ONCE);
            self.at = now;
        }
        let may = self.left > 0;
        self.left = self.left.saturating_sub(1);
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Time = Time::from_ms(1_760_000_000_000);

    /// How many of `asked` dead letters are written at a time.
    fn written(budget: &mut DeadLetterBudget, asked: usize, now: Time) -> usize {
        (0..asked).filter(|_| budget.take(now)).count()
    }

    #[test]
    fn a_burst_is_written_in_full_and_a_flood_at_a_limited_rate() {
        let burst = limits::DEAD_LETTERS_AT_ONCE;
        let mut budget = DeadLetterBudget::new();
        assert_eq!(written(&mut budget, burst, NOON), burst);
        let mut flood = 0;
        for ms in 0..10_000 {
            flood += written(&mut budget, 50, NOON + Duration::from_millis(ms));
        }
        let expected = 10 * limits::DEAD_LETTERS_A_SECOND;
        assert!((expected - 1..=expected).contains(&flood), "{flood}");
    }

    #[test]
    fn the_budget_refills_to_one_burst_and_no_more() {
        let burst = limits::DEAD_LETTERS_AT_ONCE;
        let mut budget = DeadLetterBudget::new();
        written(&mut budget, 2 * burst, NOON);
        let later = NOON + Duration::from_secs(86_400);
        assert_eq!(written(&mut budget, 2 * burst, later), burst);
        assert_eq!(written(&mut budget, 1, NOON), 0, "nor if the clock is set back");
    }
}
