//! Counts an input in the policy's aggregates.

use std::time::Duration;

use crate::config::limits;
use crate::event::{Time, Value, cut};
use crate::policy::{Aggregate, AggregateFunction, AggregateKind, EvalError, Expression, Truth};
use crate::twin::moment::{ReactionContext, View};
use crate::twin::note::Notes;
use crate::twin::state::guard::both;
use crate::twin::state::{Activity, AggregateState, Counted, Counter, Derived, Twin, Window};

/// Counts an input in every aggregate of the policy that it matches, before the rules run; removes
/// aggregates that the policy no longer defines.
pub(in crate::twin) fn count(twin: &mut Twin, context: &ReactionContext<'_>, notes: &mut Notes) {
    let counted = &context.policy.aggregates;
    if counted.is_empty() {
        if !twin.tallies.is_empty() {
            twin.tallies = AggregateState::default();
        }
        return;
    }
    let (trigger, detail) = context.input.trigger();
    let mut is_first = true;
    for aggregate in counted.on(trigger, detail, context.further_triggers()) {
        if std::mem::take(&mut is_first) {
            twin.tallies.windows.retain(|known| counted.window(&known.name).is_some());
            twin.tallies.counters.retain(|known| counted.has_counter(&known.name));
            twin.tallies.activities.retain(|known| counted.activity(&known.name).is_some());
        }
        if let Err(error) = count_one(twin, aggregate, context, notes) {
            notes.policy(&aggregate.place, error);
        }
    }
}

/// Whether an input itself is counted, and not only a broadcast that the twin receives with it.
fn is_of_input(aggregate: &Aggregate, context: &ReactionContext<'_>) -> bool {
    let (trigger, detail) = context.input.trigger();
    context.met.is_empty()
        || context
            .policy
            .aggregates
            .on(trigger, detail, context.topics())
            .any(|known| std::ptr::eq(known, aggregate))
}

fn count_one(
    twin: &mut Twin,
    aggregate: &Aggregate,
    context: &ReactionContext<'_>,
    notes: &mut Notes,
) -> Result<(), EvalError> {
    let view = View::whole(twin, context);
    if let Some(when) = &aggregate.when
        && !matches!(when.test(&view), Truth::True)
    {
        return Ok(());
    }
    let read = |expression: Option<&Expression>| {
        expression.and_then(|expression| twin.purposes_at_all(expression.paths(), context))
    };
    let (kind, value) = match &aggregate.measure {
        AggregateKind::Window { of, .. } => (Derived::Window, of.as_ref()),
        AggregateKind::Counter { by, .. } => (Derived::Counter, Some(by)),
        AggregateKind::Activity(rule) => (Derived::Activity, rule.value.as_ref()),
    };
    let purposes = both(read(aggregate.when.as_ref()), read(value));
    let of_input = twin.purposes_of_input(context).filter(|_| is_of_input(aggregate, context));
    let purposes = both(purposes, of_input);
    // A late statement does not move time back.
    let (at, now) = (context.input.came, context.twin_now(twin));
    let name = &aggregate.name;
    match &aggregate.measure {
        AggregateKind::Window { over, keep, of } => {
            let Some(value) = counted_value(of.as_ref(), *keep, &view, notes)? else {
                return Ok(());
            };
            let window = window_of(&mut twin.tallies.windows, name, *keep, *over);
            window.add(Counted { at, count: 1, value }, now, notes);
        }
        AggregateKind::Counter { half_life, by } => {
            let by = by.number(&view)?;
            add_to_counter(&mut twin.tallies.counters, name, *half_life, by, (at, now));
        }
        AggregateKind::Activity(rule) => {
            // An occurrence without a value counts all the same.
            let value = match &rule.value {
                Some(value) => value.value(&view)?.as_number().unwrap_or(0.0),
                None => 1.0,
            };
            Activity::count(&mut twin.tallies.activities, name, rule, value, at);
        }
    }
    twin.add_guard(kind, name, purposes);
    Ok(())
}

/// The value that a window counts; none: the input is not counted.
fn counted_value(
    of: Option<&Expression>,
    keep: AggregateFunction,
    view: &View<'_>,
    notes: &mut Notes,
) -> Result<Option<Value>, EvalError> {
    let Some(of) = of else { return Ok(Some(Value::Null)) };
    Ok(match of.value(view)? {
        // An input without the value is not counted.
        Value::Null => None,
        value @ (Value::Int(_) | Value::UInt(_) | Value::Float(_)) => Some(value),
        // The error tells what was found instead of a number.
        _ if keep.needs_numbers() => of.number(view).map(|_| None)?,
        Value::Text(text) => Some(Value::from(cut(&text, limits::NAME_BYTES))),
        Value::List(_) | Value::Map(_) => {
            notes.limit("TEXT_BYTES");
            None
        }
        value => Some(value),
    })
}

/// The window of this name, as the policy defines it now.
fn window_of<'a>(
    windows: &'a mut Vec<Window>,
    name: &str,
    keep: AggregateFunction,
    over: Duration,
) -> &'a mut Window {
    let known = windows.iter().position(|known| *known.name == *name);
    let position = known.unwrap_or_else(|| {
        windows.push(Window::new(name, keep, over));
        windows.len() - 1
    });
    let window = &mut windows[position];
    if window.keep != keep {
        // The policy's definition has changed, and nothing has been counted by the new one.
        *window = Window::new(name, keep, over);
    }
    window.over = over;
    window
}

/// Adds to the counter of this name, for an input that came at a time, and now.
fn add_to_counter(
    counters: &mut Vec<Counter>,
    name: &str,
    half_life: Duration,
    by: f64,
    (at, now): (Time, Time),
) {
    let Some(known) = counters.iter_mut().find(|known| *known.name == *name) else {
        counters.push(Counter { name: name.into(), half_life, value: by, at });
        return;
    };
    if known.half_life != half_life {
        // Up to now the value fades with the old half-life.
        *known = Counter {
            value: known.read(now),
            at: known.at.max(now),
            half_life,
            name: known.name.clone(),
        };
    }
    known.add(by, at);
}
