//! Which policy is loaded.

use jumeau::api::PolicyStatus;

use super::ink::{FAINT, Inked, TITLE, WRONG};
use super::quantity::{many, moment};
use super::sheet::Sheet;

/// The loaded policy, and the last change if it was refused.
pub(crate) fn policy(status: &PolicyStatus) -> String {
    let mut sheet = Sheet::new(u16::MAX);
    sheet.line(format_args!(
        "{}  {}",
        Inked(TITLE, &status.name),
        Inked(FAINT, format_args!("version {}", status.version))
    ));
    sheet.line(format_args!(
        "{}, {}, {}",
        many(status.rules as u64, "rule"),
        many(status.needs as u64, "need"),
        many(status.actions as u64, "action")
    ));
    let from = format!("from {}, loaded {}", status.source, moment(status.loaded));
    sheet.line(Inked(FAINT, from));
    if let Some(refusal) = &status.refusal {
        sheet.line("");
        let sentence = format!("a change was refused at {}", moment(refusal.at));
        sheet.line(Inked(WRONG, sentence));
        for mistake in &refusal.mistakes {
            sheet.line(format_args!("  {mistake}"));
        }
    }
    sheet.finish()
}

#[cfg(test)]
mod tests {
    use jumeau::api::Refusal;
    use jumeau::event::Time;

    use super::*;
    use crate::render::hostile::withstands;
    use crate::render::plain;

    #[test]
    fn a_policy_with_a_refused_change_reads_well() {
        let status = PolicyStatus {
            name: "bank".into(),
            version: "3fa94c0011223344".into(),
            source: "policies/bank".into(),
            loaded: Time::parse("2026-11-22T06:00:00Z").unwrap(),
            rules: 12,
            needs: 5,
            actions: 7,
            refusal: Some(Refusal {
                at: Time::parse("2026-11-22T09:00:00Z").unwrap(),
                mistakes: vec![
                    "rules.toml:12: no need `card_abraod`; did you mean `card_abroad`?".into(),
                ],
            }),
        };
        withstands(&status, policy);
        insta::assert_snapshot!(plain(&policy(&status)), @r#"
        bank  version 3fa94c0011223344
        12 rules, 5 needs, 7 actions
        from policies/bank, loaded 2026-11-22 06:00:00

        a change was refused at 2026-11-22 09:00:00
          rules.toml:12: no need `card_abraod`; did you mean `card_abroad`?
        "#);
    }
}
