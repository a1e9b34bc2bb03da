//! What is wished for is told clause by clause, whatever marks the writer sets.

use std::sync::Arc;

use jumeau::language::{Language, Languages, Phrases, Topics};

use super::wishes::{all_ask, none_asks};
use super::{DE, EN, FR};

#[test]
fn a_negation_ends_with_its_clause() {
    all_ask(
        EN,
        &[
            "Nobody at your company, not even the manager, has ever called me back: let me talk to \
             someone",
            "I never needed help before but now I need to talk to someone",
            "I do not want another form, can I talk to an adviser?",
            "nobody ever told me about this fee i need to talk to somebody",
        ],
    );
    all_ask(
        FR,
        &[
            "Personne chez vous, pas même le chef, ne m'a répondu : laissez-moi parler à quelqu'un",
            "Jamais, en dix ans, je n'ai eu de souci, mais là il me faut un conseiller",
            "je ne veux plus de formulaire est-ce que je peux parler à un conseiller",
            "j'ai jamais eu besoin d'aide mais maintenant je veux parler à quelqu'un",
        ],
    );
    all_ask(
        DE,
        &[
            "Niemand bei Ihnen, nicht einmal der Chef, hat mich zurückgerufen: lassen Sie mich mit jemandem sprechen",
            "Nie, in zehn Jahren, hatte ich Ärger, aber jetzt brauche ich einen Berater",
            "ich will kein Formular mehr kann ich mit einem Berater sprechen",
        ],
    );
}

#[test]
fn a_negation_goes_on_over_what_is_inserted() {
    none_asks(
        EN,
        &[
            "I have never, since I opened this account with you, needed to speak to an adviser",
            "Never, in all those years, did I have to ask for a manager",
            "Nobody from your side, not even the manager, needs to call me",
            "I don't want, after everything that went on this month, to speak to an agent",
        ],
    );
    none_asks(
        FR,
        &[
            "Je n'ai jamais, depuis que j'ai ouvert ce compte, eu besoin de parler à un conseiller",
            "Jamais, en toutes ces années, je n'ai demandé à parler à un responsable",
            "Personne, ni chez vous ni ailleurs, n'a besoin de m'appeler",
        ],
    );
    none_asks(
        DE,
        &[
            "Ich habe noch nie, seit ich dieses Konto habe, mit einem Berater sprechen müssen",
            "Nie, in all den Jahren, wollte ich mit einem Vorgesetzten sprechen",
        ],
    );
}

#[test]
fn words_before_a_but_cancel_no_wish_after_it() {
    all_ask(
        EN,
        &[
            "ive never complained before but this time i want to talk to the manager",
            "Last year I asked for a refund form, but now I want to talk to an adviser",
        ],
    );
    all_ask(
        FR,
        &[
            "hier je voulais un formulaire mais maintenant je veux parler à un conseiller",
            "Ça ne presse pas d'habitude, mais là il me faut un conseiller",
        ],
    );
    none_asks(EN, &["Yesterday I wanted to talk to an adviser, but it is sorted now"]);
    none_asks(FR, &["Hier je voulais parler à un conseiller, mais c'est réglé"]);
}

#[test]
fn clauses_are_found_without_punctuation_and_capitals() {
    all_ask(
        EN,
        &[
            "hi i need help with my bill can i speak to someone please",
            "the app keeps crashing and i cannot log in so please get me an agent",
            "is this a robot lol i want a person",
            "my card was declined because of you now agent please",
        ],
    );
    all_ask(
        FR,
        &[
            "bonjour jai un souci avec ma facture est ce que je peux parler a quelquun",
            "lappli plante tout le temps donc passez moi un conseiller",
            "cest un robot je veux un humain",
        ],
    );
}

#[test]
fn hasty_spellings_are_understood() {
    all_ask(
        EN,
        &[
            "can u put me thru 2 sum1 pls",
            "cud any1 from ur team ring me",
            "wanna tlk to a person",
            "lemme speak w ur manager",
        ],
    );
    all_ask(
        FR,
        &[
            "c possible de parler a qqn",
            "g besoin d un conseiller svp",
            "vs pouvez me passer kelkun",
            "ya qqn",
            "slt je ve parler a qq1",
        ],
    );
    none_asks(EN, &["dnt need 2 tlk 2 any1", "u dont have to call me"]);
    none_asks(FR, &["g pas besoin de parler a qqn", "pas la peine de me rappeler stp"]);
}

#[test]
fn asking_whether_anybody_is_there_is_a_wish_for_a_person() {
    all_ask(
        EN,
        &[
            "Is anyone reading this?",
            "Is there a human there?",
            "Does anybody ever answer these messages?",
            "Why is nobody answering me?",
            "Do I have to talk to a machine forever?",
            "Will anyone help me?",
        ],
    );
    all_ask(
        FR,
        &[
            "Y a-t-il quelqu'un ?",
            "Est-ce que quelqu'un lit mes messages ?",
            "Pourquoi personne ne me répond ?",
            "Dois-je parler à une machine toute ma vie ?",
            "Quelqu'un va-t-il me répondre ?",
        ],
    );
}

#[test]
fn asking_whether_it_is_a_bot_is_no_wish_for_a_person() {
    none_asks(
        EN,
        &[
            "Are you a bot?",
            "Is this a robot or a human?",
            "Is somebody reading this or is it automatic?",
        ],
    );
    all_ask(EN, &["Are you a bot? I want a human", "is this a robot or a human get me a person"]);
    none_asks(
        FR,
        &[
            "Êtes-vous un robot ?",
            "C'est un robot ou un humain ?",
            "Quelqu'un lit ceci ou c'est automatique ?",
        ],
    );
    all_ask(
        FR,
        &[
            "Êtes-vous un robot ? Je veux un humain",
            "c'est un robot ou un humain passez-moi quelqu'un",
        ],
    );
}

/// A language with what it takes to tell clauses, and nothing else.
const SMALL: &str = "
[spellings]
einem: nem
du: u

[classes]
joins: wenn | dass
ends: menschen
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
    assert!(
        asks("bitte mit einem Fachmenschen sprechen"),
        "an unknown word may end like a known one"
    );
    assert!(!asks("bitte mit einem Unmenschen sprechen"), "two letters are a prefix");
    assert!(!asks("bitte mit einem Menschenfreund sprechen"));
    assert!(asks("ein Mensch ich warte"), "a clause has an end, too");
    assert!(!asks("gestern war es gut aber heute mit einem Menschen sprechen"));
    assert!(asks("gestern war es gut doch heute mit einem Menschen sprechen"), "`doch` turns");
}
