//! Ends the process when it is told to, even if a thread of it does not end.

use std::io::Write as _;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level;

/// The exit status of a process that did not stop gracefully.
const FAILED: i32 = 1;

/// A second signal within this time is the first one repeated: `timeout`, for one, signals the process
/// and then its whole group.
const SAME_SIGNAL: Duration = Duration::from_millis(500);

/// From the second SIGTERM or SIGINT on the process ends at once, whatever its threads do.
///
/// Nothing is lost by that: durable data stays, and the rest is processed again.
///
/// # Errors
/// If the system refuses.
pub fn end_at_the_second_signal() -> anyhow::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT]).context("cannot listen for signals")?;
    let listen = move || {
        let mut first: Option<Instant> = None;
        for _ in signals.forever() {
            if first.get_or_insert_with(Instant::now).elapsed() > SAME_SIGNAL {
                low_level::exit(FAILED);
            }
        }
    };
    let named = std::thread::Builder::new().name("signals".into());
    named.spawn(listen).context("cannot start the thread that listens for signals")?;
    Ok(())
}

/// Ends the process unless it is dropped in time.
pub(super) struct Deadline {
    _kept: Sender<()>,
}

impl Deadline {
    /// Ends it after `within`, with `why` on standard error.
    pub(super) fn start(within: Duration, why: &'static str) -> Deadline {
        let (kept, dropped) = channel();
        std::thread::spawn(move || {
            if dropped.recv_timeout(within) == Err(RecvTimeoutError::Timeout) {
                end_now(why);
            }
        });
        Deadline { _kept: kept }
    }
}

/// Ends the process without waiting for threads, and without the exit handlers: these would destroy the
/// store while threads still read it.
pub(super) fn end_now(why: &str) -> ! {
    tracing::error!("{why}");
    let _ = writeln!(std::io::stderr(), "jumeau: {why}");
    low_level::exit(FAILED)
}
