//! Backups of the store while the service runs.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use crate::api::{BackupReply, BackupRequest, code};
use crate::bus::ApiError;
use crate::config::limits;
use crate::event::Time;
use crate::store::{self, Store};
use crate::tables;

/// Makes backups, each in its own folder below the configured one, so that a caller cannot choose where
/// the service writes.
pub struct BackupWriter {
    store: Arc<Store>,
    folder: PathBuf,
}

impl BackupWriter {
    /// A writer of backups of this store to this folder.
    pub fn new(store: Arc<Store>, folder: PathBuf) -> BackupWriter {
        BackupWriter { store, folder }
    }

    /// Writes a backup.
    pub(super) async fn back_up(&self, asked: BackupRequest) -> Result<BackupReply, ApiError> {
        let at: Time = chrono::Utc::now().into();
        let name = match asked.name {
            Some(name) => checked(name)?,
            // The time, without characters that file systems dislike.
            None => at.to_string().replace(':', "-").into(),
        };
        let (store, path) = (self.store.clone(), self.folder.join(&*name));
        let began = Instant::now();
        let made = tokio::task::spawn_blocking(move || {
            let floor = store.floor()?;
            store.back_up(&path).map(|made| (made, floor))
        });
        let internal = |detail: String| ApiError::new(code::INTERNAL, detail);
        let (made, floor) = match made.await.map_err(|error| internal(error.to_string()))? {
            Ok(made) => made,
            Err(error @ tables::Error::Backup { .. }) => {
                return Err(ApiError::new(code::CONFLICT, error.to_string()));
            }
            Err(error) => return Err(internal(error.to_string())),
        };
        Ok(BackupReply {
            path: std::path::absolute(&made.path).unwrap_or(made.path).display().to_string(),
            at,
            took_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
            files: made.files,
            bytes: made.bytes,
            floor,
        })
    }
}

/// A name that stays within the folder.
fn checked(name: Box<str>) -> Result<Box<str>, ApiError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    let is_name = !name.is_empty()
        && name.len() <= limits::NAME_BYTES
        && !name.starts_with('.')
        && name.bytes().all(plain);
    if is_name && store::is_reserved(&name) {
        return Err(ApiError::new(
            code::BAD_REQUEST,
            format!(
                "expected a backup name, found `{name}`, which is reserved for customer keys and \
                 unfinished backups; choose another"
            ),
        ));
    }
    if is_name {
        return Ok(name);
    }
    Err(ApiError::new(
        code::BAD_REQUEST,
        format!(
            "expected a backup name of A-Z a-z 0-9 _ - . that does not start with a dot, found \
             `{}`; it becomes a folder in `store.backups`",
            name.escape_debug()
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_stays_in_its_folder() {
        for name in ["", ".", "..", "../elsewhere", "/etc", "a/b", ".hidden", "a b"] {
            assert!(checked(name.into()).is_err(), "{name}");
        }
        assert!(checked("before-the-campaign".into()).is_ok());
        assert!(checked("2026-11-29T14-00-00Z".into()).is_ok());
    }

    #[test]
    fn a_name_that_the_service_uses_itself_is_refused() {
        for name in [
            "customers-keys",
            "Customers-Keys",
            "customers-keys.next",
            "customers-keys.last",
            "customers-keys.old",
            "nightly.next",
            "nightly.restoring",
            "nightly.tmp",
        ] {
            let refusal = checked(name.into()).unwrap_err();
            assert!(refusal.message.contains("is reserved"), "{name}: {}", refusal.message);
        }
        assert!(checked("customers-keys-of-may".into()).is_ok());
        assert!(checked("v1.2".into()).is_ok());
    }
}
