//! Counts the inputs that are goals of experiments.

use crate::policy::{Experiment, Truth};
use crate::twin::effect::Effect;
use crate::twin::moment::{ReactionContext, View};
use crate::twin::note::Notes;
use crate::twin::state::{Trial, TrialUpdate, Twin};

/// Counts an input that is a goal of experiments, in those that the customer has entered.
pub(super) fn count_goals(
    twin: &mut Twin,
    context: &ReactionContext<'_>,
    effects: &mut Vec<Effect>,
    notes: &mut Notes,
) {
    if twin.trials.is_empty() || !context.is_personal {
        return;
    }
    let (trigger, detail) = context.input.trigger();
    let now = context.input.at;
    for experiment in
        context.policy.experiments.with_goal(trigger, detail, context.further_triggers())
    {
        let is_it = |trial: &Trial| trial.experiment == experiment.name;
        let Some(position) = twin.trials.iter().position(is_it) else { continue };
        let trial = &twin.trials[position];
        let is_counted = now < trial.since + experiment.within;
        let is_awaited =
            trial.measurement.awaited().is_some_and(|goal| now < goal.since + experiment.within);
        if !is_counted && !is_awaited {
            continue;
        }
        let view = View::whole(twin, context);
        let holds = experiment.when.as_ref().map(|when| when.test(&view));
        if !matches!(holds, None | Some(Truth::True)) {
            continue;
        }
        let value = if is_counted { value(experiment, &view, notes) } else { None };
        let trial = &mut twin.trials[position];
        if is_awaited {
            trial.measurement.reach();
        }
        let Some(value) = value else { continue };
        let (before, after) = (trial.value, trial.value + value);
        let is_first = !std::mem::replace(&mut trial.reached, true);
        trial.value = after;
        if is_first || value != 0.0 {
            effects.push(Effect::Try(Box::new(TrialUpdate {
                experiment: trial.experiment.clone(),
                arm: trial.arm.clone(),
                entered: false,
                reached: is_first,
                value,
                squares: after * after - before * before,
            })));
        }
    }
}

/// The value of reaching the goal; none if it is no number, which is noted.
fn value(experiment: &Experiment, view: &View<'_>, notes: &mut Notes) -> Option<f64> {
    let error = match experiment.value.as_ref().map(|value| value.number(view)) {
        None => return Some(0.0),
        Some(Ok(value)) if value.is_finite() => return Some(value),
        Some(Ok(value)) => format!("expected a number, found {value}"),
        Some(Err(error)) => error.to_string(),
    };
    notes.policy(&experiment.place, error);
    None
}
