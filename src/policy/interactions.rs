//! Reads `[interactions.<kind>]`: when interactions pause and how they are resumed.

use std::collections::BTreeMap;
use std::time::Duration;

use super::read::{TomlItem, TomlTable};
use super::reader::PolicyReader;
use super::trigger;
use super::{InteractionRule, Occasion, Trigger};
use crate::event::EventType;

/// The name of the best interaction in paths, which no kind can have.
const BEST: &str = "best";

/// The default of `offer_within`: after a month, nobody remembers a form.
const OFFER_WITHIN: Duration = Duration::from_secs(30 * 86_400);

/// The default of `pause_after`: in web analytics, half an hour without activity ends a session.
const PAUSE_AFTER: Duration = Duration::from_secs(30 * 60);

pub(super) fn read(
    table: &TomlTable<'_>,
    reader: &PolicyReader,
    interactions: &mut BTreeMap<Box<str>, InteractionRule>,
) {
    let Some(all) = table.get("interactions").and_then(TomlItem::table) else { return };
    for (key, item) in all.entries() {
        let (Some(kind), Some(table)) = (key.name(), item.table()) else { continue };
        if kind == BEST {
            key.wrong(
                "the name `best` is reserved: in expressions, it is the best interaction; choose \
                 another name",
            );
        }
        let span = |key, otherwise| table.get(key).and_then(TomlItem::span).unwrap_or(otherwise);
        let resume = table.get("resume").and_then(|item| {
            reader.names.action(item.name()?).map_err(|message| item.wrong(message)).ok()
        });
        let occasions = |key| table.get(key).map(|item| occasions(item, reader));
        let rule = InteractionRule {
            pause_after: span("pause_after", PAUSE_AFTER),
            leaves: occasions("leaves").unwrap_or_default(),
            returns: occasions("returns").unwrap_or_else(any_sign_of_life),
            resume,
            value: table.get("value").and_then(|item| item.number(0.0..=1.0)).unwrap_or(0.5),
            steps: table.get("steps").and_then(|item| item.whole(1..=1_000)),
            offer_within: span("offer_within", OFFER_WITHIN),
            place: key.place(),
        };
        table.finish();
        if interactions.insert(kind.into(), rule).is_some() {
            key.wrong(format!("the interaction `{kind}` is defined twice"));
        }
    }
}

/// The actions that offer to resume: they need not serve a need.
pub(super) fn resumes<'a>(table: &TomlTable<'a>) -> Vec<&'a str> {
    let kinds = table.get("interactions").and_then(TomlItem::as_table).map(|all| all.entries());
    kinds
        .into_iter()
        .flatten()
        .filter_map(|(_, item)| item.as_table()?.get("resume")?.as_text())
        .collect()
}

fn occasions(item: TomlItem<'_>, reader: &PolicyReader) -> Box<[Occasion]> {
    let occasion = |item: TomlItem<'_>| match trigger::parse(item.text()?) {
        Ok((Trigger::Timer | Trigger::Dissatisfaction | Trigger::Broadcast, _)) => {
            let found = item.as_text().unwrap_or_default();
            item.wrong(format!(
                "expected an event that a channel sends about the customer, such as `page`, found \
                 `{found}`"
            ));
            None
        }
        Ok((trigger, detail)) => {
            if let Some(detail) = detail {
                reader.noticed.borrow_mut().heard.push((trigger, detail.into(), item.place()));
            }
            Some(Occasion { trigger, detail: detail.map(Into::into) })
        }
        Err(message) => {
            item.wrong(message);
            None
        }
    };
    item.list_or_one().into_iter().filter_map(occasion).collect()
}

fn any_sign_of_life() -> Box<[Occasion]> {
    let of = |kind, detail: Option<&str>| Occasion {
        trigger: Trigger::Event(kind),
        detail: detail.map(Into::into),
    };
    [
        of(EventType::Page, None),
        of(EventType::Screen, None),
        of(EventType::Track, None),
        of(EventType::Message, Some("customer")),
        of(EventType::Message, Some("agent")),
    ]
    .into()
}
