//! What is left of a model, whatever the training says.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn twinsense(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_twinsense"));
    command.args(arguments).current_dir(folder).env_remove("RUST_BACKTRACE");
    command.output().expect("it runs")
}

/// Messages whose words no lexicon knows; the labels say what the last word means, or nothing.
fn messages(has_sense: bool) -> String {
    let names = ["ada", "bela", "cora", "dora", "edda", "fina", "gina", "hanna"];
    let rows = (0..240_usize).map(|number| {
        let [one, two, three] = [1, 8, 64].map(|of| names[number / of % 8]);
        let word = if number % 2 == 0 { "zorky" } else { "plonk" };
        // One digit amid those of a large product: it has nothing to do with the words.
        let label = if has_sense { number % 2 } else { ((number * 2_654_435_761) >> 16) % 2 };
        format!("{label}\tthe gribble {one} {two} {three} is {word}\n")
    });
    rows.collect()
}

#[test]
fn a_model_stays_whole_if_the_training_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("good.tsv"), messages(true)).unwrap();
    fs::write(at("random.tsv"), messages(false)).unwrap();
    fs::create_dir(at("models")).unwrap();
    let train = |set: &str, out: &str| twinsense(folder.path(), &["train", set, "--out", out]);

    let output = train("en:good.tsv", "models/en.txt");
    assert!(output.status.success() && output.stdout.is_empty(), "{output:?}");
    let model = fs::read_to_string(at("models/en.txt")).unwrap();
    assert!(model.starts_with("# `twinsense train` on 240 messages"), "{model}");
    assert!(model.lines().last().unwrap().starts_with("# end of the model: "), "{model}");

    for (set, out, why) in [
        ("en:random.tsv", "models/en.txt", "that can be learned from the texts"),
        ("en:none.tsv", "models/en.txt", "cannot read the set none.tsv"),
        ("en:good.tsv", "models/fr.txt", "such as `models/en.txt`, found `models/fr.txt`"),
        ("en:good.tsv", "nowhere/en.txt", "expected a folder for the model `nowhere/en.txt`"),
    ] {
        let output = train(set, out);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && stderr.contains(why), "{set} {out}: {stderr}");
    }
    assert_eq!(fs::read_to_string(at("models/en.txt")).unwrap(), model);
    let files = fs::read_dir(at("models")).unwrap().map(|file| file.unwrap().file_name());
    assert_eq!(files.collect::<Vec<_>>(), ["en.txt"], "no draft is left");

    let printed = twinsense(folder.path(), &["train", "en:good.tsv"]);
    assert_eq!(String::from_utf8(printed.stdout).unwrap(), model);
}
