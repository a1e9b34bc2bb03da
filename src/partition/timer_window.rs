use std::collections::BTreeSet;

use crate::event::Time;
use crate::tables::TimerKey;

/// The next timers of a partition, in due order. Later ones wait in the store: a bounded window over an
/// unbounded table.
#[derive(Debug)]
pub(super) struct TimerWindow {
    timers: BTreeSet<TimerKey>,
    reach: WindowReach,
    capacity: usize,
}

/// The range of the window: every timer up to there is in it, and none after.
#[derive(Debug, PartialEq, Eq)]
enum WindowReach {
    /// Nothing is loaded yet.
    Nothing,
    /// Up to and including this timer.
    UpTo(TimerKey),
    /// To the end.
    Everything,
}

impl TimerWindow {
    /// An empty window for about `capacity` timers.
    pub(super) fn unloaded(capacity: usize) -> TimerWindow {
        TimerWindow {
            timers: BTreeSet::new(),
            reach: WindowReach::Nothing,
            capacity: capacity.max(1),
        }
    }

    /// How many timers are loaded at once.
    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Whether the store holds timers due at `until` or before that are not in the window. They are
    /// loaded once the window's own have fired.
    pub(super) fn lacks(&self, until: Time) -> bool {
        match &self.reach {
            WindowReach::Nothing => true,
            WindowReach::UpTo(last) => last.due <= until && self.timers.is_empty(),
            WindowReach::Everything => false,
        }
    }

    /// Loads the first timers of the store: all, or [`TimerWindow::capacity`]. The store must have seen
    /// every change up to now.
    pub(super) fn load(&mut self, first: Vec<TimerKey>) {
        self.reach = match first.last() {
            Some(last) if first.len() >= self.capacity => WindowReach::UpTo(last.clone()),
            _ => WindowReach::Everything,
        };
        self.timers = first.into_iter().collect();
    }

    pub(super) fn insert(&mut self, timer: TimerKey) {
        match &self.reach {
            WindowReach::Nothing => return,
            WindowReach::UpTo(last) if timer > *last => return,
            WindowReach::UpTo(_) | WindowReach::Everything => {}
        }
        self.timers.insert(timer);
        while self.timers.len() > 2 * self.capacity
            && self.timers.pop_last().is_some()
            && let Some(last) = self.timers.last()
        {
            self.reach = WindowReach::UpTo(last.clone());
        }
    }

    pub(super) fn remove(&mut self, timer: &TimerKey) {
        self.timers.remove(timer);
    }

    /// When the next timer is due, or the time from which on the store must be asked; `None` if there is
    /// no timer at all.
    pub(super) fn next_due(&self) -> Option<Time> {
        match (&self.reach, self.timers.first()) {
            (_, Some(first)) => Some(first.due),
            (WindowReach::Nothing, None) => Some(Time::MIN),
            (WindowReach::UpTo(last), None) => Some(last.due),
            (WindowReach::Everything, None) => None,
        }
    }

    /// The number of timers held.
    pub(super) fn len(&self) -> usize {
        self.timers.len()
    }

    /// Takes the next timers due at `until` or before, at most `limit`, in due order.
    pub(super) fn take_due(&mut self, until: Time, limit: usize) -> Vec<TimerKey> {
        let mut due = Vec::new();
        while due.len() < limit
            && self.timers.first().is_some_and(|first| first.due <= until)
            && let Some(first) = self.timers.pop_first()
        {
            due.push(first);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::event::Customer;

    fn timer(due: i64, name: u8) -> TimerKey {
        TimerKey {
            due: Time::from_ms(due),
            customer: Customer::new("ada").unwrap(),
            name: format!("t{name}").into(),
        }
    }

    proptest! {
        #[test]
        fn a_bounded_window_over_a_store_fires_what_an_unbounded_one_would(
            steps in prop::collection::vec((0u8..3, 0i64..30, 0u8..9), 1..300),
        ) {
            let mut store = BTreeSet::new();
            let mut window = TimerWindow::unloaded(3);
            let mut now = 0;
            for (kind, offset, name) in steps {
                let about = timer(now + 1 + offset, name);
                match kind {
                    0 => {
                        store.insert(about.clone());
                        window.insert(about);
                    }
                    1 => {
                        store.remove(&about);
                        window.remove(&about);
                    }
                    _ => {
                        now += offset;
                        let until = Time::from_ms(now);
                        let mut fired = Vec::new();
                        loop {
                            let due = window.take_due(until, 2);
                            if due.is_empty() && !window.lacks(until) {
                                break;
                            }
                            if due.is_empty() {
                                window.load(store.iter().take(window.capacity()).cloned().collect());
                            }
                            for timer in &due {
                                store.remove(timer);
                            }
                            fired.extend(due);
                        }
                        prop_assert!(fired.is_sorted());
                        prop_assert!(store.iter().all(|left| left.due > until), "{store:?} left at {now}");
                        prop_assert!(window.len() <= 6);
                        // The timers beyond it may have been deleted: then it asks the store once in
                        // vain.
                        prop_assert!(window.next_due().is_some() || store.is_empty());
                    }
                }
            }
        }
    }
}
