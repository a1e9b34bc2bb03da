//! The loaded policy.

use jumeau::api::PolicyStatus;

use super::quantity::{many, moment};
use super::sheet::Sheet;
use super::style::{FAINT, Styled, TITLE, WRONG};

/// The loaded policy, and the last change if it was refused.
pub(crate) fn policy(status: &PolicyStatus) -> String {
    let mut sheet = Sheet::new(u16::MAX);
    sheet.line(format_args!(
        "{}  {}",
        Styled(TITLE, &status.name),
        Styled(FAINT, format_args!("version {}", status.version))
    ));
    sheet.line(format_args!(
        "{}, {}, {}",
        many(status.rules as u64, "rule"),
        many(status.needs as u64, "need"),
        many(status.actions as u64, "action")
    ));
    let from = format!("from {}, loaded {}", status.source, moment(status.loaded));
    sheet.line(Styled(FAINT, from));
    if let Some(refusal) = &status.refusal {
        sheet.line("");
        let sentence = format!("the last change was refused at {}", moment(refusal.at));
        sheet.line(Styled(WRONG, sentence));
        for mistake in &refusal.mistakes {
            match excerpt(mistake) {
                Some(lines) => lines.iter().for_each(|line| sheet.line(format_args!("  {line}"))),
                None => sheet.line(format_args!("  {mistake}")),
            }
        }
    }
    sheet.finish()
}

/// The lines of a mistake that are followed by the source line and a mark under the error. A text of any
/// other form is one line, so that it cannot add lines of its own.
fn excerpt(mistake: &str) -> Option<[&str; 3]> {
    let [sentence, line, mark] = mistake.split('\n').collect::<Vec<_>>()[..] else { return None };
    let (number, _) = line.split_once(" | ")?;
    let (margin, under) = mark.split_once(" | ")?;
    let is_number = number.strip_prefix(' ')?.bytes().all(|byte| byte.is_ascii_digit());
    let is_mark = margin.trim().is_empty() && under.trim().bytes().all(|byte| byte == b'^');
    (is_number && is_mark).then_some([sentence, line, mark])
}

#[cfg(test)]
mod tests {
    use jumeau::api::PolicyRefusal;
    use jumeau::event::Time;

    use super::*;
    use crate::render::hostile::withstands;
    use crate::render::plain;

    fn refused(mistake: &str) -> PolicyStatus {
        PolicyStatus {
            name: "bank".into(),
            version: "3fa94c0011223344".into(),
            source: "policies/bank".into(),
            loaded: Time::parse("2026-11-22T06:00:00Z").unwrap(),
            rules: 12,
            needs: 5,
            actions: 7,
            refusal: Some(PolicyRefusal {
                at: Time::parse("2026-11-22T09:00:00Z").unwrap(),
                mistakes: vec![mistake.into()],
            }),
        }
    }

    #[test]
    fn a_mistake_is_shown_above_its_line_with_a_mark_at_its_place() {
        let status = refused(
            "rules.toml:12:20: no need `card_abraod`; did you mean `card_abroad`?\n \
             12 | then = [{ raise = \"card_abraod\" }]\n    |                    ^^^^^^^^^^^",
        );
        insta::assert_snapshot!(plain(&policy(&status)), @r#"
        bank  version 3fa94c0011223344
        12 rules, 5 needs, 7 actions
        from policies/bank, loaded 2026-11-22 06:00:00

        the last change was refused at 2026-11-22 09:00:00
          rules.toml:12:20: no need `card_abraod`; did you mean `card_abroad`?
           12 | then = [{ raise = "card_abraod" }]
              |                    ^^^^^^^^^^^
        "#);
    }

    #[test]
    fn a_mistake_in_another_form_adds_no_lines() {
        let status = refused("rules.toml: no need `x`\n12 rules, 5 needs\n  all is well");
        withstands(&refused("rules.toml: no need `x`"), policy);
        assert!(plain(&policy(&status)).contains("  rules.toml: no need `x` 12 rules, 5 needs"));
    }
}
