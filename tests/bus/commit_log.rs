//! The commit log in a real stream: every record is there once and in order, and only one service's.

use std::time::Duration;

use async_nats::jetstream::stream::{Config, DiscardPolicy};
use bytes::Bytes;
use jumeau::bus::{CommitLog, Error};
use jumeau::config::settings;
use jumeau::log::{ChainReader, ChainWriter, MessageKind, encode};
use jumeau::tables::{Batch, Chain, LogPosition};
use tokio::time::timeout;

use crate::{PATIENCE, World, eventually, world};

const CHAIN: Chain = Chain::Partition(3);

fn batch(number: u64) -> Batch {
    let mut batch = Batch::new();
    batch.set_cursor(3, number);
    batch
}

/// A batch that stays large when it is compressed.
fn large(number: u64, bytes: usize) -> Batch {
    let mut batch = batch(number);
    let mut state = number;
    let noise = std::iter::repeat_with(|| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    });
    let value: Vec<u8> = noise.take(bytes).collect();
    batch.put_twin(3, &jumeau::event::Customer::new("ada").unwrap(), &value);
    batch
}

async fn log(world: &World) -> CommitLog {
    let log = world.bus.commit_log();
    log.create(&settings::StreamSettings::default()).await.unwrap();
    log
}

async fn claim(log: &CommitLog, epoch: u64) -> ChainWriter {
    let (_, position) = log.claim(CHAIN, epoch, epoch).await.unwrap();
    ChainWriter::new(CHAIN, position)
}

async fn append(log: &CommitLog, writer: &mut ChainWriter, batch: &Batch) -> Result<(), Error> {
    let appended = log.append(writer, MessageKind::Commit, Bytes::from(encode(batch)));
    timeout(PATIENCE, appended).await.expect("an answer in time")
}

/// Everything that the chain holds behind a position.
async fn read(log: &CommitLog, from: LogPosition) -> (Vec<Batch>, LogPosition) {
    let mut reading = log.read(from.sequence, u64::MAX);
    let mut reader = ChainReader::new(CHAIN, from);
    let mut batches = Vec::new();
    while let Some(found) = reading.next().await.unwrap() {
        assert_eq!(found.chain, CHAIN);
        batches.extend(reader.read(&found.message()).unwrap());
    }
    (batches, reader.position())
}

#[tokio::test(flavor = "multi_thread")]
async fn records_of_any_size_are_read_as_they_were_appended() {
    let world = world().await;
    let log = log(&world).await;
    let mut writer = claim(&log, 1).await;
    let most = world.client.server_info().max_payload;
    let batches = [batch(1), large(2, 3 * most), Batch::new(), large(4, 1_000), batch(5)];
    for batch in &batches {
        append(&log, &mut writer, batch).await.unwrap();
    }
    assert_eq!(read(&log, LogPosition::default()).await, (batches.to_vec(), writer.position()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_killed_and_comes_back_has_every_record_once() {
    let mut world = world().await;
    let log = log(&world).await;
    let mut writer = claim(&log, 1).await;
    let task = tokio::spawn({
        let log = log.clone();
        async move {
            let mut number = 0;
            // Until it is told to end, by the stream's deletion.
            while append(&log, &mut writer, &batch(number + 1)).await.is_ok() {
                number += 1;
            }
            number
        }
    });
    let more = async |than: u64| {
        eventually("more is appended", async || {
            log.content().await.is_ok_and(|content| content.unwrap().messages > than)
        })
        .await;
        log.content().await.unwrap().unwrap().messages
    };
    let mut messages = 0;
    for _ in 0..4 {
        messages = more(messages + 20).await;
        world.broker.kill().await.unwrap();
        world.broker.restart().await.unwrap();
    }
    more(messages + 20).await;
    // The last record before the end may be there without its confirmation.
    let (batches, _) = read(&log, LogPosition::default()).await;
    let expected: Vec<Batch> = (1..=batches.len() as u64).map(batch).collect();
    assert_eq!(batches, expected);
    log.delete().await.unwrap();
    let confirmed = timeout(PATIENCE, task).await.unwrap().unwrap();
    assert!(confirmed >= batches.len() as u64 - 1, "{confirmed} of {}", batches.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_appends_once_another_has_claimed_the_chain() {
    let world = world().await;
    let log = log(&world).await;
    let mut first = claim(&log, 1).await;
    append(&log, &mut first, &batch(1)).await.unwrap();
    let mut second = claim(&log, 2).await;
    let error = append(&log, &mut first, &batch(2)).await.unwrap_err();
    assert!(matches!(error, Error::Superseded { .. }), "{error}");
    // A claim that comes too late does not count, and does not stop who serves.
    claim(&log, 1).await;
    append(&log, &mut second, &batch(3)).await.unwrap();
    let (batches, position) = read(&log, LogPosition::default()).await;
    assert_eq!((batches, position), (vec![batch(1), batch(3)], second.position()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_without_what_was_confirmed_is_an_error_and_not_written_further() {
    let world = world().await;
    let log = log(&world).await;
    let mut writer = claim(&log, 1).await;
    append(&log, &mut writer, &batch(1)).await.unwrap();
    log.trim(u64::MAX).await.unwrap();
    let error = append(&log, &mut writer, &batch(2)).await.unwrap_err();
    insta::assert_snapshot!(error, @"commit log JUMEAU_LOG: expected message 2 to be in chain 3, which was confirmed, found that messages were deleted; restore the log's stream, or restore a store backup, or run `jumeau adopt` to continue with what the store has");
    log.delete().await.unwrap();
    let error = append(&log, &mut writer, &batch(2)).await.unwrap_err();
    assert!(matches!(error, Error::Log { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_log_refuses_nothing_for_good() {
    let world = world().await;
    let config = Config {
        name: world.bus.subjects().log_stream(),
        subjects: vec![world.bus.subjects().all_log()],
        discard: DiscardPolicy::New,
        max_bytes: 20_000,
        duplicate_window: Duration::from_mins(2),
        allow_direct: true,
        ..Config::default()
    };
    world.jetstream().create_stream(config).await.unwrap();
    let log = world.bus.commit_log();
    let refused = log.create(&settings::StreamSettings::default()).await.unwrap_err().to_string();
    assert!(refused.contains("expected room for at least 134217728 bytes"), "{refused}");
    let mut writer = claim(&log, 1).await;
    append(&log, &mut writer, &large(1, 15_000)).await.unwrap();
    append(&log, &mut writer, &batch(1)).await.unwrap();
    let first = writer.position();
    let task = tokio::spawn({
        let log = log.clone();
        async move {
            append(&log, &mut writer, &large(2, 15_000)).await.unwrap();
            writer.position()
        }
    });
    eventually("the log is full", async || log.is_full()).await;
    log.trim(first.sequence).await.unwrap();
    let last = timeout(PATIENCE, task).await.unwrap().unwrap();
    assert!(!log.is_full());
    assert_eq!(read(&log, first).await, (vec![large(2, 15_000)], last));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_trimmed_is_gone_and_the_rest_is_read_on() {
    let world = world().await;
    let log = log(&world).await;
    let mut writer = claim(&log, 1).await;
    for number in 1..=3 {
        append(&log, &mut writer, &batch(number)).await.unwrap();
    }
    let position = writer.position();
    append(&log, &mut writer, &batch(4)).await.unwrap();
    log.trim(position.sequence).await.unwrap();
    let (chain, end) = log.at(position.sequence).await.unwrap().expect("it is kept");
    assert_eq!((chain, end.sequence, end.header.epoch), (CHAIN, position.sequence, 1));
    assert_eq!(log.at(position.sequence - 1).await.unwrap(), None);
    assert_eq!(log.content().await.unwrap().unwrap().messages, 2);
    assert_eq!(read(&log, position).await, (vec![batch(4)], writer.position()));
    log.trim_chain(CHAIN, 0).await.unwrap();
    assert_eq!(log.content().await.unwrap().unwrap().messages, 2, "nothing is before the first");
    log.trim_chain(CHAIN, u64::MAX).await.unwrap();
    assert_eq!(log.end(CHAIN).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_would_lose_commits_is_refused() {
    let world = world().await;
    let config = Config {
        name: world.bus.subjects().log_stream(),
        subjects: vec![world.bus.subjects().all_log()],
        ..Config::default()
    };
    world.jetstream().create_stream(config).await.unwrap();
    let created = world.bus.commit_log().create(&settings::StreamSettings::default()).await;
    insta::assert_snapshot!(created.unwrap_err(), @"stream JUMEAU_LOG: expected to discard new messages when it is full, found old ones; change the stream, or choose another `nats.prefix`");
}
