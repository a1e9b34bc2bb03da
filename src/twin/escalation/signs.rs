//! Triggers of automatic escalations: a grave topic, the customer asks for a person, a bot fails,
//! dissatisfaction reaches the alarm threshold.

use super::NewEscalation;
use super::opening::escalate;
use crate::event::{EventKind, Speaker, cut};
use crate::language::{AUTOMATIC, Language, is_alike};
use crate::policy::{AutoEscalation, DENIAL, PERSON};
use crate::twin::effect::Effect;
use crate::twin::input::Cause;
use crate::twin::moment::{MessageContent, ReactionContext, View};
use crate::twin::note::Notes;
use crate::twin::state::{Interaction, TranscriptLine, Twin};

/// A message whose valence is lower than that of the previous one by this much counts as worse.
const WORSE: f32 = 0.2;

/// The maximum length of a quote from a message.
const QUOTED_BYTES: usize = 200;

/// Opens the escalations that a message of the customer triggers. If processing is restricted, a wish
/// still counts, but the bot's answers are not evaluated.
pub(in crate::twin) fn signs(
    twin: &mut Twin,
    context: &ReactionContext<'_>,
    effects: &mut Vec<Effect>,
    notes: &mut Notes,
) {
    let escalates = &context.policy.escalates;
    let (Some(content), Cause::Event(event)) = (&context.message, &context.input.cause) else {
        return;
    };
    let EventKind::Message(message) = &event.kind else { return };
    if content.is_automatic {
        return;
    }
    let text = cut(content.own.as_deref().unwrap_or(&message.text), QUOTED_BYTES);
    for found in content.grave.iter().filter(|found| found.is_certain()) {
        if let Some(opens) = &context.policy.grave.of(found.topic).opens {
            let (topic, values) = (found.topic.name(), [("text", text)]);
            open(twin, opens, (topic, &format!("grave.{topic}")), &values, context, effects, notes);
        }
    }
    if let Some(opens) = &escalates.wish
        && content.topics().any(|topic| topic == PERSON)
    {
        open(twin, opens, ("wish", "wish"), &[("text", text)], context, effects, notes);
    }
    if let Some((opens, answers)) = escalates.bot.as_ref().filter(|_| !context.is_restricted) {
        let failures = failures(twin, content, context);
        if failures >= *answers {
            let count = failures.to_string();
            let values = [("text", text), ("count", &count)];
            open(twin, opens, ("bot", "bot"), &values, context, effects, notes);
        }
    }
}

/// Opens the escalation for alarming dissatisfaction, unless processing is restricted.
pub(in crate::twin) fn alarm(
    twin: &mut Twin,
    context: &ReactionContext<'_>,
    effects: &mut Vec<Effect>,
    notes: &mut Notes,
) {
    let Some(opens) = &context.policy.escalates.dissatisfaction else { return };
    let Some(rule) = &context.policy.dissatisfaction else { return };
    if context.is_restricted {
        return;
    }
    let index = twin.dissatisfaction_by(rule, &View::whole(twin, context)).index;
    let level = format!("{index:.2}");
    open(
        twin,
        opens,
        ("dissatisfaction", "dissatisfaction"),
        &[("level", &level)],
        context,
        effects,
        notes,
    );
}

/// Opens an escalation about a topic; the key is that of the sentence with the reason.
fn open(
    twin: &mut Twin,
    opens: &AutoEscalation,
    (topic, key): (&str, &str),
    values: &[(&str, &str)],
    context: &ReactionContext<'_>,
    effects: &mut Vec<Effect>,
    notes: &mut Notes,
) {
    let queue = super::opening::route(twin, &opens.to, context);
    let language = context.policy.queue(queue).and_then(|queue| queue.language.as_deref());
    let because = context.policy.speech.languages.say(language, key, values);
    let (to, priority) = (&opens.to, opens.priority);
    let opening = NewEscalation { to, topic, priority, because: &because };
    escalate(twin, &opening, context, effects, notes);
}

/// The number of failed bot answers in the current conversation since a person last spoke in it: answers
/// after which the customer repeated themselves, denied that it helped, or felt worse.
fn failures(twin: &Twin, content: &MessageContent, context: &ReactionContext<'_>) -> u32 {
    let Some(conversation) = twin.last_conversation() else { return 0 };
    // An automatic message from the customer's address says nothing about a bot's answers.
    let is_said = |line: &&TranscriptLine| {
        line.from != Speaker::Customer || !line.text.starts_with(AUTOMATIC)
    };
    let lines: Vec<&TranscriptLine> = conversation.lines.iter().filter(is_said).collect();
    let from = lines.iter().rposition(|line| line.from == Speaker::Agent).map_or(0, |at| at + 1);
    let mut failed = 0;
    for at in from..lines.len() {
        let answered = lines[from..at].last().is_some_and(|line| line.from == Speaker::Bot);
        if lines[at].from == Speaker::Customer && answered {
            let before: Vec<&TranscriptLine> = lines[from..at]
                .iter()
                .copied()
                .filter(|line| line.from == Speaker::Customer)
                .collect();
            let is_last = at + 1 == lines.len();
            failed +=
                u32::from(fails(twin, conversation, &before, lines[at], is_last, content, context));
        }
    }
    // Only the current message can show one more failure.
    let is_now = lines.last().is_some_and(|line| line.at == context.input.at);
    if is_now { failed } else { 0 }
}

fn fails(
    twin: &Twin,
    conversation: &Interaction,
    before: &[&TranscriptLine],
    line: &TranscriptLine,
    is_last: bool,
    content: &MessageContent,
    context: &ReactionContext<'_>,
) -> bool {
    let own =
        |line: &TranscriptLine| context.policy.speech.languages.own_words(&line.text).into_owned();
    let now = own(line);
    if before.iter().any(|earlier| is_alike(&own(earlier), &now)) {
        return true;
    }
    let is_denied = if is_last {
        content.topics().any(|topic| topic == DENIAL)
    } else {
        denies(&now, content.language.unwrap_or(Language::UNDETERMINED), context)
    };
    if is_denied {
        return true;
    }
    let felt = |line: &TranscriptLine| {
        let evidence = &twin.sentiment.as_ref()?.evidence;
        let heard =
            evidence.iter().find(|heard| heard.at == line.at && heard.channel == line.channel);
        heard.map(|heard| heard.reading.valence)
    };
    debug_assert!(conversation.lines.len() > before.len());
    match (before.last().and_then(|line| felt(line)), felt(line)) {
        (Some(earlier), Some(now)) => now < 0.0 && now <= earlier - WORSE,
        _ => false,
    }
}

fn denies(text: &str, language: Language, context: &ReactionContext<'_>) -> bool {
    context.policy.speech.topics.find(text, language).iter().any(|topic| topic.name == DENIAL)
}
