//! Reads the section `[valencemodel]`.

use super::{LexiconReader, Line};
use crate::language::pieces::piece_hash;
use crate::language::units::units_of;
use crate::language::valence_model::{CLASSES, LEXICAL_FEATURES, ValenceModel};

impl LexiconReader<'_> {
    /// What was learned from labelled messages: `unit 0.2`, `bias` and a number for each class, `lexical` with a name
    /// and such numbers, and pieces of messages, each behind its weights: `B.d never again`.
    pub(super) fn valence_model(&mut self, line: Line<'_>) {
        self.entries += 1;
        let model = self.lexicon.valence.get_or_insert_default();
        if read(line.text, model).is_none() {
            self.unlike(
                line,
                "what `twinsense train` prints: `unit` and a number from 0 to 10, `bias` and three numbers, \
                 `lexical`, a name and three numbers, or three letters or points and a piece of a message",
            );
        }
    }
}

fn read(line: &str, model: &mut ValenceModel) -> Option<()> {
    match line.split_once(' ')? {
        ("unit", unit) => {
            model.unit = unit.parse().ok().filter(|unit| (0.0..=10.0).contains(unit))?;
        }
        ("bias", odds) => model.bias = numbers(odds)?,
        ("lexical", rest) => {
            let (name, weights) = rest.split_once(' ')?;
            let at = LEXICAL_FEATURES.iter().position(|known| *known == name)?;
            model.lexical[at] = numbers(weights)?;
        }
        (weights, piece) => {
            let weights: Option<Vec<i8>> = weights.bytes().map(units_of).collect();
            model.weights.insert(piece_hash(piece), weights?.try_into().ok()?);
        }
    }
    Some(())
}

fn numbers(written: &str) -> Option<[f32; CLASSES]> {
    let numbers: Option<Vec<f32>> = written.split(' ').map(|number| number.parse().ok()).collect();
    let numbers: [f32; CLASSES] = numbers?.try_into().ok()?;
    numbers.iter().all(|number| number.abs() <= 100.0).then_some(numbers)
}
