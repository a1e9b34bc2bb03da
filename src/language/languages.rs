use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use include_dir::{Dir, include_dir};
use smallvec::SmallVec;

use super::automatic::Automatic;
use super::file::LexiconReader;
use super::language_model::LanguageModel;
use super::lexicon::Lexicon;
use super::parsed_message::ParsedMessage;
use super::thread::Threads;
use super::{
    DetectedLanguage, GraveFinding, Language, LanguagePrior, Reading, detect, html, language_model,
};
use crate::config::{Findings, Mistakes, limits};
use crate::event::{cut, language_tag};

static FILES: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/config/languages");

#[expect(clippy::expect_used, reason = "the message names the invariant")]
static EMBEDDED: LazyLock<Arc<Languages>> = LazyLock::new(|| {
    Arc::new(Languages::new(embedded_files()).expect("a test reads the languages that come along"))
});

/// The replacement for a thread that was left out: it is not read as the writer's own text either.
const LEFT_OUT: &str = "\n> […]";

/// The prefix of an automatic message's text, where people read it.
pub const AUTOMATIC: &str = "[automatic] ";

/// The folder with the data that all languages share.
const ANY: &str = "any";

/// The file with the model that tells languages apart.
const DETECTION: &str = "any/detection.txt";

/// The loaded languages, each with its words, phrases and model.
#[derive(Debug)]
pub struct Languages {
    all: Vec<Lexicon>,
    /// The phrases of mail programs, in any language.
    threads: Threads,
    /// The phrases of automatic messages, in any language.
    automatic: Automatic,
    /// What tells languages apart.
    detection: LanguageModel,
}

impl Languages {
    /// The built-in languages.
    pub fn embedded() -> Arc<Languages> {
        EMBEDDED.clone()
    }

    /// The languages of some files, by name: `fr/words.txt` is French, `any/…` is for all languages.
    /// Files of one language are read in the order of their names; a later one overrides an earlier one.
    ///
    /// # Errors
    /// All mistakes in them, with file and line.
    pub fn new<N: Into<String>, C: Into<String>>(
        files: impl IntoIterator<Item = (N, C)>,
    ) -> Result<Languages, Mistakes> {
        let files = files.into_iter().map(|(name, content)| (name.into(), content.into()));
        Languages::load(files, [])
    }

    /// The languages of some files, each with its model of `models`.
    fn load(
        files: impl IntoIterator<Item = (String, String)>,
        models: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Languages, Mistakes> {
        let mut found = Findings::default();
        let (mut shared, mut detection) = (BTreeMap::new(), LanguageModel::default());
        let mut own: BTreeMap<Language, BTreeMap<String, String>> = BTreeMap::new();
        for (name, content) in files {
            let folder = match name.split_once('/') {
                Some((folder, file)) if file.ends_with(".txt") => folder,
                _ => continue,
            };
            if name == DETECTION {
                detection = LanguageModel::read(&name, &content, &mut found);
                continue;
            }
            if folder == ANY {
                shared.insert(name, content);
                continue;
            }
            match folder.parse::<Language>() {
                Ok(language) => {
                    own.entry(language).or_default().insert(name, content);
                }
                Err(error) => found.in_line(&name, 0, format!("in the folder's name: {error}")),
            }
        }
        if own.len() > limits::LANGUAGES {
            let most = limits::LANGUAGES;
            found.in_line("", 0, format!("expected at most {most} languages, found {}", own.len()));
        }
        let models = models_by_language(models, &own, &mut found);
        let (mut threads, mut automatic) = (Threads::default(), Automatic::default());
        let mut all = Vec::with_capacity(own.len());
        for (language, files) in own.iter().take(limits::LANGUAGES) {
            let mut lexicon = Lexicon::new(*language);
            let mut reader = LexiconReader::new(&mut lexicon, &mut found);
            files.values().for_each(|content| reader.read_elisions(content));
            for (name, content) in shared.iter().chain(files) {
                reader.read(name, content);
            }
            if let Some((name, content)) = models.get(language) {
                reader.read_model(name, content);
            }
            reader.finish();
            threads.join(std::mem::take(&mut lexicon.threads));
            automatic.join(std::mem::take(&mut lexicon.automatic));
            all.push(lexicon);
        }
        found.finish_by_line().map(|()| Languages { all, threads, automatic, detection })
    }

    /// The built-in languages, and those of `files`, which replace built-in ones of the same code.
    ///
    /// # Errors
    /// All mistakes in the files.
    pub fn with(files: impl IntoIterator<Item = (String, String)>) -> Result<Languages, Mistakes> {
        Languages::with_models(files, [])
    }

    /// The same with `models` of valence, which are added to their languages, whether these are built in or not: a
    /// file for each language, `fr.txt`.
    ///
    /// # Errors
    /// All mistakes in the files.
    pub fn with_models(
        files: impl IntoIterator<Item = (String, String)>,
        models: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Languages, Mistakes> {
        let files: Vec<(String, String)> = files.into_iter().collect();
        // `fra` replaces `fr`.
        let folder = |name: &str| {
            let folder = name.split('/').next().unwrap_or("");
            folder.parse::<Language>().map_or_else(|_| folder.to_owned(), |known| known.to_string())
        };
        let replaced: Vec<String> = files.iter().map(|(name, _)| folder(name)).collect();
        let kept = embedded_files().filter(|(name, _)| !replaced.contains(&folder(name)));
        let kept = kept.map(|(name, content)| (name.to_owned(), content.to_owned()));
        Languages::load(kept.chain(files), models)
    }

    /// The loaded languages, sorted by code.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Language> {
        self.all.iter().map(|lexicon| lexicon.language)
    }

    /// The languages that are read with a model of a company's own, and what its file says of it.
    pub fn models(&self) -> impl Iterator<Item = (Language, &str)> {
        self.all
            .iter()
            .filter_map(|lexicon| Some((lexicon.language, &**lexicon.own_model.as_ref()?)))
    }

    /// Detects the language of a text: one of `allowed`, or of all loaded languages if that is empty; none: it is
    /// in none of them. Without evidence it is the prior one.
    pub fn detect(
        &self,
        text: &str,
        allowed: &[Language],
        prior: LanguagePrior,
    ) -> DetectedLanguage {
        let loaded: SmallVec<[Language; 8]> = self.iter().collect();
        let allowed = if allowed.is_empty() { &loaded[..] } else { allowed };
        detect::detect(text, allowed, prior, &self.detection, &self.all)
    }

    /// The writer's own text in a mail, without the older thread around it and without the signature; for
    /// HTML its text, and letters in place of its entities (`&amp;`); unchanged if the text has none of
    /// these; empty if there is nothing else.
    pub fn own_words<'a>(&self, text: &'a str) -> Cow<'a, str> {
        match html::plain(text).or_else(|| html::decoded(text)) {
            Some(plain) => Cow::Owned(self.threads.own_words(&plain).into_owned()),
            None => self.threads.own_words(text),
        }
    }

    /// Whether a message with these [own words](Self::own_words) is automatic, so that it states no
    /// wishes.
    pub fn is_automatic(&self, own: &str) -> bool {
        self.automatic.wrote(own)
    }

    /// A text shortened to at most `most` bytes: unchanged if it is short enough, else the writer's own
    /// words first, with a mark where a thread was left out.
    pub fn shortened<'a>(&self, text: &'a str, most: usize) -> Cow<'a, str> {
        if text.len() <= most {
            return Cow::Borrowed(text);
        }
        let own = self.own_words(text);
        if own.is_empty() || own.len() == text.len() {
            return Cow::Borrowed(cut(text, most));
        }
        let own = cut(&own, most.saturating_sub(LEFT_OUT.len()));
        Cow::Owned(format!("{own}{LEFT_OUT}"))
    }

    /// Splits a message, so that it can be read in a language; `None` if the language is not loaded.
    pub fn parse<'a>(&'a self, text: &'a str, language: Language) -> Option<ParsedMessage<'a>> {
        Some(ParsedMessage::new(text, self.lexicon(language)?))
    }

    /// Reads a text in a language; `None` if the language is not loaded.
    pub fn read(&self, text: &str, language: Language) -> Option<Reading> {
        Some(self.parse(text, language)?.reading())
    }

    /// The grave topics of a text, the one with the most evidence first; none if the language is not loaded.
    pub fn grave(&self, text: &str, language: Language) -> SmallVec<[GraveFinding; 2]> {
        self.parse(text, language).map_or_else(SmallVec::new, |message| message.grave())
    }

    /// The pieces of a text for the training of a model that tells languages apart, as often as they occur.
    pub fn detection_pieces(text: &str) -> Vec<String> {
        let mut pieces = Vec::new();
        language_model::each_piece(text, |_, piece| pieces.push(piece.iter().collect()));
        pieces
    }

    /// The topics that languages provide, independent of a policy: name, language, and a phrase.
    pub fn topics(&self) -> impl Iterator<Item = (&str, Language, &str)> {
        self.all.iter().flat_map(|lexicon| {
            let language = lexicon.language;
            lexicon.topics.iter().map(move |(topic, phrase)| (&**topic, language, &**phrase))
        })
    }

    /// A sentence for people of the company, with every `{name}` in it replaced by its value: in the
    /// language of a tag, ignoring the region, else in English, else its key and the values.
    pub fn say(&self, tag: Option<&str>, key: &str, values: &[(&str, &str)]) -> String {
        let wanted = tag.and_then(|tag| language_tag(tag).parse().ok());
        let found = wanted.into_iter().chain([Language::ENGLISH]).find_map(|language| {
            self.lexicon(language).and_then(|lexicon| lexicon.sentences.get(key))
        });
        let Some(sentence) = found else {
            let values: Vec<&str> = values.iter().map(|(_, value)| *value).collect();
            return format!("{key}: {}", values.join(", "));
        };
        fill(sentence, values)
    }

    /// The topics for which languages have patterns of wishes.
    pub fn wishes(&self) -> impl Iterator<Item = &str> {
        self.all.iter().flat_map(|lexicon| lexicon.grammar.topics())
    }

    pub(super) fn lexicon(&self, language: Language) -> Option<&Lexicon> {
        self.all.iter().find(|lexicon| lexicon.language == language)
    }
}

/// The models of loaded languages, each with the name of its file: `en.txt`.
fn models_by_language(
    models: impl IntoIterator<Item = (String, String)>,
    loaded: &BTreeMap<Language, BTreeMap<String, String>>,
    found: &mut Findings,
) -> BTreeMap<Language, (String, String)> {
    let mut known = BTreeMap::new();
    for (name, content) in models {
        let language = name.strip_suffix(".txt").and_then(|code| code.parse().ok());
        match language.filter(|language| loaded.contains_key(language)) {
            Some(language) => {
                known.insert(language, (name, content));
            }
            None => {
                let codes: Vec<&str> = loaded.keys().map(Language::as_str).collect();
                let expected = format!(
                    "expected a model named by one of the loaded languages ({}), such as `en.txt`",
                    codes.join(", ")
                );
                found.in_line(&name, 0, expected);
            }
        }
    }
    known
}

/// A sentence with its placeholders filled. Inserted values are not scanned for placeholders.
fn fill(sentence: &str, values: &[(&str, &str)]) -> String {
    let mut text = String::with_capacity(sentence.len() + 64);
    let mut rest = sentence;
    while let Some((before, after)) = rest.split_once('{') {
        text.push_str(before);
        let hole = after.split_once('}').and_then(|(name, after)| {
            let value = values.iter().find(|(known, _)| *known == name)?;
            Some((value.1, after))
        });
        rest = match hole {
            Some((value, after)) => {
                text.push_str(value);
                after
            }
            None => {
                text.push('{');
                after
            }
        };
    }
    text.push_str(rest);
    text
}

/// Names and contents of the built-in files.
fn embedded_files() -> impl Iterator<Item = (&'static str, &'static str)> {
    FILES
        .dirs()
        .flat_map(Dir::files)
        .filter_map(|file| Some((file.path().to_str()?, file.contents_utf8()?)))
}
