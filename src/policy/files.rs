use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The folder of a policy's stories, which are not part of the policy.
const SCENARIOS: &str = "scenarios/";

/// The folder of a policy with the policies of experiment arms, each in a folder of its own.
pub(super) const ARMS: &str = "arms/";

/// The files of a policy by name: every `*.toml` below its folder, except scenarios.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Files(BTreeMap<String, String>);

impl Files {
    /// Files from memory. Names are relative to the policy's folder, with `/` between folders; names that
    /// are not part of a policy are skipped.
    pub fn new<N: Into<String>, C: Into<String>>(files: impl IntoIterator<Item = (N, C)>) -> Files {
        Files(
            files
                .into_iter()
                .map(|(name, content)| (name.into(), content.into()))
                .filter(|(name, _)| belongs(name))
                .collect(),
        )
    }

    /// Names and contents, sorted by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, content)| (name.as_str(), content.as_str()))
    }

    /// The policy's own files, and those of each arm's policy, by the name of its folder.
    pub(super) fn by_arm(&self) -> (Files, BTreeMap<&str, Files>) {
        let mut own = Files::default();
        let mut arms: BTreeMap<&str, Files> = BTreeMap::new();
        for (name, content) in &self.0 {
            let arm = name.strip_prefix(ARMS).and_then(|rest| rest.split_once('/'));
            let files = arm.map_or(&mut own, |(arm, _)| arms.entry(arm).or_default());
            files.0.insert(name.clone(), content.clone());
        }
        (own, arms)
    }

    /// The version of these files.
    pub fn version(&self) -> Version {
        let mut hash = Sha256::new();
        for part in self.iter().flat_map(|(name, content)| [name, content]) {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        let digits = hex::encode(hash.finalize());
        Version(digits[..16].into())
    }
}

/// The version of a policy: the first 16 hexadecimal digits of the SHA-256 of its files' names and
/// contents.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct Version(pub Box<str>);

impl fmt::Display for Version {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// Whether a file of this name is part of a policy.
pub(crate) fn belongs(name: &str) -> bool {
    name.ends_with(".toml") && !name.starts_with(SCENARIOS)
}
