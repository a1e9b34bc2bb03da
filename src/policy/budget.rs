//! Step budgets of expressions.
//!
//! Without macros over lists, the work of an expression is bounded by its length; the work of macros
//! grows with the lists, and for each nested macro by their length again. So every iteration of a macro,
//! and every list or text that it traverses, costs steps, and an expression that has used all its steps
//! has no result. Steps are used instead of time, because the same input must give the same decision.
//!
//! There are two budgets, because broadcasts must not use up what the policy needs. Each expression gets
//! a share, and all expressions of one reaction together at most one whole budget. An expression is
//! evaluated by one thread from beginning to end, so the budgets are thread-local.

use std::cell::{Cell, RefCell};
use std::fmt;

use cel::common::types::{CelList, CelString};
use cel::common::value::Val;

use super::SourceLocation;
use crate::config::limits;

/// Whose budget is charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BudgetOwner {
    /// The policy, for its own expressions.
    Policy,
    /// The sender of a broadcast condition.
    Outside,
}

/// An expression that has exceeded its step budget.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exceeded {
    /// An expression of the policy, with its location.
    Policy(SourceLocation),
    /// The condition of the broadcast of this scope.
    Broadcast(Box<str>),
}

impl fmt::Display for Exceeded {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Exceeded::Policy(place) => write!(out, "{place}: {}", OutOfSteps(BudgetOwner::Policy)),
            Exceeded::Broadcast(scope) => {
                write!(
                    out,
                    "the condition of the broadcast `{scope}`: {}",
                    OutOfSteps(BudgetOwner::Outside)
                )
            }
        }
    }
}

/// The error as text, with advice.
pub(super) struct OutOfSteps(pub(super) BudgetOwner);

impl fmt::Display for OutOfSteps {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (_, most) = self.0.shares();
        write!(
            out,
            "expected at most {most} evaluation steps over lists, found more; use shorter lists or \
             fewer nested macros"
        )
    }
}

impl BudgetOwner {
    /// The steps for all expressions of one reaction, and for one of them.
    const fn shares(self) -> (u64, u64) {
        match self {
            BudgetOwner::Policy => (limits::REACTION_STEPS as u64, limits::EXPRESSION_STEPS as u64),
            BudgetOwner::Outside => {
                (limits::ALL_CONDITIONS_STEPS as u64, limits::CONDITION_STEPS as u64)
            }
        }
    }
}

/// The remaining steps of one reaction.
#[derive(Debug)]
struct RemainingSteps {
    policy: u64,
    outside: u64,
    exceeded: Vec<Exceeded>,
}

/// More would add no information.
const EXCEEDED_MAX: usize = limits::BROADCASTS;

thread_local! {
    /// The remaining steps of the current reaction; none: each expression has its own budget.
    static REMAINING: RefCell<Option<RemainingSteps>> = const { RefCell::new(None) };
    /// The remaining steps of the current evaluation.
    static LEFT: Cell<u64> = const { Cell::new(0) };
    static IS_EXCEEDED: Cell<bool> = const { Cell::new(false) };
}

/// The step budget of one reaction, or of anything else that evaluates many expressions for one answer:
/// full at the start, removed when it is dropped.
#[derive(Debug)]
pub struct StepBudget {
    outer: Option<RemainingSteps>,
}

impl StepBudget {
    /// Starts a full budget, which replaces any other on this thread.
    pub fn begin() -> StepBudget {
        let full = RemainingSteps {
            policy: BudgetOwner::Policy.shares().0,
            outside: BudgetOwner::Outside.shares().0,
            exceeded: Vec::new(),
        };
        StepBudget { outer: REMAINING.with(|remaining| remaining.replace(Some(full))) }
    }

    /// The expressions that have exceeded their step budget, each once.
    pub fn take_exceeded(&self) -> Vec<Exceeded> {
        REMAINING.with(|remaining| {
            remaining
                .borrow_mut()
                .as_mut()
                .map_or(Vec::new(), |own| std::mem::take(&mut own.exceeded))
        })
    }
}

impl Drop for StepBudget {
    fn drop(&mut self) {
        let outer = self.outer.take();
        REMAINING.with(|remaining| remaining.replace(outer));
    }
}

/// Records in the current reaction that an expression has exceeded its budget.
pub fn exceed(what: Exceeded) {
    REMAINING.with(|remaining| {
        if let Some(own) = remaining.borrow_mut().as_mut()
            && own.exceeded.len() < EXCEEDED_MAX
            && !own.exceeded.contains(&what)
        {
            own.exceeded.push(what);
        }
    });
}

/// Whether this broadcast's condition has already exceeded its budget in this reaction; it is then not
/// evaluated again, to save the steps of others.
pub fn has_exceeded(scope: &str) -> bool {
    REMAINING.with(|remaining| {
        let remaining = remaining.borrow();
        let mut all = remaining.iter().flat_map(|own| &own.exceeded);
        all.any(|one| matches!(one, Exceeded::Broadcast(known) if **known == *scope))
    })
}

/// The steps of one evaluation. Evaluations can be nested: a value that an expression reads may depend on
/// the condition of a broadcast.
pub(super) struct Evaluation {
    owner: BudgetOwner,
    given: u64,
    outer: (u64, bool),
}

impl Evaluation {
    pub(super) fn begin(owner: BudgetOwner) -> Evaluation {
        let (_, share) = owner.shares();
        let given = REMAINING.with(|remaining| match (&*remaining.borrow(), owner) {
            (None, _) => share,
            (Some(own), BudgetOwner::Policy) => own.policy.min(share),
            (Some(own), BudgetOwner::Outside) => own.outside.min(share),
        });
        Evaluation { owner, given, outer: (LEFT.replace(given), IS_EXCEEDED.replace(false)) }
    }

    /// Whether it asked for more steps than were left. Then there is no result, whatever was computed: a
    /// part of the expression has seen only a part of a list.
    pub(super) fn is_exceeded(&self) -> bool {
        IS_EXCEEDED.get()
    }
}

impl Drop for Evaluation {
    fn drop(&mut self) {
        let (left, is_exceeded) = self.outer;
        let used = self.given - LEFT.replace(left).min(self.given);
        IS_EXCEEDED.set(is_exceeded);
        REMAINING.with(|remaining| {
            if let Some(own) = remaining.borrow_mut().as_mut() {
                let steps = match self.owner {
                    BudgetOwner::Policy => &mut own.policy,
                    BudgetOwner::Outside => &mut own.outside,
                };
                *steps = steps.saturating_sub(used);
            }
        });
    }
}

/// Charges steps to the current evaluation; `false` if not enough are left.
pub(super) fn pay(steps: u64) -> bool {
    match LEFT.get().checked_sub(steps) {
        Some(left) => {
            LEFT.set(left);
            true
        }
        None => {
            LEFT.set(0);
            IS_EXCEEDED.set(true);
            false
        }
    }
}

/// Charges the steps for traversing a value.
pub(super) fn pay_for(value: &dyn Val) -> bool {
    pay(weight(value, LEFT.get()))
}

/// The number of bytes of a text that take about as long as one other step.
const BYTES_A_STEP: usize = 64;

/// The approximate number of steps for traversing a value, up to a maximum.
fn weight(value: &dyn Val, most: u64) -> u64 {
    if let Some(text) = value.downcast_ref::<CelString<'_>>() {
        return 1 + (text.inner().len() / BYTES_A_STEP) as u64;
    }
    let mut sum = 1;
    if let Some(list) = value.downcast_ref::<CelList<'_>>() {
        for item in list.inner() {
            if sum > most {
                break;
            }
            sum += weight(&**item, most - sum);
        }
        return sum;
    }
    let (Some(names), Some(fields)) = (value.as_iterable(), value.as_indexer()) else { return sum };
    let mut names = names.iter();
    while let Some(name) = names.next()
        && sum <= most
    {
        sum += weight(name, most - sum);
        if let Ok(field) = fields.get(name)
            && sum <= most
        {
            sum += weight(&*field, most - sum);
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::scope::TestScope;
    use crate::policy::{Audience, Expression, Truth};

    fn sample(items: usize) -> TestScope {
        let xs = serde_json::to_string(&vec![1; items]).unwrap();
        let text = serde_json::to_string(&"a".repeat(limits::TEXT_BYTES)).unwrap();
        let deep = serde_json::to_string(&vec![vec!["word"; 10]; items / 10]).unwrap();
        TestScope::of([("profile.xs", &*xs), ("profile.text", &*text), ("profile.deep", &*deep)])
    }

    fn is_exceeded(source: &str, items: usize) -> bool {
        let expression = Expression::compile(source).unwrap_or_else(|error| panic!("{error}"));
        expression.value(&sample(items)).is_err_and(|error| error.is_exceeded())
    }

    #[test]
    fn ordinary_list_expressions_stay_within_the_budget() {
        for source in [
            "profile.xs.exists(x, x == 2)",
            "profile.xs.all(x, x > 0 && x < 5)",
            "size(profile.xs.filter(x, x != 2)) > 3",
            "profile.xs.map(x, x * 2 + 1)",
            "profile.xs.exists_one(x, x == 7)",
            "profile.xs.map(x, x > 0, string(x) + '!')",
            "profile.deep.exists(words, words.exists(word, mentions(word, ['card', 'loan'])))",
        ] {
            assert!(!is_exceeded(source, 200), "{source}");
        }
    }

    #[test]
    fn deeply_nested_lists_stop_at_the_budget_without_a_result() {
        let deep = |macro_name: &str| {
            let names = ["a", "b", "c", "d", "e"];
            let open: String =
                names.iter().map(|name| format!("profile.xs.{macro_name}({name}, ")).collect();
            format!("{open}a == e{}", ")".repeat(names.len()))
        };
        for source in [
            deep("all"),
            deep("exists").replace("a == e", "a != e"),
            deep("exists_one"),
            "profile.xs.filter(a, size(profile.xs.filter(b, size(profile.xs.filter(c, b == c)) > 0)) > 0)"
                .to_owned(),
            deep("map"),
            // Parts that decide alone, or have no value, do not bypass it.
            format!("{} || true", deep("all")),
            format!("true ? {} : false", deep("all")),
            format!("profile.xs.all(z, !({}))", deep("all").replacen("a == e", "a == e + 'x'", 1)),
        ] {
            let began = std::time::Instant::now();
            assert!(is_exceeded(&source, 150), "{source}");
            assert!(began.elapsed().as_secs() < 20, "{source} took {:?}", began.elapsed());
        }
    }

    #[test]
    fn nested_macros_pay_by_the_size_of_their_values() {
        let twice = |start: &str, grow: &str| format!("{start}{}", grow.repeat(14));
        for source in [
            twice("[profile.text]", ".map(a, a + a)"),
            twice("[profile.xs]", ".map(a, [a, a])"),
            twice("[profile.xs]", ".map(a, a + a)"),
            "profile.xs.all(a, profile.xs.all(b, profile.text == profile.text))".into(),
            "profile.xs.all(a, profile.xs.all(b, lower(profile.text) != ''))".into(),
            "profile.xs.all(a, profile.xs.all(b, profile.text.contains('b') || true))".into(),
            "profile.xs.all(a, profile.xs.all(b, 2 in profile.xs || true))".into(),
        ] {
            assert!(is_exceeded(&source, 150), "{source}");
        }
    }

    #[test]
    fn an_expression_out_of_steps_has_no_result_and_says_what_to_do() {
        let source = "profile.xs.all(a, profile.xs.all(b, profile.xs.all(c, a == b))) || true";
        let Truth::Unknown(error) = Expression::compile(source).unwrap().test(&sample(150)) else {
            panic!("a part of it was not looked at")
        };
        assert_eq!(
            error.to_string(),
            "expected at most 100000 evaluation steps over lists, found more; use shorter lists or \
             fewer nested macros"
        );
        let same = Expression::compile(source).unwrap().value(&sample(150)).unwrap_err();
        assert_eq!(error.to_string(), same.to_string(), "the same input has the same result");
    }

    #[test]
    fn a_condition_of_a_broadcast_has_a_smaller_budget_and_limited_nesting() {
        let two = "profile.xs.all(a, profile.xs.all(b, a == b))";
        assert!(!is_exceeded(two, 60));
        let condition = Audience::compile(two).unwrap();
        assert!(condition.test(&sample(15)).holds());
        let Truth::Unknown(error) = condition.test(&sample(60)) else { panic!("it is too much") };
        assert!(error.is_exceeded());
        let three = format!("profile.a == 1 && profile.xs.exists(z, {two})");
        let error = Audience::compile(&three).unwrap_err();
        assert_eq!(error.to_string(), "expected at most 2 nested list macros, found more");
        assert_eq!(Some(error.offset), three.find("all(b"));
        // Consecutive macros are not nested.
        let chain = "profile.xs.map(a, a).map(a, a).filter(a, a > 0).exists(a, a == 2)";
        assert!(Audience::compile(chain).is_ok());
    }

    #[test]
    fn all_expressions_of_one_reaction_share_one_budget() {
        let source = "profile.xs.all(a, profile.xs.all(b, a == b))";
        let expression = Expression::compile(source).unwrap().at(SourceLocation::new("p.toml", 3));
        let condition = Audience::compile("profile.xs.all(a, a == 1)").unwrap();
        let scope = sample(80);
        let budget = StepBudget::begin();
        let first = (0..).position(|_| !expression.test(&scope).holds()).unwrap();
        assert!((2..100).contains(&first), "{first} evaluations were within the budget");
        assert_eq!(budget.take_exceeded(), [Exceeded::Policy(SourceLocation::new("p.toml", 3))]);
        assert!(condition.test(&scope).holds(), "others pay for themselves");
        {
            let _inner = StepBudget::begin();
            assert!(expression.test(&scope).holds(), "another reaction has its own");
        }
        assert!(!expression.test(&scope).holds());
        drop(budget);
        assert!(expression.test(&scope).holds());
        let outside = StepBudget::begin();
        let first = (0..).position(|_| !condition.test(&scope).holds()).unwrap();
        assert!(first > 10, "{first} evaluations were within the budget");
        assert!(expression.test(&scope).holds(), "and the policy does not pay for conditions");
        drop(outside);
    }
}
