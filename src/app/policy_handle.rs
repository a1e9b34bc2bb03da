use std::sync::Arc;

use parking_lot::RwLock;

use crate::actors::{Partitions, SetPolicy};
use crate::api::{AuditWriter, CurrentPolicy, PolicyRefusal, PolicyStatus};
use crate::event::Time;
use crate::policy::{Mistakes, Policy};

/// A handle for changing the policy at run time. Cheap to clone.
#[derive(Debug, Clone)]
pub struct PolicyHandle {
    pub(super) partitions: Partitions,
    pub(super) current: Arc<RwLock<CurrentPolicy>>,
    pub(super) auditor: AuditWriter,
    pub(super) threads: tokio::runtime::Handle,
}

impl PolicyHandle {
    /// Activates a policy in every partition; a refused one changes nothing and is reported in the
    /// status.
    pub fn change(&self, changed: Result<Arc<Policy>, Mistakes>) {
        match changed {
            Ok(policy) => {
                let source = self.current.read().status.source.clone();
                self.write_down(policy.version.to_string(), true);
                tracing::info!(policy = %policy.name, version = %policy.version, "a new policy");
                *self.current.write() = current(&policy, source);
                for partition in self.partitions.all() {
                    partition.do_send(SetPolicy(policy.clone()));
                }
            }
            Err(mistakes) => {
                let mistakes: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
                let (count, first) =
                    (mistakes.len(), mistakes.first().cloned().unwrap_or_default());
                tracing::warn!(
                    mistakes = count,
                    first,
                    "the changed policy was refused; the previous one stays active"
                );
                let ending = if count == 1 { "" } else { "s" };
                self.write_down(format!("{count} mistake{ending}"), false);
                self.current.write().status.refusal = Some(PolicyRefusal { at: now(), mistakes });
            }
        }
    }
}

impl PolicyHandle {
    fn write_down(&self, version: String, is_taken: bool) {
        let auditor = self.auditor.clone();
        self.threads.spawn(async move { auditor.policy_changed(&version, is_taken).await });
    }
}

/// What the API says of a policy in use.
pub(super) fn current(policy: &Policy, source: String) -> CurrentPolicy {
    let status = PolicyStatus {
        name: policy.name.to_string(),
        version: policy.version.to_string(),
        source,
        loaded: now(),
        rules: policy.rules.len(),
        needs: policy.needs.len(),
        actions: policy.actions.len(),
        refusal: None,
    };
    CurrentPolicy { status, files: policy.files.clone() }
}

pub(super) fn now() -> Time {
    chrono::Utc::now().into()
}
