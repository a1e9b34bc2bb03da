//! Selects and renders the treatment of an action.

use std::collections::BTreeMap;

use super::Scoring;
use super::checks::is_limited;
use super::weighing::{TreatmentOption, TreatmentOptions};
use crate::event::{Map, Value, is_same_name};
use crate::policy::{self, Root, Template, Treatment, Truth};
use crate::twin::moment::language::{languages, usable};
use crate::twin::moment::{ReactionContext, ReadPurpose, View};
use crate::twin::state::preference::CHANNEL;
use crate::twin::state::{Need, Twin};

/// The rendered treatment of an action.
pub(super) struct RenderedTreatment<'a> {
    pub(super) treatment: &'a Treatment,
    pub(super) language: &'a str,
    pub(super) text: String,
    pub(super) data: Map,
}

/// The channels in which the customer wants to be contacted.
pub(super) enum ChannelPreference<'a> {
    /// Preferably in this channel.
    Rather(Option<&'a str>),
    /// Only in these channels, best first.
    Only(&'a [Value]),
}

impl ChannelPreference<'_> {
    pub(super) fn of<'a>(
        twin: &'a Twin,
        context: &'a ReactionContext<'_>,
    ) -> ChannelPreference<'a> {
        match usable(twin, context, CHANNEL) {
            Some(Value::List(channels)) => ChannelPreference::Only(channels),
            other => ChannelPreference::Rather(other.and_then(Value::as_text)),
        }
    }

    /// The rank of a channel, 0 for the best; none: not in this channel.
    pub(super) fn rank(&self, channel: &str) -> Option<usize> {
        match self {
            ChannelPreference::Rather(wanted) => {
                Some(usize::from(!wanted.is_some_and(|wanted| is_same_name(wanted, channel))))
            }
            ChannelPreference::Only(channels) => channels
                .iter()
                .position(|wanted| wanted.as_text().is_some_and(|own| is_same_name(own, channel))),
        }
    }
}

impl<'a> Scoring<'a> {
    /// The best usable treatment of an action, and the rendered text.
    ///
    /// # Errors
    /// Why the last treatment cannot be used.
    pub(super) fn treat(
        &self,
        action: &'a policy::ActionDefinition,
        need: Option<&Need>,
        treatment_options: &TreatmentOptions<'a>,
        place: Option<&str>,
    ) -> Result<(TreatmentOption<'a>, RenderedTreatment<'a>), Box<str>> {
        let (twin, context) = (self.twin, self.context);
        let used = |discreet| {
            Some(ReadPurpose { uses: &action.uses, discreet, place: Some(&action.place) })
        };
        let view = View { twin, context, need, used: used(false) };
        let mut because = None;
        for way in &treatment_options.all {
            let treatment = way.treatment;
            let is_made_for_it = place.is_none()
                || treatment.placement.is_none()
                || treatment.placement.as_deref() == place;
            if !is_made_for_it {
                because = Some(format!("{} is for another placement", treatment.name).into());
                continue;
            }
            // Actions already chosen in this decision count, too.
            if is_limited(action, context)
                && let Some(objection) = self.budget.objection(action, Some(&treatment.channel))
            {
                because = Some(format!("{}: {objection}", treatment.channel).into());
                continue;
            }
            if let Some(when) = &treatment.when
                && !matches!(when.test(&view), Truth::True)
            {
                because = Some(
                    format!("condition of {} not met: {}", treatment.name, when.source()).into(),
                );
                continue;
            }
            let Some((language, template)) = words(&treatment.texts, twin, context) else {
                because = Some(format!("{} has no text", treatment.name).into());
                continue;
            };
            if let Some(key) = unsure(template, twin, context) {
                because = Some(
                    format!(
                        "{}: preferences.{key} is not certain enough to be mentioned",
                        treatment.name
                    )
                    .into(),
                );
                continue;
            }
            let view = View { used: used(treatment.discreet), ..view };
            // Leaving a placeholder empty would not keep the value secret.
            let withheld = template.paths().iter().find(|path| view.is_withheld(path));
            if let Some(path) = withheld {
                because = Some(format!("{}: {path} is sensitive", treatment.name).into());
                continue;
            }
            match template.render(&view) {
                Ok(text) => {
                    let data = data(action, &view);
                    return Ok((*way, RenderedTreatment { treatment, language, text, data }));
                }
                Err(error) => because = Some(format!("{}: {error}", treatment.name).into()),
            }
        }
        Err(because.unwrap_or_else(|| treatment_options.because()))
    }
}

/// Data for the integrator; an entry that cannot be evaluated is left out.
fn data(action: &policy::ActionDefinition, view: &View<'_>) -> Map {
    let known = |(name, value): &(Box<str>, policy::Expression)| match value.value(view) {
        Ok(Value::Null) | Err(_) => None,
        Ok(value) => Some((name.clone(), value)),
    };
    action.data.iter().filter_map(known).collect()
}

/// The text in the customer's language, else in the policy's first, else in any.
fn words<'a>(
    texts: &'a BTreeMap<Box<str>, Template>,
    twin: &Twin,
    context: &ReactionContext<'_>,
) -> Option<(&'a str, &'a Template)> {
    let default = context.policy.languages.first();
    languages(twin, context)
        .find_map(|tag| words_in(texts, &tag))
        .or_else(|| words_in(texts, default?))
        .or_else(|| texts.first_key_value().map(|(tag, template)| (&**tag, template)))
}

/// The text in a language, else in the wider language that contains it: for `zh-Hant-TW` in `zh-Hant`,
/// else in `zh`, by the lookup of RFC 4647 (section 3.4).
fn words_in<'a>(
    texts: &'a BTreeMap<Box<str>, Template>,
    mut tag: &str,
) -> Option<(&'a str, &'a Template)> {
    loop {
        match texts.get_key_value(tag) {
            Some((tag, template)) => return Some((tag, template)),
            None => tag = tag.rsplit_once('-')?.0,
        }
    }
}

/// A preference that the text mentions, and that is certain enough for decisions but not for a text.
/// Rendered as missing, it would change the meaning: "if it is the aisle, otherwise the window".
fn unsure<'a>(
    template: &'a Template,
    twin: &Twin,
    context: &ReactionContext<'_>,
) -> Option<&'a str> {
    let named = template.paths().iter().filter(|path| path.root == Root::Preferences);
    named.filter_map(|path| path.names().next()).find(|key| {
        let rule = context.policy.preferences.get(*key);
        twin.profile.preference(key).is_some_and(|known| {
            let now = context.input.at;
            known.usable(rule, now).is_some() && known.sayable(rule, now).is_none()
        })
    })
}
