//! The urgency of a text, independent of its valence.

use super::analysed_text::{AnalysedText, WeightedSpan, WeightedSpans};
use super::lexicon::Lexicon;
use super::text::TokenKind;

/// The contribution of a text in capitals.
const SHOUTED: f32 = 0.2;

/// The contribution of three or more exclamation or question marks in a row.
const INSISTED: f32 = 0.15;

/// The minimum number of words for a text in capitals to count as shouted.
const SHOUTED_WORDS: usize = 3;

/// The urgency, 0..1, and the words that caused it. Cues are combined as independent evidence: each takes
/// its share of what the previous ones leave; one that calms (`no rush`) takes its share back.
pub(super) fn measure(analysed: &AnalysedText<'_>, lexicon: &Lexicon) -> (f32, WeightedSpans) {
    let mut parts = WeightedSpans::new();
    let mut at = 0;
    while at < analysed.tokens.list.len() {
        match lexicon.urgency.at(at, &analysed.tokens, &analysed.meanings) {
            Some((weight, end)) => {
                parts.push(WeightedSpan { start: at, end, weight });
                at = end;
            }
            None => at += 1,
        }
    }
    let mut words = analysed.tokens.list.iter().filter(|token| token.is_word());
    let count = words.clone().count();
    let shouted =
        count >= SHOUTED_WORDS && words.all(|token| token.shouted || token.place.len() < 3);
    let insisted = analysed.tokens.list.iter().any(|token| match token.kind {
        TokenKind::Stop { exclamations, questions } => exclamations >= 3 || questions >= 3,
        _ => false,
    });
    let mut open = 1.0;
    for part in parts.iter().filter(|part| part.weight > 0.0) {
        open *= 1.0 - part.weight.min(1.0);
    }
    if shouted {
        open *= 1.0 - SHOUTED;
    }
    if insisted {
        open *= 1.0 - INSISTED;
    }
    let mut urgency = 1.0 - open;
    for part in parts.iter().filter(|part| part.weight < 0.0) {
        urgency *= 1.0 + part.weight.max(-1.0);
    }
    (urgency.clamp(0.0, 1.0), parts)
}
