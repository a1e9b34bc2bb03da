//! How an action is said.

use std::collections::BTreeMap;

use super::super::understand::Context;
use super::super::view::{Used, View};
use super::super::{Need, Twin, learn};
use super::Verdict;
use crate::event::{Map, Value};
use crate::language::Language;
use crate::policy::{self, Root, Template, Treatment, Truth};

/// How an action is said this time.
pub(super) struct Said<'a> {
    pub(super) treatment: &'a Treatment,
    pub(super) language: &'a str,
    pub(super) text: String,
    pub(super) data: Map,
}

/// Where the customer wants to be spoken to.
enum Wanted<'a> {
    /// Rather here than elsewhere.
    Rather(Option<&'a str>),
    /// Here and nowhere else, best first.
    Only(&'a [Value]),
}

impl Wanted<'_> {
    fn of<'a>(twin: &'a Twin, context: &Context<'_>) -> Wanted<'a> {
        match usable(twin, context, learn::CHANNEL) {
            Some(Value::List(channels)) => Wanted::Only(channels),
            other => Wanted::Rather(other.and_then(Value::as_text)),
        }
    }

    /// How far behind the best a channel is; none: not here.
    fn rank(&self, channel: &str) -> Option<usize> {
        match self {
            Wanted::Rather(wanted) => Some(usize::from(*wanted != Some(channel))),
            Wanted::Only(channels) => {
                channels.iter().position(|wanted| wanted.as_text() == Some(channel))
            }
        }
    }
}

/// The best treatment that can be said: in the channel that the customer prefers, else in the one
/// where the customer is, else in the policy's order. Where the customer named the only channels,
/// in one of these.
pub(super) fn treat<'a>(
    twin: &Twin,
    context: &'a Context<'_>,
    action: &'a policy::Action,
    need: Option<&Need>,
) -> Result<Said<'a>, Verdict> {
    let used = |discreet| Some(Used { uses: &action.uses, discreet, place: Some(&action.place) });
    let view = View { twin, context, need, used: used(false) };
    let wanted = Wanted::of(twin, context);
    let present = context.input.channel();
    let mut treatments: Vec<&Treatment> = action.treatments.iter().collect();
    treatments.sort_by_key(|treatment| {
        let is_elsewhere = present.is_none_or(|present| present.as_str() != &*treatment.channel);
        (wanted.rank(&treatment.channel).unwrap_or(usize::MAX), is_elsewhere)
    });

    let mut because: Box<str> = "the action has no treatment".into();
    for treatment in treatments {
        if wanted.rank(&treatment.channel).is_none() {
            because =
                format!("the customer does not want to hear of us in {}", treatment.channel).into();
            continue;
        }
        if let Some(purpose) = &action.purpose
            && twin.profile.consent(purpose, Some(&treatment.channel)) != Some(true)
        {
            because = format!("no consent to {purpose} in {}", treatment.channel).into();
            continue;
        }
        if let Some(when) = &treatment.when
            && !matches!(when.test(&view), Truth::True)
        {
            because = format!("{} does not hold: {}", treatment.name, when.source()).into();
            continue;
        }
        let Some((language, template)) = words(&treatment.texts, twin, context) else {
            because = format!("{} has no text", treatment.name).into();
            continue;
        };
        if let Some(key) = unsure(template, twin, context) {
            because =
                format!("{}: preferences.{key} is not sure enough to be said", treatment.name)
                    .into();
            continue;
        }
        let view = View { used: used(treatment.discreet), ..view };
        // A hole in a text is no way to keep a secret.
        let withheld = template.paths().iter().find(|path| view.is_withheld(path));
        if let Some(path) = withheld {
            because = format!("{}: {path} is sensitive", treatment.name).into();
            continue;
        }
        match template.render(&view) {
            Ok(text) => {
                return Ok(Said { treatment, language, text, data: data(action, &view) });
            }
            Err(error) => because = format!("{}: {error}", treatment.name).into(),
        }
    }
    Err(Verdict::NoTreatment { because })
}

/// Data for whoever performs the action; what cannot be worked out is left out.
fn data(action: &policy::Action, view: &View<'_>) -> Map {
    let known = |(name, value): &(Box<str>, policy::Expression)| match value.value(view) {
        Ok(Value::Null) | Err(_) => None,
        Ok(value) => Some((name.clone(), value)),
    };
    action.data.iter().filter_map(known).collect()
}

/// The words in the customer's language, else in the policy's first, else in any.
fn words<'a>(
    texts: &'a BTreeMap<Box<str>, Template>,
    twin: &Twin,
    context: &Context<'_>,
) -> Option<(&'a str, &'a Template)> {
    let wanted = language(twin, context);
    let primary = wanted.and_then(|tag| tag.split(['-', '_']).next());
    let default = context.policy.languages.first().map(|tag| &**tag);
    [wanted, primary, default]
        .into_iter()
        .flatten()
        .find_map(|tag| texts.get_key_value(tag))
        .or_else(|| texts.first_key_value())
        .map(|(tag, template)| (&**tag, template))
}

/// The customer's language, as far as it is known: a preference, else a trait, else the one in
/// which they last wrote.
pub(in super::super) fn language<'a>(twin: &'a Twin, context: &Context<'_>) -> Option<&'a str> {
    usable_text(twin, context, "language")
        .or_else(|| twin.profile.traits.get("language").and_then(Value::as_text))
        .or_else(|| twin.profile.traits.get("locale").and_then(Value::as_text))
        .or_else(|| {
            let sentiment = twin.sentiment.as_ref()?;
            sentiment.language.as_ref().map(Language::as_str)
        })
}

fn usable_text<'a>(twin: &'a Twin, context: &Context<'_>, key: &str) -> Option<&'a str> {
    usable(twin, context, key)?.as_text()
}

fn usable<'a>(twin: &'a Twin, context: &Context<'_>, key: &str) -> Option<&'a Value> {
    let rule = context.policy.preferences.get(key);
    twin.profile.preference(key)?.usable(rule, context.input.at)
}

/// A preference that the words name, and that is sure enough to go by but not to be said. Left out,
/// it would make a text say something else: "if it is the aisle, otherwise the window".
fn unsure<'a>(template: &'a Template, twin: &Twin, context: &Context<'_>) -> Option<&'a str> {
    let named = template.paths().iter().filter(|path| path.root == Root::Preferences);
    named.filter_map(|path| path.names().next()).find(|key| {
        let rule = context.policy.preferences.get(*key);
        twin.profile.preference(key).is_some_and(|known| {
            let now = context.input.at;
            known.usable(rule, now).is_some() && known.sayable(rule, now).is_none()
        })
    })
}
