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
    look(verb::WHAT_IF, 1, "what would be decided if an event happened; changes nothing"),
    look(verb::JOURNAL, 1, "inputs of one customer that did not come from the stream"),
    look(verb::MARKS, 1, "which model version each partition used, and from when"),
    plain(verb::LESSONS, 0, "training data of model versions, so that decisions can be replayed"),
    plain(verb::FORGED, 0, "which messages on the service's own channel are forged"),
    look(verb::SHOW, 1, "the twin of one customer"),
    look(verb::TIMELINE, 1, "the recent past of one customer"),
    act(verb::ERASE, 1, "erases one customer and returns a signed receipt"),
    look(verb::EXPORT, 1, "exports all data of one customer, part by part"),
    plain(verb::STATS, 0, "health and statistics of the service"),
    plain(verb::POLICY, 0, "which policy is loaded"),
    plain(verb::POLICY_FILES, 0, "the files of the policy"),
    plain(verb::BROADCASTS, 0, "active broadcasts and their progress"),
    look(verb::TRY_CAMPAIGN, 0, "dry run of a campaign; sends nothing"),
    plain(verb::EXPERIMENTS, 0, "results of experiments"),
    act(verb::ADVANCE, 0, "moves the clock, on event time only"),
    look(verb::ESCALATIONS_LIST, 0, "open escalations"),
    // With the queue in the subject, so that the broker can let each agent act on their own only.
    look(verb::ESCALATIONS_LIST, 1, "open escalations of one queue"),
    look(verb::ESCALATIONS_SHOW, 1, "one escalation with its brief"),
    look(verb::ESCALATIONS_SHOW, 2, "one open escalation of the queue in the subject"),
    act(verb::ESCALATIONS_OPEN, 1, "opens an escalation"),
    act(verb::ESCALATIONS_CLAIM, 1, "an agent claims it; of two at once, one succeeds"),
    act(verb::ESCALATIONS_CLAIM, 2, "an agent claims one of the queue in the subject"),
    look(
        verb::ESCALATIONS_NEXT,
        2,
        "what to offer a customer whose escalation an agent has claimed",
    ),
    act(verb::ESCALATIONS_NOTE, 1, "adds an agent's note"),
    act(verb::ESCALATIONS_NOTE, 2, "adds a note of an agent of the queue in the subject"),
    act(verb::ESCALATIONS_HANDBACK, 1, "an agent hands the conversation back"),
    act(verb::ESCALATIONS_HANDBACK, 2, "an agent of the queue in the subject hands it back"),
    act(verb::ESCALATIONS_RESOLVE, 1, "an agent resolves it"),
    act(verb::ESCALATIONS_RESOLVE, 2, "an agent of the queue in the subject resolves it"),
    look(verb::DEAD_LIST, 0, "lists dead letters"),
    look(verb::DEAD_SHOW, 0, "one dead letter with its payload"),
    act(verb::DEAD_RETRY, 0, "publishes dead letters again"),
    act(verb::BACKUP, 0, "makes a backup of the store on the service's disk"),
    look(verb::AUDIT, 0, "reads the audit log"),
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
    fn acts_and_looks_at_customers_are_audited() {
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
