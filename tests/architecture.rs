//! The layers: a room uses only the rooms above it, some libraries have one room only, and the
//! pure rooms have no clock and no IO.

mod sources;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use regex::{Captures, Regex};

/// The rooms from the pure to the outer, as the map in ARCHITECTURE.md has them.
const ROOMS: [&str; 26] = [
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
    "log",
    "contract",
    "partition",
    "bus",
    "api",
    "store",
    "commit",
    "actors",
    "router",
    "roles",
    "rehearsal",
    "policy_source",
    "live_stories",
    "app",
];

/// Libraries and the only rooms that may name them.
const LIBRARIES: [(&str, &[&str]); 17] = [
    ("bincode", &["codec"]),
    ("rocksdb", &["store"]),
    ("rustix", &["files", "store"]),
    ("chacha20poly1305", &["store"]),
    ("async_nats", &["bus"]),
    ("nkeys", &["api", "roles"]),
    ("bcrypt", &["roles"]),
    ("rcgen", &["roles"]),
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
const PURE: [&str; 12] = [
    "event",
    "language",
    "models",
    "policy",
    "twin",
    "story",
    "past",
    "codec",
    "tables",
    "log",
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
fn foreign_json_is_read_only_by_event_json() {
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

/// A function of the code has at most so many lines, from its `fn` to its closing brace.
const LINES_OF_A_FUNCTION: usize = 70;

/// A function of tests: what happens, and what is seen, are read together.
const LINES_OF_A_TEST: usize = 100;

/// Functions of `src/twin` that are longer still, and how long they may be. None is added; one that has
/// become short is taken off.
const STILL_LONGER: [(&str, usize); 2] = [("memory", 97), ("keep", 92)];

struct Function {
    /// The file, from the root of the repository.
    file: String,
    name: String,
    line: usize,
    lines: usize,
    is_test: bool,
}

impl Function {
    fn lines_max(&self) -> usize {
        let usual = if self.is_test { LINES_OF_A_TEST } else { LINES_OF_A_FUNCTION };
        let still = STILL_LONGER.iter().find(|(name, _)| self.is_of_twin() && self.name == *name);
        still.map_or(usual, |(_, lines)| *lines)
    }

    fn is_of_twin(&self) -> bool {
        self.file.starts_with("src/twin/")
    }
}

#[test]
fn a_function_holds_one_thought() {
    let functions = functions();
    assert!(functions.len() > 5_000, "only {} functions were found", functions.len());
    let mut found: Vec<String> = functions
        .iter()
        .filter(|function| function.lines > function.lines_max())
        .map(|function| {
            let Function { file, name, line, lines, .. } = function;
            format!("{file}:{line}: {name} has {lines} lines, of at most {}", function.lines_max())
        })
        .collect();
    for (name, _) in STILL_LONGER {
        let is_needed = |function: &Function| {
            function.is_of_twin() && function.name == name && function.lines > LINES_OF_A_FUNCTION
        };
        if !functions.iter().any(is_needed) {
            found.push(format!("{name} is short now: take it off STILL_LONGER"));
        }
    }
    assert!(
        found.is_empty(),
        "take each apart where a new thought begins (a step, a kind, a table), and give the parts names \
         that say what they do: {found:#?}"
    );
}

fn functions() -> Vec<Function> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in ["src", "tools", "benches", "tests"] {
        rust_files(&root.join(folder), &mut files);
    }
    let file = |path: &PathBuf| {
        let text = fs::read_to_string(path).unwrap();
        functions_of(&path.strip_prefix(root).unwrap().to_string_lossy(), &text)
    };
    files.iter().flat_map(file).collect()
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("fixtures") {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

/// The line with the `fn` of a function: its indentation and the name.
static HEAD: LazyLock<Regex> = LazyLock::new(|| {
    let head = r"^( *)(?:pub(?:\([a-z: ]+\))? )?(?:const )?(?:async )?(?:unsafe )?fn (\w+)";
    Regex::new(head).unwrap()
});

/// A comment or a literal.
static LITERAL: LazyLock<Regex> = LazyLock::new(|| {
    let literal = concat!(
        r"(?s)//[^\n]*|/\*.*?\*/",
        r###"|\bb?r"[^"]*"|\bb?r#".*?"#|\bb?r##".*?"##"###,
        r###"|"(?:\\.|[^"\\])*"|'(?:\\.[^']*|[^\\'])'"###,
    );
    Regex::new(literal).unwrap()
});

/// The functions of a file that rustfmt has formatted: one ends with the brace below its `fn`.
fn functions_of(file: &str, text: &str) -> Vec<Function> {
    let is_file_of_tests = file.split('/').any(|part| part == "tests" || part == "tests.rs");
    // By convention the tests of a file are its last part.
    let tests = text.find("#[cfg(test)]\nmod ").map_or(usize::MAX, |at| text[..at].lines().count());
    let code = without_literals(text);
    let lines: Vec<&str> = code.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let Some(parts) = HEAD.captures(line) else { continue };
        let brace = format!("{}}}", &parts[1]);
        let is_end = |line: &&str| {
            let is_below = line.len() - line.trim_start().len() == parts[1].len();
            **line == brace || is_below && line.ends_with([';', '}'])
        };
        let Some(end) = lines[at..].iter().position(is_end) else { continue };
        found.push(Function {
            file: file.to_owned(),
            name: parts[2].to_owned(),
            line: at + 1,
            lines: end + 1,
            is_test: is_file_of_tests || at > tests,
        });
    }
    found
}

/// `text` with blanks for all that is within comments and literals, so that a brace is one of the code.
fn without_literals(text: &str) -> String {
    let blanks = |found: &Captures<'_>| {
        found[0].chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect::<String>()
    };
    LITERAL.replace_all(text, blanks).into_owned()
}

#[test]
fn a_function_is_measured_from_its_fn_to_its_own_brace() {
    let text = r##"
fn first<'a>(
    one: &'a str,
) -> char {
    let text = r#"
}
"#; // {
    "\"}"; '}'
}

trait Short {
    fn one(&self);
    fn two(&self) {
        if true {}
    }
    fn three(&self) {}
}

#[cfg(test)]
mod tests {
    fn fourth() {
    }
}
"##;
    let measured: Vec<(String, usize, bool)> = functions_of("src/x.rs", text)
        .into_iter()
        .map(|function| (function.name, function.lines, function.is_test))
        .collect();
    let named = |name: &str, lines, is_test| (name.to_owned(), lines, is_test);
    assert_eq!(
        measured,
        [
            named("first", 8, false),
            named("one", 1, false),
            named("two", 3, false),
            named("three", 1, false),
            named("fourth", 2, true),
        ]
    );
}
