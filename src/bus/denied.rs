use std::fmt;

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

/// Waits until the broker denies an operation of this kind; for ever if it never does.
pub(super) async fn until(
    mut denials: watch::Receiver<Option<PermissionDenied>>,
    is_it: impl Fn(&PermissionDenied) -> bool,
) -> PermissionDenied {
    let is_it = |denied: &Option<PermissionDenied>| denied.as_ref().is_some_and(&is_it);
    let denied = denials.wait_for(is_it).await.ok().and_then(|denied| denied.clone());
    match denied {
        Some(denied) => denied,
        // The connection is closed, so nothing can be denied on it any more.
        None => std::future::pending().await,
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
}
