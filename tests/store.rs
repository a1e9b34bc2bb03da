//! The store on a real disk: what was committed is there, what is not ours is refused.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use jumeau::codec::{self, RecordKind};
use jumeau::config::settings;
use jumeau::event::{
    Broadcast, Customer, ErasureId, Output, SharedFact, SlowLane, Time, Value, WrittenLane,
};
use jumeau::store::{Store, examine, restore};
use jumeau::tables::{
    Batch, Commit, Error, IndexKey, MemoryStore, Pseudonym, Read, Scan, ScanKey, Table, TimerKey,
    Tombstone,
};
use proptest::prelude::*;
use tempfile::TempDir;

const PARTITIONS: u16 = 4;

fn settings(path: &Path) -> settings::StoreSettings {
    settings::StoreSettings {
        path: path.to_owned(),
        cache_bytes: 8 << 20,
        write_buffer_bytes: 16 << 20,
        ..settings::StoreSettings::default()
    }
}

fn open(path: &Path) -> Result<Store, Error> {
    Store::open(&settings(path), PARTITIONS)
}

fn customer(id: &str) -> Customer {
    Customer::new(id).unwrap()
}

fn timer(due: i64, id: &str) -> TimerKey {
    TimerKey { due: Time::from_ms(due), customer: customer(id), name: "form".into() }
}

fn output(id: &str) -> Output {
    Output {
        id: id.into(),
        subject: "jumeau.actions.app.open-card.ada".into(),
        headers: [("a".into(), "b".into())].into(),
        payload: id.as_bytes().to_vec().into(),
    }
}

#[test]
fn an_erasure_does_not_wait_for_its_place_in_a_stream_that_is_another_one_by_now() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    let tombstone = Tombstone {
        id: ErasureId(1),
        at: Time::from_ms(5),
        until: Time::from_ms(9),
        is_lifted: false,
        earlier: Vec::new(),
        sequence: 1_000,
    };
    let mut batch = Batch::new();
    batch.put_tombstone(1, Pseudonym([7; 16]), &tombstone);
    store.commit(&[batch]).unwrap();
    let cursors = [(0, 0, None), (1, 0, None)];
    for (is_same, sequence) in [(true, 1_000), (false, 0)] {
        store.adopt(Some(1), &cursors, is_same).unwrap();
        let expected = Tombstone { sequence, ..tombstone.clone() };
        assert_eq!(store.tombstones(1).unwrap(), [(Pseudonym([7; 16]), expected)]);
    }
}

/// Everything that a store holds.
type Content = BTreeMap<(Table, Vec<u8>), Vec<u8>>;

fn content(store: &impl Read) -> Content {
    let mut content = Content::new();
    for &table in Table::ALL {
        store
            .scan(table, &[], &[0xFF; 2], &mut |key, value| {
                // What the store knows of itself differs from one to the next.
                if table != Table::Meta || key.first() != Some(&0) {
                    content.insert((table, key.to_vec()), value.to_vec());
                }
                Ok(true)
            })
            .unwrap();
    }
    content
}

/// The folder as a process that is killed now would leave it.
fn killed(path: &Path) -> TempDir {
    let copy = TempDir::new().unwrap();
    for file in fs::read_dir(path).unwrap() {
        let file = file.unwrap();
        if file.file_name() != "LOCK" {
            fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
        }
    }
    copy
}

fn log_of(path: &Path) -> PathBuf {
    let logs = fs::read_dir(path).unwrap().map(|file| file.unwrap().path());
    logs.filter(|file| file.extension().is_some_and(|end| end == "log"))
        .max_by_key(|file| fs::metadata(file).unwrap().len())
        .unwrap()
}

/// A commit of something in every table, told apart by `number`.
fn commit(store: &Store, number: u64) -> Result<(), Error> {
    let mut batch = Batch::new();
    let ada = customer("ada");
    batch.put_twin(1, &ada, format!("state {number}").as_bytes());
    batch.put_block(1, &ada, (number % 64) as u16, format!("entry {number}").as_bytes());
    batch.put_timer(1, &timer(number as i64, "ada"));
    batch.put_output(1, number, &output(&number.to_string())).unwrap();
    batch.put_input(1, &ada, Time::from_ms(number as i64), number as u32, b"input");
    batch.set_cursor(1, number);
    batch.set_next_output(1, number + 1);
    store.commit(&[batch])
}

#[test]
fn after_a_restart_everything_committed_is_there() {
    let folder = TempDir::new().unwrap();
    let store = open(folder.path()).unwrap();
    (1..=100).for_each(|number| commit(&store, number).unwrap());
    let before = content(&store);
    drop(store);

    let store = open(folder.path()).unwrap();
    assert_eq!(content(&store), before);
    let meta = store.meta(1).unwrap();
    assert_eq!((meta.cursor, meta.next_output), (100, 101));
    let found = store.load(1, &[customer("bob"), customer("ada")]).unwrap();
    let [None, Some(ada)] = &found[..] else { panic!("{found:?}") };
    assert_eq!(&*ada.state, b"state 100");
    assert_eq!(ada.timeline.len(), 64);
    assert_eq!(ada.timeline[36], (36, b"entry 100".as_slice().into()));
    assert_eq!(
        store.timers(1, Some(&timer(98, "ada")), 9).unwrap(),
        [timer(99, "ada"), timer(100, "ada")]
    );
    assert_eq!(store.outbox(1, 99, 1).unwrap(), [(99, output("99"))]);
    assert_eq!(store.outbox(1, 0, 1_000).unwrap().len(), 100);
    assert_eq!(store.outbox(2, 0, 1_000).unwrap(), []);
}

#[test]
fn a_process_that_is_killed_loses_nothing_that_was_committed() {
    for sync in [settings::SyncMode::Always, settings::SyncMode::Os] {
        let folder = TempDir::new().unwrap();
        let settings = settings::StoreSettings { sync, ..settings(folder.path()) };
        let store = Store::open(&settings, PARTITIONS).unwrap();
        (1..=10).for_each(|number| commit(&store, number).unwrap());
        let copy = killed(folder.path());
        assert_eq!(content(&open(copy.path()).unwrap()), content(&store));
    }
}

#[test]
fn a_commit_that_was_cut_off_is_lost_as_a_whole() {
    let folder = TempDir::new().unwrap();
    let store = open(folder.path()).unwrap();
    (1..=9).for_each(|number| commit(&store, number).unwrap());
    let before = content(&store);
    commit(&store, 10).unwrap();
    let copy = killed(folder.path());
    let log = fs::OpenOptions::new().write(true).open(log_of(copy.path())).unwrap();
    log.set_len(log.metadata().unwrap().len() - 3).unwrap();
    drop(log);
    assert_eq!(content(&open(copy.path()).unwrap()), before);
}

#[test]
fn damage_in_the_middle_of_the_log_is_refused_and_not_cut_off() {
    let folder = TempDir::new().unwrap();
    let store = open(folder.path()).unwrap();
    (1..=200).for_each(|number| commit(&store, number).unwrap());
    let copy = killed(folder.path());
    let path = log_of(copy.path());
    let mut log = fs::read(&path).unwrap();
    let middle = log.len() / 2;
    log[middle] ^= 0xFF;
    fs::write(&path, log).unwrap();
    let refusal = open(copy.path()).unwrap_err();
    assert!(matches!(refusal, Error::Damaged { .. }), "{refusal}");
}

#[test]
fn a_missing_table_file_is_refused() {
    let folder = TempDir::new().unwrap();
    let store = open(folder.path()).unwrap();
    commit(&store, 1).unwrap();
    store.compact();
    let copy = killed(folder.path());
    let mut files = fs::read_dir(copy.path()).unwrap().map(|file| file.unwrap().path());
    let table = files.find(|file| file.extension().is_some_and(|end| end == "sst"));
    fs::remove_file(table.unwrap()).unwrap();
    let refusal = open(copy.path()).unwrap_err();
    assert!(matches!(refusal, Error::Damaged { .. }), "{refusal}");
}

#[test]
fn a_second_process_is_refused() {
    let folder = TempDir::new().unwrap();
    let _store = open(folder.path()).unwrap();
    let refusal = open(folder.path()).unwrap_err();
    assert!(matches!(refusal, Error::InUse { .. }), "{refusal}");
}

#[test]
fn another_number_of_partitions_is_refused() {
    let folder = TempDir::new().unwrap();
    drop(open(folder.path()).unwrap());
    let refusal = Store::open(&settings(folder.path()), 16).unwrap_err();
    assert!(matches!(refusal, Error::Partitions { expected: 16, found: 4, .. }), "{refusal}");
    open(folder.path()).unwrap();
}

#[test]
fn a_foreign_store_is_refused_and_left_unchanged() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("notes.txt");
    fs::write(&file, "mine").unwrap();
    for path in [folder.path(), &file] {
        let refusal = open(path).unwrap_err();
        assert!(matches!(refusal, Error::NotJumeau { .. }), "{refusal}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_database_of_another_program_is_refused_and_left_as_it_was() {
    let named = || {
        let mut options = rocksdb::Options::default();
        options.create_if_missing(true);
        options.create_missing_column_families(true);
        options
    };
    let unnamed = TempDir::new().unwrap();
    rocksdb::DB::open_default(unnamed.path()).unwrap().put(b"key", b"value").unwrap();
    let other = TempDir::new().unwrap();
    drop(rocksdb::DB::open_cf(&named(), other.path(), ["theirs"]).unwrap());
    let alike = TempDir::new().unwrap();
    let db = rocksdb::DB::open_cf(&named(), alike.path(), ["twins"]).unwrap();
    db.put_cf(db.cf_handle("twins").unwrap(), b"key", b"value").unwrap();
    drop(db);
    for folder in [unnamed, other, alike] {
        let tables = rocksdb::DB::list_cf(&rocksdb::Options::default(), folder.path()).unwrap();
        let refusal = open(folder.path()).unwrap_err();
        assert!(matches!(refusal, Error::NotJumeau { .. }), "{refusal}");
        let left = rocksdb::DB::list_cf(&rocksdb::Options::default(), folder.path()).unwrap();
        assert_eq!(left, tables);
    }
}

#[test]
fn a_database_with_a_table_of_the_future_is_refused() {
    let folder = TempDir::new().unwrap();
    drop(open(folder.path()).unwrap());
    let tables = Table::ALL.iter().map(|table| table.name()).collect::<Vec<_>>();
    let mut options = rocksdb::Options::default();
    options.create_missing_column_families(true);
    let all = tables.into_iter().chain(["dreams"]);
    drop(rocksdb::DB::open_cf(&options, folder.path(), all).unwrap());
    let refusal = open(folder.path()).unwrap_err();
    assert!(matches!(refusal, Error::Newer { .. }), "{refusal}");
}

/// The number under which a database says of which format it is.
const FORMAT: &[u8] = b"\0format";

#[test]
fn a_database_of_an_older_format_is_opened_and_says_that_it_is_of_this_one() {
    let folder = TempDir::new().unwrap();
    drop(open(folder.path()).unwrap());
    let raw = || {
        let tables = Table::ALL.iter().map(|table| table.name()).collect::<Vec<_>>();
        rocksdb::DB::open_cf(&rocksdb::Options::default(), folder.path(), tables).unwrap()
    };
    let format = |db: &rocksdb::DB| {
        let found = db.get_cf(db.cf_handle("meta").unwrap(), FORMAT).unwrap().unwrap();
        codec::decode::<u64>(RecordKind::Number, &found).unwrap()
    };
    let set = |db: &rocksdb::DB, row: &[u8], number: u64| {
        let mut encoded = Vec::new();
        codec::encode(RecordKind::Number, &number, &mut encoded).unwrap();
        db.put_cf(db.cf_handle("meta").unwrap(), row, encoded).unwrap();
    };
    let db = raw();
    let now = format(&db);
    set(&db, FORMAT, 1);
    set(&db, b"\0floor", 70);
    drop(db);
    let store = open(folder.path()).unwrap();
    assert_eq!(store.floor().unwrap(), 70);
    assert_eq!(store.meta(0).unwrap().slow_lane.main_floor, 70, "a partition keeps the floor");
    drop(store);
    let db = raw();
    assert_eq!(format(&db), now, "an older jumeau would not open it now");
    assert_eq!(db.get_cf(db.cf_handle("meta").unwrap(), b"\0floor").unwrap(), None);
    set(&db, FORMAT, now + 1);
    drop(db);
    let refusal = open(folder.path()).unwrap_err();
    assert!(matches!(refusal, Error::Newer { .. }), "{refusal}");
}

#[test]
fn the_slow_lane_is_forgotten_only_with_its_stream() {
    let folder = TempDir::new().unwrap();
    let store = open(folder.path()).unwrap();
    let mut lane = SlowLane::default();
    lane.slow("shop", 10);
    let mut batch = Batch::new();
    batch.set_cursor(1, 30);
    batch.set_slow_cursor(1, 12);
    batch.note_slow_lane(1, &lane, &mut WrittenLane::default());
    store.commit(&[batch]).unwrap();
    let adopted = |is_same| {
        store.adopt(Some(7), &[(1, 20, None)], is_same).unwrap();
        let meta = store.meta(1).unwrap();
        (meta.cursor, meta.slow_cursor, meta.slow_lane)
    };
    assert_eq!(adopted(true), (20, 12, lane));
    assert_eq!(adopted(false), (20, 0, SlowLane::default()));
}

#[test]
fn a_database_that_was_never_finished_is_made_anew() {
    let begun = TempDir::new().unwrap();
    for file in ["LOG", "LOCK", "IDENTITY"] {
        fs::write(begun.path().join(file), "").unwrap();
    }
    commit(&open(begun.path()).unwrap(), 1).unwrap();
    let without_tables = TempDir::new().unwrap();
    drop(rocksdb::DB::open_default(without_tables.path()).unwrap());
    commit(&open(without_tables.path()).unwrap(), 1).unwrap();
}

#[test]
fn a_database_that_lost_its_first_file_is_not_taken_for_a_new_one() {
    let folder = TempDir::new().unwrap();
    commit(&open(folder.path()).unwrap(), 1).unwrap();
    fs::remove_file(folder.path().join("CURRENT")).unwrap();
    let refusal = open(folder.path()).unwrap_err();
    assert!(matches!(refusal, Error::Damaged { .. }), "{refusal}");
}

#[test]
fn an_erased_twin_leaves_nothing_but_its_neighbours() {
    let folder = TempDir::new().unwrap();
    let store = open(folder.path()).unwrap();
    let ids = ["ada", "adb", "adaa", "ad"];
    let mut batch = Batch::new();
    for id in ids.map(customer) {
        batch.put_twin(1, &id, b"state");
        (0..64).for_each(|slot| batch.put_block(1, &id, slot, b"entry"));
        batch.put_input(1, &id, Time::from_ms(5), 0, b"input");
    }
    store.commit(&[batch]).unwrap();
    let mut erasure = Batch::new();
    erasure.delete_twin(1, &customer("ada"));
    store.commit(&[erasure]).unwrap();

    let left = store.twins(1, None, 9).unwrap();
    let left: Vec<&str> = left.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(left, ["ad", "adb", "adaa"]);
    assert_eq!(store.load(1, &[customer("ada")]).unwrap(), [None]);
    assert_eq!(store.inputs(1, &customer("ada"), Time::MIN, 9).unwrap(), []);
    for id in ["ad", "adb", "adaa"].map(customer) {
        let found = store.load(1, std::slice::from_ref(&id)).unwrap();
        assert_eq!(found[0].as_ref().map(|twin| twin.timeline.len()), Some(64));
        assert_eq!(store.inputs(1, &id, Time::MIN, 9).unwrap().len(), 1);
    }
}

#[test]
fn journalled_inputs_go_when_they_are_older_than_the_retention() {
    let folder = TempDir::new().unwrap();
    let store = Store::open(
        &settings::StoreSettings { journal_days: 2, ..settings(folder.path()) },
        PARTITIONS,
    );
    let store = store.unwrap();
    let ada = customer("ada");
    let day = 24 * 3600 * 1000;
    let mut batch = Batch::new();
    for n in 0..6 {
        batch.put_input(1, &ada, Time::from_ms(n * day), 0, b"input");
    }
    store.commit(&[batch]).unwrap();
    store.compact();
    let left = store.inputs(1, &ada, Time::MIN, 9).unwrap();
    let left: Vec<i64> = left.iter().map(|input| input.at.ms() / day).collect();
    assert_eq!(left, [3, 4, 5]);
}

#[test]
fn a_check_finds_and_names_damaged_rows() {
    let folder = TempDir::new().unwrap();
    let store = open(folder.path()).unwrap();
    let sound = store.verify().unwrap();
    assert_eq!((sound.records, sound.defects), (2, 0));
    let mut batch = Batch::new();
    batch.set_cursor(1, 7);
    batch.put_twin(1, &customer("ada"), b"garbage");
    store.commit(&[batch]).unwrap();
    let found = store.verify().unwrap();
    assert_eq!((found.records, found.defects), (4, 1));
    insta::assert_snapshot!(found.described.join("\n"), @"table twins, key 000103616461: expected a twin record, found 7 bytes that are not a record; restore the store from a backup");
}

const FULL: &str = "JUMEAU_TEST_FULL_DISK";

/// Files may not grow beyond a size, in a process of its own: a real disk that is full.
#[test]
fn a_write_that_the_disk_refuses_poisons_the_store() {
    let this = "a_write_that_the_disk_refuses_poisons_the_store";
    if let Some(path) = env::var_os(FULL) {
        let store = open(Path::new(&path)).unwrap();
        let first_failed = (1..).find(|number| match commit(&store, *number) {
            Ok(()) => false,
            Err(Error::Write { .. }) => true,
            Err(other) => panic!("{other}"),
        });
        let refusal = commit(&store, 1).unwrap_err();
        assert!(matches!(refusal, Error::Poisoned), "{refusal}");
        fs::write(Path::new(&path).with_extension("failed"), first_failed.unwrap().to_string())
            .unwrap();
        return;
    }
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("db");
    let shell = "trap '' XFSZ; ulimit -f 1024; exec \"$0\" \"$@\"";
    let done = Command::new("sh")
        .args(["-c", shell])
        .arg(env::current_exe().unwrap())
        .args(["--exact", this])
        .env(FULL, &path)
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
    let failed: u64 = fs::read_to_string(path.with_extension("failed")).unwrap().parse().unwrap();
    let store = open(&path).unwrap();
    assert!(failed > 100, "the limit was reached before anything was written");
    assert_eq!(store.meta(1).unwrap().cursor, failed - 1);
    assert_eq!(store.outbox(1, 0, usize::MAX).unwrap().len() as u64, failed - 1);
}

/// One change, small enough that changes meet.
#[derive(Debug, Clone)]
enum Step {
    Twin(u8, Vec<u8>),
    Entry(u8, u16, Vec<u8>),
    Erase(u8),
    Timer(u8, i64),
    NoTimer(u8, i64),
    Output(u64),
    NoOutput(u64),
    Input(u8, i64, u32),
    Cursor(u64),
    Begin(u8, i64),
    End(u8),
    Stand(u8, u8),
    Leave(u8, u8),
    NoIndex,
}

fn step() -> impl Strategy<Value = Step> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..40);
    let id = || 0u8..6;
    prop_oneof![
        (id(), bytes()).prop_map(|(id, state)| Step::Twin(id, state)),
        (id(), 0u16..4, bytes()).prop_map(|(id, slot, entry)| Step::Entry(id, slot, entry)),
        id().prop_map(Step::Erase),
        (id(), -2i64..3).prop_map(|(id, due)| Step::Timer(id, due)),
        (id(), -2i64..3).prop_map(|(id, due)| Step::NoTimer(id, due)),
        (0u64..6).prop_map(Step::Output),
        (0u64..6).prop_map(Step::NoOutput),
        (id(), -2i64..3, 0u32..2).prop_map(|(id, at, number)| Step::Input(id, at, number)),
        any::<u64>().prop_map(Step::Cursor),
        (0u8..3, 0i64..9).prop_map(|(id, at)| Step::Begin(id, at)),
        (0u8..3).prop_map(Step::End),
        (id(), 0u8..3).prop_map(|(id, value)| Step::Stand(id, value)),
        (id(), 0u8..3).prop_map(|(id, value)| Step::Leave(id, value)),
        Just(Step::NoIndex),
    ]
}

fn batch(partition: u16, steps: &[Step]) -> Batch {
    let who = |id: &u8| customer(&"c".repeat(usize::from(*id) + 1));
    let at = |id: &u8, due: i64| TimerKey {
        due: Time::from_ms(due),
        customer: who(id),
        name: "t".into(),
    };
    let mut batch = Batch::new();
    for step in steps {
        match step {
            Step::Twin(id, state) => batch.put_twin(partition, &who(id), state),
            Step::Entry(id, slot, entry) => batch.put_block(partition, &who(id), *slot, entry),
            Step::Erase(id) => batch.delete_twin(partition, &who(id)),
            Step::Timer(id, due) => batch.put_timer(partition, &at(id, *due)),
            Step::NoTimer(id, due) => batch.delete_timer(partition, &at(id, *due)),
            Step::Output(sequence) => {
                batch.put_output(partition, *sequence, &output(&sequence.to_string())).unwrap();
            }
            Step::NoOutput(sequence) => batch.delete_output(partition, *sequence),
            Step::Input(id, at, number) => {
                batch.put_input(partition, &who(id), Time::from_ms(*at), *number, b"input");
            }
            Step::Cursor(sequence) => batch.set_cursor(partition, *sequence),
            Step::Begin(id, at) => {
                batch.put_broadcast(partition, &told(*id), Time::from_ms(*at));
                batch.put_scan(partition, &ScanKey::Wake(scope(*id)), &scan(*at));
            }
            Step::End(id) => {
                batch.delete_broadcast(partition, &scope(*id));
                batch.delete_scan(partition, &ScanKey::Wake(scope(*id)));
            }
            Step::Stand(id, value) => batch.put_index(partition, row(*value), &who(id)),
            Step::Leave(id, value) => batch.delete_index(partition, row(*value), &who(id)),
            Step::NoIndex => batch.delete_index_of(partition, row(0).path),
        }
    }
    batch
}

fn scope(id: u8) -> Box<str> {
    format!("scope-{id}").into()
}

fn told(id: u8) -> Broadcast {
    Broadcast {
        scope: scope(id),
        id: "b".into(),
        fingerprint: 7,
        time: None,
        fact: SharedFact {
            value: Some(Value::Int(id.into())),
            condition: None,
            ttl: None,
            wake: true,
            ended: false,
            decide: None,
        },
    }
}

fn scan(of: i64) -> Scan {
    Scan {
        of: of.unsigned_abs(),
        along: vec![row(1)],
        passed: 0,
        after: Some(customer("c")),
        visited: 2,
        touched: 1,
        is_done: false,
        said: 0,
        silent: jumeau::twin::StageCounts::default(),
    }
}

fn row(value: u8) -> IndexKey {
    IndexKey { path: 3, value: value.into() }
}

/// What every kind of read says.
fn answers(store: &impl Read) -> String {
    let ids: Vec<Customer> = (0..6).map(|id| customer(&"c".repeat(id + 1))).collect();
    let mut answers = String::new();
    for partition in 0..PARTITIONS {
        answers += &format!(
            "{:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?}\n",
            store.load(partition, &ids).unwrap(),
            store.twins(partition, Some(&ids[2]), 2).unwrap(),
            store.timers(partition, None, 3).unwrap(),
            store.outbox(partition, 2, 2).unwrap(),
            store.inputs(partition, &ids[1], Time::from_ms(0), 2).unwrap(),
            store.meta(partition).unwrap(),
            store.broadcasts(partition).unwrap(),
            store.scans(partition).unwrap(),
            store.customers(partition, None, Some(&ids[1]), 2).unwrap(),
            store.customers(partition, Some(row(1)), None, 2).unwrap(),
        );
    }
    answers
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn a_store_in_memory_and_one_on_a_disk_agree(
        commits in prop::collection::vec(
            (prop::collection::vec((0..PARTITIONS, prop::collection::vec(step(), 0..12)), 1..4), 0u8..8),
            1..12,
        ),
    ) {
        let folder = TempDir::new().unwrap();
        let settings = settings::StoreSettings { sync: settings::SyncMode::Os, ..settings(folder.path()) };
        let memory = MemoryStore::new();
        let mut disk = Store::open(&settings, PARTITIONS).unwrap();
        for (batches, what_then) in commits {
            let batches: Vec<Batch> =
                batches.iter().map(|(partition, steps)| batch(*partition, steps)).collect();
            memory.commit(&batches).unwrap();
            disk.commit(&batches).unwrap();
            match what_then {
                0 => disk.compact(),
                1 => {
                    drop(disk);
                    disk = Store::open(&settings, PARTITIONS).unwrap();
                }
                _ => {}
            }
            prop_assert_eq!(content(&memory), content(&disk));
            prop_assert_eq!(answers(&memory), answers(&disk));
        }
    }
}

/// A state after so many commits, as sound rows.
fn sound(store: &Store, number: u64) {
    let mut batch = Batch::new();
    let id = customer(&format!("c{number}"));
    let sealed = |kind, record: &u64| {
        let mut bytes = Vec::new();
        codec::encode(kind, record, &mut bytes).unwrap();
        bytes
    };
    batch.put_twin(1, &id, &sealed(RecordKind::Twin, &number));
    batch.put_block(1, &id, 0, &sealed(RecordKind::Block, &number));
    batch.put_timer(1, &timer(number as i64, "ada"));
    batch.put_output(1, number, &output(&number.to_string())).unwrap();
    batch.set_cursor(1, number);
    batch.set_next_output(1, number + 1);
    let mut lane = SlowLane::default();
    lane.slow("shop", 1);
    batch.note_slow_lane(1, &lane, &mut WrittenLane::default());
    store.commit(&[batch]).unwrap();
}

/// A backup of a store with some of everything, and the folder in which both are.
fn backed_up() -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let store = open(&folder.path().join("store")).unwrap();
    (1..=40).for_each(|number| sound(&store, number));
    let made = store.back_up(&folder.path().join("copies/first")).unwrap();
    assert!(made.files > 1 && made.bytes > 0);
    // What comes later is not in it.
    sound(&store, 41);
    (folder, made.path)
}

#[test]
fn a_backup_holds_what_was_committed_and_is_a_store_again_elsewhere() {
    let (folder, backup) = backed_up();
    let looked = examine(&backup, None).unwrap();
    assert_eq!(looked.verified.described, [""; 0]);
    assert_eq!((looked.partitions, looked.twins, looked.metas[1].cursor), (PARTITIONS, 40, 40));
    let elsewhere = folder.path().join("elsewhere");
    assert_eq!(restore(&backup, &settings(&elsewhere)).unwrap(), looked);
    let (copy, whole) = (open(&elsewhere).unwrap(), open(&folder.path().join("store")).unwrap());
    let (copied, all) = (content(&copy), content(&whole));
    assert!(!copied.is_empty() && copied.len() < all.len());
    assert!(copied.keys().all(|key| all.contains_key(key)));
    sound(&copy, 50);
}

#[test]
fn a_backup_is_not_put_over_another_store_nor_a_copy_made_over_another() {
    let (folder, backup) = backed_up();
    let store = folder.path().join("store");
    let refusal = restore(&backup, &settings(&store)).unwrap_err();
    assert!(matches!(refusal, Error::Occupied { .. }), "{refusal}");
    let refusal = open(&store).unwrap().back_up(&backup).unwrap_err();
    assert!(matches!(refusal, Error::Backup { .. }), "{refusal}");
    assert!(examine(&backup, None).is_ok());
    // It is for as many partitions as it was made with.
    let elsewhere = folder.path().join("elsewhere");
    restore(&backup, &settings(&elsewhere)).unwrap();
    let refusal = Store::open(&settings(&elsewhere), 8).unwrap_err();
    assert!(matches!(refusal, Error::Partitions { found: 4, .. }), "{refusal}");
}

#[test]
fn a_flipped_byte_in_a_backup_is_found_and_it_is_not_restored() {
    let (folder, backup) = backed_up();
    let mut files: Vec<PathBuf> =
        backup.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| {
        let name = path.to_string_lossy();
        name.ends_with(".sst") || name.contains("MANIFEST-")
    });
    assert!(files.len() > 4, "{files:?}");
    for path in files {
        let whole = fs::read(&path).unwrap();
        // Within the rows and the records, with which every file begins.
        for at in [9, 20, 30] {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            // A file of its own: the copy shares its files with the store.
            fs::remove_file(&path).unwrap();
            fs::write(&path, &bytes).unwrap();
            let found = examine(&backup, None);
            let is_found = found.as_ref().map_or(true, |found| found.verified.defects > 0);
            assert!(is_found, "byte {at} of {}: {found:?}", path.display());
            let elsewhere = folder.path().join("elsewhere");
            let refusal = restore(&backup, &settings(&elsewhere)).unwrap_err();
            let is_clear = matches!(refusal, Error::Damaged { .. } | Error::Unsound { .. });
            assert!(is_clear, "byte {at} of {}: {refusal}", path.display());
            assert!(!elsewhere.exists());
        }
        fs::write(&path, &whole).unwrap();
    }
    assert!(examine(&backup, None).is_ok());
}

#[test]
fn a_folder_that_is_no_store_is_not_opened_as_one() {
    let folder = TempDir::new().unwrap();
    let nothing = examine(&folder.path().join("nothing"), None).unwrap_err();
    assert!(matches!(nothing, Error::NoStore { .. }), "{nothing}");
    fs::write(folder.path().join("notes.txt"), "mine").unwrap();
    let foreign = examine(folder.path(), None).unwrap_err();
    assert!(matches!(foreign, Error::NoStore { .. }), "{foreign}");
}

#[test]
fn a_check_finds_outputs_that_would_be_written_over() {
    let folder = TempDir::new().unwrap();
    let store = open(folder.path()).unwrap();
    sound(&store, 7);
    let mut batch = Batch::new();
    batch.set_next_output(1, 3);
    store.commit(&[batch]).unwrap();
    drop(store);
    let found = examine(folder.path(), None).unwrap().verified.described;
    assert_eq!(
        found,
        ["partition 1: expected output numbers below 3 (the next one), found 7; it would be \
          overwritten"]
    );
}
