//! The layers: a room uses only the rooms above it, some libraries have one room only, and the
//! pure rooms have no clock and no IO.

mod sources;

use std::fs;
use std::path::PathBuf;

/// The rooms from the pure to the outer, as the map in ARCHITECTURE.md has them.
const ROOMS: [&str; 24] = [
    "config",
    "files",
    "terminal",
    "event",
    "language",
    "models",
    "policy",
    "twin",
    "story",
    "past",
    "codec",
    "tables",
    "contract",
    "partition",
    "bus",
    "api",
    "store",
    "actors",
    "router",
    "roles",
    "rehearsal",
    "policy_source",
    "live_stories",
    "app",
];

/// Libraries and the only rooms that may name them.
const LIBRARIES: [(&str, &[&str]); 18] = [
    ("bincode", &["codec"]),
    ("rocksdb", &["store"]),
    ("rustix", &["files", "store"]),
    ("chacha20poly1305", &["store"]),
    ("async_nats", &["bus"]),
    ("nkeys", &["api", "roles"]),
    ("bcrypt", &["roles"]),
    ("rcgen", &["roles"]),
    ("whatlang", &["language"]),
    ("aho_corasick", &["language"]),
    ("regex", &["language"]),
    ("cel", &["policy"]),
    ("minijinja", &["policy"]),
    ("toml_span", &["policy"]),
    ("figment", &["config"]),
    ("notify", &["policy_source"]),
    ("signal_hook", &["app"]),
    ("actix", &["actors", "app", "engine"]),
];

/// Rooms that are the same whenever and wherever they run.
const PURE: [&str; 11] = [
    "event",
    "language",
    "models",
    "policy",
    "twin",
    "story",
    "past",
    "codec",
    "tables",
    "contract",
    "partition",
];

/// What a pure room may not name.
const IMPURE: [&str; 9] = [
    "SystemTime",
    "Instant",
    "Utc::now",
    "std::fs",
    "std::net",
    "std::env",
    "std::thread",
    "tokio",
    "rand::",
];

struct Source {
    room: String,
    path: PathBuf,
    /// The code, without comments and tests.
    code: Vec<(usize, String)>,
}

fn sources() -> Vec<Source> {
    let source = |file: sources::SourceFile| {
        let first = file.path.components().next().unwrap().as_os_str().to_string_lossy();
        let room = first.trim_end_matches(".rs").to_owned();
        let code = file.lines().map(|(number, line)| (number, line.to_owned())).collect();
        Source { room, path: file.path, code }
    };
    sources::of_the_crate().into_iter().map(source).collect()
}

/// Whether `line` names the word `name` as a whole.
fn names(line: &str, name: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(name).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + name.len()..].chars().next();
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}

#[test]
fn every_room_is_on_the_map() {
    for source in sources() {
        let known = ROOMS.contains(&source.room.as_str())
            || ["lib", "main", "checking", "console", "engine", "rehearse"]
                .contains(&source.room.as_str());
        assert!(known, "{} is in no room", source.path.display());
    }
}

#[test]
fn a_room_uses_only_the_rooms_above_it() {
    let mut found = Vec::new();
    for source in sources() {
        let Some(own) = ROOMS.iter().position(|room| *room == source.room) else { continue };
        for (number, line) in &source.code {
            for below in &ROOMS[own + 1..] {
                if line.contains(&format!("crate::{below}")) {
                    found.push(format!("{}:{number}: {}", source.path.display(), line.trim()));
                }
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn a_library_is_named_in_its_room_only() {
    let mut found = Vec::new();
    for source in sources() {
        for (library, rooms) in LIBRARIES {
            if rooms.contains(&source.room.as_str()) {
                continue;
            }
            for (number, line) in &source.code {
                let uses = line.contains(&format!("{library}::")) && names(line, library)
                    || line.trim_start().starts_with(&format!("use {library}"));
                // A path within this crate that ends so is another thing.
                if uses && !line.contains(&format!("::{library}::")) {
                    found.push(format!("{}:{number}: {}", source.path.display(), line.trim()));
                }
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn the_pure_rooms_have_no_clock_and_no_io() {
    let mut found = Vec::new();
    for source in sources().iter().filter(|source| PURE.contains(&source.room.as_str())) {
        for (number, line) in &source.code {
            for impure in IMPURE {
                if line.contains(impure) && (impure.ends_with(':') || names(line, impure)) {
                    found.push(format!("{}:{number}: {}", source.path.display(), line.trim()));
                }
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

/// Where JSON is read that the service wrote itself, in rooms that read what others wrote; or that has
/// come through the door, and is read as far as it goes.
const OWN_JSON: [&str; 3] = ["event/forwarded.rs", "event/names.rs", "api/audit.rs"];

#[test]
fn json_that_others_wrote_has_one_door() {
    let mut found = Vec::new();
    let of_others = |source: &&Source| ["event", "api"].contains(&source.room.as_str());
    for source in sources().iter().filter(of_others) {
        let path = source.path.to_string_lossy();
        if path.ends_with("tests.rs") || OWN_JSON.contains(&&*path) {
            continue;
        }
        for (number, line) in &source.code {
            if line.contains("serde_json::from_") {
                found.push(format!("{path}:{number}: {} (use event::json)", line.trim()));
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn the_page_on_architecture_names_every_room() {
    let page = fs::read_to_string(sources::root().join("ARCHITECTURE.md")).unwrap();
    for room in ROOMS {
        assert!(page.contains(&format!("`{room}`")), "{room} is not on the page");
    }
}

#[test]
fn no_source_file_holds_more_than_one_can_read() {
    for source in sources() {
        let lines = source.code.last().map_or(0, |(number, _)| *number);
        assert!(lines <= 700, "{} has {lines} lines", source.path.display());
    }
}
