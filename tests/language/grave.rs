//! Grave topics: phrases, what stands around them, and what a model has learned.

use jumeau::config::limits;
use jumeau::language::{GraveTopic, Language, Languages};

/// A language with a few phrases and a small model.
fn small(content: &str) -> Languages {
    Languages::new([("en/grave.txt", content)]).unwrap()
}

/// The grave topics of an English text, each with its words.
fn found(languages: &Languages, text: &str) -> Vec<(GraveTopic, String)> {
    let all = languages.grave(text, Language::ENGLISH);
    all.iter().map(|one| (one.topic, one.words.to_string())).collect()
}

fn topics(languages: &Languages, text: &str) -> Vec<GraveTopic> {
    found(languages, text).into_iter().map(|(topic, _)| topic).collect()
}

#[test]
fn phrases_are_evidence_that_adds_up() {
    let languages = small(
        "[grave]\nbereavement 0.9: passed away\nbereavement 0.4: funeral | grave\nillness 0.6: cancer\n\
         0: funeral music\n",
    );
    let has = |text| topics(&languages, text);
    assert_eq!(has("my father passed away"), [GraveTopic::Bereavement]);
    assert_eq!(has("a funeral"), [], "0.4 alone is too little");
    assert_eq!(has("a funeral, and flowers for the grave"), [GraveTopic::Bereavement]);
    assert_eq!(has("a funeral after a funeral"), [], "a phrase counts once");
    assert_eq!(has("funeral music for a grave"), [], "a phrase with 0 covers its words");
    let both = has("he passed away, it was cancer");
    assert_eq!(both, [GraveTopic::Bereavement, GraveTopic::Illness], "the strongest first");
}

#[test]
fn negations_take_a_phrase_away_unless_it_has_one_itself() {
    let languages = small(
        "[negators]\nnot 3 0\n[grave]\nfraud 0.9: stolen\ndanger 0.9!: kill myself\ndanger 0.9: not want to live\n",
    );
    let has = |text| topics(&languages, text);
    assert_eq!(has("my card is stolen"), [GraveTopic::Fraud]);
    assert_eq!(has("my card is not stolen"), []);
    assert_eq!(has("i do not want to live"), [GraveTopic::Danger]);
    assert_eq!(has("i do not kill myself"), [GraveTopic::Danger], "its weight ends with a mark");
}

#[test]
fn what_stands_around_a_phrase_changes_its_weight() {
    let languages = small(
        "[grave]\naccident 0.9: on fire\nfraud 0.9: hacked\n\
         [surroundings]\nsentence 0.2: years ago\naround 0.2 fraud: the film\n",
    );
    let has = |text| topics(&languages, text);
    assert_eq!(has("the house is on fire"), [GraveTopic::Accident]);
    assert_eq!(has("the house was on fire years ago"), []);
    assert_eq!(has("we moved years ago. the house is on fire"), [GraveTopic::Accident]);
    assert_eq!(has("i saw the film. he was hacked"), []);
    assert_eq!(has("i saw the film. it is on fire"), [GraveTopic::Accident], "only fraud");
}

/// `any` and nine topics; of these the second is bereavement.
const MODEL: &str = "[gravemodel]\nunit 0.5\nbias -2 -3 -3 -3 -3 -3 -3 -3 -3 -3\n\
                     l.l....... empty\nl.l....... chair\nP.P....... sofa\nj.j....... ~^tues\n";

#[test]
fn a_model_finds_what_no_phrase_lists_and_names_the_words() {
    let languages = small(MODEL);
    let told = "hello, her chair is empty since tuesday";
    assert_eq!(found(&languages, told), [(GraveTopic::Bereavement, "chair is empty".into())]);
    assert_eq!(found(&languages, "the sofa and the chair"), []);
    assert_eq!(found(&languages, ""), []);
    assert_eq!(languages.grave(told, Language::FRENCH).len(), 0, "it is not loaded");
}

#[test]
fn phrases_and_a_model_are_added_and_a_phrase_names_the_words_then() {
    let languages = small(&format!("{MODEL}[grave]\nbereavement 0.9: her urn\n"));
    let told = "her urn is on the chair";
    assert_eq!(found(&languages, told), [(GraveTopic::Bereavement, "her urn".into())]);
    assert_eq!(found(&languages, "it is on the chair with the others and the rest of us"), []);
}

#[test]
fn a_model_that_is_no_model_is_refused_line_by_line() {
    let wrong = "[gravemodel]\nunit x\nbias 1 2 3\nz.z word\nz.z......? word\nword\n";
    let mistakes = Languages::new([("en/grave.txt", wrong)]).unwrap_err();
    insta::assert_snapshot!(mistakes, @"
    en/grave.txt:2: expected what `twinsense train-grave` prints: `unit` and a number from 0 to 10, `bias` and ten numbers, or ten letters or points and a piece of a message, found `unit x`
    en/grave.txt:3: expected what `twinsense train-grave` prints: `unit` and a number from 0 to 10, `bias` and ten numbers, or ten letters or points and a piece of a message, found `bias 1 2 3`
    en/grave.txt:4: expected what `twinsense train-grave` prints: `unit` and a number from 0 to 10, `bias` and ten numbers, or ten letters or points and a piece of a message, found `z.z word`
    en/grave.txt:5: expected what `twinsense train-grave` prints: `unit` and a number from 0 to 10, `bias` and ten numbers, or ten letters or points and a piece of a message, found `z.z......? word`
    en/grave.txt:6: expected what `twinsense train-grave` prints: `unit` and a number from 0 to 10, `bias` and ten numbers, or ten letters or points and a piece of a message, found `word`
    ");
}

#[test]
fn the_languages_that_come_along_tell_grave_messages_from_near_misses() {
    let languages = Languages::embedded();
    let read = |language: Language, text| {
        let all = languages.grave(text, language);
        all.first().map(|one| one.topic)
    };
    let (en, fr): (Language, Language) = (Language::ENGLISH, Language::FRENCH);
    let de: Language = "de".parse().unwrap();
    for (language, text, topic) in [
        (en, "I don't want to live anymore", GraveTopic::Danger),
        (en, "my husband passed away last week", GraveTopic::Bereavement),
        (en, "someone took money from my account and it was not me", GraveTopic::Fraud),
        (fr, "Je n'ai plus envie de vivre", GraveTopic::Danger),
        (fr, "mon mari est décédé la semaine dernière", GraveTopic::Bereavement),
        (fr, "j'ai perdu mon travail et je ne peux plus payer", GraveTopic::Hardship),
        (de, "Ich will nicht mehr leben", GraveTopic::Danger),
        (de, "mein Mann ist letzte Woche verstorben", GraveTopic::Bereavement),
        (de, "Meine Karte wurde gestohlen", GraveTopic::Fraud),
    ] {
        assert_eq!(read(language, text), Some(topic), "{text}");
    }
    for (language, text) in [
        (en, "I'm dying to see the new season"),
        (en, "What a killer deal, thanks!"),
        (en, "Where is my parcel?"),
        (fr, "Cette attente me tue, vivement vendredi"),
        (fr, "Où est mon colis ?"),
        (de, "Das Angebot ist ja mörderisch gut"),
        (de, "Wo bleibt mein Paket?"),
    ] {
        assert_eq!(read(language, text), None, "{text}");
    }
}

#[test]
fn what_is_grave_is_found_behind_four_thousand_bytes_of_small_talk() {
    let languages = Languages::embedded();
    let talk = "The weather was nice and we went to the market for bread and apples. ";
    let news = "My husband had a stroke, he is in intensive care.";
    for count in [20, 57, 58, 59, 120, 200] {
        let text = format!("{}{news} {talk}", talk.repeat(count));
        let all = languages.grave(&text, Language::ENGLISH);
        let [only] = &all[..] else { panic!("after {count} sentences: {all:?}") };
        assert_eq!(only.topic, GraveTopic::Illness);
        let words = &text[only.at..only.at + only.words.len()];
        assert_eq!(words, &*only.words, "after {count} sentences");
        let expected = talk.len() * count..talk.len() * count + news.len();
        assert!(expected.contains(&only.at), "after {count} sentences: {words:?} at {}", only.at);
    }
}

#[test]
fn ordinary_sentences_do_not_outvote_a_grave_one() {
    let languages = Languages::embedded();
    for (language, grave, topic, ordinary) in [
        (
            "en",
            "I want to kill myself.",
            GraveTopic::Danger,
            [
                "Could you tell me which filter fits the model with the steel lid?",
                "We compared the family plan with the single plan and the price differs by four pounds.",
                "The last invoice listed a delivery fee that was not shown in the basket.",
                "My account shows the old address although I changed it in spring.",
            ],
        ),
        (
            "fr",
            "Mon mari est décédé lundi.",
            GraveTopic::Bereavement,
            [
                "Pouvez-vous me dire quel filtre convient au modèle avec le couvercle en acier ?",
                "Nous avons comparé le forfait famille et le forfait simple, l'écart est de quatre euros.",
                "La dernière facture comporte des frais de livraison qui n'étaient pas dans le panier.",
                "Mon compte montre encore l'ancienne adresse alors que je l'ai changée au printemps.",
            ],
        ),
        (
            "de",
            "Ich habe meine Arbeit verloren und kann die Raten nicht mehr zahlen.",
            GraveTopic::Hardship,
            [
                "Können Sie mir sagen, welcher Filter zum Modell mit dem Stahldeckel passt?",
                "Wir haben den Familientarif mit dem Einzeltarif verglichen, der Preis weicht um vier Euro ab.",
                "Auf der letzten Rechnung stand eine Versandgebühr, die im Warenkorb nicht angezeigt wurde.",
                "Die gedruckte Anleitung gibt es leider nur auf Italienisch.",
            ],
        ),
    ] {
        let language: Language = language.parse().unwrap();
        for at in 0..=ordinary.len() {
            let mut sentences = ordinary.to_vec();
            sentences.insert(at, grave);
            let all = languages.grave(&sentences.join(" "), language);
            let [only] = &all[..] else { panic!("{grave} as sentence {at}: {all:?}") };
            assert_eq!(only.topic, topic, "{grave} as sentence {at}");
            assert!(only.is_certain(), "{grave} as sentence {at}: {only:?}");
        }
        assert_eq!(languages.grave(&ordinary.join(" "), language).len(), 0, "{language}");
    }
}

#[test]
fn short_answers_do_not_outvote_a_grave_sentence() {
    let languages = Languages::embedded();
    let text = format!("{} I want to kill myself.", "Ok. Yes. Thanks. ".repeat(40));
    let all = languages.grave(&text, Language::ENGLISH);
    let [only] = &all[..] else { panic!("{all:?}") };
    assert_eq!((only.topic, only.is_certain()), (GraveTopic::Danger, true), "{only:?}");
}

#[test]
fn a_chat_without_full_stops_is_read_in_passages() {
    let languages = Languages::embedded();
    let chat = "hi i changed my address in spring but the account still shows the old one and the invoice \
                went there too and the delivery fee was not in the basket when i ordered the coffee machine \
                and i just want to kill myself and also which filter fits the model with the steel lid and \
                is the family plan cheaper than the single plan with the voucher from the newsletter";
    let all = languages.grave(chat, Language::ENGLISH);
    let [only] = &all[..] else { panic!("{all:?}") };
    assert_eq!(only.topic, GraveTopic::Danger);
    assert!(only.words.contains("kill myself"), "{only:?}");
}

#[test]
fn surroundings_reach_no_further_than_the_next_sentence() {
    let languages = small("[grave]\nfraud 0.9: hacked\n[surroundings]\naround 0.2: the film\n");
    assert_eq!(
        topics(&languages, "i saw the film. it was new. he was hacked"),
        [GraveTopic::Fraud]
    );
    assert_eq!(topics(&languages, "he was hacked. i saw the film"), []);
}

#[test]
fn the_most_certain_place_of_a_long_message_is_its_evidence() {
    let languages = small("[grave]\nfraud 0.6: stolen\nfraud 0.9: my card is stolen\n");
    let text = format!("it was stolen. {} my card is stolen", "la ".repeat(2_000));
    assert_eq!(found(&languages, &text), [(GraveTopic::Fraud, "my card is stolen".to_owned())]);
}

#[test]
fn beyond_the_limit_of_a_long_message_nothing_is_searched() {
    let languages = small("[grave]\nfraud 0.9: stolen\n");
    let text = |bytes: usize| format!("{} stolen", "l".repeat(bytes));
    assert_eq!(topics(&languages, &text(limits::GRAVE_READ_BYTES - 7)), [GraveTopic::Fraud]);
    assert_eq!(topics(&languages, &text(limits::GRAVE_READ_BYTES)), []);
}
