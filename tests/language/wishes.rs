//! What customers wish for is told from what they speak of.

use jumeau::language::{Language, Phrases, Topics};

use super::{EN, FR, languages};

fn asks_for_a_person(language: Language, text: &str) -> bool {
    let languages = languages();
    let topics = Topics::new(Phrases::default(), ["person"], languages);
    topics.find(text, language).iter().any(|topic| topic.name == "person")
}

#[track_caller]
fn all_ask(language: Language, texts: &[&str]) {
    for text in texts {
        assert!(asks_for_a_person(language, text), "{text}");
    }
}

#[track_caller]
fn none_asks(language: Language, texts: &[&str]) {
    for text in texts {
        assert!(!asks_for_a_person(language, text), "{text}");
    }
}

#[test]
fn who_wants_a_person_is_heard_however_they_say_it() {
    all_ask(
        EN,
        &[
            "Could I have a word with one of your advisers?",
            "REPRESENTATIVE",
            "get me somebody real, this is hopeless",
            "pls ring me back",
            "My mum would rather speak with a human",
            "I'd like to tlk to a reel person, a humna",
            "I was wondering if I could speak to someone about this",
            "enough of this chatbot",
            "Why can't I just talk to a person?",
        ],
    );
    all_ask(
        FR,
        &[
            "Pourrais-je m'entretenir avec l'un de vos conseillers ?",
            "CONSEILLERE SVP",
            "passez-moi quelqu'un de réel, c'est pénible",
            "rappelez moi vite svp",
            "Ma mère préférerait parler à un humain",
            "jveux parler a un conseiler",
            "Je me demandais si je pouvais parler à quelqu'un",
            "marre de ce robot",
            "Pourquoi je ne peux pas parler à une personne ?",
        ],
    );
}

#[test]
fn who_speaks_of_people_but_wants_none_is_not_handed_over() {
    for (language, texts) in [
        (
            EN,
            [
                "I do not want to speak to a person",
                "please don't ring me back",
                "can I sort this without talking to anyone?",
                "do I have to speak to an adviser for that?",
                "is there a human behind this?",
                "my brother spoke to one of your agents",
                "yesterday I wanted to talk to someone, it is fine now",
                "if this happens again I will ask to speak to a manager",
                "the letter says you should talk to an adviser",
                "how much does it cost to talk to an adviser?",
                "every time I speak to an agent I hear something else",
                "please call me Jo",
            ],
        ),
        (
            FR,
            [
                "je ne veux pas parler à une personne",
                "merci de ne pas me rappeler",
                "je peux régler ça sans parler à quelqu'un ?",
                "dois-je parler à un conseiller pour ça ?",
                "il y a un humain derrière ?",
                "mon frère a parlé à un de vos agents",
                "hier je voulais parler à quelqu'un, c'est réglé",
                "si ça recommence je demanderai à parler à un responsable",
                "le courrier dit de parler à un conseiller",
                "combien coûte un appel à un conseiller ?",
                "chaque fois que je parle à un conseiller on me dit autre chose",
                "pouvez-vous me rappeler mon numéro de client ?",
            ],
        ),
    ] {
        none_asks(language, &texts);
    }
}

#[test]
fn a_topic_of_ones_own_is_a_wish_if_it_is_declared_one() {
    let phrases = |language| Phrases::new([("leaving", language, "cancel my contract")]).unwrap();
    let (wish, subject) = (["leaving"], [""; 0]);
    let touches = |wishes: &[&str], text: &str| {
        let topics = Topics::new(phrases(None), wishes.iter().copied(), languages());
        !topics.find(text, EN).is_empty()
    };
    assert!(touches(&wish, "I want to cancel my contract"));
    for text in ["I don't want to cancel my contract", "do I have to cancel my contract for that?"]
    {
        assert!(!touches(&wish, text), "{text}");
        assert!(touches(&subject, text), "{text}");
    }
}

#[test]
fn the_sentences_of_who_asks_for_a_person_are_told_apart() {
    for (language, content) in [
        (EN, include_str!("../../tools/twinsense/wishes-held-out/en.tsv")),
        (FR, include_str!("../../tools/twinsense/wishes-held-out/fr.tsv")),
    ] {
        let (mut right, mut wrong, mut missed) = (0.0, 0.0, 0.0);
        for line in content.lines().filter(|line| !line.starts_with("# ")) {
            let (label, text) = line.split_once('\t').unwrap();
            match (label, asks_for_a_person(language, text)) {
                ("1", true) => right += 1.0,
                ("1", false) => missed += 1.0,
                (_, true) => wrong += 1.0,
                _ => {}
            }
        }
        assert!(right / (right + wrong) >= 0.9, "{language}: {wrong} wrong of {right}");
        assert!(right / (right + missed) >= 0.9, "{language}: {missed} missed of {right}");
    }
}
