//! Files of a model that tells languages apart.

use jumeau::config::limits;
use jumeau::language::{DetectedLanguage, Language, LanguagePrior, Languages};

fn mistakes(model: &str) -> String {
    Languages::new([("any/detection.txt", model)]).unwrap_err().to_string()
}

#[test]
fn a_model_of_more_languages_than_it_may_tell_apart_is_refused_line_by_line() {
    let count = limits::DETECTED_LANGUAGES + 1;
    let codes: Vec<String> =
        (0..count).map(|number| format!("x{}", char::from(b'a' + (number % 26) as u8))).collect();
    let model = format!("languages {}\n{} word\n", codes.join(" "), "z".repeat(count));
    let found = mistakes(&model);
    let lines: Vec<&str> = found.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(lines, ["any/detection.txt:1:", "any/detection.txt:2:"], "{found}");
    assert!(found.contains("`languages` and at most 32 of them"), "{found}");
}

#[test]
fn a_line_of_another_length_than_the_languages_is_refused() {
    let found = mistakes("languages en fr und\nunit 0.1\nbias 0 0\nab. word\nab word\n");
    let lines: Vec<&str> = found.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(lines, ["any/detection.txt:3:", "any/detection.txt:5:"], "{found}");
}

fn detected(text: &str) -> DetectedLanguage {
    Languages::embedded().detect(text, &[], LanguagePrior::Likely(Language::ENGLISH))
}

const SPANISH: &str = "Buenos días, espero que se encuentren muy bien. Les escribo porque hace tres semanas compré \
                       una lavadora en su tienda de Valencia y quería contarles lo siguiente. ";

#[test]
fn a_message_that_begins_in_a_language_nobody_reads_is_in_that_of_its_greater_part() {
    let english =
        "Sorry, my colleague told me to write in English. My husband passed away on Tuesday. ";
    let of = |text: &str| detected(text).language;
    assert_eq!(of(SPANISH), None);
    assert_eq!(of(&format!("{SPANISH}{}", english.repeat(2))), Some(Language::ENGLISH));
    assert_eq!(of(&format!("{SPANISH}{english}")), Some(Language::ENGLISH), "one part of two");
    assert_eq!(of(&format!("{}{english}", SPANISH.repeat(3))), None, "one part of four");
    assert_eq!(
        of(&format!("{}{}", english.repeat(2), SPANISH.repeat(3))),
        Some(Language::ENGLISH),
        "it begins so"
    );
    let both = detected(&format!("{SPANISH}{english}"));
    assert!(!both.is_sure, "the customer's language stays as it was");
}

#[test]
fn full_width_letters_tell_a_language_as_plain_ones_do() {
    let wide =
        |text: &str| -> String {
            text.chars()
                .map(|c| {
                    if c.is_ascii_graphic() {
                        char::from_u32(c as u32 + 0xfee0).unwrap()
                    } else {
                        c
                    }
                })
                .collect()
        };
    for text in [
        "my husband passed away last week",
        "je ne reçois plus mes factures",
        "wo bleibt mein paket",
    ] {
        assert_eq!(detected(&wide(text)), detected(text), "{text}");
        assert!(detected(text).is_sure, "{text}");
    }
}
