//! The sections `[needs]` and `[preferences]`.

use std::collections::BTreeMap;
use std::time::Duration;

use super::read::{TomlItem, TomlTable};
use super::{NeedDefinition, PreferenceRule};

pub(super) fn read_needs(table: &TomlTable<'_>, needs: &mut Vec<NeedDefinition>) {
    const EXPIRES: Duration = Duration::from_secs(30 * 86_400);
    let Some(all) = table.get("needs").and_then(TomlItem::table) else { return };
    for (key, item) in all.entries() {
        let (Some(name), Some(table)) = (key.name(), item.table()) else { continue };
        let describe = table.require("describe").and_then(TomlItem::text);
        let expires = table.get("expires").map_or(Some(EXPIRES), TomlItem::span);
        table.finish();
        if needs.iter().any(|known: &NeedDefinition| *known.name == *name) {
            key.wrong(format!("the need `{name}` is defined twice"));
        }
        needs.push(NeedDefinition {
            name: name.into(),
            describe: describe.unwrap_or_default().into(),
            expires: expires.unwrap_or(EXPIRES),
            place: key.place(),
        });
    }
}

pub(super) fn read_preferences(
    table: &TomlTable<'_>,
    preferences: &mut BTreeMap<Box<str>, PreferenceRule>,
) {
    let Some(all) = table.get("preferences").and_then(TomlItem::table) else { return };
    for (key, item) in all.entries() {
        let (Some(name), Some(table)) = (key.name(), item.table()) else { continue };
        let evidence = table.get("evidence").map_or(Some(3), |item| item.whole(1..=1_000));
        let confidence = table.get("confidence").map_or(Some(0.6), |item| item.number(0.0..=1.0));
        let confidence = confidence.unwrap_or(0.6);
        // A value that is not certain enough to be used is not mentioned either.
        let say = table.get("say").and_then(|item| item.number(confidence..=1.0));
        let span = |key| table.get(key).and_then(TomlItem::span);
        let rule = PreferenceRule {
            evidence_min: evidence.unwrap_or(3),
            confidence_min: confidence,
            say_min: say.unwrap_or(confidence.max(0.7)),
            half_life: span("half_life").unwrap_or(PreferenceRule::HALF_LIFE),
            relearn_after: span("relearn_after").unwrap_or(PreferenceRule::RELEARN_AFTER),
            place: key.place(),
        };
        table.finish();
        if preferences.insert(name.into(), rule).is_some() {
            key.wrong(format!("the preference `{name}` is defined twice"));
        }
    }
}
