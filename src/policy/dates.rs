//! Dates without quotes in an expression, which are arithmetic.

use std::fmt;

use cel::IdedExpr;
use cel::common::ast::{CallExpr, Expr, LiteralValue, operators};

use super::compile_error::CompileError;

/// The warning about a call that is a date without quotes: `2026-01-02` evaluates to 2023. It comes with
/// the numbers of the nested calls, which are of the same date; `at` gives the start of a part.
pub(super) fn remark(
    source: &str,
    call: &CallExpr,
    at: impl Fn(&IdedExpr) -> usize,
) -> Option<(CompileError, Vec<u64>)> {
    let what = match call.func_name.as_str() {
        operators::SUBSTRACT => "subtraction",
        operators::DIVIDE => "division",
        _ => return None,
    };
    // `a - b - c` is `(a - b) - c`.
    let mut sides = Vec::new();
    let mut within = Vec::new();
    let mut first = call;
    while let [left, right] = &first.args[..] {
        sides.push(right);
        match &left.expr {
            Expr::Call(more) if more.func_name == call.func_name && more.target.is_none() => {
                within.push(left.id);
                first = more;
            }
            _ => {
                sides.push(left);
                break;
            }
        }
    }
    sides.reverse();
    let number = |side: &&IdedExpr| Number::of(source, side, at(side));
    let numbers: Vec<Option<Number<'_>>> = sides.iter().map(number).collect();
    let (position, dates, length) = Date::among(&numbers)?;
    let date: Vec<&Number<'_>> = numbers[position..position + length].iter().flatten().collect();
    let [start, .., end] = &date[..] else { return None };
    let written = source.get(start.at..end.at + end.written.len()).unwrap_or_default();
    let comes_to = if what == "subtraction" && sides.len() == length {
        let rest: i64 = date.iter().skip(1).map(|number| number.value).sum();
        format!(", which gives {}", start.value - rest)
    } else {
        String::new()
    };
    let write: Vec<String> =
        dates.iter().map(|date| format!("`timestamp(\"{date}T00:00:00Z\")`")).collect();
    let write = write.join(" or ");
    let message = format!("`{written}` without quotes is a {what}{comes_to}; write {write}");
    Some((CompileError::new(start.at, message), within))
}

/// An integer, and its spelling.
#[derive(Debug, Clone, Copy)]
struct Number<'a> {
    value: i64,
    at: usize,
    written: &'a str,
}

impl<'a> Number<'a> {
    fn of(source: &'a str, expr: &IdedExpr, at: usize) -> Option<Number<'a>> {
        let Expr::Literal(LiteralValue::Int(value)) = &expr.expr else { return None };
        let rest = source.get(at..)?;
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        Some(Number { value: **value, at, written: &rest[..end] })
    }
}

/// A day.
struct Date(i64, i64, i64);

impl Date {
    fn of(year: i64, month: i64, day: i64) -> Option<Date> {
        let is_one =
            (1800..=2999).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
        is_one.then_some(Date(year, month, day))
    }

    /// The first numbers that look like a date, as their positions and count. There may be several
    /// possible dates: the day or the month may come first.
    fn among(numbers: &[Option<Number<'_>>]) -> Option<(usize, Vec<Date>, usize)> {
        let three = numbers.windows(3).enumerate().find_map(|(at, numbers)| {
            let [Some(a), Some(b), Some(c)] = numbers else { return None };
            let (a, b, c) = (a.value, b.value, c.value);
            let mut dates: Vec<Date> =
                [Date::of(a, b, c), Date::of(c, b, a)].into_iter().flatten().collect();
            if a != b {
                dates.extend(Date::of(c, a, b));
            }
            (!dates.is_empty()).then_some((at, dates, 3))
        });
        // A year and a month; a number that is not a month is seldom written with two digits.
        let two = || match numbers {
            [Some(year), Some(month)] | [Some(month), Some(year)]
                if year.written.len() == 4 && month.written.len() == 2 =>
            {
                Some((0, vec![Date::of(year.value, month.value, 1)?], 2))
            }
            _ => None,
        };
        three.or_else(two)
    }
}

impl fmt::Display for Date {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Date(year, month, day) = self;
        write!(out, "{year}-{month:02}-{day:02}")
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::Expression;

    #[test]
    fn a_date_without_quotes_is_reported_with_possible_dates() {
        let rows: Vec<String> = [
            "facts.at > 2026-01-02",
            "facts.at > 2026 - 1 - 2",
            "facts.at > 31-01-2026",
            "facts.at > 01-02-2026",
            "facts.at > 2026/01/02",
            "now - 2026-01-02 > days(3)",
            "facts.at > 2026-01",
            "facts.at > 2026 - 01",
            "facts.at > 01/2026",
            // These are meant as arithmetic.
            "facts.at > 2026 - 1",
            "facts.at > 2026 - facts.n - 2",
            "facts.at > 12 / 4 / 3",
            "facts.at > 2026 - 40",
            "facts.at > \"2026-01-02\"",
        ]
        .map(|source| {
            let remarks = Expression::compile(source).unwrap().remarks().into_iter();
            let messages: Vec<String> =
                remarks.map(|remark| format!("{:>3}  {}", remark.offset, remark.message)).collect();
            format!("{source:<32}{}", messages.join(" | "))
        })
        .into();
        insta::assert_snapshot!(rows.join("\n"), @r#"
        facts.at > 2026-01-02            11  `2026-01-02` without quotes is a subtraction, which gives 2023; write `timestamp("2026-01-02T00:00:00Z")`
        facts.at > 2026 - 1 - 2          11  `2026 - 1 - 2` without quotes is a subtraction, which gives 2023; write `timestamp("2026-01-02T00:00:00Z")`
        facts.at > 31-01-2026            11  `31-01-2026` without quotes is a subtraction, which gives -1996; write `timestamp("2026-01-31T00:00:00Z")`
        facts.at > 01-02-2026            11  `01-02-2026` without quotes is a subtraction, which gives -2027; write `timestamp("2026-02-01T00:00:00Z")` or `timestamp("2026-01-02T00:00:00Z")`
        facts.at > 2026/01/02            11  `2026/01/02` without quotes is a division; write `timestamp("2026-01-02T00:00:00Z")`
        now - 2026-01-02 > days(3)        6  `2026-01-02` without quotes is a subtraction; write `timestamp("2026-01-02T00:00:00Z")`
        facts.at > 2026-01               11  `2026-01` without quotes is a subtraction, which gives 2025; write `timestamp("2026-01-01T00:00:00Z")`
        facts.at > 2026 - 01             11  `2026 - 01` without quotes is a subtraction, which gives 2025; write `timestamp("2026-01-01T00:00:00Z")`
        facts.at > 01/2026               11  `01/2026` without quotes is a division; write `timestamp("2026-01-01T00:00:00Z")`
        facts.at > 2026 - 1             
        facts.at > 2026 - facts.n - 2   
        facts.at > 12 / 4 / 3           
        facts.at > 2026 - 40            
        facts.at > "2026-01-02"
        "#);
    }
}
