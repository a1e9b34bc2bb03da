//! How an expression is evaluated: the interpreter of CEL walks a tree by the names of operators
//! and looks every variable and function up by name, which costs several times the work itself.
//! Here operators, paths and our own functions are resolved when the policy is loaded; CEL's own
//! values still compare and compute, and whatever has no short cut is left to its interpreter.

use std::cmp::Ordering;

use cel::common::ast::{CallExpr, Expr, operators};
use cel::common::types::{CelBool, CelNull};
use cel::common::value::{CowVal, Val};
use cel::context::VariableResolver;
use cel::{Context, ExecutionError, IdedExpr, Value};
use smallvec::SmallVec;

use super::budget::{self, OutOfSteps, Payer};
use super::figures::{self, Figure};
use super::functions::{Function, short_cut};
use super::rewrite::Name;
use super::{Path, Scope};
use crate::event;

/// One part of an expression.
pub(super) enum Plan {
    Path(usize),
    Constant(usize),
    And(Box<[Plan; 2]>),
    Or(Box<[Plan; 2]>),
    Not(Box<Plan>),
    /// Equal, or, if the flag is set, not equal.
    Equal(Box<[Plan; 2]>, bool),
    Order(Box<[Plan; 2]>, Order),
    In(Box<[Plan; 2]>),
    Choose(Box<[Plan; 3]>),
    Own(Function, Box<[Plan]>),
    /// Left to the interpreter.
    Cel(Box<IdedExpr>),
}

/// A comparison of order.
#[derive(Clone, Copy)]
pub(super) struct Order {
    sign: &'static str,
    holds: fn(Ordering) -> bool,
}

/// Why a part has no value.
#[derive(Debug, Clone)]
pub(super) enum Fault {
    Cel(Box<ExecutionError>),
    /// An operator does not work on such values.
    Operator {
        sign: &'static str,
        left: &'static str,
        right: &'static str,
    },
    /// Something else than true or false.
    NoTruth(&'static str),
    /// It ran out of steps.
    Exceeded(Payer),
}

impl From<ExecutionError> for Fault {
    fn from(error: ExecutionError) -> Fault {
        Fault::Cel(Box::new(error))
    }
}

/// What an evaluation reads from.
pub(super) struct World<'a> {
    pub(super) scope: &'a dyn Scope,
    pub(super) paths: &'a [Path],
    pub(super) constants: &'a [Box<dyn Val>],
    /// For the interpreter; there only if it has a part in the expression.
    pub(super) context: Option<&'a Context<'a, 'a>>,
}

/// The paths and constants of one evaluation, under the names that the interpreter sees.
pub(super) struct Figures<'a> {
    pub(super) found: SmallVec<[Figure<'a>; 4]>,
    pub(super) constants: &'a [Box<dyn Val>],
}

impl VariableResolver for Figures<'_> {
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        match Name::read(variable)? {
            Name::Path(at) => self.found.get(at).map(|figure| CowVal::Borrowed(figure.as_val())),
            Name::Constant(at) => self.constants.get(at).map(|value| CowVal::Borrowed(&**value)),
            Name::Turn(steps) => {
                budget::pay(steps as u64).then(|| CowVal::owned(CelBool::from(true)))
            }
        }
    }
}

/// The value of one part.
pub(super) enum Held<'a> {
    Figure(Figure<'a>),
    Cel(CowVal<'a, 'a>),
}

impl<'a> Held<'a> {
    pub(super) fn as_val<'b>(&'b self) -> &'b (dyn Val + 'b)
    where
        'a: 'b,
    {
        match self {
            Held::Figure(figure) => figure.as_val(),
            Held::Cel(value) => &**value,
        }
    }

    fn truth(truth: bool) -> Held<'a> {
        Held::Figure(Figure::Bool(truth.into()))
    }
}

impl Plan {
    /// The plan for a rewritten expression; literals become constants.
    pub(super) fn of(expr: IdedExpr, constants: &mut Vec<Box<dyn Val>>) -> Plan {
        let call = match expr.expr {
            Expr::Ident(ref name) => {
                return match Name::read(name) {
                    Some(Name::Path(at)) => Plan::Path(at),
                    Some(Name::Constant(at)) => Plan::Constant(at),
                    // A variable of a macro, which only the interpreter knows.
                    Some(Name::Turn(_)) | None => Plan::Cel(Box::new(expr)),
                };
            }
            Expr::Literal(literal) => {
                constants.push(literal.to_val().into_owned());
                return Plan::Constant(constants.len() - 1);
            }
            Expr::Call(call) if call.target.is_none() => call,
            other => return Plan::Cel(Box::new(IdedExpr { id: expr.id, expr: other })),
        };
        let order = |sign, holds| Some(Order { sign, holds });
        let order = match call.func_name.as_str() {
            operators::LESS => order("<", Ordering::is_lt),
            operators::LESS_EQUALS => order("<=", Ordering::is_le),
            operators::GREATER => order(">", Ordering::is_gt),
            operators::GREATER_EQUALS => order(">=", Ordering::is_ge),
            _ => None,
        };
        let function = short_cut(&call.func_name, call.args.len());
        let has_short_cut = order.is_some()
            || function.is_some()
            || matches!(
                call.func_name.as_str(),
                operators::LOGICAL_AND
                    | operators::LOGICAL_OR
                    | operators::LOGICAL_NOT
                    | operators::EQUALS
                    | operators::NOT_EQUALS
                    | operators::IN
                    | operators::CONDITIONAL
            );
        if !has_short_cut {
            return Plan::Cel(Box::new(IdedExpr { id: expr.id, expr: Expr::Call(call) }));
        }
        let CallExpr { func_name, args, .. } = call;
        let mut parts = args.into_iter().map(|arg| Plan::of(arg, constants));
        if let Some(function) = function {
            return Plan::Own(function, parts.collect());
        }
        match (parts.next(), parts.next(), parts.next()) {
            (Some(condition), Some(then), Some(otherwise)) => {
                Plan::Choose(Box::new([condition, then, otherwise]))
            }
            (Some(left), Some(right), None) => {
                let sides = Box::new([left, right]);
                match (order, func_name.as_str()) {
                    (Some(order), _) => Plan::Order(sides, order),
                    (None, operators::LOGICAL_AND) => Plan::And(sides),
                    (None, operators::LOGICAL_OR) => Plan::Or(sides),
                    (None, operators::IN) => Plan::In(sides),
                    (None, operator) => Plan::Equal(sides, operator == operators::NOT_EQUALS),
                }
            }
            (Some(only), ..) => Plan::Not(Box::new(only)),
            // No operator is without operands; reading past the constants gives `null`.
            (None, ..) => Plan::Constant(usize::MAX),
        }
    }

    /// Whether the interpreter has a part in it.
    pub(super) fn needs_interpreter(&self) -> bool {
        match self {
            Plan::Path(_) | Plan::Constant(_) => false,
            Plan::And(parts)
            | Plan::Or(parts)
            | Plan::Equal(parts, _)
            | Plan::Order(parts, _)
            | Plan::In(parts) => parts.iter().any(Plan::needs_interpreter),
            Plan::Not(part) => part.needs_interpreter(),
            Plan::Choose(parts) => parts.iter().any(Plan::needs_interpreter),
            Plan::Own(_, parts) => parts.iter().any(Plan::needs_interpreter),
            Plan::Cel(_) => true,
        }
    }

    /// Positions of paths, each with the values of which one must stand there for this to hold, as
    /// far as equalities at the top say so.
    pub(super) fn lookups(
        &self,
        constants: &[Box<dyn Val>],
        found: &mut Vec<(usize, Vec<event::Value>)>,
    ) {
        let (path, values) = match self {
            Plan::And(sides) => {
                return sides.iter().for_each(|side| side.lookups(constants, found));
            }
            Plan::Equal(sides, false) => match &**sides {
                [Plan::Path(path), Plan::Constant(at)] | [Plan::Constant(at), Plan::Path(path)] => {
                    let value = constants.get(*at).map(|value| figures::value(&**value));
                    (path, value.and_then(Result::ok).map(|value| vec![value]))
                }
                _ => return,
            },
            Plan::In(sides) => match &**sides {
                [Plan::Path(path), Plan::Constant(at)] => {
                    let listed = constants.get(*at).map(|value| figures::value(&**value));
                    match listed {
                        Some(Ok(event::Value::List(listed))) => (path, Some(listed.into_vec())),
                        _ => return,
                    }
                }
                _ => return,
            },
            _ => return,
        };
        // At a path where nothing stands there is `null`, of which no index knows; and compound
        // values are compared by their parts.
        let is_plain = |value: &event::Value| {
            use event::Value::{Bool, Float, Int, Text, UInt};
            matches!(value, Bool(_) | Int(_) | UInt(_) | Float(_) | Text(_))
        };
        if let Some(values) = values.filter(|values| values.iter().all(is_plain)) {
            found.push((*path, values));
        }
    }

    /// Whether it holds.
    pub(super) fn truth(&self, world: &World<'_>) -> Result<bool, Fault> {
        match self {
            // As in CEL: one side that decides is enough, even if the other has no value.
            Plan::And(sides) => match (sides[0].truth(world), &sides[1]) {
                (Ok(false), _) => Ok(false),
                (Ok(true), right) => right.truth(world),
                (Err(fault), right) => match right.truth(world) {
                    Ok(false) => Ok(false),
                    _ => Err(fault),
                },
            },
            Plan::Or(sides) => match (sides[0].truth(world), &sides[1]) {
                (Ok(true), _) => Ok(true),
                (Ok(false), right) => right.truth(world),
                (Err(fault), right) => match right.truth(world) {
                    Ok(true) => Ok(true),
                    _ => Err(fault),
                },
            },
            Plan::Not(part) => part.truth(world).map(|truth| !truth),
            Plan::Equal(sides, negated) => {
                let (left, right) = (sides[0].value(world)?, sides[1].value(world)?);
                Ok(left.as_val().equals(right.as_val()) != *negated)
            }
            Plan::Order(sides, Order { sign, holds }) => {
                let (left, right) = (sides[0].value(world)?, sides[1].value(world)?);
                let (left, right) = (left.as_val(), right.as_val());
                let compared = left.as_comparer().and_then(|comparer| comparer.compare(right).ok());
                compared.map(holds).ok_or_else(|| Fault::operator(sign, left, right))
            }
            Plan::In(sides) => {
                let (item, all) = (sides[0].value(world)?, sides[1].value(world)?);
                let (item, all) = (item.as_val(), all.as_val());
                let found = all.as_container().and_then(|all| all.contains(item).ok());
                found.ok_or_else(|| Fault::operator("in", item, all))
            }
            _ => {
                let value = self.value(world)?;
                let value = value.as_val();
                match value.downcast_ref::<CelBool>() {
                    Some(truth) => Ok(*truth.inner()),
                    None => Err(Fault::NoTruth(figures::describe(value))),
                }
            }
        }
    }

    /// What it comes to.
    pub(super) fn value<'a>(&'a self, world: &World<'a>) -> Result<Held<'a>, Fault> {
        match self {
            Plan::Path(at) => Ok(Held::Figure(match world.paths.get(*at) {
                Some(path) => Figure::of(world.scope.find(path)),
                None => Figure::Null(CelNull),
            })),
            Plan::Constant(at) => Ok(match world.constants.get(*at) {
                Some(value) => Held::Cel(CowVal::Borrowed(&**value)),
                None => Held::Figure(Figure::Null(CelNull)),
            }),
            Plan::And(_)
            | Plan::Or(_)
            | Plan::Not(_)
            | Plan::Equal(..)
            | Plan::Order(..)
            | Plan::In(_) => self.truth(world).map(Held::truth),
            Plan::Choose(parts) => {
                let [condition, then, otherwise] = &**parts;
                if condition.truth(world)? { then.value(world) } else { otherwise.value(world) }
            }
            Plan::Own(function, parts) => {
                let mut held: SmallVec<[Held<'a>; 3]> = SmallVec::new();
                for part in parts {
                    held.push(part.value(world)?);
                }
                let args = held.into_iter().map(Held::into_cow).collect();
                Ok(Held::Cel(function(args)?))
            }
            Plan::Cel(expr) => match world.context {
                Some(context) => Ok(Held::Cel(Value::resolve_val(expr, context)?)),
                None => Ok(Held::Figure(Figure::Null(CelNull))),
            },
        }
    }
}

impl<'a> Held<'a> {
    fn into_cow(self) -> CowVal<'a, 'a> {
        match self {
            Held::Figure(figure) => CowVal::Owned(figure.into_boxed()),
            Held::Cel(value) => value,
        }
    }
}

impl Fault {
    fn operator(sign: &'static str, left: &dyn Val, right: &dyn Val) -> Fault {
        let (left, right) = (figures::describe(left), figures::describe(right));
        Fault::Operator { sign, left, right }
    }

    /// In the words of a policy's author.
    pub(super) fn reason(&self) -> String {
        match self {
            Fault::Cel(error) => figures::reason(error),
            Fault::Operator { sign, left, right } => {
                format!("`{sign}` does not work on {left} and {right}")
            }
            Fault::NoTruth(found) => format!("expected true or false, found {found}"),
            Fault::Exceeded(payer) => OutOfSteps(*payer).to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::policy::Expression;
    use crate::policy::functions::SHARED;
    use crate::policy::random;
    use crate::policy::rewrite;
    use crate::policy::scope::Sample;

    fn sample() -> Sample {
        Sample::of([
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
        fn a_plan_comes_to_what_the_interpreter_comes_to(
            source in random::expressions(&LEAVES),
        ) {
            let Ok(expression) = Expression::compile(&source) else { return Ok(()) };
            let parts = rewrite::compile(&source).unwrap();
            let sample = sample();
            let figures = Figures {
                found: parts.paths.iter().map(|path| Figure::of(sample.find(path))).collect(),
                constants: &parts.constants,
            };
            let shared: &Context<'_, '_> = &SHARED;
            let mut context = shared.new_inner_scope();
            context.set_variable_resolver(&figures);
            let _paid = budget::Evaluation::begin(Payer::Policy);
            let interpreted = Value::resolve_val(&parts.ast, &context)
                .map_err(drop)
                .and_then(|value| figures::value(&*value).map_err(drop));
            let planned = expression.value(&sample).map_err(drop);
            prop_assert_eq!(planned, interpreted);
        }
    }
}
