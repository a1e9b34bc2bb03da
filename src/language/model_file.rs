//! The last line of a model's file, which tells whether the file is whole and as it was trained.
//!
//! A model is text, and text is easily cut, joined or edited without anybody noticing: what is left of a model is a
//! model, too, only a worse one. So its last line has the number of its pieces and a digest of the lines above. Ends of
//! lines do not count, because version control may convert them.

use std::collections::HashMap;
use std::hash::Hasher as _;

use twox_hash::XxHash3_64;

use super::text::shortened;

/// The beginning of the last line. It is a comment, so that the section may stand in a language's own files, too.
const END: &str = "# end of the model: ";

/// What to do about a file that is not whole.
const REMEDY: &str = "copy the file again, or train again with `twinsense train --out`";

/// The file of a model with its last line, by which a loader sees that it is whole: `# end of the model: 2310 pieces,
/// digest 0f3a…`, with XXH3 of 64 bits over the lines above.
///
/// `content` has the lines above, without a last line of a former model.
pub fn with_model_end(content: &str) -> String {
    let mut lines = content.lines().collect::<Vec<_>>().join("\n");
    lines.push('\n');
    let end = end_of(&lines);
    lines + &end + "\n"
}

/// The last line of a file with these lines above it.
fn end_of(above: &str) -> String {
    let mut digest = XxHash3_64::new();
    above.lines().for_each(|line| {
        digest.write(line.as_bytes());
        digest.write(b"\n");
    });
    format!("{END}{} pieces, digest {:016x}", pieces(above), digest.finish())
}

fn pieces(lines: &str) -> usize {
    lines.lines().filter(|line| matches!(entry_of(line), Some(ModelEntry::Piece(_)))).count()
}

/// What a line gives a number to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum ModelEntry<'a> {
    /// The unit, or the bias.
    Setting(&'a str),
    /// What the lexicon says.
    Lexical(&'a str),
    /// A piece of messages.
    Piece(&'a str),
}

/// What a line gives a number to; none: it is blank, a comment, or the name of the section.
fn entry_of(line: &str) -> Option<ModelEntry<'_>> {
    let line = line.trim();
    if line.starts_with("# ") {
        return None;
    }
    let (first, rest) = line.split_once(' ')?;
    Some(match first {
        "unit" | "bias" => ModelEntry::Setting(first),
        "lexical" => ModelEntry::Lexical(rest.split(' ').next().unwrap_or(rest)),
        _ => ModelEntry::Piece(rest),
    })
}

/// What shows that a file is not a whole model as it was trained: the numbers of the lines, 0 for the file as a whole,
/// and sentences.
pub(super) fn damage(content: &str) -> Vec<(usize, String)> {
    let lines: Vec<&str> = content.lines().collect();
    let is_weight =
        |line: &&str| matches!(entry_of(line), Some(ModelEntry::Lexical(_) | ModelEntry::Piece(_)));
    if !lines.iter().any(is_weight) {
        let what = "expected a model with weights, found none in the file";
        return vec![(0, format!("{what}: {REMEDY}"))];
    }
    repeated(&lines).into_iter().chain(unlike_its_end(&lines)).collect()
}

/// What the last line shows.
fn unlike_its_end(lines: &[&str]) -> Option<(usize, String)> {
    let last = lines.iter().rposition(|line| !line.trim().is_empty())?;
    let found = shortened(lines[last]);
    let Some(end) = lines.iter().position(|line| line.starts_with(END)) else {
        let what = format!("the file is cut: expected `{END}…` as its last line, found `{found}`");
        return Some((last + 1, format!("{what}; {REMEDY}")));
    };
    let above = lines[..end].join("\n");
    let pieces = pieces(&above);
    let what = if end != last {
        format!("expected nothing below its last line, which is line {}, found `{found}`", end + 1)
    } else if !lines[end].starts_with(&format!("{END}{pieces} pieces,")) {
        format!("expected as many pieces as its last line says, found {pieces} and `{found}`")
    } else if lines[end].trim_end() != end_of(&above) {
        format!("expected lines with the digest of its last line, found others above `{found}`")
    } else {
        return None;
    };
    Some((last + 1, format!("the file was edited or damaged: {what}; {REMEDY}")))
}

/// The first line that gives a number to what has one already.
fn repeated(lines: &[&str]) -> Option<(usize, String)> {
    let mut seen = HashMap::new();
    lines.iter().zip(1..).find_map(|(line, number)| {
        let before = seen.insert(entry_of(line)?, number)?;
        let line = shortened(line.trim());
        Some((
            number,
            format!("expected each piece once, found `{line}` after line {before}; {REMEDY}"),
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABOVE: &str = "# Trained.\n\n[valencemodel]\nlexical sum -1 0 1\nunit 0.2\nbias 0 0 0\nZ.z gribble\nz.Z zorky\n";

    fn said(content: &str) -> String {
        let said = damage(content).into_iter().map(|(line, what)| format!("{line}: {what}"));
        said.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_whole_file_has_no_damage_however_its_lines_end() {
        let whole = with_model_end(ABOVE);
        assert!(
            whole.ends_with("\n# end of the model: 2 pieces, digest 72cc6a5545660fff\n"),
            "{whole}"
        );
        assert_eq!(said(&whole), "");
        assert_eq!(said(&whole.replace('\n', "\r\n")), "");
        assert_eq!(said(whole.trim_end()), "", "an editor may leave out the last line end");
    }

    #[test]
    fn a_file_cut_at_any_line_is_damaged() {
        let whole = with_model_end(ABOVE);
        let ends = whole.match_indices('\n').map(|(at, _)| at + 1).filter(|at| *at < whole.len());
        for at in ends.chain([0]) {
            assert!(!said(&whole[..at]).is_empty(), "{}", &whole[..at]);
        }
        insta::assert_snapshot!(said(&whole[..whole.len() / 2]), @"7: the file is cut: expected `# end of the model: …` as its last line, found `Z.z g`; copy the file again, or train again with `twinsense train --out`");
        insta::assert_snapshot!(said(ABOVE), @"8: the file is cut: expected `# end of the model: …` as its last line, found `z.Z zorky`; copy the file again, or train again with `twinsense train --out`");
        insta::assert_snapshot!(said("# Trained.\n\n[valencemodel]\n"), @"0: expected a model with weights, found none in the file: copy the file again, or train again with `twinsense train --out`");
    }

    #[test]
    fn an_edited_file_is_damaged() {
        let whole = with_model_end(ABOVE);
        insta::assert_snapshot!(said(&whole.replace("Z.z", "Y.z")), @"9: the file was edited or damaged: expected lines with the digest of its last line, found others above `# end of the model: 2 pieces, digest 72cc6a5545660fff`; copy the file again, or train again with `twinsense train --out`");
        insta::assert_snapshot!(said(&whole.replace("z.Z zorky\n", "")), @"8: the file was edited or damaged: expected as many pieces as its last line says, found 1 and `# end of the model: 2 pieces, digest 72cc6a5545660fff`; copy the file again, or train again with `twinsense train --out`");
        insta::assert_snapshot!(said(&whole.replace("z.Z zorky\n", "z.Z zorky\nz.Z zorky\n")), @"
        9: expected each piece once, found `z.Z zorky` after line 8; copy the file again, or train again with `twinsense train --out`
        10: the file was edited or damaged: expected as many pieces as its last line says, found 3 and `# end of the model: 2 pieces, digest 72cc6a5545660fff`; copy the file again, or train again with `twinsense train --out`
        ");
        insta::assert_snapshot!(said(&format!("{whole}{whole}")), @"
        13: expected each piece once, found `lexical sum -1 0 1` after line 4; copy the file again, or train again with `twinsense train --out`
        18: the file was edited or damaged: expected nothing below its last line, which is line 9, found `# end of the model: 2 pieces, digest 72cc6a5545660fff`; copy the file again, or train again with `twinsense train --out`
        ");
        insta::assert_snapshot!(said(&with_model_end(&format!("{ABOVE}unit 0.3\n"))), @"9: expected each piece once, found `unit 0.3` after line 5; copy the file again, or train again with `twinsense train --out`");
    }
}
