//! Customers with hidden tastes, moods and needs, who answer what is shown to them. What was learned is
//! compared with chance, the best fixed habit and an oracle.
//!
//! It runs the core of a service (a policy, a twin for each customer, one learner for all) without a
//! broker and a store: the same seed gives the same figures.

mod people;
mod report;

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use clap::Args;
use jumeau::event::{self, Customer, Raw, Time};
use jumeau::models::{HORIZON, Learner, Snapshot};
use jumeau::policy::{Files, Policy, load};
use jumeau::terminal;
use jumeau::twin::{Action, Effect, Input, InputResult, Reaction, Twin, World, react};
use serde_json::json;

use crate::progress;
use people::{Choice, GENRES, GROUPS, Person, TONES};
use report::SimulationReport;

/// What is simulated.
#[derive(Debug, Args)]
pub(crate) struct SimulateOptions {
    /// How many customers there are.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    customers: u64,
    /// On how many days each of them comes by once.
    #[arg(long, default_value_t = 120, value_parser = clap::value_parser!(u32).range(10..=3_650))]
    days: u32,
    /// The seed of the random numbers; another one makes other people.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Writes the curves as a page with charts, too.
    #[arg(long, value_name = "FILE")]
    page: Option<PathBuf>,
}

/// A decision in which something was shown.
#[derive(Debug, Clone, PartialEq)]
struct Moment {
    /// A position in [`GROUPS`].
    group: usize,
    /// The true propensity of each choice, by its position.
    propensities: Vec<f64>,
    /// The choice shown; none if nothing was.
    shown: Option<Choice>,
}

/// The model is swapped after this many answers, as a service does every second.
const ANSWERS_A_SNAPSHOT: usize = 50;
/// A Monday.
const START_MS: i64 = 1_772_409_600_000;

pub(crate) fn run(options: &SimulateOptions) -> anyhow::Result<()> {
    let moments = simulate(options)?;
    let report = SimulationReport::of(&moments, options);
    terminal::show(report.text());
    if let Some(path) = &options.page {
        fs::write(path, report.page())
            .with_context(|| format!("cannot write the page {}", path.display()))?;
    }
    Ok(())
}

/// All decisions, in time order.
fn simulate(options: &SimulateOptions) -> anyhow::Result<Vec<Moment>> {
    let policy = policy()?;
    let mut customers = (0..options.customers)
        .map(|number| Simulated::new(number, options.seed))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let mut learner = Learner::from(Snapshot::nothing(), HORIZON);
    let mut snapshot = Snapshot::nothing();
    let mut moments = Vec::new();
    let bar = progress::bar("days", options.days.into());
    for day in 0..options.days {
        for customer in &mut customers {
            let world = World::of(&policy).knowing(&snapshot);
            moments.push(customer.live(day, &world, &mut learner)?);
            if moments.len().is_multiple_of(ANSWERS_A_SNAPSHOT) {
                snapshot = learner.publish();
            }
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(moments)
}

/// The policy of the simulation, with the repeated part for each genre.
fn policy() -> anyhow::Result<Policy> {
    let mut text = include_str!("simulate/policy.toml").to_owned();
    for genre in GENRES {
        write!(
            text,
            r#"
[counters.{genre}]
on = "track:Watched"
when = 'event.properties.genre == "{genre}"'
half_life = "60d"
[counters.{genre}_not]
on = "outcome:dismissed"
when = 'event.action == "{genre}"'
half_life = "60d"
[[actions]]
name = "{genre}"
issue = "service"
value = 1
propensity = {{ expected = 0.2, weight = 5 }}
cooldown = "0s"
placements = ["home"]
"#
        )?;
        for tone in TONES {
            write!(
                text,
                "[[actions.treatments]]\nname = \"{tone}\"\nchannel = \"web\"\ntone = \"{tone}\"\n\
                 text.en = \"Tonight: {genre}.\"\n"
            )?;
        }
    }
    for tone in TONES {
        for (name, what) in [(tone.to_owned(), "Watched"), (format!("{tone}_not"), "Put Away")] {
            write!(
                text,
                "[counters.{name}]\non = \"track:{what}\"\nwhen = 'event.properties.tone == \
                 \"{tone}\"'\nhalf_life = \"60d\"\n"
            )?;
        }
    }
    Ok(load(&Files::new([("simulated.toml", text.as_str())]))?)
}

/// A person, and the twin that knows of them what channels report.
struct Simulated {
    person: Person,
    twin: Twin,
    sequence: u64,
}

impl Simulated {
    fn new(number: u64, world: u64) -> anyhow::Result<Simulated> {
        let customer =
            Customer::new(&format!("c{number:05}")).map_err(|error| anyhow!("{error}"))?;
        let twin = Twin::new(customer, Time::from_ms(START_MS));
        Ok(Simulated { person: Person::new(number, world), twin, sequence: 0 })
    }

    /// One visit: reports events, shows something, and trains on the answer.
    fn live(
        &mut self,
        day: u32,
        world: &World<'_>,
        learner: &mut Learner,
    ) -> anyhow::Result<Moment> {
        let visit = self.person.wake(day);
        let midnight = Time::from_ms(START_MS) + Duration::from_secs(86_400) * day;
        let mut now = midnight + Duration::from_secs(visit.second.into());
        let mut tell = |channel: &str, kind: &str, data: serde_json::Value| {
            now = now + Duration::from_secs(10);
            self.sequence += 1;
            let payload = json!({ "type": kind, "data": data }).to_string();
            let raw = Raw {
                channel,
                customer: self.twin.customer.as_str(),
                headers: &[],
                payload: payload.as_bytes(),
                sequence: self.sequence,
            };
            let event = event::parse(&raw).map_err(|rejection| anyhow!("{rejection:?}"))?;
            let reaction = react(&mut self.twin, &Input::event(event, now), world);
            match reaction.result {
                InputResult::Applied => Ok(reaction),
                other => bail!("expected that a twin takes `{kind}` in, found {other:?}"),
            }
        };
        if day == 0 {
            let group = GROUPS[self.person.group];
            tell("shop", "identify", json!({ "traits": { "age_group": group } }))?;
        }
        if visit.speaks {
            let text = if self.person.mood > 0.0 {
                "Thank you, this is wonderful, I love it!"
            } else {
                "This is terrible. I am angry and disappointed."
            };
            tell("chat", "message", json!({ "from": "customer", "text": text }))?;
        }
        if visit.runs_out {
            let properties = json!({ "screens": 3 });
            tell(
                "player",
                "track",
                json!({ "name": "Screens Exceeded", "properties": properties }),
            )?;
        }
        let propensities =
            Choice::all().map(|choice| self.person.propensity(choice, &visit)).collect();
        let mut moment = Moment { group: self.person.group, propensities, shown: None };
        let asked = tell("web", "ask", json!({ "placements": ["home"] }))?;
        let Some(action) = chosen_action(&asked) else { return Ok(moment) };
        let Some(choice) = Choice::of(&action.action, &action.treatment) else {
            bail!("expected something that there is, found {}", action.action);
        };
        moment.shown = Some(choice);
        let takes = self.person.answers(choice, &visit, day);
        let (outcome, name) =
            if takes { ("clicked", "Watched") } else { ("dismissed", "Put Away") };
        let data = json!({ "decision": action.decision, "outcome": outcome });
        let reaction = tell("web", "outcome", data)?;
        for effect in &reaction.effects {
            if let Effect::Observe(observation) = effect {
                observation.exposure.teach(learner, observation.reward == 1);
            }
        }
        let properties = json!({ "genre": action.action, "tone": action.tone });
        tell("web", "track", json!({ "name": name, "properties": properties }))?;
        Ok(moment)
    }
}

/// The action shown.
fn chosen_action(reaction: &Reaction) -> Option<Arc<Action>> {
    reaction.effects.iter().find_map(|effect| match effect {
        Effect::Act(action) => Some(Arc::clone(action)),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(seed: u64) -> SimulateOptions {
        SimulateOptions { customers: 60, days: 40, seed, page: None }
    }

    #[test]
    fn equal_seeds_give_equal_simulations_and_different_seeds_different_ones() {
        let moments = simulate(&options(1)).unwrap();
        assert_eq!(moments.len(), 60 * 40);
        assert!(moments.iter().filter(|moment| moment.shown.is_some()).count() > 60 * 39);
        assert_eq!(moments, simulate(&options(1)).unwrap());
        assert_ne!(moments, simulate(&options(2)).unwrap());
    }

    #[test]
    fn learned_choices_beat_chance_and_the_best_fixed_choice() {
        let report = SimulationReport::of(&simulate(&options(1)).unwrap(), &options(1));
        let regret = |side: &str| report.regret_at_last(side);
        assert!(regret("learned") < 0.8 * regret("random"), "{}", report.text());
        assert!(regret("learned") < regret("best fixed"), "{}", report.text());
        assert_eq!(regret("oracle"), 0.0);
    }
}
