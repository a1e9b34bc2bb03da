//! One customer: what they do, and what comes of it.

use std::sync::Arc;
use std::time::Duration;

use jumeau::event::{self, Customer, Raw, Time};
use jumeau::policy::{Files, Policy, load};
use jumeau::twin::{
    Action, Broadcasts, CandidateVerdict, Effect, Escalation, Fired, Input, Reaction, Twin, World,
    invariants, react,
};
use serde_json::{Value, json};

/// When every story begins: a Monday morning.
pub(crate) fn start() -> Time {
    Time::parse("2026-03-02T09:00:00Z").unwrap()
}

/// A policy that this text is.
pub(crate) fn policy_of(text: &str) -> Arc<Policy> {
    let policy = load(&Files::new([("test.toml", text)]));
    Arc::new(policy.unwrap_or_else(|mistakes| panic!("\n{mistakes}")))
}

/// A customer, a clock and a stream of events.
pub(crate) struct Life {
    pub(crate) twin: Twin,
    pub(crate) policy: Arc<Policy>,
    /// What is shared among customers.
    pub(crate) broadcasts: Broadcasts,
    pub(crate) now: Time,
    /// How long it is from one event to the next.
    pub(crate) pace: Duration,
    pub(crate) sequence: u64,
}

impl Life {
    pub(crate) fn of(customer: &str, policy: Arc<Policy>) -> Life {
        let twin = Twin::new(Customer::new(customer).unwrap(), start());
        let broadcasts = Broadcasts::none();
        Life { twin, policy, broadcasts, now: start(), pace: Duration::ZERO, sequence: 0 }
    }

    pub(crate) fn at_pace(self, pace: Duration) -> Life {
        Life { pace, ..self }
    }

    pub(crate) fn take(&mut self, input: &Input) -> Reaction {
        let world = World::of(&self.policy).with(&self.broadcasts);
        let reaction = react(&mut self.twin, input, &world);
        assert_eq!(invariants::violations(&self.twin), Vec::<String>::new());
        reaction
    }

    pub(crate) fn event(&mut self, channel: &str, kind: &str, data: Value) -> Reaction {
        self.sequence += 1;
        self.now = self.now + self.pace;
        let payload = json!({ "type": kind, "data": data }).to_string();
        let raw = Raw {
            channel,
            customer: self.twin.customer.as_str(),
            headers: &[],
            payload: payload.as_bytes(),
            sequence: self.sequence,
        };
        let input = Input::event(event::parse(&raw).unwrap(), self.now);
        self.take(&input)
    }

    pub(crate) fn track(&mut self, name: &str, properties: Value) -> Reaction {
        self.event("web", "track", json!({ "name": name, "properties": properties }))
    }

    /// Does something that needs no more words.
    pub(crate) fn did(&mut self, name: &str) -> Reaction {
        self.track(name, json!({}))
    }

    pub(crate) fn consent(&mut self, purpose: &str, granted: bool) -> Reaction {
        self.event("web", "consent", json!({ "purpose": purpose, "granted": granted }))
    }

    /// Somebody says something, in a conversation or without.
    pub(crate) fn says(
        &mut self,
        channel: &str,
        from: &str,
        text: &str,
        thread: Option<&str>,
    ) -> Reaction {
        let data = json!({ "text": text, "from": from, "interaction": thread });
        self.event(channel, "message", data)
    }

    /// Time passes, and nothing happens, whatever is due.
    pub(crate) fn wait(&mut self, minutes: u64) {
        self.now = self.now + Duration::from_secs(60 * minutes);
    }

    /// Time passes; what is due fires at its time. Returns what came of that.
    pub(crate) fn pass(&mut self, span: Duration) -> Vec<Reaction> {
        let until = self.now + span;
        let mut reactions = Vec::new();
        while let Some(timer) = self.twin.timers.iter().min_by_key(|timer| timer.due)
            && timer.due <= until
        {
            let fired = Fired { name: timer.name.clone(), due: timer.due, late: Duration::ZERO };
            self.now = self.now.max(timer.due);
            reactions.push(self.take(&Input::timer(fired, self.now)));
        }
        self.now = until;
        reactions
    }
}

/// The first action that is taken.
pub(crate) fn action(reaction: &Reaction) -> Option<&Action> {
    reaction.effects.iter().find_map(|effect| match effect {
        Effect::Act(action) => Some(&**action),
        _ => None,
    })
}

/// What people are told.
pub(crate) fn escalations(reaction: &Reaction) -> Vec<Escalation> {
    let told = reaction.effects.iter().filter_map(|effect| match effect {
        Effect::Escalate(told) => Some((**told).clone()),
        _ => None,
    });
    told.collect()
}

/// What became of a candidate.
pub(crate) fn verdict_of(reaction: &Reaction, action: &str) -> CandidateVerdict {
    let decision = reaction.decision().expect("there was an arbitration");
    let candidate = decision.candidates.iter().find(|candidate| &*candidate.action == action);
    candidate.expect("it was a candidate").verdict.clone()
}
