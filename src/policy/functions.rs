//! The functions of expressions, and the one context in which all expressions run.

use std::cmp::Ordering;
use std::sync::{Arc, LazyLock};

use cel::common::ast::operators;
use cel::common::types::{
    CelBool, CelDouble, CelDuration, CelInt, CelList, CelNull, CelString, CelTimestamp, DYN_TYPE,
};
use cel::common::value::{CowVal, Val};
use cel::{Context, Env, ExecutionError};

use super::budget;
use super::cel_value;
use crate::event::Moment;

type Called<'b, 'v> = Result<CowVal<'b, 'v>, ExecutionError>;
pub(super) type Function = for<'b, 'v> fn(Vec<CowVal<'b, 'v>>) -> Called<'b, 'v>;

/// Functions called as `name(…)`, in the order of their documentation.
pub(super) const FUNCTIONS: &[&str] = &[
    "default",
    "days",
    "hours",
    "minutes",
    "min",
    "max",
    "abs",
    "round",
    "lower",
    "mentions",
    "size",
    "string",
    "int",
    "double",
    "bool",
    "timestamp",
    "duration",
];

/// Functions called as `value.name(…)`.
pub(super) const METHODS: &[&str] = &[
    "contains",
    "startsWith",
    "endsWith",
    "size",
    "getFullYear",
    "getMonth",
    "getDate",
    "getDayOfMonth",
    "getDayOfWeek",
    "getDayOfYear",
    "getHours",
    "getMinutes",
    "getSeconds",
];

/// Macros, which the parser expands: listed here for suggestions of the nearest right name.
pub(super) const MACROS: &[&str] = &["has", "all", "exists", "exists_one", "map", "filter"];

/// Arithmetic under names of our own: CEL does not add an integer to another number, and numbers from
/// JSON are integers or not by chance.
pub(super) const ADD: &str = "@add";
pub(super) const SUBTRACT: &str = "@subtract";
pub(super) const MULTIPLY: &str = "@multiply";
pub(super) const DIVIDE: &str = "@divide";
pub(super) const REMAINDER: &str = "@remainder";

/// The time in a text, in more forms than CEL knows.
pub(super) const TIMESTAMP: &str = "@timestamp";

/// Charges the steps for its argument and returns it: expressions have a budget.
pub(super) const WEIGH: &str = "@weigh";

const OWN: &[(&str, &[usize], Function)] = &[
    ("default", &[2], default),
    ("days", &[1], |args| span("days", &args, 86_400.0)),
    ("hours", &[1], |args| span("hours", &args, 3_600.0)),
    ("minutes", &[1], |args| span("minutes", &args, 60.0)),
    ("min", &[2, 3, 4], |args| extreme(args, Ordering::Less)),
    ("max", &[2, 3, 4], |args| extreme(args, Ordering::Greater)),
    ("abs", &[1], abs),
    ("round", &[1, 2], round),
    ("lower", &[1], lower),
    ("mentions", &[2], mentions),
    (ADD, &[2], |args| arithmetic(&args, |l, r| l + r, Operator::Add)),
    (SUBTRACT, &[2], |args| arithmetic(&args, |l, r| l - r, Operator::Subtract)),
    (MULTIPLY, &[2], |args| arithmetic(&args, |l, r| l * r, Operator::Multiply)),
    (DIVIDE, &[2], |args| arithmetic(&args, |l, r| l / r, Operator::Divide)),
    (REMAINDER, &[2], |args| arithmetic(&args, |l, r| l % r, Operator::Remainder)),
    (TIMESTAMP, &[1], timestamp),
    (WEIGH, &[1], weigh),
];

/// The context that every evaluation extends: functions, and no variables.
pub(super) static SHARED: LazyLock<Context<'static, 'static>> = LazyLock::new(|| {
    let mut env = Env::stdlib();
    for (name, arities, function) in OWN {
        for arity in *arities {
            let id = format!("jumeau_{name}_{arity}");
            let any_types = (0..*arity).map(|_| DYN_TYPE).collect();
            let declared = env.add_overload(name, &id, any_types, *function);
            assert!(declared.is_ok(), "no function of the standard library is called `{name}`");
        }
    }
    Context::with_env(Arc::new(env))
});

/// The function that a call is compiled to without the interpreter. Arithmetic that was left to CEL has
/// the same result in ours.
pub(super) fn short_cut(name: &str, arguments: usize) -> Option<Function> {
    let name = match name {
        operators::ADD => ADD,
        operators::SUBSTRACT => SUBTRACT,
        name => name,
    };
    let known = OWN.iter().find(|(known, ..)| *known == name);
    known.filter(|(_, arities, _)| arities.contains(&arguments)).map(|(.., function)| *function)
}

fn failed(function: &str, message: String) -> ExecutionError {
    ExecutionError::FunctionError { function: function.to_owned(), message }
}

fn default<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Called<'b, 'v> {
    let mut args = args.into_iter();
    match (args.next(), args.next()) {
        (Some(value), Some(instead)) if value.downcast_ref::<CelNull>().is_some() => Ok(instead),
        (Some(value), _) => Ok(value),
        (None, _) => Err(ExecutionError::MissingArgumentOrTarget),
    }
}

fn weigh<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Called<'b, 'v> {
    let value = args.into_iter().next().ok_or(ExecutionError::MissingArgumentOrTarget)?;
    // However this error is converted later, the evaluation knows that its budget is exceeded.
    if budget::pay_for(value.as_ref()) { Ok(value) } else { Err(failed(WEIGH, String::new())) }
}

/// As in CEL, for every text that is a [`Moment`], and with a helpful error message.
fn timestamp<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Called<'b, 'v> {
    let mut args = args.into_iter();
    let given = args.next().ok_or(ExecutionError::MissingArgumentOrTarget)?;
    if given.downcast_ref::<CelTimestamp>().is_some() {
        return Ok(given);
    }
    let wanted = "timestamp: expected a time such as 2026-11-22T09:30:00Z, found";
    match given.downcast_ref::<CelString<'_>>() {
        Some(text) => match Moment::parse(text.inner()) {
            Some(moment) => Ok(CowVal::owned(CelTimestamp::from(moment.to_chrono()))),
            None => {
                let found = crate::event::cut(text.inner(), 64);
                Err(failed("timestamp", format!("{wanted} `{found}`")))
            }
        },
        None => match given.downcast_ref::<CelInt>() {
            Some(secs) => chrono::DateTime::from_timestamp(*secs.inner(), 0)
                .map(|time| CowVal::owned(CelTimestamp::from(time.fixed_offset())))
                .ok_or_else(|| failed("timestamp", format!("{wanted} {}", secs.inner()))),
            None => {
                let found = cel_value::describe(given.as_ref());
                Err(failed("timestamp", format!("{wanted} {found}")))
            }
        },
    }
}

fn number_of(function: &str, args: &[CowVal<'_, '_>]) -> Result<f64, ExecutionError> {
    let found = args.first().ok_or(ExecutionError::MissingArgumentOrTarget)?;
    cel_value::number(found.as_ref()).ok_or_else(|| {
        failed(
            function,
            format!("{function}: expected a number, found {}", cel_value::describe(found.as_ref())),
        )
    })
}

fn span<'b, 'v>(name: &str, args: &[CowVal<'b, 'v>], unit_secs: f64) -> Called<'b, 'v> {
    let ms = number_of(name, args)? * unit_secs * 1_000.0;
    // Durations within ± 10,000 years cannot overflow when they are added to a time.
    let ms = ms.clamp(-cel_value::SPAN_MS_MAX, cel_value::SPAN_MS_MAX);
    Ok(CowVal::owned(CelDuration::from(chrono::Duration::milliseconds(ms as i64))))
}

fn extreme<'b, 'v>(args: Vec<CowVal<'b, 'v>>, wanted: Ordering) -> Called<'b, 'v> {
    let mut args = args.into_iter();
    let mut best = args.next().ok_or(ExecutionError::MissingArgumentOrTarget)?;
    for candidate in args {
        let comparer = candidate.as_comparer().ok_or_else(|| {
            failed(
                "min/max",
                format!(
                    "min and max: expected values with an order, such as numbers or times, found {}",
                    cel_value::describe(candidate.as_ref())
                ),
            )
        })?;
        if comparer.compare(best.as_ref())? == wanted {
            best = candidate;
        }
    }
    Ok(best)
}

fn abs<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Called<'b, 'v> {
    let value = number_of("abs", &args)?;
    match args.first().and_then(|arg| cel_value::whole(arg.as_ref())) {
        // The absolute value of the smallest `i64` fits, too.
        Some(whole) => cel_value::of_whole(whole.abs()).ok_or_else(|| too_large("abs")),
        None => Ok(CowVal::owned(CelDouble::from(value.abs()))),
    }
}

fn round<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Called<'b, 'v> {
    let value = number_of("round", &args)?;
    if let [whole] = &args[..]
        && let Some(whole) = cel_value::whole(whole.as_ref())
    {
        return cel_value::of_whole(whole).ok_or_else(|| too_large("round"));
    }
    match args.get(1).map(|digits| cel_value::number(digits.as_ref())) {
        // A cast to i64 saturates.
        None => Ok(CowVal::owned(CelInt::from(value.round() as i64))),
        Some(Some(digits)) if (0.0..=9.0).contains(&digits) => {
            let scale = 10f64.powf(digits.trunc());
            let rounded = (value * scale).round() / scale;
            let rounded = if rounded.is_finite() { rounded } else { value };
            Ok(CowVal::owned(CelDouble::from(rounded)))
        }
        Some(digits) => {
            let found = match digits {
                Some(digits) => digits.to_string(),
                None => cel_value::describe(args[1].as_ref()).to_owned(),
            };
            Err(failed("round", format!("round: expected 0 to 9 digits, found {found}")))
        }
    }
}

fn lower<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Called<'b, 'v> {
    match args.first().and_then(|arg| arg.downcast_ref::<CelString<'_>>()) {
        Some(text) => Ok(CowVal::owned(CelString::from(text.inner().to_lowercase()))),
        None => {
            let found = args.first().map_or("nothing", |arg| cel_value::describe(arg.as_ref()));
            Err(failed("lower", format!("lower: expected a text, found {found}")))
        }
    }
}

/// Whether the text contains any of the phrases, ignoring case.
fn mentions<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Called<'b, 'v> {
    let wrong = |wanted: &str, found: &dyn Val| {
        let found = cel_value::describe(found);
        failed("mentions", format!("mentions: expected {wanted}, found {found}"))
    };
    let [text, phrases] = &args[..] else {
        return Err(ExecutionError::InvalidArgumentCount { expected: 2, actual: args.len() });
    };
    let (text, phrases) = (text.as_ref(), phrases.as_ref());
    let Some(text) = text.downcast_ref::<CelString<'_>>() else {
        return Err(wrong("a text as its first argument", text));
    };
    let Some(phrases) = phrases.downcast_ref::<CelList<'_>>() else {
        return Err(wrong("a list of texts as its second argument", phrases));
    };
    let text = text.inner().to_lowercase();
    let mut is_mentioned = false;
    for phrase in phrases.inner() {
        let Some(found) = phrase.downcast_ref::<CelString<'_>>() else {
            return Err(wrong("only texts in its list", &**phrase));
        };
        let phrase = found.inner();
        is_mentioned |= if phrase.chars().any(char::is_uppercase) {
            text.contains(&phrase.to_lowercase())
        } else {
            text.contains(phrase)
        };
    }
    Ok(CowVal::owned(CelBool::from(is_mentioned)))
}

#[derive(Clone, Copy)]
enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

fn too_large(function: &str) -> ExecutionError {
    failed(function, format!("`{function}` gives a whole number that is too large"))
}

/// Why an operator on floats has no result that is a number.
fn no_number(sign: &str, right: f64) -> String {
    let by_zero = right == 0.0;
    match sign {
        "/" if by_zero => cel_value::DIVISION_BY_ZERO.to_owned(),
        "%" if by_zero => cel_value::REMAINDER_BY_ZERO.to_owned(),
        _ => format!("`{sign}` gives a number that is too large"),
    }
}

/// Mixed numbers as floats, a division of integers as an exact quotient, everything else as in CEL.
/// Integers too large for CEL's `int` are computed with others as floats: CEL would not mix the two.
fn arithmetic<'b, 'v>(
    args: &[CowVal<'b, 'v>],
    on_floats: fn(f64, f64) -> f64,
    operator: Operator,
) -> Called<'b, 'v> {
    let [left, right] = args else {
        return Err(ExecutionError::InvalidArgumentCount { expected: 2, actual: args.len() });
    };
    let (left, right) = (left.as_ref(), right.as_ref());
    let sign = match operator {
        Operator::Add => "+",
        Operator::Subtract => "-",
        Operator::Multiply => "*",
        Operator::Divide => "/",
        Operator::Remainder => "%",
    };
    let wholes = match (cel_value::whole(left), cel_value::whole(right)) {
        (Some(left), Some(right)) => Some((left, right)),
        _ => None,
    };
    let inexact = match (wholes, operator) {
        (Some((left, right)), Operator::Divide) => {
            left.checked_rem(right).is_some_and(|rest| rest != 0)
        }
        (Some(_), _) => false,
        (None, _) => true,
    };
    if inexact
        && let (Some(left), Some(right)) = (cel_value::number(left), cel_value::number(right))
    {
        let result = on_floats(left, right);
        if !result.is_finite() {
            return Err(failed(sign, no_number(sign, right)));
        }
        return Ok(CowVal::owned(CelDouble::from(result)));
    }
    let are_ints = [left, right].iter().all(|side| side.downcast_ref::<CelInt>().is_some());
    if let Some((left_whole, right_whole)) = wholes
        && !are_ints
        && !(right_whole == 0 && matches!(operator, Operator::Divide | Operator::Remainder))
    {
        let result = match operator {
            Operator::Add => left_whole.checked_add(right_whole),
            Operator::Subtract => left_whole.checked_sub(right_whole),
            Operator::Multiply => left_whole.checked_mul(right_whole),
            Operator::Divide => left_whole.checked_div(right_whole),
            Operator::Remainder => left_whole.checked_rem(right_whole),
        };
        return result.and_then(cel_value::of_whole).ok_or_else(|| too_large(sign));
    }
    let unsupported = || {
        let (left, right) = (cel_value::describe(left), cel_value::describe(right));
        failed(sign, format!("`{sign}` does not work on {left} and {right}"))
    };
    let result = match operator {
        Operator::Add => left.as_adder().ok_or_else(unsupported)?.add(right),
        Operator::Subtract => left.as_subtractor().ok_or_else(unsupported)?.sub(right),
        Operator::Multiply => left.as_multiplier().ok_or_else(unsupported)?.mul(right),
        Operator::Divide => left.as_divider().ok_or_else(unsupported)?.div(right),
        Operator::Remainder => left.as_modder().ok_or_else(unsupported)?.modulo(right),
    };
    match result {
        Ok(value) => Ok(CowVal::Owned(value.into_owned())),
        Err(ExecutionError::UnsupportedBinaryOperator(..)) => Err(unsupported()),
        Err(error) => Err(error),
    }
}
