use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use notify::{RecursiveMode, Watcher};

use super::read_files;
use crate::language::Languages;
use crate::policy::{Mistakes, Policy, Version, load_with};

/// Editors write a file in several steps, and people save several files in a row: a change is processed
/// once nothing more has happened for this long.
const SETTLED: Duration = Duration::from_millis(200);

/// Some file systems send no notifications (network shares, some containers): then changes are found by
/// polling at this interval.
const LOOK: Duration = Duration::from_secs(10);

/// Watches a policy folder until dropped.
#[derive(Debug)]
pub struct PolicyReloader {
    _watcher: Option<notify::RecommendedWatcher>,
    /// Dropping it ends the thread.
    stop: Option<mpsc::Sender<ReloaderMessage>>,
    thread: Option<thread::JoinHandle<()>>,
}

enum ReloaderMessage {
    Changed,
    Stop,
}

/// Watches `folder`, whose active version is `current`. After a change has settled, calls `changed`, on
/// its own thread, with the new policy (compiled with these languages) or with all its mistakes, once per
/// distinct content.
///
/// # Errors
/// If no thread can be started. If the file system sends no notifications, it polls.
pub fn watch(
    folder: &Path,
    current: Version,
    languages: Arc<Languages>,
    changed: impl Fn(Result<Arc<Policy>, Mistakes>) + Send + 'static,
) -> std::io::Result<PolicyReloader> {
    let (messages, received) = mpsc::channel();
    let sender = messages.clone();
    let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let is_read_only = event.is_ok_and(|event| event.kind.is_access());
        if !is_read_only {
            // A thread that has ended needs no message.
            let _ = sender.send(ReloaderMessage::Changed);
        }
    });
    let watcher = watcher
        .and_then(|mut watcher| {
            // The folder, not its files: an editor that replaces a file creates a new one.
            watcher.watch(folder, RecursiveMode::Recursive)?;
            Ok(watcher)
        })
        .inspect_err(|error| {
            tracing::warn!(
                folder = %folder.display(),
                %error,
                "no file notifications; polling for changes"
            );
        })
        .ok();
    let folder = folder.to_owned();
    let thread = thread::Builder::new()
        .name("policy-watch".to_owned())
        .spawn(move || keep_watching(&folder, current, &languages, &received, changed))?;
    Ok(PolicyReloader { _watcher: watcher, stop: Some(messages), thread: Some(thread) })
}

impl Drop for PolicyReloader {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // A thread that has ended already need not be notified.
            let _ = stop.send(ReloaderMessage::Stop);
        }
        if let Some(thread) = self.thread.take() {
            // A panic on that thread was in the callback, and need not be repeated here.
            let _ = thread.join();
        }
    }
}

fn keep_watching(
    folder: &Path,
    current: Version,
    languages: &Arc<Languages>,
    received: &Receiver<ReloaderMessage>,
    changed: impl Fn(Result<Arc<Policy>, Mistakes>),
) {
    let mut known = Seen::Version(current);
    loop {
        match received.recv_timeout(LOOK) {
            Ok(ReloaderMessage::Stop) | Err(RecvTimeoutError::Disconnected) => return,
            Ok(ReloaderMessage::Changed) | Err(RecvTimeoutError::Timeout) => {}
        }
        loop {
            match received.recv_timeout(SETTLED) {
                Ok(ReloaderMessage::Changed) => {}
                Ok(ReloaderMessage::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => break,
            }
        }
        let (seen, loaded) = match read_files(folder) {
            Ok(files) => (Seen::Version(files.version()), Ok(files)),
            Err(mistakes) => (Seen::Unreadable(mistakes.clone()), Err(mistakes)),
        };
        if seen == known {
            continue;
        }
        known = seen;
        changed(loaded.and_then(|files| load_with(&files, languages)).map(Arc::new));
    }
}

/// The last result, so that the same result is not reported twice.
#[derive(PartialEq)]
enum Seen {
    Version(Version),
    Unreadable(Mistakes),
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(30);

    fn policy(name: &str) -> String {
        format!("[policy]\nname = \"{name}\"\nlanguages = [\"en\"]\n")
    }

    fn watched() -> (tempfile::TempDir, PolicyReloader, Receiver<Result<Arc<Policy>, Mistakes>>) {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.toml"), policy("first")).unwrap();
        let current = read_files(folder.path()).unwrap().version();
        let (tell, loaded) = mpsc::channel();
        let languages = Languages::embedded();
        let tell = move |result| tell.send(result).unwrap();
        let watch = watch(folder.path(), current, languages, tell);
        (folder, watch.unwrap(), loaded)
    }

    #[test]
    fn a_changed_folder_is_loaded_again() {
        let (folder, _watch, loaded) = watched();
        fs::write(folder.path().join("a.toml"), policy("second")).unwrap();
        let new = loaded.recv_timeout(TIMEOUT).unwrap().unwrap();
        assert_eq!(&*new.name, "second");
        assert_eq!(new.version, read_files(folder.path()).unwrap().version());
    }

    #[test]
    fn a_broken_policy_is_reported_with_its_mistakes_and_a_repaired_one_is_loaded() {
        let (folder, _watch, loaded) = watched();
        fs::write(folder.path().join("a.toml"), "[polcy]").unwrap();
        let mistakes = loaded.recv_timeout(TIMEOUT).unwrap().unwrap_err();
        assert!(mistakes.to_string().contains("did you mean `policy`?"), "{mistakes}");
        fs::write(folder.path().join("a.toml"), policy("third")).unwrap();
        assert_eq!(&*loaded.recv_timeout(TIMEOUT).unwrap().unwrap().name, "third");
    }

    #[test]
    fn an_editor_may_replace_the_file_instead_of_writing_it() {
        let (folder, _watch, loaded) = watched();
        for name in ["second", "third"] {
            let draft = folder.path().join(".a.toml.draft");
            fs::write(&draft, policy(name)).unwrap();
            fs::rename(&draft, folder.path().join("a.toml")).unwrap();
            assert_eq!(&*loaded.recv_timeout(TIMEOUT).unwrap().unwrap().name, name);
        }
    }

    #[test]
    fn a_folder_touched_without_changes_is_not_loaded_again() {
        let (folder, watch, loaded) = watched();
        fs::write(folder.path().join("a.toml"), policy("first")).unwrap();
        fs::write(folder.path().join("notes.txt"), "no policy").unwrap();
        fs::write(folder.path().join("b.toml"), "").unwrap();
        // The empty file is a different content; the one before it was not.
        assert_eq!(&*loaded.recv_timeout(TIMEOUT).unwrap().unwrap().name, "first");
        drop(watch);
        assert!(loaded.recv().is_err(), "nothing more was told");
    }
}
