//! Grave topics: what must never be missed, whatever the valence of a message.
//!
//! Phrases have weights as evidence for topics. Their surroundings change the weights: a negation takes them
//! away; a question about a product, a film, or what is long past weakens them; a relative beside them
//! strengthens them. The evidence of a message is combined as independent: each cue takes its share of what
//! the others leave open.
//!
//! Beside them, a model that was trained on messages judges each passage ([`GraveModel`], [`passages`]), so that no
//! ordinary sentence outvotes a grave one. Both are added as log-odds; many sentences have more chances to look grave,
//! for which each has to be clearer. A message has grave topics if it is likely that one of its passages has any;
//! they are the topic with the best odds there, and those of which the odds are not small. A language without a
//! model has the phrases alone.
//!
//! [`GraveModel`]: super::grave_model::GraveModel

use std::borrow::Cow;
use std::ops::Range;

use rustc_hash::FxHashSet;
use smallvec::SmallVec;

use super::analysed_text::AnalysedText;
use super::grave_book::{CueModifier, GraveCue, GraveTopic, MISSPELT_LETTERS, Reach};
use super::grave_model::LogOdds;
use super::lexicon::Lexicon;
use super::misspelt::{differ_by_one, each_misspelling};
use super::parsed_message::ParsedMessage;
use super::passages::{passages, sentences, telling_sentences};
use super::text::{TokenKind, hash};
use super::valence::negated;
use crate::config::limits;
use crate::event::cut;

const TOPICS: usize = GraveTopic::ALL.len();

/// The strength of phrases from which on a topic is found where no model judges.
const ENOUGH: f32 = 0.5;

/// The log-odds that there is a grave topic from which on there is one: less than even, because to miss one is
/// worse than to be gentle without a cause.
const ANY: f32 = -0.3;

/// The log-odds that phrases of strength 1 add to those of a model.
const PHRASE_ODDS: f32 = 2.0;

/// The log-odds that each passage loses for e times as many sentences in the message. With 1 a message of many
/// sentences would be no more likely to have a topic than a short one, if sentences were independent of each other;
/// as a false alarm costs less than a miss, it is less.
const ODDS_OF_SENTENCES: f32 = 0.5;

/// The log-odds that two sentences together lose beside those of single ones, where the message has more than two.
const ODDS_OF_PAIR: f32 = 0.3;

/// The log-odds of a topic from which on it is found beside the most likely one.
const ALSO: f32 = -0.4;

/// The strength from which on a topic is certain.
const CERTAIN: f32 = 0.7;

/// The bytes that two parts of a long message have in common, about two sentences.
const BORDER_BYTES: usize = 200;

/// The maximum number of words that are the evidence of a model.
const EVIDENCE_WORDS: usize = 6;

/// A grave topic in a message, with its evidence.
#[derive(Debug, Clone, PartialEq)]
pub struct GraveFinding {
    /// The topic.
    pub topic: GraveTopic,
    /// The strength of the evidence, from one half to 1.
    pub strength: f32,
    /// The words with the most weight, as written; cut at [`limits::NAME_BYTES`].
    pub words: Box<str>,
    /// Their position in the text, in bytes.
    pub at: usize,
}

impl GraveFinding {
    /// Whether the evidence is strong enough to ask people and to trigger rules. What is weaker is a reason
    /// to be gentle and to sell nothing.
    pub fn is_certain(&self) -> bool {
        self.strength >= CERTAIN
    }
}

/// The evidence for a topic.
#[derive(Debug, Clone, Copy)]
struct Evidence {
    /// The doubt that the cues before the last ones, which overlap, leave.
    doubt: f32,
    /// The largest weight of the cues that overlap with the last one, and where they end.
    last: f32,
    last_end: usize,
    /// The words with the most weight, as tokens.
    weight: f32,
    start: usize,
    end: usize,
}

impl Evidence {
    const NOTHING: Evidence =
        Evidence { doubt: 1.0, last: 0.0, last_end: 0, weight: 0.0, start: 0, end: 0 };

    /// Adds a cue; they come in the order of the text. Of cues that overlap, the heaviest counts.
    fn add(&mut self, weight: f32, start: usize, end: usize) {
        if start < self.last_end {
            self.last = self.last.max(weight);
            self.last_end = self.last_end.max(end);
        } else {
            self.doubt *= 1.0 - self.last;
            (self.last, self.last_end) = (weight, end);
        }
        if weight > self.weight {
            (self.weight, self.start, self.end) = (weight, start, end);
        }
    }

    /// The strength of all of it, 0 to 1.
    fn strength(&self) -> f32 {
        1.0 - self.doubt * (1.0 - self.last)
    }
}

impl ParsedMessage<'_> {
    /// Its grave topics, the one with the most evidence first: those of its first [`limits::GRAVE_READ_BYTES`].
    ///
    /// A text is split up to [`limits::MESSAGE_READ_BYTES`], so a longer one is read part by part.
    pub fn grave(&self) -> SmallVec<[GraveFinding; 2]> {
        let mut found = find(self);
        for (start, part) in further_parts(self.analysed.text) {
            for mut more in find(&ParsedMessage::new(part, self.lexicon)) {
                more.at += start;
                add_strongest(&mut found, Some(more));
            }
        }
        found.sort_by(|one, other| other.strength.total_cmp(&one.strength));
        found
    }
}

/// The parts of a text after its first [`limits::MESSAGE_READ_BYTES`], of as many bytes at most, with their
/// positions. Each begins at a word, a little before the end of the one above, so that a sentence on the border
/// stands whole in one of both.
fn further_parts(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let text = cut(text, limits::GRAVE_READ_BYTES);
    let mut end = cut(text, limits::MESSAGE_READ_BYTES).len();
    std::iter::from_fn(move || {
        if end >= text.len() {
            return None;
        }
        let from = text.floor_char_boundary(end - BORDER_BYTES);
        let start = from + text[from..end].find(char::is_whitespace).unwrap_or(0);
        let part = cut(&text[start..], limits::MESSAGE_READ_BYTES);
        end = start + part.len();
        Some((start, part))
    })
}

/// The grave topics of the part of a message that is read at once.
fn find(message: &ParsedMessage<'_>) -> SmallVec<[GraveFinding; 2]> {
    let ParsedMessage { lexicon, analysed, .. } = message;
    let model = &lexicon.grave.model;
    let analysed = corrected(analysed, lexicon);
    let sentences = sentences(&analysed.tokens);
    let cues = weighed_cues(&analysed, lexicon, &sentences);
    if model.is_empty() {
        let evidence = evidence(&cues, &(0..analysed.tokens.list.len()));
        let found = GraveTopic::ALL.iter().zip(evidence).filter_map(|(topic, known)| {
            let strength = Some(known.strength()).filter(|strength| *strength >= ENOUGH)?;
            finding(*topic, strength, known.start..known.end, &analysed)
        });
        return found.collect();
    }
    let mut judge = model.judge(message.hashed_pieces());
    let less = ODDS_OF_SENTENCES * f32::ln(telling_sentences(&analysed.tokens, &sentences) as f32);
    let judged = passages(&sentences).map(|(numbers, tokens)| {
        let is_pair_of_many = numbers.len() == 2 && sentences.len() > 2;
        let less = if is_pair_of_many { less + ODDS_OF_PAIR } else { less };
        let evidence = evidence(&cues, &tokens);
        let phrases = evidence.map(|known| known.strength());
        let odds = odds(&judge.odds(&tokens), phrases).map(|odds| odds - less);
        Passage { sentences: numbers, tokens, evidence, odds }
    });
    let mut found: SmallVec<[GraveFinding; 2]> = SmallVec::new();
    for passage in strongest(judged.filter(|passage| passage.odds[0] >= ANY).collect()) {
        for (topic, strength) in passage.strengths() {
            let known = passage.evidence[topic as usize];
            let words = match known.weight < ENOUGH {
                true => judge.evidence(topic, &passage.tokens, EVIDENCE_WORDS),
                false => known.start..known.end,
            };
            add_strongest(&mut found, finding(topic, strength, words, &analysed));
        }
    }
    found
}

/// A passage in which there is a grave topic.
struct Passage {
    /// The numbers of its sentences.
    sentences: Range<usize>,
    tokens: Range<usize>,
    /// What the phrases show.
    evidence: [Evidence; TOPICS],
    /// Of the model and the phrases together.
    odds: LogOdds,
}

impl Passage {
    /// The topics that it has, with their strengths.
    fn strengths(&self) -> impl Iterator<Item = (GraveTopic, f32)> {
        let [any, topics @ ..] = self.odds;
        let best = topics.iter().copied().fold(f32::MIN, f32::max);
        // No topic is more certain than that there is one.
        let strength = move |odds: f32| (1.0 / (1.0 + f32::exp(-odds.min(any)))).max(ENOUGH);
        GraveTopic::ALL.iter().zip(topics).filter_map(move |(topic, odds)| match odds {
            odds if odds >= best => Some((*topic, strength(any))),
            odds if odds >= ALSO => Some((*topic, strength(odds))),
            _ => None,
        })
    }
}

/// The passages that have no sentence in common with a stronger one, the strongest first: each sentence speaks
/// once.
fn strongest(mut passages: Vec<Passage>) -> Vec<Passage> {
    passages.sort_by(|one, other| other.odds[0].total_cmp(&one.odds[0]));
    let mut taken = FxHashSet::default();
    passages.retain(|passage| {
        let is_free = passage.sentences.clone().all(|sentence| !taken.contains(&sentence));
        if is_free {
            taken.extend(passage.sentences.clone());
        }
        is_free
    });
    passages
}

/// The log-odds that a model and the strengths of phrases have together.
fn odds(learned: &LogOdds, phrases: [f32; TOPICS]) -> LogOdds {
    let strongest = phrases.iter().copied().fold(0.0, f32::max);
    let mut odds = *learned;
    odds[0] += PHRASE_ODDS * strongest;
    odds[1..].iter_mut().zip(phrases).for_each(|(odds, strength)| *odds += PHRASE_ODDS * strength);
    odds
}

/// Adds a finding; of two of one topic the stronger stays.
fn add_strongest(found: &mut SmallVec<[GraveFinding; 2]>, more: Option<GraveFinding>) {
    let Some(more) = more else { return };
    match found.iter_mut().find(|known| known.topic == more.topic) {
        Some(known) if known.strength >= more.strength => {}
        Some(known) => *known = more,
        None => found.push(more),
    }
}

/// A phrase as evidence for one topic, with the weight that its surroundings leave.
#[derive(Debug)]
struct WeighedCue {
    topic: GraveTopic,
    weight: f32,
    /// The number of the phrase.
    number: u32,
    start: usize,
    end: usize,
}

/// The phrases that are evidence, in the order of the text.
fn weighed_cues(
    analysed: &AnalysedText<'_>,
    lexicon: &Lexicon,
    sentences: &[Range<usize>],
) -> SmallVec<[WeighedCue; 8]> {
    let mut weighed = SmallVec::new();
    let cues = cues(analysed, lexicon);
    if cues.is_empty() {
        return weighed;
    }
    let mut in_phrase: SmallVec<[bool; 64]> =
        SmallVec::from_elem(false, analysed.tokens.list.len());
    cues.iter().for_each(|(_, start, end)| in_phrase[*start..*end].fill(true));
    let around = surroundings(analysed, lexicon);
    let number_of = |token: usize| sentences.partition_point(|sentence| sentence.end <= token);
    for (cue, start, end) in &cues {
        // A negation in a gap of the phrase is none of its words: `the card is not lost`.
        let negates = |at: usize| analysed.meanings[at].is_some_and(|word| word.negator.is_some());
        let is_negated =
            || (*start..*end).any(negates) || negated(*start, *end, &in_phrase, analysed) == 1;
        if cue.topics == 0 || (!(cue.is_fixed || cue.has_negator) && is_negated()) {
            continue;
        }
        let reaches = |reach: Reach, at: usize| match reach {
            Reach::Sentence => analysed.sentence_end(at) == analysed.sentence_end(*start),
            Reach::Around => number_of(at).abs_diff(number_of(*start)) <= 1,
        };
        for topic in GraveTopic::ALL.iter().filter(|topic| cue.topics & topic.bit() != 0) {
            let factors = around
                .iter()
                .filter(|(known, at)| known.topics & topic.bit() != 0 && reaches(known.reach, *at));
            let factor: f32 = factors.map(|(known, _)| known.factor).product();
            let weight = (cue.weight * factor).min(1.0);
            let number = cue.number;
            weighed.push(WeighedCue { topic: *topic, weight, number, start: *start, end: *end });
        }
    }
    weighed
}

/// What the phrases among these tokens show of each topic; each phrase counts once.
fn evidence(cues: &[WeighedCue], tokens: &Range<usize>) -> [Evidence; TOPICS] {
    let mut evidence = [Evidence::NOTHING; TOPICS];
    let mut counted: SmallVec<[(u32, GraveTopic); 8]> = SmallVec::new();
    let within = cues.iter().filter(|cue| cue.start >= tokens.start && cue.end <= tokens.end);
    for cue in within {
        if !counted.contains(&(cue.number, cue.topic)) {
            counted.push((cue.number, cue.topic));
            evidence[cue.topic as usize].add(cue.weight, cue.start, cue.end);
        }
    }
    evidence
}

fn finding(
    topic: GraveTopic,
    strength: f32,
    words: Range<usize>,
    analysed: &AnalysedText<'_>,
) -> Option<GraveFinding> {
    let first = analysed.tokens.list.get(words.start)?.place.start as usize;
    let last = analysed.tokens.list.get(words.end.checked_sub(1)?)?.place.end as usize;
    let words = cut(analysed.text.get(first..last)?.trim_end(), limits::NAME_BYTES).into();
    Some(GraveFinding { topic, strength, words, at: first })
}

/// The text with the words of cues in place of misspelt ones that stand for them.
fn corrected<'a, 'b>(
    analysed: &'a AnalysedText<'b>,
    lexicon: &Lexicon,
) -> Cow<'a, AnalysedText<'b>> {
    let grave = &lexicon.grave;
    let mut all = Cow::Borrowed(analysed);
    for (at, token) in analysed.tokens.list.iter().enumerate() {
        if token.kind != TokenKind::Word
            || analysed.meanings[at].is_some()
            || grave.words.contains_key(&token.folded)
            || analysed.tokens.form(token).len() + 1 < MISSPELT_LETTERS
        {
            continue;
        }
        let form = analysed.tokens.form(token);
        let mut meant = None;
        each_misspelling(form, |misspelt| {
            let word = grave.misspelt.get(&misspelt).and_then(|at| grave.long.get(*at as usize));
            meant = meant.or_else(|| word.filter(|word| differ_by_one(word, form)));
        });
        if let Some(word) = meant {
            all.to_mut().tokens.list[at].folded = hash(word);
        }
    }
    all
}

/// The cues in the order of the text, each with its tokens; where several begin, the longest.
fn cues(analysed: &AnalysedText<'_>, lexicon: &Lexicon) -> SmallVec<[(GraveCue, usize, usize); 8]> {
    let mut cues = SmallVec::new();
    let mut at = 0;
    while at < analysed.tokens.list.len() {
        match lexicon.grave.cues.at(at, &analysed.tokens, &analysed.meanings) {
            Some((cue, end)) => {
                cues.push((cue, at, end));
                // A phrase that shows nothing covers its words; other cues may begin within one another.
                at = if cue.topics == 0 { end } else { at + 1 };
            }
            None => at += 1,
        }
    }
    cues
}

/// The surroundings, each with its first token.
fn surroundings(
    analysed: &AnalysedText<'_>,
    lexicon: &Lexicon,
) -> SmallVec<[(CueModifier, usize); 8]> {
    let all = 0..analysed.tokens.list.len();
    let book = &lexicon.grave.surroundings;
    all.filter_map(|at| {
        book.at(at, &analysed.tokens, &analysed.meanings).map(|(known, _)| (known, at))
    })
    .collect()
}
