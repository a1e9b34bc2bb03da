//! What it costs to read a message of 200 characters, beside copying it in lower case.

#![allow(clippy::expect_used, missing_docs, reason = "a bench's input is its own")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use jumeau::language::{Language, LanguagePrior, Languages, Phrases, Topics};

const ENGLISH: &str = "I have been waiting for three weeks and still no reply!!! The agent was friendly \
    but my order is not here, this is really disappointing. Please call me back today, or I \
    will cancel my account for good.";

const FRENCH: &str = "J'attends depuis trois semaines et toujours aucune réponse !!! La conseillère était \
    gentille mais mon colis n'est pas là, je suis vraiment déçue. Rappelez-moi aujourd'hui ou je \
    résilie.";

fn reading(bench: &mut Criterion) {
    let languages = Languages::embedded();
    let known: Vec<Language> = languages.iter().collect();
    let mut group = bench.benchmark_group("language");
    group.bench_function("baseline: lower case", |b| {
        b.iter(|| black_box(ENGLISH).to_lowercase());
    });
    for (name, text, own) in
        [("English", ENGLISH, Language::ENGLISH), ("French", FRENCH, Language::FRENCH)]
    {
        group.bench_function(format!("detect, {name}"), |b| {
            b.iter(|| languages.detect(black_box(text), &known, LanguagePrior::Own(own)));
        });
        group.bench_function(format!("detect and read, {name}"), |b| {
            b.iter(|| {
                let text = black_box(text);
                let found = languages.detect(text, &known, LanguagePrior::Own(own)).language;
                found.and_then(|language| languages.read(text, language))
            });
        });
        group.bench_function(format!("grave topics, {name}"), |b| {
            b.iter(|| languages.grave(black_box(text), own).len());
        });
    }
    let topics: Vec<String> = (0..150).map(|number| format!("topic {number}")).collect();
    let phrases = (0..2_000).map(|number| format!("phrase {number}")).collect::<Vec<_>>();
    let phrases =
        phrases.iter().enumerate().map(|(at, phrase)| (&*topics[at % 150], None, &**phrase));
    let phrases = Phrases::new(phrases.chain([("leaving", None, "cancel*")]))
        .expect("the phrases are within the limits");
    group.bench_function("topics, 2,000 phrases", |b| {
        b.iter(|| phrases.find(black_box(ENGLISH), Language::ENGLISH).len());
    });
    let wishes = Topics::new(Phrases::default(), ["person"], languages);
    for (name, text, own) in
        [("English", ENGLISH, Language::ENGLISH), ("French", FRENCH, Language::FRENCH)]
    {
        group.bench_function(format!("who asks for a person, {name}"), |b| {
            b.iter(|| wishes.find(black_box(text), own).len());
        });
    }
    group.finish();
}

criterion_group!(benches, reading);
criterion_main!(benches);
