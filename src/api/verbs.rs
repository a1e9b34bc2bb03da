//! All verbs and their audit levels.

use super::messages::verb;
use crate::bus::Endpoint;
use crate::config::limits;

/// A request of the API and its audit level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verb {
    /// Its endpoint.
    pub endpoint: Endpoint,
    /// Its audit level.
    pub audit: AuditLevel,
}

/// The audit level of a verb.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditLevel {
    /// Nothing: it shows and changes nothing of a particular customer, or a channel calls it.
    Nothing,
    /// One line before the reply: a read.
    Look,
    /// Two lines: before the act, and its result.
    Act,
}

/// All verbs. A new verb is another row here, with its audit level.
pub const VERBS: &[Verb] = &[
    channel(verb::DECIDE, 1, "what to show to one customer now"),
    // With the channel in the subject, so that the broker can permit each channel only its own requests.
    channel(verb::DECIDE, 2, "what to show to one customer now, in the channel of the subject"),
    look(verb::WHY, 1, "what was decided for one customer, and why"),
    look(verb::WHAT_IF, 1, "what would be decided if an event happened; nothing does"),
    look(verb::JOURNAL, 1, "inputs of one customer that did not come from the stream"),
    look(verb::MARKS, 1, "from where on which version of what was learned was gone by"),
    plain(verb::LESSONS, 0, "what versions were learned from, so that decisions can be repeated"),
    plain(verb::FORGED, 0, "which messages on the service's own channel it did not write"),
    look(verb::SHOW, 1, "all that is known of one customer"),
    look(verb::TIMELINE, 1, "the recent past of one customer"),
    act(verb::ERASE, 1, "has one customer erased, with a receipt"),
    look(verb::EXPORT, 1, "everything that is held of one customer, part by part"),
    plain(verb::STATS, 0, "how the service is"),
    plain(verb::POLICY, 0, "which policy is loaded"),
    plain(verb::POLICY_FILES, 0, "what the policy is made of, file by file"),
    plain(verb::BROADCASTS, 0, "which broadcasts live, and how far"),
    look(verb::TRY_CAMPAIGN, 0, "what a campaign would come to; nothing is said"),
    plain(verb::EXPERIMENTS, 0, "what experiments have shown"),
    act(verb::ADVANCE, 0, "moves the clock, on event time only"),
    look(verb::ESCALATIONS_LIST, 0, "what waits for people"),
    // With the queue in the subject, so that the broker can permit each agent only their own queues.
    look(verb::ESCALATIONS_LIST, 1, "what waits for the people of one queue"),
    look(verb::ESCALATIONS_SHOW, 1, "one escalation, with the customer's story"),
    look(verb::ESCALATIONS_SHOW, 2, "an open one of the queue of the subject"),
    act(verb::ESCALATIONS_OPEN, 1, "hands a customer over to people"),
    act(verb::ESCALATIONS_CLAIM, 1, "an agent takes it, one of two at once"),
    act(verb::ESCALATIONS_CLAIM, 2, "an agent takes one of the queue of the subject"),
    look(verb::ESCALATIONS_NEXT, 2, "what to offer a customer whom an agent holds"),
    act(verb::ESCALATIONS_NOTE, 1, "what an agent said and did"),
    act(verb::ESCALATIONS_NOTE, 2, "what an agent of the queue of the subject said and did"),
    act(verb::ESCALATIONS_HANDBACK, 1, "an agent returns the conversation"),
    act(verb::ESCALATIONS_HANDBACK, 2, "an agent of the queue of the subject returns it"),
    act(verb::ESCALATIONS_RESOLVE, 1, "the matter is settled"),
    act(verb::ESCALATIONS_RESOLVE, 2, "the matter is settled by the people of that queue"),
    look(verb::DEAD_LIST, 0, "events that could not be used"),
    look(verb::DEAD_SHOW, 0, "one of them, with its bytes"),
    act(verb::DEAD_RETRY, 0, "publishes some of them once more"),
    act(verb::BACKUP, 0, "makes a copy of the store on the disk of the service"),
    look(verb::AUDIT, 0, "what people did"),
];

const fn channel(verb: &'static str, tokens: usize, describe: &'static str) -> Verb {
    let endpoint = Endpoint { verb, tokens, places: limits::ASKS, is_for_channels: true, describe };
    Verb { endpoint, audit: AuditLevel::Nothing }
}

const fn plain(verb: &'static str, tokens: usize, describe: &'static str) -> Verb {
    let places = limits::API_REQUESTS;
    let endpoint = Endpoint { verb, tokens, places, is_for_channels: false, describe };
    Verb { endpoint, audit: AuditLevel::Nothing }
}

const fn look(verb: &'static str, tokens: usize, describe: &'static str) -> Verb {
    Verb { audit: AuditLevel::Look, ..plain(verb, tokens, describe) }
}

const fn act(verb: &'static str, tokens: usize, describe: &'static str) -> Verb {
    Verb { audit: AuditLevel::Act, ..plain(verb, tokens, describe) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_and_shown_about_customers_is_audited() {
        let line = |verb: &Verb| format!("{:?} {}", verb.audit, verb.endpoint.verb);
        let lines: Vec<String> = VERBS.iter().map(line).collect();
        insta::assert_snapshot!(lines.join("\n"), @r"
        Nothing decide
        Nothing decide
        Look why
        Look whatif
        Look journal
        Look marks
        Nothing lessons
        Nothing forged
        Look show
        Look timeline
        Act erase
        Look export
        Nothing stats
        Nothing policy
        Nothing policy.files
        Nothing broadcasts
        Look campaign.try
        Nothing experiments
        Act advance
        Look escalations.list
        Look escalations.list
        Look escalations.show
        Look escalations.show
        Act escalations.open
        Act escalations.claim
        Act escalations.claim
        Look escalations.next
        Act escalations.note
        Act escalations.note
        Act escalations.handback
        Act escalations.handback
        Act escalations.resolve
        Act escalations.resolve
        Look dead.list
        Look dead.show
        Act dead.retry
        Act backup
        Look audit
        ");
        for verb in VERBS {
            let is_channel = verb.endpoint.verb == verb::DECIDE;
            let is_audited = verb.audit != AuditLevel::Nothing;
            assert!(is_channel || is_audited || verb.endpoint.tokens == 0, "{verb:?}");
        }
    }
}
