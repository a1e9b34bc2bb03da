//! Evaluation of expressions. CEL's interpreter walks a tree and looks up every operator, variable and
//! function by name, which costs several times the work itself. Here operators, paths and our own
//! functions are resolved at load time; CEL's values still do comparison and arithmetic, and anything
//! else falls back to its interpreter.

use std::cmp::Ordering;

use cel::common::ast::{CallExpr, Expr, operators};
use cel::common::types::{CelBool, CelNull};
use cel::common::value::{CowVal, Val};
use cel::context::VariableResolver;
use cel::{Context, ExecutionError, IdedExpr, Value};
use smallvec::SmallVec;

use super::budget::{self, BudgetOwner, OutOfSteps};
use super::cel_value::{self, CelValue};
use super::functions::{Function, short_cut};
use super::lower::BindingName;
use super::{Path, Scope};
use crate::event;

/// One part of an expression.
pub(super) enum CompiledExpression {
    Path(usize),
    Constant(usize),
    And(Box<[CompiledExpression; 2]>),
    Or(Box<[CompiledExpression; 2]>),
    Not(Box<CompiledExpression>),
    /// Equal, or, if the flag is set, not equal.
    Equal(Box<[CompiledExpression; 2]>, bool),
    Order(Box<[CompiledExpression; 2]>, OrderComparison),
    In(Box<[CompiledExpression; 2]>),
    Choose(Box<[CompiledExpression; 3]>),
    Own(Function, Box<[CompiledExpression]>),
    /// Evaluated by the interpreter.
    Cel(Box<IdedExpr>),
}

/// A comparison by order.
#[derive(Clone, Copy)]
pub(super) struct OrderComparison {
    sign: &'static str,
    holds: fn(Ordering) -> bool,
}

/// Why a part has no value.
#[derive(Debug, Clone)]
pub(super) enum EvalFault {
    Cel(Box<ExecutionError>),
    /// An operator does not support these values.
    Operator {
        sign: &'static str,
        left: &'static str,
        right: &'static str,
    },
    /// The value is not a boolean.
    NoTruth(&'static str),
    /// The step budget is exceeded.
    Exceeded(BudgetOwner),
}

impl From<ExecutionError> for EvalFault {
    fn from(error: ExecutionError) -> EvalFault {
        EvalFault::Cel(Box::new(error))
    }
}

/// The input of an evaluation.
pub(super) struct EvalInput<'a> {
    pub(super) scope: &'a dyn Scope,
    pub(super) paths: &'a [Path],
    pub(super) constants: &'a [Box<dyn Val>],
    /// The interpreter's context; only if a part of the expression needs the interpreter.
    pub(super) context: Option<&'a Context<'a, 'a>>,
}

/// The paths and constants of one evaluation, by the names that the interpreter uses.
pub(super) struct EvalBindings<'a> {
    pub(super) found: SmallVec<[CelValue<'a>; 4]>,
    pub(super) constants: &'a [Box<dyn Val>],
}

impl VariableResolver for EvalBindings<'_> {
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        match BindingName::read(variable)? {
            BindingName::Path(at) => {
                self.found.get(at).map(|figure| CowVal::Borrowed(figure.as_val()))
            }
            BindingName::Constant(at) => {
                self.constants.get(at).map(|value| CowVal::Borrowed(&**value))
            }
            BindingName::Turn(steps) => {
                budget::pay(steps as u64).then(|| CowVal::owned(CelBool::from(true)))
            }
        }
    }
}

/// The value of one part.
pub(super) enum PartValue<'a> {
    Figure(CelValue<'a>),
    Cel(CowVal<'a, 'a>),
}

impl<'a> PartValue<'a> {
    pub(super) fn as_val<'b>(&'b self) -> &'b (dyn Val + 'b)
    where
        'a: 'b,
    {
        match self {
            PartValue::Figure(figure) => figure.as_val(),
            PartValue::Cel(value) => &**value,
        }
    }

    fn truth(truth: bool) -> PartValue<'a> {
        PartValue::Figure(CelValue::Bool(truth.into()))
    }
}

/// The comparison by order that an operator is.
fn order_of(operator: &str) -> Option<OrderComparison> {
    let order = |sign, holds| Some(OrderComparison { sign, holds });
    match operator {
        operators::LESS => order("<", Ordering::is_lt),
        operators::LESS_EQUALS => order("<=", Ordering::is_le),
        operators::GREATER => order(">", Ordering::is_gt),
        operators::GREATER_EQUALS => order(">=", Ordering::is_ge),
        _ => None,
    }
}

/// Whether it is another operator that has a compiled form.
fn is_operator(name: &str) -> bool {
    matches!(
        name,
        operators::LOGICAL_AND
            | operators::LOGICAL_OR
            | operators::LOGICAL_NOT
            | operators::EQUALS
            | operators::NOT_EQUALS
            | operators::IN
            | operators::CONDITIONAL
    )
}

impl CompiledExpression {
    /// The compiled form of a rewritten expression; literals become constants.
    pub(super) fn of(expr: IdedExpr, constants: &mut Vec<Box<dyn Val>>) -> CompiledExpression {
        let call = match expr.expr {
            Expr::Ident(ref name) => {
                return match BindingName::read(name) {
                    Some(BindingName::Path(at)) => CompiledExpression::Path(at),
                    Some(BindingName::Constant(at)) => CompiledExpression::Constant(at),
                    // A variable of a macro, which only the interpreter knows.
                    Some(BindingName::Turn(_)) | None => CompiledExpression::Cel(Box::new(expr)),
                };
            }
            Expr::Literal(literal) => {
                constants.push(literal.to_val().into_owned());
                return CompiledExpression::Constant(constants.len() - 1);
            }
            Expr::Call(call) if call.target.is_none() => call,
            other => {
                return CompiledExpression::Cel(Box::new(IdedExpr { id: expr.id, expr: other }));
            }
        };
        let order = order_of(&call.func_name);
        let function = short_cut(&call.func_name, call.args.len());
        if order.is_none() && function.is_none() && !is_operator(&call.func_name) {
            return CompiledExpression::Cel(Box::new(IdedExpr {
                id: expr.id,
                expr: Expr::Call(call),
            }));
        }
        let CallExpr { func_name, args, .. } = call;
        let mut parts = args.into_iter().map(|arg| CompiledExpression::of(arg, constants));
        if let Some(function) = function {
            return CompiledExpression::Own(function, parts.collect());
        }
        match (parts.next(), parts.next(), parts.next()) {
            (Some(condition), Some(then), Some(otherwise)) => {
                CompiledExpression::Choose(Box::new([condition, then, otherwise]))
            }
            (Some(left), Some(right), None) => {
                let sides = Box::new([left, right]);
                match (order, func_name.as_str()) {
                    (Some(order), _) => CompiledExpression::Order(sides, order),
                    (None, operators::LOGICAL_AND) => CompiledExpression::And(sides),
                    (None, operators::LOGICAL_OR) => CompiledExpression::Or(sides),
                    (None, operators::IN) => CompiledExpression::In(sides),
                    (None, operator) => {
                        CompiledExpression::Equal(sides, operator == operators::NOT_EQUALS)
                    }
                }
            }
            (Some(only), ..) => CompiledExpression::Not(Box::new(only)),
            // Every operator has operands; an index beyond the constants gives `null`.
            (None, ..) => CompiledExpression::Constant(usize::MAX),
        }
    }

    /// Whether a part needs the interpreter.
    pub(super) fn needs_interpreter(&self) -> bool {
        match self {
            CompiledExpression::Path(_) | CompiledExpression::Constant(_) => false,
            CompiledExpression::And(parts)
            | CompiledExpression::Or(parts)
            | CompiledExpression::Equal(parts, _)
            | CompiledExpression::Order(parts, _)
            | CompiledExpression::In(parts) => {
                parts.iter().any(CompiledExpression::needs_interpreter)
            }
            CompiledExpression::Not(part) => part.needs_interpreter(),
            CompiledExpression::Choose(parts) => {
                parts.iter().any(CompiledExpression::needs_interpreter)
            }
            CompiledExpression::Own(_, parts) => {
                parts.iter().any(CompiledExpression::needs_interpreter)
            }
            CompiledExpression::Cel(_) => true,
        }
    }

    /// Positions of paths, each with a set of values: for this to hold, each path must have one of its
    /// values, as far as equalities at the top level show.
    pub(super) fn lookups(
        &self,
        constants: &[Box<dyn Val>],
        found: &mut Vec<(usize, Vec<event::Value>)>,
    ) {
        let (path, values) = match self {
            CompiledExpression::And(sides) => {
                return sides.iter().for_each(|side| side.lookups(constants, found));
            }
            CompiledExpression::Equal(sides, false) => match &**sides {
                [CompiledExpression::Path(path), CompiledExpression::Constant(at)]
                | [CompiledExpression::Constant(at), CompiledExpression::Path(path)] => {
                    let value = constants.get(*at).map(|value| cel_value::value(&**value));
                    (path, value.and_then(Result::ok).map(|value| vec![value]))
                }
                _ => return,
            },
            CompiledExpression::In(sides) => match &**sides {
                [CompiledExpression::Path(path), CompiledExpression::Constant(at)] => {
                    let listed = constants.get(*at).map(|value| cel_value::value(&**value));
                    match listed {
                        Some(Ok(event::Value::List(listed))) => (path, Some(listed.into_vec())),
                        _ => return,
                    }
                }
                _ => return,
            },
            _ => return,
        };
        // A missing path reads as `null`, which no index contains; and compound values are compared by
        // their parts.
        let is_plain = |value: &event::Value| {
            use event::Value::{Bool, Float, Int, Text, UInt};
            matches!(value, Bool(_) | Int(_) | UInt(_) | Float(_) | Text(_))
        };
        if let Some(values) = values.filter(|values| values.iter().all(is_plain)) {
            found.push((*path, values));
        }
    }

    /// Evaluates it as a condition.
    pub(super) fn truth(&self, world: &EvalInput<'_>) -> Result<bool, EvalFault> {
        match self {
            // As in CEL: one side that decides is enough, even if the other has no value.
            CompiledExpression::And(sides) => match (sides[0].truth(world), &sides[1]) {
                (Ok(false), _) => Ok(false),
                (Ok(true), right) => right.truth(world),
                (Err(fault), right) => match right.truth(world) {
                    Ok(false) => Ok(false),
                    _ => Err(fault),
                },
            },
            CompiledExpression::Or(sides) => match (sides[0].truth(world), &sides[1]) {
                (Ok(true), _) => Ok(true),
                (Ok(false), right) => right.truth(world),
                (Err(fault), right) => match right.truth(world) {
                    Ok(true) => Ok(true),
                    _ => Err(fault),
                },
            },
            CompiledExpression::Not(part) => part.truth(world).map(|truth| !truth),
            CompiledExpression::Equal(sides, negated) => {
                let (left, right) = (sides[0].value(world)?, sides[1].value(world)?);
                Ok(left.as_val().equals(right.as_val()) != *negated)
            }
            CompiledExpression::Order(sides, OrderComparison { sign, holds }) => {
                let (left, right) = (sides[0].value(world)?, sides[1].value(world)?);
                let (left, right) = (left.as_val(), right.as_val());
                let compared = left.as_comparer().and_then(|comparer| comparer.compare(right).ok());
                compared.map(holds).ok_or_else(|| EvalFault::operator(sign, left, right))
            }
            CompiledExpression::In(sides) => {
                let (item, all) = (sides[0].value(world)?, sides[1].value(world)?);
                let (item, all) = (item.as_val(), all.as_val());
                let found = all.as_container().and_then(|all| all.contains(item).ok());
                found.ok_or_else(|| EvalFault::operator("in", item, all))
            }
            _ => {
                let value = self.value(world)?;
                let value = value.as_val();
                match value.downcast_ref::<CelBool>() {
                    Some(truth) => Ok(*truth.inner()),
                    None => Err(EvalFault::NoTruth(cel_value::describe(value))),
                }
            }
        }
    }

    /// Evaluates it.
    pub(super) fn value<'a>(&'a self, world: &EvalInput<'a>) -> Result<PartValue<'a>, EvalFault> {
        match self {
            CompiledExpression::Path(at) => Ok(PartValue::Figure(match world.paths.get(*at) {
                Some(path) => CelValue::of(world.scope.find(path)),
                None => CelValue::Null(CelNull),
            })),
            CompiledExpression::Constant(at) => Ok(match world.constants.get(*at) {
                Some(value) => PartValue::Cel(CowVal::Borrowed(&**value)),
                None => PartValue::Figure(CelValue::Null(CelNull)),
            }),
            CompiledExpression::And(_)
            | CompiledExpression::Or(_)
            | CompiledExpression::Not(_)
            | CompiledExpression::Equal(..)
            | CompiledExpression::Order(..)
            | CompiledExpression::In(_) => self.truth(world).map(PartValue::truth),
            CompiledExpression::Choose(parts) => {
                let [condition, then, otherwise] = &**parts;
                if condition.truth(world)? { then.value(world) } else { otherwise.value(world) }
            }
            CompiledExpression::Own(function, parts) => {
                let mut held: SmallVec<[PartValue<'a>; 3]> = SmallVec::new();
                for part in parts {
                    held.push(part.value(world)?);
                }
                let args = held.into_iter().map(PartValue::into_cow).collect();
                Ok(PartValue::Cel(function(args)?))
            }
            CompiledExpression::Cel(expr) => match world.context {
                Some(context) => Ok(PartValue::Cel(Value::resolve_val(expr, context)?)),
                None => Ok(PartValue::Figure(CelValue::Null(CelNull))),
            },
        }
    }
}

impl<'a> PartValue<'a> {
    fn into_cow(self) -> CowVal<'a, 'a> {
        match self {
            PartValue::Figure(figure) => CowVal::Owned(figure.into_boxed()),
            PartValue::Cel(value) => value,
        }
    }
}

impl EvalFault {
    fn operator(sign: &'static str, left: &dyn Val, right: &dyn Val) -> EvalFault {
        let (left, right) = (cel_value::describe(left), cel_value::describe(right));
        EvalFault::Operator { sign, left, right }
    }

    /// The fault in a policy author's terms.
    pub(super) fn reason(&self) -> String {
        match self {
            EvalFault::Cel(error) => cel_value::reason(error),
            EvalFault::Operator { sign, left, right } => {
                format!("`{sign}` does not work on {left} and {right}")
            }
            EvalFault::NoTruth(found) => format!("expected true or false, found {found}"),
            EvalFault::Exceeded(owner) => OutOfSteps(*owner).to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::policy::Expression;
    use crate::policy::arbitrary;
    use crate::policy::functions::SHARED;
    use crate::policy::lower;
    use crate::policy::scope::TestScope;

    fn sample() -> TestScope {
        TestScope::of([
            ("profile.whole", "3"),
            ("profile.number", "2.5"),
            ("profile.text", r#""b""#),
            ("profile.time", r#""2026-03-09T06:00:00Z""#),
            ("profile.truth", "true"),
            ("profile.list", r#"[1, "b", 2.5]"#),
            ("profile.map", r#"{"b": 1}"#),
        ])
    }

    const LEAVES: [&str; 22] = [
        "profile.whole",
        "profile.number",
        "profile.text",
        "profile.time",
        "profile.truth",
        "profile.list",
        "profile.map",
        "profile.missing",
        "now",
        "0",
        "1",
        "2.5",
        "-1",
        "\"b\"",
        "true",
        "false",
        "null",
        "[1, 2, \"b\"]",
        "days(1)",
        "\"2026-03-09T06:00:00Z\"",
        "has(profile.text)",
        "profile.list[0]",
    ];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn a_plan_evaluates_to_the_result_of_the_interpreter(
            source in arbitrary::expressions(&LEAVES),
        ) {
            let Ok(expression) = Expression::compile(&source) else { return Ok(()) };
            let parts = lower::compile(&source).unwrap();
            let sample = sample();
            let figures = EvalBindings {
                found: parts.paths.iter().map(|path| CelValue::of(sample.find(path))).collect(),
                constants: &parts.constants,
            };
            let shared: &Context<'_, '_> = &SHARED;
            let mut context = shared.new_inner_scope();
            context.set_variable_resolver(&figures);
            let _paid = budget::Evaluation::begin(BudgetOwner::Policy);
            let interpreted = Value::resolve_val(&parts.ast, &context)
                .map_err(drop)
                .and_then(|value| cel_value::value(&*value).map_err(drop));
            let planned = expression.value(&sample).map_err(drop);
            prop_assert_eq!(planned, interpreted);
        }
    }
}
