use std::collections::{BTreeMap, VecDeque};
use std::sync::OnceLock;
use std::time::Duration;

use jumeau::event::{self, Customer, ForwardedEvent, INTERNAL, Raw, Rejection, Time, Value};
use jumeau::policy::{self, Files, Policy};
use jumeau::twin::{Effect, Input, InputResult, Reaction, Twin, World, invariants, react};
use serde_json::json;

const POLICY: &str = r#"
[policy]
name = "identity"
languages = ["en"]

[needs.tablet]
describe = "looks at tablets"
expires = "30d"

[preferences.colour]
evidence = 3

[context.illness]
sensitivity = "sensitive"
purpose = ["care"]

[dissatisfaction]
period = "30d"

[windows.failures]
on = "track:Failed"
over = "1h"

[windows.illnesses]
on = "signal:illness"
over = "30d"
keep = "distinct"
of = "event.value"

[counters.looks]
on = "page"
half_life = "7d"

[needs.care]
describe = "needs care"
expires = "30d"

[[rules]]
name = "failed"
on = "track:Failed"
then = [{ problem = "{{ event.properties.step }}" }]

[[rules]]
name = "ill"
on = "track:Ask"
when = "has(context.illness)"
then = [
  { set = "told", to = "context.illness" },
  { set = "copied", to = "facts.told" },
  { raise = "care", strength = 0.3, because = "has {{ context.illness }}" },
]

[[rules]]
name = "well"
on = "track:Well"
then = [
  { set = "told", to = "'nothing'" },
  { raise = "care", strength = 0.6, because = "asked for it" },
]

[[rules]]
name = "looked"
on = "page"
then = [
  { raise = "tablet", strength = 0.5, because = "looked at {{ event.name }}" },
  { prefer = "colour", value = "event.properties.colour" },
  { set = "looked_at", to = "event.name" },
  { start = "silence", after = "2d" },
]

[queues.shop]
respond = "1h"

[[rules]]
name = "told where"
on = "track:Asked"
then = [{ escalate = "shop", topic = "tablets", because = "asked" }]

[[rules]]
name = "told when"
on = "track:Rang"
then = [{ escalate = "shop", topic = "phones", because = "rang" }]

[[rules]]
name = "welcome"
on = "link"
when = "needs.tablet > 0"
then = [{ act = "show_tablets" }]

[[actions]]
name = "show_tablets"
serves = ["tablet"]
issue = "sales"
value = 0.5
cooldown = "1d"
when = 'event.type == "link"'
[[actions.treatments]]
channel = "web"
text.en = "You were looking at {{ facts.looked_at }}."
"#;

pub(crate) fn the_policy() -> &'static Policy {
    static LOADED: OnceLock<Policy> = OnceLock::new();
    LOADED.get_or_init(|| policy::load(&Files::new([("test.toml", POLICY)])).unwrap())
}

/// Twins, a clock, and what they send each other.
pub(crate) struct Town {
    pub(crate) twins: BTreeMap<String, Twin>,
    pub(crate) now: Time,
    /// On event time: the moment of the next event.
    pub(crate) moment: Option<Time>,
    pub(crate) sequence: u64,
    pub(crate) on_its_way: VecDeque<ForwardedEvent>,
    pub(crate) refusals: Vec<Rejection>,
}

impl Town {
    pub(crate) fn new() -> Town {
        Town {
            twins: BTreeMap::new(),
            now: Time::parse("2026-03-02T09:00:00Z").unwrap(),
            moment: None,
            sequence: 0,
            on_its_way: VecDeque::new(),
            refusals: Vec::new(),
        }
    }

    /// Publishes an event; what twins forward stays on its way.
    pub(crate) fn publish(
        &mut self,
        customer: &str,
        kind: &str,
        data: serde_json::Value,
    ) -> Reaction {
        self.sequence += 1;
        self.now = self.now + Duration::from_secs(1);
        let payload = json!({ "type": kind, "data": data }).to_string();
        self.take("web", customer, payload.as_bytes())
    }

    /// Publishes an event, and lets everything arrive.
    pub(crate) fn event(
        &mut self,
        customer: &str,
        kind: &str,
        data: serde_json::Value,
    ) -> Reaction {
        let reaction = self.publish(customer, kind, data);
        self.arrive();
        reaction
    }

    pub(crate) fn page(&mut self, customer: &str, name: &str, colour: &str) -> Reaction {
        let data = json!({ "name": name, "properties": { "colour": colour } });
        self.event(customer, "page", data)
    }

    pub(crate) fn link(&mut self, from: &str, to: &str) -> Reaction {
        self.event(from, "link", json!({ "to": to }))
    }

    /// Says that two known customers are one.
    pub(crate) fn merge(&mut self, from: &str, to: &str) -> Reaction {
        self.event(from, "link", json!({ "to": to, "merge": true }))
    }

    pub(crate) fn unlink(&mut self, from: &str, identifier: &str) -> Reaction {
        self.event(from, "unlink", json!({ "from": identifier }))
    }

    pub(crate) fn take(&mut self, channel: &str, customer: &str, payload: &[u8]) -> Reaction {
        let raw = Raw { channel, customer, headers: &[], payload, sequence: self.sequence };
        let event = event::parse(&raw).unwrap_or_else(|refusal| panic!("{refusal}"));
        let twin = self
            .twins
            .entry(customer.to_owned())
            .or_insert_with(|| Twin::new(Customer::new(customer).unwrap(), self.now));
        let before = twin.clone();
        let input = match self.moment {
            Some(moment) => Input::event(event, moment).by_stream(None),
            None => Input::event(event, self.now),
        };
        let reaction = react(twin, &input, &World::of(the_policy()));
        assert_eq!(invariants::violations(twin), Vec::<String>::new());
        if let InputResult::Refused(refusal) = &reaction.result {
            assert_eq!(*twin, before, "a refused event changes nothing");
            self.refusals.push(refusal.clone());
        }
        for effect in &reaction.effects {
            if let Effect::Forward(message) = effect {
                self.on_its_way.push_back((**message).clone());
            }
        }
        reaction
    }

    pub(crate) fn arrive_one(&mut self) -> bool {
        let Some(message) = self.on_its_way.pop_front() else { return false };
        self.take(INTERNAL, message.to.as_str(), &message.payload);
        true
    }

    pub(crate) fn arrive(&mut self) {
        for _ in 0..100_000 {
            if !self.arrive_one() {
                return;
            }
        }
        panic!("something goes round for ever");
    }

    pub(crate) fn twin(&self, customer: &str) -> &Twin {
        &self.twins[customer]
    }

    pub(crate) fn forwards(&self, customer: &str) -> Option<&str> {
        self.twin(customer).linked_to.as_ref().map(Customer::as_str)
    }

    pub(crate) fn colour(&self, customer: &str, colour: &str) -> u32 {
        let known = self.twin(customer).profile.preference("colour");
        let choices = known.map_or(&[][..], |known| &known.choices);
        let choice = choices.iter().find(|choice| choice.value == Value::from(colour));
        choice.map_or(0, |choice| choice.count)
    }

    /// How often red was chosen, of all twins together.
    pub(crate) fn reds(&self) -> u32 {
        self.twins.keys().map(|who| self.colour(who, "red")).sum()
    }
}
