//! Files of a model that tells languages apart.

use jumeau::config::limits;
use jumeau::language::Languages;

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
