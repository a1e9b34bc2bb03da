//! Retention: each value is deleted after the period of its class, and the whole twin once the customer
//! has not been seen for long enough.

use std::time::Duration;

use crate::event::{Map, Sensitivity, Time, Value};
use crate::policy::{CatchUp, Policy, RETENTION_TIMER, RetentionRule};
use crate::twin::effect::Effect;
use crate::twin::note::Notes;
use crate::twin::state::{Dates, Derived, Memory, Signal, Timeline, Timer, Twin};

/// Minimum interval between two expiry checks; expiry need not be exact.
const PAUSE: Duration = Duration::from_secs(3_600);

impl Twin {
    /// Starts the timer for the next expiry, unless an earlier one is pending.
    pub(in crate::twin) fn start_retention_timer(
        &mut self,
        policy: &Policy,
        now: Time,
        effects: &mut Vec<Effect>,
        notes: &mut Notes,
    ) {
        let Some(rule) = &policy.retention else { return };
        let Some(next) = self.next_expiry(rule, policy) else { return };
        let due = next.max(now + PAUSE);
        let known = self.timers.iter().find(|timer| *timer.name == *RETENTION_TIMER);
        if known.is_none_or(|known| due < known.due) {
            let name = RETENTION_TIMER.into();
            let timer = Timer { name, due, every: None, catch_up: CatchUp::Coalesce };
            self.start_timer(timer, effects, notes);
        }
    }

    /// Deletes expired data.
    pub(in crate::twin) fn delete_expired(
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
        if rule.anonymous.is_some_and(|span| self.seen + span <= now) && self.can_be_anonymised() {
            self.anonymise(effects);
            self.settle_goals(policy, now, effects, notes);
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
            if kept.is_empty() {
                effects.push(Effect::LetGo);
            }
            // The words of evidence are deleted with their entries; its effect fades anyway.
            let first = self.timeline.total() - self.timeline.len() as u64;
            if let Some(sentiment) = &mut self.sentiment {
                sentiment.evidence.retain(|heard| heard.number >= first);
            }
            for choice in self.profile.preferences.iter_mut().flat_map(|one| &mut one.choices) {
                choice.evidence.retain(|number| *number >= first);
            }
        }
        self.settle_guards();
        self.start_retention_timer(policy, now, effects, notes);
    }

    /// When the next value expires.
    fn next_expiry(&self, rule: &RetentionRule, policy: &Policy) -> Option<Time> {
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
        // The oldest is the first, or nearly.
        let entries = self.timeline.iter().take(1).filter_map(|entry| personal(entry.at));
        let inactive = rule.inactive.map(|span| self.seen + span);
        let anonymous =
            rule.anonymous.filter(|_| self.can_be_anonymised()).map(|span| self.seen + span);
        let whole = inactive.into_iter().chain(anonymous);
        facts.chain(signals).chain(lines).chain(entries).chain(whole).min()
    }

    /// Whether there is data besides aggregates, and no agent is at work.
    fn can_be_anonymised(&self) -> bool {
        let is_busy = self.open_escalations().next().is_some() || self.linked_to.is_some();
        let facts = || self.facts.iter().any(|(name, value)| !self.is_count(name, value));
        let windows = || self.tallies.windows.iter().flat_map(|window| &window.entries);
        let words = || windows().any(|entry| !is_figure(&entry.value));
        let brought = || self.identifiers.iter().any(|known| *known.brought != Memory::default());
        let shown = || self.contacts.iter().any(|contact| contact.shown.is_some());
        let awaited = || self.trials.iter().any(|trial| trial.measurement.awaited().is_some());
        let lists = !self.profile.preferences.is_empty()
            || !self.context.is_empty()
            || !self.interactions.is_empty()
            || !self.cases.is_empty()
            || !self.needs.is_empty()
            || !self.problems.is_empty()
            || !self.escalations.is_empty()
            || self.sentiment.is_some()
            || !self.profile.traits.is_empty()
            || !self.timeline.is_empty();
        !is_busy && (lists || facts() || words() || brought() || shown() || awaited())
    }

    /// Deletes everything that tells who the customer is and what they said. Aggregates and consents
    /// stay, and the identifiers by which the customer is found, so that an erasure finds them.
    fn anonymise(&mut self, effects: &mut Vec<Effect>) {
        self.known |= !self.profile.traits.is_empty();
        self.profile.traits = Map::default();
        self.profile.preferences.clear();
        self.dates = Dates::default();
        self.context.clear();
        let words: Vec<Box<str>> = self
            .facts
            .iter()
            .filter(|(name, value)| !self.is_count(name, value))
            .map(|(name, _)| name.into())
            .collect();
        for name in words {
            self.facts.remove(&name);
            self.fact_dates.clear(&name);
        }
        self.interactions.clear();
        self.cases.clear();
        self.needs.clear();
        self.problems.clear();
        self.escalations.clear();
        self.sentiment = None;
        for contact in &mut self.contacts {
            contact.shown = None;
        }
        self.stop_measuring();
        for window in &mut self.tallies.windows {
            window.entries.retain(|entry| is_figure(&entry.value));
        }
        for known in &mut self.identifiers {
            known.entries.clear();
            *known.brought = Memory::default();
            *known.beneath = Memory::default();
        }
        self.timeline = Timeline::of(self.timeline.total(), &[]);
        self.settle_guards();
        effects.push(Effect::LetGo);
    }

    /// Whether a fact is a number, and not derived from sensitive data.
    fn is_count(&self, name: &str, value: &Value) -> bool {
        is_figure(value) && self.guard(Derived::Fact, name).is_none()
    }

    /// A fact derived from sensitive data is as sensitive.
    fn class_of_fact(&self, name: &str) -> Sensitivity {
        match self.guard(Derived::Fact, name) {
            Some(_) => Sensitivity::Sensitive,
            None => Sensitivity::Personal,
        }
    }
}

fn is_figure(value: &Value) -> bool {
    matches!(value, Value::Null | Value::Bool(_) | Value::Int(_) | Value::UInt(_) | Value::Float(_))
}

fn class_of_signal(signal: &Signal, policy: &Policy) -> Sensitivity {
    let declared = policy.context.get(&signal.name).map(|rule| rule.sensitivity);
    declared.unwrap_or(Sensitivity::Public).max(signal.sensitivity)
}
