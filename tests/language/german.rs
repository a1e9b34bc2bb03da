//! What is particular to German: words at the end of their sentence, words of words, and umlauts.

use jumeau::language::{LanguagePrior, Tone};

use super::{DE, EN, FR, all_are, german, languages, read};

#[test]
fn german_words_have_a_valence() {
    all_are(
        Tone::Positive,
        DE,
        &["toller Service", "Ich bin begeistert", "Sie waren sehr freundlich"],
    );
    all_are(Tone::Negative, DE, &["unverschämte Preise", "Ich bin enttäuscht", "eine Katastrophe"]);
    all_are(
        Tone::Neutral,
        DE,
        &[
            "Wann haben Sie am Samstag geöffnet?",
            "Ich möchte bitte meine Adresse ändern",
            "Vielen Dank im Voraus für Ihre Antwort",
            "Guten Tag, meine Bestellnummer ist 4471",
            "Mit freundlichen Grüßen",
            "Wie lange dauert der Versand?",
        ],
    );
}

#[test]
fn a_german_negator_negates_what_stands_before_it_and_after_it() {
    assert!(german("Der Berater war hilfreich") > 0.2);
    assert!(german("Der Berater war nicht hilfreich") < -0.1);
    assert!(german("Ich empfehle Ihre Bank nicht") < -0.1);
    assert!(german("weil mir der Service nicht gefällt") < -0.1);
    assert!(german("Das ist keine gute Lösung") < -0.1);
    assert!(german("Gute Erfahrungen habe ich keine gemacht") < -0.1);
    assert!(german("Niemand war freundlich") < -0.1);
    // It stays in its clause.
    assert!(german("Der Service ist gut und nicht teuer") > 0.2);
    assert!(german("Ich habe nicht angerufen, der Service ist gut") > 0.1);
    for text in
        ["gar nicht schlecht", "kein Problem", "ich wurde nie enttäuscht", "nicht ohne Charme"]
    {
        assert!((0.0..0.7).contains(&german(text)), "{text}: {}", german(text));
    }
}

#[test]
fn the_cues_of_the_domain_are_known_in_german() {
    all_are(
        Tone::Negative,
        DE,
        &[
            "Ich warte seit drei Wochen",
            "Das ist schon das dritte Mal",
            "Mir reicht's",
            "Niemand antwortet mir",
            "Ich hänge seit einer Stunde in der Warteschleife",
            "Der Router geht schon wieder nicht",
            "Mir wurde doppelt abgebucht",
            "Das Paket ist nie angekommen",
        ],
    );
    all_are(
        Tone::Positive,
        DE,
        &[
            "Danke, hat geklappt",
            "Problem gelöst, vielen Dank",
            "Nichts auszusetzen",
            "läuft wieder",
        ],
    );
    let urgent = |text: &str| read(DE, text).urgency;
    assert!(urgent("Rufen Sie mich sofort zurück, es ist dringend") > 0.8);
    assert!(urgent("mir wurde die Karte gestohlen") > 0.5);
    assert!(urgent("es ist nicht dringend") < 0.1);
    assert!(urgent("wann haben Sie geöffnet?") < 0.1);
}

#[test]
fn a_negation_of_what_one_thinks_reaches_over_the_comma() {
    all_are(
        Tone::Negative,
        DE,
        &[
            "Ich glaube nicht, dass Ihre Preise wirklich fair sind",
            "Ich finde nicht, dass das Personal besonders freundlich ist",
            "Man kann nicht sagen, dass der Aufenthalt angenehm war",
        ],
    );
}

#[test]
fn an_umlaut_may_be_two_letters_or_none() {
    for (written, others) in [
        ("das war schön", ["das war schoen", "das war scho\u{308}n"]),
        ("äußerst unzuverlässig", ["aeusserst unzuverlaessig", "ausserst unzuverlassig"]),
        (
            "Geld zurück, für dumm verkauft",
            ["Geld zurueck, fuer dumm verkauft", "GELD ZURÜCK, FÜR DUMM VERKAUFT"],
        ),
        ("unglaubliche Verspätung", ["unglaubliche Verspaetung", "unglaubliche Verspatung"]),
    ] {
        for other in others {
            assert_eq!(german(other).signum(), german(written).signum(), "{other}");
            assert!((german(other) - german(written)).abs() < 0.2, "{other}");
        }
    }
    assert_eq!(german("das war schoen"), german("das war schön"));
    // `schon` is not `schön`, and these are no umlauts.
    assert_eq!(german("das war schon"), 0.0);
    assert_eq!(german("teuer"), german("TEUER"));
    assert!(german("eine neue, genaue, bequeme Lösung") > 0.0);
}

#[test]
fn a_german_compound_has_the_valence_of_its_last_word() {
    assert!(german("Dauernd Lieferverzögerungen") < -0.1);
    assert_eq!(german("der Lieferzeitraum"), 0.0);
}

#[test]
fn words_that_german_shares_leave_other_languages_as_they_are() {
    let languages = languages();
    for (text, language) in [
        ("I would rather die than call again", EN),
        ("this was a kind man in a hat", EN),
        ("will you also fast?", EN),
        ("what was that?", EN),
        ("on a mal compris, du coup", FR),
        ("il est des jours où tu es en retard", FR),
        ("le plus tard possible", FR),
    ] {
        for prior in [EN, FR, DE] {
            for prior in [LanguagePrior::Own(prior), LanguagePrior::Likely(prior)] {
                if prior == LanguagePrior::Own(DE) && text.len() < 20 {
                    continue;
                }
                let told = languages.detect(text, &[], prior);
                assert_eq!(told.language, Some(language), "{text}, {prior:?}");
            }
        }
    }
    for own in [EN, FR] {
        for text in ["gut", "die", "an", "so", "was", "war", "in", "Berlin"] {
            let told = languages.detect(text, &[], LanguagePrior::Own(own));
            assert_eq!(told.language, Some(own), "{text}");
        }
    }
}

#[test]
fn what_people_of_the_company_read_is_german_for_them() {
    let said = languages().say(Some("de-AT"), "brief.hour", &[("hour", "9")]);
    assert_eq!(said, "am besten gegen 9 Uhr");
    let topics: Vec<_> = languages()
        .topics()
        .filter(|(_, language, _)| *language == DE)
        .map(|(topic, ..)| topic.to_owned())
        .collect();
    assert!(topics.len() > 30 && topics.iter().all(|topic| topic == "denial"));
}
