//! Replays one customer's real history: under the same policy, which must give the same decisions, or
//! under another, to compare. Pure.
//!
//! A history consists of the events in the stream and the inputs that a journal keeps because the stream
//! does not have them (API requests, analyser answers). Timers come from the replayed twin, because
//! another policy starts other timers. A timer that also fired originally fires at the journalled
//! position and time, even if it was late or came before an event that the stream had stored earlier; any
//! other fires at its due time. Likewise, a broadcast wakes the twin when it did originally.
//!
//! Models change over time. Model marks record from which position a partition used which version; a
//! [`Life`] uses for each input the version of that time.

mod life;
mod mark;

pub use life::{Life, Lived};
pub use mark::ModelMark;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use self::mark::ModelMarks;
use crate::event::{Analysis, Broadcast, Customer, Event, Time};
use crate::models::Snapshot;
use crate::policy::Policy;
use crate::twin::{Asked, HandedOver, Journalled, Woken};

/// The history of one customer: inputs in their original order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Past {
    happened: Vec<PastStep>,
    analyses: BTreeMap<u64, Analysis>,
    /// The timers that fired: when each was due, its name, and how it fired.
    fired: BTreeMap<(Time, Box<str>), Rung>,
    /// The fingerprints of the broadcasts that are known to have woken the twin.
    woken: BTreeSet<u64>,
    marks: ModelMarks,
}

/// The original firing of a timer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rung {
    /// When it was processed.
    at: Time,
    /// The delay of the firing.
    late: Duration,
    place: Place,
}

/// The position of an input among all of a partition: after a stream sequence, and there by its number in
/// the journal; an event of the stream comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place(u64, Option<u32>);

/// One input.
#[derive(Debug, Clone, PartialEq)]
struct PastStep {
    at: Time,
    /// Its stream sequence, or that of the last event before it.
    sequence: u64,
    what: PastInput,
}

#[derive(Debug, Clone, PartialEq)]
enum PastInput {
    Event(Box<Event>),
    Broadcast(Arc<Broadcast>),
    Asked { number: u32, asked: Box<Asked> },
    HandedOver { number: u32, act: Box<HandedOver> },
    Woken { number: u32, woken: Woken },
}

impl PastStep {
    fn place(&self) -> Place {
        let number = match self.what {
            PastInput::Event(_) | PastInput::Broadcast(_) => None,
            PastInput::Asked { number, .. }
            | PastInput::HandedOver { number, .. }
            | PastInput::Woken { number, .. } => Some(number),
        };
        Place(self.sequence, number)
    }
}

impl Past {
    /// Adds an event of the stream.
    pub fn event(&mut self, sequence: u64, at: Time, event: Event) {
        self.happened.push(PastStep { at, sequence, what: PastInput::Event(Box::new(event)) });
    }

    /// Adds a broadcast of the stream.
    pub fn broadcast(&mut self, sequence: u64, at: Time, broadcast: Arc<Broadcast>) {
        self.happened.push(PastStep { at, sequence, what: PastInput::Broadcast(broadcast) });
    }

    /// Adds a journalled input, and its number in the journal.
    pub fn journalled(&mut self, at: Time, number: u32, input: Journalled) {
        match input {
            Journalled::Ask(asked) => {
                let sequence = asked.after;
                let what = PastInput::Asked { number, asked };
                self.happened.push(PastStep { at, sequence, what });
            }
            Journalled::Handoff(act) => {
                let sequence = act.after;
                let what = PastInput::HandedOver { number, act };
                self.happened.push(PastStep { at, sequence, what });
            }
            Journalled::Analysis { event, analysis } => {
                self.analyses.insert(event, analysis);
            }
            Journalled::Timer { fired, after } => {
                let rung = Rung { at, late: fired.late, place: Place(after, Some(number)) };
                self.fired.insert((fired.due, fired.name), rung);
            }
            Journalled::Broadcast { woken, after } => {
                self.woken.insert(woken.id);
                let what = PastInput::Woken { number, woken };
                self.happened.push(PastStep { at, sequence: after, what });
            }
        }
    }

    /// The model marks of the customer's partition.
    pub fn learned(&mut self, marks: Vec<ModelMark>) {
        self.marks = ModelMarks::new(marks);
    }

    /// The sequences of the events that come in the service's name, in ascending order: those that other
    /// identifiers of the customer forwarded, if the service wrote them.
    pub fn forwarded(&self) -> Vec<u64> {
        let is_forwarded = |what: &PastInput| matches!(what, PastInput::Event(event) if event.forwarding.is_some());
        let forwarded = self.happened.iter().filter(|one| is_forwarded(&one.what));
        let mut found: Vec<u64> = forwarded.map(|one| one.sequence).collect();
        found.sort_unstable();
        found
    }

    /// Removes the events with these sequences, in ascending order.
    pub fn forget(&mut self, sequences: &[u64]) {
        self.happened.retain(|one| {
            let is_event = matches!(one.what, PastInput::Event(_));
            !is_event || sequences.binary_search(&one.sequence).is_err()
        });
    }

    /// The number of inputs, without timers and wake-ups by broadcasts.
    pub fn len(&self) -> usize {
        self.happened.iter().filter(|one| !matches!(one.what, PastInput::Woken { .. })).count()
    }

    /// Whether the history is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The times of the first and the last input; none if the history is empty.
    pub fn span(&self) -> Option<(Time, Time)> {
        let times = || self.happened.iter().map(|one| one.at);
        times().min().zip(times().max())
    }

    /// The channels' API requests with their original answers.
    pub fn asked(&self) -> impl Iterator<Item = (Time, &Asked)> {
        self.happened.iter().filter_map(|one| match &one.what {
            PastInput::Asked { asked, .. } => Some((one.at, &**asked)),
            _ => None,
        })
    }

    /// Starts a replay in a new twin. Timers that are due up to `until` fire.
    pub fn life<'a>(&'a self, customer: &'a Customer, policy: &'a Policy, until: Time) -> Life<'a> {
        Life::new(self, customer, policy, until)
    }

    /// Replays it in a new twin with one model snapshot.
    pub fn live(
        &self,
        customer: &Customer,
        policy: &Policy,
        until: Time,
        models: &Snapshot,
    ) -> Lived {
        self.life(customer, policy, until).to_end(models)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::event::{Raw, parse};
    use crate::policy::{Files, load};
    use crate::twin::{Decision, Fired, Input, LiveBroadcast, Twin, World, react};

    const POLICY: &str = r#"
[policy]
name = "past"
languages = ["en"]
[[rules]]
name = "wait"
on = ["track:Wait", "timer:soon"]
then = [{ start = "soon", after = "1m" }, { act = "say" }]
[[rules]]
name = "nap"
on = "track:Nap"
then = [{ start = "soon", after = "1m", catch_up = "skip" }]
[[rules]]
name = "speak"
on = ["track:Speak", "broadcast:storm"]
then = [{ act = "say" }]
[[actions]]
name = "say"
issue = "service"
value = 0.5
cooldown = "0s"
treatments = [{ channel = "app", text.en = "It is {{ now }}." }]
"#;

    const BEGIN: Time = Time::from_ms(1_760_000_000_000);

    fn event(sequence: u64, name: &str) -> Event {
        let payload = json!({ "type": "track", "data": { "name": name } }).to_string();
        let raw = Raw {
            channel: "app",
            customer: "ann",
            headers: &[],
            payload: payload.as_bytes(),
            sequence,
        };
        parse(&raw).unwrap()
    }

    /// A service that processes inputs in any order, and what it stores.
    struct Service {
        policy: Policy,
        twin: Twin,
        past: Past,
        taken: u64,
        number: u32,
        broadcasts: crate::twin::Broadcasts,
        decisions: Vec<Decision>,
        stream: Option<Time>,
    }

    impl Service {
        fn new() -> Service {
            Service {
                policy: load(&Files::new([("x.toml", POLICY)])).unwrap(),
                twin: Twin::new(Customer::new("ann").unwrap(), BEGIN),
                past: Past::default(),
                taken: 0,
                number: 0,
                broadcasts: crate::twin::Broadcasts::default(),
                decisions: Vec::new(),
                stream: None,
            }
        }

        fn take(&mut self, input: Input) {
            let input = &input.by_stream(self.stream);
            let world = World::of(&self.policy).with(&self.broadcasts);
            let reaction = react(&mut self.twin, input, &world);
            self.decisions.extend(reaction.decision().cloned());
        }

        fn event(&mut self, name: &str, stored: Time) {
            self.tell(self.taken + 1, name, stored);
        }

        /// Delivers the event with this number, for the first time or again.
        fn tell(&mut self, number: u64, name: &str, stored: Time) {
            self.taken += 1;
            let event = event(number, name);
            self.past.event(self.taken, stored, event.clone());
            self.stream = Some(stored);
            self.take(Input::event(event, stored));
        }

        fn journal(&mut self, at: Time, input: Journalled) {
            self.number += 1;
            self.past.journalled(at, self.number, input);
        }

        /// Fires the timer, not always at its due time.
        fn fire(&mut self, at: Time) {
            let due = self.twin.timers[0].due;
            let fired = Fired { name: "soon".into(), due, late: at.since(due) };
            self.journal(at, Journalled::Timer { fired: fired.clone(), after: self.taken });
            self.take(Input::timer(fired, at));
        }

        /// Delivers a broadcast, which wakes the twin after this delay.
        fn storm(&mut self, stored: Time, woken_at: Time) {
            self.taken += 1;
            let payload = json!({ "type": "broadcast", "data": { "value": 1, "wake": true } });
            let parsed =
                crate::event::Broadcast::parse("storm", &[], payload.to_string().as_bytes(), 1);
            let broadcast = Arc::new(parsed.unwrap());
            self.past.broadcast(self.taken, stored, broadcast.clone());
            let shared = LiveBroadcast::new(&broadcast, stored).unwrap().unwrap();
            let input = shared.wake(&self.twin.customer, woken_at);
            let woken = Woken { id: shared.id, scope: shared.scope.clone() };
            self.broadcasts.begin(shared).unwrap();
            self.journal(woken_at, Journalled::Broadcast { woken, after: self.taken });
            self.take(input);
        }

        fn lives_again(&self) {
            let customer = &self.twin.customer;
            let now = BEGIN;
            let lived = self.past.live(customer, &self.policy, now, &Snapshot::nothing());
            assert!(self.decisions.is_sorted_by_key(|decision| decision.at), "now goes back");
            assert_eq!(lived.decisions, self.decisions);
            assert_eq!(lived.twin.unwrap().profile, self.twin.profile);
        }
    }

    fn second(seconds: f64) -> Time {
        BEGIN + Duration::from_secs_f64(seconds)
    }

    #[test]
    fn a_timer_that_fired_before_an_event_stored_earlier_does_so_again() {
        let mut service = Service::new();
        service.event("Wait", second(0.0));
        service.fire(second(60.0));
        service.event("Speak", second(59.7));
        service.event("Speak", second(61.0));
        service.lives_again();
        let at: Vec<Time> = service.decisions.iter().map(|decision| decision.at).collect();
        assert_eq!(at, [0.0, 60.0, 60.0, 61.0].map(second));
    }

    #[test]
    fn a_duplicate_is_recognised_although_a_timer_fired_far_ahead_of_the_stream() {
        let mut service = Service::new();
        service.event("Wait", second(0.0));
        service.fire(second(3_600.0));
        for number in 0..100 {
            service.event("Speak", second(f64::from(number)));
        }
        service.tell(1, "Wait", second(100.0));
        assert_eq!(service.decisions.len(), 102, "the copy changes nothing");
        service.lives_again();
    }

    #[test]
    fn a_timer_that_fired_late_after_other_events_does_so_again() {
        let mut service = Service::new();
        service.event("Wait", second(0.0));
        service.event("Speak", second(59.0));
        service.event("Speak", second(90.0));
        // It was pulled with the events, and fires at its due time after them.
        service.fire(second(60.0));
        service.event("Speak", second(91.0));
        service.fire(second(300.0));
        service.lives_again();
        let at: Vec<Time> = service.decisions.iter().map(|decision| decision.at).collect();
        assert_eq!(at, [0.0, 59.0, 90.0, 90.0, 91.0, 300.0].map(second));
    }

    #[test]
    fn a_timer_skipped_for_lateness_is_skipped_in_a_replay_too() {
        let mut service = Service::new();
        service.event("Nap", second(0.0));
        service.fire(second(200.0));
        service.event("Speak", second(201.0));
        service.lives_again();
        assert_eq!(service.decisions.len(), 1);
    }

    #[test]
    fn a_broadcast_wakes_the_twin_in_a_replay_when_it_did_in_reality() {
        let mut service = Service::new();
        service.event("Speak", second(0.0));
        service.storm(second(10.0), second(12.0));
        service.event("Speak", second(11.0));
        service.lives_again();
        let at: Vec<Time> = service.decisions.iter().map(|decision| decision.at).collect();
        assert_eq!(at, [0.0, 12.0, 12.0].map(second));
    }

    #[test]
    fn a_timer_that_only_another_policy_starts_fires_at_its_due_time() {
        let mut service = Service::new();
        service.event("Wait", second(0.0));
        service.fire(second(65.0));
        let sooner = POLICY.replace("1m", "40s");
        let other = load(&Files::new([("x.toml", &*sooner)])).unwrap();
        let lived =
            service.past.live(&service.twin.customer, &other, second(85.0), &Snapshot::nothing());
        let at: Vec<Time> = lived.decisions.iter().map(|decision| decision.at).collect();
        assert_eq!(at, [0.0, 40.0, 80.0].map(second));
    }
}
