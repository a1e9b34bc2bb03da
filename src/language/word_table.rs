//! Tables by the hashes of words.

use std::hash::{BuildHasherDefault, Hasher};

use hashbrown::HashMap;

/// A hasher for keys that are hashes already.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct PassthroughHasher(u64);

impl Hasher for PassthroughHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 << 8) | u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// A table by the hash of a word.
pub(super) type WordTable<V> = HashMap<u64, V, BuildHasherDefault<PassthroughHasher>>;
