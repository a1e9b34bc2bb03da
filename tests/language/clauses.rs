//! What is wished for is told clause by clause, whatever marks the writer sets.

use std::sync::Arc;

use jumeau::language::{Language, Languages, Phrases, Topics};

/// A language with what it takes to tell clauses, and nothing else.
const SMALL: &str = "
[spellings]
einem: nem
du: u

[classes]
joins: wenn | dass
turns: doch
clause: aber | doch | ich | kannst du

[wishes]
person: mit einem menschen sprechen | ^ ein mensch $

[unless]
nie ~ @ | gestern * @
";

fn asks(text: &str) -> bool {
    let german: Language = "de".parse().unwrap();
    let languages = Languages::new([("de/wishes.txt", SMALL)]).unwrap();
    let topics = Topics::new(Phrases::default(), ["person"], Arc::new(languages));
    !topics.find(text, german).is_empty()
}

#[test]
fn clauses_and_other_spellings_are_data_of_a_language() {
    assert!(!asks("nie wollte er in all den Jahren mit einem Menschen sprechen"));
    assert!(!asks("nie, in all den Jahren, mit einem Menschen sprechen"));
    assert!(
        asks("nie kommt etwas, heute mit einem Menschen sprechen"),
        "one pause opens no insertion"
    );
    assert!(asks("nie kommt etwas aber heute mit einem Menschen sprechen"));
    assert!(asks("nie kommt etwas kannst u mit nem Menschen sprechen"));
    assert!(!asks("nie dass ich mit einem Menschen sprechen"), "`dass` joins what follows");
    assert!(asks("ein Mensch ich warte"), "a clause has an end, too");
    assert!(!asks("gestern war es gut aber heute mit einem Menschen sprechen"));
    assert!(asks("gestern war es gut doch heute mit einem Menschen sprechen"), "`doch` turns");
}
