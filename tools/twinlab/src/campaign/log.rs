use std::io::{self, Read};

use anyhow::{Context as _, anyhow, bail};
use jumeau::models::{Arm, ArmParts, Features, Prior, seed, uniform};

use super::CampaignArguments;
use super::table::{ContextTable, CsvFile, csv_file};

/// The greatest number of actions. A column with more is hardly one of actions.
const ACTIONS_MAX: usize = 100;
/// The greatest number of lines × actions, each of which is a number in memory.
const CELLS_MAX: usize = 100_000_000;

/// Fewer choices tell nothing: each half that is learned from would have fewer than fifty.
const CHOICES_MIN: usize = 100;
/// A choice with a smaller probability occurs in less than one of a hundred logs of ten million lines, the
/// most that are read: it is no probability of a choice.
const PROPENSITY_MIN: f64 = 1e-9;

/// A log of choices that were made at random, with their outcomes.
#[derive(Debug)]
pub(crate) struct CampaignLog {
    pub(crate) choices: Vec<LoggedChoice>,
    /// The actions, by name.
    pub(crate) actions: Vec<String>,
    pub(crate) arms: Vec<Arm>,
    pub(crate) prior: Prior,
    /// The action that means that nothing was done.
    pub(crate) control: Option<usize>,
    /// Whether the probabilities of choices are the shares of the actions, for want of a column.
    pub(crate) assumes_shares: bool,
    pub(crate) context: ContextTable,
}

/// One choice for one customer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LoggedChoice {
    pub(crate) action: usize,
    /// The probability with which it was chosen: at least [`PROPENSITY_MIN`], at most 1.
    pub(crate) propensity: f64,
    pub(crate) response: bool,
}

/// The columns of a log that are not context.
struct ChoiceColumns<'a> {
    arguments: &'a CampaignArguments,
    action: usize,
    reward: usize,
    propensity: Option<usize>,
}

impl CampaignLog {
    /// Reads a log.
    ///
    /// # Errors
    /// If it cannot be read, or a line does not say what it must; with the number of the line.
    pub(crate) fn read(arguments: &CampaignArguments) -> anyhow::Result<CampaignLog> {
        let read = || {
            let log =
                CampaignLog::of(&csv_file(&arguments.log, arguments.delimiter()?)?, arguments)?;
            log.check(arguments)?;
            Ok::<_, anyhow::Error>(log)
        };
        read().with_context(|| format!("in {}", arguments.log.display()))
    }

    pub(super) fn of<R: Read>(
        file: &CsvFile<impl Fn() -> io::Result<R>>,
        arguments: &CampaignArguments,
    ) -> anyhow::Result<CampaignLog> {
        if !(arguments.prior > 0.0 && arguments.prior < 1.0) {
            bail!("expected a prior above 0 and below 1, found {}", arguments.prior);
        }
        let columns = ChoiceColumns::of(file, arguments)?;
        let mut context = ContextTable::new(&file.names, &columns.context(file)?)?;
        let mut actions: Vec<String> = Vec::new();
        let mut choices = Vec::new();
        file.lines(|line, fields| {
            let choice = columns.choice(fields, &mut actions);
            choices.push(choice.with_context(|| format!("line {line}"))?);
            context.inspect(fields);
            Ok(())
        })?;
        file.lines(|_, fields| {
            context.add(fields);
            Ok(())
        })?;
        let mut log = CampaignLog {
            choices,
            actions,
            arms: Vec::new(),
            prior: Prior::new(arguments.prior, 10.0),
            control: None,
            assumes_shares: columns.propensity.is_none(),
            context,
        };
        log.finish(arguments)?;
        Ok(log)
    }

    /// Refuses a log from which nothing can be told.
    pub(super) fn check(&self, arguments: &CampaignArguments) -> anyhow::Result<()> {
        let found = self.choices.len();
        if found < CHOICES_MIN {
            bail!(
                "expected at least {CHOICES_MIN} choices, found {found}: too few to tell anything; collect a \
                 longer log, of thousands"
            );
        }
        let response = self.choices[0].response;
        if self.choices.iter().all(|choice| choice.response == response) {
            bail!(
                "expected responses and others in `{}`, found only {}: there is nothing to be learned; is it \
                 the right column?",
                arguments.reward,
                u8::from(response)
            );
        }
        Ok(())
    }

    /// Sorts the actions, and completes what only the whole log tells.
    fn finish(&mut self, arguments: &CampaignArguments) -> anyhow::Result<()> {
        let (count, column) = (self.actions.len(), &arguments.action);
        if count < 2 {
            bail!(
                "expected at least two actions in `{column}`, found only `{}`: a choice needs \
                 alternatives",
                self.actions[0]
            );
        }
        if count * self.choices.len() > CELLS_MAX {
            bail!(
                "expected at most {CELLS_MAX} lines × actions, found {} × {count}; take a random sample \
                 of the lines",
                self.choices.len()
            );
        }
        let mut sorted = self.actions.clone();
        sorted.sort_unstable();
        let places: Vec<usize> = self
            .actions
            .iter()
            .map(|name| sorted.binary_search(name).unwrap_or_default())
            .collect();
        self.actions = sorted;
        self.choices.iter_mut().for_each(|choice| choice.action = places[choice.action]);
        if self.assumes_shares {
            let shares: Vec<f64> = (0..count).map(|action| self.share(action)).collect();
            self.choices.iter_mut().for_each(|choice| choice.propensity = shares[choice.action]);
        }
        let part = |action| ArmParts { action, treatment: "", issue: "", channel: "", tone: "" };
        self.arms =
            Arm::all(&self.actions.iter().map(|name| part(name.as_str())).collect::<Vec<_>>());
        let wanted = arguments.control.as_deref();
        let control = wanted.unwrap_or("control");
        self.control = self.actions.iter().position(|name| name == control);
        if wanted.is_some() && self.control.is_none() {
            bail!(
                "expected the action `{control}` of --control in `{column}`, found {}",
                self.actions.join(", ")
            );
        }
        Ok(())
    }

    /// What was known of the customer of a choice.
    pub(super) fn features(&self, choice: usize) -> Features {
        self.context.features(choice)
    }

    /// The choices in a random order; each number is another one.
    pub(super) fn order(&self, number: u64) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.choices.len()).collect();
        for last in (1..order.len()).rev() {
            let draw = uniform(seed(&[number, last as u64]));
            // Below `last + 1`, because the uniform is below 1.
            order.swap(last, ((draw * (last + 1) as f64) as usize).min(last));
        }
        order
    }

    /// The number of choices of an action.
    fn count(&self, action: usize) -> usize {
        self.choices.iter().filter(|choice| choice.action == action).count()
    }

    /// The share of an action in the log.
    fn share(&self, action: usize) -> f64 {
        self.count(action) as f64 / self.choices.len() as f64
    }
}

impl ChoiceColumns<'_> {
    fn of<'a, R: Read>(
        file: &CsvFile<impl Fn() -> io::Result<R>>,
        arguments: &'a CampaignArguments,
    ) -> anyhow::Result<ChoiceColumns<'a>> {
        let propensity = match &arguments.propensity {
            Some(name) => Some(file.column(name)?),
            None => file.column("propensity").ok(),
        };
        let (action, reward) = (file.column(&arguments.action)?, file.column(&arguments.reward)?);
        if action == reward || propensity.is_some_and(|it| [action, reward].contains(&it)) {
            bail!("expected different columns for action, reward and propensity, found one twice");
        }
        Ok(ChoiceColumns { arguments, action, reward, propensity })
    }

    /// The columns of the context: those that are named, or all others.
    fn context<R: Read>(
        &self,
        file: &CsvFile<impl Fn() -> io::Result<R>>,
    ) -> anyhow::Result<Vec<usize>> {
        let places = |names: &[String]| -> anyhow::Result<Vec<usize>> {
            names.iter().map(|name| file.column(name)).collect()
        };
        let (named, left_out) =
            (places(&self.arguments.context)?, places(&self.arguments.without)?);
        let is_own = |place: &usize| {
            [Some(self.action), Some(self.reward), self.propensity].contains(&Some(*place))
        };
        if let Some(place) = named.iter().find(|place| is_own(place)) {
            bail!(
                "expected in --context what was known before the choice, found `{}`",
                file.names[*place]
            );
        }
        let is_context = |place: &usize| {
            !is_own(place)
                && !left_out.contains(place)
                && (named.is_empty() || named.contains(place))
        };
        Ok((0..file.names.len()).filter(is_context).collect())
    }

    /// The choice of a line. An action that is new is added to the others.
    fn choice(
        &self,
        fields: &csv::StringRecord,
        actions: &mut Vec<String>,
    ) -> anyhow::Result<LoggedChoice> {
        let CampaignArguments { action: action_name, reward: reward_name, .. } = self.arguments;
        let name = fields[self.action].trim();
        if name.is_empty() {
            bail!("expected an action in `{action_name}`, found nothing");
        }
        let known = actions.iter().position(|known| known == name);
        let action = known.unwrap_or(actions.len());
        if known.is_none() {
            actions.push(name.to_owned());
        }
        if actions.len() > ACTIONS_MAX {
            bail!("expected at most {ACTIONS_MAX} actions in `{action_name}`, found more");
        }
        let text = fields[self.reward].trim();
        let response = match text.parse::<f64>() {
            Ok(0.0) => false,
            Ok(1.0) => true,
            _ => bail!(
                "expected 0 or 1 in `{reward_name}`, found `{text}`; say whether there was a response"
            ),
        };
        let propensity = self.propensity.map_or(Ok(1.0), |place| {
            let text = fields[place].trim();
            let number = text.parse::<f64>().ok().filter(|number| (PROPENSITY_MIN..=1.0).contains(number));
            number.ok_or_else(|| {
                anyhow!(
                    "expected a probability of at least {PROPENSITY_MIN:e} and at most 1 in `{}`, found \
                     `{text}`",
                    self.arguments.propensity.as_deref().unwrap_or("propensity")
                )
            })
        });
        Ok(LoggedChoice { action, propensity: propensity?, response })
    }
}
