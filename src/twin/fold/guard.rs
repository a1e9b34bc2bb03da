//! Sets and removes the guards of derived values.

use crate::policy::Purposes;
use crate::twin::state::{Derived, Guard, Twin};

impl Twin {
    /// Restricts a value to these purposes; none: unrestricted.
    pub(in crate::twin) fn set_guard(
        &mut self,
        of: Derived,
        name: &str,
        purposes: Option<Purposes>,
    ) {
        self.guards.retain(|guard| guard.of != of || *guard.name != *name);
        if let Some(purposes) = purposes {
            self.guards.push(Guard { of, name: name.into(), purposes });
            self.guards.sort_by(|left, right| (left.of, &left.name).cmp(&(right.of, &right.name)));
        }
    }

    /// Restricts a value further, to those of its purposes that are among these.
    pub(in crate::twin) fn add_guard(
        &mut self,
        of: Derived,
        name: &str,
        purposes: Option<Purposes>,
    ) {
        let Some(purposes) = purposes else { return };
        let both = match self.guard(of, name) {
            Some(known) => known.and(&purposes),
            None => purposes,
        };
        self.set_guard(of, name, Some(both));
    }

    /// Removes the guards of values that no longer exist.
    pub(in crate::twin) fn settle_guards(&mut self) {
        let mut guards = std::mem::take(&mut self.guards);
        guards.retain(|guard| match guard.of {
            Derived::Fact => self.facts.get(&guard.name).is_some(),
            Derived::Need => self.needs.iter().any(|need| need.name == guard.name),
            Derived::Window => self.tallies.window(&guard.name).is_some(),
            Derived::Counter => self.tallies.counter(&guard.name).is_some(),
            Derived::Activity => self.tallies.activity(&guard.name).is_some(),
        });
        self.guards = guards;
    }
}
