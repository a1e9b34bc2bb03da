//! The lease for publishing: outputs are published only while no other service can have taken over.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// The right to publish, renewed by [`Ownership`](super::Ownership). Without a claim publishing is
/// allowed, because there is nothing to take over: tests, and tools beside a service.
#[derive(Debug)]
pub(super) struct Lease(watch::Sender<LeaseState>);

/// The state of the lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LeaseState {
    /// Never claimed.
    Unclaimed,
    /// Held until this moment.
    Until(Instant),
    /// Lost for good.
    Lost,
}

impl LeaseState {
    /// Whether publishing is allowed now.
    pub(super) fn is_held(self) -> bool {
        match self {
            LeaseState::Unclaimed => true,
            LeaseState::Until(end) => Instant::now() < end,
            LeaseState::Lost => false,
        }
    }
}

impl Lease {
    /// A lease that was never claimed.
    pub(super) fn new() -> Lease {
        Lease(watch::channel(LeaseState::Unclaimed).0)
    }

    /// Claims the lease, which is not held yet.
    pub(super) fn claim(&self) {
        self.0.send_replace(LeaseState::Until(Instant::now()));
    }

    /// Holds the lease for `span` from a moment on.
    pub(super) fn renew(&self, from: Instant, span: Duration) {
        self.0.send_if_modified(|held| {
            let may = *held != LeaseState::Lost;
            if may {
                *held = LeaseState::Until(from + span);
            }
            may
        });
    }

    /// Marks the lease as lost: another service holds it, or may from now on.
    pub(super) fn lose(&self) {
        self.0.send_replace(LeaseState::Lost);
    }

    /// The state, as it changes.
    pub(super) fn watch(&self) -> watch::Receiver<LeaseState> {
        self.0.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_lease_expires_by_itself_and_a_lost_one_stays_lost() {
        let lease = Lease::new();
        let state = lease.watch();
        let is_held = || state.borrow().is_held();
        assert!(is_held(), "nobody claimed it");
        lease.claim();
        assert!(!is_held());
        lease.renew(Instant::now(), Duration::from_secs(6));
        tokio::time::advance(Duration::from_secs(5)).await;
        assert!(is_held());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(!is_held());
        lease.renew(Instant::now(), Duration::from_secs(6));
        assert!(is_held());
        lease.lose();
        lease.renew(Instant::now(), Duration::from_secs(6));
        assert!(!is_held());
    }
}
