//! What a start finds in the store, and where it resumes.

use crate::bus::{LastTakenEvent, ResumePoint};
use crate::config::limits;
use crate::config::settings::TimeMode;
use crate::event::{Cursors, SlowLane};
use crate::partition::{ErasedMarks, Recovered, StoreSecret};
use crate::store::Store;
use crate::tables::Read as _;

/// The stored state of every partition.
pub(super) fn recover(
    store: &Store,
    partitions: u16,
    secret: &StoreSecret,
) -> anyhow::Result<Vec<Recovered>> {
    let erased_marks = ErasedMarks::default();
    (0..partitions)
        .map(|partition| {
            let meta = store.meta(partition)?;
            let outputs = store.outbox(partition, 0, limits::OUTBOX_BACKLOG)?;
            let outputs_left = match outputs.len() {
                limits::OUTBOX_BACKLOG => {
                    store.outbox_len(partition)?.saturating_sub(outputs.len() as u64)
                }
                _ => 0,
            };
            Ok(Recovered {
                cursors: Cursors { main: meta.cursor, slow: meta.slow_cursor },
                stored: meta.stored,
                slow_lane: meta.slow_lane,
                next_output: meta.next_output,
                next_input: meta.next_input,
                clock: meta.clock,
                version: meta.version,
                outputs,
                outputs_left,
                broadcasts: store.broadcasts(partition)?,
                scans: store.scans(partition)?,
                results: store.results(partition)?,
                secret: secret.clone(),
                tombstones: store.tombstones(partition)?,
                erased_marks: erased_marks.clone(),
            })
        })
        .collect()
}

/// Where the intake resumes, by what every partition has taken in.
///
/// # Errors
/// If events wait in the slow lane and the service goes by the time of its events.
pub(super) fn resume_point(recovered: &[Recovered], time: TimeMode) -> anyhow::Result<ResumePoint> {
    let taken = recovered.iter().filter_map(|known| {
        Some(LastTakenEvent { sequence: known.cursors.main, stored: known.stored? })
    });
    let slow = recovered.iter().map(|known| known.cursors.slow);
    let lane = SlowLane::newest(recovered.iter().map(|known| known.slow_lane.clone()));
    let cursors = recovered.iter().map(|known| known.cursors.main);
    let known = ResumePoint::from(cursors, lane.main_floor);
    if time == TimeMode::Event && lane.is_open() {
        anyhow::bail!(
            "expected an empty slow lane, because event time needs all events in order, found \
             events of {} in it; start once more with `service.time` on `stream`, until `stats` \
             shows no lag",
            lane.slowed().collect::<Vec<_>>().join(", ")
        );
    }
    Ok(ResumePoint {
        highest: slow.fold(known.highest, u64::max),
        taken: taken.collect(),
        lane,
        // On event time, events are processed in their order.
        may_slow: time == TimeMode::Stream,
        ..known
    })
}
