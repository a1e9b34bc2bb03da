//! Within a room, files use those below them: how many are in one circle, and how many imports run up.
//!
//! `cargo test --no-default-features --test imports -- --nocapture` prints the figures of each room.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Files of one room that use each other in a circle, at most; 1: none do.
const CIRCLE_MAX: [(&str, usize); 8] = [
    ("actors", 5),
    ("bus", 6),
    ("event", 8),
    ("language", 3),
    ("partition", 4),
    ("policy", 19),
    ("story", 2),
    ("twin", 5),
];
/// Of a room that is not named there.
const CIRCLE_MAX_ELSEWHERE: usize = 1;

/// Rooms with floors, from the lowest to the highest: the parts (files and folders) of each, and how many
/// imports may run from a floor to a higher one. What is on no floor is above all of them.
const FLOORS: [(&str, &[&[&str]], usize); 1] = [(
    "twin",
    &[
        &["input", "note"],
        &["state"],
        &["effect"],
        &["fold", "invariants"],
        &["moment"],
        &["perceive", "understand", "decide", "act", "identity", "escalation", "brief"],
    ],
    0,
)];

/// Parts of a room that do not use each other: the stages that an input passes.
const APART: [(&str, &[&str]); 1] = [("twin", &["perceive", "understand", "decide", "act"])];

/// A file of a room: its module path below `crate`.
type Module = Vec<String>;

/// The files of a room, and which others of it each of them uses.
struct Room {
    uses: BTreeMap<Module, BTreeSet<Module>>,
}

impl Room {
    fn read(root: &Path, name: &str) -> Room {
        let mut texts = BTreeMap::new();
        gather(&root.join(name), &[name.to_owned()], &mut texts);
        if let Ok(text) = fs::read_to_string(root.join(format!("{name}.rs"))) {
            texts.insert(vec![name.to_owned()], text);
        }
        let imports: BTreeMap<&Module, Vec<Module>> =
            texts.iter().map(|(module, text)| (module, imports(module, text))).collect();
        let mut uses = BTreeMap::new();
        for (module, paths) in &imports {
            let found = paths.iter().filter_map(|path| resolve(path, &imports, 0));
            let others: BTreeSet<Module> = found.filter(|other| other != *module).collect();
            uses.insert((*module).clone(), others);
        }
        // What a folder's own file hands on is in the files below it; who imports from there is resolved to
        // those, and so its own declarations count for nothing.
        for (module, found) in &mut uses {
            found.retain(|other| !(other.starts_with(module) && other.len() > module.len()));
        }
        Room { uses }
    }

    /// The largest set of files each of which leads to each other.
    fn largest_circle(&self) -> Vec<&Module> {
        let reached: BTreeMap<&Module, BTreeSet<&Module>> =
            self.uses.keys().map(|from| (from, self.reached(from))).collect();
        let circle = |from: &Module| -> Vec<&Module> {
            let back = |other: &&&Module| reached.get(*other).is_some_and(|far| far.contains(from));
            reached[from].iter().filter(back).copied().collect()
        };
        self.uses.keys().map(circle).max_by_key(Vec::len).unwrap_or_default()
    }

    fn reached<'a>(&'a self, from: &'a Module) -> BTreeSet<&'a Module> {
        let mut reached = BTreeSet::new();
        let mut open = vec![from];
        while let Some(one) = open.pop() {
            for next in self.uses.get(one).into_iter().flatten() {
                if reached.insert(next) {
                    open.push(next);
                }
            }
        }
        reached
    }

    fn imports(&self) -> usize {
        self.uses.values().map(BTreeSet::len).sum()
    }

    /// Imports from a lower floor to a higher one.
    fn running_up(&self, floors: &[&[&str]]) -> Vec<String> {
        let floor = |module: &Module| {
            let part = module.get(1).map(String::as_str);
            let own = |floor: &&[&str]| part.is_some_and(|part| floor.contains(&part));
            floors.iter().position(own).unwrap_or(floors.len())
        };
        let mut found = Vec::new();
        for (module, others) in &self.uses {
            for other in others {
                if floor(other) > floor(module) {
                    found.push(format!("{} uses {}", module.join("::"), other.join("::")));
                }
            }
        }
        found
    }
}

fn gather(folder: &Path, module: &[String], texts: &mut BTreeMap<Module, String>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            gather(&path, &[module, &[name]].concat(), texts);
        } else if path.extension().is_some_and(|ending| ending == "rs") && name != "tests" {
            let text = fs::read_to_string(&path).unwrap();
            let own = if name == "mod" { module.to_vec() } else { [module, &[name]].concat() };
            // By convention the tests of a file are its last part.
            let code = text.split("#[cfg(test)]\nmod ").next().unwrap();
            texts.insert(own, code.to_owned());
        }
    }
}

/// The paths that a file imports, or names in full, below `crate`; a name that it hands on under another
/// one is not followed.
fn imports(module: &Module, text: &str) -> Vec<Module> {
    let code: String = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| [line, "\n"])
        .collect();
    let mut found = Vec::new();
    let mut rest = code.as_str();
    while let Some(at) = rest.find("use ") {
        let is_word = rest[..at].chars().next_back().is_some_and(|c| c.is_alphanumeric());
        rest = &rest[at + 4..];
        if is_word {
            continue;
        }
        let Some(end) = rest.find(';') else { break };
        expand(&rest[..end], &mut Vec::new(), &mut found);
    }
    found.into_iter().filter_map(|path| absolute(module, &path)).collect()
}

/// All paths of a tree such as `a::{b, c::{self, d}}`.
fn expand(tree: &str, before: &mut Vec<String>, found: &mut Vec<Module>) {
    let tree = tree.trim();
    match tree.find('{') {
        Some(open) => {
            let depth = before.len();
            before.extend(
                tree[..open].split("::").map(str::trim).filter(|s| !s.is_empty()).map(Into::into),
            );
            let inner = tree[open + 1..].rsplit_once('}').map_or("", |(inner, _)| inner);
            let (mut level, mut from) = (0, 0);
            for (at, c) in inner.char_indices().chain([(inner.len(), ',')]) {
                match c {
                    '{' => level += 1,
                    '}' => level -= 1,
                    ',' if level == 0 => {
                        if !inner[from..at].trim().is_empty() {
                            expand(&inner[from..at], before, found);
                        }
                        from = at + 1;
                    }
                    _ => {}
                }
            }
            before.truncate(depth);
        }
        None => {
            let path = tree.split(" as ").next().unwrap_or_default();
            let names = path.split("::").map(str::trim).filter(|name| *name != "self");
            found.push(before.iter().cloned().chain(names.map(Into::into)).collect());
        }
    }
}

fn absolute(module: &Module, path: &[String]) -> Option<Module> {
    let first = path.first()?.as_str();
    match first {
        "crate" => Some(path[1..].to_vec()),
        "super" => {
            let ups = path.iter().take_while(|part| *part == "super").count();
            let kept = module.len().checked_sub(ups)?;
            Some([&module[..kept], &path[ups..]].concat())
        }
        // A path from a file's own module, if it has such parts; another crate has none.
        _ => Some([&module[..], path].concat()),
    }
}

/// The file of this room that a path leads to, through what folders hand on.
fn resolve(
    path: &Module,
    imports: &BTreeMap<&Module, Vec<Module>>,
    depth: usize,
) -> Option<Module> {
    // The longest beginning of the path that is a file.
    let length =
        (1..=path.len()).rev().find(|length| imports.contains_key(&path[..*length].to_vec()))?;
    let (file, rest) = path.split_at(length);
    let file = file.to_vec();
    let Some(name) = rest.first() else { return Some(file) };
    if depth < 8 {
        let handed_on = imports[&file].iter().find(|one| one.last() == Some(name) && *one != path);
        let is_below = |one: &&Module| one.starts_with(&file) || one.first() == file.first();
        if let Some(further) = handed_on.filter(is_below) {
            return resolve(further, imports, depth + 1);
        }
    }
    // Only what is in a room is of interest; a crate's name is no file.
    (!rest.is_empty() && file.len() > 1 || path.len() > 1).then_some(file)
}

fn rooms() -> BTreeMap<String, Room> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let entries = fs::read_dir(&root).unwrap();
    let folders = entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    let names = folders.map(|path| path.file_name().unwrap().to_string_lossy().into_owned());
    names.map(|name| (name.clone(), Room::read(&root, &name))).collect()
}

#[test]
fn no_circle_of_files_grows() {
    let mut found = Vec::new();
    for (name, room) in rooms() {
        let circle = room.largest_circle();
        let most = CIRCLE_MAX.iter().find(|(room, _)| *room == name);
        let most = most.map_or(CIRCLE_MAX_ELSEWHERE, |(_, most)| *most);
        println!(
            "{name}: {} files, {} imports, {} in the largest circle",
            room.uses.len(),
            room.imports(),
            circle.len()
        );
        if circle.len() > most {
            let files: Vec<String> = circle.iter().map(|module| module.join("::")).collect();
            found.push(format!("{name}: expected at most {most}, found {}", files.join(", ")));
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn few_imports_run_from_a_floor_to_a_higher_one() {
    let rooms = rooms();
    for (name, floors, most) in FLOORS {
        let found = rooms[name].running_up(floors);
        println!("{name}: {} imports run up", found.len());
        assert!(found.len() <= most, "expected at most {most} in {name}, found {found:#?}");
    }
}

#[test]
fn the_stages_of_a_twin_do_not_use_each_other() {
    let rooms = rooms();
    for (name, parts) in APART {
        let part = |module: &Module| {
            parts.iter().find(|part| module.get(1).is_some_and(|own| own == **part))
        };
        let mut found = Vec::new();
        for (module, others) in &rooms[name].uses {
            for other in others {
                if let (Some(one), Some(another)) = (part(module), part(other))
                    && one != another
                {
                    found.push(format!("{} uses {}", module.join("::"), other.join("::")));
                }
            }
        }
        assert!(found.is_empty(), "expected no stage to use another, found {found:#?}");
    }
}
