//! Private files: mode 0600 for files, 0700 for folders.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::Path;

use rustix::fs::Mode;
use rustix::process::umask;

const FOLDER: u32 = 0o700;
const FILE: u32 = 0o600;
/// The permissions of the group and of others.
const OTHERS: u32 = 0o077;

/// Sets the umask so that files created by this process and its children are private. Called by `main`,
/// because it affects the whole process.
pub fn keep_files_private() {
    umask(Mode::RWXG | Mode::RWXO);
}

/// Creates a private folder, and its missing parents.
///
/// # Errors
/// The error of the system.
pub fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(FOLDER).create(path)
}

/// Creates a private folder, and makes it and its files private if an earlier version or another umask
/// created them otherwise.
///
/// # Errors
/// If the folder cannot be created. A folder of another owner is left unchanged, with a warning.
pub fn close_folder(path: &Path) -> io::Result<()> {
    make_folder(path)?;
    let closed = close(path, FOLDER).and_then(|()| {
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                match close(&entry.path(), FILE) {
                    // Another process has just deleted it.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    other => other?,
                }
            }
        }
        Ok(())
    });
    if let Err(error) = closed {
        let path = path.display();
        tracing::warn!(%path, %error, "expected a folder that nobody else may read; chmod 0700 it");
    }
    Ok(())
}

fn close(path: &Path, mode: u32) -> io::Result<()> {
    if fs::metadata(path)?.permissions().mode() & OTHERS == 0 {
        return Ok(());
    }
    fs::set_permissions(path, Permissions::from_mode(mode))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_folder_and_its_files_are_readable_by_their_owner_only() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = scratch.path().join("a/b");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("file"), "secret").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
        fs::set_permissions(folder.join("file"), Permissions::from_mode(0o644)).unwrap();
        close_folder(&folder).unwrap();
        assert_eq!((mode(&folder), mode(&folder.join("file"))), (0o700, 0o600));
        let made = scratch.path().join("c/d");
        close_folder(&made).unwrap();
        assert_eq!((mode(&made), mode(made.parent().unwrap())), (0o700, 0o700));
    }
}
