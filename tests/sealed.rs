//! A store whose rows are sealed: what a disk, a backup or a thief has of it says nothing without the
//! master key, and nothing at all of who was erased.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use jumeau::config::settings;
use jumeau::event::{Customer, Output, Time};
use jumeau::store::{Store, StoreSummary, examine, restore, rewrap};
use jumeau::tables::{Batch, Commit, Error, IndexKey, MemoryStore, Read, Table, TimerKey};
use proptest::prelude::*;
use tempfile::TempDir;

const PARTITIONS: u16 = 2;
/// What only one customer ever said.
const WORDS: &str = "quokka-marmalade";

/// A folder with a master key in a file, and a store beside it.
struct Place {
    folder: TempDir,
    settings: settings::StoreSettings,
}

impl Place {
    fn new() -> Place {
        let folder = TempDir::new().unwrap();
        let settings = settings::StoreSettings {
            path: folder.path().join("store"),
            backups: folder.path().join("backups"),
            master_key: Some(key(folder.path(), "master", '7')),
            cache_bytes: 8 << 20,
            write_buffer_bytes: 16 << 20,
            ..settings::StoreSettings::default()
        };
        Place { folder, settings }
    }

    fn open(&self) -> Result<Store, Error> {
        Store::open(&self.settings, PARTITIONS)
    }

    fn keys(&self) -> PathBuf {
        self.folder.path().join("store-keys")
    }

    /// With another place for the store, or another master key.
    fn with(&self, change: impl FnOnce(&mut settings::StoreSettings)) -> settings::StoreSettings {
        let mut settings = self.settings.clone();
        change(&mut settings);
        settings
    }

    fn examine(&self, path: &Path) -> Result<StoreSummary, Error> {
        examine(path, self.settings.master_key.as_deref())
    }
}

/// A file with a master key.
fn key(folder: &Path, name: &str, digit: char) -> String {
    let file = folder.join(name);
    fs::write(&file, format!("{}\n", digit.to_string().repeat(64))).unwrap();
    file.to_str().unwrap().to_owned()
}

fn customer(id: &str) -> Customer {
    Customer::new(id).unwrap()
}

fn output(id: &str, words: &str) -> Output {
    Output {
        id: "o".into(),
        subject: format!("jumeau.actions.app.open-card.{id}").into(),
        headers: [].into(),
        payload: words.as_bytes().to_vec().into(),
    }
}

fn timer(id: &str) -> TimerKey {
    TimerKey { due: Time::from_ms(9), customer: customer(id), name: "form".into() }
}

#[test]
fn the_secret_of_a_sealed_store_comes_of_its_keys_and_lies_nowhere_in_clear() {
    let place = Place::new();
    let store = place.open().unwrap();
    let secret = store.secret([1; 32]).unwrap();
    assert_ne!(secret, [1; 32], "none that somebody brings");
    let mut rows = Vec::new();
    store
        .scan(Table::Meta, &[], &[u8::MAX; 2], &mut |key, _| {
            rows.push(String::from_utf8_lossy(key).into_owned());
            Ok(true)
        })
        .unwrap();
    assert!(rows.iter().all(|row| !row.contains("secret")), "{rows:?}");
    store.commit(&[rows_of("ada", WORDS, 1)]).unwrap();
    let backup = place.settings.backups.join("nightly");
    store.back_up(&backup).unwrap();
    drop(store);

    // Another master key, or a backup, is the same store: its receipts stay good.
    let other = key(place.folder.path(), "other", '8');
    rewrap(&place.settings, &other).unwrap();
    let rewrapped = place.with(|settings| settings.master_key = Some(other.clone()));
    let store = Store::open(&rewrapped, PARTITIONS).unwrap();
    assert_eq!(store.secret([2; 32]).unwrap(), secret);
    drop(store);
    let elsewhere = place.with(|settings| {
        settings.path = place.folder.path().join("elsewhere");
        settings.master_key = Some(other);
    });
    restore(&backup, &elsewhere).unwrap();
    assert_eq!(Store::open(&elsewhere, PARTITIONS).unwrap().secret([3; 32]).unwrap(), secret);

    let another = Place::new();
    assert_ne!(another.open().unwrap().secret([1; 32]).unwrap(), secret);
}

/// What others may do with a file or folder.
fn for_others(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o077
}

#[test]
fn the_folders_of_store_keys_and_backups_are_private() {
    let place = Place::new();
    fs::create_dir(&place.settings.path).unwrap();
    fs::set_permissions(&place.settings.path, fs::Permissions::from_mode(0o755)).unwrap();
    let store = place.open().unwrap();
    let backup = place.settings.backups.join("nightly");
    store.back_up(&backup).unwrap();
    let copied = place.settings.backups.join("customers-keys");
    for folder in [&place.settings.path, &place.keys(), &place.settings.backups, &backup, &copied] {
        assert_eq!(for_others(folder), 0, "{}", folder.display());
    }
    drop(store);
    // Whatever the umask was, they are closed with the next start.
    for folder in [&place.settings.path, &place.keys()] {
        for file in fs::read_dir(folder).unwrap() {
            let file = file.unwrap().path();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        }
    }
    let file = |path: PathBuf| (fs::metadata(&path).unwrap().ino(), path);
    let before: Vec<(u64, PathBuf)> = [&place.settings.path, &place.keys()]
        .into_iter()
        .flat_map(|folder| fs::read_dir(folder).unwrap().map(|entry| file(entry.unwrap().path())))
        .collect();
    let _store = place.open().unwrap();
    // What the engine writes anew is made under the umask of the process, which `main` sets.
    let is_same =
        |(number, path): &&(u64, PathBuf)| fs::metadata(path).is_ok_and(|now| now.ino() == *number);
    let same: Vec<_> = before.iter().filter(is_same).collect();
    assert!(same.len() > 2, "{before:?}");
    for (_, path) in same {
        assert_eq!(for_others(path), 0, "{}", path.display());
    }
}

const INDEX: IndexKey = IndexKey { path: 1, value: 2 };

/// Something of a customer in every table that says something of customers.
fn rows_of(id: &str, words: &str, sequence: u64) -> Batch {
    let mut batch = Batch::new();
    let who = customer(id);
    let sealed = |kind| {
        let mut record = Vec::new();
        jumeau::codec::encode(kind, words, &mut record).unwrap();
        record
    };
    use jumeau::codec::RecordKind;
    batch.put_twin(1, &who, &sealed(RecordKind::Twin));
    batch.put_block(1, &who, 3, &sealed(RecordKind::Block));
    batch.put_input(1, &who, Time::from_ms(5), 1, &sealed(RecordKind::Input));
    batch.put_output(1, sequence, &output(id, words)).unwrap();
    batch.put_timer(1, &timer(id));
    batch.put_index(1, INDEX, &who);
    batch.set_next_output(1, 1_000);
    batch
}

/// The customer is erased, as a partition does it.
fn erasure(id: &str, sequence: u64) -> Batch {
    let mut batch = Batch::new();
    batch.delete_twin(1, &customer(id));
    batch.delete_output(1, sequence);
    batch.delete_timer(1, &timer(id));
    batch.delete_index(1, INDEX, &customer(id));
    batch
}

/// The state of a twin, if there is one.
fn state(store: &Store, id: &str) -> Option<String> {
    let loaded = store.load(1, &[customer(id)]).unwrap().pop().flatten()?;
    assert_eq!(loaded.timeline.len(), 1);
    Some(jumeau::codec::decode(jumeau::codec::RecordKind::Twin, &loaded.state).unwrap())
}

/// Everything that a store holds.
fn content(store: &impl Read) -> BTreeMap<(Table, Vec<u8>), Vec<u8>> {
    let mut content = BTreeMap::new();
    for &table in Table::ALL {
        let visit = &mut |key: &[u8], value: &[u8]| {
            if table != Table::Meta {
                content.insert((table, key.to_vec()), value.to_vec());
            }
            Ok(true)
        };
        store.scan(table, &[], &[0xFF; 2], visit).unwrap();
    }
    content
}

/// The files below a folder in which some bytes stand.
fn holding(folder: &Path, bytes: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(holding(&path, bytes));
        } else if fs::read(&path).unwrap().windows(bytes.len()).any(|part| part == bytes.as_bytes())
        {
            found.push(path);
        }
    }
    found
}

/// A copy of a folder, as a process that is killed now would leave it.
fn killed(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        if file.file_name() != "LOCK" {
            fs::copy(file.path(), to.join(file.file_name())).unwrap();
        }
    }
}

#[test]
fn the_files_hold_no_words_of_customers() {
    for is_sealed in [false, true] {
        let mut place = Place::new();
        if !is_sealed {
            place.settings.master_key = None;
        }
        let store = place.open().unwrap();
        store.commit(&[rows_of("ada", WORDS, 1)]).unwrap();
        let in_log = !holding(&place.settings.path, WORDS).is_empty();
        store.back_up(&place.settings.backups.join("first")).unwrap();
        store.compact();
        let in_files = !holding(place.folder.path(), WORDS).is_empty();
        assert_eq!((in_log, in_files), (!is_sealed, !is_sealed), "sealed: {is_sealed}");
        assert_eq!(state(&store, "ada").as_deref(), Some(WORDS));
        drop(store);
        let store = place.open().unwrap();
        assert_eq!(state(&store, "ada").as_deref(), Some(WORDS));
        assert_eq!(store.outbox(1, 0, 9).unwrap(), [(1, output("ada", WORDS))]);
        assert_eq!(place.keys().exists(), is_sealed);
    }
}

#[test]
fn the_keys_name_no_customer() {
    let place = Place::new();
    let store = place.open().unwrap();
    store.commit(&[rows_of("zenobia-wrzesniewska", WORDS, 1)]).unwrap();
    drop(store);
    assert!(!holding(&place.settings.path, "zenobia-wrzesniewska").is_empty());
    assert!(holding(&place.keys(), "zenobia-wrzesniewska").is_empty());
}

#[test]
fn without_the_right_master_key_nothing_is_opened() {
    let place = Place::new();
    let store = place.open().unwrap();
    store.commit(&[rows_of("ada", WORDS, 1)]).unwrap();
    drop(store);
    let folder = place.folder.path().to_str().unwrap().to_owned();
    let mut refusals = String::new();
    let other = key(place.folder.path(), "other", '8');
    let short = place.folder.path().join("short");
    fs::write(&short, "77").unwrap();
    let wrong = [
        None,
        Some(other.clone()),
        Some(short.to_str().unwrap().to_owned()),
        Some(format!("{folder}/missing")),
        Some("env:NO_SUCH_KEY".to_owned()),
    ];
    for master_key in wrong {
        let refused = Store::open(&place.with(|it| it.master_key = master_key.clone()), PARTITIONS);
        let refused = refused.unwrap_err();
        let looked = examine(&place.settings.path, master_key.as_deref()).unwrap_err();
        assert_eq!(looked.to_string(), refused.to_string());
        refusals += &format!("{refused}\n\n");
    }
    let clear = place.with(|it| (it.path, it.master_key) = (it.path.join("../clear"), None));
    drop(Store::open(&clear, PARTITIONS).unwrap());
    let sealed = settings::StoreSettings { master_key: Some(other), ..clear };
    refusals += &format!("{}\n\n", Store::open(&sealed, PARTITIONS).unwrap_err());
    fs::rename(place.keys(), place.folder.path().join("elsewhere")).unwrap();
    refusals += &format!("{}\n", place.open().unwrap_err());
    insta::assert_snapshot!(refusals.replace(&folder, "…"), @r"
    expected the master key of the store, found none; set `store.master-key` to its file or `env:VARIABLE`: without it no customer data can be read

    expected the master key of the store, found another key in the file …/other, which cannot unwrap those in …/store-keys; set `store.master-key` to its file or `env:VARIABLE`: without it no customer data can be read

    expected the master key of the store, found no 64 hexadecimal digits in the file …/short; set `store.master-key` to its file or `env:VARIABLE`: without it no customer data can be read

    expected the master key of the store, found No such file or directory (os error 2) for the file …/missing; set `store.master-key` to its file or `env:VARIABLE`: without it no customer data can be read

    expected the master key of the store, found no text in the variable NO_SUCH_KEY; set `store.master-key` to its file or `env:VARIABLE`: without it no customer data can be read

    expected a sealed store at …/store/../clear, because `store.master-key` is set, found one in clear; a store can only be sealed when it is created: unset `store.master-key`, or choose another `store.path`

    expected the customer keys of the store in …/store-keys, found none; restore them, or move the store away and restore a backup: without their key, a customer's data cannot be read
    ");
    fs::rename(place.folder.path().join("elsewhere"), place.keys()).unwrap();
    assert_eq!(state(&place.open().unwrap(), "ada").as_deref(), Some(WORDS));
}

#[test]
fn an_erased_customer_is_gone_from_earlier_backups() {
    let place = Place::new();
    let store = place.open().unwrap();
    store.commit(&[rows_of("ada", WORDS, 1), rows_of("bob", "something else", 2)]).unwrap();
    let backup = place.settings.backups.join("before");
    store.back_up(&backup).unwrap();
    let before = place.examine(&backup).unwrap();
    assert_eq!((before.verified.defects, before.unreadable, before.twins), (0, 0, 2));

    store.commit(&[erasure("ada", 1)]).unwrap();
    assert_eq!(store.retired_keys(&customer("ada")).unwrap(), 1);
    store.forget_keys(&customer("ada")).unwrap();
    store.purge(1, &customer("ada")).unwrap();
    assert_eq!(store.retired_keys(&customer("ada")).unwrap(), 0);
    assert_eq!(state(&store, "bob").as_deref(), Some("something else"));
    drop(store);

    // State, block, input and output.
    let after = place.examine(&backup).unwrap();
    assert_eq!((after.verified.defects, after.unreadable, after.twins), (0, 4, 1));
    // The machine is lost: there is nothing but the backups, and the keys beside them.
    let elsewhere = place.with(|it| it.path = place.folder.path().join("other/store"));
    restore(&backup, &elsewhere).unwrap();
    let store = Store::open(&elsewhere, PARTITIONS).unwrap();
    assert_eq!(state(&store, "ada"), None);
    assert_eq!(state(&store, "bob").as_deref(), Some("something else"));
    assert_eq!(store.outbox(1, 0, 9).unwrap(), [(2, output("bob", "something else"))]);
    assert_eq!(store.timers(1, None, 9).unwrap(), [timer("bob")]);
    drop(store);
    let restored = place.examine(&elsewhere.path).unwrap();
    assert_eq!((restored.verified.defects, restored.unreadable, restored.twins), (0, 0, 1));
}

#[test]
fn a_restored_store_goes_by_the_keys_that_are_there() {
    let place = Place::new();
    let store = place.open().unwrap();
    store.commit(&[rows_of("ada", WORDS, 1)]).unwrap();
    let backup = place.settings.backups.join("before");
    store.back_up(&backup).unwrap();
    // Somebody keeps a copy of the keys of then, and puts it back.
    let kept = place.folder.path().join("kept");
    killed(&place.settings.backups.join("customers-keys"), &kept);
    store.commit(&[erasure("ada", 1)]).unwrap();
    store.forget_keys(&customer("ada")).unwrap();
    drop(store);
    fs::remove_dir_all(place.settings.backups.join("customers-keys")).unwrap();
    fs::rename(&kept, place.settings.backups.join("customers-keys")).unwrap();
    fs::remove_dir_all(&place.settings.path).unwrap();
    restore(&backup, &place.settings).unwrap();
    assert_eq!(state(&place.open().unwrap(), "ada"), None);
}

#[test]
fn a_returning_customer_has_a_key_that_the_erasure_does_not_destroy() {
    let place = Place::new();
    let store = place.open().unwrap();
    store.commit(&[rows_of("ada", WORDS, 1)]).unwrap();
    let backup = place.settings.backups.join("before");
    store.back_up(&backup).unwrap();
    // In the same commit, before anything else is done about the erasure.
    store.commit(&[erasure("ada", 1), rows_of("ada", "here again", 2)]).unwrap();
    assert_eq!(state(&store, "ada").as_deref(), Some("here again"));
    assert_eq!(store.retired_keys(&customer("ada")).unwrap(), 1);
    for _ in 0..2 {
        store.forget_keys(&customer("ada")).unwrap();
        assert_eq!(state(&store, "ada").as_deref(), Some("here again"));
    }
    drop(store);
    assert_eq!(state(&place.open().unwrap(), "ada").as_deref(), Some("here again"));
    assert_eq!(place.examine(&backup).unwrap().unreadable, 4, "what was before is not to be read");
}

#[test]
fn a_crash_between_keys_and_store_loses_neither() {
    let place = Place::new();
    let store = place.open().unwrap();
    store.commit(&[rows_of("ada", WORDS, 1)]).unwrap();
    let crash = |from: [&Path; 2]| {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("store");
        killed(from[0], &path);
        killed(from[1], &folder.path().join("store-keys"));
        (place.with(|it| it.path = path), folder)
    };
    let earlier = TempDir::new().unwrap();
    let [store_then, keys_then] = ["store", "keys"].map(|name| earlier.path().join(name));
    killed(&place.settings.path, &store_then);
    killed(&place.keys(), &keys_then);
    store.commit(&[erasure("ada", 1), rows_of("bob", "new here", 2)]).unwrap();

    // Before the store has the erasure, and after it.
    let (lost, _folder) = crash([&store_then, &place.keys()]);
    for _ in 0..2 {
        let store = Store::open(&lost, PARTITIONS).unwrap();
        assert_eq!(state(&store, "ada").as_deref(), Some(WORDS));
        assert_eq!(store.retired_keys(&customer("ada")).unwrap(), 0, "it did not happen");
        store.forget_keys(&customer("ada")).unwrap();
        assert_eq!(state(&store, "ada").as_deref(), Some(WORDS));
        store.commit(&[rows_of("bob", "new here", 2)]).unwrap();
        assert_eq!(state(&store, "bob").as_deref(), Some("new here"));
    }
    let (done, _folder) = crash([&place.settings.path, &place.keys()]);
    let store = Store::open(&done, PARTITIONS).unwrap();
    assert_eq!((state(&store, "ada"), store.retired_keys(&customer("ada")).unwrap()), (None, 1));
    assert_eq!(state(&store, "bob").as_deref(), Some("new here"));

    // Keys of an earlier time would take bob for erased.
    let (earlier, _folder) = crash([&place.settings.path, &keys_then]);
    let refused = Store::open(&earlier, PARTITIONS).unwrap_err().to_string();
    assert!(refused.contains("an older copy: 1 changes instead of 2"), "{refused}");
}

#[test]
fn another_master_key_takes_over_everywhere() {
    let mut place = Place::new();
    let store = place.open().unwrap();
    store.commit(&[rows_of("ada", WORDS, 1), rows_of("bob", "something else", 2)]).unwrap();
    let backup = place.settings.backups.join("before");
    store.back_up(&backup).unwrap();
    let next = key(place.folder.path(), "next", '9');
    let held = rewrap(&place.settings, &next).unwrap_err();
    assert!(matches!(held, Error::InUse { .. }), "{held}");
    drop(store);

    assert_eq!(rewrap(&place.settings, &next).unwrap(), 2);
    let old = place.settings.master_key.replace(next);
    for path in [&place.settings.path, &backup] {
        let refused = examine(path, old.as_deref()).unwrap_err();
        assert!(matches!(refused, Error::MasterKey { .. }), "{refused}");
        assert_eq!(place.examine(path).unwrap().verified.defects, 0);
    }
    assert_eq!(state(&place.open().unwrap(), "ada").as_deref(), Some(WORDS));
    let clear = place.with(|it| (it.path, it.master_key) = (it.path.join("../clear"), None));
    drop(Store::open(&clear, PARTITIONS).unwrap());
    assert!(matches!(rewrap(&clear, "next"), Err(Error::InClear { .. })));
}

#[derive(Debug, Clone)]
enum Step {
    Commit(u8, String),
    Erase(u8),
    Restart,
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn a_sealed_store_reads_like_one_in_clear(
        steps in proptest::collection::vec(
            prop_oneof![
                4 => (0..4u8, "[a-z]{0,40}").prop_map(|(who, words)| Step::Commit(who, words)),
                2 => (0..4u8).prop_map(Step::Erase),
                1 => Just(Step::Restart),
            ],
            1..12,
        ),
    ) {
        let place = Place::new();
        let mut sealed = place.open().unwrap();
        let clear = MemoryStore::new();
        for step in steps {
            match step {
                Step::Commit(who, words) => {
                    let batch = [rows_of(&format!("c{who}"), &words, u64::from(who))];
                    sealed.commit(&batch).unwrap();
                    clear.commit(&batch).unwrap();
                }
                Step::Erase(who) => {
                    let id = format!("c{who}");
                    let batch = [erasure(&id, u64::from(who))];
                    sealed.commit(&batch).unwrap();
                    clear.commit(&batch).unwrap();
                    sealed.forget_keys(&customer(&id)).unwrap();
                }
                Step::Restart => {
                    drop(sealed);
                    sealed = place.open().unwrap();
                }
            }
            prop_assert_eq!(content(&sealed), content(&clear));
        }
    }
}
