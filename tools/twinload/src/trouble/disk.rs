//! A small disk: a file system in memory, in a namespace of its own, which needs no privileges.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, bail, ensure};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// It exists as long as this value.
pub(super) struct Disk {
    supervisor: Child,
    folder: PathBuf,
}

impl Disk {
    /// Mounts a disk of this size at a folder, for programs started by [`Disk::command_prefix`].
    pub(super) async fn mount(folder: &Path, bytes: u64) -> anyhow::Result<Disk> {
        std::fs::create_dir_all(folder)?;
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
            .context("cannot run `unshare` for a small disk")?;
        let output = supervisor.stdout.take().context("`unshare` has no output")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line).await?;
        if line.trim() != "ready" {
            bail!("expected a system that gives everybody namespaces, found one that does not");
        }
        Ok(Disk { supervisor, folder: folder.to_owned() })
    }

    /// The command prefix that starts a program that sees the disk.
    pub(super) fn command_prefix(&self) -> anyhow::Result<Vec<String>> {
        let target = self.supervisor.id().context("the small disk is gone")?.to_string();
        let words = ["nsenter", "--target", &target, "--user", "--mount"];
        let words = words.into_iter().chain(["--preserve-credentials", "--"]);
        Ok(words.map(str::to_owned).collect())
    }

    /// Fills the disk until this many bytes are left; 0: until nothing more fits.
    pub(super) async fn fill(&self, left: u64) -> anyhow::Result<()> {
        let script = r#"
            free=$(df --output=avail -B1 "$1" | tail -1)
            [ "$2" -gt 0 ] || { dd if=/dev/zero of="$1/ballast" bs=64K 2>/dev/null; exit 0; }
            head -c $((free - $2)) /dev/zero >"$1/ballast"
        "#;
        self.run(&["sh", "-c", script, "sh"], &left.to_string()).await
    }

    /// Removes what filled the disk.
    pub(super) async fn empty(&self) -> anyhow::Result<()> {
        self.run(&["sh", "-c", r#"rm "$1/ballast""#, "sh"], "").await
    }

    async fn run(&self, program: &[&str], more: &str) -> anyhow::Result<()> {
        let under = self.command_prefix()?;
        let Some((first, others)) = under.split_first() else { bail!("nothing to run") };
        let mut command = Command::new(first);
        command.args(others).args(program).arg(&self.folder).arg(more);
        let done = command.output().await?;
        let text = String::from_utf8_lossy(&done.stderr);
        ensure!(done.status.success(), "the small disk cannot be changed: {text}");
        Ok(())
    }
}
