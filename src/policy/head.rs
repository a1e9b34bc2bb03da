//! The section `[policy]`.

use std::cell::RefCell;

use super::Files;
use super::read::{TomlItem, TomlTable};
use crate::config::Findings;

/// The one `[policy]` table: the policy's name and its languages.
pub(super) fn read(
    tables: &[TomlTable<'_>],
    files: &Files,
    found: &RefCell<Findings>,
    languages: &mut Vec<Box<str>>,
) -> Box<str> {
    let mut heads = tables.iter().filter_map(|table| table.get("policy"));
    let Some(item) = heads.next() else {
        let file = files.iter().next().map_or("", |(file, _)| file);
        if tables.len() == files.iter().len() {
            found.borrow_mut().in_file(
                file,
                "expected a table [policy] with `name` and `languages` in one of the files, found \
                 none",
            );
        }
        return "".into();
    };
    for other in heads {
        let first = item.place();
        other.wrong(format!("[policy] is defined twice; first in {first}"));
    }
    let Some(table) = item.table() else { return "".into() };
    let name = table.require("name").and_then(TomlItem::name).unwrap_or_default().into();
    let listed = table.require("languages").and_then(TomlItem::list);
    for language in listed.iter().flatten() {
        let Some(tag) = language.language() else { continue };
        if languages.iter().any(|known| **known == *tag) {
            let written = language.as_text().unwrap_or(&tag);
            language.wrong(format!("`{written}` is listed twice"));
        } else {
            languages.push(tag.into_owned().into());
        }
    }
    if listed.is_some_and(|listed| listed.is_empty()) {
        table.wrong("expected at least one language, such as \"en\", found none");
    }
    table.finish();
    name
}
