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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{self, Customer, Raw, Time};
    use crate::policy::{Files, load};
    use crate::twin::{Input, World, invariants, react};

    const POLICY: &str = r#"
[policy]
name = "test"
languages = ["en"]

[context.diagnosis]
sensitivity = "sensitive"
purpose = ["care"]

[needs.walk]
describe = "should walk more"

[[rules]]
name = "illness means a need"
on = "signal:diagnosis"
when = 'context.diagnosis == "diabetes"'
then = [
  { raise = "walk", because = "has {{ context.diagnosis }}" },
  { set = "illness", to = "context.diagnosis" },
]
"#;

    #[test]
    fn a_guard_is_removed_with_its_value() {
        let policy = load(&Files::new([("test.toml", POLICY)]))
            .unwrap_or_else(|mistakes| panic!("\n{mistakes}"));
        let mut twin = Twin::new(Customer::new("ada").unwrap(), Time::from_ms(0));
        let take = |twin: &mut Twin, sequence: u64, json: &str| {
            let payload = json.as_bytes();
            let raw = Raw { channel: "web", customer: "ada", headers: &[], payload, sequence };
            let now = Time::from_ms(1_760_000_000_000 + sequence as i64);
            react(twin, &Input::event(event::parse(&raw).unwrap(), now), &World::of(&policy));
            assert_eq!(invariants::violations(twin), Vec::<String>::new());
        };
        let diagnosis = r#"{"type": "signal", "data": {"name": "diagnosis", "value": "diabetes"}}"#;
        take(&mut twin, 1, diagnosis);
        assert!(twin.guard(Derived::Need, "walk").is_some());
        take(&mut twin, 2, r#"{"type": "signal", "data": {"name": "diagnosis", "value": null}}"#);
        twin.needs.clear();
        take(&mut twin, 3, r#"{"type": "track", "data": {"name": "Anything"}}"#);
        assert!(twin.guard(Derived::Need, "walk").is_none());
        assert!(twin.guard(Derived::Fact, "illness").is_some(), "the fact is still there");
    }
}
