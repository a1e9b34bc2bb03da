//! Warnings about `!` on paths without a value: an unknown condition is not true, and neither is its
//! negation. The analysis assumes that one path is missing and all others have a value, so it is advice,
//! not a proof.

use std::ops::BitOr;

use cel::IdedExpr;
use cel::common::ast::{CallExpr, EntryExpr, Expr, LiteralValue, operators};
use cel::common::types::{CelBool, CelNull};
use cel::common::value::Val;

use super::lower::{self, BindingName, LoweredExpression};
use super::{CompileError, Path, functions};

/// Warnings about negations in an expression that compiles.
pub(super) fn remarks(source: &str) -> Vec<CompileError> {
    let Ok(parts) = lower::compile(source) else { return Vec::new() };
    let mut reader = Reader { parts: &parts, within: Vec::new(), found: Vec::new() };
    reader.read(&parts.ast);
    reader.found
}

/// The possible results of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Outcomes(u8);

impl Outcomes {
    const TRUE: Outcomes = Outcomes(1);
    const FALSE: Outcomes = Outcomes(2);
    /// It cannot be evaluated.
    const NONE: Outcomes = Outcomes(4);
    const NULL: Outcomes = Outcomes(8);
    /// An unknown value.
    const ANY: Outcomes = Outcomes(3);

    fn has(self, other: Outcomes) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether no operation works on it.
    fn is_nothing(self) -> bool {
        !self.has(Outcomes::ANY)
    }

    fn without(self, other: Outcomes) -> Outcomes {
        Outcomes(self.0 & !other.0)
    }

    /// The result as a side of `&&` or `||`, or as the operand of a negation: `null` is not a boolean.
    fn as_truth(self) -> Outcomes {
        let truth = self.without(Outcomes::NULL);
        if self.has(Outcomes::NULL) { truth | Outcomes::NONE } else { truth }
    }
}

impl BitOr for Outcomes {
    type Output = Outcomes;

    fn bitor(self, other: Outcomes) -> Outcomes {
        Outcomes(self.0 | other.0)
    }
}

/// The question whether a missing path can make a negation evaluate to something unexpected.
#[derive(Debug, Clone, Copy)]
struct Assumption {
    missing: usize,
    /// The result to assume for the negation, which is identified by its number in the tree.
    instead: Option<(u64, Outcomes)>,
}

struct Reader<'a> {
    parts: &'a LoweredExpression,
    /// The enclosing parts, from the whole expression inwards.
    within: Vec<&'a IdedExpr>,
    found: Vec<CompileError>,
}

impl<'a> Reader<'a> {
    fn read(&mut self, part: &'a IdedExpr) {
        self.within.push(part);
        if let Some(denied) = denied(part) {
            self.warn_about(part, denied);
        }
        match &part.expr {
            Expr::Call(CallExpr { target, args, .. }) => {
                target.as_deref().into_iter().chain(args).for_each(|part| self.read(part));
            }
            Expr::Select(select) => self.read(&select.operand),
            Expr::List(list) => list.elements.iter().for_each(|part| self.read(part)),
            Expr::Map(map) => {
                for entry in &map.entries {
                    if let EntryExpr::MapEntry(entry) = &entry.expr {
                        self.read(&entry.key);
                        self.read(&entry.value);
                    }
                }
            }
            Expr::Comprehension(inner) => {
                let parts = [&inner.iter_range, &inner.loop_cond, &inner.loop_step, &inner.result];
                parts.into_iter().for_each(|part| self.read(part));
            }
            _ => {}
        }
        self.within.pop();
    }

    /// Adds the warning about one negation.
    fn warn_about(&mut self, denial: &IdedExpr, denied: &IdedExpr) {
        // `!(x > 2)` is as clear as `x <= 2`.
        if is_order(denied) {
            return;
        }
        let mut untold: Vec<(&Path, SuggestedDefault)> = Vec::new();
        let mut is_certain = true;
        for missing in self.paths_in(denied) {
            let Some(path) = self.parts.paths.get(missing).filter(|path| path.may_be_missing())
            else {
                continue;
            };
            let denied_comes_to = self.outcomes(denied, Assumption { missing, instead: None });
            if denied_comes_to.as_truth().has(Outcomes::NONE) {
                if self.matters(denial, missing, Outcomes::NONE) {
                    is_certain &= denied_comes_to.is_nothing();
                    untold.push((path, instead(denied, missing)));
                }
            } else if is_item_of_a_list(denied, missing)
                && self.matters(denial, missing, Outcomes::FALSE)
            {
                let message = format!(
                    "this `!` is also true where {path} has no value; write `has({path}) && !(…)` \
                     to exclude that, or `default({path}, \"\")` to keep it"
                );
                return self.found.push(CompileError::new(self.offset(denial), message));
            }
        }
        let Some((first, _)) = untold.first() else { return };
        let message = if is_path(denied) {
            format!(
                "`!{first}` is not true where {first} has no value; write `!default({first}, \
                 false)` if it should be true there"
            )
        } else {
            let paths: Vec<String> = untold.iter().map(|(path, _)| path.to_string()).collect();
            let write: Vec<String> =
                untold.iter().map(|(path, instead)| format!("`{}`", instead.write(path))).collect();
            format!(
                "this `!` {} where {} has no value; write {} if it should be true there",
                if is_certain { "is not true" } else { "may not be true" },
                paths.join(" or "),
                write.join(" and ")
            )
        };
        self.found.push(CompileError::new(self.offset(denial), message));
    }

    fn offset(&self, denial: &IdedExpr) -> usize {
        self.parts.offset_of(denial.id)
    }

    /// Whether this result of a negation, instead of true, makes a difference for the parts around it.
    fn matters(&self, denial: &IdedExpr, missing: usize, comes_to: Outcomes) -> bool {
        self.within.iter().all(|around| {
            let with = |outcome| {
                let instead = Some((denial.id, outcome));
                self.outcomes(around, Assumption { missing, instead })
            };
            let one = with(Outcomes::TRUE);
            one != with(comes_to) || (one.has(Outcomes::TRUE) && one.has(Outcomes::FALSE))
        })
    }

    /// The paths in a part, each once.
    fn paths_in(&self, part: &IdedExpr) -> Vec<usize> {
        let mut found = Vec::new();
        each(part, &mut |part| {
            if let Some(BindingName::Path(at)) = name(part)
                && !found.contains(&at)
            {
                found.push(at);
            }
        });
        found
    }

    fn outcomes(&self, part: &IdedExpr, question: Assumption) -> Outcomes {
        let of = |part: &IdedExpr| self.outcomes(part, question);
        if let Some((denial, outcome)) = question.instead
            && denial == part.id
            && denied(part).is_some()
        {
            return outcome;
        }
        match &part.expr {
            Expr::Ident(_) => match name(part) {
                Some(BindingName::Path(at)) if at == question.missing => Outcomes::NULL,
                Some(BindingName::Constant(at)) => {
                    self.parts.constants.get(at).map_or(Outcomes::ANY, |value| constant(&**value))
                }
                _ => Outcomes::ANY,
            },
            Expr::Literal(LiteralValue::Null) => Outcomes::NULL,
            Expr::Literal(literal) => constant(&*literal.to_val()),
            Expr::Select(select) => value_of(of(&select.operand).is_nothing()),
            Expr::Comprehension(inner) => value_of(of(&inner.iter_range).is_nothing()),
            Expr::Call(CallExpr { target: Some(target), args, .. }) => {
                value_of(of(target).is_nothing() || args.iter().any(|arg| of(arg).is_nothing()))
            }
            Expr::Call(CallExpr { func_name, args, .. }) => self.of_call(func_name, args, question),
            _ => Outcomes::ANY,
        }
    }

    /// The outcomes of an operator or a function.
    fn of_call(&self, function: &str, args: &[IdedExpr], question: Assumption) -> Outcomes {
        let of = |part: &IdedExpr| self.outcomes(part, question);
        match (function, args) {
            (functions::WEIGH, [part]) => of(part),
            (operators::LOGICAL_NOT, [denied]) => not(of(denied)),
            (operators::LOGICAL_AND, [one, other]) => both(of(one), of(other)),
            (operators::LOGICAL_OR, [one, other]) => not(both(not(of(one)), not(of(other)))),
            (operators::CONDITIONAL, [test, yes, no]) => {
                // An iteration of a macro is charged, or there is none.
                if matches!(name(test), Some(BindingName::Turn(_))) {
                    return of(yes);
                }
                let test = of(test).as_truth();
                let mut all = test.without(Outcomes::ANY);
                if test.has(Outcomes::TRUE) {
                    all = all | of(yes);
                }
                if test.has(Outcomes::FALSE) {
                    all = all | of(no);
                }
                all
            }
            ("default", [wanted, otherwise]) => {
                let wanted = of(wanted);
                let there = wanted.without(Outcomes::NULL);
                if wanted.has(Outcomes::NULL) { there | of(otherwise) } else { there }
            }
            (operators::EQUALS, [one, other]) => equal(of(one), of(other)),
            (operators::NOT_EQUALS, [one, other]) => not(equal(of(one), of(other))),
            (operators::IN, [item, all]) => {
                let (item, all) = (of(item), of(all));
                match item {
                    _ if all.is_nothing() || item == Outcomes::NONE => Outcomes::NONE,
                    Outcomes::NULL => Outcomes::FALSE,
                    _ => Outcomes::ANY,
                }
            }
            // Functions that convert a missing value to a value.
            ("string" | "bool", _) => Outcomes::ANY,
            (_, args) => value_of(args.iter().any(|arg| of(arg).is_nothing())),
        }
    }
}

/// The outcomes of a part that needs another one: any value, or none without it.
fn value_of(is_nothing: bool) -> Outcomes {
    if is_nothing { Outcomes::NONE } else { Outcomes::ANY }
}

/// What to write instead of a part that cannot be evaluated.
#[derive(Debug, Clone, Copy)]
enum SuggestedDefault {
    /// `false` as the default.
    False,
    /// An empty text as the default.
    Text,
    /// An empty list as the default.
    List,
    /// A check with `has` before.
    Has,
}

impl SuggestedDefault {
    fn write(self, path: &Path) -> String {
        match self {
            SuggestedDefault::False => format!("default({path}, false)"),
            SuggestedDefault::Text => format!("default({path}, \"\")"),
            SuggestedDefault::List => format!("default({path}, [])"),
            SuggestedDefault::Has => format!("has({path}) && …"),
        }
    }
}

/// What to write instead of a path in the operand of a negation; it depends on how the path is used.
fn instead(denied: &IdedExpr, missing: usize) -> SuggestedDefault {
    let is_it = |part: &IdedExpr| name(part) == Some(BindingName::Path(missing));
    let mut found = SuggestedDefault::Has;
    each(denied, &mut |part| {
        let Expr::Call(CallExpr { func_name, target, args }) = &part.expr else { return };
        match (func_name.as_str(), target.as_deref(), args.as_slice()) {
            ("contains" | "startsWith" | "endsWith", Some(target), _) if is_it(target) => {
                found = SuggestedDefault::Text;
            }
            ("lower" | "mentions", None, [text, ..]) if is_it(text) => {
                found = SuggestedDefault::Text
            }
            (operators::IN, None, [_, all]) if is_it(all) => found = SuggestedDefault::List,
            (
                operators::LOGICAL_AND | operators::LOGICAL_OR | operators::LOGICAL_NOT,
                None,
                sides,
            ) if sides.iter().any(is_it) => {
                found = SuggestedDefault::False;
            }
            _ => {}
        }
    });
    found
}

/// The operand, if this is a negation.
fn denied(part: &IdedExpr) -> Option<&IdedExpr> {
    match &part.expr {
        Expr::Call(CallExpr { func_name, target: None, args })
            if func_name == operators::LOGICAL_NOT =>
        {
            args.first()
        }
        _ => None,
    }
}

fn is_path(part: &IdedExpr) -> bool {
    matches!(name(part), Some(BindingName::Path(_)))
}

fn is_order(part: &IdedExpr) -> bool {
    matches!(&part.expr, Expr::Call(CallExpr { func_name, target: None, .. }) if matches!(
        func_name.as_str(),
        operators::LESS | operators::LESS_EQUALS | operators::GREATER | operators::GREATER_EQUALS
    ))
}

/// Whether this path is tested for membership in a list.
fn is_item_of_a_list(part: &IdedExpr, path: usize) -> bool {
    let Expr::Call(CallExpr { func_name, args, .. }) = &part.expr else { return false };
    func_name == operators::IN
        && args.first().is_some_and(|item| name(item) == Some(BindingName::Path(path)))
}

/// Calls `visit` with a part and every part within it.
fn each<'a>(part: &'a IdedExpr, visit: &mut impl FnMut(&'a IdedExpr)) {
    visit(part);
    match &part.expr {
        Expr::Call(CallExpr { target, args, .. }) => {
            target.as_deref().into_iter().chain(args).for_each(|part| each(part, visit));
        }
        Expr::Select(select) => each(&select.operand, visit),
        Expr::List(list) => list.elements.iter().for_each(|part| each(part, visit)),
        Expr::Comprehension(inner) => {
            let parts = [&inner.iter_range, &inner.loop_cond, &inner.loop_step, &inner.result];
            parts.into_iter().for_each(|part| each(part, visit));
        }
        _ => {}
    }
}

fn name(part: &IdedExpr) -> Option<BindingName> {
    match &part.expr {
        Expr::Ident(name) => BindingName::read(name),
        _ => None,
    }
}

fn constant(value: &dyn Val) -> Outcomes {
    if value.downcast_ref::<CelNull>().is_some() {
        return Outcomes::NULL;
    }
    match value.downcast_ref::<CelBool>() {
        Some(truth) if *truth.inner() => Outcomes::TRUE,
        Some(_) => Outcomes::FALSE,
        None => Outcomes::ANY,
    }
}

fn not(denied: Outcomes) -> Outcomes {
    let denied = denied.as_truth();
    let mut all = denied.without(Outcomes::ANY);
    if denied.has(Outcomes::TRUE) {
        all = all | Outcomes::FALSE;
    }
    if denied.has(Outcomes::FALSE) {
        all = all | Outcomes::TRUE;
    }
    all
}

/// As in CEL: one side that does not hold is enough, even if the other cannot be evaluated.
fn both(one: Outcomes, other: Outcomes) -> Outcomes {
    let (one, other) = (one.as_truth(), other.as_truth());
    let mut all = Outcomes(0);
    if one.has(Outcomes::FALSE) || other.has(Outcomes::FALSE) {
        all = all | Outcomes::FALSE;
    }
    if one.has(Outcomes::TRUE) && other.has(Outcomes::TRUE) {
        all = all | Outcomes::TRUE;
    }
    let [is_untold, is_untold_too] = [one, other].map(|side| side.has(Outcomes::NONE));
    let may_hold = |side: Outcomes| side.without(Outcomes::FALSE) != Outcomes(0);
    if (is_untold && may_hold(other)) || (is_untold_too && may_hold(one)) {
        all = all | Outcomes::NONE;
    }
    all
}

fn equal(one: Outcomes, other: Outcomes) -> Outcomes {
    match (one, other) {
        (Outcomes::NONE, _) | (_, Outcomes::NONE) => Outcomes::NONE,
        (Outcomes::NULL, Outcomes::NULL) => Outcomes::TRUE,
        (Outcomes::NULL, other) | (other, Outcomes::NULL) if !other.has(Outcomes::NULL) => {
            Outcomes::FALSE
        }
        _ => Outcomes::ANY,
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::Expression;
    use crate::policy::scope::TestScope;

    fn advice(source: &str) -> String {
        let expression = Expression::compile(source).unwrap_or_else(|e| panic!("{source}: {e}"));
        let remarks = expression.remarks().into_iter();
        let messages: Vec<String> = remarks
            .map(|remark| format!("{source}\n{:>3}  {}", remark.offset, remark.message))
            .collect();
        messages.join("\n")
    }

    #[test]
    fn a_negation_of_a_missing_value_is_reported_with_what_to_write() {
        let all = [
            "!profile.a",
            "!profile.a.contains(\"x\")",
            "!lower(profile.a).startsWith(\"x\")",
            "!mentions(profile.a, [\"x\"])",
            "!(profile.a && profile.b)",
            "!(profile.a || needs.b > 0.5)",
            "!(facts.n > 2 && profile.b == 'x')",
            "!(profile.a in ['x', 'y'])",
            "!('x' in profile.a)",
            "!(profile.a ? profile.b : true)",
            "event.properties.items.exists(i, !profile.a)",
            "has(profile.a) || !profile.a",
            "has(profile.b) && !profile.a",
        ]
        .map(advice);
        insta::assert_snapshot!(all.join("\n"), @r#"
        !profile.a
          0  `!profile.a` is not true where profile.a has no value; write `!default(profile.a, false)` if it should be true there
        !profile.a.contains("x")
          0  this `!` is not true where profile.a has no value; write `default(profile.a, "")` if it should be true there
        !lower(profile.a).startsWith("x")
          0  this `!` is not true where profile.a has no value; write `default(profile.a, "")` if it should be true there
        !mentions(profile.a, ["x"])
          0  this `!` is not true where profile.a has no value; write `default(profile.a, "")` if it should be true there
        !(profile.a && profile.b)
          0  this `!` may not be true where profile.a or profile.b has no value; write `default(profile.a, false)` and `default(profile.b, false)` if it should be true there
        !(profile.a || needs.b > 0.5)
          0  this `!` may not be true where profile.a has no value; write `default(profile.a, false)` if it should be true there
        !(facts.n > 2 && profile.b == 'x')
          0  this `!` may not be true where facts.n has no value; write `has(facts.n) && …` if it should be true there
        !(profile.a in ['x', 'y'])
          0  this `!` is also true where profile.a has no value; write `has(profile.a) && !(…)` to exclude that, or `default(profile.a, "")` to keep it
        !('x' in profile.a)
          0  this `!` is not true where profile.a has no value; write `default(profile.a, [])` if it should be true there
        !(profile.a ? profile.b : true)
          0  this `!` may not be true where profile.a or profile.b has no value; write `has(profile.a) && …` and `has(profile.b) && …` if it should be true there
        event.properties.items.exists(i, !profile.a)
         33  `!profile.a` is not true where profile.a has no value; write `!default(profile.a, false)` if it should be true there
        has(profile.a) || !profile.a
         18  `!profile.a` is not true where profile.a has no value; write `!default(profile.a, false)` if it should be true there
        has(profile.b) && !profile.a
         18  `!profile.a` is not true where profile.a has no value; write `!default(profile.a, false)` if it should be true there
        "#);
    }

    #[test]
    fn a_negation_after_a_check_for_presence_gets_no_advice() {
        for source in [
            "has(profile.a) && !profile.a",
            "!has(profile.a) || !profile.a",
            "!(has(profile.a) && profile.a)",
            "profile.a != null && !profile.a.contains('x')",
            "profile.a == null || !profile.a",
            "has(profile.a) && (profile.b == 'x' && !(profile.a in ['x']))",
            "has(profile.a) ? !profile.a : false",
            "profile.a == 'x' && !profile.a.contains('y')",
            "event.properties.items.filter(i, has(profile.a) && !profile.a) != []",
            "!default(profile.a, false)",
            "!default(profile.a, \"\").contains(\"x\")",
            "!(default(profile.a, \"\") in [\"x\"])",
            "!(default(profile.a, false) && default(profile.b, false))",
            "!(has(profile.a) && profile.a.contains('x'))",
            "!(profile.a == 'x')",
            "!(profile.a == 'x' || profile.b != 'y')",
            "!(facts.n > 2)",
            "!(cases.open > 0 && event.granted)",
            "!has(profile.a)",
            "event.properties.items.exists(i, !i.paid)",
        ] {
            assert_eq!(advice(source), "");
        }
    }

    /// The result of a negation with `profile.a` missing is the one that the analysis gives.
    #[test]
    fn advice_about_negations_is_correct() {
        let holds = |source: &str, b: &str| {
            Expression::compile(source).unwrap().test(&TestScope::of([("profile.b", b)])).holds()
        };
        for (source, b, does_it_hold) in [
            ("!profile.a.contains(\"x\")", "null", false),
            ("!(profile.a && profile.b)", "true", false),
            ("!(profile.a && profile.b)", "false", true),
            ("!(default(profile.a, false) && profile.b)", "true", true),
            ("!(profile.a in [\"x\"])", "null", true),
            ("has(profile.a) && !(profile.a in [\"x\"])", "null", false),
            ("!(\"x\" in profile.a)", "null", false),
            ("!(\"x\" in default(profile.a, []))", "null", true),
        ] {
            assert_eq!(holds(source, b), does_it_hold, "{source} with {b}");
        }
    }
}
