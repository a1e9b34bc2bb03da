//! Tests that untrusted text in a reply stays in its place, in every command.

use jumeau::terminal;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::plain;

/// Clears the screen, sets the title, writes the clipboard, adds a link; reverses the text direction;
/// begins new lines in every way.
const EVIL: &str = "\u{1b}[2J\u{1b}]0;t\u{7}\u{1b}]52;c;eA==\u{7}\u{1b}]8;;x\u{1b}\\\u{1b}[32m\u{8}\u{7f}\
                    \u{9b}31m\u{90}\u{202e}\u{2066}\u{200f}\u{61c}\u{2028}\u{2029}\u{85}\rall is well\n✓ done\r\n\t";
/// The same for short fields.
const SHORT: &str = "\u{1b}[2J\n\u{9b}";

/// Renders a reply as it is, and with hostile texts in every field that accepts one.
pub(super) fn withstands<T: Serialize + DeserializeOwned>(answer: &T, show: impl Fn(&T) -> String) {
    let mut value = serde_json::to_value(answer).unwrap();
    let mut places = Vec::new();
    find(&value, &mut Vec::new(), &mut places);
    let mut poisoned = 0;
    for place in places {
        for evil in [EVIL, SHORT] {
            let mut tried = value.clone();
            poison(&mut tried, &place, evil);
            // Only a field that accepts the text, and keeps it.
            let taken = serde_json::from_value::<T>(tried.clone()).ok();
            if taken.and_then(|taken| serde_json::to_value(taken).ok()).as_ref() == Some(&tried) {
                value = tried;
                poisoned += 1;
                break;
            }
        }
    }
    assert!(poisoned > 0, "no place takes a text");
    let hostile: T = serde_json::from_value(value).unwrap();
    harmless(&show(&hostile), Some(&show(answer)));
}

/// Checks that the output has only our own escape sequences, and as many lines as with harmless texts.
pub(super) fn harmless(shown: &str, tame: Option<&str>) {
    let printed = terminal::settled(shown);
    for piece in printed.split('\u{1b}').skip(1) {
        let end = piece.find('m').unwrap_or(0);
        let is_colour =
            piece.starts_with('[') && piece[1..end].chars().all(|c| c.is_ascii_digit() || c == ';');
        assert!(is_colour, "ESC {piece:?}");
    }
    let plain_text = plain(shown);
    let steers = |c: &char| {
        (c.is_control() && *c != '\n')
            || "\u{202e}\u{2066}\u{200f}\u{61c}\u{2028}\u{2029}".contains(*c)
    };
    assert_eq!(plain_text.chars().find(steers), None, "{plain_text:?}");
    if let Some(tame) = tame {
        assert_eq!(plain_text.lines().count(), plain(tame).lines().count(), "{plain_text}");
    }
}

/// The path to a text: names of fields and numbers of items; the last is a field's own name if so marked.
#[derive(Clone)]
enum Step {
    Field(String),
    Item(usize),
    Name(String),
}

fn find(value: &Value, at: &mut Vec<Step>, places: &mut Vec<Vec<Step>>) {
    match value {
        Value::String(_) => places.push(at.clone()),
        Value::Array(items) => {
            for (number, item) in items.iter().enumerate() {
                at.push(Step::Item(number));
                find(item, at, places);
                at.pop();
            }
        }
        Value::Object(fields) => {
            for (name, value) in fields {
                at.push(Step::Field(name.clone()));
                find(value, at, places);
                at.pop();
            }
            // Names change last, because they are part of other paths.
            for name in fields.keys() {
                at.push(Step::Name(name.clone()));
                places.push(at.clone());
                at.pop();
            }
        }
        _ => {}
    }
}

fn poison(value: &mut Value, steps: &[Step], evil: &str) {
    match (steps, value) {
        ([], Value::String(text)) => text.push_str(evil),
        ([Step::Item(number), rest @ ..], Value::Array(items)) => {
            poison(&mut items[*number], rest, evil);
        }
        ([Step::Field(name), rest @ ..], Value::Object(fields)) => {
            // Its name may have been changed already.
            if let Some(value) = fields.get_mut(name) {
                poison(value, rest, evil);
            }
        }
        ([Step::Name(name)], Value::Object(fields)) => rename(fields, name, evil),
        _ => {}
    }
}

fn rename(fields: &mut Map<String, Value>, name: &str, evil: &str) {
    if let Some(value) = fields.remove(name) {
        fields.insert(format!("{name}{evil}"), value);
    }
}
