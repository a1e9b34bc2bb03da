//! An erasure rewrites the store's files only when no row names the customer any more.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jumeau::actors::Eraser;
use jumeau::bus::Relay;
use jumeau::commit::Committer;
use jumeau::event::{Customer, ErasureId, Output, Time};
use jumeau::store::Store;
use jumeau::tables::{Batch, Commit, ErasureProgress, ErasureStage, Pseudonym, Read};
use tokio::sync::mpsc::unbounded_channel;
use tokio::time::timeout;

use crate::partition::store;
use crate::{eventually, world};

/// An erasure that waits for nothing rewrites the files much sooner.
const LONG_ENOUGH: Duration = Duration::from_secs(1);

/// The partitions of the identifiers that are erased, and of a customer who had one of them before.
const ANNAS: u16 = 7;
const COOKIES: u16 = 3;
const BOBS: u16 = 9;

/// Two identifiers of one customer, deleted from the store and the streams; and messages to one of them,
/// which the broker has confirmed, and whose rows are deleted with the next commit.
fn erase_both(store: &Store) {
    let mut batch = Batch::new();
    let at = Time::from_ms(1_700_000_000_000);
    for (partition, customer, mark) in [(ANNAS, "anna", 1), (COOKIES, "cookie-zz", 2)] {
        let erasing = ErasureProgress {
            customer: Some(Customer::new(customer).unwrap()),
            mark: Pseudonym([mark; 16]),
            at,
            until: at,
            sequence: 1,
            also: Vec::new(),
            removed: Vec::new(),
            stage: ErasureStage::Files,
        };
        batch.put_erasing(partition, ErasureId(5), &erasing);
    }
    for partition in [ANNAS, BOBS] {
        let output = Output {
            id: "o-0".into(),
            subject: "jumeau.events._jumeau.cookie-zz".into(),
            headers: Box::default(),
            payload: "".into(),
        };
        batch.put_output(partition, 0, &output).unwrap();
        batch.set_next_output(partition, 1);
    }
    store.commit(&[batch]).unwrap();
}

/// How many of the two erasures are at a stage that is meant.
fn count(store: &Store, is_meant: impl Fn(ErasureStage) -> bool) -> usize {
    let rows = [ANNAS, COOKIES].map(|partition| store.erasing(partition).unwrap());
    rows.iter().flatten().filter(|(_, erasing)| is_meant(erasing.stage)).count()
}

/// The files of a folder in which a name stands, but for the manifest, which is written anew at a start.
fn naming(folder: &Path, name: &str) -> Vec<String> {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let holds = |path: &Path| {
        // A file may go while it is looked for.
        let content = std::fs::read(path).unwrap_or_default();
        content.windows(name.len()).any(|window| window == name.as_bytes())
    };
    let found = files.filter(|path| holds(path));
    let mut names: Vec<String> =
        found.map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect();
    names.retain(|name| !name.starts_with("MANIFEST"));
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_rewritten_only_after_the_messages_to_other_identifiers_have_left_the_store() {
    let world = world().await;
    let store = store(&world);
    erase_both(&store);
    // The erasure of somebody else, a moment before, writes every row into a file.
    store.purge(0, &Customer::new("nobody-at-all").unwrap()).unwrap();
    let folder = world.folder.path().join("store");
    assert!(!naming(&folder, "cookie-zz").is_empty(), "the test looks where the name is");
    let relay = Arc::new(Relay::spawn(&world.bus, |_| {}).await.unwrap());
    let (fatal, _heard) = unbounded_channel();
    let committer = Committer::spawn(store.clone(), |_| (), |_| ()).unwrap();
    let stored = (store.clone(), committer.handle(), None);
    let (_eraser, task) = Eraser::new(stored, world.bus.clone(), relay, 16, fatal);
    let running = tokio::spawn(task.run());

    let has_begun = async || count(&store, |stage| stage != ErasureStage::Files) > 0;
    let went_on = timeout(LONG_ENOUGH, eventually("files are rewritten", has_begun)).await;
    assert!(went_on.is_err(), "a message to one of the identifiers is still in the store");
    let mut batch = Batch::new();
    for partition in [ANNAS, BOBS] {
        batch.delete_output(partition, 0);
    }
    store.commit(&[batch]).unwrap();
    let is_done = |stage| matches!(stage, ErasureStage::Done(_));
    eventually("both are erased", async || count(&store, is_done) == 2).await;
    running.abort();

    for name in ["anna", "cookie-zz"] {
        assert_eq!(naming(&folder, name), Vec::<String>::new(), "{name}");
    }
}
