//! The audit log.

use comfy_table::{Attribute, Color};
use jumeau::api::{AuditOutcome, AuditRecord, AuditReply};

use super::quantity::moment;
use super::sheet::{Cell, Sheet};
use super::style::{FAINT, Styled};

/// The requested lines of the audit.
pub(crate) fn audit(answer: &AuditReply, width: u16) -> String {
    let mut sheet = Sheet::new(width);
    if answer.records.is_empty() {
        sheet.line("no audit entries match");
        return sheet.finish();
    }
    sheet.table(
        &["when", "who", "what", "about", "outcome"],
        answer.records.iter().map(row).collect(),
        5,
    );
    if answer.records.iter().any(|record| !record.is_vouched) {
        sheet.line(Styled(FAINT, "?  a name that the broker has not verified"));
    }
    sheet.finish()
}

fn row(record: &AuditRecord) -> Vec<Cell> {
    let who = match (&*record.by, record.is_vouched) {
        ("", _) => "?".to_owned(),
        (name, true) => name.to_owned(),
        (name, false) => format!("{name} ?"),
    };
    let what = match &record.what {
        Some(what) => format!("{} {what}", record.act),
        None => record.act.to_string(),
    };
    let outcome = match (record.outcome, record.code) {
        (AuditOutcome::Asked, _) => Cell::new("asked").add_attribute(Attribute::Dim),
        (AuditOutcome::Done, _) => Cell::new("done").fg(Color::Green),
        (AuditOutcome::Refused, None) => Cell::new("refused").fg(Color::Red),
        (AuditOutcome::Refused, Some(code)) => Cell::new(format!("refused, {code}")).fg(Color::Red),
    };
    vec![
        Cell::new(moment(record.at)),
        Cell::new(who),
        Cell::new(what),
        Cell::new(record.about.as_deref().unwrap_or_default()),
        outcome,
    ]
}

#[cfg(test)]
mod tests {
    use jumeau::event::Time;

    use super::*;
    use crate::render::hostile::withstands;
    use crate::render::plain;

    #[test]
    fn the_audit_shows_actor_act_customer_and_outcome() {
        let show = AuditRecord {
            id: "1".into(),
            at: Time::from_ms(1_763_804_880_000),
            act: "show".into(),
            by: "operator-anna".into(),
            is_vouched: true,
            about: Some("9f86d081884c7d659a2feaa0".into()),
            what: None,
            outcome: AuditOutcome::Done,
            code: None,
        };
        let retry = AuditRecord {
            act: "dead.retry".into(),
            by: "max".into(),
            is_vouched: false,
            about: None,
            what: Some(r#"{"sequences":[3]}"#.into()),
            outcome: AuditOutcome::Refused,
            code: Some(404),
            ..show.clone()
        };
        let records = vec![show, retry];
        withstands(&AuditReply { records: records.clone() }, |reply| audit(reply, u16::MAX));
        insta::assert_snapshot!(plain(&audit(&AuditReply { records }, 120)), @r#"
        ──────────────────────────────────────────────────────────────────────────────────────────────────────────────
         when                  who             what                           about                      outcome
        ══════════════════════════════════════════════════════════════════════════════════════════════════════════════
         2025-11-22 09:48:00   operator-anna   show                           9f86d081884c7d659a2feaa0   done
         2025-11-22 09:48:00   max ?           dead.retry {"sequences":[3]}                              refused, 404
        ──────────────────────────────────────────────────────────────────────────────────────────────────────────────
        ?  a name that the broker has not verified
        "#);
        insta::assert_snapshot!(plain(&audit(&AuditReply { records: vec![] }, 120)), @"no audit entries match");
    }
}
