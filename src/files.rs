//! Files that nobody but their owner may read: files have the mode 0600, folders 0700.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::Path;

use rustix::fs::Mode;
use rustix::process::umask;

const FOLDER: u32 = 0o700;
const FILE: u32 = 0o600;
/// What the group and everybody else may do.
const OTHERS: u32 = 0o077;

/// From now on this process makes files and folders that nobody else may read, and so do the
/// programs that it starts. For `main`: it is a matter of the whole process.
pub fn keep_files_private() {
    umask(Mode::RWXG | Mode::RWXO);
}

/// Makes a folder, and those above it that are missing, as nobody else's.
///
/// # Errors
/// As of the system.
pub fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(FOLDER).create(path)
}

/// Makes a folder that is ours alone, and has it and its files be nobody else's also where they were
/// made otherwise, by an earlier version or another umask.
///
/// # Errors
/// If the folder cannot be made. One that belongs to somebody else stays as it is, with a warning.
pub fn close_folder(path: &Path) -> io::Result<()> {
    make_folder(path)?;
    let closed = close(path, FOLDER).and_then(|()| {
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                match close(&entry.path(), FILE) {
                    // Whoever had it open has just taken it away.
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
    fn a_folder_of_ours_is_closed_with_all_that_is_in_it() {
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
