//! What people say is understood: in English, French and German, and in a language that only these tests
//! know.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod beside;
mod clauses;
mod detection;
mod german;
mod grave;
mod wishes;
mod words;

use std::sync::Arc;

use jumeau::config::limits;
use jumeau::language::{Language, LanguagePrior, Languages, Reading, Tone};
use proptest::prelude::*;

const EN: Language = Language::ENGLISH;
const FR: Language = Language::FRENCH;
const DE: Language = Language::GERMAN;

fn languages() -> Arc<Languages> {
    Languages::embedded()
}

fn read(language: Language, text: &str) -> Reading {
    languages().read(text, language).unwrap()
}

fn english(text: &str) -> f32 {
    read(EN, text).valence
}

fn french(text: &str) -> f32 {
    read(FR, text).valence
}

fn german(text: &str) -> f32 {
    read(DE, text).valence
}

fn tone(language: Language, text: &str) -> Tone {
    read(language, text).tone()
}

#[track_caller]
fn all_are(tone_of_all: Tone, language: Language, texts: &[&str]) {
    for text in texts {
        assert_eq!(tone(language, text), tone_of_all, "{text}: {:#?}", read(language, text));
    }
}

#[test]
fn plain_words_have_a_valence() {
    all_are(Tone::Positive, EN, &["great service", "I love it", "you were very helpful"]);
    all_are(Tone::Negative, EN, &["terrible service", "I hate it", "what a nightmare"]);
    all_are(Tone::Positive, FR, &["excellent service", "j'adore", "vous êtes formidables"]);
    all_are(Tone::Negative, FR, &["service déplorable", "je suis très déçue", "une catastrophe"]);
}

#[test]
fn a_text_without_feeling_has_a_valence_of_zero_without_a_sign() {
    for text in ["", "what time do you open on Saturday?"] {
        assert_eq!(english(text).to_string(), "0", "{text}");
    }
}

#[test]
fn questions_and_facts_are_neutral() {
    all_are(
        Tone::Neutral,
        EN,
        &[
            "",
            "what time do you open on Saturday?",
            "I would like to change my address, please",
            "my order number is 4471",
            "could you please help me to find my customer number?",
            "thanks in advance for your answer",
        ],
    );
    all_are(
        Tone::Neutral,
        FR,
        &[
            "à quelle heure ouvrez-vous samedi ?",
            "je voudrais changer mon adresse s'il vous plaît",
            "merci d'avance pour votre réponse",
            "bonjour, mon numéro de commande est le 4471",
        ],
    );
}

#[test]
fn negation_turns_a_word() {
    assert!(english("the agent was helpful") > 0.2);
    assert!(english("the agent was not helpful") < -0.2);
    assert!(english("it is not a good product") < -0.1);
    assert!(english("I don't like it") < -0.1);
    assert!(english("this isn't very good") < -0.1);
    assert!(french("le conseiller était aimable") > 0.2);
    assert!(french("le conseiller n'était pas aimable") < -0.2);
    assert!(french("je n'aime pas du tout") < -0.1);
    assert!(french("ce n'est pas un bon produit") < -0.1);
    assert!(french("je ne suis plus satisfait") < -0.1);
}

#[test]
fn negation_of_something_bad_is_mildly_good() {
    for text in ["not bad at all", "not bad", "no problem at all", "never had a problem with them"]
    {
        let valence = english(text);
        assert!((0.0..0.7).contains(&valence), "{text}: {valence}");
    }
    for text in ["pas mal", "pas mal du tout", "aucun problème", "je ne suis pas déçu"] {
        let valence = french(text);
        assert!((0.0..0.7).contains(&valence), "{text}: {valence}");
    }
}

#[test]
fn a_negator_reaches_no_further_than_its_clause() {
    assert!(english("I did not call, the service is excellent") > 0.2);
    assert!(french("je n'ai pas appelé, le service est excellent") > 0.2);
}

#[test]
fn a_negation_of_what_one_thinks_reaches_over_the_clause() {
    all_are(
        Tone::Negative,
        EN,
        &[
            "I don't think that this was in any way a pleasant stay",
            "we do not believe your prices are really fair",
            "I can't say the staff was especially friendly",
            "nobody in that shop was ever even polite",
        ],
    );
    all_are(
        Tone::Negative,
        FR,
        &[
            "je ne crois pas que vos tarifs soient vraiment corrects",
            "je ne trouve pas que le personnel soit très aimable",
            "on ne peut pas dire que le séjour ait été agréable",
        ],
    );
    // A comma does not end it before the word that introduces what one thinks.
    assert!(english("I do not think, that this was in any way a pleasant stay") < -0.1);
    assert!(french("je ne pense pas, que le séjour ait été agréable") < -0.1);
    // Not beyond it.
    assert!(english("I don't think so, the staff is friendly") > 0.2);
    assert!(english("Never mind, that is very nice") > 0.2);
    assert!(english("I do not think about this all day long :)") > 0.2);
}

#[test]
fn two_negations_cancel_each_other() {
    for text in [
        "I can't say that I don't like it",
        "it is not that I don't like it",
        "not without charm",
        "I am not dissatisfied",
        "I don't think it is bad",
    ] {
        assert!((-0.15..0.7).contains(&english(text)), "{text}: {}", english(text));
    }
    for text in [
        "je ne peux pas dire que je n'aime pas",
        "ce n'est pas que je n'aime pas",
        "pas sans charme",
        "je ne suis pas insatisfaite",
        "je ne dis pas que c'est mauvais",
    ] {
        assert!((-0.15..0.7).contains(&french(text)), "{text}: {}", french(text));
    }
    assert!(english("I am not happy, never was") < -0.1, "twice the same is no double negation");
}

#[test]
fn politeness_is_no_praise() {
    all_are(
        Tone::Negative,
        EN,
        &[
            "kindly stop writing to my old address",
            "Kindly refrain from ringing me at work",
            "I'd be grateful if you stopped calling",
        ],
    );
    all_are(Tone::Neutral, EN, &["kindly forward the contract", "be so kind as to send a copy"]);
    all_are(Tone::Positive, EN, &["that was very kind of you", "thank you kindly"]);
    all_are(
        Tone::Negative,
        FR,
        &["merci de cesser vos relances", "veuillez arrêter de me téléphoner"],
    );
    all_are(
        Tone::Neutral,
        FR,
        &["auriez-vous l'obligeance de m'adresser une copie", "merci d'envoyer une copie"],
    );
    all_are(Tone::Positive, FR, &["c'est très gentil à vous"]);
}

#[test]
fn plus_negates_only_after_ne() {
    assert!(french("le plus beau") > 0.1);
    assert!(french("il n'est plus fiable") < 0.0);
}

#[test]
fn intensifiers_strengthen_and_diminishers_weaken() {
    assert!(english("very disappointing") < english("disappointing"));
    assert!(english("slightly disappointing") > english("disappointing"));
    assert!(french("vraiment décevant") < french("décevant"));
    assert!(french("légèrement décevant") > french("décevant"));
}

#[test]
fn capitals_stretching_and_exclamations_strengthen() {
    assert!(english("this is AWFUL, really") < english("this is awful, really"));
    assert!(english("sooooo goooood") > english("good"));
    assert!(english("it is great!!!") > english("it is great"));
    assert!(french("c'est NUL votre site") < french("c'est nul votre site"));
    assert!(french("super !!!") > french("super"));
}

#[test]
fn words_after_a_but_count_more() {
    assert!(english("the staff is nice but the delay is unacceptable") < -0.1);
    assert!(english("the delay was annoying but the staff was wonderful") > 0.1);
    assert!(french("le personnel est gentil mais le retard est inadmissible") < -0.1);
    assert!(french("le retard était pénible mais le personnel était formidable") > 0.1);
}

#[test]
fn pictures_speak() {
    all_are(Tone::Positive, EN, &["😍", "on its way :)", "👍👍", "it came today <3"]);
    all_are(Tone::Negative, EN, &["😡", "again :(", "my flight 😭", "👎"]);
    all_are(Tone::Positive, FR, &["colis reçu 😊", "reçu :-)"]);
    all_are(Tone::Negative, FR, &["encore 😡", "mon colis :("]);
}

#[test]
fn the_cues_of_the_domain_are_known() {
    all_are(
        Tone::Negative,
        EN,
        &[
            "still waiting for my order",
            "this is the third time I call",
            "on hold for an hour",
            "no reply to my emails",
            "cancel my account",
            "I have been charged twice",
            "the parcel hasn't arrived",
            "I want to speak to a manager",
        ],
    );
    all_are(
        Tone::Negative,
        FR,
        &[
            "toujours rien",
            "c'est la troisième fois que j'appelle",
            "j'en ai marre",
            "personne ne répond",
            "une heure d'attente au téléphone",
            "je veux résilier mon abonnement",
            "j'ai été prélevé deux fois",
            "je n'ai jamais reçu mon colis",
        ],
    );
    all_are(
        Tone::Positive,
        EN,
        &[
            "thank you, solved",
            "it works now, thanks",
            "sorted, thank you so much",
            "problem solved",
        ],
    );
    all_are(
        Tone::Positive,
        FR,
        &[
            "merci, c'est réglé",
            "problème résolu, merci beaucoup",
            "rien à redire",
            "tout fonctionne",
        ],
    );
}

#[test]
fn accents_and_apostrophes_may_be_missing_or_curly() {
    assert_eq!(french("je suis decu"), french("je suis déçu"));
    assert_eq!(french("j’en ai marre"), french("j'en ai marre"));
    assert_eq!(english("I don’t like it"), english("I don't like it"));
    assert!(english("it doesnt work") < -0.1);
}

#[test]
fn addresses_and_mentions_say_nothing() {
    assert_eq!(english("@GreatBank https://love.example/hate"), 0.0);
}

#[test]
fn urgency_is_apart_from_valence() {
    let urgent = |language, text: &str| read(language, text).urgency;
    assert!(urgent(EN, "please call me back as soon as possible") > 0.5);
    assert!(urgent(EN, "my card was stolen") > 0.5);
    assert!(urgent(EN, "someone hacked my account, block it right now!!!") > 0.9);
    assert!(urgent(FR, "rappelez-moi immédiatement, c'est urgent") > 0.8);
    assert!(urgent(FR, "on m'a volé ma carte") > 0.5);
    assert!(urgent(EN, "I love this, thank you") < 0.1);
    assert!(urgent(FR, "quels sont vos horaires ?") < 0.1);
    assert!(urgent(EN, "no rush, whenever you can") < 0.1);
    assert!(urgent(EN, "it is not urgent") < 0.1);
    assert!(urgent(FR, "ce n'est pas urgent") < 0.1);
    assert_eq!(tone(EN, "I need an answer today, please"), Tone::Neutral);
    assert!(urgent(EN, "WHERE IS MY ORDER") > urgent(EN, "where is my order"));
}

#[test]
fn the_language_is_detected_from_the_text() {
    let languages = languages();
    for (text, language) in [
        ("where is my order?", EN),
        ("où est ma commande ?", FR),
        ("I would like to speak to somebody", EN),
        ("je voudrais parler à quelqu'un", FR),
        ("merci beaucoup", FR),
        ("thank you", EN),
        ("wo ist meine Bestellung?", DE),
        ("ich möchte mit jemandem sprechen", DE),
        ("vielen Dank", DE),
        ("was war denn das für ein Service?", DE),
    ] {
        for prior in [EN, FR, DE] {
            let told = languages.detect(text, &[], LanguagePrior::Own(prior));
            assert_eq!(told.language, Some(language), "{text}, prior {prior}");
        }
    }
}

#[test]
fn an_undetected_text_has_the_customers_language() {
    let languages = languages();
    for text in ["", "ok", "4471", "👍", "Ada 12", "???"] {
        for prior in [EN, FR, DE] {
            for prior in [LanguagePrior::Own(prior), LanguagePrior::Likely(prior)] {
                let told = languages.detect(text, &[EN, FR, DE], prior);
                assert_eq!(
                    (told.language, told.is_sure),
                    (Some(prior.language()), false),
                    "{text}"
                );
            }
        }
    }
}

#[test]
fn one_known_word_outweighs_the_likeliest_language() {
    let languages = languages();
    for (text, language) in [
        ("refund", EN),
        ("broken", EN),
        ("late again", EN),
        ("thanks", EN),
        ("remboursement", FR),
        ("cassé", FR),
        ("facture", FR),
        ("encore en panne", FR),
        ("salut", FR),
        ("help", EN),
        ("agent please", EN),
        ("un conseiller", FR),
        ("Rechnung", DE),
        ("kaputt", DE),
        ("schon wieder zu spät", DE),
        ("Mitarbeiter bitte", DE),
    ] {
        for likely in [EN, FR, DE] {
            let told = languages.detect(text, &[EN, FR, DE], LanguagePrior::Likely(likely));
            assert_eq!(told.language, Some(language), "{text}, likely {likely}");
        }
    }
}

#[test]
fn a_word_that_many_languages_borrow_leaves_a_customer_in_their_own() {
    let languages = languages();
    for text in ["ok", "no", "No.", "super", "Thomas Martin", "42", "top"] {
        for own in [EN, FR, DE] {
            let told = languages.detect(text, &[EN, FR, DE], LanguagePrior::Own(own));
            assert_eq!(told.language, Some(own), "{text}, own {own}");
        }
    }
}

#[test]
fn only_allowed_languages_are_detected() {
    let languages = languages();
    let dutch: Language = "nl".parse().unwrap();
    let detect = |text: &str, allowed: Language| {
        languages.detect(text, &[allowed], LanguagePrior::Own(allowed)).language
    };
    assert_eq!(detect("merci beaucoup monsieur", FR), Some(FR));
    assert_eq!(detect("merci beaucoup monsieur", EN), None);
    assert_eq!(detect("dank u wel meneer", dutch), Some(dutch));
    assert_eq!(languages.read("goed", dutch), None, "it is told, but not loaded");
}

#[test]
fn a_text_in_a_language_that_nobody_reads_here_is_none_of_these() {
    let languages = languages();
    for text in [
        "¿dónde está mi pedido?",
        "non funziona niente",
        "waar blijft mijn pakje",
        "nie działa internet",
        "hvor er pakken min",
        "где мой заказ",
        "πού είναι η παραγγελία μου",
        "我的包裹在哪里",
        "أين طلبي",
    ] {
        for prior in [EN, FR, DE] {
            let told = languages.detect(text, &[], LanguagePrior::Own(prior));
            assert_eq!((told.language, told.is_sure), (None, false), "{text}, own {prior}");
        }
    }
}

#[test]
fn a_language_that_the_model_does_not_know_is_assumed_where_it_finds_none() {
    let files = [("el/words.txt".to_owned(), "[words]\n0.5 ευχαριστώ\n".to_owned())];
    let languages = Languages::with(files).unwrap();
    let greek: Language = "el".parse().unwrap();
    let detect = |text: &str| languages.detect(text, &[], LanguagePrior::Likely(EN)).language;
    assert_eq!(detect("ευχαριστώ πολύ"), Some(greek));
    assert_eq!(detect("thank you very much"), Some(EN));
}

#[test]
fn a_reading_explains_itself() {
    let text = "Still waiting for my refund!!! The agent was NOT helpful and I need it today.";
    let reading = serde_json::to_string_pretty(&read(EN, text)).unwrap();
    insta::assert_snapshot!(reading, @r#"
    {
      "language": "en",
      "valence": -0.82,
      "confidence": 0.774,
      "urgency": 0.724,
      "words": [
        {
          "text": "Still waiting",
          "weight": -0.78
        },
        {
          "text": "NOT helpful",
          "weight": -0.75
        },
        {
          "text": "refund",
          "weight": -0.187
        }
      ],
      "pressing": [
        {
          "text": "today",
          "weight": 0.5
        },
        {
          "text": "Still waiting",
          "weight": 0.35
        }
      ]
    }
    "#);
    let back: Reading = serde_json::from_str(&reading).unwrap();
    assert_eq!(back, read(EN, text));
}

#[test]
fn a_reading_keeps_few_words() {
    let reading = read(EN, &"awful stolen urgent terrible ".repeat(100));
    assert_eq!(reading.words.len(), limits::CUES);
    assert_eq!(reading.pressing.len(), limits::CUES);
}

/// A small language of which the code knows nothing.
const DUTCH: &str = "
[common]
het een en ik is niet zij mijn op voor met de bestelling levering ben

[endings]
e: - e er ere st ste

[negators]
niet 4 3
geen 3 0

[boosters]
1.35 heel

[contrasts]
0.5 1.3 maar

[words]
0.5 goed/e leuk/e tevreden
-0.5 slecht/e vreselijk/e
0.4 bedankt

[phrases]
-0.5 nog steeds niets | ben het zat | al # weken
0 goede dag

[urgency]
0.7 dringend | meteen
";

fn with_dutch() -> Languages {
    let files = [("nl/language.txt".to_owned(), DUTCH.to_owned())];
    Languages::with(files).unwrap_or_else(|mistakes| panic!("\n{mistakes}"))
}

#[test]
fn another_language_is_data() {
    let languages = with_dutch();
    let dutch: Language = "nl".parse().unwrap();
    assert_eq!(languages.iter().collect::<Vec<_>>(), [DE, EN, FR, dutch]);
    let read = |text: &str| languages.read(text, dutch).unwrap();
    assert_eq!(read("dat is heel goed").tone(), Tone::Positive);
    assert_eq!(read("dat is niet goed").tone(), Tone::Negative);
    assert_eq!(read("Ik wacht al 3 weken").tone(), Tone::Negative);
    assert_eq!(read("goed bedoeld, maar slechte service").tone(), Tone::Negative);
    assert_eq!(read("Goede dag").tone(), Tone::Neutral);
    assert_eq!(read("👍").tone(), Tone::Positive, "pictures are of every language");
    assert!(read("bel me meteen").urgency > 0.5);
    for prior in [dutch, DE, EN, FR] {
        let detect = |text: &str| languages.detect(text, &[], LanguagePrior::Own(prior)).language;
        assert_eq!(detect("Ik ben niet tevreden met de levering van mijn bestelling"), Some(dutch));
        assert_eq!(detect("I am not happy with the delivery"), Some(EN));
        assert_eq!(detect("Ich bin nicht zufrieden mit der Lieferung"), Some(DE));
    }
}

#[test]
fn mistakes_in_a_language_have_file_and_line() {
    let file = "\
0.5 gut
[wrods]
[words]
gut 0.5
2.0 toll
0.5
0.5 guten-tag
0.5 gut/x
[negators]
nicht
nicht 99 0
plus 2 2 ne
[phrases]
0.5 ...
0.5 a b c d e f g h i
0.5 ab* c
[endings]
e
[valencemodel]
ABCD never
[language]
color = blue
umlauts = yes
compounds = 2
";
    let mistakes = Languages::new([("de/words.txt", &file[8..])]).unwrap_err().to_string();
    insta::assert_snapshot!(mistakes, @"
    de/words.txt:1: unknown section `wrods`; expected one of language, common, numbers, elisions, wholes, partners, courtesies, requests, endings, negators, carriers, relays, boosters, contrasts, words, phrases, ironies, questions, urgency, alternatives, grave, gravemodel, surroundings, pictures, topics, spellings, classes, wishes, unless, threads, automatic, sentences, valencemodel
    de/words.txt:3: expected a number from -1 to 1 at the beginning of the line, found `gut`
    de/words.txt:4: expected a number from -1 to 1 at the beginning of the line, found `2.0`
    de/words.txt:5: expected words after the number, found nothing
    de/words.txt:6: `guten-tag` is more than one word; put it into [phrases]
    de/words.txt:7: unknown class of endings `x`; add it to [endings] above this line
    de/words.txt:9: expected a word and how many words after and before it are negated, such as `not 4 0`, found `nicht`
    de/words.txt:10: expected a reach of at most 8 words, found 99
    de/words.txt:11: expected `partner`, `idle`, `double` or nothing, found `ne`
    de/words.txt:13: expected a phrase that begins with a word, `#`, or at least 3 letters and `*`, and does not end with `...`, found `...`
    de/words.txt:14: expected a phrase of at most 8 words, found `a b c d e f g h i`
    de/words.txt:15: expected a phrase that begins with a word, `#`, or at least 3 letters and `*`, and does not end with `...`, found `ab* c`
    de/words.txt:17: expected a class and its endings, such as `er: e es ons ez ent`, found `e`
    de/words.txt:19: expected what `twinsense train` prints: `unit` and a number from 0 to 10, `bias` and three numbers, `lexical`, a name and three numbers, or three letters or points and a piece of a message, found `ABCD never`
    de/words.txt:21: unknown setting `color`; expected `umlauts` or `compounds`
    de/words.txt:22: expected `umlauts = digraphs`, found `yes`
    de/words.txt:23: expected how many letters at least the last word of a compound has, from 3 to 20, found `2`
    ");
    let mistakes = Languages::new([("de/words.txt", file)]).unwrap_err().to_string();
    insta::assert_snapshot!(mistakes, @"de/words.txt:1: expected a section such as `[words]` before this line, found none");
    let mistakes = Languages::new([("german/words.txt", "")]).unwrap_err().to_string();
    insta::assert_snapshot!(mistakes, @"german/words.txt: in the folder's name: expected a language code of two or three letters, such as `en`, found `german`");
}

#[test]
fn an_invisible_character_does_not_end_a_word() {
    for hidden in ["\u{ad}", "\u{200b}", "\u{200c}", "\u{200d}", "\u{2060}", "\u{feff}", "\u{200e}"]
    {
        let written =
            format!("the service was hor{hidden}rible{hidden}, we don{hidden}'{hidden}t like it");
        let reading = read(EN, &written);
        let plain = read(EN, "the service was horrible, we don't like it");
        assert_eq!(reading.valence, plain.valence, "{hidden:?}: {reading:#?}");
        // What people are shown is what was written.
        assert!(reading.words.iter().any(|cue| *cue.text == *format!("hor{hidden}rible")));
        let french = read(FR, &format!("jad{hidden}ore, l{hidden}’accueil était par{hidden}fait"));
        assert_eq!(french.valence, read(FR, "jadore, l’accueil était parfait").valence);
    }
}

#[test]
fn letters_and_marks_of_full_width_are_read_as_the_plain_ones() {
    let reading = read(EN, "Ｉ ａｍ ＮＯＴ ｈａｐｐｙ， ｔｈｉｓ ｉｓ ｈｏｒｒｉｂｌｅ！！");
    assert_eq!(reading.valence, read(EN, "I am NOT happy, this is horrible!!").valence);
    assert!(reading.words.iter().any(|cue| *cue.text == *"ｈｏｒｒｉｂｌｅ"), "{reading:#?}");
    assert_eq!(
        french("ｊａｄｏｒｅ ｌ＇ａｃｃｕｅｉｌ，３．５０ ｅｕｒｏｓ"),
        french("jadore l'accueil,3.50 euros")
    );
}

#[test]
fn joined_emoji_keep_their_meaning() {
    for (joined, apart) in [("thanks ❤\u{fe0f}", "thanks ❤"), ("🤷\u{200d}♀\u{fe0f}", "🤷")]
    {
        assert_eq!(english(joined), english(apart), "{joined}");
    }
    all_are(Tone::Neutral, EN, &["👨\u{200d}👩\u{200d}👧"]);
    all_are(Tone::Positive, EN, &["great\u{200d}😍", "\u{200b}😍"]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_can_be_read(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let text = String::from_utf8_lossy(&bytes);
        for language in [EN, FR, DE] {
            let reading = read(language, &text);
            prop_assert!((-1.0..=1.0).contains(&reading.valence));
            prop_assert!((0.0..=1.0).contains(&reading.urgency));
            prop_assert!((0.0..=1.0).contains(&reading.confidence));
            prop_assert_eq!(reading, read(language, &text));
        }
    }

    #[test]
    fn any_words_in_any_order_can_be_read(
        words in proptest::collection::vec(
            prop_oneof![
                Just("not"), Just("ne"), Just("plus"), Just("very"), Just("but"), Just("mais"),
                Just("good"), Just("NUL"), Just("l'"), Just("n'"), Just("sooo"), Just("!!!"),
                Just("?"), Just("..."), Just(":("), Just("😡"), Just("# 3"), Just("3.50"),
                Just("still"), Just("waiting"), Just("for"), Just("depuis"), Just("semaines"),
                Just("'"), Just("’"), Just("e\u{301}"), Just("\u{ad}"), Just("\u{200b}"),
                Just("\u{200d}"), Just("ＮＯＴ"), Just("ｊ"), Just("qü"), Just("！"), Just("，"), Just("３．５０"), Just("@"), Just("http://"), Just("ß"),
            ],
            0..60,
        ),
        blank in prop_oneof![Just(" "), Just(""), Just("\n"), Just("\u{a0}")],
    ) {
        let text = words.join(blank);
        for language in [EN, FR, DE] {
            let reading = read(language, &text);
            prop_assert!((-1.0..=1.0).contains(&reading.valence), "{}", text);
            for cue in reading.words.iter().chain(&reading.pressing) {
                prop_assert!(text.contains(&*cue.text), "{:?} in {:?}", cue.text, text);
            }
        }
    }

    #[test]
    fn text_beyond_the_limit_is_not_analysed(tail in "[a-z ]{0,50}") {
        let text = "good ".repeat(limits::MESSAGE_READ_BYTES / 5);
        let longer = format!("{text}{tail}");
        prop_assert_eq!(read(EN, &text), read(EN, &longer));
    }
}
