//! Results of one line.

use jumeau::api::{AdvanceReply, BackupReply};

use super::quantity::{bytes, many};
use super::sheet::Sheet;

/// A backup.
pub(crate) fn backup(answer: &BackupReply) -> String {
    let mut sheet = Sheet::new(u16::MAX);
    sheet.line(format_args!(
        "{} holds {} in {}, made in {} ms",
        answer.path,
        bytes(answer.bytes),
        many(answer.files, "file"),
        answer.took_ms
    ));
    sheet.finish()
}

/// An advanced clock.
pub(crate) fn advanced(answer: &AdvanceReply) -> String {
    let mut sheet = Sheet::new(u16::MAX);
    let fired = many(answer.timers_fired, "timer");
    sheet.line(format_args!("it is {}; {fired} fired", answer.to));
    sheet.finish()
}
