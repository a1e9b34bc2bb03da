//! Normalisation of names that systems spell in several ways: language tags, purposes and channels.

use std::borrow::Cow;

use super::language_codes::two_letters;

/// The tag of a language as RFC 5646 spells it (section 2.1.1): `fr`, `fr-BE`, `zh-Hant-TW`. Accepts any
/// case, surrounding blanks, `_` for `-`, POSIX locale suffixes (`fr_BE.UTF-8@euro`), and for the
/// language its three-letter codes and its English name (`fra`, `fre`, `French`).
pub fn language_tag(text: &str) -> Cow<'_, str> {
    let tag = text.split(['.', '@']).next().unwrap_or_default().trim();
    let mut spelled = String::with_capacity(tag.len());
    // A single-letter part starts an extension, which is in lower case.
    let mut is_extension = false;
    for (at, part) in tag.split(['-', '_']).enumerate() {
        if at > 0 {
            spelled.push('-');
        }
        let from = spelled.len();
        match two_letters(part) {
            Some(code) if at == 0 => spelled.push_str(code),
            _ => spelled.extend(part.chars().map(|letter| letter.to_ascii_lowercase())),
        }
        let capitals = match part.len() {
            2 if at > 0 && !is_extension => 2,
            4 if at > 0 && !is_extension => 1,
            _ => 0,
        };
        if let Some(capitals) = spelled.get_mut(from..from + capitals) {
            capitals.make_ascii_uppercase();
        }
        is_extension |= part.len() == 1;
    }
    if spelled == text { Cow::Borrowed(text) } else { Cow::Owned(spelled) }
}

/// The language of a tag, without its script and region.
pub fn primary_language(tag: &str) -> Cow<'_, str> {
    match language_tag(tag) {
        Cow::Borrowed(tag) => Cow::Borrowed(tag.split('-').next().unwrap_or_default()),
        Cow::Owned(mut tag) => {
            tag.truncate(tag.find('-').unwrap_or(tag.len()));
            Cow::Owned(tag)
        }
    }
}

/// The normalised name of a purpose or a channel: in lower case, without surrounding blanks.
pub fn folded_name(name: &str) -> Cow<'_, str> {
    let name = name.trim();
    if name.chars().all(|letter| letter.to_lowercase().eq([letter])) {
        Cow::Borrowed(name)
    } else {
        Cow::Owned(name.to_lowercase())
    }
}

/// Whether two texts are the same name of a purpose or a channel, ignoring case and surrounding blanks.
pub fn is_same_name(one: &str, other: &str) -> bool {
    if one.is_ascii() && other.is_ascii() {
        // Most names are ASCII, and every action is checked.
        return one.trim().eq_ignore_ascii_case(other.trim());
    }
    folded_name(one) == folded_name(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_tag_has_one_spelling() {
        for (written, spelled) in [
            ("fr", "fr"),
            ("FR", "fr"),
            (" Fr\t", "fr"),
            ("Fr-fr", "fr-FR"),
            ("FR_be", "fr-BE"),
            ("fr_BE.UTF-8", "fr-BE"),
            ("fr_BE@euro", "fr-BE"),
            ("ZH-hant-tw", "zh-Hant-TW"),
            ("es-419", "es-419"),
            ("en-x-US-latn", "en-x-us-latn"),
            ("fra", "fr"),
            ("FRE-be", "fr-BE"),
            ("French", "fr"),
            ("german", "de"),
            ("gsw-CH", "gsw-CH"),
            ("en-fra", "en-fra"),
            ("français", "français"),
            ("é-çé", "é-çé"),
            ("", ""),
            ("_", "-"),
        ] {
            assert_eq!(language_tag(written), spelled, "{written}");
            assert_eq!(language_tag(spelled), spelled, "{spelled} is spelled right");
        }
    }

    #[test]
    fn the_language_of_a_tag_is_the_same_in_every_spelling() {
        for tag in ["fr", "FR_be", "fra", "French", "fr-Latn-CA"] {
            assert_eq!(primary_language(tag), "fr", "{tag}");
        }
        assert_eq!(primary_language(""), "");
    }

    #[test]
    fn a_name_is_the_same_in_capitals_and_with_spaces_around_it() {
        for other in ["marketing", "Marketing", "MARKETING", " marketing\u{a0}", "mArKeTiNg\n"] {
            assert!(
                is_same_name("marketing", other) && is_same_name(other, "marketing"),
                "{other}"
            );
        }
        assert!(is_same_name("Été", "ÉTÉ "));
        for other in ["marketin", "market ing", "e-mail", ""] {
            assert!(!is_same_name("marketing", other), "{other}");
        }
    }
}
