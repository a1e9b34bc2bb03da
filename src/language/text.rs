//! Splits a message into words, marks and pictures.

use std::borrow::Cow;
use std::ops::Range;

use smallvec::SmallVec;
use twox_hash::XxHash3_64;

use crate::config::limits;
use crate::event::cut;

/// The kind of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// Letters, or letters and digits.
    Word,
    /// Digits only.
    Number,
    /// An emoji or an emoticon.
    Picture,
    /// `,`, `;`, `:`, a bracket or a dash: ends the reach of a negator.
    Pause,
    /// The end of a sentence, with the number of exclamation and question marks.
    Stop { exclamations: u8, questions: u8 },
}

/// One word, mark or picture of a text.
#[derive(Debug, Clone)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    /// Its position in the text, in bytes.
    pub(super) place: Range<u32>,
    /// The position of its normal form in [`Tokens::normal`].
    form: Range<u32>,
    /// The hash of its lower-case form, in which a letter occurs at most twice in a row.
    pub(super) exact: u64,
    /// The hash of the same without accents.
    pub(super) folded: u64,
    /// The hash of the same with each run of a letter as one, if a letter occurred three times in a row.
    pub(super) squeezed: Option<u64>,
    /// Whether it is in capitals.
    pub(super) shouted: bool,
}

impl Token {
    /// Whether this is a word or a number: only these match phrases.
    pub(super) fn is_word(&self) -> bool {
        matches!(self.kind, TokenKind::Word | TokenKind::Number)
    }

    /// Whether this ends the reach of a negator or an intensifier.
    pub(super) fn is_mark(&self) -> bool {
        matches!(self.kind, TokenKind::Pause | TokenKind::Stop { .. })
    }
}

/// How a language splits text, beyond blanks and marks.
pub(super) trait Splits {
    /// Whether the letters before an apostrophe are a word of their own, as in `l'attente`.
    fn elides(&self, folded: u64) -> bool;
    /// The number of bytes of this word in normal form that are a word of their own, whose apostrophe was
    /// left out, as in `jai`.
    fn runs_on(&self, normal: &str) -> Option<usize>;
    /// Whether this is a word with an apostrophe within.
    fn is_contracted(&self, folded: u64) -> bool;
    /// The ends in bytes of the known words of which these lower-case ASCII letters are made, if they are
    /// made of several: `neveragain`.
    fn words_of(&self, letters: &str) -> SmallVec<[usize; 4]>;
    /// Whether these characters are an emoticon.
    fn is_picture(&self, hash: u64) -> bool;
    /// Whether `ae`, `oe` and `ue` are other spellings of `ä`, `ö` and `ü`.
    fn has_digraphs(&self) -> bool;
}

/// A text that has been split.
#[derive(Debug, Clone, Default)]
pub(super) struct Tokens {
    pub(super) list: SmallVec<[Token; 64]>,
    /// The words in lower case and without accents, separated by blanks.
    normal: String,
}

impl Tokens {
    /// The normal form of a token: lower case, no accents.
    pub(super) fn form(&self, token: &Token) -> &str {
        &self.normal[token.form.start as usize..token.form.end as usize]
    }

    /// The form for a linear model: each run of a letter as one, if a letter occurred three times in a
    /// row.
    pub(super) fn learned_form(&self, token: &Token) -> Cow<'_, str> {
        match token.squeezed {
            Some(_) => Cow::Owned(squeeze(self.form(token))),
            None => Cow::Borrowed(self.form(token)),
        }
    }
}

/// The hash of a word; the same on every machine.
pub(super) fn hash(word: &str) -> u64 {
    XxHash3_64::oneshot(word.as_bytes())
}

/// The maximum number of letters after a blank in place of an apostrophe: `aujourd hui`.
const JOINED_LETTERS: usize = 3;

/// Splits the first [`limits::MESSAGE_READ_BYTES`] of a text.
pub(super) fn split(text: &str, splits: &impl Splits) -> Tokens {
    let text = cut(text, limits::MESSAGE_READ_BYTES);
    let mut splitter = Splitter {
        text,
        splits,
        tokens: Tokens { list: SmallVec::new(), normal: String::with_capacity(text.len() + 16) },
        exact: String::with_capacity(32),
    };
    splitter.run();
    splitter.tokens
}

struct Splitter<'a, S> {
    text: &'a str,
    splits: &'a S,
    tokens: Tokens,
    /// The current word, with its accents.
    exact: String,
}

/// What a word is made of, as far as it is read.
struct WordShape {
    letters: u32,
    capitals: u32,
    digits: u32,
    /// The last letter, in lower case, and how often it stands there in a row.
    last: char,
    run: u32,
    /// Whether a letter stands three times in a row.
    is_stretched: bool,
    /// Whether the exact form is the normal one.
    is_plain: bool,
}

impl WordShape {
    fn new() -> WordShape {
        WordShape {
            letters: 0,
            capitals: 0,
            digits: 0,
            last: '\0',
            run: 1,
            is_stretched: false,
            is_plain: true,
        }
    }
}

impl<S: Splits> Splitter<'_, S> {
    fn run(&mut self) {
        let mut at = 0;
        while let Some(written) = self.text[at..].chars().next() {
            let next = narrow(written);
            let fresh = self.text[..at].chars().next_back().is_none_or(char::is_whitespace);
            if fresh && let Some(end) = self.passed_over(at).or_else(|| self.whole_emoticon(at)) {
                at = end;
                continue;
            }
            at = if next == '\n' {
                self.stop(at, at + 1, 0, 0);
                at + 1
            } else if next == '#' {
                self.tag(at + written.len_utf8())
            } else if next.is_whitespace() || is_invisible(next) {
                at + written.len_utf8()
            } else if next.is_alphanumeric() && !is_apostrophe(next) {
                self.word(at)
            } else if let Some(end) = self.emoticon(at) {
                end
            } else {
                self.mark(at, written)
            };
        }
    }

    /// The end of an address or a mention, which are ignored.
    fn passed_over(&self, at: usize) -> Option<usize> {
        let rest = &self.text[at..];
        let skipped = rest.starts_with("http://")
            || rest.starts_with("https://")
            || rest.starts_with("www.")
            || rest.starts_with('@') && rest[1..].starts_with(char::is_alphanumeric);
        skipped.then(|| at + rest.find(char::is_whitespace).unwrap_or(rest.len()))
    }

    /// An emoticon on its own, which may begin with a letter, as in `xD`.
    fn whole_emoticon(&mut self, at: usize) -> Option<usize> {
        let rest = &self.text[at..];
        let length = rest.find(char::is_whitespace).unwrap_or(rest.len());
        if !(2..=5).contains(&length) {
            return None;
        }
        let hash = hash(&rest[..length]);
        self.splits.is_picture(hash).then(|| self.picture(at, at + length, hash))
    }

    /// The longest emoticon that begins with the mark at `at`.
    fn emoticon(&mut self, at: usize) -> Option<usize> {
        let rest = &self.text[at..];
        // Emoticons have two to four characters; the longest is tried first.
        let ends: SmallVec<[usize; 4]> =
            rest.char_indices().take(4).map(|(end, last)| end + last.len_utf8()).collect();
        for end in ends.into_iter().rev().filter(|end| *end >= 2) {
            let hash = hash(&rest[..end]);
            // If letters follow, it is a word, as in `:Paris`.
            let goes_on = rest[..end].ends_with(char::is_alphanumeric)
                && rest[end..].starts_with(char::is_alphanumeric);
            if !goes_on && self.splits.is_picture(hash) {
                return Some(self.picture(at, at + end, hash));
            }
        }
        None
    }

    fn picture(&mut self, start: usize, end: usize, hash: u64) -> usize {
        self.push(TokenKind::Picture, start, end, (0, 0), (hash, hash, None), false);
        end
    }

    fn stop(&mut self, start: usize, end: usize, exclamations: u8, questions: u8) {
        self.push(
            TokenKind::Stop { exclamations, questions },
            start,
            end,
            (0, 0),
            (0, 0, None),
            false,
        );
    }

    /// A mark, a run of marks that end a sentence, or an emoji.
    fn mark(&mut self, at: usize, written: char) -> usize {
        let first = narrow(written);
        match first {
            '.' | '!' | '?' | '…' | '‽' | '¡' | '¿' => {
                let (mut exclamations, mut questions, mut end) = (0u8, 0u8, at);
                if first == '.' && self.within_number(at, written) {
                    return at + written.len_utf8();
                }
                // French puts blanks before `!` and `?`.
                for (offset, next) in self.text[at..].char_indices() {
                    match narrow(next) {
                        '!' | '¡' => exclamations = exclamations.saturating_add(1),
                        '?' | '¿' => questions = questions.saturating_add(1),
                        '.' | '…' | ' ' | '\u{a0}' | '\u{202f}' => {}
                        _ => break,
                    }
                    end = at + offset + next.len_utf8();
                }
                self.stop(at, end, exclamations, questions);
                end
            }
            ',' | ';' | ':' | '(' | ')' | '"' | '«' | '»' | '“' | '”' | '„' | '–' | '—' =>
            {
                let end = at + written.len_utf8();
                if first == ',' && self.within_number(at, written) {
                    return end;
                }
                self.push(TokenKind::Pause, at, end, (0, 0), (0, 0, None), false);
                end
            }
            _ => {
                let end = at + written.len_utf8();
                let hash = hash(&self.text[at..end]);
                if self.splits.is_picture(hash) {
                    self.picture(at, end, hash);
                }
                end
            }
        }
    }

    /// Whether the mark at `at` is between digits, as in `3.50`.
    fn within_number(&self, at: usize, mark: char) -> bool {
        let is_digit = |c: char| narrow(c).is_ascii_digit();
        self.text[..at].ends_with(is_digit)
            && self.text[at + mark.len_utf8()..].starts_with(is_digit)
    }

    /// The words of the hashtag that begins at `start`, after its `#`, and its end. They are told apart by their
    /// capitals, else by the words that are known.
    fn tag(&mut self, start: usize) -> usize {
        let rest = &self.text[start..];
        let goes_on = |letter: char| narrow(letter).is_alphanumeric() && !is_apostrophe(letter);
        let length = rest.find(|letter| !goes_on(letter)).unwrap_or(rest.len());
        let tag = &rest[..length];
        let mut ends = if tag.len() > limits::NAME_BYTES {
            SmallVec::new()
        } else {
            let ends = capitalised_words(tag);
            let is_one = ends.len() < 2 && tag.bytes().all(|letter| letter.is_ascii_alphabetic());
            if is_one { self.splits.words_of(&tag.to_ascii_lowercase()) } else { ends }
        };
        // The last word is read like any other, so that an apostrophe may follow in it.
        ends.pop();
        let mut at = start;
        for end in ends {
            self.word_until(at, start + end);
            at = start + end;
        }
        if at < start + length { self.word(at) } else { at }
    }

    fn word(&mut self, start: usize) -> usize {
        self.word_until(start, self.text.len())
    }

    /// The word at `start`, which ends before `most`.
    fn word_until(&mut self, start: usize, most: usize) -> usize {
        self.exact.clear();
        let form = self.tokens.normal.len();
        let mut shape = WordShape::new();
        let (mut end, mut after) = (most, most);
        let mut has_apostrophe = false;
        // The end of the last visible letter.
        let mut seen = start;
        for (offset, written) in self.text[start..most].char_indices() {
            if is_invisible(written) {
                continue;
            }
            let next = narrow(written);
            if is_apostrophe(next) || !next.is_alphanumeric() && !is_accent(next) {
                (end, after) = (seen, start + offset);
                let beyond = after + written.len_utf8();
                let rest = self.text[beyond..].trim_start_matches(is_invisible);
                if !is_apostrophe(next) || !rest.starts_with(char::is_alphabetic) {
                    break;
                }
                if self.splits.elides(hash(&self.tokens.normal[form..])) {
                    self.finish((start, end, form), &shape);
                    return beyond;
                }
                has_apostrophe = true;
                self.exact.push('\'');
                self.tokens.normal.push('\'');
                shape.last = next;
                (end, after) = (most, most);
                continue;
            }
            if offset > limits::NAME_BYTES {
                (end, after) = (seen, start + offset);
                break;
            }
            seen = start + offset + written.len_utf8();
            self.letter(next, &mut shape);
        }
        if end == most && seen > start {
            end = seen;
        }
        if !has_apostrophe && most == self.text.len() {
            if let Some(first) = self.splits.runs_on(&self.tokens.normal[form..]) {
                self.tokens.normal.truncate(form);
                return self.word_until(start, self.reach(start, first));
            }
            if let Some(joined) = self.joined(end, form) {
                (end, after) = (joined, joined);
            }
        }
        self.finish((start, end, form), &shape);
        after
    }

    /// Adds a letter, a digit or an accent to the word.
    fn letter(&mut self, next: char, shape: &mut WordShape) {
        if is_accent(next)
            && let Some(whole) = self.exact.chars().next_back().and_then(|on| composed(on, next))
        {
            self.exact.pop();
            self.exact.push(whole);
            shape.is_plain = false;
            return;
        }
        if next.is_numeric() {
            shape.digits += 1;
        } else {
            shape.letters += 1;
            shape.capitals += u32::from(next.is_uppercase());
        }
        for small in next.to_lowercase() {
            let is_again = small == shape.last && !small.is_numeric();
            shape.run = if is_again { shape.run + 1 } else { 1 };
            shape.last = small;
            shape.is_stretched |= shape.run >= 3;
            if shape.run > 2 {
                continue;
            }
            if small == 'e' && self.splits.has_digraphs() && put_umlaut(&mut self.exact) {
                shape.is_plain = false;
                continue;
            }
            self.exact.push(small);
            match fold(small) {
                Folded::Same => self.tokens.normal.push(small),
                Folded::As(letters) => {
                    shape.is_plain = false;
                    self.tokens.normal.push_str(letters);
                }
                Folded::Nothing => shape.is_plain = false,
            }
        }
    }

    /// The end of the letters at `start` that are this many bytes in normal form.
    fn reach(&self, start: usize, normal: usize) -> usize {
        let mut read = 0;
        for (offset, letter) in self.text[start..].char_indices() {
            if read >= normal && !is_accent(letter) {
                return start + offset;
            }
            if is_invisible(letter) {
                continue;
            }
            for small in narrow(letter).to_lowercase() {
                read += match fold(small) {
                    Folded::Same => small.len_utf8(),
                    Folded::As(letters) => letters.len(),
                    Folded::Nothing => 0,
                };
            }
        }
        self.text.len()
    }

    /// The end of the word that ends at `end`, if the letters after a blank belong to it, because their
    /// apostrophe was left out or is followed by a blank: `don t`, `don' t`.
    fn joined(&mut self, end: usize, form: usize) -> Option<usize> {
        let rest = &self.text[end..];
        let blank = rest.strip_prefix(is_apostrophe).unwrap_or(rest);
        let letters = blank.strip_prefix(' ')?;
        let count = letters.bytes().take_while(u8::is_ascii_alphabetic).count();
        if !(1..=JOINED_LETTERS).contains(&count)
            || letters[count..].starts_with(|c: char| c.is_alphanumeric() || is_apostrophe(c))
        {
            return None;
        }
        let before = self.tokens.normal.len();
        self.tokens.normal.push('\'');
        self.tokens.normal.extend(letters[..count].chars().map(|c| c.to_ascii_lowercase()));
        if !self.splits.is_contracted(hash(&self.tokens.normal[form..])) {
            self.tokens.normal.truncate(before);
            return None;
        }
        self.exact.push_str(&self.tokens.normal[before..]);
        Some(end + (rest.len() - letters.len()) + count)
    }

    fn finish(&mut self, (start, end, form): (usize, usize, usize), shape: &WordShape) {
        let WordShape { letters, capitals, digits, is_stretched, is_plain, .. } = *shape;
        let normal = &self.tokens.normal[form..];
        let folded = hash(normal);
        let exact = if is_plain { folded } else { hash(&self.exact) };
        let squeezed = is_stretched.then(|| hash(&squeeze(normal)));
        let form_end = self.tokens.normal.len();
        self.tokens.normal.push(' ');
        let kind = if letters == 0 && digits > 0 { TokenKind::Number } else { TokenKind::Word };
        let shouted = capitals >= 3 && capitals == letters;
        self.push(kind, start, end, (form, form_end), (exact, folded, squeezed), shouted);
    }

    fn push(
        &mut self,
        kind: TokenKind,
        start: usize,
        end: usize,
        form: (usize, usize),
        (exact, folded, squeezed): (u64, u64, Option<u64>),
        shouted: bool,
    ) {
        // The text was cut, so it is far shorter than 4 GiB.
        let place = start as u32..end as u32;
        let form = form.0 as u32..form.1 as u32;
        self.tokens.list.push(Token { kind, place, form, exact, folded, squeezed, shouted });
    }
}

/// The ends in bytes of the words of `NeverAgain`, each with a capital; one end if there is one word.
fn capitalised_words(tag: &str) -> SmallVec<[usize; 4]> {
    let mut ends = SmallVec::new();
    let mut letters = tag.char_indices().peekable();
    let mut last = ' ';
    while let Some((at, letter)) = letters.next() {
        // The last of several capitals begins a word: `BBCNews`.
        let begins = letter.is_uppercase()
            && (last.is_lowercase()
                || last.is_uppercase() && letters.peek().is_some_and(|next| next.1.is_lowercase()));
        if at > 0 && (begins || letter.is_numeric() != last.is_numeric()) {
            ends.push(at);
        }
        last = letter;
    }
    ends.push(tag.len());
    ends
}

/// Each run of a letter as one.
fn squeeze(word: &str) -> String {
    let mut squeezed = String::with_capacity(word.len());
    let mut last = None;
    for letter in word.chars() {
        if last != Some(letter) {
            squeezed.push(letter);
        }
        last = Some(letter);
    }
    squeezed
}

/// Whether people and keyboards use this as an apostrophe. Unicode classifies some of them as letters.
pub(super) fn is_apostrophe(character: char) -> bool {
    matches!(
        character,
        '\'' | '’'
            | '‘'
            | '‛'
            | '`'
            | '´'
            | '′'
            | '＇'
            | 'ʼ'
            | 'ʹ'
            | 'ʻ'
            | 'ʽ'
            | 'ˈ'
            | 'ˊ'
            | 'ꞌ'
            | '՚'
    )
}

/// Whether this is invisible: a hint for a line break, a joiner or separator of letters, a direction
/// mark. Within a word it is ignored.
pub(super) fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{2069}'
            | '\u{feff}'
    )
}

/// The plain form of a full-width character: `ｓｔｏｐ！` is `stop!`.
pub(super) fn narrow(character: char) -> char {
    match character {
        '\u{ff01}'..='\u{ff5e}' => {
            char::from_u32(u32::from(character) - 0xfee0).unwrap_or(character)
        }
        _ => character,
    }
}

/// Whether this is a combining accent of the letter before.
fn is_accent(character: char) -> bool {
    ('\u{300}'..='\u{36f}').contains(&character)
}

/// The lower-case letter with this accent, if Unicode has one: some programs write both separately.
fn composed(letter: char, accent: char) -> Option<char> {
    let (plain, with) = match accent {
        '\u{300}' => ("aeiou", "àèìòù"),
        '\u{301}' => ("aeiouycnsz", "áéíóúýćńśź"),
        '\u{302}' => ("aeiou", "âêîôû"),
        '\u{303}' => ("ano", "ãñõ"),
        '\u{308}' => ("aeiouy", "äëïöüÿ"),
        '\u{30a}' => ("au", "åů"),
        '\u{30c}' => ("cdenrstz", "čďěňřšťž"),
        '\u{327}' => ("cst", "çşţ"),
        '\u{328}' => ("ae", "ąę"),
        _ => return None,
    };
    plain.chars().zip(with.chars()).find(|(base, _)| *base == letter).map(|(_, whole)| whole)
}

/// Puts the umlaut in place of the vowel at the end of a word, if an `e` after the vowel would mean that.
/// After another vowel or a `q` it does not: `neue`, `bauen`, `bequem`.
fn put_umlaut(word: &mut String) -> bool {
    let mut letters = word.chars().rev();
    let (last, before) = (letters.next(), letters.next());
    let umlaut = match last {
        Some('a') => 'ä',
        Some('o') => 'ö',
        Some('u') if !matches!(before, Some('a' | 'ä' | 'e' | 'o' | 'q')) => 'ü',
        _ => return false,
    };
    word.pop();
    word.push(umlaut);
    true
}

/// Lower-case words with an umlaut in place of each `ae`, `oe` and `ue`.
pub(super) fn with_umlauts(words: &str) -> String {
    let mut with = String::with_capacity(words.len());
    for letter in words.chars() {
        if letter != 'e' || !put_umlaut(&mut with) {
            with.push(letter);
        }
    }
    with
}

/// A word in lower case, without accents and invisible characters.
pub(super) fn folded(word: &str) -> String {
    let mut without = String::with_capacity(word.len());
    for letter in word.chars().filter(|letter| !is_invisible(*letter)).map(narrow) {
        match fold(letter) {
            Folded::Same => without.push(letter),
            Folded::As(letters) => without.push_str(letters),
            Folded::Nothing => {}
        }
    }
    without
}

/// The result of removing a letter's accent.
pub(super) enum Folded {
    /// It has no accent.
    Same,
    /// These letters.
    As(&'static str),
    /// A combining accent: nothing remains.
    Nothing,
}

/// Takes the accent from a lower-case Latin letter.
pub(super) fn fold(letter: char) -> Folded {
    if letter.is_ascii() {
        return Folded::Same;
    }
    Folded::As(match letter {
        'à' | 'á' | 'â' | 'ã' | 'ä' | 'å' | 'ā' | 'ă' | 'ą' => "a",
        'ç' | 'ć' | 'č' | 'ĉ' | 'ċ' => "c",
        'ď' | 'đ' | 'ð' => "d",
        'è' | 'é' | 'ê' | 'ë' | 'ē' | 'ė' | 'ę' | 'ě' => "e",
        'ĝ' | 'ğ' | 'ġ' | 'ģ' => "g",
        'ì' | 'í' | 'î' | 'ï' | 'ī' | 'į' | 'ı' => "i",
        'ķ' => "k",
        'ĺ' | 'ļ' | 'ľ' | 'ł' => "l",
        'ñ' | 'ń' | 'ņ' | 'ň' => "n",
        'ò' | 'ó' | 'ô' | 'õ' | 'ö' | 'ø' | 'ō' | 'ő' => "o",
        'ŕ' | 'ř' => "r",
        'ś' | 'š' | 'ş' | 'ș' | 'ŝ' => "s",
        'ţ' | 'ť' | 'ț' => "t",
        'ù' | 'ú' | 'û' | 'ü' | 'ū' | 'ů' | 'ű' | 'ų' => "u",
        'ý' | 'ÿ' => "y",
        'ź' | 'ż' | 'ž' => "z",
        'œ' => "oe",
        'æ' => "ae",
        'ß' => "ss",
        'þ' => "th",
        _ if is_accent(letter) => return Folded::Nothing,
        _ => return Folded::Same,
    })
}

/// The content of a file, shortened for a message.
pub(super) fn shortened(text: &str) -> &str {
    cut(text, limits::NAME_BYTES)
}
