//! The valence of a text: how its writer feels.
//!
//! Words and phrases have weights, which their context modifies. The rules are those of VADER (C. J.
//! Hutto, E. Gilbert: A Parsimonious Rule-based Model for Sentiment Analysis of Social Media Text, ICWSM
//! 2014), with a separate reach of negation for each word, so that `ne … pas` is one negation.

use smallvec::SmallVec;

use super::analysed_text::{AnalysedText, WeightedSpan, WeightedSpans};
use super::irony;
use super::lexicon::Lexicon;
use super::meaning::{Meaning, Negator};
use super::text::{Token, TokenKind};

/// The factor of a negated good word: `not good` is bad, but less so than `bad`.
const NEGATED_GOOD: f32 = -0.75;

/// The factor of a negated bad word: `not bad` is good, but only just.
const NEGATED_BAD: f32 = -0.45;

/// The factor of a word that is negated twice: `I cannot say that I do not like it`.
const NEGATED_TWICE: f32 = 0.5;

/// The maximum distance of an intensifier before a word, with the remaining effect at each distance.
const BOOST_REACH: [f32; 3] = [1.0, 0.8, 0.6];

/// The maximum distance of a partner before a negator, in words: `ne` before `plus`.
const PARTNER_REACH: usize = 4;

/// The maximum reach of any negator by itself, in words.
pub(super) const NEGATOR_REACH: usize = 8;

/// The reach of a negator beside a carrier, within its clause: `I do not think that …`.
const CLAUSE_REACH: usize = 12;

/// The maximum distance of a carrier before a negator that negates backwards: `je ne pense pas que …`.
const CARRIER_BEFORE: usize = 2;

/// How far a relay extends a negation: `nobody there has ever been even polite`.
const RELAY_REACH: usize = 4;

/// The maximum distance of a negator before one that it cancels: `not without`.
const DOUBLE_REACH: usize = 2;

/// The factor of a word in capitals in a text that is not all capitals.
const SHOUTED: f32 = 1.25;

/// The factor of a word with a letter three or more times in a row.
const STRETCHED: f32 = 1.2;

/// The increase of a sentence's weight by each exclamation mark, up to three.
const EXCLAIMED: f32 = 0.1;

/// The factor of a good word in a question: `is there a good offer?`.
const ASKED: f32 = 0.4;

/// The factor of a problem that a question only names: `what do I do if my card is declined?`.
const NAMED: f32 = 0.3;

/// The weight down to which a bad word names a problem; what is worse judges.
const NAMED_MIN: f32 = -0.55;

/// The factor of thanks in a message with a request.
const COURTESY: f32 = 0.35;

/// The weight of the words of a message from which on a picture that emphasises takes their side.
const SIDE_MIN: f32 = 0.1;

/// The factor of a picture that takes the side of the words.
const EMPHASISED: f32 = 0.5;

/// The weight of a negator that negates no word.
const IDLE_NEGATOR: f32 = -0.18;

/// The factor of bad words: people write good words more easily than bad ones, so a bad one carries more
/// information (M. Taboada et al.: Lexicon-Based Methods for Sentiment Analysis, Computational
/// Linguistics 37, 2011, section 2.6, uses one and a half).
const BAD: f32 = 1.2;

/// The constant `a` of `x / √(x² + a²)`, which maps a sum of weights `x` to a valence.
const HALF: f32 = 1.2;

/// Maps a sum of weights into −1..1.
pub(super) fn squash(raw: f32) -> f32 {
    let raw = if raw.is_finite() { raw } else { 0.0 };
    (raw / (raw * raw + HALF * HALF).sqrt()).clamp(-1.0, 1.0)
}

/// The words that cause the valence, with their contributions.
pub(super) fn parts(analysed: &AnalysedText<'_>, lexicon: &Lexicon) -> WeightedSpans {
    let units = Units::new(analysed, lexicon);
    let mut parts: WeightedSpans =
        units.all.iter().map(|unit| weigh(unit, &units, analysed)).collect();
    idle_negators(&mut parts, &units, analysed);
    reweigh_at_contrasts(&mut parts, &units, analysed);
    emphasize(&mut parts, analysed);
    weaken_named_problems(&mut parts, analysed, lexicon);
    weaken_courtesies(&mut parts, analysed);
    irony::turn_praise(&mut parts, analysed, lexicon);
    take_sides(&mut parts, analysed);
    for part in parts.iter_mut().filter(|part| part.weight < 0.0) {
        part.weight *= BAD;
    }
    parts
}

/// A word or phrase with a weight, or a phrase without one that covers its words.
struct Unit {
    part: WeightedSpan,
    /// Whether it is a phrase, which includes its negator.
    phrase: bool,
}

/// The units of a text.
struct Units {
    all: SmallVec<[Unit; 32]>,
    /// For each token whether it is within a phrase.
    in_phrase: SmallVec<[bool; 64]>,
}

impl Units {
    fn new(analysed: &AnalysedText<'_>, lexicon: &Lexicon) -> Units {
        let count = analysed.tokens.list.len();
        let mut units =
            Units { all: SmallVec::new(), in_phrase: SmallVec::from_elem(false, count) };
        let mut at = 0;
        while at < count {
            if let Some((weight, end)) =
                lexicon.phrases.at(at, &analysed.tokens, &analysed.meanings)
                && !is_carried_on(at, end, analysed)
            {
                units
                    .all
                    .push(Unit { part: WeightedSpan { start: at, end, weight }, phrase: true });
                units.in_phrase[at..end].fill(true);
                at = end;
                continue;
            }
            if let Some(weight) = analysed.meanings[at].and_then(|meaning| meaning.weight) {
                let part = WeightedSpan { start: at, end: at + 1, weight };
                units.all.push(Unit { part, phrase: false });
            }
            at += 1;
        }
        units
    }
}

/// Whether the negator of a phrase reaches beyond it, because a carrier follows: `I can't even say …`.
fn is_carried_on(start: usize, end: usize, analysed: &AnalysedText<'_>) -> bool {
    let carries =
        analysed.meanings.get(end).is_some_and(|next| next.is_some_and(|w| w.carrier > 1));
    carries && (start..end).any(|at| analysed.meanings[at].is_some_and(|m| m.negator.is_some()))
}

fn weigh(unit: &Unit, units: &Units, analysed: &AnalysedText<'_>) -> WeightedSpan {
    let WeightedSpan { start, end, weight } = unit.part;
    let tokens = &analysed.tokens.list;
    let mut weight = weight;
    for (distance, left) in BOOST_REACH.iter().enumerate() {
        let Some(at) = start.checked_sub(distance + 1) else { break };
        if tokens[at].is_mark() {
            break;
        }
        if let Some(boost) = analysed.meanings[at].and_then(|meaning| meaning.boost)
            && !units.in_phrase[at]
        {
            let shouted =
                if tokens[at].shouted || tokens[at].squeezed.is_some() { 1.2 } else { 1.0 };
            weight *= 1.0 + (boost - 1.0) * left * shouted;
        }
    }
    let has_own_negator = unit.phrase
        && (start..end).any(|at| analysed.meanings[at].is_some_and(|m| m.negator.is_some()));
    if !has_own_negator {
        weight *= match negated(start, end, &units.in_phrase, analysed) {
            0 => 1.0,
            1 if weight > 0.0 => NEGATED_GOOD,
            1 => NEGATED_BAD,
            _ => NEGATED_TWICE,
        };
    }
    if tokens[start].shouted && !analysed.all_shouted {
        weight *= SHOUTED;
    }
    if tokens[start].squeezed.is_some() {
        weight *= STRETCHED;
    }
    WeightedSpan { start, end, weight }
}

/// How often the tokens `start..end` are negated: not, once, or twice. A negator within a phrase (`in_phrase`,
/// for each token) negates nothing outside it.
///
/// Several negators within reach are one emphasised negation, unless one of them is in a clause around
/// that of another (`I cannot say that I do not like it`) or right before one that it cancels (`not
/// without`).
pub(super) fn negated(
    start: usize,
    end: usize,
    in_phrase: &[bool],
    analysed: &AnalysedText<'_>,
) -> u8 {
    // The nearest negator that reaches them, and the effect of others on it.
    let (mut within, mut is_within_wide) = (None, false);
    let (mut around, mut is_taken_back) = (false, false);
    // An emoticon at the end of a clause is not a word of it.
    let is_said = analysed.tokens.list[start].is_word();
    let mut is_own_clause = true;
    for at in (0..start).rev().take(CLAUSE_REACH) {
        if ends_clause(at, analysed) {
            if !opens_reported_clause(at, analysed) {
                break;
            }
            is_own_clause = false;
            continue;
        }
        let distance = start - at;
        if let Some(negator) = negator(at, in_phrase, analysed) {
            let is_wide = is_said && reaches_clause(at, negator, analysed);
            if is_wide && within.is_some_and(|nearest| nearest != at) {
                around = true;
            } else if is_own_clause && distance <= usize::from(negator.after) || is_wide {
                within = within.or(Some(at));
                is_within_wide |= is_wide;
                is_taken_back |= negator.doubles
                    && clause_before(at, DOUBLE_REACH, analysed)
                        .any(|at| has_negator(at, in_phrase, analysed));
            }
        } else if within.is_none()
            && is_own_clause
            && distance <= RELAY_REACH
            && analysed.meanings[at].is_some_and(|word| word.relay)
        {
            let mut before = clause_before(at, NEGATOR_REACH, analysed);
            within = before.find(|at| has_negator(*at, in_phrase, analysed));
        }
    }
    let after = (end..analysed.tokens.list.len()).take(NEGATOR_REACH);
    let is_negated_behind = after.take_while(|at| !ends_clause(*at, analysed)).any(|at| {
        negator(at, in_phrase, analysed)
            .is_some_and(|negator| at + 1 - end <= usize::from(negator.before))
    });
    around |= is_within_wide && is_negated_behind;
    u8::from(within.is_some() || is_negated_behind) + u8::from(around || is_taken_back)
}

/// The tokens before `at` within its clause, the nearest first.
fn clause_before<'a>(
    at: usize,
    most: usize,
    analysed: &'a AnalysedText<'_>,
) -> impl Iterator<Item = usize> + 'a {
    (0..at).rev().take(most).take_while(|at| !ends_clause(*at, analysed))
}

fn ends_clause(at: usize, analysed: &AnalysedText<'_>) -> bool {
    analysed.tokens.list[at].is_mark()
        || analysed.meanings[at].is_some_and(|word| word.contrast.is_some())
}

/// Whether the mark at `at` only separates what one says or thinks from the word that introduces it: `ich
/// glaube nicht, dass …`.
fn opens_reported_clause(at: usize, analysed: &AnalysedText<'_>) -> bool {
    let introduces = |word: &Option<Meaning>| word.is_some_and(|word| word.carrier == 1);
    analysed.tokens.list[at].kind == TokenKind::Pause
        && analysed.meanings.get(at + 1).is_some_and(introduces)
}

/// The negator at `at`, unless it is part of a phrase or lacks its partner.
fn negator(at: usize, in_phrase: &[bool], analysed: &AnalysedText<'_>) -> Option<Negator> {
    let negator = analysed.meanings[at]?.negator?;
    let counts = !in_phrase[at] && (!negator.needs_partner || has_partner(at, analysed));
    counts.then_some(negator)
}

fn has_negator(at: usize, in_phrase: &[bool], analysed: &AnalysedText<'_>) -> bool {
    negator(at, in_phrase, analysed).is_some()
}

/// Whether a carrier is beside the negator at `at`, so that it reaches over the whole clause.
fn reaches_clause(at: usize, negator: Negator, analysed: &AnalysedText<'_>) -> bool {
    let carries = |at: usize| analysed.meanings[at].map_or(0, |word| usize::from(word.carrier));
    let after = (at + 1..analysed.tokens.list.len()).take(NEGATOR_REACH);
    after.take_while(|at| !ends_clause(*at, analysed)).any(|next| next - at <= carries(next))
        || negator.before > 0
            && clause_before(at, CARRIER_BEFORE, analysed).any(|at| carries(at) > 1)
}

/// A negator that negates no word indicates by itself that something is wrong: `it does not fit`.
fn idle_negators(parts: &mut WeightedSpans, units: &Units, analysed: &AnalysedText<'_>) {
    for (at, meaning) in analysed.meanings.iter().enumerate() {
        let Some(negator) = meaning.and_then(|meaning| meaning.negator) else { continue };
        let after = if reaches_clause(at, negator, analysed) {
            CLAUSE_REACH
        } else {
            usize::from(negator.after)
        };
        let reach = at.saturating_sub(usize::from(negator.before))
            ..(at + 1 + after).min(analysed.tokens.list.len());
        let busy = !negator.speaks
            || units.in_phrase[at]
            || units.all.iter().any(|unit| reach.contains(&unit.part.start) && unit.part.weight != 0.0)
            // `No, only the first one` is an answer.
            || negator.before == 0 && analysed.tokens.list.get(at + 1).is_some_and(Token::is_mark)
            || negator.needs_partner && !has_partner(at, analysed)
            || meaning.is_some_and(|meaning| meaning.weight.is_some());
        if !busy {
            parts.push(WeightedSpan { start: at, end: at + 1, weight: IDLE_NEGATOR });
        }
    }
}

fn has_partner(at: usize, analysed: &AnalysedText<'_>) -> bool {
    (0..at)
        .rev()
        .take(PARTNER_REACH)
        .take_while(|at| !analysed.tokens.list[*at].is_mark())
        .any(|at| analysed.meanings[at].is_some_and(|meaning| meaning.partner))
}

/// Weakens the part of a sentence before a `but`, and strengthens the part after it.
fn reweigh_at_contrasts(parts: &mut WeightedSpans, units: &Units, analysed: &AnalysedText<'_>) {
    for at in 0..analysed.tokens.list.len() {
        let Some(contrast) = analysed.meanings[at].and_then(|meaning| meaning.contrast) else {
            continue;
        };
        if units.in_phrase[at] {
            continue;
        }
        let end = analysed.sentence_end(at);
        let start = analysed.tokens.list[..at]
            .iter()
            .rposition(|token| matches!(token.kind, TokenKind::Stop { .. }))
            .map_or(0, |stop| stop + 1);
        for part in parts.iter_mut() {
            if (start..at).contains(&part.start) {
                part.weight *= contrast.before;
            } else if (at..end).contains(&part.start) {
                part.weight *= contrast.after;
            }
        }
    }
}

/// Strengthens a sentence by its exclamation marks; weakens the good words of a question.
fn emphasize(parts: &mut WeightedSpans, analysed: &AnalysedText<'_>) {
    for part in parts.iter_mut() {
        let stop =
            analysed.tokens.list.get(analysed.sentence_end(part.start)).map(|token| token.kind);
        if let Some(TokenKind::Stop { exclamations, questions }) = stop {
            part.weight *= 1.0 + EXCLAIMED * f32::from(exclamations.min(3));
            if questions > 0 && exclamations == 0 && part.weight > 0.0 {
                part.weight *= ASKED;
            }
        }
    }
}

/// Weakens the problems that a sentence names which begins, or of which a clause begins, as a question does by which
/// somebody asks.
fn weaken_named_problems(
    parts: &mut WeightedSpans,
    analysed: &AnalysedText<'_>,
    lexicon: &Lexicon,
) {
    let tokens = &analysed.tokens.list;
    let names = |part: &WeightedSpan| (NAMED_MIN..0.0).contains(&part.weight);
    if !parts.iter().any(names) {
        return;
    }
    // For each token whether its sentence asks, from a beginning before it on.
    let mut asking: SmallVec<[bool; 64]> = SmallVec::from_elem(false, tokens.len());
    let (mut begins, mut asks) = (true, false);
    for (at, token) in tokens.iter().enumerate() {
        let is_stop = matches!(token.kind, TokenKind::Stop { .. });
        let is_asking = || lexicon.questions.at(at, &analysed.tokens, &analysed.meanings).is_some();
        asks = !is_stop && (asks || begins && is_asking());
        begins = is_stop || token.kind == TokenKind::Pause;
        asking[at] = asks;
    }
    for part in parts.iter_mut().filter(|part| asking[part.start] && names(part)) {
        let stop = tokens.get(analysed.sentence_end(part.start)).map(|token| token.kind);
        if !matches!(stop, Some(TokenKind::Stop { exclamations: 1.., .. })) {
            part.weight *= NAMED;
        }
    }
}

/// Gives pictures that only emphasise the sign of the words, if these say enough: `I love it 😭`.
fn take_sides(parts: &mut WeightedSpans, analysed: &AnalysedText<'_>) {
    let emphasises =
        |part: &WeightedSpan| analysed.meanings[part.start].is_some_and(|word| word.emphasises);
    let words = parts.iter().filter(|part| !emphasises(part));
    let said: f32 = words.map(|part| part.weight).sum();
    if said.abs() < SIDE_MIN {
        return;
    }
    for part in parts.iter_mut().filter(|part| emphasises(part)) {
        part.weight = EMPHASISED * part.weight.abs().copysign(said);
    }
}

/// Weakens thanks in a message with a request, where they are politeness.
fn weaken_courtesies(parts: &mut WeightedSpans, analysed: &AnalysedText<'_>) {
    let asks = analysed.meanings.iter().any(|meaning| meaning.is_some_and(|word| word.request))
        || analysed
            .tokens
            .list
            .iter()
            .any(|token| matches!(token.kind, TokenKind::Stop { questions: 1.., .. }));
    if !asks {
        return;
    }
    for part in parts.iter_mut().filter(|part| part.weight > 0.0) {
        if analysed.meanings[part.start].is_some_and(|word| word.courtesy) {
            part.weight *= COURTESY;
        }
    }
}
