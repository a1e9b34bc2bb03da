//! How often languages are told from texts.

use std::fmt::Write as _;

use jumeau::language::{Language, LanguagePrior, Languages};

use crate::train_detection::LanguageSet;

/// A row for each prior, with the share of texts in each language that are told rightly; a text in a language that
/// is not loaded is told rightly if the answer is none.
pub(crate) fn measure(set: &LanguageSet, misses: bool, languages: &Languages) -> String {
    let loaded: Vec<Language> = languages.iter().collect();
    let mut table = String::from("  prior ");
    loaded.iter().for_each(|language| {
        let _ = write!(table, "{:>8}", language.as_str());
    });
    table.push_str("   other\n");
    let mut misread = String::new();
    for (name, shift) in [("none", None), ("right", Some(0)), ("wrong", Some(1))] {
        let mut counts = vec![(0_u32, 0_u32); loaded.len() + 1];
        for (number, (language, text)) in set.rows.iter().enumerate() {
            let own = loaded.iter().position(|known| known == language);
            // Of two wrong ones, each in turn; whose language is not loaded has any of them.
            let prior = own.map_or(number, |own| {
                own + shift.unwrap_or(0) * (1 + number % (loaded.len() - 1).max(1))
            });
            let prior = loaded[prior % loaded.len()];
            let prior = match shift {
                Some(_) => LanguagePrior::Own(prior),
                None => LanguagePrior::Likely(loaded[number % loaded.len()]),
            };
            let found = languages.detect(text, &[], prior).language;
            let is_right = found == own.map(|own| loaded[own]);
            let count = &mut counts[own.unwrap_or(loaded.len())];
            *count = (count.0 + 1, count.1 + u32::from(is_right));
            if !is_right {
                let found =
                    found.map_or_else(|| "none".to_owned(), |language| language.to_string());
                let _ = writeln!(misread, "  {name:<6} {language} as {found}: {text}");
            }
        }
        let _ = write!(table, "  {name:<6}");
        for (all, right) in counts {
            let _ = write!(table, "{:>8.3}", f64::from(right) / f64::from(all.max(1)));
        }
        table.push('\n');
    }
    if misses {
        table.push_str(&misread);
    }
    table
}
