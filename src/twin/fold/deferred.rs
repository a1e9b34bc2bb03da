//! Moves the timers of deferred decisions when the quiet hours change.

use crate::event::{Time, Zone};
use crate::policy::Policy;
use crate::twin::effect::Effect;
use crate::twin::note::Notes;
use crate::twin::state::{DeferredDecision, Timer, Twin, place};

impl Twin {
    /// Moves the timers of deferred decisions to the end of the customer's current quiet hours: their
    /// time zone or the policy may have changed since. Outside quiet hours they are decided again at
    /// once; while the zone is unknown, the timers stay.
    pub(in crate::twin) fn move_deferred_decisions(
        &mut self,
        policy: &Policy,
        now: Time,
        effects: &mut Vec<Effect>,
        notes: &mut Notes,
    ) {
        // A due decision is made again anyway, and deferred again if necessary.
        let waits = |timer: &&Timer| timer.due > now && DeferredDecision::of(&timer.name).is_some();
        if self.timers.iter().all(|timer| !waits(&timer)) {
            return;
        }
        let Ok(zone) = place::zone(self) else { return };
        let zone = zone.or(policy.contact.timezone).unwrap_or(Zone::UTC);
        let due = policy.contact.quiet.and_then(|quiet| quiet.until(now, &zone)).unwrap_or(now);
        let moved = self.timers.iter().filter(waits).filter(|timer| timer.due != due);
        let moved: Vec<Timer> = moved.map(|timer| Timer { due, ..timer.clone() }).collect();
        for timer in moved {
            self.start_timer(timer, effects, notes);
        }
    }
}
