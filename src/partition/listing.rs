//! Lists of open escalations, ordered by due time, paged.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::limits;
use crate::event::{Customer, Time, primary_language};
use crate::twin::{EscalationState, WaitingEscalation};

/// The payload of the request `escalations.list`. Omitted fields do not filter.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EscalationsRequest {
    /// Only those of this queue.
    pub queue: Option<Box<str>>,
    /// Only those in this state: `open` or `claimed`.
    pub state: Option<EscalationState>,
    /// Only those of customers who speak this language.
    pub language: Option<Box<str>>,
    /// Only those that this agent holds.
    pub agent: Option<Box<str>>,
    /// Page size, at most `ESCALATIONS_LISTED`.
    pub limit: Option<usize>,
    /// Only those after this position: `next` of the previous reply.
    pub after: Option<ListPosition>,
}

/// The position of an escalation in the list: by due time, then by priority.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct ListPosition {
    /// Whether nothing is due, which sorts after everything that is.
    is_timeless: bool,
    due: Time,
    /// Five minus the priority.
    ease: u8,
    opened: Time,
    id: Box<str>,
}

/// The reply to the request `escalations.list`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EscalationsReply {
    /// The time of the reply, by the host clock.
    pub at: Time,
    /// The number of matching escalations.
    pub found: u64,
    /// Ordered by due time, then by priority.
    pub escalations: Vec<ListedEscalation>,
    /// The start of the next page; none: this is the last.
    pub next: Option<ListPosition>,
}

/// One escalation in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ListedEscalation {
    /// Its customer.
    pub customer: Customer,
    /// Its summary.
    #[serde(flatten)]
    pub waiting: WaitingEscalation,
}

impl ListPosition {
    fn of(waiting: &WaitingEscalation) -> ListPosition {
        ListPosition {
            is_timeless: waiting.due.is_none(),
            due: waiting.due.unwrap_or(Time::MAX),
            ease: 5u8.saturating_sub(waiting.priority),
            opened: waiting.opened,
            id: waiting.id.clone(),
        }
    }
}

impl EscalationsRequest {
    fn wants(&self, waiting: &WaitingEscalation) -> bool {
        let primary = primary_language;
        let is = |wanted: &Option<Box<str>>, found: &str| {
            wanted.as_ref().is_none_or(|wanted| **wanted == *found)
        };
        is(&self.queue, &waiting.queue)
            && self.state.is_none_or(|state| state == waiting.state)
            && self.language.as_deref().is_none_or(|wanted| {
                waiting.language.as_deref().is_some_and(|own| primary(own) == primary(wanted))
            })
            && self.agent.as_ref().is_none_or(|wanted| waiting.agent.as_ref() == Some(wanted))
    }

    fn most(&self) -> usize {
        self.limit.unwrap_or(limits::ESCALATIONS_LISTED).min(limits::ESCALATIONS_LISTED)
    }
}

/// A list under construction: it never holds more than one page.
#[derive(Debug)]
pub struct Listing {
    wanted: EscalationsRequest,
    found: u64,
    behind: u64,
    best: BTreeMap<(ListPosition, Customer), WaitingEscalation>,
}

impl Listing {
    /// An empty list for a request.
    pub fn new(wanted: EscalationsRequest) -> Listing {
        Listing { wanted, found: 0, behind: 0, best: BTreeMap::new() }
    }

    /// Adds the open escalations of one customer.
    pub fn add(&mut self, customer: &Customer, waiting: Vec<WaitingEscalation>) {
        for one in waiting {
            if !self.wanted.wants(&one) {
                continue;
            }
            self.found += 1;
            let place = ListPosition::of(&one);
            if self.wanted.after.as_ref().is_none_or(|after| place > *after) {
                self.behind += 1;
                self.best.insert((place, customer.clone()), one);
            }
            if self.best.len() > self.wanted.most() {
                self.best.pop_last();
            }
        }
    }

    /// Adds the list of another partition.
    pub fn merge(&mut self, other: Listing) {
        self.found += other.found;
        self.behind += other.behind;
        self.best.extend(other.best);
        while self.best.len() > self.wanted.most() {
            self.best.pop_last();
        }
    }

    /// Builds the reply.
    pub fn finish(self, at: Time) -> EscalationsReply {
        let is_more = self.behind > self.best.len() as u64;
        let last = self.best.last_key_value().map(|((place, _), _)| place.clone());
        let listed = self
            .best
            .into_iter()
            .map(|((_, customer), waiting)| ListedEscalation { customer, waiting });
        EscalationsReply {
            at,
            found: self.found,
            escalations: listed.collect(),
            next: last.filter(|_| is_more),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(id: &str, queue: &str, priority: u8, due: Option<i64>) -> WaitingEscalation {
        WaitingEscalation {
            id: id.into(),
            queue: queue.into(),
            topic: "bill".into(),
            priority,
            state: EscalationState::Open,
            agent: None,
            language: Some("fr-BE".into()),
            because: "".into(),
            opened: Time::from_ms(0),
            touched: Time::from_ms(0),
            due: due.map(Time::from_ms),
            level: 0,
        }
    }

    fn listed(wanted: EscalationsRequest) -> (Vec<String>, EscalationsReply) {
        let customers = ["ann", "bob"].map(|name| Customer::new(name).unwrap());
        let mut all = [Listing::new(wanted.clone()), Listing::new(wanted.clone())];
        all[0].add(
            &customers[0],
            vec![waiting("a", "care", 2, Some(10)), waiting("b", "x", 5, None)],
        );
        all[1].add(
            &customers[1],
            vec![waiting("c", "care", 4, Some(10)), waiting("d", "care", 1, Some(5))],
        );
        let mut list = Listing::new(wanted);
        all.into_iter().for_each(|one| list.merge(one));
        let reply = list.finish(Time::from_ms(0));
        (reply.escalations.iter().map(|one| one.waiting.id.to_string()).collect(), reply)
    }

    #[test]
    fn escalations_are_listed_by_deadline_then_priority() {
        assert_eq!(listed(EscalationsRequest::default()).0, ["d", "c", "a", "b"]);
        let of =
            |queue: &str| EscalationsRequest { queue: Some(queue.into()), ..Default::default() };
        assert_eq!(listed(of("x")).0, ["b"]);
        let french = EscalationsRequest { language: Some("fr".into()), ..Default::default() };
        assert_eq!(listed(french).0.len(), 4);
    }

    #[test]
    fn a_long_list_is_split_into_pages_with_each_escalation_on_one() {
        let mut wanted = EscalationsRequest { limit: Some(3), ..Default::default() };
        let (first, reply) = listed(wanted.clone());
        assert_eq!((first, reply.found), (vec!["d".into(), "c".into(), "a".into()], 4));
        wanted.after = reply.next;
        let (second, reply) = listed(wanted);
        assert_eq!((second, reply.next), (vec!["b".to_owned()], None));
    }
}
