//! Reads `[experiments]`: A/B tests on a share of the customers, and the goals by which they are
//! evaluated.

use std::collections::BTreeSet;
use std::time::Duration;

use strum::VariantNames;

use super::files::ARMS;
use super::hint::hint;
use super::read::{TomlItem, TomlKey, TomlTable};
use super::reader::{ExpressionSite, PolicyReader};
use super::rules;
use super::trigger::Pattern;
use super::{ActionDefinition, Expression, Index, Issue, SourceLocation, Trigger};
use crate::config::limits;
use crate::models;

/// The experiments of a policy, in the order of files and lines.
#[derive(Debug, Default)]
pub struct Experiments {
    all: Box<[Experiment]>,
    index: Index,
}

/// An experiment on a share of the customers.
///
/// A customer is always in the same arm, for every twin and at every time: the arm follows from a hash of
/// the experiment and the customer, so nothing needs to be stored. Experiments are independent: the arms
/// of one are spread evenly over the arms of any other.
#[derive(Debug)]
pub struct Experiment {
    /// Its name.
    pub name: Box<str>,
    /// What it is to show, for people.
    pub describe: Box<str>,
    /// The arms, in the order of the file. The others are compared with the first one.
    pub arms: Box<[ExperimentArm]>,
    /// The actions whose decisions it concerns; none: all.
    pub actions: Box<[Box<str>]>,
    /// The issues whose decisions it concerns; none: all.
    pub issues: Box<[Issue]>,
    /// The condition for an input to be the goal; none: always.
    pub when: Option<Expression>,
    /// The value of reaching the goal; none: only whether it is reached counts.
    pub value: Option<Expression>,
    /// The period after a customer entered in which the goal may be reached.
    pub within: Duration,
    /// If actions count by the share of goals that they cause, compared with the control group: the least
    /// increase of the probability of the goal with which one is taken, 0 to 1.
    pub least_gain: Option<f64>,
    /// The hash of the experiment's name and of its goal: its inputs, condition and period. What is learned
    /// about one goal says nothing about another.
    pub goal_hash: u64,
    /// Its location.
    pub place: SourceLocation,
}

/// A share of the customers.
#[derive(Debug)]
pub struct ExperimentArm {
    /// Its name.
    pub name: Box<str>,
    /// Its share of all customers, 0 to 1.
    pub share: f64,
    /// What it does differently.
    pub does: Does,
    /// The complete policy of its customers; none: the policy that defines the experiment.
    pub policy: Option<Box<str>>,
}

impl ExperimentArm {
    /// Whether its customers get the actions of the policy that defines the experiment (true), or are the
    /// control group of that policy (false); none: neither.
    pub fn side(&self) -> Option<bool> {
        match self.does {
            _ if self.policy.is_some() || self.share <= 0.0 => None,
            Does::Policy => Some(true),
            Does::Nothing => Some(false),
            Does::Random => None,
        }
    }
}

/// What an arm does.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, strum::EnumString, strum::IntoStaticStr, strum::VariantNames,
)]
#[strum(serialize_all = "kebab-case")]
pub enum Does {
    /// It follows the policy, which can read the arm: `experiments.tone == "gentle"`.
    Policy,
    /// A control group: what would be chosen is not done.
    Nothing,
    /// A random one of the permitted actions, to measure the value of the choice itself.
    Random,
}

impl Does {
    /// Its name in policies.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

impl Experiment {
    /// The arm of a customer; none: the experiment does not include them.
    pub fn arm_of(&self, customer: &str) -> Option<&ExperimentArm> {
        let seed = models::seed(&[models::hashed(&self.name), models::hashed(customer)]);
        let mut left = models::uniform(seed);
        self.arms.iter().find(|arm| {
            left -= arm.share;
            left < 0.0
        })
    }

    /// The arm with this name.
    pub fn arm(&self, name: &str) -> Option<&ExperimentArm> {
        self.arms.iter().find(|arm| *arm.name == *name)
    }

    /// The share of all customers who get the actions, or who are in a control group, 0 to 1.
    pub fn share_of_side(&self, with: bool) -> f64 {
        let side = self.arms.iter().filter(|arm| arm.side() == Some(with));
        side.map(|arm| arm.share).sum()
    }

    /// Whether it concerns decisions in which this action is a candidate.
    pub fn covers(&self, action: &ActionDefinition) -> bool {
        (self.actions.is_empty() || self.actions.iter().any(|own| **own == *action.name))
            && (self.issues.is_empty() || self.issues.contains(&action.issue))
    }
}

impl Experiments {
    pub(super) fn new(read: Vec<PatternedExperiment>) -> Experiments {
        let index = Index::of(read.iter().map(|one| one.goal.as_slice()));
        Experiments { all: read.into_iter().map(|one| one.experiment).collect(), index }
    }

    /// Whether there are no experiments.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// All experiments.
    pub fn iter(&self) -> impl Iterator<Item = &Experiment> {
        self.all.iter()
    }

    /// The experiment with this name.
    pub fn get(&self, name: &str) -> Option<&Experiment> {
        self.all.iter().find(|experiment| *experiment.name == *name)
    }

    /// The experiments of which an input of this kind can be the goal.
    pub fn with_goal<'a>(
        &'a self,
        trigger: Trigger,
        detail: &str,
        further_triggers: impl IntoIterator<Item = (Trigger, &'a str)>,
    ) -> impl Iterator<Item = &'a Experiment> {
        let found = self.index.concerned(trigger, detail, further_triggers);
        (0..found.len()).map(move |at| &self.all[found[at] as usize])
    }
}

/// An experiment and the inputs that are its goal.
pub(super) struct PatternedExperiment {
    experiment: Experiment,
    goal: Vec<Pattern>,
}

pub(super) fn read(
    table: &TomlTable<'_>,
    reader: &PolicyReader,
    experiments: &mut Vec<PatternedExperiment>,
) {
    let Some(item) = table.get("experiments") else { return };
    if reader.is_of_arm {
        item.wrong(
            "an arm's policy cannot define experiments: those of the main policy apply to it; \
             remove these",
        );
    }
    let Some(all) = item.table() else { return };
    for (key, item) in all.entries() {
        let (Some(name), Some(table)) = (key.name(), item.table()) else { continue };
        if experiments.iter().any(|known| *known.experiment.name == *name) {
            key.wrong(format!("the experiment `{name}` is defined twice"));
        }
        experiments.extend(experiment(name, key, &table, reader));
        table.finish();
    }
}

fn experiment(
    name: &str,
    key: TomlKey<'_>,
    table: &TomlTable<'_>,
    reader: &PolicyReader,
) -> Option<PatternedExperiment> {
    let describe = table.require("describe").and_then(TomlItem::text);
    let arms = table.require("arms").and_then(|item| arms(item, reader));
    let actions =
        some_of(table.get("actions"), "one action", "leave `actions` out for all of them");
    let actions = actions.into_iter().filter_map(|item| {
        let name = item.name()?;
        reader.names.action(name).map_err(|message| item.wrong(message)).ok()?;
        Some(name.into())
    });
    let actions = actions.collect();
    let issues = some_of(table.get("issues"), "one issue", "leave `issues` out for all of them");
    let issues = issues.into_iter().filter_map(Issue::read).collect();
    let goal = table.require("goal");
    some_of(goal, "one event as the goal", "name it, such as `track:Paid`");
    let goal = goal.map(|item| rules::patterns(item, reader));
    let triggers: Vec<Trigger> = goal.iter().flatten().map(|(trigger, _)| *trigger).collect();
    if triggers.contains(&Trigger::Dissatisfaction) {
        table.wrong(
            "expected events as the goal, such as `track:Paid`, found `dissatisfaction`, which \
             only rules react to",
        );
    }
    let situation = ExpressionSite::Rule(&triggers);
    let when = table.get("when").map(|item| reader.expression(item, situation));
    let value = table.get("value").map(|item| reader.expression(item, situation));
    let within = table.require("within").and_then(TomlItem::period);
    let least_gain = table.get("uplift").map(|item| least_gain(item, arms.as_deref()));
    let (goal, when, value) = (goal?, rules::flat(when)?, rules::flat(value)?);
    let within = within?;
    let experiment = Experiment {
        name: name.into(),
        describe: describe?.into(),
        arms: arms?,
        actions,
        issues,
        goal_hash: hash_of_goal(name, &goal, when.as_ref(), within),
        when,
        value,
        within,
        least_gain: rules::flat(least_gain)?.flatten(),
        place: key.place(),
    };
    Some(PatternedExperiment { experiment, goal })
}

/// The values of a list, which must not be empty where it stands.
fn some_of<'a>(item: Option<TomlItem<'a>>, wanted: &str, what_to_do: &str) -> Vec<TomlItem<'a>> {
    let Some(item) = item else { return Vec::new() };
    let values = item.list_or_one();
    if values.is_empty() {
        item.wrong(format!("expected at least {wanted}, found none; {what_to_do}"));
    }
    values
}

fn hash_of_goal(name: &str, goal: &[Pattern], when: Option<&Expression>, within: Duration) -> u64 {
    let inputs = goal.iter().map(|(trigger, detail)| {
        models::hashed(&trigger.called(detail.as_deref().unwrap_or_default()))
    });
    // In any order it is the same goal.
    let inputs: BTreeSet<u64> = inputs.collect();
    let when = when.map_or(0, |when| models::hashed(when.source()));
    let mut all = vec![models::hashed(name), when, within.as_secs()];
    all.extend(inputs);
    models::seed(&all)
}

/// The least gain of an experiment that measures uplift: it needs customers with the actions, and without
/// them.
fn least_gain(item: TomlItem<'_>, arms: Option<&[ExperimentArm]>) -> Option<Option<f64>> {
    let least = match item.as_table() {
        Some(table) => {
            let item = table.require("least_gain");
            table.finish();
            let least = item.and_then(|item| item.number(0.0..=1.0))?;
            if least >= 1.0 {
                item?.wrong(format!(
                    "expected a gain below 1, found {least}: no action makes a goal so much likelier; \
                     write a share such as 0.02"
                ));
                return None;
            }
            least
        }
        None if item.as_number().is_some() => {
            let found = item.as_number().unwrap_or_default();
            item.wrong(format!(
                "expected true, false or the least gain, found {found}; write `uplift = {{ least_gain = \
                 {found} }}`"
            ));
            return None;
        }
        None if item.truth()? => 0.0,
        None => return Some(None),
    };
    let arms = arms?;
    let has = |with| arms.iter().any(|arm| arm.side() == Some(with));
    if !(has(false) && has(true)) {
        item.wrong(
            "expected an arm with `does = \"nothing\"`, and one that follows this policy: uplift is the \
             difference between both; add the arm, or remove `uplift`",
        );
        return None;
    }
    Some(Some(least))
}

fn arms(item: TomlItem<'_>, reader: &PolicyReader) -> Option<Box<[ExperimentArm]>> {
    let table = item.table()?;
    let mut arms: Vec<ExperimentArm> = Vec::new();
    for (key, item) in table.entries() {
        let name = key.name()?;
        let (share, does, policy) = match item.as_table() {
            None => (item.number(0.0..=1.0)?, Does::Policy, None),
            Some(arm) => {
                let share = arm.require("share").and_then(|item| item.number(0.0..=1.0));
                let does = arm
                    .get("does")
                    .map_or(Some(Does::Policy), |item| item.one_of(Does::VARIANTS, "kind of arm"));
                let policy = arm.get("policy").map(|item| governs(item, reader));
                arm.finish();
                (share?, does?, rules::flat(policy)?)
            }
        };
        arms.push(ExperimentArm { name: name.into(), share, does, policy });
    }
    if arms.len() < 2 || arms.len() > limits::EXPERIMENT_ARMS {
        let (most, found) = (limits::EXPERIMENT_ARMS, arms.len());
        item.wrong(format!("expected 2 to {most} arms to compare, found {found}"));
        return None;
    }
    let shares: f64 = arms.iter().map(|arm| arm.share).sum();
    // As exactly as decimal fractions add up.
    if shares > 1.0 + 1e-9 {
        item.wrong(format!("expected shares that sum to at most 1, found {shares}"));
        return None;
    }
    Some(arms.into())
}

/// The policy in the folder of arms that an arm names.
fn governs(item: TomlItem<'_>, reader: &PolicyReader) -> Option<Box<str>> {
    let name = item.name()?;
    let known = reader.arms.iter().map(|known| &**known);
    if known.clone().any(|known| known == name) {
        return Some(name.into());
    }
    let hint = hint(name, known);
    item.wrong(format!("expected a policy in the folder {ARMS}{name}/, found none{hint}"));
    None
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use crate::policy::{Files, Policy, load};

    const HEAD: &str = "[policy]\nname = \"test\"\nlanguages = [\"en\"]\n";

    fn policy(text: &str) -> Policy {
        let text = format!("{HEAD}{text}");
        load(&Files::new([("test.toml", &*text)])).unwrap_or_else(|mistakes| panic!("\n{mistakes}"))
    }

    fn mistakes(text: &str) -> String {
        let text = format!("{HEAD}{text}");
        load(&Files::new([("test.toml", &*text)])).unwrap_err().to_string()
    }

    const TWO: &str = r#"
[experiments.tone]
describe = "a gentle reminder is paid sooner"
arms = { plain = 0.5, gentle = 0.3 }
goal = "track:Paid"
value = "event.properties.amount"
within = "14d"

[experiments.holdout]
describe = "what the company says is worth something"
arms.nobody = { share = 0.1, does = "nothing" }
arms.rest = 0.9
goal = ["track:Paid", "page:Shop"]
within = "30d"
"#;

    #[test]
    fn customers_are_assigned_by_the_shares_independently_for_each_experiment() {
        let policy = policy(TWO);
        let mut counts: BTreeMap<[&str; 2], f64> = BTreeMap::new();
        for number in 0..20_000 {
            let customer = format!("c-{number}");
            let arm = |name| {
                let arm = policy.experiments.get(name).unwrap().arm_of(&customer);
                arm.map_or("-", |arm| &arm.name)
            };
            *counts.entry([arm("tone"), arm("holdout")]).or_default() += 1.0 / 20_000.0;
        }
        for (tone, share) in [("plain", 0.5), ("gentle", 0.3), ("-", 0.2)] {
            for (holdout, part) in [("nobody", 0.1), ("rest", 0.9)] {
                let found = counts[&[tone, holdout]];
                assert!((found - share * part).abs() < 0.01, "{tone} {holdout}: {found}");
            }
        }
    }

    #[test]
    fn an_experiment_that_can_show_nothing_is_refused() {
        let text = r#"
[experiments.tone]
describe = "x"
arms.none = { share = 0.5, does = "nothing" }
arms.usual = 0.5
actions = []
issues = []
goal = []
within = "14d"
uplift = { least_gain = 1 }

[experiments.short]
describe = "x"
arms.none = { share = 0.5, does = "nothing" }
arms.usual = 0.5
goal = "track:Paid"
when = "experiments.tone == 'nonne' || experiments.tone in ['usual', 'gentle']"
within = "14d"
uplift = 0.02
"#;
        insta::assert_snapshot!(mistakes(text), @r#"
        test.toml:9:11: expected at least one action, found none; leave `actions` out for all of them
         9 | actions = []
           |           ^^

        test.toml:10:10: expected at least one issue, found none; leave `issues` out for all of them
         10 | issues = []
            |          ^^

        test.toml:11:8: expected at least one event as the goal, found none; name it, such as `track:Paid`
         11 | goal = []
            |        ^^

        test.toml:13:25: expected a gain below 1, found 1: no action makes a goal so much likelier; write a share such as 0.02
         13 | uplift = { least_gain = 1 }
            |                         ^

        test.toml:20:29: the experiment `tone` has no arm `nonne`; did you mean `none`?
         20 | when = "experiments.tone == 'nonne' || experiments.tone in ['usual', 'gentle']"
            |                             ^

        test.toml:20:60: the experiment `tone` has no arm `gentle`; expected one of none, usual
         20 | when = "experiments.tone == 'nonne' || experiments.tone in ['usual', 'gentle']"
            |                                                            ^

        test.toml:22:10: expected true, false or the least gain, found 0.02; write `uplift = { least_gain = 0.02 }`
         22 | uplift = 0.02
            |          ^^^^
        "#);
    }

    #[test]
    fn mistakes_in_an_experiment_say_what_to_do() {
        let text = r#"
[experiments.tone]
describe = "x"
arms = { plain = 0.5, gentle = 0.7 }
actions = ["remind"]
goal = "track:Paid"
when = 'experiments.tune == "plain"'
within = "14d"

[experiments.lonely]
describe = "x"
arms.only = { share = 0.5, does = "nothin" }
goal = "dissatisfaction"
within = "0s"
"#;
        insta::assert_snapshot!(mistakes(text), @r#"
        test.toml:7:8: expected shares that sum to at most 1, found 1.2
         7 | arms = { plain = 0.5, gentle = 0.7 }
           |        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

        test.toml:8:13: unknown action `remind`
         8 | actions = ["remind"]
           |             ^^^^^^

        test.toml:10:9: unknown experiment `tune`; did you mean `tone`?
         10 | when = 'experiments.tune == "plain"'
            |         ^^^^^^^^^^^^^^^^

        test.toml:13:1: expected events as the goal, such as `track:Paid`, found `dissatisfaction`, which only rules react to
         13 | [experiments.lonely]
            | ^^^^^^^^^^^^^^^^^^^^

        test.toml:15:36: unknown kind of arm `nothin`; did you mean `nothing`?
         15 | arms.only = { share = 0.5, does = "nothin" }
            |                                    ^^^^^^

        test.toml:16:9: expected a table [dissatisfaction] in the policy, found none; add it
         16 | goal = "dissatisfaction"
            |         ^^^^^^^^^^^^^^^

        test.toml:17:11: expected a duration above 0, found `0s`
         17 | within = "0s"
            |           ^^
        "#);
    }
}
