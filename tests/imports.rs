//! Within a room, files use only files below them: limits how many files form one cycle of imports, and how
//! many imports run from a lower layer to a higher one.
//!
//! `cargo test --no-default-features --test imports -- --nocapture` prints the figures of each room.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod sources;

use std::collections::{BTreeMap, BTreeSet};

use sources::{Module, SourceFile};

/// The most files of one room that may import each other in a cycle; 1: none may.
const CYCLE_MAX: [(&str, usize); 3] = [("actors", 5), ("language", 2), ("twin", 3)];
/// The same, for every room that is not named there.
const CYCLE_MAX_ELSEWHERE: usize = 1;

/// Rooms with layers, from the lowest to the highest: the parts (files and folders) of each, and how many
/// imports may run from a layer to a higher one. A part in no layer is above all layers.
const LAYERS: [(&str, &[&[&str]], usize); 1] = [(
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

/// Parts of a room that do not use each other: the stages of a reaction.
const APART: [(&str, &[&str]); 1] = [("twin", &["perceive", "understand", "decide", "act"])];

/// The files of a room, by their modules, and which others of it each of them uses.
struct Room {
    uses: BTreeMap<Module, BTreeSet<Module>>,
}

impl Room {
    fn of(files: &[SourceFile]) -> Room {
        let modules: Vec<Module> = files.iter().map(SourceFile::module).collect();
        let imports: BTreeMap<&Module, Vec<Module>> =
            modules.iter().zip(files.iter().map(SourceFile::imports)).collect();
        let mut uses = BTreeMap::new();
        for (module, paths) in &imports {
            let found = paths.iter().filter_map(|path| resolve(path, &imports, 0));
            let others: BTreeSet<Module> = found.filter(|other| other != *module).collect();
            uses.insert((*module).clone(), others);
        }
        // A folder's own file re-exports what the files below it declare; imports from it are resolved to
        // those files, so its declarations do not count as imports.
        for (module, found) in &mut uses {
            found.retain(|other| !(other.starts_with(module) && other.len() > module.len()));
        }
        Room { uses }
    }

    /// The largest set of files of which each reaches every other by imports.
    fn largest_cycle(&self) -> Vec<&Module> {
        let reached: BTreeMap<&Module, BTreeSet<&Module>> =
            self.uses.keys().map(|from| (from, self.reached(from))).collect();
        let cycle = |from: &Module| -> Vec<&Module> {
            let back = |other: &&&Module| reached.get(*other).is_some_and(|far| far.contains(from));
            reached[from].iter().filter(back).copied().collect()
        };
        self.uses.keys().map(cycle).max_by_key(Vec::len).unwrap_or_default()
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

    /// Imports from a lower layer to a higher one.
    fn imports_upwards(&self, layers: &[&[&str]]) -> Vec<String> {
        let layer = |module: &Module| {
            let part = module.get(1).map(String::as_str);
            let own = |parts: &&[&str]| part.is_some_and(|part| parts.contains(&part));
            layers.iter().position(own).unwrap_or(layers.len())
        };
        let mut found = Vec::new();
        for (module, others) in &self.uses {
            for other in others {
                if layer(other) > layer(module) {
                    found.push(format!("{} uses {}", module.join("::"), other.join("::")));
                }
            }
        }
        found
    }
}

/// The file of this room that a path leads to, through the re-exports of folders.
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
    let mut files: BTreeMap<String, Vec<SourceFile>> = BTreeMap::new();
    for file in sources::of_the_crate().into_iter().filter(|file| !file.is_tests()) {
        files.entry(file.module().swap_remove(0)).or_default().push(file);
    }
    // A room that is one file has no cycles.
    files.retain(|_, files| files.len() > 1);
    files.into_iter().map(|(name, files)| (name, Room::of(&files))).collect()
}

#[test]
fn no_cycle_of_files_grows() {
    let mut found = Vec::new();
    for (name, room) in rooms() {
        let cycle = room.largest_cycle();
        let most = CYCLE_MAX.iter().find(|(room, _)| *room == name);
        let most = most.map_or(CYCLE_MAX_ELSEWHERE, |(_, most)| *most);
        let files: Vec<String> = cycle.iter().map(|module| module.join("::")).collect();
        println!(
            "{name}: {} files, {} imports, {} in the largest cycle: {}",
            room.uses.len(),
            room.imports(),
            files.len(),
            files.join(", ")
        );
        if cycle.len() > most {
            found.push(format!("{name}: expected at most {most}, found {}", files.join(", ")));
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn few_imports_run_from_a_layer_to_a_higher_one() {
    let rooms = rooms();
    for (name, layers, most) in LAYERS {
        let found = rooms[name].imports_upwards(layers);
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
