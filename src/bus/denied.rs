use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use async_nats::Event;
use tokio::sync::watch;

/// An operation denied by the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PermissionDenied {
    /// The denied operation.
    pub attempt: DeniedOperation,
    /// Its subject.
    pub subject: Box<str>,
}

/// The denied operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeniedOperation {
    /// Publishing a message: an event, a request, an acknowledgement.
    Publish,
    /// Subscribing to messages.
    Hear,
}

impl PermissionDenied {
    /// Parses a complaint of the broker, if it is about a permission.
    pub fn read(complaint: &str) -> Option<PermissionDenied> {
        // For example: Permissions Violation for Publish to "jumeau.api.show.ann"
        let (_, tried) = complaint.split_once("Permissions Violation for ")?;
        let (attempt, rest) = tried.split_once(" to \"")?;
        let attempt = match attempt {
            "Publish" => DeniedOperation::Publish,
            "Subscription" => DeniedOperation::Hear,
            _ => return None,
        };
        let (subject, _) = rest.split_once('"')?;
        Some(PermissionDenied { attempt, subject: subject.into() })
    }
}

impl fmt::Display for PermissionDenied {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.attempt {
            DeniedOperation::Publish => "publish on",
            DeniedOperation::Hear => "hear",
        };
        write!(out, "{what} `{}`", self.subject)
    }
}

/// So many denials of a connection are kept, the latest ones.
const DENIALS_MAX: usize = 32;

/// The denials that the broker reports on a connection, instead of replies, in their order. Copies share
/// them.
#[derive(Debug, Clone, Default)]
pub struct Denials(Arc<watch::Sender<Reported>>);

#[derive(Debug, Default)]
struct Reported {
    /// How many there were in all.
    count: u64,
    /// The latest, the newest last.
    latest: VecDeque<PermissionDenied>,
}

impl Reported {
    /// The first such denial among those that follow the first `known` ones.
    fn first_after(
        &self,
        known: u64,
        is_it: impl Fn(&PermissionDenied) -> bool,
    ) -> Option<&PermissionDenied> {
        let new = usize::try_from(self.count.saturating_sub(known)).unwrap_or(usize::MAX);
        let skipped = self.latest.len().saturating_sub(new);
        self.latest.iter().skip(skipped).find(|denied| is_it(denied))
    }
}

impl Denials {
    /// Takes up what the client library reports, if it is about a permission.
    pub fn observe(&self, event: &Event) {
        if let Event::ServerError(error) = event
            && let Some(denied) = PermissionDenied::read(&error.to_string())
        {
            self.add(denied);
        }
    }

    /// Adds a denial.
    pub fn add(&self, denied: PermissionDenied) {
        self.0.send_modify(|reported| {
            reported.count += 1;
            if reported.latest.len() == DENIALS_MAX {
                reported.latest.pop_front();
            }
            reported.latest.push_back(denied);
        });
    }

    /// Waits for the first such denial; those that were reported already count, too.
    pub async fn first(&self, is_it: impl Fn(&PermissionDenied) -> bool) -> PermissionDenied {
        self.first_after(0, is_it).await
    }

    /// Waits for the first such denial that is reported after this call.
    pub fn next(
        &self,
        is_it: impl Fn(&PermissionDenied) -> bool,
    ) -> impl Future<Output = PermissionDenied> {
        let known = self.0.borrow().count;
        self.first_after(known, is_it)
    }

    async fn first_after(
        &self,
        known: u64,
        is_it: impl Fn(&PermissionDenied) -> bool,
    ) -> PermissionDenied {
        let mut reported = self.0.subscribe();
        let is_there = |reported: &Reported| reported.first_after(known, &is_it).is_some();
        let denied = match reported.wait_for(is_there).await {
            Ok(reported) => reported.first_after(known, &is_it).cloned(),
            Err(_) => None,
        };
        match denied {
            Some(denied) => denied,
            // Unreachable: `self` keeps the sender.
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_denied_subject_is_parsed_from_the_brokers_error() {
        let read = |complaint| PermissionDenied::read(complaint).map(|denied| denied.to_string());
        assert_eq!(
            read(r#"nats: Permissions Violation for Publish to "jumeau.api.show.ann""#).as_deref(),
            Some("publish on `jumeau.api.show.ann`")
        );
        assert_eq!(
            read(r#"Permissions Violation for Subscription to "jumeau.events.>" using queue "q""#)
                .as_deref(),
            Some("hear `jumeau.events.>`")
        );
        assert_eq!(read("nats: Stale Connection"), None);
    }

    fn hears(subject: &str) -> PermissionDenied {
        PermissionDenied { attempt: DeniedOperation::Hear, subject: subject.into() }
    }

    #[tokio::test]
    async fn the_first_of_several_denials_is_the_answer_however_late_one_looks() {
        let denials = Denials::default();
        denials.add(hears("actions"));
        denials.add(hears("escalations"));
        assert_eq!(denials.first(|_| true).await, hears("actions"));
        assert_eq!(denials.first(|denied| *denied != hears("actions")).await, hears("escalations"));
    }

    #[tokio::test]
    async fn the_latest_denials_are_kept_and_no_more() {
        let denials = Denials::default();
        for number in 0..=DENIALS_MAX {
            denials.add(hears(&format!("b{number}")));
        }
        assert_eq!(denials.first(|_| true).await, hears("b1"));
    }

    #[tokio::test]
    async fn a_request_is_not_denied_by_what_was_denied_before() {
        let denials = Denials::default();
        denials.add(hears("a"));
        let next = denials.next(|denied| denied.subject.starts_with('a'));
        denials.add(hears("b"));
        denials.add(hears("a2"));
        assert_eq!(next.await, hears("a2"));
    }
}
