use sha2::{Digest, Sha256};

/// The identity of something that is taken in once, made of what tells it from all else: the first
/// eight bytes of the SHA-256 of its parts, each behind its length.
///
/// Channels choose most of these parts. With a hash that is only fast, whoever knows the identity of
/// another's event finds an event of their own with the same one, and that other is taken for a copy.
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
    fn where_one_part_ends_and_the_next_begins_makes_a_difference() {
        assert_eq!(fingerprint([b"ab", b"c"]), fingerprint([b"ab", b"c"]));
        assert_ne!(fingerprint([b"ab", b"c"]), fingerprint([b"a", b"bc"]));
        assert_ne!(fingerprint([b"ab", b""]), fingerprint([b"ab"]));
    }
}
