use std::time::Duration;

use anyhow::Context as _;

/// The maximum duration of a read of the store; after it, the read is abandoned.
const READERS_END: Duration = Duration::from_secs(5);

/// The threads of the bus, and those that read the store. Dropping them does not wait for their end: the
/// thread that drops them, above all after a failed start, must not block.
pub(super) struct IoThreads {
    pub(super) handle: tokio::runtime::Handle,
    runtime: Option<tokio::runtime::Runtime>,
}

impl IoThreads {
    pub(super) fn start(count: usize) -> anyhow::Result<IoThreads> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(count)
            .thread_name("bus")
            .enable_all()
            .build()
            .context("cannot start the bus threads")?;
        Ok(IoThreads { handle: runtime.handle().clone(), runtime: Some(runtime) })
    }

    /// Runs a future here: tasks that the client library spawns belong on these threads.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> anyhow::Result<T> {
        Ok(self.handle.spawn(future).await?)
    }

    /// Runs a read of the store where it may wait for the disk.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce() -> T + Send + 'static,
    ) -> anyhow::Result<T> {
        Ok(self.handle.spawn_blocking(read).await?)
    }

    /// Ends the threads, and waits some time for reads of the store: a process that ends during a read
    /// crashes.
    pub(super) fn end(mut self) {
        let Some(runtime) = self.runtime.take() else { return };
        let waiting = std::thread::spawn(move || runtime.shutdown_timeout(READERS_END));
        // If the thread panicked, there is nothing to wait for.
        let _ = waiting.join();
    }
}

impl Drop for IoThreads {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
