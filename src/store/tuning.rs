//! The configuration of RocksDB: for small states, often changed in large commits, on few cores that the
//! broker needs too. `benches/store.rs` measures these choices.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamilyDescriptor, CompactionDecision, DBCompressionType,
    DBRecoveryMode, DataBlockIndexType, LogLevel, Options, WriteBufferManager,
};

use crate::config::settings;
use crate::event::Time;
use crate::tables::{Table, keys};

/// Journalled inputs before this time may be deleted: milliseconds that only grow.
pub(super) type Horizon = Arc<AtomicI64>;

/// Memory shared by the tables, so that its total is bounded.
pub(super) struct MemoryPool {
    pub(super) cache: Cache,
    pub(super) buffers: WriteBufferManager,
}

impl MemoryPool {
    pub(super) fn new(settings: &settings::StoreSettings) -> MemoryPool {
        MemoryPool {
            cache: Cache::new_lru_cache(size(settings.cache_bytes)),
            buffers: WriteBufferManager::new_write_buffer_manager(
                size(settings.write_buffer_bytes),
                false,
            ),
        }
    }
}

pub(super) fn database(settings: &settings::StoreSettings, memory: &MemoryPool) -> Options {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    options.set_write_buffer_manager(&memory.buffers);
    options.set_max_background_jobs(i32::from(settings.background_jobs));
    options.set_max_open_files(i32::from(settings.open_files));
    // One thread writes, so memtable writes cannot be shared.
    options.set_allow_concurrent_memtable_write(false);
    options.set_enable_write_thread_adaptive_yield(false);
    // A crash leaves a torn end, which is cut off; damage before it is an error, where the default would
    // silently drop every later commit.
    options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    options.set_max_total_wal_size(settings.write_buffer_bytes.saturating_mul(2));
    // Without the write-ahead log, what is in the files must be one state: all tables are flushed together.
    options.set_atomic_flush(settings.durability == settings::Durability::Log);
    // Table files are synced as they are written, so that a commit's sync does not wait for a whole
    // flush.
    options.set_bytes_per_sync(1 << 20);
    options.set_log_level(LogLevel::Warn);
    options.set_keep_log_file_num(4);
    options.set_max_log_file_size(4 << 20);
    options.set_stats_dump_period_sec(0);
    options.set_stats_persist_period_sec(0);
    options
}

pub(super) fn tables(
    settings: &settings::StoreSettings,
    memory: &MemoryPool,
    horizon: &Horizon,
) -> Vec<ColumnFamilyDescriptor> {
    let tables = Table::ALL.iter().map(|&table| {
        ColumnFamilyDescriptor::new(table.name(), rows(table, settings, memory, horizon))
    });
    let unused = ColumnFamilyDescriptor::new(UNUSED, Options::default());
    tables.chain([unused]).collect()
}

/// The database of customers' keys: short rows, read one at a time, and mostly written once.
pub(super) fn keys(may_be_made: bool) -> Options {
    let mut options = Options::default();
    options.create_if_missing(may_be_made);
    let mut blocks = BlockBasedOptions::default();
    // Every new customer is looked up once without a result.
    blocks.set_bloom_filter(10.0, false);
    blocks.set_format_version(6);
    options.set_block_based_table_factory(&blocks);
    options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    options.set_write_buffer_size(4 << 20);
    options.set_compression_type(DBCompressionType::None);
    options.set_log_level(LogLevel::Warn);
    options.set_keep_log_file_num(4);
    options.set_max_log_file_size(4 << 20);
    options.set_stats_dump_period_sec(0);
    options.set_stats_persist_period_sec(0);
    options
}

/// The column family that every RocksDB database has; it stays empty.
pub(super) const UNUSED: &str = "default";

fn rows(
    table: Table,
    settings: &settings::StoreSettings,
    memory: &MemoryPool,
    horizon: &Horizon,
) -> Options {
    let mut options = Options::default();
    let mut blocks = BlockBasedOptions::default();
    blocks.set_block_cache(&memory.cache);
    // Without this, indexes and filters would use memory that no setting bounds.
    blocks.set_cache_index_and_filter_blocks(true);
    blocks.set_cache_index_and_filter_blocks_with_high_priority(true);
    blocks.set_pin_l0_filter_and_index_blocks_in_cache(true);
    blocks.set_format_version(6);
    options.set_write_buffer_manager(&memory.buffers);
    options.set_level_compaction_dynamic_level_bytes(true);
    options.set_max_write_buffer_number(8);
    // Small write buffers stay in the processor's cache, where inserting a change is twice as fast. The
    // many small files that they produce are merged later: rows are rarely read, and then past filters in
    // memory. Small files are also removed one at a time, and on some disks a commit waits about a
    // millisecond for each MB that is removed.
    let buffer = (size(settings.write_buffer_bytes) / 32).clamp(1 << 20, 4 << 20);
    options.set_write_buffer_size(buffer);
    options.set_target_file_size_base(4 << 20);
    options.set_target_file_size_multiplier(4);
    options.set_level_zero_file_num_compaction_trigger(32);
    options.set_level_zero_slowdown_writes_trigger(80);
    options.set_level_zero_stop_writes_trigger(128);
    // Data that is rewritten soon is not worth the time; data that stays is worth the space.
    options.set_compression_type(DBCompressionType::None);
    options.set_bottommost_compression_type(DBCompressionType::Lz4);
    for_rows_of(table, &mut options, &mut blocks, horizon);
    options.set_block_based_table_factory(&blocks);
    options
}

/// What differs from table to table: how its rows are found, and how they are deleted.
fn for_rows_of(
    table: Table,
    options: &mut Options,
    blocks: &mut BlockBasedOptions,
    horizon: &Horizon,
) {
    match table {
        Table::Twins => {
            // Most look-ups of the coldest twins and every one of a new customer end in a filter.
            blocks.set_bloom_filter(10.0, false);
            blocks.set_data_block_index_type(DataBlockIndexType::BinaryAndHash);
            options.set_memtable_whole_key_filtering(true);
            options.set_memtable_prefix_bloom_ratio(0.02);
        }
        Table::Timeline | Table::Decisions => {
            blocks.set_block_size(8 << 10);
        }
        Table::Timers | Table::Outbox | Table::Observations => {
            // Short-lived rows: deleted ones should not be scanned at the next start.
            options.add_compact_on_deletion_collector_factory(1_000, 500, 0.5);
        }
        Table::Journal => {
            let horizon = Arc::clone(horizon);
            options.set_compaction_filter("retention", move |_, key, _| {
                match keys::read_input(key) {
                    Some((at, _)) if at.ms() < horizon.load(Ordering::Relaxed) => {
                        CompactionDecision::Remove
                    }
                    _ => CompactionDecision::Keep,
                }
            });
            options.set_periodic_compaction_seconds(Duration::from_hours(24).as_secs());
        }
        Table::Broadcasts
        | Table::Scans
        | Table::Index
        | Table::Learned
        | Table::Lessons
        | Table::Marks
        | Table::Results
        | Table::Tombstones
        | Table::Erasures
        | Table::Waiting
        | Table::Meta => {}
    }
}

/// The time before which journalled inputs may be deleted, if `newest` is the newest one.
pub(super) fn horizon(settings: &settings::StoreSettings, newest: Time) -> Time {
    newest - Duration::from_hours(24) * u32::from(settings.journal_days)
}

fn size(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
