//! Reads `[queues]` and `[escalate]`: the people who take over, how soon they are expected to, and
//! what the twin opens for them by itself.

use std::time::Duration;

use super::aggregates::period;
use super::load::{ExpressionSite, PolicyReader};
use super::mistake::hint;
use super::read::{TomlItem, TomlTable};
use super::symbols::one_of;
use super::{Expression, Path, Policy, Root, SourceLocation};
use crate::config::limits;

/// People who take over, and what they promise.
#[derive(Debug)]
pub struct Queue {
    /// Its name, as it stands in subjects.
    pub name: Box<str>,
    /// Who they are, for people.
    pub describe: Box<str>,
    /// What they use facts for.
    pub purpose: Box<str>,
    /// What they can do.
    pub skills: Box<[Box<str>]>,
    /// The languages in which they can speak to customers, as BCP 47 tags; none: in every one.
    pub languages: Box<[Box<str>]>,
    /// The language in which they read a brief.
    pub language: Option<Box<str>>,
    /// What must hold for a customer to be sent here by skill; none: everybody is.
    pub when: Option<Expression>,
    /// So soon somebody has taken an escalation; none: nobody promises.
    pub respond: Option<Duration>,
    /// So soon it is settled, once it is taken, counted from when it came here; none: nobody
    /// promises.
    pub resolve: Option<Duration>,
    /// Where it goes when a promise is broken; none: it stays, and becomes more pressing.
    pub next: Option<Box<str>>,
    /// Where it stands.
    pub place: SourceLocation,
}

impl Queue {
    /// Whether they speak a language, whatever its region.
    pub fn speaks(&self, language: Option<&str>) -> bool {
        let primary = |tag: &str| tag.split(['-', '_']).next().unwrap_or_default().to_lowercase();
        self.languages.is_empty()
            || language.is_none_or(|wanted| {
                self.languages.iter().any(|known| primary(known) == primary(wanted))
            })
    }
}

/// To whom an escalation goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EscalationTarget {
    /// To this queue.
    Queue(Box<str>),
    /// To the first queue that has this skill, speaks the customer's language, and is for them.
    Skill(Box<str>),
    /// To the first queue that speaks the customer's language, and is for them.
    Anybody,
}

/// What the twin opens by itself, for one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AutoEscalation {
    /// To whom it goes.
    pub to: EscalationTarget,
    /// 1 (whenever) to 5 (now).
    pub priority: u8,
}

/// What the twin opens by itself; none: it does not.
#[derive(Debug, Default)]
pub struct AutoEscalations {
    /// The customer asks for a person.
    pub wish: Option<AutoEscalation>,
    /// A bot fails, and after how many of its answers in one conversation that is so: the customer
    /// then repeats what they said, denies that it helps, or feels worse.
    pub bot: Option<(AutoEscalation, u32)>,
    /// The dissatisfaction has risen to the policy's alarm.
    pub dissatisfaction: Option<AutoEscalation>,
}

/// The timer that waits for the first promise that may be broken.
pub const DUE_TIMER: &str = "due:";

/// The detail by which rules on `handoff` hear that a promise was broken.
pub const EXPIRED: &str = "expired";

/// The topic, known to languages, by which a customer asks for a person.
pub const PERSON: &str = "person";
/// The topic, known to languages, by which a customer says that an answer is none.
pub const DENIAL: &str = "denial";

/// What people use facts for where a policy does not say.
const PURPOSE: &str = "service";

/// Answers of a bot after which it has failed, if the policy does not say.
const BOT_FAILS_AFTER: u32 = 2;

impl Policy {
    /// The queue of a name.
    pub fn queue(&self, name: &str) -> Option<&Queue> {
        self.queues.iter().find(|queue| *queue.name == *name)
    }

    /// What the people of a queue use facts for.
    pub fn uses_of_queue(&self, queue: &str) -> Box<[Box<str>]> {
        [self.purpose_of_queue(queue).into()].into()
    }

    /// The one purpose for which the people of a queue use facts.
    pub fn purpose_of_queue(&self, queue: &str) -> &str {
        self.queue(queue).map_or(PURPOSE, |queue| &queue.purpose)
    }
}

pub(super) fn read(table: &TomlTable<'_>, reader: &PolicyReader, queues: &mut Vec<Queue>) {
    let Some(all) = table.get("queues").and_then(TomlItem::table) else { return };
    for (key, item) in all.entries() {
        let (Some(name), Some(table)) = (key.name(), item.table()) else { continue };
        if queues.iter().any(|known| *known.name == *name) {
            key.wrong(format!("the queue `{name}` stands here twice"));
        }
        if queues.len() == limits::POLICY_QUEUES {
            key.wrong(format!("expected at most {} queues", limits::POLICY_QUEUES));
        }
        let text = |key| table.get(key).and_then(TomlItem::text).map(Box::<str>::from);
        let names = |key| {
            let items = table.get(key).map_or(Vec::new(), TomlItem::list_or_one);
            items.into_iter().filter_map(TomlItem::name).map(Box::<str>::from).collect::<Box<[_]>>()
        };
        let span = |key| table.get(key).and_then(period);
        let next = table.get("next").and_then(|item| {
            let next = item.text()?;
            reader.names.queue(next).map_err(|message| item.wrong(message)).ok()?;
            if !reader.names.is_for_the_same(name, next) {
                item.wrong(format!(
                    "expected a queue of the same purpose, found `{next}`, whose people may not \
                     read what `{name}` may"
                ));
            }
            if reader.names.comes_round(name) {
                item.wrong(format!(
                    "expected a queue beyond this one, found a way that leads back to `{name}`; \
                     let the last one stand without `next`"
                ));
            }
            Some(next.into())
        });
        let languages = names("languages");
        queues.push(Queue {
            name: name.into(),
            describe: text("describe").unwrap_or_default(),
            purpose: table.get("purpose").and_then(TomlItem::name).unwrap_or(PURPOSE).into(),
            skills: names("skills"),
            language: table
                .get("language")
                .and_then(TomlItem::name)
                .map(Into::into)
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

/// Who somebody is, whatever happens to them at the moment.
fn when(item: TomlItem<'_>, reader: &PolicyReader) -> Option<Expression> {
    let when = reader.expression(item, ExpressionSite::Rule(&[]))?;
    if when.paths().iter().any(|path: &Path| path.root == Root::Event) {
        item.wrong(
            "expected a condition about the customer, found one that reads `event`; a rule can \
             name the queue",
        );
        return None;
    }
    Some(when)
}

/// What the twin opens by itself: everything, as soon as there are queues, unless a policy says
/// otherwise.
pub(super) fn read_escalates(
    table: &TomlTable<'_>,
    reader: &PolicyReader,
    known: &mut Option<AutoEscalations>,
) {
    let Some(item) = table.get("escalate") else { return };
    let Some(table) = item.table() else { return };
    if known.is_some() {
        item.wrong("[escalate] stands here again; write it once");
    }
    if reader.names.queues.is_empty() {
        item.wrong("expected a table such as [queues.care], to which escalations go; found none");
    }
    let unsaid = AutoEscalations::unsaid(reader);
    let mut bot = unsaid.bot;
    if let Some(item) = table.get("bot") {
        let (opens, answers) = opens(item, reader, 3, true);
        bot = opens.map(|opens| (opens, answers));
    }
    let one = |key, otherwise, priority| match table.get(key) {
        None => otherwise,
        Some(item) => opens(item, reader, priority, false).0,
    };
    *known = Some(AutoEscalations {
        wish: one("wish", unsaid.wish, 4),
        bot,
        dissatisfaction: one("dissatisfaction", unsaid.dissatisfaction, 5),
    });
    table.finish();
}

impl AutoEscalations {
    /// What holds if a policy says nothing.
    pub(super) fn unsaid(reader: &PolicyReader) -> AutoEscalations {
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

/// `false`, or a table with `queue` or `skill`, and `priority`; of a bot also `answers`.
fn opens(
    item: TomlItem<'_>,
    reader: &PolicyReader,
    priority: u8,
    is_bot: bool,
) -> (Option<AutoEscalation>, u32) {
    let Some(table) = item.as_table() else {
        if item.truth() == Some(true) {
            item.wrong("expected false, or a table with `queue` or `skill`; left out, it is on");
        }
        return (None, BOT_FAILS_AFTER);
    };
    let to = desk(&table, "queue", reader).unwrap_or(EscalationTarget::Anybody);
    let said = table.get("priority").and_then(|item| item.whole(1..=5));
    let answers = if is_bot { table.get("answers") } else { None };
    let answers = answers.and_then(|item| item.whole(1..=5)).unwrap_or(BOT_FAILS_AFTER);
    table.finish();
    let priority = said.and_then(|said| u8::try_from(said).ok()).unwrap_or(priority);
    (Some(AutoEscalation { to, priority }), answers)
}

/// To whom something goes: the queue at a key, or a skill; none: it is not said, or wrong.
pub(super) fn desk(
    table: &TomlTable<'_>,
    key: &'static str,
    reader: &PolicyReader,
) -> Option<EscalationTarget> {
    match (table.get(key), table.get("skill")) {
        (Some(_), Some(skill)) => {
            skill.wrong(format!("expected either `{key}` with a queue or `skill`, found both"));
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

/// What is known of a queue before it is read.
#[derive(Debug, Default)]
pub(super) struct Known {
    purpose: Option<Box<str>>,
    skills: Vec<Box<str>>,
    next: Option<Box<str>>,
}

/// The queues of a policy, in silence: mistakes are told when they are read.
pub(super) fn gather(table: &TomlTable<'_>, queues: &mut Vec<(String, Known)>) {
    let all = table.get("queues").and_then(TomlItem::as_table);
    for (key, item) in all.map_or(Vec::new(), |all| all.entries()) {
        let Some(table) = item.as_table() else { continue };
        let skills = table.get("skills").map_or(Vec::new(), TomlItem::list_or_one);
        let skills = skills.into_iter().filter_map(TomlItem::as_text).map(Into::into).collect();
        let next = table.get("next").and_then(TomlItem::as_text).map(Into::into);
        let purpose = table.get("purpose").and_then(TomlItem::as_text).map(Into::into);
        queues.push((key.text().to_owned(), Known { purpose, skills, next }));
    }
}

impl super::symbols::Symbols {
    /// A queue of the policy, if it says which there are.
    pub(super) fn queue(&self, name: &str) -> Result<(), String> {
        if self.queues.is_empty() || self.queues.iter().any(|(known, _)| known == name) {
            return Ok(());
        }
        let known = self.queues.iter().map(|(known, _)| known.as_str());
        Err(format!("unknown queue `{name}`{}", hint(name, known)))
    }

    /// Whether the people of two queues use facts for the same.
    fn is_for_the_same(&self, one: &str, other: &str) -> bool {
        let purpose = |of: &str| {
            let known = self.queues.iter().find(|(known, _)| known == of);
            known.and_then(|(_, queue)| queue.purpose.as_deref()).unwrap_or(PURPOSE)
        };
        purpose(one) == purpose(other)
    }

    /// Whether what is not settled in a queue comes back to it.
    fn comes_round(&self, name: &str) -> bool {
        let next = |of: &str| {
            let (_, queue) = self.queues.iter().find(|(known, _)| known == of)?;
            queue.next.as_deref()
        };
        let mut at = next(name);
        for _ in 0..self.queues.len() {
            match at {
                Some(found) if found == name => return true,
                Some(found) => at = next(found),
                None => return false,
            }
        }
        false
    }
}
