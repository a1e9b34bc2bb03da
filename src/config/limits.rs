//! A limit on everything, in one place, each with its reason.
//!
//! Reaching a limit is never silent: too much input becomes a dead letter, a full ring drops its
//! oldest entry and counts it, a full queue stops the intake. `jumeau limits` prints this table.

/// One row of the table of limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// The constant's name, with its unit.
    pub name: &'static str,
    /// The greatest value allowed.
    pub max: usize,
    /// Why there is a limit, and what happens there.
    pub reason: &'static str,
}

macro_rules! limits {
    ($($(#[doc = $reason:literal])+ $name:ident: $max:expr;)+) => {
        $($(#[doc = $reason])+ pub const $name: usize = $max;)+

        /// Every limit of the engine, in the order of this file.
        pub const ALL: &[Limit] = &[$(Limit {
            name: stringify!($name),
            max: $max,
            reason: concat!($($reason),+),
        }),+];
    };
}

limits! {
    /// payload of one event; a larger one becomes a dead letter `too-large`
    EVENT_BYTES: 64 * 1024;
    /// payload of what one twin passes on to another; a memory is cut so that it fits
    PASSED_BYTES: 128 * 1024;
    /// times that anything is passed on from identifier to identifier; then the one where it is belongs to nobody any more, and takes it in
    PASSES: 64;
    /// links of one identifier to another than before within a minute; a further one is refused
    LINKS_A_MINUTE: 100;
    /// identifiers linked to one customer; a further one is refused, and keeps its memory
    IDENTIFIERS: 16;
    /// customer identifier, decoded; a longer one becomes a dead letter `bad-customer`
    CUSTOMER_BYTES: 128;
    /// channel name, decoded; a longer one becomes a dead letter `bad-subject`
    CHANNEL_BYTES: 32;
    /// event id (and its source); a longer one becomes a dead letter `bad-envelope`
    EVENT_ID_BYTES: 256;
    /// any name in an event (event name, trait, signal, case, interaction); longer: `bad-data`
    NAME_BYTES: 128;
    /// one text value that a twin keeps, longer ones are cut; a list or map of twice the size is not kept
    TEXT_BYTES: 2_000;
    /// nesting of a value in an event; deeper: `bad-data`
    VALUE_DEPTH: 8;
    /// scalars, lists and maps within one event; more: `bad-data`
    VALUE_NODES: 1_000;
    /// traits of one profile; further new ones are not kept, and counted
    TRAITS: 64;
    /// traits taken away of which one profile remembers when; the oldest leave first, and an earlier word that comes late can bring them back
    TRAITS_REMOVED: 16;
    /// consents of one profile, one for each purpose and channel; further new ones become dead letters
    CONSENTS: 32;
    /// preferences of one twin; the one longest unconfirmed leaves first, declared ones last
    PREFERENCES: 32;
    /// values weighed as evidence for one inferred preference; the weakest leaves first
    PREFERENCE_VALUES: 8;
    /// live signals of one twin; the one that goes stale first leaves first
    SIGNALS: 32;
    /// facts that policy rules set on one twin; further new ones are refused, and counted
    FACTS: 64;
    /// broadcasts that live at once; a further one becomes a dead letter
    BROADCASTS: 64;
    /// broadcasts that are over, and ends of such, that a partition remembers so that a late copy begins or ends nothing; the oldest leave first
    BROADCASTS_OVER: 1_000;
    /// value of one broadcast, as JSON; longer: `bad-data`
    BROADCAST_VALUE_BYTES: 8 * 1024;
    /// seconds that a broadcast lives which does not say for how long: 30 days
    BROADCAST_SECS: 30 * 86_400;
    /// meetings with broadcasts that a twin remembers: with those that live, and as many of another identifier; the oldest leave first
    MEETINGS: 2 * 64;
    /// differences between a policy and the one in its shadow that are told apart; further ones count as one
    SHADOW_DIFFERENCES: 64;
    /// twins of one partition that are looked at together on behalf of a broadcast or of an index
    SWEEP_BATCH: 64;
    /// paths of which one policy wants an index, as each costs a row for each customer
    INDEXED_PATHS: 8;
    /// interactions of one twin; closed ones leave first, then the longest untouched
    INTERACTIONS: 16;
    /// data fields kept with one interaction; further new ones are not kept, and counted
    INTERACTION_FIELDS: 32;
    /// last words kept with an interaction; the oldest leave first
    TRANSCRIPT_LINES: 12;
    /// one line of a transcript; longer ones are cut at a character boundary
    TRANSCRIPT_LINE_BYTES: 500;
    /// cases of one twin; closed ones leave first, then the longest untouched
    CASES: 16;
    /// needs of one twin; the weakest leaves first
    NEEDS: 16;
    /// windows, counters and activities of one policy, and so of one twin
    POLICY_TALLIES: 64;
    /// entries of one window of one twin; beyond it the two nearest in time become one, which leaves when the younger would; of distinct values the oldest leaves
    WINDOW_ENTRIES: 64;
    /// problems remembered for dissatisfaction; the oldest leave first
    PROBLEMS: 16;
    /// contacts remembered for limits, cooldowns and outcomes; those leave first that none of these needs, and a limit that may miss some counts as reached
    CONTACTS: 32;
    /// escalations of one twin; resolved ones leave first; no new one opens while all are open
    ESCALATIONS: 8;
    /// evidence of one escalation, and likewise notes of agents; the oldest but the first leave first
    ESCALATION_REMARKS: 6;
    /// changes told in one message about an escalation; further ones are in the brief
    ESCALATION_CHANGES: 4;
    /// last inputs in a brief for people, which is to be read in a minute
    BRIEF_LINES: 12;
    /// last actions in a brief, and what came of them
    BRIEF_ATTEMPTS: 6;
    /// next steps that a brief proposes
    BRIEF_STEPS: 3;
    /// queues of one policy
    POLICY_QUEUES: 64;
    /// durable timers of one twin; further ones are refused, and counted
    TIMERS: 16;
    /// recent inputs in a timeline, which are also the memory for duplicates; the oldest leave first
    TIMELINE_ENTRIES: 64;
    /// identities that a busy twin remembers behind its timeline, for twenty minutes at least, to recognise copies; the oldest leave first
    IDENTITIES: 1_024;
    /// summary of one timeline entry; longer ones are cut at a character boundary
    TIMELINE_TEXT_BYTES: 160;
    /// places that one request asks for at once; more: `bad-data`
    PLACEMENTS: 8;
    /// treatments in one answer to a channel that asks, all its places together
    OFFERS: 16;
    /// last decisions of one twin that a store keeps, to say why; the oldest leave first
    DECISIONS: 8;
    /// candidates that a decision's record explains; further losers are only counted
    CANDIDATES: 16;
    /// consequences of one rule, which bound the effects of one reaction
    RULE_STEPS: 32;
    /// rendered text of one treatment; a longer one drops the treatment
    TREATMENT_BYTES: 4_000;
    /// rules of one policy, so that a reaction stays well below a millisecond
    POLICY_RULES: 2_000;
    /// actions of one policy, so that a decision about all of them stays below 5 milliseconds
    POLICY_ACTIONS: 4_000;
    /// treatments of one policy, for the same reason
    POLICY_TREATMENTS: 10_000;
    /// features that one policy tells customers apart by; the models read some more, and no more than `FEATURES`
    POLICY_FEATURES: 40;
    /// contact limits of one policy, each of which looks at every contact that a twin remembers
    CONTACT_LIMITS: 16;
    /// needs of one policy, and preferences likewise
    POLICY_NEEDS: 500;
    /// experiments of one policy, and those that a twin remembers to have come into
    POLICY_EXPERIMENTS: 16;
    /// arms of one experiment
    EXPERIMENT_ARMS: 8;
    /// kinds of interactions that one policy pauses and takes up again, so that each can have its timer
    POLICY_INTERACTIONS: 32;
    /// bytes of one policy file
    POLICY_FILE_BYTES: 1024 * 1024;
    /// steps of one story
    STORY_STEPS: 1_000;
    /// inputs of one story when it is played, timers included; a story that goes on longer stops there
    STORY_TURNS: 10_000;
    /// bytes of a message that are read for its valence, urgency and topics; what follows is not read
    MESSAGE_READ_BYTES: 4_000;
    /// bytes of a message from which its language is told, which is enough
    DETECT_BYTES: 400;
    /// words kept with a reading for its valence, and likewise for its urgency; the weightiest stay
    CUES: 4;
    /// languages known at once
    LANGUAGES: 16;
    /// bytes of one file of a language
    LANGUAGE_FILE_BYTES: 1024 * 1024;
    /// words and phrases of one language, so that its tables stay in memory
    LANGUAGE_ENTRIES: 200_000;
    /// words of one phrase of a language, so that matching stays linear
    PHRASE_WORDS: 8;
    /// words of one pattern of a wish
    PATTERN_PARTS: 16;
    /// different words in the patterns of wishes of one language
    PATTERN_WORDS: 1_700;
    /// bytes of memory that the patterns of wishes of one language take, once for each topic
    GRAMMAR_BYTES: 8 * 1024 * 1024;
    /// bytes that a thread may take to remember how it read such patterns, once for each topic: texts full of their words are read some ten times as fast as without
    GRAMMAR_CACHE_BYTES: 64 * 1024 * 1024;
    /// places of one sentence at which it is asked whether a wish holds; further ones are not looked at
    WISHES_JUDGED: 32;
    /// channels in which a twin follows how its customer feels; the one touched longest ago leaves first
    SENTIMENT_CHANNELS: 8;
    /// readings of messages that a twin keeps as evidence; the oldest leave first
    SENTIMENT_EVIDENCE: 6;
    /// topics that phrases can show
    TOPICS: 200;
    /// phrases of all topics
    TOPIC_PHRASES: 10_000;
    /// topics found in one message; further ones are not looked for
    TOPICS_FOUND: 8;
    /// folders within folders of one policy; deeper files are no part of it
    POLICY_FOLDER_DEPTH: 4;
    /// mistakes reported at once; the remaining ones are counted
    MISTAKES: 100;
    /// bytes of one expression, so that reading it stays far from the end of the stack
    EXPRESSION_BYTES: 2_000;
    /// operators, points and brackets in one expression, for the same reason
    EXPRESSION_OPERATORS: 120;
    /// parts within parts of one expression, so that evaluating it stays far from the end of the stack
    EXPRESSION_DEPTH: 40;
    /// steps of one expression over lists: turns of macros, and what they go through; more, and it has no result, which is counted
    EXPRESSION_STEPS: 100_000;
    /// the same of one condition that comes over the bus; more, and it concerns nobody, which is counted
    CONDITION_STEPS: 10_000;
    /// macros over lists within each other in a condition that comes over the bus; more: `bad-data`
    CONDITION_MACROS: 2;
    /// steps over lists of all expressions of one reaction, so that no policy holds up a partition
    REACTION_STEPS: 1_000_000;
    /// the same of all conditions that came over the bus, so that they do not use up what the policy needs
    ALL_CONDITIONS_STEPS: 100_000;
    /// instructions of one template, its loops included; more, and the text is not rendered
    TEMPLATE_STEPS: 50_000;
    /// seconds between two firings of a repeating timer, at least; a faster one is a mistake
    TIMER_EVERY_SECS_MIN: 60;
    /// values of one situation that a model reads; further ones are passed over, and counted
    FEATURES: 256;
    /// features of which a model knows something on one level of arms; the least certain leaves first
    LEVEL_WEIGHTS: 4_096;
    /// answers of one partition that are learned from at once; later ones wait for the next time
    LESSON: 4_096;
    /// names of actions, issues or placements that take part in one campaign
    CAMPAIGN_NAMES: 256;
    /// twins that one answer to a rehearsed campaign looks at; the next one goes on from there
    CAMPAIGN_PAGE: 512;
    /// mebibytes kept of what was learned from, so that decisions can be repeated; the oldest leave first
    LESSONS_MEBIBYTES: 512;
    /// values in the data of one action
    ACTION_DATA: 32;
    /// catch-up firings of one repeating timer after a downtime; the remaining ones coalesce
    TIMER_CATCH_UP: 100;
    /// timers of one partition held in memory; later ones wait in the store
    TIMER_WINDOW: 4_096;
    /// events of one partition in one commit while an earlier one is on its way; then it goes too
    COMMIT_EVENTS: 2_048;
    /// events of all partitions between intake and commit; more stop the pull
    IN_FLIGHT_EVENTS: 2_048;
    /// events pulled and not yet durable in all partitions; more stop the intake
    INTAKE_UNACKNOWLEDGED: 65_536;
    /// messages of one subscription that were received and not read; more are dropped, and asked for anew
    SUBSCRIPTION_MESSAGES: 65_536;
    /// questions to an analyser outside that are open at once; further messages wait for their turn
    ANALYSER_QUESTIONS: 64;
    /// events that wait in the stream while the partitions do not keep up; beyond that, those who send most are slowed
    SLOW_BEHIND: 1_024;
    /// messages of the stream by which it is told which channels send most of them
    SLOW_SAMPLE: 500;
    /// channels whose events wait in the slow lane
    SLOW_CHANNELS: 64;
    /// pages of the slow lane that are on their way to the disk at once
    SLOW_PAGES: 3;
    /// outputs that wait for the broker while the slow lane goes on; beyond that, it waits, too
    SLOW_OUTPUTS: 1_000;
    /// sequences that a lane may be behind and counts as nearly done: when both are, the main one waits for the slow one, to close it
    NEARLY_DONE: 1_024;
    /// messages of one pull
    PULL_BATCH: 500;
    /// messages of the stream asked for at once where they are read one by one, around those whose headers cannot be read
    WRAPPED_AT_ONCE: 64;
    /// outputs published to one stream and not yet confirmed by the broker; more stop the relay
    RELAY_WINDOW: 4_096;
    /// outputs committed and not yet confirmed, in one partition; more stop its intake, and agents are answered "busy"
    OUTBOX_BACKLOG: 50_000;
    /// one stored record, sealed; a larger one is not written, and its input becomes a dead letter
    RECORD_BYTES: 8 * 1024 * 1024;
    /// milliseconds for which what nobody waits for lies before it is made durable; then a sync of its own
    COMMIT_LINGER_MS: 4;
    /// changes that one group commit carries; the rest waits for the next one
    COMMIT_BYTES: 8 * 1024 * 1024;
    /// defects that one check of the store describes; further ones are counted
    DEFECTS: 100;
    /// partitions of one store; the broker's partition number is a token of at most five digits
    PARTITIONS: 1_024;
    /// bytes of the original's headers kept with a dead letter, and of its reason; more are dropped, and counted
    DEAD_HEADER_BYTES: 8 * 1024;
    /// dead letters that one partition writes at once; of more, the rest is only counted
    DEAD_LETTERS_AT_ONCE: 2_000;
    /// dead letters that one partition writes in a second once it has written so many at once
    DEAD_LETTERS_A_SECOND: 100;
    /// dead letters of one reason that are kept; the oldest leave first, so that a flood of one keeps the others
    DEAD_LETTERS: 100_000;
    /// durable consumers of one stream that are watched; of further ones nobody is told how far they are
    READERS: 64;
    /// dead letters in one answer to an operator; the next answer goes on from there
    DEAD_LETTERS_LISTED: 1_000;
    /// customers of one partition who were erased and are kept from coming back; whose time ends first leaves first
    TOMBSTONES: 65_536;
    /// escalations in one answer to an agent; the next answer goes on from there
    ESCALATIONS_LISTED: 200;
    /// journalled inputs in one answer; the rest is asked for from the last moment on
    JOURNAL_LISTED: 1_000;
    /// messages of the stream of events of which one request asks whether the service wrote them; more are refused
    FORGED_ASKED: 256;
    /// operator requests of one kind that wait for their answers; more are answered "busy"
    API_REQUESTS: 256;
    /// requests of channels for decisions that wait for their answers; more are answered "busy"
    ASKS: 4_096;
    /// customers' keys of a sealed store that are held in memory; others are read when they are needed
    KEYS_KNOWN: 100_000;
    /// lines of the audit in one answer, the newest
    AUDIT_LISTED: 1_000;
    /// channels whose actions an integrator takes off a consumer of its own, as each costs the broker a search
    INTEGRATORS: 256;
}

/// The table of limits in Markdown, aligned, so that it reads well on a terminal too.
pub fn table() -> String {
    let rows = ALL
        .iter()
        .map(|limit| (format!("`{}`", limit.name), grouped(limit.max), limit.reason.trim()));
    let rows: Vec<_> = rows.collect();
    let name_width = rows.iter().map(|(name, ..)| name.len()).max().unwrap_or(0);
    let max_width = rows.iter().map(|(_, max, _)| max.len()).max().unwrap_or(0);
    let mut table = format!(
        "| {:name_width$} | {:>max_width$} | {}\n",
        "limit", "most", "of what; what happens there"
    );
    table += &format!("|{}|{}:|---\n", "-".repeat(name_width + 2), "-".repeat(max_width + 1));
    for (name, max, reason) in rows {
        table += &format!("| {name:name_width$} | {max:>max_width$} | {reason}\n");
    }
    table
}

/// `1234567` as `1,234,567`.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_has_a_reason_and_a_name_of_its_own() {
        for (index, limit) in ALL.iter().enumerate() {
            assert!(limit.max > 0, "{} is zero", limit.name);
            assert!(limit.reason.len() > 10, "{} gives no reason", limit.name);
            assert!(ALL[..index].iter().all(|earlier| earlier.name != limit.name));
        }
    }
    #[test]
    fn the_table_has_a_row_for_each_limit() {
        let table = table();
        let first: Vec<&str> = table.lines().take(3).collect();
        insta::assert_snapshot!(first.join("\n"), @r#"
        | limit                   |       most | of what; what happens there
        |-------------------------|-----------:|---
        | `EVENT_BYTES`           |     65,536 | payload of one event; a larger one becomes a dead letter `too-large`
        "#);
        assert_eq!(table.lines().count(), ALL.len() + 2);
    }
}
