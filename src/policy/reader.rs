//! What the readers of all sections share: the names that exist, and what was noticed on the way.

use std::cell::RefCell;

use super::arm_names::ArmComparison;
use super::read::TomlItem;
use super::symbols::Symbols;
use super::usage::PolicyUsage;
use super::{CompileError, Expression, Path, Root, Template, Trigger};

/// Where an expression or template is used, which determines what it may read.
#[derive(Clone, Copy)]
pub(super) enum ExpressionSite<'a> {
    /// In a rule with these triggers.
    Rule(&'a [Trigger]),
    /// In an action, which any input may cause.
    Action {
        /// The purposes for which it uses facts.
        uses: &'a [Box<str>],
        /// Whether sensitive data is excluded.
        discreet: bool,
    },
}

/// The state shared by the readers of all sections.
#[derive(Default)]
pub(super) struct PolicyReader {
    pub(super) names: Symbols,
    pub(super) languages: Vec<Box<str>>,
    /// The existing policies of arms.
    pub(super) arms: Vec<Box<str>>,
    /// Whether the policy is that of an arm.
    pub(super) is_of_arm: bool,
    pub(super) noticed: RefCell<PolicyUsage>,
}

impl PolicyReader {
    /// An expression that reads only existing names.
    pub(super) fn expression(
        &self,
        item: TomlItem<'_>,
        at: ExpressionSite<'_>,
    ) -> Option<Expression> {
        let expression = item.expression()?;
        self.check(item, expression.source(), expression.paths(), at);
        self.check_arms(item, &expression);
        expression.remarks().iter().for_each(|remark| item.remark_inside(remark));
        Some(expression)
    }

    /// Reports comparisons with arms that an experiment does not have.
    fn check_arms(&self, item: TomlItem<'_>, expression: &Expression) {
        if expression.paths().iter().all(|path| path.root != Root::Experiments) {
            return;
        }
        for one in ArmComparison::all(expression.source()).unwrap_or_default() {
            if let Err(message) = self.names.arm(&one.experiment, &one.arm) {
                item.wrong_inside(&CompileError { offset: one.offset, message });
            }
        }
    }

    /// An expression with a numeric result; a plain number must be within the range.
    pub(super) fn range(
        &self,
        item: TomlItem<'_>,
        at: ExpressionSite<'_>,
        range: std::ops::RangeInclusive<f64>,
    ) -> Option<Expression> {
        if !item.is_text() {
            item.number(range)?;
        }
        self.expression(item, at)
    }

    /// A template that reads only existing names.
    pub(super) fn template(&self, item: TomlItem<'_>, at: ExpressionSite<'_>) -> Option<Template> {
        let template = item.template()?;
        self.check(item, template.source(), template.paths(), at);
        Some(template)
    }

    fn check(&self, item: TomlItem<'_>, source: &str, paths: &[Path], at: ExpressionSite<'_>) {
        for path in paths {
            self.noticed.borrow_mut().read(path, || item.place());
            let checked = match at {
                ExpressionSite::Rule(_) if path.root == Root::Need => {
                    Err("`need` can be used only in actions".to_owned())
                }
                ExpressionSite::Rule(triggers) => self.names.check(path, triggers),
                ExpressionSite::Action { uses, discreet } => {
                    self.names.check(path, &[]).and_then(|()| self.names.fits(path, uses, discreet))
                }
            };
            if let Err(message) = checked {
                let offset = source.find(&path.to_string()).unwrap_or_else(|| {
                    let last = path.names().last().unwrap_or_default();
                    source.find(last).unwrap_or_default()
                });
                item.wrong_inside(&CompileError { offset, message });
            }
        }
    }
}
