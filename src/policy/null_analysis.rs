//! Null analysis: what an expression evaluates to if one of its paths has no value, for any values of the
//! others. The analysis is sound: what it claims always holds.

use cel::IdedExpr;
use cel::common::ast::{CallExpr, Expr, LiteralValue, operators};
use cel::common::value::Val;

use super::lower::{self, BindingName, LoweredExpression};
use super::{CompileError, Path, Root, cel_value, functions};
use crate::event::Value;

/// An expression, analysed for missing paths.
pub(super) struct NullAnalysis(LoweredExpression);

/// The value that is read at a missing path.
#[derive(Clone, Copy, PartialEq)]
enum Instead {
    /// `null`.
    Null,
    /// 0, or `null`: for needs, windows, counters and activities.
    NullOrZero,
}

/// The analysis for one missing path.
#[derive(Clone, Copy)]
struct Missing {
    path: usize,
    instead: Instead,
}

impl NullAnalysis {
    /// Compiles `source`.
    ///
    /// # Errors
    /// As for any expression.
    pub(super) fn compile(source: &str) -> Result<NullAnalysis, CompileError> {
        lower::compile(source).map(NullAnalysis)
    }

    /// Whether it is `null`, whatever the values of its paths.
    pub(super) fn is_null(&self) -> bool {
        self.constant(&self.0.ast) == Some(Value::Null)
    }

    /// The paths without which it certainly does not hold.
    pub(super) fn required_paths(&self) -> Vec<Path> {
        self.paths(|missing| self.never(&self.0.ast, missing))
    }

    /// The paths without which it certainly has no result: `null`, or no value at all.
    pub(super) fn null_if_missing(&self) -> Vec<Path> {
        self.paths(|missing| self.nothing(&self.0.ast, missing))
    }

    fn paths(&self, holds: impl Fn(Missing) -> bool) -> Vec<Path> {
        let question = |(path, known): (usize, &Path)| {
            let instead = match known.root {
                Root::Needs | Root::Windows | Root::Counters | Root::Activities => {
                    Instead::NullOrZero
                }
                _ => Instead::Null,
            };
            holds(Missing { path, instead }).then(|| known.clone())
        };
        self.0.paths.iter().enumerate().filter_map(question).collect()
    }

    /// Whether a part is `null` or has no value.
    fn nothing(&self, part: &IdedExpr, missing: Missing) -> bool {
        let nothing = |part| self.nothing(part, missing);
        match &part.expr {
            Expr::Ident(name)
                if BindingName::read(name) == Some(BindingName::Path(missing.path)) =>
            {
                missing.instead == Instead::Null
            }
            Expr::Select(select) if !select.test => nothing(&select.operand),
            Expr::Call(CallExpr { target: Some(target), .. }) => nothing(target),
            Expr::Call(CallExpr { func_name, args, target: None }) => {
                match (func_name.as_str(), args.as_slice()) {
                    (operators::CONDITIONAL, [test, yes, no]) => {
                        nothing(test) || (nothing(yes) && nothing(no))
                    }
                    ("default", args) => args.iter().all(nothing),
                    (operators::IN, [_, all]) => nothing(all),
                    // None of these supports `null`.
                    (
                        operators::ADD
                        | operators::SUBSTRACT
                        | operators::MULTIPLY
                        | operators::DIVIDE
                        | operators::MODULO
                        | operators::LESS
                        | operators::LESS_EQUALS
                        | operators::GREATER
                        | operators::GREATER_EQUALS
                        | operators::LOGICAL_NOT
                        | operators::NEGATE
                        | functions::ADD
                        | functions::SUBTRACT
                        | functions::MULTIPLY
                        | functions::DIVIDE
                        | functions::REMAINDER
                        | "days"
                        | "hours"
                        | "minutes"
                        | "abs"
                        | "round"
                        | "lower"
                        | "timestamp"
                        | functions::TIMESTAMP,
                        args,
                    ) => args.iter().any(nothing),
                    _ => self.constant(part) == Some(Value::Null),
                }
            }
            _ => self.constant(part) == Some(Value::Null),
        }
    }

    /// Whether a part is certainly not true.
    fn never(&self, part: &IdedExpr, missing: Missing) -> bool {
        if self.nothing(part, missing) || self.constant(part) == Some(Value::Bool(false)) {
            return true;
        }
        let Expr::Call(CallExpr { func_name, args, target: None }) = &part.expr else {
            return false;
        };
        let never = |part| self.never(part, missing);
        match (func_name.as_str(), args.as_slice()) {
            (operators::LOGICAL_AND, [left, right]) => never(left) || never(right),
            (operators::LOGICAL_OR, [left, right]) => never(left) && never(right),
            (operators::CONDITIONAL, [_, yes, no]) => never(yes) && never(no),
            (operators::EQUALS, [left, right]) => {
                self.differ(left, right, missing) || self.differ(right, left, missing)
            }
            (operators::NOT_EQUALS, [left, right]) => {
                self.nothing(left, missing) && self.nothing(right, missing)
            }
            (operators::IN, [item, all]) => match self.constant(all) {
                Some(Value::List(all)) => {
                    self.nothing(item, missing) && !all.contains(&Value::Null)
                }
                _ => false,
            },
            (operator, [left, right]) => {
                let [over, under] = match operator {
                    operators::GREATER => [left, right],
                    operators::LESS => [right, left],
                    _ => return false,
                };
                let is_it = |part: &IdedExpr| self.is_zero(part, missing);
                let number = |part| self.constant(part).and_then(|value| value.as_number());
                (is_it(over) && number(under).is_some_and(|number| number >= 0.0))
                    || (is_it(under) && number(over).is_some_and(|number| number <= 0.0))
            }
            _ => false,
        }
    }

    /// Whether the first has no value, or is 0, and the other has another value.
    fn differ(&self, part: &IdedExpr, other: &IdedExpr, missing: Missing) -> bool {
        match self.constant(other) {
            None | Some(Value::Null) => false,
            Some(Value::Int(0) | Value::Float(0.0)) => self.nothing(part, missing),
            Some(_) => self.nothing(part, missing) || self.is_zero(part, missing),
        }
    }

    fn is_zero(&self, part: &IdedExpr, missing: Missing) -> bool {
        missing.instead == Instead::NullOrZero
            && matches!(&part.expr, Expr::Ident(name)
                if BindingName::read(name) == Some(BindingName::Path(missing.path)))
    }

    fn constant(&self, part: &IdedExpr) -> Option<Value> {
        let of = |value: &dyn Val| cel_value::value(value).ok();
        match &part.expr {
            Expr::Literal(LiteralValue::Null) => Some(Value::Null),
            Expr::Literal(literal) => of(&*literal.to_val()),
            Expr::Ident(name) => match BindingName::read(name)? {
                BindingName::Constant(at) => of(&**self.0.constants.get(at)?),
                BindingName::Path(_) | BindingName::Turn(_) => None,
            },
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::policy::Expression;
    use crate::policy::arbitrary;
    use crate::policy::scope::TestScope;

    fn paths(paths: &[Path]) -> String {
        paths.iter().map(Path::to_string).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_condition_names_the_values_without_which_it_cannot_hold() {
        let tell = |source: &str| paths(&NullAnalysis::compile(source).unwrap().required_paths());
        for (source, expected) in [
            ("context.a == 'x'", "context.a"),
            ("context.a != 'x'", ""),
            ("has(context.a) && facts.b > 3", "context.a facts.b"),
            ("context.a == 'x' || context.b == 'x'", ""),
            ("context.a == 'x' || context.a == 'y'", "context.a"),
            ("context.a in ['x', 'y']", "context.a"),
            ("default(context.a, 'x') == 'x'", ""),
            ("needs.a > 0.5 && windows.b >= 0", "needs.a"),
            ("windows.a == 3 && windows.b == 0", "windows.a"),
            ("0 < counters.a && 1 > counters.b", "counters.a"),
            ("!context.a", "context.a"),
            ("context.a.contains('x')", "context.a"),
            ("facts.a + 1 > 3", "facts.a"),
            ("now > timestamp(context.a) + days(facts.b)", "now context.a facts.b"),
        ] {
            assert_eq!(tell(source), expected, "{source}");
        }
    }

    #[test]
    fn an_expression_names_the_values_without_which_it_is_null() {
        let tell = |source: &str| paths(&NullAnalysis::compile(source).unwrap().null_if_missing());
        for (source, expected) in [
            ("context.a", "context.a"),
            ("facts.a + '!'", "facts.a"),
            ("default(facts.a, 0) + 1", ""),
            ("facts.a > 3 ? facts.b : facts.b + 1", "facts.a facts.b"),
            ("windows.a + 1", ""),
            ("context.a == null", ""),
        ] {
            assert_eq!(tell(source), expected, "{source}");
        }
        assert!(NullAnalysis::compile("null").unwrap().is_null());
        assert!(!NullAnalysis::compile("context.a").unwrap().is_null());
    }

    const LEAVES: [&str; 13] = [
        "facts.a",
        "facts.b",
        "windows.c",
        "0",
        "1",
        "-1",
        "\"b\"",
        "true",
        "false",
        "null",
        "[1, \"b\"]",
        "has(facts.a)",
        "facts.a.b",
    ];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]

        #[test]
        fn the_analysis_holds_for_all_other_values(
            source in arbitrary::expressions(&LEAVES),
            values in prop::array::uniform3(
                prop::sample::select(vec!["null", "0", "1", "2.5", "\"b\"", "true", "[1]"]),
            ),
        ) {
            let Ok(expression) = Expression::compile(&source) else { return Ok(()) };
            let absent = NullAnalysis::compile(&source).unwrap();
            let without = |gone: &Path| {
                let all = ["facts.a", "facts.b", "windows.c"].into_iter().zip(values);
                let instead = if gone.root == Root::Windows { "0" } else { "null" };
                let gone = gone.to_string();
                TestScope::of(all.map(|(path, value)| {
                    (path, if gone.starts_with(path) { instead } else { value })
                }))
            };
            for path in absent.required_paths() {
                prop_assert!(!expression.test(&without(&path)).holds(), "{source} without {path}");
            }
            for path in absent.null_if_missing() {
                let value = expression.value(&without(&path)).unwrap_or(Value::Null);
                prop_assert_eq!(value, Value::Null, "{} without {}", source, path);
            }
        }
    }
}
