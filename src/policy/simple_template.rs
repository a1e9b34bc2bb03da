//! A fast path for templates that consist only of text and placeholders (most do); the template engine is
//! several times slower. Anything else, also found at render time, is left to the engine, so semantics
//! and errors are the same.

use std::borrow::Cow;

use super::filters::{date, decimals, decimals_of_whole, is_nothing, rendered};
use super::{Found, Path, Scope};
use crate::config::limits;
use crate::event::Value;

/// A text split into literals and placeholders.
pub(super) struct SimpleTemplate(Box<[TemplatePart]>);

enum TemplatePart {
    Words(Box<str>),
    Hole { path: usize, filters: Box<[Filter]> },
}

enum Filter {
    Default(Box<str>),
    Decimals { digits: Option<u32>, separator: Option<Box<str>> },
    Date(Option<Box<str>>),
}

impl SimpleTemplate {
    /// The pieces of a text, if it is simple enough. `paths` are those that the engine found.
    pub(super) fn of(source: &str, paths: &[Path]) -> Option<SimpleTemplate> {
        // The engine drops one line break at the end.
        let mut rest = source.strip_suffix('\n').unwrap_or(source);
        rest = rest.strip_suffix('\r').unwrap_or(rest);
        if rest.contains("{%") || rest.contains("{#") {
            return None;
        }
        let mut pieces = Vec::new();
        while let Some((words, after)) = rest.split_once("{{") {
            let (hole, after) = after.split_once("}}")?;
            pieces.push(TemplatePart::Words(words.into()));
            pieces.push(hole_of(hole, paths)?);
            rest = after;
        }
        pieces.push(TemplatePart::Words(rest.into()));
        Some(SimpleTemplate(pieces.into()))
    }

    /// The text with every placeholder filled; none if that needs the engine.
    pub(super) fn fill(&self, paths: &[Path], scope: &dyn Scope) -> Option<String> {
        let mut text = String::with_capacity(128);
        for piece in &self.0 {
            match piece {
                TemplatePart::Words(words) => text.push_str(words),
                TemplatePart::Hole { path, filters } => {
                    let mut content = PlaceholderValue::Found(scope.find(paths.get(*path)?));
                    for filter in filters {
                        content = content.filtered(filter, scope)?;
                    }
                    content.write(&mut text)?;
                }
            }
        }
        (text.len() <= limits::TREATMENT_BYTES).then_some(text)
    }
}

/// A placeholder: `profile.first_name`, perhaps with filters: `| decimals(2, ',')`.
fn hole_of(source: &str, paths: &[Path]) -> Option<TemplatePart> {
    let mut parts = source.split('|');
    let name = parts.next()?.trim();
    let path = paths.iter().position(|path| path.to_string() == name)?;
    let filters = parts.map(filter).collect::<Option<_>>()?;
    Some(TemplatePart::Hole { path, filters })
}

fn filter(source: &str) -> Option<Filter> {
    let source = source.trim();
    let (name, arguments) = match source.split_once('(') {
        None => (source, Vec::new()),
        Some((name, rest)) => (name.trim_end(), arguments(rest.strip_suffix(')')?)?),
    };
    match (name, arguments.as_slice()) {
        ("default", [FilterArgument::Text(text)]) => Some(Filter::Default((*text).into())),
        ("decimals", []) => Some(Filter::Decimals { digits: None, separator: None }),
        ("decimals", [FilterArgument::Number(digits)]) => {
            Some(Filter::Decimals { digits: Some(*digits), separator: None })
        }
        ("decimals", [FilterArgument::Number(digits), FilterArgument::Text(separator)]) => {
            Some(Filter::Decimals { digits: Some(*digits), separator: Some((*separator).into()) })
        }
        ("date", []) => Some(Filter::Date(None)),
        ("date", [FilterArgument::Text(pattern)]) => Some(Filter::Date(Some((*pattern).into()))),
        _ => None,
    }
}

enum FilterArgument<'a> {
    Text(&'a str),
    Number(u32),
}

/// Quoted texts without escapes, and integers, between commas.
fn arguments(source: &str) -> Option<Vec<FilterArgument<'_>>> {
    let mut arguments = Vec::new();
    let mut rest = source.trim();
    while !rest.is_empty() {
        let quote = rest.chars().next().filter(|first| matches!(first, '\'' | '"'));
        let after = match quote {
            Some(quote) => {
                let (text, after) = rest.get(1..)?.split_once(quote)?;
                if text.contains('\\') {
                    return None;
                }
                arguments.push(FilterArgument::Text(text));
                after
            }
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                arguments.push(FilterArgument::Number(rest.get(..end)?.trim().parse().ok()?));
                rest.get(end..)?
            }
        };
        let after = after.trim_start();
        rest = match after.strip_prefix(',') {
            Some(more) if !more.trim().is_empty() => more.trim_start(),
            None if after.is_empty() => "",
            _ => return None,
        };
    }
    Some(arguments)
}

enum PlaceholderValue<'a> {
    Found(Found<'a>),
    Text(Cow<'a, str>),
}

impl<'a> PlaceholderValue<'a> {
    fn filtered(self, filter: &'a Filter, scope: &dyn Scope) -> Option<PlaceholderValue<'a>> {
        match filter {
            Filter::Default(instead) => Some(match self {
                PlaceholderValue::Found(found) if is_missing(&found) => {
                    PlaceholderValue::Text(Cow::Borrowed(&**instead))
                }
                found => found,
            }),
            Filter::Decimals { digits, separator } => {
                let separator = separator.as_deref();
                let whole = |whole| decimals_of_whole(whole, *digits, separator);
                let part = |number| decimals(number, *digits, separator);
                let text = match self {
                    PlaceholderValue::Found(Found::Int(number)) => whole(number.into()),
                    PlaceholderValue::Found(Found::UInt(number)) => whole(number.into()),
                    PlaceholderValue::Found(Found::Float(number)) => part(number),
                    PlaceholderValue::Found(Found::Value(value)) => match value {
                        Value::Int(number) => whole((*number).into()),
                        Value::UInt(number) => whole((*number).into()),
                        value => part(value.as_number()?),
                    },
                    _ => return None,
                };
                Some(PlaceholderValue::Text(text.into()))
            }
            Filter::Date(pattern) => {
                let text = match self {
                    PlaceholderValue::Found(Found::Text(text)) => Cow::Borrowed(text),
                    PlaceholderValue::Found(Found::Value(Value::Text(text))) => {
                        Cow::Borrowed(&**text)
                    }
                    PlaceholderValue::Found(Found::Time(time)) => Cow::Owned(time.to_string()),
                    _ => return None,
                };
                date(&text, pattern.as_deref(), scope.zone())
                    .ok()
                    .map(|text| PlaceholderValue::Text(text.into()))
            }
        }
    }

    fn write(&self, text: &mut String) -> Option<()> {
        match self {
            PlaceholderValue::Text(words) => text.push_str(words),
            PlaceholderValue::Found(found) if is_missing(found) => return None,
            PlaceholderValue::Found(Found::Text(words)) => text.push_str(words),
            PlaceholderValue::Found(Found::Value(Value::Text(words))) => text.push_str(words),
            PlaceholderValue::Found(found) => {
                let value = rendered(found);
                if value.is_undefined() {
                    return None;
                }
                text.push_str(&value.to_string());
            }
        }
        Some(())
    }
}

fn is_missing(found: &Found<'_>) -> bool {
    match found {
        Found::Missing | Found::Value(Value::Null) => true,
        Found::Text(text) => is_nothing(text),
        Found::Value(Value::Text(text)) => is_nothing(text),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::policy::Template;
    use crate::policy::scope::TestScope;

    fn sample() -> TestScope {
        TestScope::of([
            ("profile.name", r#""Ada""#),
            ("profile.time", r#""2026-03-09T06:00:00Z""#),
            ("profile.whole", "3"),
            ("profile.number", "2.5"),
            ("profile.truth", "true"),
            ("profile.list", r#"[1, "b", {"c": 2.0}]"#),
            ("profile.null", "null"),
            ("profile.empty", "\" \""),
            ("profile.huge", "18446744073709551615"),
            ("profile.there", r#""2026-03-09T23:40:00+09:00""#),
            ("profile.timezone", r#""Asia/Kolkata""#),
        ])
    }

    fn holes() -> impl Strategy<Value = String> {
        let path = prop::sample::select(vec![
            "profile.name",
            "profile.time",
            "profile.whole",
            "profile.number",
            "profile.truth",
            "profile.list",
            "profile.null",
            "profile.empty",
            "profile.huge",
            "profile.there",
            "profile.missing",
            "now",
        ]);
        let filter = prop::sample::select(vec![
            "",
            "| default('x')",
            "|default(\"it's\")",
            "| decimals",
            "| decimals(1)",
            "| decimals(1, ',')",
            "| date",
            "| date('%d.%m.')",
            "| date('%d | %m')",
            "| upper",
            "| default('a\\'b')",
            "| decimals(1,)",
            "| default()",
            "| round(1)",
            "| decimals( 0 )",
            "| default('x') | decimals",
            "| date() | default('y')",
        ]);
        let words =
            prop::sample::select(vec!["", "Hello ", "\n", "{", "}", "{ {", "é ", "%}", "\r\n"]);
        let space = prop::sample::select(vec![" ", "", "\n", "-"]);
        prop::collection::vec((words, path, space, filter), 0..4).prop_map(|pieces| {
            let mut source = String::new();
            for (words, path, space, filter) in pieces {
                source.push_str(words);
                source.push_str(&format!("{{{{{space}{path} {filter}{space}}}}}{words}"));
            }
            source
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn a_simple_template_renders_as_the_template_engine_does(source in holes()) {
            if let Ok(template) = Template::compile(&source) {
                prop_assert_eq!(template.render(&sample()), template.render_by_engine(&sample()));
            }
        }
    }

    #[test]
    fn simple_templates_need_no_template_engine() {
        for source in [
            "Hello {{ profile.name }}",
            "{{ profile.number | decimals(2, ',') }} € on {{ now | date('%d.%m.') }}",
            "{{ profile.missing | default('x') }}",
        ] {
            assert!(Template::compile(source).unwrap().is_simple(), "{source}");
        }
        for source in ["{% if profile.name %}x{% endif %}", "{{ profile.name | upper }}"] {
            assert!(!Template::compile(source).unwrap().is_simple(), "{source}");
        }
    }
}
