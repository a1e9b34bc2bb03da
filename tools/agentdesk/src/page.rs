//! Text layout for the available columns.

use ratatui::style::Stylize;
use ratatui::text::{Line, Span};

/// The indentation of the continuation of a line that is too long, in columns.
const HANGING: usize = 2;

/// The lines of a text, none wider than `width`. An unindented line is a title.
pub(crate) fn lay_out(text: &str, width: usize) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    for line in text.lines() {
        let is_title = !line.starts_with(' ') && !line.is_empty();
        for line in wrapped(line, width) {
            lines.push(if is_title { Line::from(line).bold() } else { Line::from(line) });
        }
    }
    lines
}

/// Wraps one line, between words if possible. A column narrower than a character still gets one.
pub(crate) fn wrapped(line: &str, width: usize) -> Vec<String> {
    let indent = (line.len() - line.trim_start_matches(' ').len()).min(width / 2);
    let hanging = (indent + HANGING).min(width / 2);
    let mut lines = Vec::new();
    let mut current = " ".repeat(indent);
    let mut used = indent;
    let mut is_fresh = true;
    for word in line.trim().split_inclusive(' ') {
        let goes_on = |used: usize| used + columns(word.trim_end()) <= width;
        let mut must_break = !is_fresh && !goes_on(used);
        for letter in word.chars() {
            let more = columns(letter.encode_utf8(&mut [0; 4]));
            if must_break || (!is_fresh && letter != ' ' && used + more > width) {
                lines.push(current.trim_end().to_owned());
                current = " ".repeat(hanging);
                used = hanging;
                must_break = false;
            }
            current.push(letter);
            used += more;
            is_fresh = false;
        }
    }
    lines.push(current.trim_end().to_owned());
    lines
}

/// The width of a text in columns.
pub(crate) fn columns(text: &str) -> usize {
    Span::raw(text).width()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_continue_below_with_an_indent() {
        let line = "  09:10  customer: No! Useless. I want to talk to a human";
        insta::assert_snapshot!(wrapped(line, 26).join("\n"), @r"
    09:10  customer: No!
      Useless. I want to
      talk to a human
    ");
    }

    #[test]
    fn wrapping_keeps_every_letter_within_the_width() {
        let letters = |text: &str| text.replace(' ', "");
        for width in 2..40 {
            for text in
                ["aaaaaaaaaaaaaaaaaaaaaaaaa", "  éé ééé  éééé", "漢字漢字漢字漢字", "    a bb", ""]
            {
                let lines = wrapped(text, width);
                assert_eq!(letters(&lines.concat()), letters(text), "{lines:?}");
                assert!(lines.iter().all(|line| columns(line) <= width.max(3)), "{lines:?}");
            }
        }
    }
}
