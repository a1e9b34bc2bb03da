//! A small disk: a file system in memory, in a namespace of its own, for which nobody needs rights.

use std::path::Path;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// It is there for as long as this lives.
pub(crate) struct Disk {
    supervisor: Child,
}

impl Disk {
    /// Mounts a disk of so many bytes at an existing folder, for the processes started under
    /// [`Disk::command_prefix`]. `None` where the system does not permit it.
    pub(crate) async fn mount(folder: &Path, bytes: u64) -> Option<Disk> {
        let mut supervisor = Command::new("unshare")
            .args(["--user", "--map-root-user", "--mount", "sh", "-c"])
            .arg(r#"mount -t tmpfs -o size="$2" none "$1" && echo ready && read -r _"#)
            .arg("sh")
            .arg(folder)
            .arg(bytes.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .ok()?;
        let mut said = String::new();
        BufReader::new(supervisor.stdout.take()?).read_line(&mut said).await.ok()?;
        (said.trim() == "ready").then_some(Disk { supervisor })
    }

    /// What starts a program that sees the disk.
    pub(crate) fn command_prefix(&self) -> Vec<String> {
        let target = self.supervisor.id().unwrap().to_string();
        ["nsenter", "--target", &target, "--user", "--mount", "--preserve-credentials", "--"]
            .map(str::to_owned)
            .into()
    }

    /// Runs a program that sees the disk, to its end.
    pub(crate) async fn run(&self, program: &[&str]) {
        let under = self.command_prefix();
        let done = Command::new(&under[0]).args(&under[1..]).args(program).output().await.unwrap();
        assert!(done.status.success(), "{program:?}: {}", String::from_utf8_lossy(&done.stderr));
    }
}
