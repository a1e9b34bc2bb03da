//! Reads `[broadcasts]`: the scopes that the policy expects, and what is worth an index.

use super::read::{Item, Table};
use super::{Condition, Path, Root};
use crate::config::limits;

/// Reads `index`, the paths by which customers are to be found fast; `scopes` was gathered before.
pub(super) fn read(table: &Table<'_>, indexed: &mut Vec<Path>) {
    let Some(table) = table.get("broadcasts").and_then(Item::table) else { return };
    for scope in table.get("scopes").and_then(Item::list).unwrap_or_default() {
        if scope.text().is_some_and(str::is_empty) {
            scope.wrong("expected the scope of a broadcast, found an empty one");
        }
    }
    for item in table.get("index").and_then(Item::list).unwrap_or_default() {
        if let Some(path) = path(item) {
            if indexed.contains(&path) {
                item.wrong(format!("`{path}` stands here twice"));
            } else if indexed.len() == limits::INDEXED_PATHS {
                let most = limits::INDEXED_PATHS;
                item.wrong(format!("expected at most {most} paths in the index, found more"));
            } else {
                indexed.push(path);
            }
        }
    }
    table.finish();
}

/// A trait or a fact: what changes in no other way than by an input.
fn path(item: Item<'_>) -> Option<Path> {
    let text = item.text()?;
    let wrong = |message: String| {
        item.wrong(message);
        None
    };
    let condition = match Condition::compile(text) {
        Ok(condition) => condition,
        Err(error) => return wrong(error.message),
    };
    let is_steady = |path: &Path| matches!(path.root, Root::Profile | Root::Facts);
    match condition.paths() {
        [path] if path.to_string() == text && path.names.len() == 1 && is_steady(path) => {
            Some(path.clone())
        }
        _ => wrong(format!("expected a trait or a fact, as `profile.region`, found `{text}`")),
    }
}

/// The scopes that a policy declares, in silence: what is wrong is said when they are read.
pub(super) fn gather(table: &Table<'_>) -> Vec<String> {
    let table = table.get("broadcasts").and_then(Item::as_table);
    let scopes = table.and_then(|table| table.get("scopes")).map_or(Vec::new(), Item::as_list);
    scopes.into_iter().filter_map(Item::as_text).map(str::to_owned).collect()
}
