//! What a word is: how it may be spelled, and of which words it may be made.

use jumeau::language::Languages;

use super::{DE, EN, FR, read};

#[test]
fn two_letters_may_be_an_umlaut() {
    let language = "[language]\numlauts = digraphs\n[words]\n0.5 schön aktuell treue\n-0.5 bauen\n[phrases]\n-0.6 zuerst müssen";
    let small = Languages::new([("de/language.txt", language)]).unwrap();
    let valence = |text: &str| small.read(text, DE).unwrap().valence;
    for good in ["schoen", "Schön", "aktuell", "aktüll", "treue"] {
        assert!(valence(good) > 0.3, "{good}");
    }
    for bad in ["bauen", "zuerst muessen", "zuerst müssen"] {
        assert!(valence(bad) < -0.3, "{bad}");
    }
    assert_eq!(valence("bäün"), 0.0);
}

#[test]
fn a_compound_has_the_valence_of_its_last_word() {
    let language = "[language]\ncompounds = 5\n[words]\n-0.5 problem probleme unfreundlich\n0.5 freundlich gute\n0 zeitraum\n0.5 traum";
    let small = Languages::new([("de/language.txt", language)]).unwrap();
    let valence = |text: &str| small.read(text, DE).unwrap().valence;
    assert_eq!(valence("Zahlungsprobleme"), valence("Probleme"));
    assert_eq!(valence("kundenfreundlich"), valence("freundlich"));
    assert!(valence("unfreundlich") < 0.0, "a known word is no compound");
    assert_eq!(valence("überfreundlich"), valence("freundlich"));
    assert_eq!(valence("urfreundlich"), 0.0, "three letters are a prefix");
    assert_eq!(valence("Lieferzeitraum"), 0.0, "the longest word counts");
    assert_eq!(valence("Jahresgute"), 0.0, "four letters are too few for a last word");
    let without = language.replace("compounds = 5\n", "");
    let without = Languages::new([("de/language.txt", without)]).unwrap();
    assert_eq!(without.read("Zahlungsprobleme", DE).unwrap().valence, 0.0);
}

#[test]
fn a_phrase_may_begin_with_the_beginning_of_a_word() {
    let language = "[phrases]\n-0.5 katastroph* | betrugs* firma\n0.5 lieb* laden";
    let small = Languages::new([("de/language.txt", language)]).unwrap();
    let valence = |text: &str| small.read(text, DE).unwrap().valence;
    for bad in ["katastrophal", "Katastrophenservice", "Betrugsartige Firma"] {
        assert!(valence(bad) < -0.3, "{bad}");
    }
    assert!(valence("liebster Laden") > 0.3);
    for nothing in ["ka", "kat", "Betrugsfall", "lie laden", "der laden", "é", "日本語"] {
        assert_eq!(valence(nothing), 0.0, "{nothing}");
    }
}

#[test]
fn the_words_of_a_hashtag_are_read_one_by_one() {
    let valence = |text: &str| read(EN, text).valence;
    for (tag, words) in [
        ("#NeverAgain", "never again"),
        ("#TerribleService", "terrible service"),
        ("#terribleservice", "terrible service"),
        ("#TERRIBLESERVICE", "terrible service"),
        ("#not_happy", "not happy"),
        ("#NotHappy2026", "not happy 2026"),
        ("#happy", "happy"),
    ] {
        assert_eq!(valence(tag), valence(words), "{tag}");
    }
    let cue = &read(EN, "Home at 3 #TerribleService").words[0].text;
    assert_eq!(&**cue, "TerribleService", "words are quoted as they stand in the tag");
    assert_eq!(valence("#therapist"), 0.0, "it is no word of three");
    assert_eq!(valence("#"), 0.0);
}

#[test]
fn entities_are_read_as_their_letters() {
    let languages = Languages::embedded();
    for (written, meant) in [
        ("waiting &gt; 2 hours", "waiting > 2 hours"),
        ("I&#39;m happy &amp; well", "I'm happy & well"),
        ("love it &lt;3", "love it <3"),
        ("R&D; B&B &c &nothing; &amp", "R&D; B&B &c &nothing; &amp"),
        ("&quot;great&quot;", "\"great\""),
        ("A&B &amp; C&D", "A&B & C&D"),
    ] {
        assert_eq!(languages.own_words(written), meant);
    }
    let own = languages.own_words("colis &gt; 3 jours, l&#x27;attente &eacute;tait nulle");
    assert_eq!(own, "colis > 3 jours, l'attente était nulle");
    assert!(read(FR, &own).valence < 0.0);
}
