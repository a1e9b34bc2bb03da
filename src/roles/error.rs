use std::path::PathBuf;

/// Why the keys of a company could not be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Somebody cannot be called so.
    #[error("expected {expected}, found `{found}`")]
    Name {
        /// What can be.
        expected: &'static str,
        /// What was given.
        found: String,
    },
    /// A key that is there already cannot be used.
    #[error(
        "expected the seed of an nkey (SU…) in {}, found something else; remove the file for a new \
         key", path.display()
    )]
    Key {
        /// The file.
        path: PathBuf,
    },
    /// A certificate cannot be made.
    #[error("expected a certificate for `{hosts}`: {source}; name hosts with --host")]
    Certificate {
        /// The customer.
        hosts: String,
        /// Why not.
        source: rcgen::Error,
    },
    /// A file cannot be read or written.
    #[error("expected a folder for keys, but {} cannot be used: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
}
