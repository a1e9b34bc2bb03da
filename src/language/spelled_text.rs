//! A text as the letters of its words, and the wishes in it.

use std::ops::Range;

use regex::Regex;
use smallvec::SmallVec;

use super::grammar::{CLAUSE, Grammar, LeftOut, PAUSE, QUESTION, QUOTE, WISH};
use super::lexicon::Lexicon;
use super::text::{self, Token, TokenKind};
use crate::config::limits;

/// A line of this length that continues in lower case was broken by a program.
const BROKEN_LINE_BYTES: usize = 50;

/// A text as the letters of its words.
#[derive(Debug)]
pub(super) struct SpelledText<'a> {
    grammar: &'a Grammar,
    letters: String,
    /// For each letter its position in `letters`, and its token's position in the text.
    places: SmallVec<[(u32, Range<u32>); 64]>,
    /// The sentences, as ranges of `letters`.
    sentences: SmallVec<[Range<usize>; 8]>,
}

impl<'a> SpelledText<'a> {
    pub(super) fn new(written: &str, lexicon: &'a Lexicon) -> SpelledText<'a> {
        let tokens = text::split(written, lexicon);
        let mut spelled = SpelledText {
            grammar: &lexicon.grammar,
            letters: String::with_capacity(2 * tokens.list.len()),
            places: SmallVec::new(),
            sentences: SmallVec::new(),
        };
        let left_out = LeftOut {
            accents: tokens.list.iter().all(|token| token.exact == token.folded),
            apostrophes: !written.contains(text::is_apostrophe),
        };
        let mut start = 0;
        for token in &tokens.list {
            match token.kind {
                TokenKind::Word | TokenKind::Number => {
                    let grammar = spelled.grammar;
                    grammar.each_letter(token, &tokens, lexicon, left_out, |letter| {
                        spelled.push(letter, token);
                    });
                }
                TokenKind::Picture => {}
                TokenKind::Pause => {
                    let mark = match written.as_bytes().get(token.place.start as usize) {
                        Some(b',' | b';' | b':' | b'(' | b')') => PAUSE,
                        _ if is_dash(written, token) => PAUSE,
                        _ => QUOTE,
                    };
                    spelled.push(mark, token);
                }
                TokenKind::Stop { .. } if is_broken_line(written, token) => {}
                TokenKind::Stop { questions, .. } => {
                    if questions > 0 {
                        spelled.push(QUESTION, token);
                    }
                    spelled.end(&mut start);
                }
            }
        }
        spelled.end(&mut start);
        spelled
    }

    fn push(&mut self, letter: char, token: &Token) {
        self.places.push((self.letters.len() as u32, token.place.clone()));
        self.letters.push(letter);
    }

    /// Ends a sentence, and marks the beginnings of further clauses in it.
    fn end(&mut self, start: &mut usize) {
        if self.letters.len() == *start {
            return;
        }
        let sentence = self.letters.split_off(*start);
        let clauses = self.grammar.clauses(&sentence);
        let first = self.places.partition_point(|(at, _)| (*at as usize) < *start);
        for (at, _) in self.places.iter_mut().skip(first) {
            let within = *at as usize - *start;
            *at += clauses.partition_point(|clause| *clause <= within) as u32;
        }
        let mut from = 0;
        for clause in clauses {
            self.letters.push_str(&sentence[from..clause]);
            self.letters.push(CLAUSE);
            from = clause;
        }
        self.letters.push_str(&sentence[from..]);
        self.sentences.push(*start..self.letters.len());
        *start = self.letters.len();
    }

    /// The wishes of these topics that the writer has, each with the position of its words in the text.
    pub(super) fn wishes(
        &self,
        is_known: impl Fn(&str) -> bool,
    ) -> SmallVec<[(&'a str, Range<usize>); 2]> {
        let mut found = SmallVec::new();
        for (topic, wish) in self.grammar.wishes.iter().filter(|(topic, _)| is_known(topic)) {
            let first = self.sentences.iter().find_map(|sentence| self.first(wish, sentence));
            if let Some(place) = first {
                found.push((&**topic, place));
            }
        }
        found
    }

    /// The first real wish in a sentence.
    fn first(&self, wish: &Regex, sentence: &Range<usize>) -> Option<Range<usize>> {
        let letters = self.letters.get(sentence.clone())?;
        let mut from = 0;
        for _ in 0..limits::WISHES_JUDGED {
            // A search from a position within it still knows the beginning of the sentence.
            let hit = wish.find_at(letters, from)?;
            let end =
                hit.start() + letters[hit.range()].trim_end_matches([PAUSE, QUOTE, CLAUSE]).len();
            let begun = &letters[hit.start()..end];
            let start = end - begun.trim_start_matches(CLAUSE).len();
            if end > start && self.holds(letters, start..end) {
                return self.place(sentence.start + start..sentence.start + end);
            }
            from = hit.start() + letters[hit.start()..].chars().next().map_or(1, char::len_utf8);
        }
        None
    }

    /// Whether words at a position express a wish, judged by the rest of their sentence.
    pub(super) fn is_meant(&self, place: &Range<usize>) -> bool {
        let overlaps = |token: &Range<u32>| {
            (token.start as usize) < place.end && place.start < token.end as usize
        };
        let mut hit = self.places.iter().filter(|(_, token)| overlaps(token));
        let Some((first, _)) = hit.next() else { return true };
        let last = hit.next_back().map_or(*first, |(last, _)| *last) as usize;
        let start = *first as usize;
        let end = last + self.letters[last..].chars().next().map_or(0, char::len_utf8);
        let sentence = self.sentences.iter().find(|sentence| sentence.contains(&start));
        let Some(sentence) = sentence else { return true };
        let end = end.min(sentence.end) - sentence.start;
        self.holds(&self.letters[sentence.clone()], start - sentence.start..end)
    }

    fn holds(&self, sentence: &str, hit: Range<usize>) -> bool {
        let Some(unless) = &self.grammar.unless else { return true };
        let mut asked = String::with_capacity(sentence.len() + 1);
        // The part before a `but` cancels nothing after it.
        asked.push_str(&sentence[self.grammar.turn(sentence, hit.start)..hit.start]);
        asked.push(WISH);
        asked.push_str(&sentence[hit.end..]);
        !unless.is_match(&asked)
    }

    /// The position in the text of a range of letters.
    fn place(&self, letters: Range<usize>) -> Option<Range<usize>> {
        let first = self.places.partition_point(|(at, _)| (*at as usize) < letters.start);
        let after = self.places.partition_point(|(at, _)| (*at as usize) < letters.end);
        let of = self.places.get(first..after)?;
        Some(of.first()?.1.start as usize..of.last()?.1.end as usize)
    }
}

fn is_dash(written: &str, token: &Token) -> bool {
    let mark = written.get(token.place.start as usize..token.place.end as usize);
    matches!(mark, Some("–" | "—"))
}

/// Whether the line ends here because a program broke it: it is long, and the next one continues in lower
/// case.
fn is_broken_line(written: &str, token: &Token) -> bool {
    let at = token.place.start as usize;
    let Some(after) = written.get(at..).and_then(|rest| rest.strip_prefix('\n')) else {
        return false;
    };
    let line = written[..at].rsplit('\n').next().unwrap_or("");
    line.len() >= BROKEN_LINE_BYTES
        && !line.trim_end().ends_with(['.', '!', '?', ':'])
        && after.starts_with(char::is_lowercase)
}
