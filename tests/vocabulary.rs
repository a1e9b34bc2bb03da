//! One word names one thing: no type of a crate is declared twice, and nothing is declared by a word that the glossary
//! has retired.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod sources;

use std::collections::BTreeMap;

const GLOSSARY: &str = include_str!("../docs/glossary.md");

/// What keywords declare, and which of these are types.
const DECLARES: [(&str, bool); 8] = [
    ("struct", true),
    ("enum", true),
    ("trait", true),
    ("type", true),
    ("fn", false),
    ("mod", false),
    ("const", false),
    ("static", false),
];

/// Something that a source file declares.
struct Declaration {
    /// The file, from the root of the repository.
    file: String,
    name: String,
    is_type: bool,
    /// Whether a whole module sees it: it is neither within a function nor an associated type.
    is_of_module: bool,
}

fn declarations() -> Vec<Declaration> {
    let mut found = Vec::new();
    for source in sources::of_the_workspace().iter().filter(|source| !source.is_tests()) {
        let file = source.path.to_string_lossy();
        found.extend(source.lines().filter_map(|(_, line)| declaration(&file, line)));
    }
    found
}

fn declaration(file: &str, line: &str) -> Option<Declaration> {
    let is_of_module = !line.starts_with(' ');
    let mut words = line.trim_start().split(' ').filter(|word| !word.is_empty());
    let mut word = words.next()?;
    let modifiers = ["async", "unsafe", "super::super)", "in"];
    while word == "pub" || word.starts_with("pub(") || modifiers.contains(&word) {
        word = words.next()?;
    }
    let mut next = words.clone();
    if word == "const" && ["fn", "async", "unsafe"].contains(&next.next()?) {
        word = words.next()?;
    }
    let (_, is_type) = DECLARES.into_iter().find(|(keyword, _)| *keyword == word)?;
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let name: String = words.next()?.chars().take_while(|c| is_word(*c)).collect();
    Some(Declaration { file: file.to_owned(), name, is_type, is_of_module })
}

/// A name in lower case, its words divided by `_`.
fn in_snake_case(name: &str) -> String {
    let is_constant = !name.chars().any(char::is_lowercase);
    let mut found = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !is_constant && !found.is_empty() {
            found.push('_');
        }
        found.extend(letter.to_lowercase());
    }
    found
}

#[test]
fn each_type_of_a_crate_has_a_name_of_its_own() {
    let mut places: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for one in declarations() {
        if one.is_type && one.is_of_module && one.name != "Error" {
            // Each program is a crate of its own.
            let parts: Vec<&str> = one.file.split('/').collect();
            let of = parts[..parts.iter().position(|part| *part == "src").unwrap()].join("/");
            places.entry((of, one.name)).or_default().push(one.file);
        }
    }
    places.retain(|_, files| files.len() > 1);
    assert!(places.is_empty(), "one word names one thing, but these name several: {places:#?}");
}

#[test]
fn nothing_is_declared_by_a_word_that_the_glossary_has_retired() {
    let block = GLOSSARY.split("```retired\n").nth(1).unwrap().split("```").next().unwrap();
    let all = declarations();
    let mut found = Vec::new();
    let mut words = 0;
    for line in block.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (old, new) = line.split_once(" = ").unwrap_or_else(|| panic!("no word for {line:?}"));
        let (new, types_only) =
            new.strip_suffix(" (types)").map_or((new, false), |new| (new, true));
        let (new, scope) = new.split_once(" @").unwrap_or((new, ""));
        words += 1;
        let is_retired = |one: &Declaration| {
            in_snake_case(&one.name) == in_snake_case(old)
                && one.file.starts_with(scope)
                && (one.is_type || !types_only)
        };
        for one in all.iter().filter(|one| is_retired(one)) {
            found.push(format!("{}: `{old}` is retired: say `{new}`", one.file));
        }
    }
    assert!(words > 50, "the glossary lists the words that are retired, found {words}");
    assert!(found.is_empty(), "{found:#?}");
}
