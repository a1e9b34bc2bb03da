//! What a single line of a message shows: a quotation mark, an address, a time.

use crate::language::text::{folded, is_apostrophe};

/// The minimum length of a rule that a program draws above the head of an older message.
const RULE_LETTERS: usize = 10;

/// Whether a line is quoted. An emoticon such as `>:(` is not.
pub(super) fn is_quoted(line: &str) -> bool {
    let rest = line.trim_start().strip_prefix('>');
    rest.is_some_and(|rest| {
        let rest = rest.trim_end();
        let quotes = |c: char| c == '>' || c.is_whitespace() || c.is_alphanumeric();
        rest.is_empty() || rest.starts_with(quotes)
    })
}

/// Whether a line may be a comparison with a number.
pub(super) fn is_comparison(line: &str) -> bool {
    let rest = line.trim_start().strip_prefix('>');
    rest.is_some_and(|rest| {
        rest.trim_start()
            .trim_start_matches(['=', '€', '$', '£', ' '])
            .starts_with(char::is_numeric)
    })
}

/// Whether a line is a rule that a program draws.
pub(super) fn is_rule(line: &str) -> bool {
    let line = line.trim();
    line.len() >= RULE_LETTERS && line.chars().all(|c| matches!(c, '_' | '-' | '='))
}

/// Whether this is a direction mark.
pub(super) fn is_direction(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Lower case, no accents, single blanks.
pub(in crate::language) fn normal(text: &str) -> String {
    let lower = folded(&text.to_lowercase().replace(is_apostrophe, "'"));
    let mut normal = String::with_capacity(lower.len());
    for word in lower.split_whitespace() {
        if !normal.is_empty() {
            normal.push(' ');
        }
        normal.extend(word.chars().filter(|c| !is_direction(*c)));
    }
    normal
}

/// Whether a text begins with these words.
pub(super) fn starts_with(text: &str, words: &str) -> bool {
    text.strip_prefix(words).is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
}

/// Whether a text contains these words, as whole words.
pub(super) fn has_words(text: &str, words: &str) -> bool {
    text.match_indices(words).any(|(at, found)| {
        !text[..at].ends_with(char::is_alphanumeric)
            && !text[at + found.len()..].starts_with(char::is_alphanumeric)
    })
}

/// Whether a text contains an address such as `ann@example.org`.
pub(super) fn has_address(text: &str) -> bool {
    text.match_indices('@').any(|(at, _)| {
        text[..at].ends_with(char::is_alphanumeric)
            && text[at + 1..].starts_with(char::is_alphanumeric)
    })
}

/// Whether a text contains an address such as `<ann@example.org>`.
pub(super) fn has_bracketed_address(text: &str) -> bool {
    text.split('<').skip(1).any(|rest| rest.split('>').next().is_some_and(has_address))
}

/// Whether a text contains a year, in any calendar.
pub(super) fn has_year(text: &str) -> bool {
    text.split(|c: char| !c.is_numeric()).any(|digits| digits.chars().count() == 4)
}

/// Whether a text contains a time of day, or a date in digits.
pub(super) fn has_clock(text: &str) -> bool {
    text.match_indices([':', 'h', '.', '/', '-']).any(|(at, mark)| {
        text[..at].ends_with(char::is_numeric)
            && text[at + mark.len()..].starts_with(char::is_numeric)
    })
}
