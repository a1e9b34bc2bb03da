use super::text::{Folded, fold, is_invisible, narrow};
use crate::config::limits;
use crate::event::cut;

/// The number of letters that distinguish a word, whatever its ending.
const STEM_LETTERS: usize = 5;
/// Shorter words say little about a text's topic.
const TELLING_LETTERS: usize = 4;
/// The minimum number of common words, and their minimum share of the words of the shorter text.
const ALIKE: (usize, f64) = (2, 0.5);

/// Whether two texts say the same in different words, judged by their longer words.
pub fn is_alike(one: &str, other: &str) -> bool {
    let (one, other) = (stems(one), stems(other));
    let shared = one.iter().filter(|stem| other.contains(stem)).count();
    let shorter = one.len().min(other.len());
    shared >= ALIKE.0 && shared as f64 >= ALIKE.1 * shorter as f64
}

/// The beginnings of the longer words of a text, each once.
fn stems(text: &str) -> Vec<String> {
    let mut stems: Vec<String> = cut(text, limits::TRANSCRIPT_LINE_BYTES)
        .split(|letter: char| !letter.is_alphanumeric() && !is_invisible(letter))
        .filter(|word| word.chars().count() >= TELLING_LETTERS)
        .map(stem)
        .collect();
    stems.sort_unstable();
    stems.dedup();
    stems
}

fn stem(word: &str) -> String {
    let mut stem = String::with_capacity(2 * STEM_LETTERS);
    let seen = word.chars().filter(|letter| !is_invisible(*letter)).map(narrow);
    for letter in seen.flat_map(char::to_lowercase).take(STEM_LETTERS) {
        match fold(letter) {
            Folded::Same => stem.push(letter),
            Folded::As(letters) => stem.push_str(letters),
            Folded::Nothing => {}
        }
    }
    stem
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rephrased_question_is_a_repetition_and_another_question_is_not() {
        let first = "Why was I charged twice for my subscription?";
        for again in [
            "I was charged twice, for one subscription",
            "you CHARGE me twice for the subscriptions!",
            "Why was I charged twice for my subscription?",
            "ｃｈａｒｇｅｄ twice, for one sub\u{ad}scription",
        ] {
            assert!(is_alike(first, again), "{again}");
        }
        for other in ["no", "", "thanks, that helps", "and how do I change my address?"] {
            assert!(!is_alike(first, other), "{other}");
        }
        assert!(is_alike("ma carte est bloquée à l'étranger", "carte bloquee, étranger"));
    }
}
