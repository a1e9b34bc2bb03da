//! What triggers rules: kinds of inputs, their details, and the index by which an input finds its rules.

use std::borrow::Cow;
use std::collections::BTreeSet;

use hashbrown::HashMap;

use super::hint::hint;
use crate::event::{EventType, HandoffState, InteractionState, OutcomeKind, Speaker, folded_name};

/// The kind of input that triggers a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Trigger {
    /// An event of this type.
    Event(EventType),
    /// A timer of the twin that fired.
    Timer,
    /// A message of the customer that matches a topic.
    Topic,
    /// A broadcast that matches the customer, who receives it.
    Broadcast,
    /// The customer's dissatisfaction has reached the policy's alarm threshold.
    Dissatisfaction,
}

impl Trigger {
    /// An input of this kind and detail, as in a rule's `on`: `track:Flight Booked`.
    pub fn called(self, detail: &str) -> String {
        let kind = match self {
            Trigger::Event(kind) => kind.name(),
            Trigger::Timer => "timer",
            Trigger::Topic => "topic",
            Trigger::Broadcast => "broadcast",
            Trigger::Dissatisfaction => "dissatisfaction",
        };
        if detail.is_empty() { kind.to_owned() } else { format!("{kind}:{detail}") }
    }

    /// A detail in the form for comparison: channels write purposes in any case.
    fn folded(self, detail: &str) -> Cow<'_, str> {
        match self {
            Trigger::Event(EventType::Consent) => folded_name(detail),
            _ => Cow::Borrowed(detail),
        }
    }
}

/// The detail of `handoff` that triggers rules when a deadline was missed.
pub const EXPIRED: &str = "expired";

/// An input that triggers something: its kind, and its detail; none: any.
pub(super) type Pattern = (Trigger, Option<Box<str>>);

/// An input as a policy names it: by its kind and detail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Occasion {
    /// The kind of input.
    pub trigger: Trigger,
    /// Its detail; none: any.
    pub detail: Option<Box<str>>,
}

impl Occasion {
    pub(super) fn is(&self, (trigger, detail): (Trigger, &str)) -> bool {
        self.trigger == trigger && self.detail.as_deref().is_none_or(|own| own == detail)
    }
}

/// An index of rules by trigger and detail, so that an input evaluates only relevant rules.
#[derive(Debug, Default)]
pub struct Index {
    exact: HashMap<(Trigger, Box<str>), Box<[u32]>>,
    any: HashMap<Trigger, Box<[u32]>>,
}

impl Index {
    /// An index of positions by trigger. The entries of a detail include those for any detail.
    pub(super) fn of<'a>(things: impl Iterator<Item = &'a [Pattern]>) -> Index {
        let mut any: HashMap<Trigger, BTreeSet<u32>> = HashMap::new();
        let mut exact: HashMap<(Trigger, Box<str>), BTreeSet<u32>> = HashMap::new();
        for (at, on) in (0u32..).zip(things) {
            for (trigger, detail) in on {
                match detail {
                    None => any.entry(*trigger).or_default().insert(at),
                    Some(detail) => {
                        let detail = trigger.folded(detail).into();
                        exact.entry((*trigger, detail)).or_default().insert(at)
                    }
                };
            }
        }
        for ((trigger, _), positions) in &mut exact {
            positions.extend(any.get(trigger).into_iter().flatten());
        }
        let ordered = Vec::from_iter::<BTreeSet<u32>>;
        Index {
            exact: exact.into_iter().map(|(key, all)| (key, ordered(all).into())).collect(),
            any: any.into_iter().map(|(key, all)| (key, ordered(all).into())).collect(),
        }
    }

    /// Positions of the entries that an input and its further triggers concern; ascending.
    pub(super) fn concerned<'a>(
        &self,
        trigger: Trigger,
        detail: &str,
        further_triggers: impl IntoIterator<Item = (Trigger, &'a str)>,
    ) -> Cow<'_, [u32]> {
        let mut found = Cow::Borrowed(self.get(trigger, detail));
        for (trigger, detail) in further_triggers {
            let more = self.get(trigger, detail);
            if !more.is_empty() {
                found.to_mut().extend_from_slice(more);
            }
        }
        if let Cow::Owned(found) = &mut found {
            found.sort_unstable();
            found.dedup();
        }
        found
    }

    /// Positions, ascending.
    fn get(&self, trigger: Trigger, detail: &str) -> &[u32] {
        #[derive(Hash)]
        struct Borrowed<'a>(Trigger, &'a str);
        impl hashbrown::Equivalent<(Trigger, Box<str>)> for Borrowed<'_> {
            fn equivalent(&self, key: &(Trigger, Box<str>)) -> bool {
                self.0 == key.0 && *self.1 == *key.1
            }
        }
        self.exact
            .get(&Borrowed(trigger, &trigger.folded(detail)))
            .or_else(|| self.any.get(&trigger))
            .map_or(&[], |rules| rules)
    }
}

/// The trigger and the detail in a rule's `on`: `track:Flight Booked`, `message`, `timer:departure_near`.
pub(super) fn parse(pattern: &str) -> Result<(Trigger, Option<&str>), String> {
    let (kind, detail) = match pattern.split_once(':') {
        Some((kind, detail)) => (kind.trim(), Some(detail.trim())),
        None => (pattern.trim(), None),
    };
    if detail.is_some_and(str::is_empty) {
        return Err(format!("expected a name after the colon, as in `{kind}:name`, found none"));
    }
    if kind == "timer" {
        return Ok((Trigger::Timer, detail));
    }
    if kind == "dissatisfaction" {
        return match detail {
            Some(_) => {
                Err("events of type `dissatisfaction` have no detail; write `dissatisfaction` \
                     alone, and set the threshold as `alarm` in [dissatisfaction]"
                    .to_owned())
            }
            None => Ok((Trigger::Dissatisfaction, None)),
        };
    }
    if kind == "broadcast" {
        return match detail {
            Some(_) => Ok((Trigger::Broadcast, detail)),
            None => {
                Err("expected the scope of a broadcast after `broadcast:`, found none".to_owned())
            }
        };
    }
    if kind == "topic" {
        return match detail {
            Some(_) => Ok((Trigger::Topic, detail)),
            None => Err("expected a topic after `topic:`, found none; for any message, write \
                         `message`"
                .to_owned()),
        };
    }
    let Some(kind) = EventType::ALL.iter().copied().find(|known| known.name() == kind) else {
        let others = ["timer", "topic", "broadcast", "dissatisfaction"];
        let known = EventType::NAMES.iter().copied().chain(others);
        let hint = match hint(kind, known) {
            none if none.is_empty() => {
                let names = EventType::NAMES.join(", ");
                format!("; expected one of {names}, timer, topic, broadcast, dissatisfaction")
            }
            near => near,
        };
        return Err(format!("unknown event type `{kind}`{hint}"));
    };
    if let Some(detail) = detail {
        check_detail(kind, detail)?;
    }
    Ok((Trigger::Event(kind), detail))
}

/// The details of some types are fixed words of the contract, and no other can occur.
fn check_detail(kind: EventType, detail: &str) -> Result<(), String> {
    use InteractionState as State;
    let known: Vec<&str> = match kind {
        EventType::Message => {
            [Speaker::Customer, Speaker::Agent, Speaker::Bot].map(Speaker::name).into()
        }
        EventType::Interaction => [
            State::Started,
            State::Progressed,
            State::Paused,
            State::Resumed,
            State::Completed,
            State::Abandoned,
        ]
        .map(State::name)
        .into(),
        EventType::Outcome => OutcomeKind::ALL.map(OutcomeKind::name).into(),
        EventType::Handoff => HandoffState::NAMES.iter().copied().chain([EXPIRED]).collect(),
        EventType::Identify | EventType::Link | EventType::Unlink => {
            return Err(format!("events of type `{kind}` have no detail; write `{kind}` alone"));
        }
        _ => return Ok(()),
    };
    if known.contains(&detail) {
        return Ok(());
    }
    let hint = match hint(detail, known.iter().copied()) {
        none if none.is_empty() => format!("; expected one of {}", known.join(", ")),
        near => near,
    };
    Err(format!("events of type `{kind}` have no detail `{detail}`{hint}"))
}
