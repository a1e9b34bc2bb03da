//! What words say beside others: praise beside trouble, problems in questions, emoji that only emphasise.

use jumeau::language::{Languages, Tone};

use super::{DE, EN, FR, all_are, read};

#[test]
fn praise_at_the_beginning_of_a_sentence_of_trouble_is_irony() {
    let language = "[words]\n0.6 great love lovely\n[contrasts]\n0.5 1.3 but\n\
        [ironies]\n0.5 another delay | # hours late\n";
    let small = Languages::new([("en/words.txt", language)]).unwrap();
    let valence = |text: &str| small.read(text, EN).unwrap().valence;
    for ironic in [
        "Great, another delay",
        "oh great another delay",
        "Great. Another delay",
        "We sat there. Great! Three of us, another delay",
        "love it when you are 3 hours late",
        "Well, oh, great, another delay",
    ] {
        assert!(valence(ironic) < 0.0, "{ironic}");
    }
    assert!(valence("Great, another delay").abs() < valence("great").abs(), "by its factor");
    for sincere in [
        "great seats",
        "great crew but another delay",
        "another delay with a great crew",
        "great food and a lovely crew, another delay",
        "we had a great time, another delay",
        "They were great last time. It was a nice flight. Another delay",
    ] {
        assert!(valence(sincere) > 0.0, "{sincere}");
    }
}

#[test]
fn irony_is_heard_in_each_language() {
    all_are(
        Tone::Negative,
        EN,
        &[
            "Great, another outage",
            "Love spending 3 hours on hold",
            "Wonderful, still no reply",
            "Thank you, brilliant, my transfer is delayed again",
            "Brilliant, my card was declined again",
            "Great, not even an apology",
            "I hope you are having a great day, still no reply",
        ],
    );
    all_are(
        Tone::Negative,
        FR,
        &[
            "Génial, encore une panne",
            "Bravo, 3 heures d'attente",
            "Super, toujours rien",
            "Bravo, même pas une réponse",
            "Bravo pour le retard",
        ],
    );
    all_are(
        Tone::Negative,
        DE,
        &[
            "Toll, schon wieder eine Störung",
            "Super, 2 Stunden Verspätung",
            "Klasse, immer noch nichts",
            "Super, nicht mal eine Antwort",
            "Toll gemacht, Koffer wieder weg",
        ],
    );
    all_are(Tone::Positive, EN, &["Great, it works again", "Thank you for another great year"]);
}

#[test]
fn a_polite_wish_at_the_beginning_is_no_praise() {
    all_are(
        Tone::Neutral,
        EN,
        &["I hope you are well", "Hope you're having a lovely week", "I hope you fix it"],
    );
    all_are(Tone::Positive, EN, &["Hope you have a great day"]);
    all_are(Tone::Neutral, FR, &["J'espère que vous allez bien"]);
    all_are(Tone::Neutral, DE, &["Ich hoffe, es geht Ihnen gut"]);
}

#[test]
fn a_customer_who_wants_no_change_is_content() {
    all_are(
        Tone::Positive,
        FR,
        &["Surtout ne changez rien", "Ne changez surtout pas", "surtout ne changez pas !"],
    );
    all_are(Tone::Neutral, FR, &["Surtout ne changez rien à mon contrat"]);
}

#[test]
fn an_emoji_that_emphasises_takes_the_side_of_the_words() {
    let language = "[words]\n0.5 love\n-0.5 broken\n[pictures]\n-0.7 ~😭 💔\n0.4 ~😂\n";
    let small = Languages::new([("en/words.txt", language)]).unwrap();
    let valence = |text: &str| small.read(text, EN).unwrap().valence;
    assert!(valence("love it 😭") > valence("love it"));
    assert!(valence("broken 😂") < valence("broken"));
    assert!(valence("😭") < 0.0 && valence("😂") > 0.0, "alone it has a side of its own");
    assert!(valence("love it 💔") < valence("love it 😭"), "others keep theirs");
}

#[test]
fn an_emoji_that_emphasises_is_named_by_itself() {
    let words = read(EN, "this is so cute, I love it 😭").words;
    let picture = words.iter().find(|cue| &*cue.text == "😭");
    assert!(picture.is_none_or(|cue| cue.weight > 0.0), "{words:?}");
}

#[test]
fn a_question_that_names_a_problem_is_neutral() {
    all_are(
        Tone::Neutral,
        EN,
        &[
            "What should I do if my card is declined?",
            "How do I report a lost parcel",
            "Hi, is there a problem with your website today?",
            "How long does a refund for a cancelled flight take?",
            "Do you charge a fee for late payments?",
        ],
    );
    all_are(
        Tone::Neutral,
        FR,
        &[
            "Que faire si ma carte est refusée ?",
            "Bonjour, comment signaler un colis perdu ?",
            "Y a-t-il une panne dans le 13e ?",
            "Faut-il payer des frais en cas de retard ?",
        ],
    );
    all_are(Tone::Neutral, DE, &["Gibt es heute eine Störung?", "Was mache ich bei Verspätung?"]);
    all_are(
        Tone::Negative,
        EN,
        &[
            "Why is my card declined again?",
            "How do I report a lost parcel? Your service is terrible",
            "How do I get my money back from these thieves?",
            "My card is declined",
        ],
    );
}

#[test]
fn words_of_praise_in_a_complaint_complain() {
    all_are(
        Tone::Negative,
        EN,
        &[
            "I was a happy customer for 12 years. Was.",
            "I expected better than this",
            "Nothing has been fixed",
            "Yeah, because paying twice is exactly what I wanted",
            "#worstairlineever",
        ],
    );
    all_are(
        Tone::Negative,
        FR,
        &[
            "Rien n'est réparé",
            "Merci pour le bon mais ça ne rattrape pas le retard",
            "#pirecompagnie",
        ],
    );
    all_are(Tone::Negative, DE, &["Nichts ist repariert"]);
    all_are(Tone::Positive, FR, &["Je me suis inquiété pour rien"]);
    all_are(Tone::Neutral, FR, &["Où trouver le formulaire de réclamation ?"]);
}
