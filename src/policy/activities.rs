//! Reads `[activities]`: what counts as an activity of the customer, for the probability that the
//! customer has left, and the forecast of the next activity.

use std::time::Duration;

use super::read::{TomlItem, TomlTable};
use super::reader::{ExpressionSite, PolicyReader};
use super::{Expression, rules};
use crate::models::Population;

/// How one kind of activity is counted.
#[derive(Debug)]
pub struct ActivityRule {
    /// The value of an occurrence; none: each counts the same.
    pub value: Option<Expression>,
    /// Occurrences closer together than this count as one.
    pub apart: Duration,
    /// The half-life of the recent value, used for the trend.
    pub half_life: Duration,
    /// The typical behaviour of customers.
    pub population: Population,
}

/// The half-life for the trend, if the policy gives none.
const HALF_LIFE: Duration = Duration::from_secs(30 * 86_400);
/// The `apart` of an activity, if the policy gives none.
const APART: Duration = Duration::from_secs(86_400);

pub(super) fn read(
    table: &TomlTable<'_>,
    reader: &PolicyReader,
    situation: ExpressionSite<'_>,
) -> Option<ActivityRule> {
    let value = table.get("value").map(|item| reader.expression(item, situation));
    let apart = table.get("apart").map_or(Some(APART), TomlItem::span);
    let half_life = table.get("trend").map_or(Some(HALF_LIFE), TomlItem::period);
    let population = population(table);
    Some(ActivityRule {
        value: rules::flat(value)?,
        apart: apart?,
        half_life: half_life?,
        population: population?,
    })
}

fn population(table: &TomlTable<'_>) -> Option<Population> {
    let days = |item: TomlItem<'_>| Some(item.period()?.as_secs_f64() / 86_400.0);
    let usual = table.get("usual").map(days);
    let known = table.get("population").map(|item| {
        let table = item.table()?;
        let number = |key| table.require(key).and_then(|item| item.number(0.001..=1_000.0));
        let (r, a, b) = (number("r"), number("a"), number("b"));
        let alpha = table.require("alpha").and_then(days);
        table.finish();
        Some(Population { r: r?, alpha: alpha?, a: a?, b: b? })
    });
    match (usual, known) {
        (Some(usual), None) => usual.map(Population::usual),
        (None, Some(known)) => known,
        (Some(_), Some(_)) => {
            table.wrong("expected `usual` or `population`, found both; leave one out");
            None
        }
        (None, None) => {
            table.wrong(
                "expected `usual` (the usual gap between two, such as \"30d\") or `population`, \
                 found neither",
            );
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Files, Mistakes, Policy, load};

    fn policy(of_activities: &str, reads: &str) -> Result<Policy, Mistakes> {
        let policy = format!(
            r#"
[policy]
name = "p"
languages = ["en"]
{of_activities}
[[rules]]
name = "r"
on = "page"
then = [{{ set = "told", to = "{reads}" }}]
"#
        );
        load(&Files::new([("p.toml", policy.as_str())]))
    }

    #[test]
    fn an_activity_is_compiled_from_its_table() {
        let policy = policy(
            r#"
[activities.orders]
on = "track:Order Completed"
value = "event.properties.total"
apart = "20h"
trend = "60d"
population = { r = 0.5, alpha = "36h", a = 0.8, b = 2 }
[activities.visits]
on = ["page", "screen"]
usual = "3d"
"#,
            "activities.orders.alive + activities.orders.expected_90d",
        )
        .unwrap_or_else(|mistakes| panic!("\n{mistakes}"));
        let orders = policy.aggregates.activity("orders").unwrap();
        assert_eq!(orders.population, Population { r: 0.5, alpha: 1.5, a: 0.8, b: 2.0 });
        assert_eq!(orders.apart, Duration::from_secs(20 * 3_600));
        let visits = policy.aggregates.activity("visits").unwrap();
        assert_eq!(visits.population, Population::usual(3.0));
        assert!(visits.value.is_none() && policy.aggregates.activity("page").is_none());
    }

    #[test]
    fn mistakes_in_activities_are_reported_with_the_nearest_name() {
        let mistakes = policy(
            r#"
[activities.orders]
on = "track:Order Completed"
usual = "0s"
valu = "1"
[activities.visits]
on = "page"
[activities.calls]
on = "page"
usual = "3d"
population = { r = 0, alpha = 4, a = 1 }
"#,
            "activities.order.alive > 0 && activities.orders.aliv > 0 && activities.orders.chance_0d > activities.orders && activities.orders.alive.x > 0",
        );
        insta::assert_snapshot!(mistakes.unwrap_err(), @r#"
        p.toml:8:10: expected a duration above 0, found `0s`
         8 | usual = "0s"
           |          ^^

        p.toml:9:1: unknown key `valu`; did you mean `value`?
         9 | valu = "1"
           | ^^^^

        p.toml:10:1: expected `usual` (the usual gap between two, such as "30d") or `population`, found neither
         10 | [activities.visits]
            | ^^^^^^^^^^^^^^^^^^^

        p.toml:12:1: expected `usual` or `population`, found both; leave one out
         12 | [activities.calls]
            | ^^^^^^^^^^^^^^^^^^

        p.toml:15:14: expected a key `b` here, found none
         15 | population = { r = 0, alpha = 4, a = 1 }
            |              ^^^^^^^^^^^^^^^^^^^^^^^^^^^

        p.toml:15:20: expected 0.001 to 1000, found 0
         15 | population = { r = 0, alpha = 4, a = 1 }
            |                    ^

        p.toml:15:31: expected a text in quotes, found a number
         15 | population = { r = 0, alpha = 4, a = 1 }
            |                               ^

        p.toml:20:31: unknown activity `order`; did you mean `orders`?
         20 | then = [{ set = "told", to = "activities.order.alive > 0 && activities.orders.aliv > 0 && activities.orders.chance_0d > activities.orders && activities.orders.alive.x > 0" }]
            |                               ^^^^^^^^^^^^^^^^^^^^^^

        p.toml:20:61: expected a metric of the activity, such as `activities.orders.alive`, found `activities.orders` itself
         20 | then = [{ set = "told", to = "activities.order.alive > 0 && activities.orders.aliv > 0 && activities.orders.chance_0d > activities.orders && activities.orders.alive.x > 0" }]
            |                                                             ^^^^^^^^^^^^^^^^^^^^^^

        p.toml:20:61: unknown metric of an activity `aliv`; did you mean `alive`?
         20 | then = [{ set = "told", to = "activities.order.alive > 0 && activities.orders.aliv > 0 && activities.orders.chance_0d > activities.orders && activities.orders.alive.x > 0" }]
            |                                                             ^^^^^^^^^^^^^^^^^^^^^^

        p.toml:20:91: expected a number of days from 1 to 731, such as `chance_28d` or `expected_90d`, found `chance_0d`
         20 | then = [{ set = "told", to = "activities.order.alive > 0 && activities.orders.aliv > 0 && activities.orders.chance_0d > activities.orders && activities.orders.alive.x > 0" }]
            |                                                                                           ^^^^^^^^^^^^^^^^^^^^^^^^^^^

        p.toml:20:142: `activities.orders.alive` is a single value and has no fields; write it alone
         20 | then = [{ set = "told", to = "activities.order.alive > 0 && activities.orders.aliv > 0 && activities.orders.chance_0d > activities.orders && activities.orders.alive.x > 0" }]
            |                                                                                                                                              ^^^^^^^^^^^^^^^^^^^^^^^^^
        "#);
    }
}
