use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use cel::common::value::Val;

use super::budget::{self, BudgetOwner, Evaluation, Exceeded};
use super::cel_value::{self, CelValue};
use super::evaluate::{CompiledExpression, EvalBindings, EvalFault, EvalInput};
use super::functions::SHARED;
use super::lower::{self, Macro};
use super::negation;
use super::{CompileError, Path, Scope, SourceLocation};
use crate::config::limits;
use crate::event::{Time, Value};

/// A CEL expression over a [`Scope`], analysed when it is compiled: each path that it names is resolved
/// once for each evaluation, and nothing else of the scope is read.
///
/// It differs from plain CEL where that makes policies easier to write:
/// * a path without a value is `null`, and `has(path)` is `path != null`;
/// * integers and other numbers mix in arithmetic, and `3 / 4` is `0.75`;
/// * these functions are added: `default(x, y)`, `days(n)`, `hours(n)`, `minutes(n)`, `min(a, b…)`,
///   `max(a, b…)`, `abs(n)`, `round(n)`, `round(n, digits)`, `lower(text)` and `mentions(text, [phrase,
///   …])`, which ignores case;
/// * regular expressions, bytes, unsigned numbers and optional values are left out.
pub struct Expression {
    source: Box<str>,
    plan: CompiledExpression,
    paths: Arc<[Path]>,
    /// Warnings about single parts of the expression.
    remarks: Box<[CompileError]>,
    /// The parts that are the same in every evaluation, computed once.
    constants: Box<[Box<dyn Val>]>,
    needs_interpreter: bool,
    /// The step accounting; none: it traverses no lists.
    metered: Option<Box<Metered>>,
}

/// The traversal of lists costs steps, of which there is a budget.
struct Metered {
    macros: Box<[Macro]>,
    owner: BudgetOwner,
    place: Option<SourceLocation>,
}

/// The result of a condition.
#[derive(Debug, Clone)]
pub enum Truth {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// It cannot be evaluated, and so counts as not holding.
    Unknown(EvalError),
}

impl Truth {
    /// Whether it certainly holds.
    pub fn holds(&self) -> bool {
        matches!(self, Truth::True)
    }
}

/// Why an expression had no result, or not one of the requested kind. The message names the paths without
/// a value, because they are usually the reason.
#[derive(Debug, Clone)]
pub struct EvalError {
    cause: EvalCause,
    paths: Arc<[Path]>,
    /// One bit for each path.
    missing: u64,
}

#[derive(Debug, Clone)]
enum EvalCause {
    Fault(EvalFault),
    WrongType { wanted: &'static str, found: &'static str },
    Unusable(Arc<str>),
}

impl EvalError {
    /// The paths of the expression without a value.
    pub fn missing(&self) -> impl Iterator<Item = &Path> {
        self.paths.iter().enumerate().filter(|(at, _)| self.missing >> at & 1 == 1).map(|(_, p)| p)
    }
}

impl EvalError {
    /// Whether it exceeded its step budget.
    pub fn is_exceeded(&self) -> bool {
        matches!(&self.cause, EvalCause::Fault(EvalFault::Exceeded(_)))
    }
}

impl fmt::Display for EvalError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let EvalCause::Fault(fault @ EvalFault::Exceeded(_)) = &self.cause {
            return out.write_str(&fault.reason());
        }
        let mut missing = self.missing();
        if let Some(first) = missing.next() {
            write!(out, "no value at {first}")?;
            return missing.try_for_each(|path| write!(out, ", {path}"));
        }
        match &self.cause {
            EvalCause::Fault(fault) => out.write_str(&fault.reason()),
            EvalCause::WrongType { wanted, found } => {
                write!(out, "expected {wanted}, found {found}")
            }
            EvalCause::Unusable(message) => out.write_str(message),
        }
    }
}

impl std::error::Error for EvalError {}

impl Expression {
    /// Compiles `source`.
    ///
    /// # Errors
    /// The first mistake in it: its syntax, an unknown name (with the nearest right one), a part that can
    /// never work, or a limit.
    pub fn compile(source: &str) -> Result<Expression, CompileError> {
        let lower::LoweredExpression { ast, paths, mut constants, macros, remarks, .. } =
            lower::compile(source)?;
        let plan = CompiledExpression::of(ast, &mut constants);
        Ok(Expression {
            source: source.into(),
            needs_interpreter: plan.needs_interpreter(),
            plan,
            paths: paths.into(),
            remarks: remarks.into(),
            constants: constants.into(),
            metered: (!macros.is_empty()).then(|| {
                let (macros, owner) = (macros.into(), BudgetOwner::Policy);
                Box::new(Metered { macros, owner, place: None })
            }),
        })
    }

    /// The same expression, with its location.
    pub(super) fn at(mut self, place: SourceLocation) -> Expression {
        if let Some(metered) = &mut self.metered {
            metered.place = Some(place);
        }
        self
    }

    /// Marks the expression as received over the bus, not from the policy.
    ///
    /// # Errors
    /// If macros are nested beyond the limit.
    pub(super) fn received_from_bus(mut self) -> Result<Expression, CompileError> {
        let most = limits::CONDITION_MACROS;
        let Some(metered) = &mut self.metered else { return Ok(self) };
        metered.owner = BudgetOwner::Outside;
        match metered.macros.iter().find(|one| one.within >= most) {
            None => Ok(self),
            Some(one) => Err(CompileError::new(
                one.offset,
                format!("expected at most {most} nested list macros, found more"),
            )),
        }
    }

    /// The source of the expression.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The paths that it reads, each once, in the order of their first use.
    pub fn paths(&self) -> &[Path] {
        &self.paths
    }

    /// Warnings: valid parts that are probably not intended.
    pub(super) fn remarks(&self) -> Vec<CompileError> {
        let mut remarks = self.remarks.to_vec();
        remarks.extend(negation::remarks(&self.source));
        remarks
    }

    /// Necessary conditions: see [`Audience::lookups`](super::Audience::lookups).
    pub(super) fn lookups(&self) -> Vec<(&Path, Vec<Value>)> {
        let mut lookups = Vec::new();
        self.plan.lookups(&self.constants, &mut lookups);
        lookups.into_iter().filter_map(|(at, all)| Some((self.paths.get(at)?, all))).collect()
    }

    /// Evaluates the condition.
    pub fn test(&self, scope: &dyn Scope) -> Truth {
        match self.evaluate(scope, |plan, world| plan.truth(world)) {
            Ok(true) => Truth::True,
            Ok(false) => Truth::False,
            Err(fault) => Truth::Unknown(self.error(EvalCause::Fault(fault), scope)),
        }
    }

    /// Evaluates the expression.
    ///
    /// # Errors
    /// If a part of it does not support the values found, such as an operator on `null`.
    pub fn value(&self, scope: &dyn Scope) -> Result<Value, EvalError> {
        match self.read(scope, |value| Some(cel_value::value(value)), "a value")? {
            Ok(value) => Ok(value),
            Err(message) => Err(self.error(EvalCause::Unusable(message.into()), scope)),
        }
    }

    /// Evaluates to a number.
    ///
    /// # Errors
    /// As for [`Expression::value`], and if the result is not a number.
    pub fn number(&self, scope: &dyn Scope) -> Result<f64, EvalError> {
        self.read(scope, cel_value::number, "a number")
    }

    /// Evaluates to a time: a timestamp, or text in RFC 3339 form.
    ///
    /// # Errors
    /// As for [`Expression::value`], and if the result is not a time, or is before [`Time::EARLIEST_PLAUSIBLE`].
    pub fn time(&self, scope: &dyn Scope) -> Result<Time, EvalError> {
        self.read(scope, cel_value::time, "a time, or text such as 2026-11-22T09:30:00Z")
    }

    /// Evaluates to a duration: a duration, a number of seconds, or text such as `36h`; never negative.
    ///
    /// # Errors
    /// As for [`Expression::value`], and if the result is not a duration.
    pub fn span(&self, scope: &dyn Scope) -> Result<Duration, EvalError> {
        self.read(scope, cel_value::span, "a duration that is not negative, such as 36h")
    }

    /// The result, converted by `how`.
    fn read<T>(
        &self,
        scope: &dyn Scope,
        how: impl FnOnce(&dyn Val) -> Option<T>,
        wanted: &'static str,
    ) -> Result<T, EvalError> {
        let read = self.evaluate(scope, |plan, world| {
            let held = plan.value(world)?;
            let value = held.as_val();
            Ok(how(value).ok_or_else(|| cel_value::describe(value)))
        });
        let cause = match read {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(found)) => EvalCause::WrongType { wanted, found },
            Err(fault) => EvalCause::Fault(fault),
        };
        Err(self.error(cause, scope))
    }

    fn evaluate<T>(
        &self,
        scope: &dyn Scope,
        how: impl for<'a> FnOnce(&'a CompiledExpression, &EvalInput<'a>) -> Result<T, EvalFault>,
    ) -> Result<T, EvalFault> {
        let metered = self.metered.as_deref();
        let evaluation = metered.map(|metered| Evaluation::begin(metered.owner));
        let world =
            EvalInput { scope, paths: &self.paths, constants: &self.constants, context: None };
        if !self.needs_interpreter {
            return how(&self.plan, &world);
        }
        let figures = EvalBindings {
            found: self.paths.iter().map(|path| CelValue::of(scope.find(path))).collect(),
            constants: &self.constants,
        };
        let shared: &cel::Context<'_, '_> = &SHARED;
        let mut context = shared.new_inner_scope();
        context.set_variable_resolver(&figures);
        let come_to = how(&self.plan, &EvalInput { context: Some(&context), ..world });
        if let (Some(metered), Some(evaluation)) = (metered, evaluation)
            && evaluation.is_exceeded()
        {
            if let Some(place) = &metered.place {
                budget::exceed(Exceeded::Policy(place.clone()));
            }
            return Err(EvalFault::Exceeded(metered.owner));
        }
        come_to
    }

    fn error(&self, cause: EvalCause, scope: &dyn Scope) -> EvalError {
        let missing = self.paths.iter().enumerate().fold(0, |missing, (at, path)| {
            missing | u64::from(CelValue::of(scope.find(path)).is_missing()) << at
        });
        EvalError { cause, paths: Arc::clone(&self.paths), missing }
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Expression({:?})", self.source)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::policy::scope::TestScope;

    fn sample() -> TestScope {
        TestScope::of([
            ("event.properties.country", r#""PT""#),
            ("event.properties.departure", r#""2026-03-09T06:00:00Z""#),
            ("event.properties.amount", "100"),
            (
                "event.properties.items",
                r#"[{"name": "a", "price": 3}, {"name": "b", "price": 4.5}]"#,
            ),
            ("event.properties", r#"{"z": 1, "b": 2, "y": 3, "a": 4, "x": 5}"#),
            ("profile.country", r#""BE""#),
            ("context.card-abroad", r#""blocked""#),
            ("context.card_abroad", r#""blocked""#),
            ("needs.card", "0.5"),
        ])
    }

    fn value(source: &str) -> String {
        let expression = Expression::compile(source).unwrap_or_else(|e| panic!("{source}: {e}"));
        expression.value(&sample()).map_or_else(|error| format!("? {error}"), |v| v.to_string())
    }

    #[test]
    fn an_expression_reads_only_the_paths_that_it_names() {
        let expression = Expression::compile(
            r#"event.properties.country != profile.country
               && (context["card-abroad"] == "blocked" || event.properties.country == "US")"#,
        )
        .unwrap();
        let paths: Vec<String> = expression.paths().iter().map(Path::to_string).collect();
        assert_eq!(paths, ["event.properties.country", "profile.country", "context.card-abroad"]);
        assert!(expression.test(&sample()).holds());
    }

    #[test]
    fn expressions_compute_what_people_expect() {
        for (source, expected) in [
            ("has(profile.country) && !has(profile.city)", "true"),
            ("profile.city == null", "true"),
            ("default(profile.city, \"nowhere\")", "nowhere"),
            ("event.properties.amount * 0.9", "90.0"),
            ("0.5 + event.properties.amount", "100.5"),
            ("event.properties.amount + 1", "101"),
            ("3 / 4", "0.75"),
            ("6 / 3", "2"),
            ("event.properties.amount > 99.5", "true"),
            ("timestamp(event.properties.departure) - days(3)", "2026-03-06T06:00:00Z"),
            ("timestamp('2026-03-20')", "2026-03-20T00:00:00Z"),
            ("timestamp('2026-03-20T06:40+0100') + hours(1)", "2026-03-20T06:40:00Z"),
            ("[now].map(x, x - timestamp('20260302T0800Z'))[0] == hours(1)", "true"),
            ("timestamp(event.properties.departure) - now < days(7)", "true"),
            ("days(1.5) == duration(\"36h\")", "true"),
            ("minutes(90)", "5400"),
            ("event.properties.country in [\"PT\", \"ES\"]", "true"),
            ("size(event.properties.items)", "2"),
            ("event.properties.items.exists(i, i.price > 4)", "true"),
            ("event.properties.items.map(i, i.price * 2)", "[6,9.0]"),
            ("event.properties.items.all(i, has(i.name) && !has(i.colour))", "true"),
            ("event.properties.items[1].name", "b"),
            ("mentions(profile.country, [\"france\", \"be\"])", "true"),
            ("mentions(\"Straße\", [\"STRASSE\"])", "false"),
            ("mentions(profile.country, [])", "false"),
            ("event.properties.map(k, k)", r#"["a","b","x","y","z"]"#),
            ("\"a\" in event.properties", "true"),
            ("max(1, 2.5)", "2.5"),
            ("min(needs.card, 1)", "0.5"),
            ("abs(-3)", "3"),
            ("round(2.345, 2)", "2.35"),
            ("round(2.5)", "3"),
            ("lower(\"Bill\").contains(\"bill\")", "true"),
            ("{\"b\": 1, \"a\": [profile.country]}", r#"{"a":["BE"],"b":1}"#),
            ("event.properties.country + \"-\" + profile.country", "PT-BE"),
            ("now", "2026-03-02T09:00:00Z"),
            ("has(needs.card) ? \"yes\" : \"no\"", "yes"),
        ] {
            assert_eq!(value(source), expected, "{source}");
        }
    }

    #[test]
    fn an_expression_without_result_says_why() {
        for (source, expected) in [
            ("context.balance < 100", "? no value at context.balance"),
            ("context.balance + needs.other", "? no value at context.balance, needs.other"),
            ("profile.country < 3", "? `<` does not work on a text and a number"),
            ("now - \"2026-03-01\" > days(1)", "? `-` does not work on a time and a text"),
            ("now > profile.country", "? `>` does not work on a time and a text"),
            ("profile.country + 3", "? `+` does not work on a text and a number"),
            ("event.properties.amount / 0.0", "? a division by zero"),
        ] {
            assert_eq!(value(source), expected, "{source}");
        }
        let condition = Expression::compile("event.properties.amount").unwrap();
        let Truth::Unknown(error) = condition.test(&sample()) else { panic!("no truth") };
        assert_eq!(error.to_string(), "expected true or false, found a number");
    }

    #[test]
    fn an_unknown_operand_does_not_change_what_the_other_operand_decides() {
        assert_eq!(value("context.balance < 100 || true"), "true");
        assert_eq!(value("context.balance < 100 && false"), "false");
    }

    #[test]
    fn times_and_spans_come_in_every_form_that_people_write() {
        let time =
            |source| Expression::compile(source).unwrap().time(&sample()).unwrap().to_string();
        assert_eq!(time("event.properties.departure"), "2026-03-09T06:00:00Z");
        assert_eq!(time("now + hours(1)"), "2026-03-02T10:00:00Z");
        let span = |source| Expression::compile(source).unwrap().span(&sample());
        for source in ["\"36h\"", "hours(36)", "129600", "duration(\"36h\")"] {
            assert_eq!(span(source).unwrap(), Duration::from_secs(36 * 3600), "{source}");
        }
        assert!(span("minutes(-1)").is_err());
    }

    #[test]
    fn a_time_computed_from_a_zero_time_is_null() {
        for zero in ["\"0001-01-01T00:00:00Z\"", "timestamp(\"1970-01-01T00:00:00Z\") + hours(48)"]
        {
            let found = Expression::compile(zero).unwrap().time(&sample());
            assert!(found.is_err(), "{zero}: {found:?}");
        }
    }

    #[test]
    fn mistakes_are_reported_at_their_place_with_the_nearest_name() {
        let mistakes: Vec<String> = [
            "evnt.name == \"x\"",
            "profile.country == blocked",
            "lenght(profile.country) > 3",
            "profile.country.size() > 3 && startsWith(profile.country, \"B\")",
            "profile.country.matches(\"B.*\")",
            "profile.country == ",
            "now.year",
            "event == 3",
            "1 / 0 == 1 && has(profile.x)",
            "until == -days(1)",
            "{\"a\": 1}.map(k, k)",
            "caf\u{e9} == 1",
            "\"caf\u{e9}\" == cafe",
            "",
        ]
        .map(|source| {
            let error = Expression::compile(source).unwrap_err();
            format!("{source:60} {:3} {}", error.offset, error.message)
        })
        .into();
        insta::assert_snapshot!(mistakes.join("\n"), @r#"
        evnt.name == "x"                                               0 unknown name `evnt`; did you mean `event`?
        profile.country == blocked                                    19 unknown name `blocked`; a path starts with one of event, profile, context, facts, preferences, needs, consents, interactions, cases, contacts, sentiment, customer, need, windows, counters, activities, dissatisfaction, shared, experiments, escalations, now; a text has quotes of its own: 'blocked'
        lenght(profile.country) > 3                                    0 unknown function `lenght`; functions are default, days, hours, minutes, min, max, abs, round, lower, mentions, size, string, int, double, bool, timestamp, duration; methods are contains, startsWith, endsWith, size, getFullYear, getMonth, getDate, getDayOfMonth, getDayOfWeek, getDayOfYear, getHours, getMinutes, getSeconds
        profile.country.size() > 3 && startsWith(profile.country, "B")  30 unknown function `startsWith`; write `value.startsWith(…)`
        profile.country.matches("B.*")                                16 unknown function `matches`; write `.contains("…")`, `.startsWith("…")` or `.endsWith("…")` right after the text
        profile.country ==                                            18 expected a value after `==`, found the end
        now.year                                                       0 `now` is a time and has no fields; write it alone
        event == 3                                                     0 expected a field of `event`, such as `event.name`, found `event` itself
        1 / 0 == 1 && has(profile.x)                                   6 this always fails: a division by zero
        until == -days(1)                                              0 unknown name `until`; a path starts with one of event, profile, context, facts, preferences, needs, consents, interactions, cases, contacts, sentiment, customer, need, windows, counters, activities, dissatisfaction, shared, experiments, escalations, now; a text has quotes of its own: 'until'
        {"a": 1}.map(k, k)                                             0 expected a map in braces or a list macro such as `exists`, found both in one expression; `set` a fact to the one, and use that fact in the other
        café == 1                                                      3 expected letters a to z, digits and `_` in a name, found `é`; write such a name in quotes and brackets, as in profile["café"]
        "café" == cafe                                                11 unknown name `cafe`; a path starts with one of event, profile, context, facts, preferences, needs, consents, interactions, cases, contacts, sentiment, customer, need, windows, counters, activities, dissatisfaction, shared, experiments, escalations, now; a text has quotes of its own: 'cafe'
                                                                       0 expected an expression, found nothing
        "#);
    }

    #[test]
    fn endless_expressions_are_refused_before_they_exhaust_the_stack() {
        for source in [
            "(".repeat(1_000),
            format!("{}1{}", "(".repeat(900), ")".repeat(900)),
            format!("{}true", "!".repeat(1_900)),
            format!("1{}", "+1".repeat(900)),
            format!("profile{}", ".a".repeat(900)),
            format!("[{}", "[".repeat(1_900)),
            "a?".repeat(900),
            "{".repeat(1_900),
            "1 ".repeat(990),
            "\"".repeat(1_999),
            "x".repeat(100_000),
        ] {
            assert!(Expression::compile(&source).is_err(), "{}", &source[..20]);
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_compiler_panic(source in "\\PC{0,80}") {
            let _ = Expression::compile(&source);
        }

        #[test]
        fn no_expression_makes_an_evaluation_panic(
            parts in prop::collection::vec(prop::sample::select(vec![
                "profile.country", "event.properties.items", "now", "needs.card", "3", "2.5",
                "\"x\"", "null", "true", "(", ")", "[", "]", "{", "}", ":", ",", ".", "+", "-",
                "*", "/", "%", "<", "==", "&&", "||", "!", "?", "in", "size(", "days(", "has(",
                "timestamp(", "exists(i,", "map(i,", "i", "max(", "round(", "9223372036854775807",
                "default(", "1e308", "duration(", "lower(",
            ]), 1..12),
        ) {
            if let Ok(expression) = Expression::compile(&parts.join(" ")) {
                let _ = expression.test(&sample());
                let _ = expression.value(&sample());
                let _ = expression.time(&sample());
                let _ = expression.span(&sample());
            }
        }
    }
}
