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
    /// payload of one message that forwards an event or a memory from twin to twin, so that it fits a message of the broker; a larger memory is cut to fit
    FORWARDED_BYTES: 128 * 1024;
    /// times that one message is forwarded from identifier to identifier, so that it always arrives; at the limit the identifier that holds it is unlinked and processes it
    FORWARDING_HOPS: 64;
    /// changes of the link of one identifier within a minute; a further link is refused
    LINKS_A_MINUTE: 100;
    /// identifiers linked to one customer; a further link is refused and the identifier keeps its memory
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
    /// traits of one profile; further new traits are dropped and counted
    TRAITS: 64;
    /// removed traits whose removal date one profile keeps; the oldest dates are dropped first, after which a late, older statement can restore the trait
    TRAITS_REMOVED: 16;
    /// consents of one profile, one per purpose and channel; an event with a further one becomes a dead letter
    CONSENTS: 32;
    /// preferences of one twin; the one unconfirmed for longest is dropped first, declared ones last
    PREFERENCES: 32;
    /// values weighed as evidence for one inferred preference; the weakest leaves first
    PREFERENCE_VALUES: 8;
    /// live signals of one twin; the one that expires first is dropped first
    SIGNALS: 32;
    /// facts that policy rules set on one twin; further new facts are refused and counted
    FACTS: 64;
    /// active broadcasts; a further one becomes a dead letter
    BROADCASTS: 64;
    /// ended broadcasts (and their end messages) that a partition remembers, so that a late copy has no effect; the oldest are dropped first
    BROADCASTS_OVER: 1_000;
    /// value of one broadcast, as JSON; longer: `bad-data`
    BROADCAST_VALUE_BYTES: 8 * 1024;
    /// default lifetime of a broadcast without `ttl`, in seconds (30 days)
    BROADCAST_SECS: 30 * 86_400;
    /// broadcasts that a twin remembers having received: all active ones, and as many from a merged identifier; the oldest are dropped first
    MEETINGS: 2 * 64;
    /// distinct differences counted between the live policy and the shadow policy; further ones share one counter
    SHADOW_DIFFERENCES: 64;
    /// twins of one partition that one scan step visits for a broadcast or an index
    SWEEP_BATCH: 64;
    /// indexed paths of one policy; each costs one row per customer
    INDEXED_PATHS: 8;
    /// interactions of one twin; closed ones are dropped first, then the least recently changed
    INTERACTIONS: 16;
    /// data fields of one interaction; further new fields are dropped and counted
    INTERACTION_FIELDS: 32;
    /// last transcript lines kept with an interaction; the oldest are dropped first
    TRANSCRIPT_LINES: 12;
    /// one line of a transcript; longer ones are cut at a character boundary
    TRANSCRIPT_LINE_BYTES: 500;
    /// cases of one twin; closed ones are dropped first, then the least recently changed
    CASES: 16;
    /// needs of one twin; the weakest leaves first
    NEEDS: 16;
    /// aggregates (windows, counters and activities) of one policy, and so of one twin, because each event may update all of them; more are a mistake
    POLICY_AGGREGATES: 64;
    /// entries of one time window of one twin; beyond it the two closest entries merge and keep the later expiry; a window of distinct values drops its oldest
    WINDOW_ENTRIES: 64;
    /// problems remembered for dissatisfaction; the oldest leave first
    PROBLEMS: 16;
    /// grave topics about which a customer wrote that a twin remembers: one of each
    GRAVE_MATTERS: 9;
    /// contacts remembered for limits, cooldowns and outcomes; contacts that none of these needs are dropped first; a contact limit whose contacts may have been dropped counts as reached
    CONTACTS: 32;
    /// escalations of one twin; resolved ones are dropped first; while all are open, no new one opens
    ESCALATIONS: 8;
    /// evidence lines of one escalation, and likewise notes of agents; the first is always kept, then the oldest are dropped first
    ESCALATION_REMARKS: 6;
    /// changes listed in one escalation message; further changes are in the brief
    ESCALATION_CHANGES: 4;
    /// last inputs in a brief, so that an agent reads it within a minute
    BRIEF_LINES: 12;
    /// last actions in a brief, each with its outcome
    BRIEF_ATTEMPTS: 6;
    /// next steps that a brief proposes
    BRIEF_STEPS: 3;
    /// queues of one policy
    POLICY_QUEUES: 64;
    /// durable timers of one twin; further ones are refused, and counted
    TIMERS: 16;
    /// recent inputs in a timeline, also used to recognise duplicates; the oldest are dropped first
    TIMELINE_ENTRIES: 64;
    /// event ids that a busy twin remembers besides its timeline, for at least twenty minutes, to recognise duplicates; the oldest are dropped first
    IDENTITIES: 1_024;
    /// summary of one timeline entry; longer ones are cut at a character boundary
    TIMELINE_TEXT_BYTES: 160;
    /// placements in one decide request; more: `bad-data`
    PLACEMENTS: 8;
    /// treatments in one decide reply, all placements together
    OFFERS: 16;
    /// last decisions of one twin kept for `why`; the oldest are dropped first
    DECISIONS: 8;
    /// candidates explained in one decision record; further rejected candidates are only counted
    CANDIDATES: 16;
    /// steps of one rule, which bounds the effects of one reaction
    RULE_STEPS: 32;
    /// rendered text of one treatment; a longer one drops the treatment
    TREATMENT_BYTES: 4_000;
    /// rules of one policy, so that a reaction stays well below a millisecond
    POLICY_RULES: 2_000;
    /// actions of one policy, so that a decision about all of them stays below 5 milliseconds
    POLICY_ACTIONS: 4_000;
    /// treatments of one policy, for the same reason
    POLICY_TREATMENTS: 10_000;
    /// features declared by one policy; the models add features of their own, up to `FEATURES` in all
    POLICY_FEATURES: 40;
    /// contact limits of one policy; each one checks every remembered contact of a twin
    CONTACT_LIMITS: 16;
    /// needs of one policy, and preferences likewise
    POLICY_NEEDS: 500;
    /// experiments of one policy, and experiments that a twin remembers taking part in
    POLICY_EXPERIMENTS: 16;
    /// arms of one experiment
    EXPERIMENT_ARMS: 8;
    /// customers with an action, and as many without it, before its uplift counts
    UPLIFT_CUSTOMERS: 100;
    /// kinds of interactions that one policy can pause and resume; each uses a timer
    POLICY_INTERACTIONS: 32;
    /// bytes of one policy file
    POLICY_FILE_BYTES: 1024 * 1024;
    /// steps of one story
    STORY_STEPS: 1_000;
    /// inputs of one story when it is played, including timers; a longer story stops there
    STORY_TURNS: 10_000;
    /// bytes of a message analysed for valence, urgency and topics; the rest is ignored
    MESSAGE_READ_BYTES: 4_000;
    /// bytes of a message searched for grave topics, in parts of `MESSAGE_READ_BYTES`; the rest is ignored
    GRAVE_READ_BYTES: 16_000;
    /// bytes of a message used for language detection; if these are in none of the languages, three times as many more
    DETECT_BYTES: 160;
    /// words kept as evidence of a message's valence, and likewise of its urgency; the heaviest are kept
    CUES: 4;
    /// languages that detection tells apart
    DETECTED_LANGUAGES: 32;
    /// languages loaded at once
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
    /// bytes of the pattern-matching cache of one thread, per topic; with it, texts full of pattern words match about ten times faster
    GRAMMAR_CACHE_BYTES: 64 * 1024 * 1024;
    /// candidate positions of wishes checked in one sentence; further ones are ignored
    WISHES_JUDGED: 32;
    /// channels with a sentiment of their own in one twin; the least recently changed is dropped first
    SENTIMENT_CHANNELS: 8;
    /// analysed messages that a twin keeps as evidence of sentiment; the oldest are dropped first
    SENTIMENT_EVIDENCE: 6;
    /// topics of one policy
    TOPICS: 200;
    /// phrases of all topics
    TOPIC_PHRASES: 10_000;
    /// topics reported for one message; the search stops there
    TOPICS_FOUND: 8;
    /// depth of folders of one policy; deeper files are ignored
    POLICY_FOLDER_DEPTH: 4;
    /// mistakes reported at once; the remaining ones are counted
    MISTAKES: 100;
    /// bytes of one expression, so that parsing cannot overflow the stack
    EXPRESSION_BYTES: 2_000;
    /// operators, dots and brackets in one expression, for the same reason
    EXPRESSION_OPERATORS: 120;
    /// nesting of one expression, so that evaluation cannot overflow the stack
    EXPRESSION_DEPTH: 40;
    /// evaluation steps of one expression over lists (iterations of macros and the items they visit); beyond it the expression has no result, which is counted
    EXPRESSION_STEPS: 100_000;
    /// the same for the `where` of one broadcast; beyond it the broadcast matches nobody, which is counted
    CONDITION_STEPS: 10_000;
    /// nesting of list macros in the `where` of a broadcast; more: `bad-data`
    CONDITION_MACROS: 2;
    /// evaluation steps over lists of all expressions in one reaction, so that no policy blocks a partition
    REACTION_STEPS: 1_000_000;
    /// the same for all `where` conditions of broadcasts in one reaction, so that they cannot use up the policy's steps
    ALL_CONDITIONS_STEPS: 100_000;
    /// instructions of one template, including loops; beyond it the text is not rendered
    TEMPLATE_STEPS: 50_000;
    /// seconds between two firings of a repeating timer, at least; a faster one is a mistake
    TIMER_EVERY_SECS_MIN: 60;
    /// features of one situation that a model reads; further ones are ignored and counted
    FEATURES: 256;
    /// features with a learned weight on one level of arms; the least certain is dropped first
    LEVEL_WEIGHTS: 4_096;
    /// observations of one partition in one training batch; later ones wait for the next batch
    LESSON: 4_096;
    /// action, issue or placement names in one campaign
    CAMPAIGN_NAMES: 256;
    /// twins visited for one reply of a campaign dry run; the next reply continues from there
    CAMPAIGN_PAGE: 512;
    /// MiB of training history kept so that past decisions can be replayed; the oldest is dropped first
    LESSONS_MEBIBYTES: 512;
    /// values in the data of one action
    ACTION_DATA: 32;
    /// catch-up firings of one repeating timer after a downtime; the rest fire once
    TIMER_CATCH_UP: 100;
    /// timers of one partition held in memory; later ones wait in the store
    TIMER_WINDOW: 4_096;
    /// events that one partition collects while an earlier commit is in flight; then it commits them too
    COMMIT_EVENTS: 2_048;
    /// events in flight between intake and commit, all partitions together; more pause pulling
    IN_FLIGHT_EVENTS: 2_048;
    /// events pulled and not yet durable in all partitions; more stop the intake
    INTAKE_UNACKNOWLEDGED: 65_536;
    /// received but unread messages of one subscription; more are dropped and requested again
    SUBSCRIPTION_MESSAGES: 65_536;
    /// concurrent requests to the external analyser; further messages wait
    ANALYSER_QUESTIONS: 64;
    /// events waiting in the stream while the partitions are behind; beyond it the channels that send most move to the slow lane
    SLOW_BEHIND: 1_024;
    /// last messages sampled to find the channels that send most
    SLOW_SAMPLE: 500;
    /// channels in the slow lane at once
    SLOW_CHANNELS: 64;
    /// slow-lane pages in flight at once
    SLOW_PAGES: 3;
    /// outputs waiting for the broker while the slow lane is read; beyond it the slow lane pauses
    SLOW_OUTPUTS: 1_000;
    /// sequences by which a lane may lag and still count as nearly caught up; when both lanes are, the main lane waits so that the slow lane can close
    NEARLY_DONE: 1_024;
    /// messages of one pull
    PULL_BATCH: 500;
    /// concurrent single-message reads while the intake reads around malformed headers
    WRAPPED_AT_ONCE: 64;
    /// outputs published to one stream and not yet confirmed by the broker; more stop the relay
    RELAY_WINDOW: 4_096;
    /// committed outputs of one partition not yet confirmed by the broker; more pause its intake, and requests of agents get "busy"
    OUTBOX_BACKLOG: 50_000;
    /// one encoded record; a larger one is not written and its input becomes a dead letter
    RECORD_BYTES: 8 * 1024 * 1024;
    /// milliseconds that a deferred batch waits to share another commit's sync; then it gets a sync of its own
    COMMIT_LINGER_MS: 4;
    /// bytes of one group commit; further batches wait for the next one
    COMMIT_BYTES: 8 * 1024 * 1024;
    /// bytes appended to the commit log until what is applied and on the disk is deleted from it
    LOG_TRIM_BYTES: 64 * 1024 * 1024;
    /// defects described by one store check; further ones are only counted
    DEFECTS: 100;
    /// partitions of one store; the broker's partition number is a token of at most five digits
    PARTITIONS: 1_024;
    /// bytes of original headers kept with a dead letter, and bytes of its reason; more are dropped and counted
    DEAD_HEADER_BYTES: 8 * 1024;
    /// burst of dead letters of one partition; further ones are only counted
    DEAD_LETTERS_AT_ONCE: 2_000;
    /// dead letters a second of one partition after the burst
    DEAD_LETTERS_A_SECOND: 100;
    /// dead letters kept per reason; the oldest are dropped first, so that a flood of one reason does not displace the others
    DEAD_LETTERS: 100_000;
    /// durable consumers of one stream that are monitored; the lag of further ones is not reported
    READERS: 64;
    /// dead letters in one answer to an operator; the next answer goes on from there
    DEAD_LETTERS_LISTED: 1_000;
    /// erased customers of one partition with a tombstone; the tombstone that expires first is dropped first
    TOMBSTONES: 65_536;
    /// escalations in one answer to an agent; the next answer goes on from there
    ESCALATIONS_LISTED: 200;
    /// journalled inputs in one reply; ask again from the time of the last one
    JOURNAL_LISTED: 1_000;
    /// messages in one `forged` request; more are refused
    FORGED_ASKED: 256;
    /// pending operator requests of one kind; more get "busy"
    API_REQUESTS: 256;
    /// pending decide requests of channels; more get "busy"
    ASKS: 4_096;
    /// customer keys of a sealed store cached in memory; others are read on demand
    KEYS_KNOWN: 100_000;
    /// lines of the audit in one answer, the newest
    AUDIT_LISTED: 1_000;
    /// channels with an integrator consumer; each costs the broker a filtered search
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
        "limit", "most", "what is limited; what happens at the limit"
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
        | limit                   |       most | what is limited; what happens at the limit
        |-------------------------|-----------:|---
        | `EVENT_BYTES`           |     65,536 | payload of one event; a larger one becomes a dead letter `too-large`
        "#);
        assert_eq!(table.lines().count(), ALL.len() + 2);
    }
}
