//! What systems spell in several ways and mean one thing by: tags of languages, and the names of
//! purposes and channels.

use std::borrow::Cow;

/// The tag of a language as RFC 5646 spells it (section 2.1.1): `fr`, `fr-BE`, `zh-Hant-TW`. It may
/// come in any capitals, with blanks around it, with `_` for `-`, and with what a locale of POSIX
/// says besides (`fr_BE.UTF-8@euro`).
pub fn language_tag(text: &str) -> Cow<'_, str> {
    let tag = text.split(['.', '@']).next().unwrap_or_default().trim();
    let mut spelled = String::with_capacity(tag.len());
    // What follows a part of one letter is an extension, and has no capitals.
    let mut is_extension = false;
    for (at, part) in tag.split(['-', '_']).enumerate() {
        if at > 0 {
            spelled.push('-');
        }
        let from = spelled.len();
        spelled.extend(part.chars().map(|letter| letter.to_ascii_lowercase()));
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

/// A name of a purpose or a channel without capitals, and without blanks around it.
pub fn folded_name(name: &str) -> Cow<'_, str> {
    let name = name.trim();
    if name.chars().all(|letter| letter.to_lowercase().eq([letter])) {
        Cow::Borrowed(name)
    } else {
        Cow::Owned(name.to_lowercase())
    }
}

/// Whether two texts are one name of a purpose or a channel: capitals, and blanks around it, make
/// no other of it.
pub fn is_same_name(one: &str, other: &str) -> bool {
    if one.is_ascii() && other.is_ascii() {
        // Most are, and this is asked of every action.
        return one.trim().eq_ignore_ascii_case(other.trim());
    }
    folded_name(one) == folded_name(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_of_a_language_is_one_however_it_is_written() {
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
    fn a_name_is_the_same_in_capitals_and_between_blanks() {
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
