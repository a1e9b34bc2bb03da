//! What customers say: each test is one sentence about what a twin makes of it.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use jumeau::config::{Argument, Layers, Settings};
use jumeau::event::{Analysis, Channel, Customer, Event, EventKind, MessageData, Speaker, Time};
use jumeau::language::{Language, Languages, Tone, with_model_end};
use jumeau::policy::{self, Files, Policy};
use jumeau::policy_source;
use jumeau::twin::{Effect, Input, Journalled, Sentiment, Twin, World, react};

const POLICY: &str = r#"
[policy]
name = "test"
languages = ["en", "fr", "nl"]

[topics.refund]
en = ["refund*", "money back"]
fr = ["remboursement", "remboursé*"]

[topics.leaving]
any = ["opzeggen"]
en = "cancel my contract"

[topics.moving]
wish = true
en = "change my address"

[[rules]]
name = "moving"
on = "topic:moving"
then = [{ set = "moving", to = "default(facts.moving, 0) + 1" }]

[[rules]]
name = "any message"
on = "message:customer"
then = [
  { set = "text", to = "event.text" },
  { set = "tone", to = "event.tone" },
  { set = "language", to = "event.language" },
  { set = "topics", to = "size(event.topics)" },
  { set = "automatic", to = "event.automatic" },
  { set = "level", to = "sentiment.level" },
]

[[rules]]
name = "a refund"
on = "topic:refund"
then = [{ set = "refund", to = "event.words.refund" }]

[[rules]]
name = "leaving"
on = ["topic:leaving", "track:Contract Cancelled"]
then = [{ set = "leaving", to = "default(facts.leaving, 0) + 1" }]
"#;

struct Life {
    twin: Twin,
    policy: Policy,
    now: Time,
    sequence: u64,
    /// What was kept for replay.
    journalled: Vec<(Time, Journalled)>,
    /// The notes of the last reaction.
    notes: Vec<String>,
}

impl Life {
    fn new() -> Life {
        Life::of(&Languages::embedded())
    }

    fn of(languages: &Arc<Languages>) -> Life {
        let now = Time::parse("2026-03-02T09:00:00Z").unwrap();
        let twin = Twin::new(Customer::new("ada").unwrap(), now);
        let policy = policy::load_with(&Files::new([("test.toml", POLICY)]), languages).unwrap();
        Life { twin, policy, now, sequence: 0, journalled: Vec::new(), notes: Vec::new() }
    }

    fn says(&mut self, from: Speaker, language: Option<&str>, text: &str) {
        self.is_told(from, language, text, None);
    }

    fn is_told(
        &mut self,
        from: Speaker,
        language: Option<&str>,
        text: &str,
        analysis: Option<Analysis>,
    ) {
        self.is_sent(MessageData {
            text: text.into(),
            from,
            language: language.map(Into::into),
            interaction: None,
            automatic: false,
            analysis: analysis.map(Box::new),
        });
    }

    fn is_sent(&mut self, message: MessageData) {
        self.sequence += 1;
        self.now = self.now + Duration::from_secs(60);
        let event = Event {
            customer: self.twin.customer.clone(),
            channel: Channel::new("chat").unwrap(),
            id: format!("e{}", self.sequence).into(),
            fingerprint: self.sequence,
            time: None,
            traceparent: None,
            kind: EventKind::Message(message),
            impossible: None,
            forwarding: None,
        };
        let input = Input::event(event, self.now);
        let reaction = react(&mut self.twin, &input, &World::of(&self.policy));
        self.notes = reaction.notes.iter().map(ToString::to_string).collect();
        for effect in reaction.effects {
            if let Effect::Journal { at, input } = effect {
                self.journalled.push((at, *input));
            }
        }
    }

    fn customer_says(&mut self, text: &str) {
        self.says(Speaker::Customer, None, text);
    }

    fn fact(&self, name: &str) -> String {
        self.twin.facts.get(name).map_or("-".into(), ToString::to_string)
    }

    fn sentiment(&self) -> &Sentiment {
        self.twin.sentiment.as_ref().expect("something was said")
    }
}

#[test]
fn a_message_tells_tone_language_and_topics_to_the_rules() {
    let mut life = Life::new();
    life.customer_says("I have been waiting for my refund for three weeks, this is a disgrace.");
    assert_eq!([life.fact("tone"), life.fact("language")], ["negative", "en"]);
    assert_eq!([life.fact("topics"), life.fact("refund")], ["1", "refund"]);
    life.customer_says("Merci beaucoup, le remboursement est arrivé, c'est parfait !");
    assert_eq!([life.fact("tone"), life.fact("language")], ["positive", "fr"]);
    assert_eq!(life.fact("refund"), "remboursement");
}

#[test]
fn the_answer_of_an_analyser_is_believed_and_kept_for_replay_and_nothing_else_is() {
    let mut life = Life::new();
    life.customer_says("This is great!");
    assert_eq!(life.journalled, []);
    let analysis = Analysis::parse(br#"{"valence": -0.75}"#).unwrap();
    life.is_told(Speaker::Customer, None, "This is great!", Some(analysis.clone()));
    assert_eq!(life.fact("tone"), "negative");
    assert_eq!(life.journalled, [(life.now, Journalled::Analysis { event: 2, analysis })]);
}

/// Settings that name a folder with one Dutch file.
fn with_dutch(words: &str) -> (tempfile::TempDir, Settings) {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("nl")).unwrap();
    fs::write(folder.path().join("nl/words.txt"), words).unwrap();
    let pair = format!("languages.folder={}", folder.path().display());
    let arguments = vec![Argument::set(&pair).unwrap()];
    let settings = Layers { arguments, ..Layers::default() }.load().unwrap();
    (folder, settings)
}

#[test]
fn a_language_in_the_folder_of_the_settings_is_understood_without_any_code() {
    let dutch = "[endings]\ne: - e er\n[words]\n-0.8 slecht/e\n";
    let (_folder, settings) = with_dutch(dutch);
    let told = "Dat vind ik echt slechte dienstverlening, mijn overeenkomst ga ik opzeggen.";
    let mut life =
        Life::of(&policy_source::languages(settings.languages.folder.as_deref(), None).unwrap());
    life.customer_says(told);
    assert_eq!([life.fact("tone"), life.fact("language")], ["negative", "nl"]);
    assert_eq!(life.fact("leaving"), "1");
    life.customer_says("This is great, thank you.");
    assert_eq!(life.fact("language"), "en", "the languages that come along are still there");
    let mut without = Life::new();
    without.customer_says(told);
    assert_ne!(without.fact("tone"), "negative");
}

#[test]
fn an_invalid_folder_of_languages_is_reported_with_the_place_of_the_mistake() {
    let (folder, settings) = with_dutch("[words]\n0.6 goed\nleuk 0.5\n");
    let refusal = policy_source::languages(settings.languages.folder.as_deref(), None).unwrap_err();
    let said = format!("{refusal:#}").replace(&*folder.path().to_string_lossy(), "FOLDER");
    insta::assert_snapshot!(said, @"the languages in FOLDER have mistakes: nl/words.txt:3: expected a number from -1 to 1 at the beginning of the line, found `leuk`");

    let (folder, settings) = with_dutch("");
    fs::remove_file(folder.path().join("nl/words.txt")).unwrap();
    let refusal = policy_source::languages(settings.languages.folder.as_deref(), None).unwrap_err();
    let said = refusal.to_string().replace(&*folder.path().to_string_lossy(), "FOLDER");
    insta::assert_snapshot!(said, @"expected files such as de/words.txt in FOLDER, found none; remove the setting `languages.folder` to use the built-in languages");

    let arguments = vec![Argument::set("languages.folder=/no/such/folder").unwrap()];
    let refusal = Layers { arguments, ..Layers::default() }.load().unwrap_err();
    insta::assert_snapshot!(refusal, @"--set languages.folder: expected a folder with one folder for each language, such as de/words.txt; found none at `/no/such/folder`");
}

#[test]
fn a_model_in_the_folder_of_the_settings_is_added_to_its_language() {
    let folder = tempfile::tempdir().unwrap();
    let load = || policy_source::languages(None, Some(folder.path()));
    let refusal = |said: anyhow::Error| {
        format!("{said:#}").replace(&folder.path().display().to_string(), "FOLDER")
    };
    insta::assert_snapshot!(refusal(load().unwrap_err()), @"expected models such as en.txt in FOLDER, found none; train one with `twinsense train`, or remove the setting `languages.models`");
    let model =
        "# Trained.\n[valencemodel]\nunit 0.2\nbias 0 0 0\nlexical sum -3 0 3\nZ.z gribble\n";
    let model = &*with_model_end(model);
    fs::write(folder.path().join("en.txt"), model).unwrap();
    let languages = load().unwrap();
    let valence =
        |languages: &Languages, text| languages.read(text, Language::ENGLISH).unwrap().valence;
    assert!(valence(&languages, "gribble") > 0.15);
    assert!(valence(&languages, "terrible service") < -0.15, "the lexicon goes on to count");
    assert_eq!(languages.models().collect::<Vec<_>>(), [(Language::ENGLISH, "Trained.")]);
    assert_eq!(Languages::embedded().models().count(), 0);
    let mut life = Life::of(&languages);
    life.customer_says("My parcel is a gribble, as always");
    assert_eq!(life.fact("tone"), "positive");

    let wrong = with_model_end("[valencemodel]\nlexical mood 1 2 3\nABCD x\n");
    fs::write(folder.path().join("en.txt"), wrong).unwrap();
    fs::write(folder.path().join("xx.txt"), model).unwrap();
    insta::assert_snapshot!(refusal(load().unwrap_err()), @"
    the languages in FOLDER have mistakes: en.txt:2: expected what `twinsense train` prints: `unit` and a number from 0 to 10, `bias` and three numbers, `lexical`, a name and three numbers, or three letters or points and a piece of a message, found `lexical mood 1 2 3`
    en.txt:3: expected what `twinsense train` prints: `unit` and a number from 0 to 10, `bias` and three numbers, `lexical`, a name and three numbers, or three letters or points and a piece of a message, found `ABCD x`
    xx.txt: expected a model named by one of the loaded languages (de, en, fr), such as `en.txt`
    ");
    fs::remove_file(folder.path().join("xx.txt")).unwrap();
    fs::write(folder.path().join("en.txt"), "[valencemodel]\nunit 0.2\n[words]\n0.5 gribble\n")
        .unwrap();
    insta::assert_snapshot!(refusal(load().unwrap_err()), @"the languages in FOLDER have mistakes: en.txt:3: expected the section `[valencemodel]` alone in a model, found `[words]`; other sections belong in the folder `languages.folder`");
    let arguments = vec![Argument::set("languages.models=/no/such/folder").unwrap()];
    let refusal = Layers { arguments, ..Layers::default() }.load().unwrap_err().to_string();
    insta::assert_snapshot!(refusal, @"--set languages.models: expected a folder with one file for each language, such as en.txt; found none at `/no/such/folder`");
}

#[test]
fn a_model_that_is_not_whole_is_refused_with_what_to_do() {
    let model = with_model_end("# Trained.\n[valencemodel]\nunit 0.2\nZ.z gribble\nz.Z zorky\n");
    let load = |content: &str| {
        Languages::with_models([], [("en.txt".to_owned(), content.to_owned())])
            .map(|languages| languages.models().map(|(_, about)| about.to_owned()).collect())
            .map_err(|mistakes| mistakes.to_string())
    };
    let whole: Result<Vec<String>, String> = load(&model);
    assert_eq!(whole, Ok(vec!["Trained.".to_owned()]));
    assert_eq!(load(&model.replace('\n', "\r\n")), whole, "git may convert the ends of lines");
    assert_eq!(load(&format!("\u{feff}{model}")), whole);
    for (content, refused) in [
        (String::new(), "en.txt: expected a model with weights, found none"),
        (
            "# Trained.\n[valencemodel]\n".to_owned(),
            "en.txt: expected a model with weights, found none",
        ),
        (
            model[..model.find("z.Z").unwrap()].to_owned(),
            "en.txt:4: the file is cut: expected `# end of",
        ),
        (
            model.replace("Z.z gribble\n", ""),
            "en.txt:5: the file was edited or damaged: expected as many",
        ),
        (
            model.replace("z.Z z", "y.Z z"),
            "en.txt:6: the file was edited or damaged: expected lines with",
        ),
        (
            model.replace("unit 0.2", "Z.z gribble"),
            "en.txt:4: expected each piece once, found `Z.z gribble`",
        ),
    ] {
        let said = load(&content).unwrap_err();
        assert!(said.contains(refused) && said.contains("train again"), "{content}\n{said}");
    }
}

#[test]
fn the_level_that_a_rule_reads_includes_the_message_at_hand() {
    let mut life = Life::new();
    life.customer_says("This is awful, I am very disappointed.");
    let level: f64 = life.fact("level").parse().unwrap();
    assert!(level < -0.1, "{level}");
}

#[test]
fn agents_and_bots_are_not_how_the_customer_feels() {
    let mut life = Life::new();
    life.says(
        Speaker::Agent,
        None,
        "I am so sorry, this is terrible and awful, about your refund.",
    );
    life.says(Speaker::Bot, None, "Terrible, horrible, cancel my contract!");
    assert_eq!(life.twin.sentiment, None);
    assert_eq!([life.fact("refund"), life.fact("leaving")], ["-", "-"]);
}

#[test]
fn a_rule_that_answers_to_a_topic_and_to_more_runs_once_for_one_message() {
    let mut life = Life::new();
    life.customer_says("Please cancel my contract. Yes: cancel my contract!");
    assert_eq!(life.fact("leaving"), "1");
}

#[test]
fn a_short_text_is_read_in_the_language_that_the_customer_spoke_before() {
    let mut life = Life::new();
    life.customer_says("Bonjour, je voudrais savoir quand mon colis va arriver, s'il vous plaît.");
    life.customer_says("ok super");
    assert_eq!(life.fact("language"), "fr");
}

#[test]
fn one_word_tells_the_language_of_an_unknown_customer() {
    let mut life = Life::new();
    life.customer_says("ok 4471");
    assert_eq!(life.fact("language"), "en", "the first of the policy, as this tells nothing");
    life.customer_says("remboursement");
    life.customer_says("ok");
    assert_eq!(life.fact("language"), "fr");
    for borrowed in ["No", "super", "Stephanie", "12345"] {
        life.customer_says(borrowed);
        assert_eq!(life.fact("language"), "fr", "{borrowed}");
    }
    life.customer_says("I would like to go on in English, please");
    assert_eq!(life.fact("language"), "en");
}

#[test]
fn a_message_in_a_language_that_nobody_reads_is_not_read_and_is_noted() {
    let mut life = Life::new();
    life.customer_says("Il pacco non è ancora arrivato, sono molto delusa");
    assert_eq!([life.fact("tone"), life.fact("language")], ["-", "-"]);
    assert_eq!(life.twin.sentiment, None, "it is unknown, which is not neutral");
    insta::assert_snapshot!(life.notes.join("\n"), @"the message is in a language that is not loaded: it was not read");
    life.customer_says("My parcel has not arrived, I am very disappointed");
    assert_eq!([life.fact("tone"), life.fact("language")], ["negative", "en"]);
    assert_eq!(life.notes, [""; 0]);
}

#[test]
fn a_message_is_not_understood_if_nobody_has_read_it_whoever_told_its_language() {
    let mut life = Life::new();
    let italian = "Il pacco non è ancora arrivato, sono molto delusa";
    life.says(Speaker::Customer, Some("it"), italian);
    assert_eq!(life.notes.len(), 1, "the channel knows the language, but it is not loaded");
    let analysis = Analysis::parse(br#"{"valence": -0.75}"#).unwrap();
    life.is_told(Speaker::Customer, None, italian, Some(analysis));
    assert_eq!((life.fact("tone"), life.notes.len()), ("negative".into(), 0), "it has been read");
}

#[test]
fn a_wish_counts_only_if_it_is_asked_for_now() {
    let mut life = Life::new();
    for other in [
        "I don't want to change my address",
        "do I have to change my address for that?",
        "last year I wanted to change my address",
        "if it goes on I will have to change my address",
    ] {
        life.customer_says(other);
        assert_eq!(life.fact("moving"), "-", "{other}");
    }
    life.customer_says("Could you please change my address?");
    assert_eq!(life.fact("moving"), "1");
}

#[test]
fn only_the_newest_part_of_a_mail_is_analysed_and_agents_see_all_of_it() {
    let mut life = Life::new();
    let thread = "On Mon, 2 Mar 2026 at 08:01, Care <care@shop.example> wrote:\n\
        > Terrible, awful, horrible! Give me my money back, cancel my contract.\n";
    let text = format!("All good now, thank you so much!\n\n{thread}");
    life.customer_says(&text);
    assert_eq!([life.fact("tone"), life.fact("topics")], ["positive", "0"]);
    assert_eq!(life.fact("text"), "All good now, thank you so much!");
    let line = |life: &Life| life.twin.interactions[0].lines.last().unwrap().text.to_string();
    assert_eq!(line(&life), text);

    // Nothing is read of a message that only quotes.
    let heard = life.sentiment().evidence.len();
    life.customer_says(thread);
    assert_eq!([life.fact("text"), life.fact("leaving")], ["", "-"]);
    assert_eq!(life.sentiment().evidence.len(), heard);

    // Of a long one, the writer's own words are kept before those of the thread.
    life.customer_says(&format!("{}\nIt is still broken.", thread.repeat(20)));
    assert_eq!(line(&life), "It is still broken.\n> […]");
}

#[test]
fn the_channel_knows_the_language_better_than_the_text_tells() {
    let mut life = Life::new();
    life.says(Speaker::Customer, Some("fr-BE"), "ok");
    assert_eq!(life.fact("language"), "fr");
}

#[test]
fn a_language_of_which_nothing_is_known_has_topics_and_no_mood() {
    let mut life = Life::new();
    life.says(Speaker::Customer, Some("nl"), "Ik wil opzeggen!");
    assert_eq!([life.fact("leaving"), life.fact("tone")], ["1", "-"]);
    assert!(life.twin.sentiment.as_ref().is_none_or(|known| known.evidence.is_empty()));
}

#[test]
fn the_words_that_made_the_mood_are_kept_with_their_place_in_the_timeline() {
    let mut life = Life::new();
    life.customer_says("Hello there, I have a question.");
    life.customer_says("Your service is terrible!!!");
    let last = life.sentiment().evidence.last().unwrap();
    assert_eq!((last.number, last.reading.tone()), (1, Tone::Negative));
    let words: Vec<&str> = last.reading.words.iter().map(|cue| &*cue.text).collect();
    assert!(words.iter().any(|word| word.contains("terrible")), "{words:?}");
}

#[test]
fn a_policys_topics_are_checked_with_their_lines() {
    let policy = r#"
[policy]
name = "test"
languages = ["en"]

[topics.refund]
en = ["refund", "…"]
fr = ["remboursement"]

[topics.empty]

[[rules]]
name = "a"
on = "topic:refnd"
when = "sentiment.levle > 0 && event.valence < 0"
then = [{ set = "a", to = "1" }]

[[rules]]
name = "b"
on = "topic"
then = [{ set = "b", to = "1" }]
"#;
    let mistakes = policy::load(&Files::new([("test.toml", policy)])).unwrap_err();
    let reported: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(reported.join("\n"), @r#"
        test.toml:7:18: topic `refund`: expected a phrase of words, found `…`
         7 | en = ["refund", "…"]
           |                  ^
        test.toml:8:1: expected a language of the policy, or `any`, found `fr`; add it to `languages` in [policy]
         8 | fr = ["remboursement"]
           | ^^
        test.toml:10:9: expected phrases for the topic `empty`, such as en = ["…"], found none
         10 | [topics.empty]
            |         ^^^^^
        test.toml:14:7: unknown topic `refnd`; did you mean `refund`?
         14 | on = "topic:refnd"
            |       ^^^^^^^^^^^
        test.toml:15:9: unknown field of the sentiment `levle`; did you mean `level`?
         15 | when = "sentiment.levle > 0 && event.valence < 0"
            |         ^^^^^^^^^^^^^^^
        test.toml:20:7: expected a topic after `topic:`, found none; for any message, write `message`
         20 | on = "topic"
            |       ^^^^^
        "#);
}

const AWAY: &str = "Hello, I am out of the office until 12 May. For urgent matters please contact my \
                    colleague, or call and ask to speak to an agent. It is a nightmare here.";

#[test]
fn an_automatic_message_has_no_wish_and_no_sentiment() {
    let mut life = Life::new();
    life.customer_says("Thank you, it works, great service.");
    let before = life.sentiment().clone();
    life.customer_says(AWAY);
    assert_eq!(*life.sentiment(), before);
    assert_eq!([life.fact("tone"), life.fact("topics")], ["-", "0"]);
    assert_eq!(life.fact("automatic"), "true");
    // People read it, and see what it is.
    let line = life.twin.last_conversation().unwrap().lines.last().unwrap().clone();
    assert_eq!(*line.text, *format!("[automatic] {AWAY}"));
    let entry = life.twin.timeline.iter().last().unwrap();
    assert!(entry.text.starts_with("customer: [automatic] Hello"), "{}", entry.text);
    life.customer_says("my change my address");
    assert_eq!(life.fact("automatic"), "false");
}

#[test]
fn a_channel_may_say_that_a_message_is_automatic() {
    let mut life = Life::new();
    let told = |automatic: &str| {
        format!(r#"{{"text": "cancel my contract", "from": "customer"{automatic}}}"#)
    };
    for (said, leaving) in
        [(r#", "automatic": true"#, "-"), (r#", "automatic": null"#, "1"), ("", "2")]
    {
        let message: MessageData = serde_json::from_str(&told(said)).unwrap();
        life.is_sent(message);
        assert_eq!(life.fact("leaving"), leaving, "{said}");
    }
    // What agents and bots write is theirs, whatever it says.
    life.says(Speaker::Agent, None, AWAY);
    let line = life.twin.last_conversation().unwrap().lines.last().unwrap().clone();
    assert_eq!(*line.text, *AWAY);
}
