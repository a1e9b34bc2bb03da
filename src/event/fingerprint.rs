use sha2::{Digest, Sha256};

/// The deduplication id of an input: the first eight bytes of the SHA-256 over its length-prefixed parts.
/// Channels control most parts; with a non-cryptographic hash, an attacker could construct an event with
/// the id of another one, which would then be dropped as a duplicate.
pub fn fingerprint<const N: usize>(parts: [&[u8]; N]) -> u64 {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    let whole: [u8; 32] = hash.finalize().into();
    let [a, b, c, d, e, f, g, h, ..] = whole;
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_boundaries_of_parts_change_the_fingerprint() {
        assert_eq!(fingerprint([b"ab", b"c"]), fingerprint([b"ab", b"c"]));
        assert_ne!(fingerprint([b"ab", b"c"]), fingerprint([b"a", b"bc"]));
        assert_ne!(fingerprint([b"ab", b""]), fingerprint([b"ab"]));
    }
}
