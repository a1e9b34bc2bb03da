//! Forecasts: how active a customer will be.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Activity, Twin};
use crate::event::Time;
use crate::policy::Policy;

/// The forecast for one activity of a customer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Forecast {
    /// The activity, as the policy names it.
    pub name: Box<str>,
    /// The number of occurrences.
    pub times: u32,
    /// The time of the last occurrence.
    pub last: Time,
    /// The probability that the customer has not left, 0 to 1.
    pub alive: f64,
    /// The median number of days until the next occurrence, if the customer has not left.
    pub next_days: f64,
    /// The expected number of occurrences within the next 28 days.
    pub expected_28d: f64,
    /// The trend of its value, recent against long-term, −1 to 1.
    pub trend: f64,
}

impl Twin {
    /// The forecast at a time for each activity that the policy counts.
    pub fn forecasts(&self, policy: &Policy, now: Time) -> Vec<Forecast> {
        let forecast = |known: &Activity| {
            let rule = policy.aggregates.activity(&known.name)?;
            let rhythm = known.rhythm(now);
            Some(Forecast {
                name: known.name.clone(),
                times: known.times,
                last: known.last,
                alive: rule.population.alive(&rhythm),
                next_days: rule.population.next(&rhythm),
                expected_28d: rule.population.expected(&rhythm, 28.0),
                trend: known.trend(now),
            })
        };
        self.tallies.activities.iter().filter_map(forecast).collect()
    }
}
