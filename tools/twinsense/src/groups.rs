//! Labelled messages, those that are alike put together.

use std::collections::BTreeMap;

use anyhow::ensure;
use jumeau::language::Languages;

use crate::set::Set;

/// The largest share of messages whose label contradicts that of a message like it: beyond, the labels say too
/// little. Two people who label valence disagree about rather more messages than that, but about few plain ones,
/// and messages that recur are mostly short and plain.
const CONTRADICTING_MAX: f64 = 0.1;

/// The first sign that is kept of a message beside letters: arrows, symbols and emoji begin here, behind the marks.
const FIRST_PICTURE: char = '\u{2190}';

/// The marks of Chinese and Japanese texts, which stand among the pictures.
const ASIAN_MARKS: std::ops::RangeInclusive<char> = '\u{3000}'..='\u{303f}';

/// Messages that differ in nothing but digits, case, marks and blanks: they count once, so that a message is never
/// held out from a model that has learned from its double.
#[derive(Debug, Default)]
struct Group {
    /// How many have each label.
    labels: BTreeMap<i8, usize>,
    /// The first of the texts in alphabetical order.
    text: String,
}

impl Group {
    /// The label of more than half of the messages.
    fn label(&self) -> Option<i8> {
        let all: usize = self.labels.values().sum();
        self.labels.iter().find(|(_, count)| **count * 2 > all).map(|(label, _)| *label)
    }
}

/// The messages of a set from which a model can learn, and how many it cannot learn from.
#[derive(Debug)]
pub(crate) struct DistinctMessages {
    /// Label and text of each, in an order that is not that of the set. Alike ones are one.
    pub(crate) rows: Vec<(i8, String)>,
    /// The messages that are like another one of the same label.
    pub(crate) alike: usize,
    /// The messages whose label is not that of most messages like them.
    pub(crate) contradicting: usize,
    /// The messages of which the service reads nothing: automatic ones, and those that are quoted as a whole.
    pub(crate) unread: usize,
}

impl DistinctMessages {
    /// Those of a set: of each group of messages that are alike, one with the label of most of them. A group in
    /// which no label has more than half is left out.
    ///
    /// # Errors
    /// If more than [`CONTRADICTING_MAX`] of the messages contradict one that is like them.
    pub(crate) fn new(set: &Set, languages: &Languages) -> anyhow::Result<DistinctMessages> {
        let mut groups: BTreeMap<String, Group> = BTreeMap::new();
        let mut unread = 0;
        for (label, text) in &set.rows {
            let own = languages.own_words(text);
            if own.trim().is_empty() || languages.is_automatic(&own) {
                unread += 1;
                continue;
            }
            let group = groups.entry(likeness_key(&own)).or_default();
            *group.labels.entry(*label).or_default() += 1;
            if group.text.is_empty() || *own < *group.text {
                group.text = own.into_owned();
            }
        }
        let (mut contradicting, mut example) = (0, None);
        for group in groups.values() {
            let agreeing = group.label().map_or(0, |label| group.labels[&label]);
            let others = group.labels.values().sum::<usize>() - agreeing;
            if others > 0 {
                contradicting += others;
                example.get_or_insert(&*group.text);
            }
        }
        if let Some(example) = example {
            ensure!(
                contradicting as f64 <= CONTRADICTING_MAX * set.rows.len() as f64,
                "expected labels that agree about messages that are alike but for digits, case and marks; found \
                 {contradicting} of {} messages with another label than most messages like them, such as \
                 `{example}`: decide how each of them is labelled",
                set.rows.len()
            );
        }
        let rows: Vec<(i8, String)> = groups
            .into_values()
            .filter_map(|group| group.label().map(|label| (label, group.text)))
            .collect();
        let alike = set.rows.len() - unread - contradicting - rows.len();
        Ok(DistinctMessages { rows, alike, contradicting, unread })
    }

    /// What was left out, for people; nothing if it is nothing.
    pub(crate) fn left_out(&self) -> String {
        let kinds = [
            (self.alike, "like another one"),
            (self.contradicting, "contradict one like them"),
            (self.unread, "are automatic or quoted as a whole"),
        ];
        let some = kinds.iter().filter(|(count, _)| *count > 0);
        let some: Vec<String> = some.map(|(count, what)| format!("{count} {what}")).collect();
        some.join(", ")
    }
}

/// What messages that are alike have in common: their letters in lower case, and their pictures. A message without
/// any is like itself alone.
fn likeness_key(text: &str) -> String {
    let is_kept = |letter: &char| {
        letter.is_alphabetic() || *letter >= FIRST_PICTURE && !ASIAN_MARKS.contains(letter)
    };
    let key: String = text.chars().filter(is_kept).flat_map(char::to_lowercase).collect();
    if key.is_empty() { text.trim().to_owned() } else { key }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn distinct(rows: &[(i8, &str)]) -> anyhow::Result<DistinctMessages> {
        let rows = rows.iter().map(|(label, text)| (*label, (*text).to_owned())).collect();
        let set = Set { path: "set.tsv".into(), language: "en".parse()?, rows };
        DistinctMessages::new(&set, &Languages::embedded())
    }

    #[test]
    fn messages_that_differ_in_digits_case_and_marks_are_one() {
        let found = distinct(&[
            (1, "Order 12 has come!"),
            (1, "order 7 has come"),
            (-1, "order 7 has gone"),
            (0, "5"),
            (0, "6"),
            (1, "👍"),
            (-1, "👎"),
        ])
        .unwrap();
        assert_eq!((found.rows.len(), found.alike), (6, 1), "{found:?}");
        assert!(found.rows.contains(&(1, "Order 12 has come!".to_owned())));
    }

    #[test]
    fn the_label_of_most_messages_that_are_alike_counts() {
        let mut rows: Vec<(i8, String)> = (0..20).map(|at| (1, format!("ok {at}"))).collect();
        rows.extend([(0, "ok".to_owned()), (-1, "well".to_owned()), (1, "Well".to_owned())]);
        let rows: Vec<(i8, &str)> = rows.iter().map(|(label, text)| (*label, &**text)).collect();
        let found = distinct(&rows[..21]).unwrap();
        assert_eq!((&*found.rows, found.contradicting), (&[(1, "ok".to_owned())][..], 1));
        assert_eq!(found.left_out(), "19 like another one, 1 contradict one like them");
        let refused = distinct(&rows).unwrap_err().to_string();
        insta::assert_snapshot!(refused, @"expected labels that agree about messages that are alike but for digits, case and marks; found 3 of 23 messages with another label than most messages like them, such as `ok`: decide how each of them is labelled");
    }

    #[test]
    fn what_the_service_does_not_read_teaches_nothing() {
        let found = distinct(&[(1, "> thank you"), (-1, "bad\n> thank you")]).unwrap();
        assert_eq!((&*found.rows, found.unread), (&[(-1, "bad".to_owned())][..], 1));
    }
}
