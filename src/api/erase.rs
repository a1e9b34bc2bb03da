//! Erasing a customer, and the receipt.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nkeys::{KeyPair, KeyPairType};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::event::{ErasureId, Time};
use crate::partition::StoreSecret;
use crate::tables::{ErasureProgress, ErasureStage, Pseudonym};

/// The payload of [`verb::ERASE`](super::verb::ERASE): the progress of an erasure.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EraseRequest {
    /// The erasure id, as returned by the first reply; none: begin an erasure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erasure: Option<Box<str>>,
}

/// The reply to [`verb::ERASE`](super::verb::ERASE).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EraseReply {
    /// The erasure id, to ask for its progress.
    pub erasure: Box<str>,
    /// The receipt, once the erasure is complete. Until then it continues, also after a crash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<ErasureReceipt>,
}

/// A signed receipt of what was removed of a customer, and where. It contains no identifier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ErasureReceipt {
    /// The signed statement.
    pub told: ReceiptStatement,
    /// The public key of the store, as an nkey: `U…`.
    pub key: Box<str>,
    /// The Ed25519 signature of `told` as JSON without spaces, in base64 (URL-safe, not padded).
    pub signature: Box<str>,
}

/// The content of a receipt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReceiptStatement {
    /// The version of this format: 1.
    pub format: u8,
    /// The erasure id.
    pub erasure: Box<str>,
    /// When the erasure was complete.
    pub done: Time,
    /// The identifiers of the customer, including the named one.
    pub identifiers: Vec<ErasedIdentifier>,
}

/// What was removed of one identifier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ErasedIdentifier {
    /// A keyed hash of the identifier, in hexadecimal digits. Only the store has the key.
    pub mark: Box<str>,
    /// When the twin was deleted; no decision was made for it after that.
    pub erased: Time,
    /// Until when events about the customer are dropped.
    pub remembered_until: Time,
    /// The removed items by place.
    pub removed: Vec<RemovedThings>,
    /// When the files of the store were rewritten without it.
    pub files_rewritten: Time,
}

/// A count of removed items in one place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RemovedThings {
    /// The place: `store`, or the name of a stream.
    pub place: Box<str>,
    /// The kind of items.
    pub what: Box<str>,
    /// The count.
    pub count: u64,
    /// When they were removed.
    pub at: Time,
}

/// Why a receipt is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadReceipt {
    /// The format is unknown.
    #[error("expected a receipt of format 1, found format {0}; use the twinctl of that version")]
    Format(u8),
    /// The signing key is not the expected one.
    #[error("expected a receipt signed by {expected}, found one by {found}")]
    OtherKey {
        /// The expected key.
        expected: Box<str>,
        /// The key in the receipt.
        found: Box<str>,
    },
    /// The key is invalid.
    #[error("expected a public nkey (`U…`) in the receipt, found `{0}`")]
    NoKey(Box<str>),
    /// The content is not what was signed.
    #[error(
        "expected the text that {key} signed, found another: the receipt was changed, or forged"
    )]
    Forged {
        /// The expected key.
        key: Box<str>,
    },
}

impl ErasureReceipt {
    /// Verifies the signature, by this key if one is given.
    ///
    /// # Errors
    /// A [`BadReceipt`] with the reason.
    pub fn verify(&self, expected: Option<&str>) -> Result<(), BadReceipt> {
        if self.told.format != FORMAT {
            return Err(BadReceipt::Format(self.told.format));
        }
        if let Some(expected) = expected.filter(|expected| **expected != *self.key) {
            return Err(BadReceipt::OtherKey {
                expected: expected.into(),
                found: self.key.clone(),
            });
        }
        let key =
            KeyPair::from_public_key(&self.key).map_err(|_| BadReceipt::NoKey(self.key.clone()))?;
        let signature = URL_SAFE_NO_PAD.decode(&*self.signature).unwrap_or_default();
        key.verify(&self.told.signed(), &signature)
            .map_err(|_| BadReceipt::Forged { key: self.key.clone() })
    }
}

const FORMAT: u8 = 1;

impl ReceiptStatement {
    #[expect(clippy::expect_used, reason = "the message names the invariant")]
    fn signed(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("texts and numbers have a JSON form")
    }
}

/// Signs receipts with the store's key and computes tombstone hashes.
#[derive(Clone)]
pub struct ReceiptSigner {
    key: Arc<KeyPair>,
    marks: StoreSecret,
    audit: StoreSecret,
}

/// A random secret for a new store.
#[expect(clippy::expect_used, reason = "the message names the invariant")]
pub fn fresh_secret() -> [u8; 32] {
    let seed = KeyPair::new_user().seed().expect("a new key pair has a seed");
    nkeys::decode_seed(&seed).expect("its own seed can be read").1
}

/// A new erasure id.
pub fn fresh_erasure() -> ErasureId {
    let mut id = [0; 16];
    id.copy_from_slice(&fresh_secret()[..16]);
    ErasureId(u128::from_be_bytes(id))
}

impl ReceiptSigner {
    /// The signer of a store with this secret.
    #[expect(clippy::expect_used, reason = "the message names the invariant")]
    pub fn new(secret: &[u8; 32]) -> ReceiptSigner {
        // Three secrets derived from one; none reveals another.
        let derive = |what: &str| -> [u8; 32] {
            Sha256::new().chain_update(what).chain_update(secret).finalize().into()
        };
        let key = KeyPair::new_from_raw(KeyPairType::User, derive("jumeau receipts"))
            .expect("any 32 bytes are a secret key");
        let [marks, audit] =
            ["jumeau tombstones", "jumeau audit"].map(|what| StoreSecret::new(derive(what)));
        ReceiptSigner { key: Arc::new(key), marks, audit }
    }

    /// The secret for pseudonyms of erased customers.
    pub fn marks(&self) -> StoreSecret {
        self.marks.clone()
    }

    /// The secret for hashes of customers in the audit.
    pub fn audit(&self) -> StoreSecret {
        self.audit.clone()
    }

    /// The receipt of an erasure, if it is complete: of the identifier with this mark, and of all
    /// identifiers to which it was forwarded.
    pub fn receipt(
        &self,
        id: ErasureId,
        named: Pseudonym,
        rows: &[ErasureProgress],
    ) -> Option<ErasureReceipt> {
        let known: BTreeSet<Pseudonym> = rows.iter().map(|row| row.mark).collect();
        let is_whole = known.contains(&named)
            && rows.iter().flat_map(|row| &row.also).all(|mark| known.contains(mark));
        let identifiers: Option<Vec<_>> = rows.iter().map(identifier).collect();
        let identifiers = identifiers.filter(|_| is_whole)?;
        let done = identifiers.iter().map(|one| one.files_rewritten).max()?;
        let told =
            ReceiptStatement { format: FORMAT, erasure: id.to_string().into(), done, identifiers };
        let signature = self.key.sign(&told.signed()).ok()?;
        let signature = URL_SAFE_NO_PAD.encode(signature).into();
        Some(ErasureReceipt { told, key: self.key.public_key().into(), signature })
    }
}

impl fmt::Debug for ReceiptSigner {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("ReceiptSigner")
            .field("key", &self.key.public_key())
            .finish_non_exhaustive()
    }
}

fn identifier(row: &ErasureProgress) -> Option<ErasedIdentifier> {
    let ErasureStage::Done(files_rewritten) = row.stage else { return None };
    let removed = row.removed.iter().cloned().map(|one| RemovedThings {
        place: one.place,
        what: one.what,
        count: one.count,
        at: one.at,
    });
    Some(ErasedIdentifier {
        mark: hex::encode(row.mark.0).into(),
        erased: row.at,
        remembered_until: row.until,
        removed: removed.collect(),
        files_rewritten,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::Removed;

    fn row(mark: u8, also: &[u8], stage: ErasureStage) -> ErasureProgress {
        let at = Time::from_ms(1_700_000_000_000);
        ErasureProgress {
            customer: None,
            mark: Pseudonym([mark; 16]),
            at,
            until: at,
            sequence: 4,
            also: also.iter().map(|mark| Pseudonym([*mark; 16])).collect(),
            removed: vec![Removed {
                place: "store".into(),
                what: "decisions".into(),
                count: 3,
                at,
            }],
            stage,
        }
    }

    fn receipt(rows: &[ErasureProgress]) -> Option<ErasureReceipt> {
        ReceiptSigner::new(&[7; 32]).receipt(ErasureId(5), Pseudonym([1; 16]), rows)
    }

    #[test]
    fn there_is_a_receipt_only_once_every_identifier_is_erased() {
        let done = ErasureStage::Done(Time::from_ms(1_700_000_001_000));
        assert!(receipt(&[]).is_none(), "nothing was begun");
        assert!(receipt(&[row(1, &[], ErasureStage::Files)]).is_none());
        assert!(receipt(&[row(1, &[2], done)]).is_none(), "the other has not begun");
        assert!(receipt(&[row(1, &[2], done), row(2, &[1], ErasureStage::Streams)]).is_none());
        assert!(receipt(&[row(2, &[], done)]).is_none(), "the one that was named is missing");
        let receipt = receipt(&[row(1, &[2], done), row(2, &[1], done)]).unwrap();
        assert_eq!(receipt.told.identifiers.len(), 2);
    }

    #[test]
    fn a_receipt_proves_its_words_and_no_others() {
        let done = ErasureStage::Done(Time::from_ms(1_700_000_001_000));
        let receipt = receipt(&[row(1, &[], done)]).unwrap();
        let read = |text: &str| serde_json::from_str::<ErasureReceipt>(text).unwrap();
        let pretty = serde_json::to_string_pretty(&receipt).unwrap();
        assert_eq!(read(&pretty).verify(Some(&receipt.key)), Ok(()));
        let changed = read(&pretty.replace("\"count\": 3", "\"count\": 2"));
        assert_eq!(changed.verify(None), Err(BadReceipt::Forged { key: receipt.key.clone() }));
        let other = ReceiptSigner::new(&[8; 32]).key.public_key();
        assert!(matches!(receipt.verify(Some(&other)), Err(BadReceipt::OtherKey { .. })));
    }

    #[test]
    fn fresh_secrets_are_all_different() {
        assert_ne!(fresh_secret(), fresh_secret());
    }
}
