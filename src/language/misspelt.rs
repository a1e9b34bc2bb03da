//! Words that differ by one letter.

use super::text::hash;

/// Shorter words are not treated as misspelt, and longer ones are rare.
const MISSPELT_BYTES: std::ops::RangeInclusive<usize> = 5..=20;

/// Whether the length of a word is one for which misspellings are considered.
pub(super) fn is_misspelt(word: &str) -> bool {
    MISSPELT_BYTES.contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_lowercase())
}

/// Calls `see` with the hash of this word and of each form with one letter removed, except the first: two
/// words with a common hash differ by one letter that is missing, added or different, or by two swapped
/// letters.
pub(super) fn each_misspelling(word: &str, mut see: impl FnMut(u64)) {
    if !is_misspelt(word) {
        return;
    }
    see(hash(word));
    let mut shorter = String::with_capacity(word.len());
    for left_out in 1..word.len() {
        shorter.clear();
        shorter.push_str(&word[..left_out]);
        shorter.push_str(&word[left_out + 1..]);
        see(hash(&shorter));
    }
}

/// Whether two words differ by one letter that is missing, added or different, or by two swapped neighbours.
pub(super) fn differ_by_one(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let same = one.iter().zip(other).take_while(|(a, b)| a == b).count();
    let (one, other) = (&one[same..], &other[same..]);
    match (one, other) {
        ([_, a @ ..], [_, b @ ..]) if a == b => true,
        ([a, b, one @ ..], [c, d, other @ ..]) if (a, b) == (d, c) && one == other => true,
        ([_, one @ ..], other) if one == other => true,
        (one, [_, other @ ..]) => one == other,
        _ => false,
    }
}
