//! The limits of single fields of an event.

use super::{Map, Value};
use crate::config::limits;

pub(super) fn name(field: &str, found: &str) -> Result<(), String> {
    if found.is_empty() {
        Err(format!("an empty `{field}`"))
    } else if found.len() > limits::NAME_BYTES {
        Err(format!("a `{field}` of {} bytes; at most {} fit", found.len(), limits::NAME_BYTES))
    } else {
        Ok(())
    }
}

pub(super) fn optional_name(field: &str, found: Option<&str>) -> Result<(), String> {
    found.map_or(Ok(()), |found| name(field, found))
}

pub(super) fn values(map: &Map) -> Result<(), String> {
    let mut nodes = 0;
    for (key, found) in map.iter() {
        name("key", key)?;
        nodes += extent(found)?;
    }
    within(nodes)
}

pub(super) fn value(found: &Value) -> Result<(), String> {
    within(extent(found)?)
}

fn extent(found: &Value) -> Result<usize, String> {
    let (depth, nodes) = found.extent();
    if depth > limits::VALUE_DEPTH {
        return Err(format!("values nested {depth} deep; at most {} fit", limits::VALUE_DEPTH));
    }
    Ok(nodes)
}

fn within(nodes: usize) -> Result<(), String> {
    if nodes > limits::VALUE_NODES {
        return Err(format!("{nodes} values; at most {} fit", limits::VALUE_NODES));
    }
    Ok(())
}
