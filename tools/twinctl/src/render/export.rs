//! The data of one customer as one self-contained HTML page.

use std::fmt::Write as _;

use jumeau::terminal;
use serde_json::Value;

use crate::export::Export;

const STYLE: &str = "body{font:16px/1.55 system-ui,sans-serif;max-width:62rem;margin:2rem auto;\
padding:0 1rem;color:#1b1f24;background:#fff}h1{font-size:1.7rem;margin-bottom:.2rem}h2{\
font-size:1.2rem;margin:2.4rem 0 .2rem;border-top:3px solid #2563eb;padding-top:.6rem}p{margin:.3rem \
0}.faint{color:#667}nav a{margin-right:1rem;white-space:nowrap}table{border-collapse:collapse;\
width:100%;margin:.4rem 0}td,th{text-align:left;vertical-align:top;padding:.25rem .6rem;\
border-bottom:1px solid #e4e7eb;overflow-wrap:anywhere}th{font-weight:600;color:#445;width:1%;\
white-space:nowrap}table table{margin:0}td>table td,td>table th{font-size:.93em}details{margin:.2rem \
0}summary{cursor:pointer}@media(prefers-color-scheme:dark){body{color:#e6e9ee;background:#14171c}\
td,th{border-color:#2b313a}th{color:#aab}.faint{color:#99a}}@media print{details>*{display:block}}";

/// The sections of the page: the title, the key in the twin's state, and the source.
const PARTS: [(&str, &str, &str); 19] = [
    (
        "Who you are",
        "profile",
        "What channels reported, what you said, and what was inferred from \
      what you chose; each with its date, and inferred things with their evidence.",
    ),
    (
        "Other names for you",
        "identifiers",
        "Identifiers that channels linked to you, and what came \
      from each.",
    ),
    ("What happened", "timeline", "The last inputs that were taken in, as they came."),
    ("What is known of this moment", "context", "Live facts that systems reported; they go stale."),
    ("What was concluded", "facts", "Facts that rules of the company keep about you."),
    (
        "What you are believed to want",
        "needs",
        "Rules of the company raised these, with the reason.",
    ),
    ("Conversations and journeys", "interactions", "What you began, and how far you came."),
    ("Cases", "cases", "Cases that you have with the company."),
    (
        "What was said to you",
        "contacts",
        "What was decided to be shown or sent, and what came of it.",
    ),
    ("What was handed to people", "escalations", "Cases in which a person was asked to help."),
    (
        "How you seemed to feel",
        "sentiment",
        "Read from your own messages, with the words that show \
      it.",
    ),
    (
        "Problems that you had",
        "problems",
        "What the company counts as a problem, from what happened.",
    ),
    ("What is counted", "tallies", "Counts that the company keeps of what happens."),
    ("What will happen later", "timers", "Moments at which something is looked at again."),
    ("Experiments", "trials", "Comparisons of two ways to do something in which you take part."),
    ("News that concerned you", "met", "Announcements for many that concerned you, too."),
    (
        "What is protected",
        "guards",
        "What was made of sensitive facts, and what it may be used for.",
    ),
    ("Since when your traits are known", "dates", "The date of each."),
    ("Since when the facts are known", "fact_dates", "The date of each."),
];

/// The page.
pub(crate) fn export(export: &Export) -> String {
    let mut page = String::new();
    // Writing to a string cannot fail.
    let _ = write!(
        page,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <title>What is held of {customer}</title><style>{STYLE}</style></head><body>\n\
         <h1>What is held of {customer}</h1>\n<p class=\"faint\">Gathered at {at} by jumeau {service}, \
         which goes by the policy {policy} ({version}).</p>\n",
        customer = escape(export.customer.as_str()),
        at = export.at,
        service = escape(&export.service),
        policy = escape(&export.policy),
        version = escape(&export.version),
    );
    let state = export.twin.as_object().cloned().unwrap_or_default();
    let mut parts: Vec<(&str, &str, &Value)> = Vec::new();
    for (title, key, from) in PARTS {
        if let Some(value) = state.get(key).filter(|value| !is_empty(value)) {
            parts.push((title, from, value));
        }
    }
    // Fields that only a newer service has are shown as well.
    let known = |key: &str| PARTS.iter().any(|(_, known, _)| *known == key);
    let rest: serde_json::Map<String, Value> =
        state.iter().filter(|(key, _)| !known(key)).map(|(k, v)| (k.clone(), v.clone())).collect();
    let rest = Value::Object(rest);
    parts.push(("Everything else", "The rest of the state, as it is stored.", &rest));
    let [decisions, journal, messages] = [
        serde_json::to_value(&export.decisions),
        serde_json::to_value(&export.journal),
        serde_json::to_value(&export.messages),
    ]
    .map(Result::unwrap_or_default);
    parts.extend([
        (
            "Decisions",
            "The last decisions about you: every candidate, and why it was chosen or dropped.",
            &decisions,
        ),
        (
            "Inputs kept apart",
            "What did not come as an event: timers that fired, answers that channels asked for.",
            &journal,
        ),
        (
            "Messages",
            "How many messages about you the broker's streams still hold, and where.",
            &messages,
        ),
    ]);
    page.push_str("<nav>");
    for (at, (title, ..)) in parts.iter().enumerate() {
        let _ = write!(page, "<a href=\"#p{at}\">{}</a> ", escape(title));
    }
    page.push_str("</nav>\n");
    for (at, (title, from, value)) in parts.into_iter().enumerate() {
        let (title, from) = (escape(title), escape(from));
        let _ = write!(page, "<h2 id=\"p{at}\">{title}</h2>\n<p class=\"faint\">{from}</p>\n");
        if is_empty(value) {
            page.push_str("<p>Nothing.</p>\n");
        } else {
            show(&mut page, value);
            page.push('\n');
        }
    }
    page.push_str("</body></html>\n");
    page
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.iter().all(is_empty),
        Value::Object(fields) => fields.values().all(is_empty),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// A value as a table, a list, or text.
fn show(page: &mut String, value: &Value) {
    match value {
        Value::Null => page.push_str("<span class=\"faint\">none</span>"),
        Value::Bool(true) => page.push_str("yes"),
        Value::Bool(false) => page.push_str("no"),
        Value::Number(number) => page.push_str(&number.to_string()),
        Value::String(text) => page.push_str(&escape(text)),
        Value::Array(items) => {
            page.push_str("<table>");
            for (at, item) in items.iter().enumerate() {
                let _ = write!(page, "<tr><th>{}</th><td>", at + 1);
                show(page, item);
                page.push_str("</td></tr>");
            }
            page.push_str("</table>");
        }
        Value::Object(fields) => {
            page.push_str("<table>");
            for (name, value) in fields.iter().filter(|(_, value)| !is_empty(value)) {
                let _ = write!(page, "<tr><th>{}</th><td>", escape(&name.replace('_', " ")));
                show(page, value);
                page.push_str("</td></tr>");
            }
            page.push_str("</table>");
        }
    }
}

/// Escapes a text for HTML; it is untrusted.
fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in terminal::text(text).chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use jumeau::event::{Customer, Time};
    use serde_json::json;

    use super::*;

    fn of(customer: &str, twin: Value) -> String {
        export(&Export {
            format: 1,
            customer: Customer::new(customer).unwrap(),
            at: Time::parse("2026-11-22T09:30:00Z").unwrap(),
            service: "0.1.0".into(),
            policy: "bank".into(),
            version: "abc".into(),
            twin,
            decisions: Vec::new(),
            journal: Vec::new(),
            messages: Vec::new(),
        })
    }

    #[test]
    fn an_exported_page_shows_the_whole_state_with_its_sources() {
        let page = of(
            "ada",
            json!({
                "profile": { "traits": { "name": "Ada" } },
                "needs": [{ "name": "card", "because": "it is lost" }],
                "something_new": 7,
            }),
        );
        for words in ["Who you are", "Ada", "it is lost", "something new", "Nothing."] {
            assert!(page.contains(words), "{words} is not on the page");
        }
        assert!(!page.contains("Cases"), "what is empty is left out");
    }

    #[test]
    fn hostile_text_is_escaped() {
        let hostile = "<script>alert('x')</script>\"&\u{0}<img src=x onerror=\"y\">";
        let page = of(
            hostile,
            json!({
                "facts": { (hostile): hostile, "list": [hostile] },
                (hostile): hostile,
            }),
        );
        assert!(!page.contains("<script") && !page.contains("<img"), "{page}");
        assert!(!page.contains('\u{0}'));
        assert!(page.contains("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;"));
    }
}
