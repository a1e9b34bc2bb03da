use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::LazyLock;

use minijinja::value::Object;
use minijinja::{Environment, ErrorKind, State, UndefinedBehavior, Value as Rendered};

use super::compile_error::CompileError;
use super::filters::{date, decimals, decimals_of_whole, rendered};
use super::hint::nearest;
use super::lower::{check_path, unknown_root};
use super::simple_template::SimpleTemplate;
use super::{Path, Root, Scope};
use crate::config::limits;
use crate::event::Zone;

/// A text for a customer or an agent, with placeholders in double braces that a [`Scope`] fills: `Hello
/// {{ profile.first_name }}`.
///
/// It has conditions and loops as in Jinja, and these filters: `default(text)`, `date(pattern)`,
/// `round(digits)`, `decimals(digits, separator)`, `upper`, `lower`, `title`, `capitalize`, `trim`,
/// `replace`, `join`, `first`, `last`, `length`, `sort`, `min`, `max`, `abs`, `int`, `float`. A missing
/// value may be tested (`{% if profile.first_name %}`) and replaced (`| default`), but a placeholder is
/// never printed empty: then rendering fails. A text that consists only of blanks counts as missing, too.
pub struct Template {
    source: Box<str>,
    paths: Box<[Path]>,
    /// The fast path; none if the template is not that simple.
    holes: Option<SimpleTemplate>,
    engine: Environment<'static>,
}

/// Why a text could not be rendered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RenderError(Box<str>);

const FILTERS: &[&str] = &[
    "default",
    "date",
    "round",
    "decimals",
    "upper",
    "lower",
    "title",
    "capitalize",
    "trim",
    "replace",
    "join",
    "first",
    "last",
    "length",
    "sort",
    "min",
    "max",
    "abs",
    "int",
    "float",
];

const TESTS: &[&str] =
    &["defined", "undefined", "none", "number", "string", "sequence", "in", "even", "odd"];

const NAME: &str = "text";

/// The engine that every template extends: it provides the filters and no functions, so that every loop
/// runs over a twin's own values.
static SHARED: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut engine = Environment::new();
    engine.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    engine.set_fuel(Some(limits::TEMPLATE_STEPS as u64));
    let globals: Vec<String> = engine.globals().map(|(name, _)| name.to_owned()).collect();
    globals.iter().for_each(|name| engine.remove_global(name));
    engine.add_filter("date", date_by_zone);
    engine.add_filter("decimals", decimals_of);
    engine
});

impl Template {
    /// Compiles `source`.
    ///
    /// # Errors
    /// The first mistake in it: its syntax, an unknown name or filter (with the nearest right one),
    /// or a limit.
    pub fn compile(source: &str) -> Result<Template, CompileError> {
        if source.len() > limits::TREATMENT_BYTES {
            return Err(CompileError::new(
                0,
                format!(
                    "expected a text of at most {} bytes, found {}",
                    limits::TREATMENT_BYTES,
                    source.len()
                ),
            ));
        }
        let mut engine = SHARED.clone();
        let syntax = |error: &minijinja::Error| {
            let line = error.line().unwrap_or(1).saturating_sub(1);
            let offset = source.split_inclusive('\n').take(line).map(str::len).sum();
            let reason = error.detail().map_or_else(|| error.to_string(), str::to_owned);
            CompileError::new(offset, format!("expected a text with {{{{ … }}}}, but: {reason}"))
        };
        engine.add_template_owned(NAME, source.to_owned()).map_err(|error| syntax(&error))?;
        let named = engine.get_template(NAME).map_err(|error| syntax(&error))?;
        let mut words: Vec<String> = named.undeclared_variables(true).into_iter().collect();
        // They come from a set, whose order is not the same in every run.
        words.sort();
        let mut paths = Vec::new();
        for word in words {
            let offset = source.find(&word).unwrap_or(0);
            let mut names = word.split('.');
            let first = names.next().unwrap_or_default();
            let root: Root =
                first.parse().map_err(|_| CompileError::new(offset, unknown_root(first, "")))?;
            let names: Box<[Box<str>]> = names.map(Into::into).collect();
            check_path(root, names.len()).map_err(|message| CompileError::new(offset, message))?;
            paths.push(Path { root, names });
        }
        check_words(source)?;
        Ok(Template {
            source: source.into(),
            holes: SimpleTemplate::of(source, &paths),
            paths: paths.into(),
            engine,
        })
    }

    /// The source of the template.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The paths that it reads, each once.
    pub fn paths(&self) -> &[Path] {
        &self.paths
    }

    /// Renders the text; at most [`limits::TREATMENT_BYTES`] long.
    ///
    /// # Errors
    /// If it would print a missing value, which the error names; if a filter does not support a value; if
    /// the text becomes too long.
    pub fn render(&self, scope: &dyn Scope) -> Result<String, RenderError> {
        match self.holes.as_ref().and_then(|holes| holes.fill(&self.paths, scope)) {
            Some(text) => Ok(text),
            None => self.render_by_engine(scope),
        }
    }

    /// As [`Template::render`], by the engine.
    pub(super) fn render_by_engine(&self, scope: &dyn Scope) -> Result<String, RenderError> {
        let mut root = Branch::default();
        for path in &self.paths {
            root.insert(path, rendered(&scope.find(path)));
        }
        if self.source.contains("date") {
            root.below.insert(
                ZONE.into(),
                Branch::of(Rendered::from_object(TemplateClock(scope.zone()))),
            );
        }
        let mut text = Bounded(Vec::with_capacity(self.source.len()));
        let rendered = self.engine.get_template(NAME).and_then(|template| {
            template.render_captured_to(root.into_value(), &mut text).map(drop)
        });
        match rendered {
            // Only whole texts are written, so the bytes are UTF-8.
            Ok(()) => Ok(String::from_utf8_lossy(&text.0).into_owned()),
            Err(error) => Err(RenderError(self.explain(&error, scope).into())),
        }
    }

    #[cfg(test)]
    pub(super) fn is_simple(&self) -> bool {
        self.holes.is_some()
    }

    fn explain(&self, error: &minijinja::Error, scope: &dyn Scope) -> String {
        if error.kind() == ErrorKind::WriteFailure {
            return format!("the text is longer than {} bytes", limits::TREATMENT_BYTES);
        }
        if error.kind() == ErrorKind::OutOfFuel {
            let most = limits::TEMPLATE_STEPS;
            return format!("rendering takes more than {most} steps; use shorter lists");
        }
        let missing: Vec<String> = self
            .paths
            .iter()
            .filter(|path| rendered(&scope.find(path)).is_undefined())
            .map(Path::to_string)
            .collect();
        if error.kind() == ErrorKind::UndefinedError && !missing.is_empty() {
            return format!("no value at {}", missing.join(", "));
        }
        error.detail().map_or_else(|| error.to_string(), str::to_owned)
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Template({:?})", self.source)
    }
}

/// The engine's input: the named paths as a tree.
#[derive(Default)]
struct Branch {
    leaf: Option<Rendered>,
    below: BTreeMap<Box<str>, Branch>,
}

impl Branch {
    fn of(leaf: Rendered) -> Branch {
        Branch { leaf: Some(leaf), below: BTreeMap::new() }
    }

    fn insert(&mut self, path: &Path, leaf: Rendered) {
        let root = self.below.entry(path.root.name().into()).or_default();
        path.names().fold(root, |at, name| at.below.entry(name.into()).or_default()).leaf =
            Some(leaf);
    }

    /// A value at a path includes the values at longer paths, too.
    fn into_value(self) -> Rendered {
        match self.leaf {
            Some(leaf) if self.below.is_empty() || !leaf.is_undefined() => leaf,
            _ => Rendered::from(
                self.below
                    .into_iter()
                    .map(|(name, branch)| (String::from(name), branch.into_value()))
                    .collect::<BTreeMap<_, _>>(),
            ),
        }
    }
}

/// A text that does not grow beyond its limit.
struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > limits::TREATMENT_BYTES {
            return Err(io::Error::other("too long"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The name under which a template finds its time zone; no path has such a name.
const ZONE: &str = "@zone";

/// The time zone in which a template shows times.
#[derive(Debug)]
struct TemplateClock(Zone);

impl Object for TemplateClock {}

fn date_by_zone(
    state: &State<'_, '_>,
    moment: &str,
    pattern: Option<&str>,
) -> Result<String, minijinja::Error> {
    let clock = state.lookup(ZONE);
    let zone = clock.as_ref().and_then(|clock| clock.downcast_object_ref::<TemplateClock>());
    date(moment, pattern, zone.map_or(Zone::UTC, |TemplateClock(zone)| *zone))
}

fn decimals_of(
    number: &Rendered,
    digits: Option<u32>,
    separator: Option<&str>,
) -> Result<String, minijinja::Error> {
    if number.is_integer()
        && let Ok(whole) = i128::try_from(number.clone())
    {
        return Ok(decimals_of_whole(whole, digits, separator));
    }
    Ok(decimals(f64::try_from(number.clone())?, digits, separator))
}

/// The engine looks up filters and tests when it renders; a mistyped one is found here instead.
fn check_words(source: &str) -> Result<(), CompileError> {
    for (start, tag) in tags(source) {
        let mut quote = None;
        let mut previous = "";
        let mut word_start = None;
        for (at, byte) in tag.bytes().chain([b' ']).enumerate() {
            if let Some(open) = quote {
                if byte == open {
                    quote = None;
                }
                continue;
            }
            let in_word = byte.is_ascii_alphanumeric() || byte == b'_';
            match (word_start, in_word) {
                (None, true) => word_start = Some(at),
                (Some(from), false) => {
                    let word = tag.get(from..at).unwrap_or_default();
                    check_word(previous, word)
                        .map_err(|message| CompileError::new(start + from, message))?;
                    // `is not defined` uses the test `defined`.
                    if !(previous == "is" && word == "not") {
                        previous = word;
                    }
                    word_start = None;
                }
                _ => {}
            }
            match byte {
                b'"' | b'\'' => quote = Some(byte),
                b'|' => previous = "|",
                _ if in_word || byte == b' ' => {}
                _ => previous = "",
            }
        }
    }
    Ok(())
}

fn check_word(previous: &str, word: &str) -> Result<(), String> {
    let (kind, known) = match previous {
        "|" => ("filter", FILTERS),
        "is" if word != "not" => ("test", TESTS),
        _ => return Ok(()),
    };
    if known.contains(&word) {
        return Ok(());
    }
    let hint = match nearest(word, known.iter().copied()) {
        Some(right) => format!("did you mean `{right}`?"),
        None => format!("expected one of {}", known.join(", ")),
    };
    Err(format!("unknown {kind} `{word}`; {hint}"))
}

/// The content of each pair of braces, and its start.
fn tags(source: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let rest = source.get(at..)?;
            let open = rest.find('{')?;
            let start = at + open + 2;
            let close = match rest.as_bytes().get(open + 1) {
                Some(b'{') => "}}",
                Some(b'%') => "%}",
                _ => {
                    at += open + 1;
                    continue;
                }
            };
            let inside = source.get(start..)?;
            let end = inside.find(close).unwrap_or(inside.len());
            at = start + end;
            return Some((start, inside.get(..end)?));
        }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::policy::scope::TestScope;

    #[test]
    fn nested_loops_stop_at_the_budget() {
        let xs = serde_json::to_string(&vec![1; 150]).unwrap();
        let sample = TestScope::of([("event.properties.xs", &*xs)]);
        let (open, close) = ("{% for x in event.properties.xs %}", "{% endfor %}");
        let render = |depth: usize, within: &str| {
            let source = format!("{}{within}{}", open.repeat(depth), close.repeat(depth));
            Template::compile(&source).unwrap().render(&sample)
        };
        assert_eq!(render(1, "{{ x }}").unwrap().len(), 150);
        let refused = render(5, "{% if x == 2 %}never{% endif %}").unwrap_err().to_string();
        assert_eq!(refused, "rendering takes more than 50000 steps; use shorter lists");
    }

    fn sample() -> TestScope {
        TestScope::of([
            ("profile.first_name", r#""Ada""#),
            ("event.properties.city", r#""Lisbon""#),
            ("event.properties.departure", r#""2026-03-09T06:00:00Z""#),
            ("event.properties.amount", "12.5"),
            ("event.properties.seats", r#"["2A", "2B"]"#),
            ("event.properties.items", r#"[{"name": "a"}, {"name": "b"}]"#),
        ])
    }

    fn rendered(source: &str) -> String {
        match Template::compile(source)
            .unwrap_or_else(|e| panic!("{source}: {e}"))
            .render(&sample())
        {
            Ok(text) => text,
            Err(error) => format!("? {error}"),
        }
    }

    #[test]
    fn placeholders_are_replaced_by_values() {
        for (source, expected) in [
            ("no hole", "no hole"),
            ("Hello {{ profile.first_name }}!", "Hello Ada!"),
            ("{{ event.properties.departure | date('%d.%m.%Y') }}", "09.03.2026"),
            (
                "{{ event.properties.departure | date }} {{ now | date('%H:%M') }}",
                "2026-03-09 09:00",
            ),
            ("{{ event.properties.amount | decimals }}", "12.50"),
            ("{{ event.properties.amount | decimals(1, ',') }}", "12,5"),
            ("{{ event.properties.seats | join(' and ') }}", "2A and 2B"),
            ("{% for i in event.properties.items %}{{ i.name }} {% endfor %}", "a b "),
            ("{{ profile.last_name | default('friend') }}", "friend"),
            ("Hello{% if profile.last_name %} {{ profile.last_name }}{% endif %}", "Hello"),
            ("{% if profile.first_name is defined %}yes{% endif %}", "yes"),
        ] {
            assert_eq!(rendered(source), expected, "{source}");
        }
    }

    #[test]
    fn decimals_are_rounded_as_people_round() {
        for (number, digits, expected) in [
            (2400.5, 2, "2400.50"),
            (1.005, 2, "1.00"),
            (1.115, 2, "1.12"),
            (-0.004, 2, "0.00"),
            (-1.5, 0, "-2"),
            (0.05, 1, "0.1"),
            (12.0, 9, "12.000000000"),
            (1e300, 2, &format!("{:.0}", 1e300)),
        ] {
            assert_eq!(decimals(number, Some(digits), None), expected);
        }
        assert_eq!(decimals(1234.5, None, Some(",")), "1234,50");
    }

    #[test]
    fn decimals_of_large_integers_are_exact() {
        for (number, filter, expected) in [
            ("9007199254740993", "decimals", "9007199254740993.00"),
            ("9007199254740993", "decimals(0)", "9007199254740993"),
            ("18446744073709551615", "decimals(1, ',')", "18446744073709551615,0"),
            ("-9223372036854775808", "decimals", "-9223372036854775808.00"),
            ("0", "decimals", "0.00"),
        ] {
            let sample = TestScope::of([("profile.n", number)]);
            let template = Template::compile(&format!("{{{{ profile.n | {filter} }}}}")).unwrap();
            assert_eq!(template.render(&sample).as_deref(), Ok(expected));
            assert_eq!(template.render_by_engine(&sample).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn a_blank_text_counts_as_missing() {
        let sample = TestScope::of([
            ("profile.first_name", r#"" ""#),
            ("event.properties.items", r#"[{"name": ""}]"#),
        ]);
        for (source, expected) in [
            ("Hi {{ profile.first_name }}!", "? no value at profile.first_name"),
            ("Hi {{ profile.first_name | upper }}!", "? no value at profile.first_name"),
            ("Hi {{ profile.first_name | default('friend') }}!", "Hi friend!"),
            ("Hi{% if profile.first_name %} {{ profile.first_name }}{% endif %}!", "Hi!"),
            ("{{ event.properties.items[0].name | default('none') }}", "none"),
        ] {
            let text = Template::compile(source).unwrap().render(&sample);
            let text = text.unwrap_or_else(|error| format!("? {error}"));
            assert_eq!(text, expected, "{source}");
        }
    }

    #[test]
    fn a_date_in_utc_is_shown_by_the_clock_of_the_scope_and_another_by_its_own() {
        let sample = TestScope::of([
            ("profile.timezone", r#""Asia/Tokyo""#),
            ("profile.utc", r#""2026-03-19T21:40:00Z""#),
            ("profile.own", r#""2026-03-20T23:30:00-0500""#),
            ("profile.all", r#"["2026-03-19T21:40:00Z"]"#),
        ]);
        for (source, expected) in [
            ("{{ profile.utc | date }}", "2026-03-20"),
            ("{{ profile.utc | date('%H:%M %Z') }}", "06:40 JST"),
            ("{{ profile.own | date('%d.%m. %H:%M') }}", "20.03. 23:30"),
            ("{{ now | date('%H:%M') }}", "18:00"),
            ("{% for at in profile.all %}{{ at | date('%H:%M') }}{% endfor %}", "06:40"),
        ] {
            let template = Template::compile(source).unwrap();
            assert_eq!(template.render(&sample).as_deref(), Ok(expected), "{source}");
            assert_eq!(template.render_by_engine(&sample).as_deref(), Ok(expected), "{source}");
        }
    }

    #[test]
    fn a_missing_value_is_named_and_never_rendered_as_blank() {
        assert_eq!(rendered("Hello {{ profile.last_name }}"), "? no value at profile.last_name");
        assert_eq!(
            rendered("{{ event.properties.gate.number | upper }} {{ profile.first_name }}"),
            "? no value at event.properties.gate.number"
        );
        assert_eq!(
            rendered("{{ profile.first_name | date }}"),
            "? date: expected a time such as 2026-11-22T09:30:00Z, found `Ada`"
        );
    }

    #[test]
    fn a_text_that_grows_too_long_is_refused() {
        let source = "{% for a in event.properties.items %}{{ a.name }}".repeat(40)
            + &"{% endfor %}".repeat(40);
        assert_eq!(rendered(&source), "? the text is longer than 4000 bytes");
        assert!(Template::compile(&"x".repeat(limits::TREATMENT_BYTES + 1)).is_err());
    }

    #[test]
    fn the_paths_of_a_template_are_known_before_it_is_rendered() {
        let template = Template::compile(
            "{% for seat in event.properties.seats %}{{ seat }} {{ profile.first_name }}{% endfor %}",
        )
        .unwrap();
        let paths: Vec<String> = template.paths().iter().map(Path::to_string).collect();
        assert_eq!(paths, ["event.properties.seats", "profile.first_name"]);
    }

    #[test]
    fn mistyped_filters_are_found_when_the_template_is_compiled() {
        let mistake = |source| Template::compile(source).unwrap_err();
        let error = mistake("{{ profile.x | defualt('| upper') }}");
        assert_eq!(
            (error.offset, &*error.message),
            (15, "unknown filter `defualt`; did you mean `default`?")
        );
        assert!(
            mistake("{% if profile.x is not dfined %}{% endif %}").message.contains("`defined`")
        );
        assert!(mistake("{{ range(9) }}").message.contains("unknown name `range`"));
        for endless in ["{{ (".repeat(900), "{% if x %}".repeat(300), "{{ [".repeat(900)] {
            assert!(Template::compile(&endless).is_err());
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_a_template_panic(
            parts in prop::collection::vec(prop::sample::select(vec![
                "{{", "}}", "{%", "%}", "{#", "#}", "profile.first_name", "event.properties.items",
                "|", "date", "decimals(", "(", ")", "if", "for i in", "endif", "endfor", "set x =",
                "'", "\"", "i", "[", "]", "+", "**", "9223372036854775807", "~", "-", "é", " is ",
            ]), 0..14),
        ) {
            if let Ok(template) = Template::compile(&parts.join(" ")) {
                let _ = template.render(&sample());
            }
        }
    }
}
