use crate::config::limits;
use crate::event::cut;

/// The known name nearest to a mistyped one, if one is near enough to be meant.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Only the beginnings of long names are compared: the comparison is quadratic.
    let name = cut(name, limits::NAME_BYTES);
    let near = (name.chars().count() / 3).clamp(1, 4);
    known
        .into_iter()
        .map(|known| (strsim::damerau_levenshtein(&folded(name), &folded(known)), known))
        .filter(|(distance, _)| *distance <= near)
        .min()
        .map(|(_, known)| known)
}

/// Names that differ only in case or in `-` and `_` count as the same.
fn folded(name: &str) -> String {
    name.to_lowercase().replace('-', "_")
}

/// Checks that a word is one of a few.
pub(super) fn one_of(word: &str, known: &[&str], what: &str) -> Result<(), String> {
    if known.contains(&word) {
        return Ok(());
    }
    let hint = match hint(word, known.iter().copied()) {
        none if none.is_empty() => format!("; expected one of {}", known.join(", ")),
        near => near,
    };
    Err(format!("unknown {what} `{word}`{hint}"))
}

/// `; did you mean …?`, or nothing if no known name is near.
pub(crate) fn hint<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(name, known).map_or_else(String::new, |right| format!("; did you mean `{right}`?"))
}
