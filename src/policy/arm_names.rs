//! The names of arms with which an expression compares the customer's arm of an experiment.

use cel::IdedExpr;
use cel::common::ast::{CallExpr, EntryExpr, Expr, LiteralValue, operators};

use super::lower::{self, BindingName, LoweredExpression};
use super::{CompileError, Path, Root, cel_value, functions};
use crate::event::Value;

/// A comparison such as `experiments.tone == "gentle"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ArmComparison {
    pub(super) experiment: String,
    pub(super) arm: String,
    /// The position of the arm, in bytes from the start of the expression.
    pub(super) offset: usize,
}

impl ArmComparison {
    /// All comparisons of an expression with texts that are written in it.
    ///
    /// # Errors
    /// As for any expression.
    pub(super) fn all(source: &str) -> Result<Vec<ArmComparison>, CompileError> {
        let lowered = lower::compile(source)?;
        let mut found = Vec::new();
        gather(&lowered, &lowered.ast, &mut found);
        Ok(found)
    }
}

fn gather(lowered: &LoweredExpression, part: &IdedExpr, found: &mut Vec<ArmComparison>) {
    if let Expr::Call(CallExpr { func_name, args, target: None }) = &part.expr
        && let [left, right] = args.as_slice()
    {
        let both: &[[&IdedExpr; 2]] = match func_name.as_str() {
            operators::EQUALS | operators::NOT_EQUALS => &[[left, right], [right, left]],
            operators::IN => &[[left, right]],
            _ => &[],
        };
        for [path, names] in both {
            let Some(experiment) = experiment_at(lowered, path) else { continue };
            for arm in texts(lowered, names) {
                found.push(ArmComparison {
                    experiment: experiment.to_owned(),
                    arm,
                    offset: lowered.offset_of(names.id),
                });
            }
        }
    }
    parts(part).into_iter().for_each(|part| gather(lowered, part, found));
}

/// The parts of a part.
fn parts(part: &IdedExpr) -> Vec<&IdedExpr> {
    match &part.expr {
        Expr::Call(call) => call.target.as_deref().into_iter().chain(&call.args).collect(),
        Expr::Select(select) => vec![&select.operand],
        Expr::List(list) => list.elements.iter().collect(),
        Expr::Map(map) => {
            let entries = map.entries.iter().filter_map(|entry| match &entry.expr {
                EntryExpr::MapEntry(entry) => Some([&entry.key, &entry.value]),
                EntryExpr::StructField(_) => None,
            });
            entries.flatten().collect()
        }
        Expr::Comprehension(inner) => vec![
            &inner.iter_range,
            &inner.accu_init,
            &inner.loop_cond,
            &inner.loop_step,
            &inner.result,
        ],
        _ => Vec::new(),
    }
}

/// The experiment whose arm a part reads, if it does.
fn experiment_at<'a>(lowered: &'a LoweredExpression, part: &IdedExpr) -> Option<&'a str> {
    let Expr::Ident(name) = &uncharged(part).expr else { return None };
    let Some(BindingName::Path(at)) = BindingName::read(name) else { return None };
    lowered.paths.get(at).filter(|path| path.root == Root::Experiments).and_then(first)
}

/// A part without the charge for it, which a macro adds.
fn uncharged(part: &IdedExpr) -> &IdedExpr {
    match &part.expr {
        Expr::Call(CallExpr { func_name, args, target: None }) if func_name == functions::WEIGH => {
            args.first().unwrap_or(part)
        }
        _ => part,
    }
}

fn first(path: &Path) -> Option<&str> {
    path.names().next()
}

/// The texts of a constant, which may be a list.
fn texts(lowered: &LoweredExpression, part: &IdedExpr) -> Vec<String> {
    let constant = match &uncharged(part).expr {
        Expr::Literal(LiteralValue::Null) => None,
        Expr::Literal(literal) => cel_value::value(&*literal.to_val()).ok(),
        Expr::Ident(name) => match BindingName::read(name) {
            Some(BindingName::Constant(at)) => {
                lowered.constants.get(at).and_then(|value| cel_value::value(&**value).ok())
            }
            _ => None,
        },
        Expr::List(list) => {
            return list.elements.iter().flat_map(|element| texts(lowered, element)).collect();
        }
        _ => None,
    };
    let of = |value: Value| match value {
        Value::Text(text) => Some(text.to_string()),
        _ => None,
    };
    match constant {
        Some(Value::List(all)) => all.iter().cloned().filter_map(of).collect(),
        other => other.and_then(of).into_iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_comparison_with_a_written_text_is_found() {
        let source = "experiments.tone == 'a' || !('b' != experiments.tone) \
                      || experiments.other in ['c', 'd'] || [1].exists(x, experiments.tone == 'e') \
                      || experiments.tone == facts.arm || experiments.tone == null || facts.x == 'f'";
        let found = ArmComparison::all(source).unwrap();
        let shown: Vec<String> = found
            .iter()
            .map(|one| format!("{} {} {}", one.experiment, one.arm, &source[one.offset..][..3]))
            .collect();
        assert_eq!(shown, ["tone a 'a'", "tone b 'b'", "other c ['c", "other d ['c", "tone e 'e'"]);
    }
}
