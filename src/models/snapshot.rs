/// What was learned up to a moment. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    version: u64,
}

impl Snapshot {
    /// A snapshot of which nothing was learned yet.
    pub const fn nothing() -> Snapshot {
        Snapshot { version: 0 }
    }

    /// How many snapshots were before it.
    pub const fn version(&self) -> u64 {
        self.version
    }
}
