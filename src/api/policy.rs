//! The files of the active policy.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{PolicyStatus, code};
use crate::bus::ApiError;
use crate::event::{cut, nullable};
use crate::policy::Files;

/// A chunk of a file in one reply, in bytes: as JSON it may be six times as long, and a message has a
/// megabyte.
const PIECE_BYTES: usize = 128 * 1024;

/// The active policy, or the one being activated.
#[derive(Debug)]
pub struct CurrentPolicy {
    /// Its status.
    pub status: PolicyStatus,
    /// Its files.
    pub files: Arc<Files>,
}

/// Asks for a chunk of a file of the policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PolicyFileRequest {
    /// The number of the file, from 0, in the order of their names.
    #[serde(deserialize_with = "nullable::or_default")]
    #[schemars(with = "Option<usize>")]
    pub file: usize,
    /// From this byte on.
    #[serde(deserialize_with = "nullable::or_default")]
    #[schemars(with = "Option<usize>")]
    pub from: usize,
}

/// A chunk of a file of the active policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PolicyFileReply {
    /// The hash of the policy's content, which shows whether it has changed meanwhile.
    pub version: String,
    /// The number of files.
    pub files: usize,
    /// The file's name, relative to the policy's folder.
    pub name: String,
    /// The chunk.
    pub content: String,
    /// The byte at which the next chunk begins; none at the end of the file.
    pub next: Option<usize>,
}

impl CurrentPolicy {
    /// A chunk of a file.
    pub fn file(&self, asked: PolicyFileRequest) -> Result<PolicyFileReply, ApiError> {
        let files = self.files.iter().len();
        let missing = || {
            let PolicyFileRequest { file, from } = asked;
            let sentence = format!(
                "expected one of the {files} files of the policy, from 0 on, and a byte at which a \
                 letter begins; found file {file}, byte {from}"
            );
            ApiError::new(code::NOT_FOUND, sentence)
        };
        let (name, content) = self.files.iter().nth(asked.file).ok_or_else(missing)?;
        let rest = content.get(asked.from..).ok_or_else(missing)?;
        let piece = cut(rest, PIECE_BYTES);
        Ok(PolicyFileReply {
            version: self.status.version.clone(),
            files,
            name: name.to_owned(),
            content: piece.to_owned(),
            next: (piece.len() < rest.len()).then_some(asked.from + piece.len()),
        })
    }
}
