//! API requests: inputs of their twin like any other, with an answer.

use super::super::ask::{AgentActAnswer, AskAnswer, DecisionAnswer, waits};
use super::super::host::Host;
use super::super::round::{Round, RoundItem};
use super::Machine;
use crate::config::limits;
use crate::config::settings::TimeMode;
use crate::event::{Customer, Event, EventKind, Rejection, Time};
use crate::twin::{Asked, Effect, Input, InputResult, Journalled, Note, Reaction};

/// A request waiting for a round.
pub(super) struct WaitingAsk<R> {
    event: Event,
    reply: R,
}

impl<H: Host> Machine<H> {
    /// Handles an API request; answered by [`Host::answer`].
    pub fn asked(&mut self, event: Event, reply: H::Reply, wall: Time, host: &mut H) {
        if self.mode == TimeMode::Event {
            // Everything due by then fires first.
            self.advance_to = self.advance_to.max(self.moment_of(&event, wall));
        }
        if !self.has_room {
            host.answer(reply, AskAnswer::NoRoom);
            return;
        }
        if self.is_too_much(&event) {
            host.answer(reply, AskAnswer::Busy);
            return;
        }
        self.asks.push_back(WaitingAsk { event, reply });
        self.go_on(wall, host);
    }

    /// Refuses the waiting requests.
    pub(super) fn refuse_asks(&mut self, host: &mut H) {
        for WaitingAsk { reply, .. } in self.asks.drain(..) {
            host.answer(reply, AskAnswer::NoRoom);
        }
    }

    /// Whether too many outputs wait for the broker to process this. Each act of an agent causes an
    /// output, so acts wait as events do; a decision rarely causes one, so channels are answered for
    /// longer.
    fn is_too_much(&self, event: &Event) -> bool {
        let is_act = !matches!(event.kind, EventKind::Ask(_));
        self.is_outbox_full()
            && (is_act
                || self.outbox.backlog.left > 0
                || self.outbox.unconfirmed >= 2 * self.bounds.outbox_max)
    }

    /// Answers the waiting requests that must not wait for the broker with "busy".
    pub(super) fn refuse_excess_asks(&mut self, host: &mut H) {
        if !self.is_outbox_full() {
            return;
        }
        for waiting in std::mem::take(&mut self.asks) {
            if self.is_too_much(&waiting.event) {
                host.answer(waiting.reply, AskAnswer::Busy);
            } else {
                self.asks.push_back(waiting);
            }
        }
    }

    /// Whether requests are next. On event time, earlier pulls come first.
    pub(super) fn is_turn_of_asks(&self) -> bool {
        let is_free =
            self.mode == TimeMode::Stream || (self.work.is_none() && self.queue.is_empty());
        is_free && !self.asks.is_empty()
    }

    /// Begins a round of the waiting requests.
    pub(super) fn begin_asks(&mut self, wall: Time, host: &mut H) {
        let mut round = Round::default();
        while round.items.len() < limits::PULL_BATCH
            && let Some(WaitingAsk { event, reply }) = self.asks.pop_front()
        {
            let at = self.moment_of(&event, wall);
            self.clock = at;
            let Some(asked) = Journalled::request(&event, self.taken.main) else {
                unreachable!("nobody asks with another event than an ask or a handoff")
            };
            let customer = event.customer.clone();
            let input = (customer.clone(), Input::event(event, at).by_stream(self.stream));
            round.push(RoundItem::Ask { customer, asked, at, rejection: None }, Some(input));
            self.replies.push_back(reply);
        }
        self.begin_round(round, host);
    }

    /// A twin's `now` for a request: no earlier than the partition's clock.
    fn moment_of(&self, event: &Event, wall: Time) -> Time {
        let time = match self.mode {
            TimeMode::Stream => wall,
            TimeMode::Event if self.clock == Time::MIN => event.time.unwrap_or(wall),
            TimeMode::Event => event.time.unwrap_or(self.clock),
        };
        time.max(self.clock)
    }

    /// Handles the result of a request.
    pub(super) fn take_in_ask(
        &mut self,
        customer: &Customer,
        asked: Journalled,
        at: Time,
        rejection: Option<Rejection>,
        reaction: Option<Reaction>,
        host: &mut H,
    ) {
        let Some(reply) = self.replies.pop_front() else {
            unreachable!("every request of a round has somebody who waits for the answer")
        };
        let waits = waits(self.answers, &asked);
        let answer = match (rejection, reaction) {
            (None, Some(reaction)) => self.answer_of(customer, asked, at, reaction),
            (Some(rejection), _) => AskAnswer::Refused(rejection),
            (None, None) => unreachable!("a request that was not rejected has a reaction"),
        };
        self.counters.asks += 1;
        if waits {
            self.open_answers.push((reply, answer));
        } else {
            host.answer(reply, answer);
        }
    }

    fn answer_of(
        &mut self,
        customer: &Customer,
        mut asked: Journalled,
        at: Time,
        reaction: Reaction,
    ) -> AskAnswer {
        let Reaction { result, effects, notes, .. } = reaction;
        match result {
            InputResult::Forwarded => {
                // The caller asks the other customer directly, so the event need not be forwarded.
                let to = effects.iter().find_map(|effect| match effect {
                    Effect::Forward(message) => Some(message.to.clone()),
                    _ => None,
                });
                return to.map_or(AskAnswer::Duplicate, AskAnswer::Elsewhere);
            }
            InputResult::Duplicate => {
                self.counters.duplicates += 1;
                return AskAnswer::Duplicate;
            }
            InputResult::Refused(rejection) => return AskAnswer::Refused(rejection),
            InputResult::Applied | InputResult::Stale | InputResult::Untouched => {}
        }
        if let Journalled::Ask(asked) = &mut asked {
            return self.decided(customer, asked, at, effects, notes);
        }
        let escalation = effects.iter().rev().find_map(|effect| match effect {
            Effect::Escalate(message) => Some(message.clone()),
            _ => None,
        });
        self.perform(customer, effects);
        self.note(notes);
        self.journal(customer, at, &asked);
        AskAnswer::Acted(Box::new(AgentActAnswer { at, escalation }))
    }

    fn decided(
        &mut self,
        customer: &Customer,
        asked: &mut Asked,
        at: Time,
        effects: Vec<Effect>,
        notes: Vec<Note>,
    ) -> AskAnswer {
        // Actions in the answer are not published on the bus.
        let (mut actions, mut others) = (Vec::new(), Vec::new());
        for effect in effects {
            match effect {
                Effect::Act(action) => actions.push(action),
                other => others.push(other),
            }
        }
        self.counters.actions += actions.len() as u64;
        self.perform(customer, others);
        self.note(notes);
        let decided = DecisionAnswer { at, actions, policy: self.policy.clone() };
        asked.answered = decided.answered();
        self.journal(customer, at, &Journalled::Ask(Box::new(asked.clone())));
        AskAnswer::Decided(Box::new(decided))
    }

    /// Sends the answers.
    pub(super) fn answer(&self, answers: Vec<(H::Reply, AskAnswer)>, host: &mut H) {
        answers.into_iter().for_each(|(reply, answer)| host.answer(reply, answer));
    }
}
