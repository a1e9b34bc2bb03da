//! Within a room, files use those below them: how many are in one circle, and how many imports run up.
//!
//! `cargo test --no-default-features --test imports -- --nocapture` prints the figures of each room.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod sources;

use std::collections::{BTreeMap, BTreeSet};

use sources::{Module, SourceFile};

/// Files of one room that use each other in a circle, at most; 1: none do.
const CIRCLE_MAX: [(&str, usize); 3] = [("actors", 5), ("language", 2), ("twin", 3)];
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
    let mut files: BTreeMap<String, Vec<SourceFile>> = BTreeMap::new();
    for file in sources::of_the_crate().into_iter().filter(|file| !file.is_tests()) {
        files.entry(file.module().swap_remove(0)).or_default().push(file);
    }
    // A room is a folder; what is one file has no circles.
    files.retain(|_, files| files.len() > 1);
    files.into_iter().map(|(name, files)| (name, Room::of(&files))).collect()
}

#[test]
fn no_circle_of_files_grows() {
    let mut found = Vec::new();
    for (name, room) in rooms() {
        let circle = room.largest_circle();
        let most = CIRCLE_MAX.iter().find(|(room, _)| *room == name);
        let most = most.map_or(CIRCLE_MAX_ELSEWHERE, |(_, most)| *most);
        let files: Vec<String> = circle.iter().map(|module| module.join("::")).collect();
        println!(
            "{name}: {} files, {} imports, {} in the largest circle: {}",
            room.uses.len(),
            room.imports(),
            files.len(),
            files.join(", ")
        );
        if circle.len() > most {
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
