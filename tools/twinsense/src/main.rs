//! `twinsense`: measures text analysis, and trains the linear models of languages.

mod detection;
mod evidence;
mod fit;
mod grave;
mod groups;
mod measure;
mod model_folder;
mod read;
mod scaled_piece;
mod set;
mod topic;
mod train;
mod train_detection;
mod train_grave;

use std::io;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use jumeau::language::Language;
use jumeau::{policy_source, terminal};

use crate::grave::GraveSet;
use crate::read::HeardText;
use crate::set::Set;
use crate::train_detection::LanguageSet;

/// Measures how well messages are read, and trains the linear models of languages.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// A folder of languages to use beside those that come along.
    #[arg(long, global = true)]
    languages: Option<PathBuf>,
    /// A folder of models of valence to use, one file per language.
    #[arg(long, global = true)]
    models: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Prints precision, recall and F1 of each class, and macro-F1, for each set.
    ///
    /// A set is a file of lines `label TAB text`. Labels are -1, 0 and 1, or 0 and 1 for sets of
    /// two classes, in which a valence above 0 is positive. A line that begins with `# ` is passed
    /// over.
    Measure {
        /// Sets, each with its language: `en:reviews.tsv`.
        #[arg(required = true)]
        sets: Vec<String>,
    },
    /// Prints precision and recall of a topic that languages bring along, for each set.
    ///
    /// Labels are 1 where the topic is there and 0 where it is not.
    Topic {
        /// The topic: `person`.
        topic: String,
        /// Prints the texts, too, in which it is missed or seen wrongly.
        #[arg(long)]
        misses: bool,
        /// Sets, each with its language: `en:wishes.tsv`.
        #[arg(required = true)]
        sets: Vec<String>,
    },
    /// Prints precision and recall of each grave topic, for each set.
    ///
    /// A set is a file of lines `topics TAB resembles TAB text`: the topics of the text, separated by
    /// commas, or `-`; and, for a text without a topic, the one that it resembles, or `-`.
    Grave {
        /// Prints the texts, too, in which a topic is missed or seen wrongly.
        #[arg(long)]
        misses: bool,
        /// Sets, each with its language: `en:grave.tsv`.
        #[arg(required = true)]
        sets: Vec<String>,
    },
    /// Trains a model of valence on a set, and writes it: a file `en.txt` for a folder of models.
    ///
    /// It is refused if it reads messages that it has not seen no better than chance or than the lexicon, by more
    /// than the messages vary; and if the labels contradict each other, or seem reversed.
    Train {
        /// The file to write, named by the language: `models/en.txt`. The one that stands there stays whole if
        /// anything fails. Without it, the model is printed.
        #[arg(long)]
        out: Option<PathBuf>,
        /// The set, with its language: `en:messages.tsv`.
        set: String,
    },
    /// Trains the model of grave topics of a language on sets as `grave` reads them, and prints its
    /// `[gravemodel]` section.
    TrainGrave {
        /// The language of the sets: `en`.
        language: Language,
        /// The files of the sets.
        #[arg(required = true)]
        sets: Vec<PathBuf>,
    },
    /// Prints how often languages are told from texts: without a prior, with the right one, with a wrong one.
    ///
    /// A set is a file of lines `language TAB text`, or, with its language (`es:texts.tsv`), one of texts in one
    /// language, each the last column of its line.
    Detection {
        /// Prints the texts, too, whose language is not told.
        #[arg(long)]
        misses: bool,
        /// The sets.
        #[arg(required = true)]
        sets: Vec<String>,
    },
    /// Trains the model that tells languages apart on sets as `detection` reads them, and prints the file
    /// `any/detection.txt`.
    ///
    /// Texts of `mul` are as good in one language as in another, such as names; those of `und` are in languages
    /// that are not told apart.
    TrainDetection {
        /// The sets.
        #[arg(required = true)]
        sets: Vec<String>,
    },
    /// Prints what the service reads from a customer's message, as JSON.
    ///
    /// Quoted mail, signatures and HTML are left out, and nothing is read from automatic messages.
    Read {
        /// The language; without it, the one that is told from the text.
        #[arg(long)]
        language: Option<Language>,
        /// The text; without it, what is on standard input.
        text: Vec<String>,
    },
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let languages = {
        let (folder, models) = (arguments.languages.as_deref(), arguments.models.as_deref());
        policy_source::languages(folder, models)?
    };
    match arguments.command {
        Command::Measure { sets } => {
            for set in &sets {
                terminal::show(measure::measure(&Set::read(set)?, &languages)?);
            }
        }
        Command::Topic { topic, misses, sets } => {
            topic::check(&topic, &languages)?;
            for set in &sets {
                terminal::show(topic::measure(&topic, &Set::read(set)?, misses, &languages)?);
            }
        }
        Command::Grave { misses, sets } => {
            for set in &sets {
                terminal::show(grave::measure(&GraveSet::named(set)?, misses, &languages)?);
            }
        }
        Command::Train { out, set } => {
            let set = Set::read(&set)?;
            // Nobody should wait for a model that cannot be written.
            out.iter().try_for_each(|path| model_folder::check_place(path, set.language))?;
            let model = train::train(&set, &languages)?;
            match out {
                Some(path) => model_folder::write(&path, set.language, &model)?,
                None => terminal::show(model),
            }
        }
        Command::TrainGrave { language, sets } => {
            let sets = sets.iter().map(|file| GraveSet::read(language, file));
            let sets = sets.collect::<anyhow::Result<Vec<_>>>()?;
            terminal::show(train_grave::train(&sets, &languages)?);
        }
        Command::Detection { misses, sets } => {
            for name in &sets {
                let set = LanguageSet::read(name)?;
                let table = detection::measure(&set, misses, &languages);
                terminal::show(format!("{name}\n{table}"));
            }
        }
        Command::TrainDetection { sets } => {
            let sets = sets
                .iter()
                .map(|set| LanguageSet::read(set))
                .collect::<anyhow::Result<Vec<_>>>()?;
            terminal::show(train_detection::train(&sets)?);
        }
        Command::Read { language, text } => {
            let text = if text.is_empty() {
                io::read_to_string(io::stdin()).context("cannot read the text on standard input")?
            } else {
                text.join(" ")
            };
            anyhow::ensure!(!text.trim().is_empty(), "expected a text to read, found an empty one");
            let heard = HeardText::read(&text, language, &languages)?;
            let reading = serde_json::to_string_pretty(&heard)?;
            terminal::say(terminal::json(&reading));
        }
    }
    // A reader who stops reading, as `| head` does, is no failure.
    match terminal::unwritten() {
        Some(why) => Err(anyhow::Error::msg(why)),
        None => Ok(()),
    }
}
