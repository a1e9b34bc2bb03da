//! The customer's languages.

use std::borrow::Cow;

use smallvec::SmallVec;

use super::ReactionContext;
use crate::event::{Value, language_tag};
use crate::language::Language;
use crate::twin::state::Twin;

/// The customer's language, if known, whether or not the policy supports it.
pub(in crate::twin) fn language<'a>(
    twin: &'a Twin,
    context: &ReactionContext<'_>,
) -> Option<Cow<'a, str>> {
    languages(twin, context).next()
}

/// The customer's languages, best first: the preferred one, then those of the traits, each of which may
/// be a list. If there are none, the language of their last message; if that is none of the policy's, it
/// may be a guess among these.
pub(in crate::twin) fn languages<'a>(
    twin: &'a Twin,
    context: &ReactionContext<'_>,
) -> impl Iterator<Item = Cow<'a, str>> + use<'a> {
    let of_trait = |name| twin.profile.traits.get(name);
    let declared = [usable(twin, context, "language"), of_trait("language"), of_trait("locale")];
    let values = declared.into_iter().flatten().flat_map(|value| match value {
        Value::List(all) => &all[..],
        one => std::slice::from_ref(one),
    });
    let is_language = |tag: &str| {
        tag.parse::<Language>().is_ok() || context.policy.languages.iter().any(|own| **own == *tag)
    };
    let named = values.filter_map(Value::as_text).map(language_tag);
    let mut named: SmallVec<[_; 3]> = named.filter(|tag| is_language(tag)).collect();
    if named.is_empty() {
        let written = twin.sentiment.as_ref().and_then(|known| known.language.as_ref());
        named.extend(written.map(|language| Cow::Borrowed(language.as_str())));
    }
    named.into_iter()
}

pub(in crate::twin) fn usable<'a>(
    twin: &'a Twin,
    context: &ReactionContext<'_>,
    key: &str,
) -> Option<&'a Value> {
    // An inferred preference is used only if the customer allows it.
    let rule = context.policy.preferences.get(key).filter(|_| context.is_personal);
    twin.profile.preference(key)?.usable(rule, context.input.at)
}
