//! What is known grows old, and goes: each thing after the time that the policy gives its class, and
//! all of it once the customer has not been seen for long enough.

use std::time::Duration;

use super::reaction::Notes;
use super::{Derived, Effect, Timeline, Timer, Twin};
use crate::event::{Sensitivity, Time};
use crate::policy::{CatchUp, Policy, RETENTION_TIMER, RetentionRule};

/// Between two looks lies so long at least: what goes need not go to the second.
const PAUSE: Duration = Duration::from_secs(3_600);

impl Twin {
    /// Starts the timer for what grows old next, unless one is due before that.
    pub(super) fn watch_for_age(
        &mut self,
        policy: &Policy,
        now: Time,
        effects: &mut Vec<Effect>,
        notes: &mut Notes,
    ) {
        let Some(rule) = &policy.retention else { return };
        let Some(next) = self.grows_old_at(rule, policy) else { return };
        let due = next.max(now + PAUSE);
        let known = self.timers.iter().find(|timer| *timer.name == *RETENTION_TIMER);
        if known.is_none_or(|known| due < known.due) {
            let name = RETENTION_TIMER.into();
            let timer = Timer { name, due, every: None, catch_up: CatchUp::Coalesce };
            self.start_timer(timer, effects, notes);
        }
    }

    /// Lets go of what is too old.
    pub(super) fn grow_old(
        &mut self,
        policy: &Policy,
        now: Time,
        effects: &mut Vec<Effect>,
        notes: &mut Notes,
    ) {
        let Some(rule) = &policy.retention else { return };
        if rule.inactive.is_some_and(|span| self.seen + span <= now) {
            effects.push(Effect::Forget { seen: self.seen });
            return;
        }
        let is_old = |at: Time, class| rule.span(class).is_some_and(|span| at + span <= now);
        let facts: Vec<Box<str>> = self
            .fact_dates
            .iter()
            .filter(|(name, at)| is_old(*at, self.class_of_fact(name)))
            .map(|(name, _)| name.into())
            .collect();
        for name in facts {
            self.facts.remove(&name);
            self.fact_dates.clear(&name);
        }
        self.context.retain(|signal| !is_old(signal.at, class_of_signal(signal, policy)));
        for interaction in &mut self.interactions {
            interaction.lines.retain(|line| !is_old(line.at, Sensitivity::Personal));
        }
        if self.timeline.iter().any(|entry| is_old(entry.at, Sensitivity::Personal)) {
            let mut kept = self.memory().timeline;
            kept.retain(|entry| !is_old(entry.at, Sensitivity::Personal));
            self.timeline = Timeline::of(self.timeline.total(), &kept);
            // The words that showed something go with their entries; what they showed fades anyway.
            let first = self.timeline.total() - self.timeline.len() as u64;
            if let Some(sentiment) = &mut self.sentiment {
                sentiment.evidence.retain(|heard| heard.number >= first);
            }
            for choice in self.profile.preferences.iter_mut().flat_map(|one| &mut one.choices) {
                choice.evidence.retain(|number| *number >= first);
            }
        }
        self.settle_guards();
        self.watch_for_age(policy, now, effects, notes);
    }

    /// When the next thing is too old.
    fn grows_old_at(&self, rule: &RetentionRule, policy: &Policy) -> Option<Time> {
        let personal = |at: Time| Some(at + rule.personal?);
        let facts = self
            .fact_dates
            .iter()
            .filter_map(|(name, at)| rule.span(self.class_of_fact(name)).map(|span| at + span));
        let signals = self.context.iter().filter_map(|signal| {
            rule.span(class_of_signal(signal, policy)).map(|span| signal.at + span)
        });
        let lines = self.interactions.iter().flat_map(|known| &known.lines);
        let lines = lines.filter_map(|line| personal(line.at));
        // The oldest comes first, or nearly.
        let entries = self.timeline.iter().take(1).filter_map(|entry| personal(entry.at));
        let inactive = rule.inactive.map(|span| self.seen + span);
        facts.chain(signals).chain(lines).chain(entries).chain(inactive).min()
    }

    /// What is made of something sensitive is as sensitive.
    fn class_of_fact(&self, name: &str) -> Sensitivity {
        match self.guard(Derived::Fact, name) {
            Some(_) => Sensitivity::Sensitive,
            None => Sensitivity::Personal,
        }
    }
}

fn class_of_signal(signal: &super::Signal, policy: &Policy) -> Sensitivity {
    let declared = policy.context.get(&signal.name).map(|rule| rule.sensitivity);
    declared.unwrap_or(Sensitivity::Public).max(signal.sensitivity)
}
