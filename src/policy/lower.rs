//! Lowers a parsed expression: paths and constants become names that an evaluation resolves without a
//! search, and parts that can never work are reported at load time.

use cel::common::ast::{
    CallExpr, ComprehensionExpr, EntryExpr, Expr, LiteralValue, SelectExpr, SourceInfo, operators,
};
use cel::common::types::CelString;
use cel::common::value::Val;
use cel::parser::{ParseErrors, Parser};
use cel::{IdedExpr, Value};

use super::cel_value;
use super::compile_error::CompileError;
use super::dates;
use super::functions::{self, SHARED};
use super::hint::nearest;
use super::syntax;
use super::{Path, Root};
use crate::config::limits;

/// A lowered expression: its tree, paths and constants.
pub(super) struct LoweredExpression {
    pub(super) ast: IdedExpr,
    pub(super) paths: Vec<Path>,
    pub(super) constants: Vec<Box<dyn Val>>,
    /// The position of each macro over a list, and its nesting depth.
    pub(super) macros: Vec<Macro>,
    /// Warnings about single parts of the expression.
    pub(super) remarks: Vec<CompileError>,
    places: SourceInfo,
}

impl LoweredExpression {
    /// The start of the part with this number, in bytes from the start of the expression.
    pub(super) fn offset_of(&self, id: u64) -> usize {
        self.places.offset_for(id).map_or(0, |(start, _)| start as usize)
    }
}

/// A macro over a list.
#[derive(Debug, Clone, Copy)]
pub(super) struct Macro {
    pub(super) offset: usize,
    /// The nesting depth, from 0.
    pub(super) within: usize,
}

/// The name by which an evaluation finds a path or a constant. No identifier that an author can write has
/// this form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BindingName {
    Path(usize),
    Constant(usize),
    /// One iteration of a macro, with its cost in steps.
    Turn(usize),
}

const FIRST: u8 = b'0';

impl BindingName {
    /// The maximum number of paths, and of constants: each has one printable byte, and a bit in the mask
    /// of an evaluation error.
    const MAX: usize = 64;

    fn write(self) -> String {
        let (sigil, at) = match self {
            BindingName::Path(at) => ('$', at),
            BindingName::Constant(at) => ('#', at),
            BindingName::Turn(steps) => ('@', steps.min(BindingName::MAX)),
        };
        // At most 64, by the checks at both places that create names.
        let index = FIRST + u8::try_from(at).unwrap_or(0);
        String::from_iter([sigil, char::from(index)])
    }

    pub(super) fn read(name: &str) -> Option<BindingName> {
        match *name.as_bytes() {
            [b'$', at] => Some(BindingName::Path(usize::from(at.checked_sub(FIRST)?))),
            [b'#', at] => Some(BindingName::Constant(usize::from(at.checked_sub(FIRST)?))),
            [b'@', steps] => Some(BindingName::Turn(usize::from(steps.checked_sub(FIRST)?))),
            _ => None,
        }
    }
}

pub(super) fn compile(source: &str) -> Result<LoweredExpression, CompileError> {
    guard(source)?;
    let parser = Parser::new().max_recursion_depth(32).enable_ident_escape_syntax(true);
    let (mut ast, places) = parser
        .parse_with_source_info(source)
        .map_err(|errors| syntax::mistake(source, syntax(source, &errors)))?;
    let mut rewriter = Lowering {
        places,
        paths: Vec::new(),
        constants: Vec::new(),
        bound: Vec::new(),
        map_literal: None,
        macros: Vec::new(),
        within: 0,
        dates: Vec::new(),
        remarks: Vec::new(),
    };
    let constant = rewriter.walk(&mut ast, 0)?;
    if constant {
        rewriter.fold(&mut ast)?;
    }
    if let (Some(at), true) = (rewriter.map_literal, !rewriter.macros.is_empty()) {
        // CEL iterates over its own maps in no order, and the same input must give the same decision.
        return Err(CompileError::new(
            at,
            "expected a map in braces or a list macro such as `exists`, found both in one \
             expression; `set` a fact to the one, and use that fact in the other",
        ));
    }
    let Lowering { paths, constants, macros, remarks, places, .. } = rewriter;
    Ok(LoweredExpression { ast, paths, constants, macros, remarks, places })
}

/// Rejects what would make the parser recurse too deeply, before it does.
fn guard(source: &str) -> Result<(), CompileError> {
    if source.trim().is_empty() {
        return Err(CompileError::new(0, "expected an expression, found nothing"));
    }
    if source.len() > limits::EXPRESSION_BYTES {
        return Err(CompileError::new(
            0,
            format!(
                "expected an expression of at most {} bytes, found {}; split the rule in two",
                limits::EXPRESSION_BYTES,
                source.len()
            ),
        ));
    }
    let mut quote = None;
    let mut escaped = false;
    let mut operators = 0;
    for (offset, byte) in source.bytes().enumerate() {
        match (quote, byte) {
            (Some(_), _) if escaped => escaped = false,
            (Some(_), b'\\') => escaped = true,
            (Some(open), _) => {
                if byte == open {
                    quote = None;
                }
            }
            (None, b'"' | b'\'') => quote = Some(byte),
            (None, b'+' | b'-' | b'*' | b'/' | b'%' | b'!' | b'<' | b'>' | b'=' | b'.' | b'[')
            | (None, b'(' | b'{' | b'?' | b'&' | b'|') => {
                operators += 1;
                if operators > limits::EXPRESSION_OPERATORS {
                    return Err(CompileError::new(
                        offset,
                        format!(
                            "expected at most {} operators in one expression, found more; split the \
                             rule in two",
                            limits::EXPRESSION_OPERATORS
                        ),
                    ));
                }
            }
            (None, _) => {}
        }
    }
    Ok(())
}

fn syntax(source: &str, errors: &ParseErrors) -> CompileError {
    let Some(first) = errors.errors.first() else {
        return CompileError::new(0, "expected a CEL expression");
    };
    let (line, column) = first.pos;
    let line = usize::try_from(line - 1).unwrap_or(0);
    let column = usize::try_from(column - 1).unwrap_or(0);
    let before: usize = source.split_inclusive('\n').take(line).map(str::len).sum();
    let offset = crate::event::cut(source, before + column).len();
    let reason = first.msg.strip_prefix("Syntax error: ").unwrap_or(&first.msg);
    // The parser lists every token that could follow, which is no help.
    let reason = reason.split(" expecting {").next().unwrap_or(reason).trim();
    CompileError::new(offset, format!("expected a CEL expression, but: {reason}"))
}

/// A path and its position.
struct WrittenPath {
    path: Path,
    start: usize,
}

struct Lowering {
    places: SourceInfo,
    paths: Vec<Path>,
    constants: Vec<Box<dyn Val>>,
    /// The names that macros bind at this point.
    bound: Vec<String>,
    map_literal: Option<usize>,
    macros: Vec<Macro>,
    /// The number of enclosing macros.
    within: usize,
    /// The numbers of parts for which the date warning was already given.
    dates: Vec<u64>,
    remarks: Vec<CompileError>,
}

impl Lowering {
    fn offset(&self, expr: &IdedExpr) -> usize {
        let at = self.places.offset_for(expr.id).map_or(0, |(start, _)| start as usize);
        match &expr.expr {
            // The parser gives the position of a call's bracket.
            Expr::Call(call) if !is_operator(&call.func_name) => {
                let before = self.places.source.get(..at).unwrap_or_default();
                if before.ends_with(&call.func_name) { at - call.func_name.len() } else { at }
            }
            _ => at,
        }
    }

    fn wrong(&self, expr: &IdedExpr, message: impl Into<String>) -> CompileError {
        CompileError::new(self.offset(expr), message)
    }

    /// Rewrites `expr` in place; true if it is the same in every evaluation.
    fn walk(&mut self, expr: &mut IdedExpr, depth: usize) -> Result<bool, CompileError> {
        if depth > limits::EXPRESSION_DEPTH {
            let message = format!(
                "expected at most {} levels of nesting, found more; split the rule in two",
                limits::EXPRESSION_DEPTH
            );
            return Err(self.wrong(expr, message));
        }
        if let Some(written) = self.path(expr)? {
            let name = self.name(written)?;
            expr.expr = Expr::Ident(name);
            return Ok(false);
        }
        let offset = self.offset(expr);
        match &mut expr.expr {
            Expr::Literal(_) => Ok(true),
            Expr::Ident(name) if self.bound.contains(name) => Ok(false),
            Expr::Ident(name) => Err(unknown_name(offset, name)),
            Expr::Select(select) if select.test => {
                expr.expr = self.presence(expr.id, std::mem::take(select), depth)?;
                Ok(false)
            }
            Expr::Select(select) => {
                self.walk(&mut select.operand, depth + 1)?;
                Ok(false)
            }
            Expr::Call(call) => self.call(expr.id, call, offset, depth),
            Expr::List(list) => {
                let constant = self.all(list.elements.iter_mut(), depth)?;
                if self.within > 0 && !constant {
                    // The next macro traverses the results of an iteration.
                    list.elements.iter_mut().for_each(charged);
                }
                Ok(constant)
            }
            Expr::Map(map) => {
                self.map_literal.get_or_insert(offset);
                let mut parts = Vec::new();
                for entry in &mut map.entries {
                    if let EntryExpr::MapEntry(entry) = &mut entry.expr {
                        parts.push(&mut entry.key);
                        parts.push(&mut entry.value);
                    }
                }
                self.all(parts.into_iter(), depth)
            }
            Expr::Comprehension(comprehension) => {
                // The parser gives the position of a macro's bracket.
                let before = self.places.source.get(..offset).unwrap_or_default();
                let offset = before.rfind('.').map_or(offset, |point| point + 1);
                self.macros.push(Macro { offset, within: self.within });
                self.comprehension(comprehension, depth)?;
                Ok(false)
            }
            Expr::Struct(_) => Err(CompileError::new(
                offset,
                "expected a map such as {\"a\": 1}, found a name before the brace; remove the name",
            )),
            Expr::Unspecified => Err(CompileError::new(offset, "expected a CEL expression")),
        }
    }

    /// `has(x.y)`: a missing value is null, so presence is one comparison.
    fn presence(
        &mut self,
        id: u64,
        select: SelectExpr,
        depth: usize,
    ) -> Result<Expr, CompileError> {
        let select = SelectExpr { test: false, ..select };
        let mut tested = IdedExpr { id, expr: Expr::Select(select) };
        self.walk(&mut tested, depth + 1)?;
        let null = IdedExpr { id, expr: Expr::Literal(LiteralValue::Null) };
        Ok(Expr::Call(CallExpr {
            func_name: operators::NOT_EQUALS.to_owned(),
            target: None,
            args: vec![tested, null],
        }))
    }

    /// Walks the parts of one node. If some are constant and some are not, the constant ones are computed
    /// now.
    fn all<'e>(
        &mut self,
        parts: impl Iterator<Item = &'e mut IdedExpr>,
        depth: usize,
    ) -> Result<bool, CompileError> {
        let mut seen = Vec::new();
        for part in parts {
            let constant = self.walk(part, depth + 1)?;
            seen.push((part, constant));
        }
        let constant = seen.iter().all(|(_, constant)| *constant);
        if !constant {
            for (part, constant) in seen {
                if constant {
                    self.fold(part)?;
                }
            }
        }
        Ok(constant)
    }

    fn call(
        &mut self,
        id: u64,
        call: &mut CallExpr,
        offset: usize,
        depth: usize,
    ) -> Result<bool, CompileError> {
        let arithmetic = match call.func_name.as_str() {
            operators::ADD => Some(functions::ADD),
            operators::SUBSTRACT => Some(functions::SUBTRACT),
            operators::MULTIPLY => Some(functions::MULTIPLY),
            operators::DIVIDE => Some(functions::DIVIDE),
            operators::MODULO => Some(functions::REMAINDER),
            _ => None,
        };
        self.warn_about_date(id, call);
        if let Some(own) = arithmetic
            && !call.args.iter().any(never_a_number)
        {
            own.clone_into(&mut call.func_name);
        } else if arithmetic.is_none() && !is_operator(&call.func_name) {
            known_function(call, offset)?;
            if call.func_name == "timestamp" && call.target.is_none() && call.args.len() == 1 {
                functions::TIMESTAMP.clone_into(&mut call.func_name);
            }
        }
        let parts = call.target.as_deref_mut().into_iter().chain(call.args.iter_mut());
        let constant = self.all(parts, depth)?;
        if self.within > 0 && !constant && goes_through(&call.func_name) {
            let parts = call.target.as_deref_mut().into_iter().chain(call.args.iter_mut());
            parts.for_each(charged);
        }
        Ok(constant)
    }

    /// Warns about a date without quotes, once.
    fn warn_about_date(&mut self, id: u64, call: &CallExpr) {
        if self.dates.contains(&id) {
            return;
        }
        let at = |expr: &IdedExpr| self.offset(expr);
        if let Some((remark, within)) = dates::remark(&self.places.source, call, at) {
            self.dates.extend(within);
            self.remarks.push(remark);
        }
    }

    fn comprehension(
        &mut self,
        comprehension: &mut ComprehensionExpr,
        depth: usize,
    ) -> Result<(), CompileError> {
        let ComprehensionExpr {
            iter_range,
            iter_var,
            iter_var2,
            accu_var,
            accu_init,
            loop_cond,
            loop_step,
            result,
        } = comprehension;
        if self.walk(iter_range, depth + 1)? {
            self.fold(iter_range)?;
        }
        charged(iter_range);
        self.walk(accu_init, depth + 1)?;
        let before = self.bound.len();
        self.bound.push(accu_var.clone());
        self.walk(result, depth + 1)?;
        self.bound.push(iter_var.clone());
        self.bound.extend(iter_var2.clone());
        self.within += 1;
        self.walk(loop_cond, depth + 1)?;
        self.walk(loop_step, depth + 1)?;
        self.within -= 1;
        self.bound.truncate(before);
        metered(loop_cond, loop_step);
        Ok(())
    }

    /// The full path that `expr` is.
    fn path(&self, expr: &IdedExpr) -> Result<Option<WrittenPath>, CompileError> {
        let mut names: Vec<Box<str>> = Vec::new();
        let mut at = expr;
        let root = loop {
            match &at.expr {
                Expr::Ident(name) => break name,
                Expr::Select(select) if !select.test => {
                    names.push(select.field.as_str().into());
                    at = &select.operand;
                }
                Expr::Call(CallExpr { func_name, target: None, args })
                    if func_name == operators::INDEX =>
                {
                    let [operand, IdedExpr { expr: Expr::Literal(LiteralValue::String(name)), .. }] =
                        args.as_slice()
                    else {
                        return Ok(None);
                    };
                    names.push(CelString::inner(name).into());
                    at = operand;
                }
                _ => return Ok(None),
            }
        };
        if self.bound.contains(root) {
            return Ok(None);
        }
        let Ok(root) = root.parse() else {
            return Err(unknown_name(self.offset(at), root));
        };
        names.reverse();
        Ok(Some(WrittenPath { path: Path { root, names: names.into() }, start: self.offset(at) }))
    }

    fn name(&mut self, WrittenPath { path, start }: WrittenPath) -> Result<String, CompileError> {
        check_path(path.root, path.names.len())
            .map_err(|message| CompileError::new(start, message))?;
        let at = match self.paths.iter().position(|known| *known == path) {
            Some(at) => at,
            None if self.paths.len() == BindingName::MAX => {
                return Err(CompileError::new(
                    start,
                    format!(
                        "expected at most {} paths in one expression, found more; split the rule \
                         in two",
                        BindingName::MAX
                    ),
                ));
            }
            None => {
                self.paths.push(path);
                self.paths.len() - 1
            }
        };
        Ok(BindingName::Path(at).write())
    }

    /// Computes a part that is the same in every evaluation.
    fn fold(&mut self, expr: &mut IdedExpr) -> Result<(), CompileError> {
        if matches!(expr.expr, Expr::Literal(_)) || self.constants.len() == BindingName::MAX {
            return Ok(());
        }
        let value = match Value::resolve_val(expr, &SHARED) {
            Ok(value) => value.into_owned(),
            Err(error) => {
                return Err(
                    self.wrong(expr, format!("this always fails: {}", cel_value::reason(&error)))
                );
            }
        };
        self.constants.push(value);
        expr.expr = Expr::Ident(BindingName::Constant(self.constants.len() - 1).write());
        Ok(())
    }
}

/// Whether the work of a call grows with the length of the lists or texts that it is given.
fn goes_through(function: &str) -> bool {
    matches!(
        function,
        operators::EQUALS
            | operators::NOT_EQUALS
            | operators::LESS
            | operators::LESS_EQUALS
            | operators::GREATER
            | operators::GREATER_EQUALS
            | operators::IN
            | operators::ADD
            | functions::ADD
            | "lower"
            | "mentions"
            | "contains"
            | "startsWith"
            | "endsWith"
            | "size"
            | "string"
            | "int"
            | "double"
            | "timestamp"
            | functions::TIMESTAMP
            | "duration"
    )
}

/// Charges steps for the value of `expr` whenever it is computed, unless it is always short.
fn charged(expr: &mut IdedExpr) {
    let is_short = match &expr.expr {
        Expr::Literal(_) => true,
        // The values that a macro has collected were charged when they were added.
        Expr::Ident(name) => name.starts_with('@'),
        _ => false,
    };
    if !is_short {
        let id = expr.id;
        let func_name = functions::WEIGH.to_owned();
        let call = CallExpr { func_name, target: None, args: vec![std::mem::take(expr)] };
        *expr = IdedExpr { id, expr: Expr::Call(call) };
    }
}

/// Charges steps for every iteration of a macro: before its condition, or, if that is always true and the
/// interpreter therefore collects values in one list, before the computation of the iteration.
fn metered(condition: &mut IdedExpr, step: &mut IdedExpr) {
    let turn = Expr::Ident(BindingName::Turn(parts_of(condition) + parts_of(step)).write());
    if !matches!(condition.expr, Expr::Literal(_)) {
        return after(turn, condition);
    }
    match &mut step.expr {
        Expr::Call(call) if call.func_name == operators::CONDITIONAL => {
            if let Some(filter) = call.args.first_mut() {
                return after(turn, filter);
            }
        }
        Expr::Call(call) if call.func_name == operators::ADD => {
            if let Some(IdedExpr { expr: Expr::List(kept), .. }) = call.args.get_mut(1)
                && let Some(first) = kept.elements.first_mut()
            {
                return after(turn, first);
            }
        }
        _ => {}
    }
    condition.expr = turn;
}

/// `expr`, computed only after the iteration was charged.
fn after(turn: Expr, expr: &mut IdedExpr) {
    let id = expr.id;
    let turn = IdedExpr { id, expr: turn };
    let never = IdedExpr { id, expr: Expr::Literal(LiteralValue::Null) };
    let args = vec![turn, std::mem::take(expr), never];
    let func_name = operators::CONDITIONAL.to_owned();
    *expr = IdedExpr { id, expr: Expr::Call(CallExpr { func_name, target: None, args }) };
}

/// The parts of an expression; of a nested macro only the list, because its iterations are charged
/// separately.
fn parts_of(expr: &IdedExpr) -> usize {
    let below: usize = match &expr.expr {
        Expr::Call(call) => {
            call.target.as_deref().into_iter().chain(&call.args).map(parts_of).sum()
        }
        Expr::Select(select) => parts_of(&select.operand),
        Expr::List(list) => list.elements.iter().map(parts_of).sum(),
        Expr::Comprehension(inner) => parts_of(&inner.iter_range),
        _ => 0,
    };
    1 + below
}

/// Whether a path with so many names below its root can exist.
pub(super) fn check_path(root: Root, names: usize) -> Result<(), String> {
    match (root, names) {
        (Root::Now | Root::Dissatisfaction, 0) => Ok(()),
        (Root::Dissatisfaction, _) => {
            Err("`dissatisfaction` is a number and has no fields; write it alone".to_owned())
        }
        (Root::Now, _) => Err("`now` is a time and has no fields; write it alone".to_owned()),
        (root, 0) => {
            let root = root.name();
            Err(format!(
                "expected a field of `{root}`, such as `{root}.name`, found `{root}` itself"
            ))
        }
        _ => Ok(()),
    }
}

/// Whether an operand rules out a sum of numbers, so that CEL's own operator is used.
fn never_a_number(expr: &IdedExpr) -> bool {
    match &expr.expr {
        Expr::Literal(LiteralValue::String(_)) | Expr::List(_) => true,
        Expr::Call(call) => {
            call.target.is_none()
                && matches!(
                    call.func_name.as_str(),
                    "days" | "hours" | "minutes" | "duration" | "timestamp" | "string" | "lower"
                )
        }
        Expr::Ident(name) => name == Root::Now.name(),
        _ => false,
    }
}

fn is_operator(name: &str) -> bool {
    name.starts_with(['_', '!', '-', '@'])
}

fn known_function(call: &CallExpr, offset: usize) -> Result<(), CompileError> {
    let name = call.func_name.as_str();
    let (known, other) = match call.target {
        None => (functions::FUNCTIONS, functions::METHODS),
        Some(_) => (functions::METHODS, functions::FUNCTIONS),
    };
    if known.contains(&name) {
        return Ok(());
    }
    // The parser left it as a call, because its arguments are wrong.
    let is_macro = call.target.is_some() || name == "has";
    if let Some(usage) = syntax::macro_usage(name).filter(|_| is_macro || call.args.len() > 1) {
        return Err(CompileError::new(offset, usage));
    }
    let hint = if other.contains(&name) {
        match call.target {
            None => format!("write `value.{name}(…)`"),
            Some(_) => format!("write `{name}(…)`"),
        }
    } else if let Some(write) = syntax::suggestion_for(name) {
        write.to_owned()
    } else {
        let all = known.iter().chain(other).chain(functions::MACROS).copied();
        match nearest(name, all) {
            Some(right) => format!("did you mean `{right}`?"),
            None => format!(
                "functions are {}; methods are {}",
                functions::FUNCTIONS.join(", "),
                functions::METHODS.join(", ")
            ),
        }
    };
    Err(CompileError::new(offset, format!("unknown function `{name}`; {hint}")))
}

fn unknown_name(offset: usize, name: &str) -> CompileError {
    let quotes = format!("; a text has quotes of its own: '{name}'");
    CompileError::new(offset, unknown_root(name, &quotes))
}

/// The error for a first word that is not a root; `otherwise` ends it, if no root is near.
pub(super) fn unknown_root(name: &str, otherwise: &str) -> String {
    if let Some(write) = syntax::constant(name) {
        return format!("found `{name}`; write `{write}`");
    }
    match nearest(name, Root::NAMES.iter().copied()) {
        Some(right) => format!("unknown name `{name}`; did you mean `{right}`?"),
        None => {
            let roots = Root::NAMES.join(", ");
            format!("unknown name `{name}`; a path starts with one of {roots}{otherwise}")
        }
    }
}
