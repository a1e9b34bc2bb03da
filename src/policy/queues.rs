//! Reads `[queues]` and `[escalate]`: queues of agents, their deadlines, and automatic escalations.

use std::borrow::Cow;
use std::time::Duration;

use super::hint::one_of;
use super::read::{TomlItem, TomlTable};
use super::reader::{ExpressionSite, PolicyReader};
use super::symbols::KnownQueue;
use super::{Expression, Path, Root, SourceLocation};
use crate::config::limits;
use crate::event::primary_language;

/// A queue of agents and its deadlines.
#[derive(Debug)]
pub struct Queue {
    /// Its name, as in subjects.
    pub name: Box<str>,
    /// A description for people.
    pub describe: Box<str>,
    /// The purpose for which its agents use facts.
    pub purpose: Box<str>,
    /// Their skills.
    pub skills: Box<[Box<str>]>,
    /// The languages in which they can speak to customers, as BCP 47 tags; none: all.
    pub languages: Box<[Box<str>]>,
    /// The language in which they read a brief.
    pub language: Option<Box<str>>,
    /// The condition for a customer to be sent here by skill; none: every customer.
    pub when: Option<Expression>,
    /// Deadline for claiming an escalation; none: no deadline.
    pub respond: Option<Duration>,
    /// Deadline for resolving it after a claim, counted from its arrival in this queue; none: no
    /// deadline.
    pub resolve: Option<Duration>,
    /// The next queue after a missed deadline; none: the escalation stays, with a higher priority.
    pub next: Option<Box<str>>,
    /// Its location.
    pub place: SourceLocation,
}

impl Queue {
    /// Whether the queue speaks a language, ignoring its region.
    pub fn speaks(&self, language: Option<&str>) -> bool {
        let primary = primary_language;
        self.languages.is_empty()
            || language.is_none_or(|wanted| {
                self.languages.iter().any(|known| primary(known) == primary(wanted))
            })
    }
}

/// The target of an escalation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EscalationTarget {
    /// This queue.
    Queue(Box<str>),
    /// The first queue that has this skill, speaks the customer's language, and accepts the customer.
    Skill(Box<str>),
    /// The first queue that speaks the customer's language and accepts the customer.
    Anybody,
}

/// An automatic escalation for one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AutoEscalation {
    /// The target.
    pub to: EscalationTarget,
    /// The priority, from 1 (not urgent) to 5 (immediately).
    pub priority: u8,
}

/// Automatic escalations; none: disabled.
#[derive(Debug, Default)]
pub struct AutoEscalations {
    /// The customer asks for a person.
    pub wish: Option<AutoEscalation>,
    /// A bot fails, with the number of its answers in one conversation after which that is so: after each
    /// of them the customer repeats themselves, denies that it helps, or feels worse.
    pub bot: Option<(AutoEscalation, u32)>,
    /// The dissatisfaction has reached the policy's alarm threshold.
    pub dissatisfaction: Option<AutoEscalation>,
}

/// The timer for the next deadline.
pub const DUE_TIMER: &str = "due:";

/// The languages' topic by which a customer asks for a person.
pub const PERSON: &str = "person";
/// The languages' topic by which a customer says that an answer does not help.
pub const DENIAL: &str = "denial";

/// The purpose for which agents use facts, if a policy gives none.
pub(super) const QUEUE_PURPOSE: &str = "service";

/// The number of a bot's answers after which it has failed, if the policy gives none.
const BOT_FAILS_AFTER: u32 = 2;

pub(super) fn read(table: &TomlTable<'_>, reader: &PolicyReader, queues: &mut Vec<Queue>) {
    let Some(all) = table.get("queues").and_then(TomlItem::table) else { return };
    for (key, item) in all.entries() {
        let (Some(name), Some(table)) = (key.name(), item.table()) else { continue };
        if queues.iter().any(|known| *known.name == *name) {
            key.wrong(format!("the queue `{name}` is defined twice"));
        }
        if queues.len() == limits::POLICY_QUEUES {
            let (most, found) = (limits::POLICY_QUEUES, reader.names.queues.len());
            key.wrong(format!("expected at most {most} queues, found {found}"));
        }
        let text = |key| table.get(key).and_then(TomlItem::text).map(Box::<str>::from);
        let names = |key| {
            let items = table.get(key).map_or(Vec::new(), TomlItem::list_or_one);
            items.into_iter().filter_map(TomlItem::name).map(Box::<str>::from).collect::<Box<[_]>>()
        };
        let span = |key| table.get(key).and_then(TomlItem::period);
        let next = table.get("next").and_then(|item| {
            let next = item.text()?;
            reader.names.queue(next).map_err(|message| item.wrong(message)).ok()?;
            check_next(item, name, next, reader);
            Some(next.into())
        });
        let tags = table.get("languages").map_or(Vec::new(), TomlItem::list_or_one);
        let tags = tags.into_iter().filter_map(TomlItem::language).map(Cow::into_owned);
        let languages: Box<[Box<str>]> = tags.map(Box::from).collect();
        queues.push(Queue {
            name: name.into(),
            describe: text("describe").unwrap_or_default(),
            purpose: table.get("purpose").and_then(TomlItem::name).unwrap_or(QUEUE_PURPOSE).into(),
            skills: names("skills"),
            language: table
                .get("language")
                .and_then(TomlItem::language)
                .map(|tag| tag.into_owned().into())
                .or_else(|| languages.first().cloned()),
            languages,
            when: table.get("when").and_then(|item| when(item, reader)),
            respond: span("respond"),
            resolve: span("resolve"),
            next,
            place: key.place(),
        });
        table.finish();
    }
}

/// Checks that a queue may pass its escalations to `next`.
fn check_next(item: TomlItem<'_>, name: &str, next: &str, reader: &PolicyReader) {
    if let Some((own, other)) = reader.names.different_purposes(name, next) {
        item.wrong(format!(
            "expected a queue with the same `purpose` as `{name}` (`{own}`), found `{next}` \
             (`{other}`); give both queues one purpose, or name another queue"
        ));
    }
    if reader.names.returns_to_itself(name) {
        item.wrong(format!(
            "expected a chain of queues with an end, found one that returns to `{name}`; leave \
             `next` out in the last queue"
        ));
    }
}

/// A condition on the customer that does not depend on the current input.
fn when(item: TomlItem<'_>, reader: &PolicyReader) -> Option<Expression> {
    let when = reader.expression(item, ExpressionSite::Rule(&[]))?;
    if when.paths().iter().any(|path: &Path| path.root == Root::Event) {
        item.wrong(
            "expected a condition about the customer, found one that reads `event`; to choose a \
             queue by the event, name the queue in a rule",
        );
        return None;
    }
    Some(when)
}

/// The automatic escalations: all of them, as soon as there are queues, unless a policy disables some.
pub(super) fn read_escalates(
    table: &TomlTable<'_>,
    reader: &PolicyReader,
    known: &mut Option<AutoEscalations>,
) {
    let Some(item) = table.get("escalate") else { return };
    let Some(table) = item.table() else { return };
    if known.is_some() {
        item.wrong("[escalate] is defined twice");
    }
    if reader.names.queues.is_empty() {
        item.wrong(
            "expected a queue that receives the escalations, found none; add a table such as \
             [queues.care]",
        );
    }
    let defaults = AutoEscalations::defaults(reader);
    let mut bot = defaults.bot;
    if let Some(item) = table.get("bot") {
        let (opens, answers) = opens(item, reader, 3, true);
        bot = opens.map(|opens| (opens, answers));
    }
    let one = |key, otherwise, priority| match table.get(key) {
        None => otherwise,
        Some(item) => opens(item, reader, priority, false).0,
    };
    *known = Some(AutoEscalations {
        wish: one("wish", defaults.wish, 4),
        bot,
        dissatisfaction: one("dissatisfaction", defaults.dissatisfaction, 5),
    });
    table.finish();
}

impl AutoEscalations {
    /// The automatic escalations of a policy without `[escalate]`.
    pub(super) fn defaults(reader: &PolicyReader) -> AutoEscalations {
        if reader.names.queues.is_empty() {
            return AutoEscalations::default();
        }
        let opens = |priority| AutoEscalation { to: EscalationTarget::Anybody, priority };
        AutoEscalations {
            wish: Some(opens(4)),
            bot: Some((opens(3), BOT_FAILS_AFTER)),
            dissatisfaction: Some(opens(5)),
        }
    }
}

/// `false`, or a table with `queue` or `skill`, and `priority`; for a bot also `answers`.
fn opens(
    item: TomlItem<'_>,
    reader: &PolicyReader,
    priority: u8,
    is_bot: bool,
) -> (Option<AutoEscalation>, u32) {
    let Some(table) = item.as_table() else {
        match item.as_truth() {
            Some(false) => {}
            Some(true) => item.wrong(
                "expected false, or a table with `queue` or `skill`, found true; leave the key \
                 out to keep the default, which is on",
            ),
            None => {
                return (
                    item.expected("false, or a table with `queue` or `skill`"),
                    BOT_FAILS_AFTER,
                );
            }
        }
        return (None, BOT_FAILS_AFTER);
    };
    let to = escalation_target(&table, "queue", reader).unwrap_or(EscalationTarget::Anybody);
    let stated = table.get("priority").and_then(|item| item.whole(1..=5));
    let answers = if is_bot { table.get("answers") } else { None };
    let answers = answers.and_then(|item| item.whole(1..=5)).unwrap_or(BOT_FAILS_AFTER);
    table.finish();
    let priority = stated.and_then(|stated| u8::try_from(stated).ok()).unwrap_or(priority);
    (Some(AutoEscalation { to, priority }), answers)
}

/// The target of an escalation: the queue at a key, or a skill; none: it is missing, or wrong.
pub(super) fn escalation_target(
    table: &TomlTable<'_>,
    key: &'static str,
    reader: &PolicyReader,
) -> Option<EscalationTarget> {
    match (table.get(key), table.get("skill")) {
        (Some(_), Some(skill)) => {
            skill.wrong(format!("expected either `{key}` or `skill`, found both; leave one out"));
            None
        }
        (Some(item), None) => {
            let queue = item.name()?;
            reader.names.queue(queue).map_err(|message| item.wrong(message)).ok()?;
            Some(EscalationTarget::Queue(queue.into()))
        }
        (None, Some(item)) => {
            let skill = item.name()?;
            let skills: Vec<&str> = reader
                .names
                .queues
                .iter()
                .flat_map(|(_, queue)| &queue.skills)
                .map(|s| &**s)
                .collect();
            if let Err(message) = one_of(skill, &skills, "skill of a queue") {
                item.wrong(message);
                return None;
            }
            Some(EscalationTarget::Skill(skill.into()))
        }
        (None, None) => None,
    }
}

/// The queues of a policy, without errors: those are reported when they are read.
pub(super) fn gather(table: &TomlTable<'_>, queues: &mut Vec<(String, KnownQueue)>) {
    let all = table.get("queues").and_then(TomlItem::as_table);
    for (key, item) in all.map_or(Vec::new(), |all| all.entries()) {
        let Some(table) = item.as_table() else { continue };
        let skills = table.get("skills").map_or(Vec::new(), TomlItem::list_or_one);
        let skills = skills.into_iter().filter_map(TomlItem::as_text).map(Into::into).collect();
        let next = table.get("next").and_then(TomlItem::as_text).map(Into::into);
        let purpose =
            table.get("purpose").and_then(TomlItem::as_text).unwrap_or(QUEUE_PURPOSE).into();
        queues.push((key.text().to_owned(), KnownQueue { purpose, skills, next }));
    }
}
