//! Open escalations, and agents' acts.

use comfy_table::Color;
use jumeau::api::{ActReply, EscalationReply, EscalationsReply, ListedEscalation};
use jumeau::event::Time;
use jumeau::twin::EscalationState;

use super::quantity::{count, distance};
use super::sheet::{Cell, Sheet};
use super::style::{FAINT, Styled, TITLE};

/// The open escalations, in due order.
pub(crate) fn escalations(answer: &EscalationsReply, width: u16) -> String {
    let mut sheet = Sheet::new(width);
    if answer.found == 0 {
        sheet.line("no open escalations");
        return sheet.finish();
    }
    let rows = answer.escalations.iter().map(|one| row(one, answer.at));
    sheet.table(
        &["priority", "due", "customer", "queue", "about", "state", "language", "because"],
        rows.collect(),
        usize::MAX,
    );
    let beyond = answer.found.saturating_sub(answer.escalations.len() as u64);
    if beyond > 0 {
        sheet.line(format_args!("and {} more; --limit shows them, up to 200", count(beyond)));
    }
    sheet.finish()
}

fn row(one: &ListedEscalation, now: Time) -> Vec<Cell> {
    let ListedEscalation { customer, waiting } = one;
    let is_late = waiting.due.is_some_and(|due| due < now);
    let due = waiting.due.map_or_else(String::new, |due| distance(now, due));
    let state = match (&waiting.agent, waiting.state) {
        (Some(agent), EscalationState::Claimed) => format!("claimed by {agent}"),
        (_, state) => state.name().to_owned(),
    };
    let due = Cell::new(due);
    vec![
        Cell::new("!".repeat(waiting.priority.into())),
        if is_late { due.fg(Color::Red) } else { due },
        Cell::new(customer),
        Cell::new(&waiting.queue),
        Cell::new(&waiting.topic),
        Cell::new(state),
        Cell::new(waiting.language.as_deref().unwrap_or_default()),
        Cell::new(&waiting.because),
    ]
}

/// One escalation with its brief.
pub(crate) fn escalation(answer: &EscalationReply) -> String {
    let known = &answer.escalation;
    let by = known.agent.as_deref().map_or(String::new(), |agent| format!(" by {agent}"));
    let due = known.due.map_or(String::new(), |due| format!(", due {}", distance(answer.at, due)));
    let title = format!("{}/{}", known.queue, known.topic);
    let stands = format!(
        "{}{by}, priority {}, opened {}{due}  {}",
        known.state.name(),
        known.priority,
        distance(answer.at, known.opened),
        known.id,
    );
    let mut sheet = Sheet::new(u16::MAX);
    sheet.line(format_args!("{}  {}", Styled(TITLE, title), Styled(FAINT, stands)));
    sheet.text(&answer.text);
    sheet.finish()
}

/// The result of an agent's act.
pub(crate) fn acted(answer: &ActReply) -> String {
    let mut sheet = Sheet::new(u16::MAX);
    match &answer.escalation {
        None => sheet.line("unchanged: it is already open"),
        Some(escalation) => {
            let by =
                escalation.agent.as_deref().map_or(String::new(), |agent| format!(" by {agent}"));
            let (id, queue, topic, state) =
                (&escalation.id, &escalation.queue, &escalation.topic, escalation.state.name());
            sheet.line(format_args!("{id}  {queue}/{topic}  {state}{by}"));
        }
    }
    sheet.finish()
}

/// A claimed escalation with its brief.
pub(crate) fn claimed(answer: &ActReply, story: &EscalationReply) -> String {
    let mut sheet = Sheet::new(u16::MAX);
    sheet.text(&acted(answer));
    sheet.line("");
    sheet.text(&story.text);
    sheet.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::hostile::withstands;
    use crate::render::plain;

    #[test]
    fn open_escalations_are_shown_as_a_table_with_overdue_times() {
        let answer = r#"{"at": "2026-11-22T10:00:00Z", "found": 3, "next": null, "escalations": [
            {"customer": "ann", "id": "e1", "queue": "billing", "topic": "bill", "priority": 4,
             "state": "open", "agent": null, "language": "en", "because": "charged twice",
             "opened": "2026-11-22T09:30:00Z", "touched": "2026-11-22T09:30:00Z",
             "due": "2026-11-22T09:45:00Z", "level": 0},
            {"customer": "bob", "id": "e2", "queue": "care", "topic": "wish", "priority": 2,
             "state": "claimed", "agent": "kim", "language": "fr", "because": "demande une personne",
             "opened": "2026-11-22T09:30:00Z", "touched": "2026-11-22T09:30:00Z",
             "due": "2026-11-22T12:00:00Z", "level": 0}]}"#;
        let answer: EscalationsReply = serde_json::from_str(answer).unwrap();
        withstands(&answer, |answer| escalations(answer, u16::MAX));
        insta::assert_snapshot!(plain(&escalations(&answer, 120)), @r#"
        ───────────────────────────────────────────────────────────────────────────────────────────────────────
         priority   due          customer   queue     about   state            language   because
        ═══════════════════════════════════════════════════════════════════════════════════════════════════════
         !!!!       15 min ago   ann        billing   bill    open             en         charged twice
         !!         in 2 hours   bob        care      wish    claimed by kim   fr         demande une personne
        ───────────────────────────────────────────────────────────────────────────────────────────────────────
        and 1 more; --limit shows them, up to 200
        "#);
    }
}
