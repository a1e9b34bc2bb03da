//! A replay: the original actions beside those of another policy.

use std::collections::BTreeMap;

use comfy_table::{Attribute, Color};
use jumeau::event::{Customer, Time};
use serde::Serialize;

use super::quantity::{count, many, moment};
use super::sheet::{Cell, Sheet};
use super::style::{CUSTOMER, RECALL, Styled};

/// An action that was taken, or would have been.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct ReplayedAction {
    /// Its time.
    pub(crate) at: Time,
    /// The action.
    pub(crate) action: Box<str>,
    /// The treatment.
    pub(crate) treatment: Box<str>,
    /// The channel.
    pub(crate) channel: Box<str>,
}

/// A customer's history under another policy.
#[derive(Debug, Serialize)]
pub(crate) struct Replay<'a> {
    /// The customer.
    pub(crate) customer: &'a Customer,
    /// The other policy: its name and its version.
    pub(crate) policy: String,
    /// Replayed inputs, timers included.
    pub(crate) inputs: u64,
    /// Only actions from this time on are compared.
    pub(crate) from: Option<Time>,
    /// The original actions.
    pub(crate) was: Vec<ReplayedAction>,
    /// The actions under the other policy.
    pub(crate) would: Vec<ReplayedAction>,
    /// Remarks for the reader.
    pub(crate) notes: Vec<String>,
}

/// Both sequences, time by time.
pub(crate) fn replay(replay: &Replay<'_>, width: u16) -> String {
    let mut sheet = Sheet::new(width);
    sheet.line(format_args!(
        "{}  {} under policy {}",
        Styled(CUSTOMER, replay.customer),
        many(replay.inputs, "input"),
        replay.policy
    ));
    let mut moments: BTreeMap<Time, (Vec<&ReplayedAction>, Vec<&ReplayedAction>)> = BTreeMap::new();
    for action in &replay.was {
        moments.entry(action.at).or_default().0.push(action);
    }
    for action in &replay.would {
        moments.entry(action.at).or_default().1.push(action);
    }
    let mut table = Vec::new();
    let (mut same, mut gone, mut new) = (0, 0, 0);
    for (at, (mut was, mut would)) in moments {
        if replay.from.is_some_and(|from| at < from) {
            continue;
        }
        // Equal actions are matched first, wherever they stand.
        let mut rows: Vec<(Option<&ReplayedAction>, Option<&ReplayedAction>)> = Vec::new();
        was.retain(|action| match would.iter().position(|other| other == action) {
            Some(position) => {
                rows.push((Some(*action), Some(would.remove(position))));
                false
            }
            None => true,
        });
        let mut others = would.into_iter();
        rows.extend(was.into_iter().map(|action| (Some(action), others.next())));
        rows.extend(others.map(|action| (None, Some(action))));
        for (was, would) in rows {
            let sign = match (was, would) {
                (Some(was), Some(would)) if was == would => {
                    same += 1;
                    Cell::new("=").add_attribute(Attribute::Dim)
                }
                _ => {
                    gone += u64::from(was.is_some());
                    new += u64::from(would.is_some());
                    Cell::new("≠").fg(Color::Yellow)
                }
            };
            let [was, would] = [was, would].map(|action| action.map_or_else(nothing, words));
            table.push(vec![Cell::new(moment(at)), sign, was, would]);
        }
    }
    sheet.line("");
    if same + gone + new == 0 {
        sheet.line("no actions, under either policy");
    } else {
        sheet.columns(&["", "", "was said", "would be said"], table);
        sheet.line("");
        sheet.line(format_args!(
            "{} unchanged, {} removed, {} new",
            count(same),
            count(gone),
            count(new)
        ));
    }
    for note in &replay.notes {
        sheet.line(format_args!("{} {note}", Styled(RECALL, "note:")));
    }
    sheet.finish()
}

fn nothing() -> Cell {
    Cell::new("nothing").add_attribute(Attribute::Dim)
}

fn words(action: &ReplayedAction) -> Cell {
    Cell::new(format!("{} · {} in {}", action.action, action.treatment, action.channel))
        .fg(Color::Green)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::plain;

    #[test]
    fn two_replays_are_shown_side_by_side() {
        let action = |minute: u8, action: &str| ReplayedAction {
            at: Time::parse(&format!("2026-11-22T09:{minute}:00Z")).unwrap(),
            action: action.into(),
            treatment: "plain".into(),
            channel: "web".into(),
        };
        let ann = Customer::new("ann").unwrap();
        let compared = Replay {
            customer: &ann,
            policy: "shop affda6d0eda1d4f0".into(),
            inputs: 1_234,
            from: Some(Time::parse("2026-11-22T09:20:00Z").unwrap()),
            was: vec![
                action(10, "early"),
                action(30, "shoes"),
                action(30, "hats"),
                action(40, "belts"),
            ],
            would: vec![action(30, "hats"), action(30, "gloves"), action(50, "socks")],
            notes: vec!["the stream begins at 2026-11-15".into()],
        };
        insta::assert_snapshot!(plain(&replay(&compared, 120)), @r"
        ann  1,234 inputs under policy shop affda6d0eda1d4f0

                                 was said              would be said
         2026-11-22 09:30:00  =  hats · plain in web   hats · plain in web
         2026-11-22 09:30:00  ≠  shoes · plain in web  gloves · plain in web
         2026-11-22 09:40:00  ≠  belts · plain in web  nothing
         2026-11-22 09:50:00  ≠  nothing               socks · plain in web

        1 unchanged, 2 removed, 2 new
        note: the stream begins at 2026-11-15
        ");
    }
}
