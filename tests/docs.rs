//! The documentation says what the code says, and its links lead somewhere.

#[path = "docs_run/page.rs"]
mod page;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use jumeau::api::{AuditLevel, VERBS, code};
use jumeau::config::{Settings, limits};
use jumeau::event::{EventType, Reason};
use page::files;
use serde_json::Value;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn page(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

// ---- tables of the code

#[test]
fn the_page_of_limits_has_the_table_of_jumeau_limits() {
    let (page, table) = (page("docs/reference/limits.md"), limits::table());
    assert!(page.contains(&table), "put this table into docs/reference/limits.md:\n{table}");
}

#[test]
fn the_page_of_the_api_has_every_verb_with_its_subject_role_and_audit() {
    let (page, table) = (page("docs/reference/api.md"), verbs());
    assert!(page.contains(&table), "put this table into docs/reference/api.md:\n\n{table}");
    let headings = headings(&page);
    for verb in VERBS {
        let anchor = anchor(&format!("`{}`", verb.endpoint.verb));
        assert!(headings.contains(&anchor), "docs/reference/api.md has no heading #{anchor}");
    }
}

/// Every verb, a line each.
fn verbs() -> String {
    let broker = page("config/nats/example.conf");
    let mut table =
        "| Request | Who, with roles | Audit | May wait |\n|---|---|---|--:|\n".to_owned();
    for verb in VERBS {
        let endpoint = verb.endpoint;
        let name = endpoint.verb;
        let is_agents = broker.contains(&format!(".as.agent-lea.{name}.care"));
        let (tokens, who) = match (endpoint.tokens, endpoint.is_for_channels) {
            (2, true) => (".<channel>.<customer>", "channel"),
            (2, false) if is_agents => (".<queue>.<customer>", "agent"),
            (1, false) if is_agents && name == "escalations.list" => (".<queue>", "agent"),
            (1, _) => (".<customer>", "operator"),
            (0, _) => ("", "operator"),
            (tokens, _) => panic!("{name} has {tokens} tokens, of which this test knows nothing"),
        };
        let audit = match verb.audit {
            AuditLevel::Nothing => "nothing",
            AuditLevel::Look => "look",
            AuditLevel::Act => "act",
        };
        let (link, places) = (anchor(name), endpoint.places);
        table += &format!("| [`{name}{tokens}`](#{link}) | {who} | {audit} | {places} |\n");
    }
    table
}

#[test]
fn the_page_of_tools_has_every_command_of_jumeau_and_twinctl() {
    let page = page("docs/reference/tools.md");
    let mut commands: Vec<String> = ["src/main.rs", "src/engine/mod.rs"]
        .iter()
        .flat_map(|file| commands(file, "jumeau"))
        .collect();
    commands.extend(self::commands("tools/twinctl/src/arguments.rs", "twinctl"));
    assert!(commands.len() > 30, "{commands:?}");
    let missing: Vec<&String> =
        commands.iter().filter(|name| !page.contains(&format!("| `{name}`"))).collect();
    assert!(missing.is_empty(), "docs/reference/tools.md has no rows of {missing:?}");
}

/// The commands of a program, as the variants of its enum of commands name them.
fn commands(file: &str, program: &str) -> Vec<String> {
    let code = page(file);
    let (_, after) = code.split_once("Command {").expect("the program has commands");
    let (variants, _) = after.split_once("\n}").expect("it ends");
    let names = variants.lines().filter_map(|line| line.strip_prefix("    "));
    let names = names.filter(|line| line.starts_with(|c: char| c.is_ascii_uppercase()));
    let names =
        names.map(|line| line.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default());
    // Flattened into another one.
    names
        .filter(|name| *name != "Engine")
        .map(|name| format!("{program} {}", name.to_lowercase()))
        .collect()
}

#[test]
fn the_page_of_settings_has_every_setting_with_its_default() {
    let page = page("docs/operating/settings.md");
    let mut wanted = Vec::new();
    defaults("", &serde_json::to_value(Settings::default()).unwrap(), &mut wanted);
    let missing: Vec<&String> = wanted.iter().filter(|row| !page.contains(*row)).collect();
    assert!(
        missing.is_empty(),
        "docs/operating/settings.md needs rows that begin so: {missing:#?}"
    );
    let rows = page.lines().filter(|line| line.starts_with("| `") && line.contains('.'));
    let unknown: Vec<&str> =
        rows.filter(|row| !wanted.iter().any(|known| row.starts_with(known.as_str()))).collect();
    assert!(unknown.is_empty(), "no settings, or of other defaults: {unknown:#?}");
}

/// How the row of each setting begins.
fn defaults(key: &str, value: &Value, rows: &mut Vec<String>) {
    match value {
        Value::Object(section) => {
            for (name, value) in section {
                let key = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
                defaults(&key, value, rows);
            }
        }
        Value::Null => rows.push(format!("| `{key}` | unset | ")),
        value => rows.push(format!("| `{key}` | `{value}` | ")),
    }
}

#[test]
fn every_reason_of_a_dead_letter_and_every_refusal_code_has_a_heading() {
    let headings = headings(&page("docs/reference/dead-letters.md"));
    for &reason in Reason::ALL {
        let anchor = anchor(reason.token());
        assert!(headings.contains(&anchor), "{reason}: no heading #{anchor}");
    }
    let codes = [
        code::BAD_REQUEST,
        code::NOT_FOUND,
        code::CONFLICT,
        code::BUSY,
        code::INTERNAL,
        code::TOO_MANY_REQUESTS,
        code::NO_ROOM,
    ];
    let declared = page("src/bus/code.rs").matches(": u16 = ").count();
    assert_eq!(declared, codes.len(), "a code is missing in this test");
    let api = self::page("docs/reference/api.md");
    for code in codes {
        let is_there = headings.iter().any(|heading| heading.starts_with(&format!("{code}-")));
        assert!(is_there, "{code}: no heading begins with it");
        assert!(api.contains(&code.to_string()), "docs/reference/api.md does not name {code}");
    }
}

#[test]
fn a_request_is_refused_with_a_code_that_has_a_name() {
    let mut literals = Vec::new();
    for file in files(&root().join("src"), "rs") {
        let code = fs::read_to_string(&file).unwrap();
        for made in code.split("ApiError::new(").skip(1) {
            if made.trim_start().starts_with(|c: char| c.is_ascii_digit()) {
                literals.push(file.display().to_string());
            }
        }
    }
    assert!(literals.is_empty(), "give the code a name in src/bus/code.rs: {literals:?}");
}

#[test]
fn the_page_of_the_contract_names_every_type_of_event() {
    let page = page("docs/contract.md");
    for &kind in EventType::ALL {
        assert!(page.contains(&format!("`{kind}`")), "{kind} is not in docs/contract.md");
    }
}

// ---- what pages quote

#[test]
fn the_commands_in_pages_are_commands_with_options_that_there_are() {
    let mut known = commands("src/main.rs", "jumeau");
    known.extend(commands("src/engine/mod.rs", "jumeau"));
    known.extend(commands("tools/twinctl/src/arguments.rs", "twinctl"));
    let mut code = String::new();
    for file in files(&root().join("tools/twinctl/src"), "rs") {
        code += &fs::read_to_string(file).unwrap();
    }
    for file in ["src/main.rs", "src/engine/mod.rs", "src/engine/development.rs"] {
        code += &page(file);
    }
    let is_option = |name: &str| {
        code.contains(&format!(" {}: ", name.replace('-', "_")))
            || code.contains(&format!("long = \"{name}\""))
    };
    let mut found = 0;
    let mut wrong = Vec::new();
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        for (number, line) in blocks(&text) {
            let line = line.trim_start().trim_start_matches("$ ");
            let words: Vec<&str> = line.split_whitespace().collect();
            let shown = format!("{}:{number}: {line}", page.display());
            match words[..] {
                ["jumeau" | "twinctl", command, ..] if !command.starts_with('-') => {
                    found += 1;
                    let own = line.split("  ").next().unwrap_or_default();
                    let mut options = own.split(' ').filter_map(|word| word.strip_prefix("--"));
                    let is_known = known.contains(&format!("{} {command}", words[0]));
                    if !is_known || !options.all(is_option) {
                        wrong.push(shown);
                    }
                }
                [script, ..] if script.starts_with("tools/") || script.starts_with(".ci/") => {
                    found += 1;
                    if !root().join(script).exists() {
                        wrong.push(shown);
                    }
                }
                _ => {}
            }
        }
    }
    assert!(found > 40, "pages show commands");
    assert!(wrong.is_empty(), "no such commands or options: {wrong:#?}");
}

/// With these a command begins.
const PROGRAMS: &[&str] = &[
    "$ ",
    "jumeau ",
    "twinctl ",
    "agentdesk ",
    "tools/",
    ".ci/",
    "cargo ",
    "nats ",
    "nats-server ",
    "openssl ",
];

#[test]
fn every_command_in_pages_is_run_or_marked_as_an_example() {
    let mut wrong = Vec::new();
    for page in pages() {
        for block in page::blocks(&fs::read_to_string(&page).unwrap()) {
            let place = format!("{}:{}", page.strip_prefix(root()).unwrap().display(), block.line);
            match block.role() {
                Err(mistake) => wrong.push(format!("{place}: {mistake}")),
                Ok(page::Role::Run | page::Role::Example) => {
                    let is_described = |line: &str| {
                        line.trim_start().split_once("  ").is_some_and(|(_, rest)| {
                            !rest.trim_start().starts_with('#') && block.language == "sh"
                        })
                    };
                    let described = block.text.lines().filter(|line| is_described(line));
                    wrong.extend(described.map(|line| {
                        format!("{place}: a description stands behind `#`, so that the line runs: {line}")
                    }));
                }
                Ok(_) => {
                    let begins = |line: &&str| PROGRAMS.iter().any(|name| line.starts_with(name));
                    let commands = block.text.lines().filter(begins);
                    wrong.extend(commands.map(|line| {
                        format!("{place}: a command stands in a block `sh` or `console`: {line}")
                    }));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_block_has_commands_with_the_output_below_them() {
    let text =
        "```console run\n$ one \\\n  two\nout\n\n$ three\n```\n<!-- run\nfour\n-->\n```\n```\n";
    let blocks = page::blocks(text);
    let commands = |at: usize| -> Vec<(String, String)> {
        blocks[at].commands().into_iter().map(|shown| (shown.command, shown.output)).collect()
    };
    let pair = |command: &str, output: &str| (command.to_owned(), output.to_owned());
    assert_eq!(commands(0), [pair("one \\\n  two", "out\n\n"), pair("three", "")]);
    assert_eq!(commands(1), [pair("four", "")]);
    assert_eq!(blocks[1].role(), Ok(page::Role::Run));
    assert!(blocks[2].role().is_err(), "a block needs a language");
}

/// The lines of code, with their numbers.
fn blocks(text: &str) -> Vec<(usize, &str)> {
    let outside: BTreeSet<usize> = prose(text).map(|(number, _)| number).collect();
    let lines = (1..).zip(text.lines()).filter(|(number, _)| !outside.contains(number));
    lines.filter(|(_, line)| !line.trim_start().starts_with("```")).collect()
}

/// On these pages, words between “ and ” are those of the program.
#[test]
fn pages_for_operators_quote_what_the_program_says() {
    let mut code = String::new();
    for folder in ["src", "tools/twinctl/src"] {
        for file in files(&root().join(folder), "rs") {
            code += &fs::read_to_string(file).unwrap();
        }
    }
    let code = plain(&code.replace("\\\n", " "));
    let pages = ["docs/operating/trouble.md", "docs/operating/deploy.md"].map(page).join("\n");
    let page = plain(&pages);
    let quotes: Vec<&str> =
        page.split('“').skip(1).filter_map(|rest| rest.split('”').next()).collect();
    assert!(quotes.len() > 20, "the pages quote the program");
    let unsaid: Vec<&&str> = quotes.iter().filter(|quote| !code.contains(**quote)).collect();
    assert!(unsaid.is_empty(), "no program says that: {unsaid:#?}");
}

/// A text with one blank between its words.
fn plain(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn the_files_that_the_guide_for_contributors_names_are_there() {
    for name in ["docs/development.md", "docs/performance.md", "CONTRIBUTING.md"] {
        let page = page(name);
        let named = page.split('`').skip(1).step_by(2).filter_map(|span| span.split(' ').next());
        let rooms = ["src/", "tests/", "tools/", "config/", "benches/", "docs/", ".ci/"];
        for path in named.filter(|path| rooms.iter().any(|room| path.starts_with(room))) {
            let is_pattern = path.contains(['<', '*', '…', '{']);
            assert!(is_pattern || root().join(path).exists(), "{name}: there is no {path}");
        }
    }
}

#[test]
fn the_picture_in_the_readme_shows_commands_of_the_readme() {
    let (readme, picture) = (page("README.md"), page("docs/pictures/first-minutes.svg"));
    assert!(readme.contains("](docs/pictures/first-minutes.svg)"), "the README shows the picture");
    let run = page::blocks(&readme);
    let run = run.iter().filter(|block| block.role() == Ok(page::Role::Run));
    let commands = run.flat_map(page::Block::commands).map(|shown| shown.command);
    let known: Vec<String> = commands
        .map(|command| command.split(" #").next().unwrap_or_default().trim().to_owned())
        .collect();
    // A row of the picture is a line of the file, and its parts are between the tags.
    let plain = |row: &str| -> String {
        let parts = row.split('>').filter_map(|part| part.split('<').next());
        parts
            .collect::<Vec<_>>()
            .join(" ")
            .replace("&gt;", ">")
            .replace("&lt;", "<")
            .replace("&amp;", "&")
    };
    let rows = picture.lines().filter(|line| line.starts_with("<text")).map(plain);
    let shown: Vec<String> = rows
        .filter_map(|row| row.trim().strip_prefix("$ ").map(|command| command.trim().to_owned()))
        .collect();
    assert!(shown.len() > 3, "the picture shows commands: {shown:?}");
    let unknown: Vec<&String> = shown.iter().filter(|command| !known.contains(command)).collect();
    assert!(unknown.is_empty(), "run tools/picture: the README has no commands {unknown:#?}");
    assert!(picture.len() < 60_000, "the picture is small");
}

// ---- links

#[test]
fn every_relative_link_leads_to_a_file_and_a_heading_that_exist() {
    let mut known: BTreeMap<PathBuf, BTreeSet<String>> = BTreeMap::new();
    let mut broken = Vec::new();
    for page in &pages() {
        let text = fs::read_to_string(page).unwrap();
        for (line, link) in links(&text) {
            let (path, heading) = link.split_once('#').unwrap_or((&link, ""));
            let folder = page.parent().unwrap();
            let target = if path.is_empty() { page.clone() } else { folder.join(path) };
            let shown = page.strip_prefix(root()).unwrap().display();
            if !target.exists() {
                broken.push(format!("{shown}:{line}: there is no {path}"));
            } else if !heading.is_empty() && target.extension().is_some_and(|ending| ending == "md")
            {
                let headings = known
                    .entry(target.clone())
                    .or_insert_with(|| headings(&fs::read_to_string(&target).unwrap()));
                if !headings.contains(heading) {
                    broken.push(format!("{shown}:{line}: {link} has no such heading"));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

fn pages() -> Vec<PathBuf> {
    page::pages(root())
}

/// The lines that are no code, with their numbers.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut is_code = false;
    text.lines().zip(1..).filter_map(move |(line, number)| {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
            return None;
        }
        (!is_code).then_some((number, line))
    })
}

/// Targets within the repository, with the lines on which they stand.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in prose(text) {
        // What stands between two backquotes is no link.
        let line: String = line.split('`').step_by(2).collect::<Vec<_>>().join("``");
        for rest in line.split("](").skip(1) {
            let Some(target) = rest.split([')', ' ']).next() else { continue };
            if !target.contains("://") && !target.starts_with("mailto:") && !target.is_empty() {
                found.push((number, target.to_owned()));
            }
        }
    }
    found
}

/// The anchors of a page's headings.
fn headings(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (_, line) in prose(text) {
        let level = line.bytes().take_while(|byte| *byte == b'#').count();
        if !(1..=6).contains(&level) || !line[level..].starts_with(' ') {
            continue;
        }
        let first = anchor(line[level..].trim());
        let mut own = first.clone();
        for copy in 1.. {
            if found.insert(own) {
                break;
            }
            own = format!("{first}-{copy}");
        }
    }
    found
}

/// The anchor that GitHub makes of a heading: lower case, of punctuation only hyphens and underscores,
/// hyphens for blanks.
fn anchor(heading: &str) -> String {
    let mut shown = String::new();
    // Of a link only the text is shown.
    for part in heading.split("](") {
        let text =
            if shown.is_empty() { part } else { part.split_once(')').map_or("", |(_, rest)| rest) };
        shown += text;
    }
    let kept = |c: &char| c.is_alphanumeric() || [' ', '-', '_'].contains(c);
    shown.to_lowercase().chars().filter(kept).map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn an_anchor_is_made_as_github_makes_it() {
    assert_eq!(anchor("One stream, one store, one service"), "one-stream-one-store-one-service");
    assert_eq!(anchor("`escalations.list`"), "escalationslist");
    assert_eq!(anchor("429: too many wait"), "429-too-many-wait");
    assert_eq!(anchor("See [the page](page.md) now"), "see-the-page-now");
    let headings = headings("# A\n```\n# no heading\n```\n## A\n## A_b-c\n");
    assert_eq!(headings.into_iter().collect::<Vec<_>>(), ["a", "a-1", "a_b-c"]);
}

#[test]
fn a_link_is_found_wherever_it_stands_but_in_code() {
    let text =
        "[a](x.md#y) and ![b](z.png \"t\") `[c](no.md)`\n```\n[d](no.md)\n```\n[e](https://x.y)";
    let found: Vec<String> = links(text).into_iter().map(|(_, link)| link).collect();
    assert_eq!(found, ["x.md#y", "z.png"]);
}
