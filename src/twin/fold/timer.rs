//! Timers are started, cancelled and fired.

use std::time::Duration;

use crate::config::limits;
use crate::event::Time;
use crate::policy::CatchUp;
use crate::twin::effect::Effect;
use crate::twin::input::Fired;
use crate::twin::note::Notes;
use crate::twin::state::{Timer, Twin};

/// A firing later than this counts as missed for [`CatchUp::Skip`].
const SKIPPED_WHEN_LATER: Duration = Duration::from_secs(60);

impl Twin {
    /// Starts or restarts a timer.
    pub(in crate::twin) fn start_timer(
        &mut self,
        timer: Timer,
        effects: &mut Vec<Effect>,
        notes: &mut Notes,
    ) {
        match self.timers.iter().position(|known| known.name == timer.name) {
            Some(at) if self.timers[at] == timer => return,
            Some(at) => {
                let before = std::mem::replace(&mut self.timers[at], timer.clone());
                effects.push(Effect::CancelTimer { name: before.name, due: before.due });
            }
            None if self.timers.len() == limits::TIMERS => return notes.limit("TIMERS"),
            None => self.timers.push(timer.clone()),
        }
        effects.push(Effect::StartTimer { name: timer.name, due: timer.due });
    }

    /// Cancels a timer.
    pub(in crate::twin) fn cancel_timer(&mut self, name: &str, effects: &mut Vec<Effect>) {
        if let Some(at) = self.timers.iter().position(|known| &*known.name == name) {
            let gone = self.timers.remove(at);
            effects.push(Effect::CancelTimer { name: gone.name, due: gone.due });
        }
    }

    /// Processes a firing; a repeating timer gets its next one. Returns whether rules should see it: not
    /// if the timer was moved or cancelled meanwhile, nor if its catch-up rule says to skip it. The
    /// partition deletes the row of the timer index.
    pub(in crate::twin) fn fire_timer(&mut self, fired: &Fired, effects: &mut Vec<Effect>) -> bool {
        let is_this = |known: &Timer| known.name == fired.name && known.due == fired.due;
        let Some(at) = self.timers.iter().position(is_this) else {
            return false;
        };
        let timer = &mut self.timers[at];
        let is_heard = timer.catch_up != CatchUp::Skip || fired.late <= SKIPPED_WHEN_LATER;
        match timer.every {
            Some(every) if !every.is_zero() => {
                timer.due = next_due(fired, every, timer.catch_up);
                effects.push(Effect::StartTimer { name: timer.name.clone(), due: timer.due });
            }
            _ => drop(self.timers.remove(at)),
        }
        is_heard
    }
}

/// The next firing of a repeating timer, after one that came `fired.late` after its due time.
fn next_due(fired: &Fired, every: Duration, catch_up: CatchUp) -> Time {
    let missed = fired.late.as_millis() / every.as_millis().max(1);
    let passed_over = match catch_up {
        // One by one, but the firings of an outage of years are not all made up for.
        CatchUp::Run => missed.saturating_sub(limits::TIMER_CATCH_UP as u128),
        CatchUp::Coalesce | CatchUp::Skip => missed,
    };
    let periods = u32::try_from(passed_over + 1).unwrap_or(u32::MAX);
    fired.due + every.saturating_mul(periods)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn fired(late: Duration) -> Fired {
        Fired { name: "t".into(), due: Time::from_ms(0), late }
    }

    #[test]
    fn catch_up_by_run_continues_with_the_next_missed_firing() {
        let next = next_due(&fired(HOUR * 5), HOUR, CatchUp::Run);
        assert_eq!(next, Time::from_ms(0) + HOUR);
    }

    #[test]
    fn catch_up_by_coalesce_continues_after_now() {
        let next = next_due(&fired(HOUR * 5), HOUR, CatchUp::Coalesce);
        assert_eq!(next, Time::from_ms(0) + HOUR * 6);
    }

    #[test]
    fn missed_firings_of_a_very_long_outage_are_limited() {
        let next = next_due(&fired(HOUR * 1000), HOUR, CatchUp::Run);
        assert_eq!(next, Time::from_ms(0) + HOUR * (1000 - limits::TIMER_CATCH_UP as u32 + 1));
    }
}
