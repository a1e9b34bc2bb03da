use std::path::PathBuf;

/// Errors of creating the keys of a company.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A name is invalid.
    #[error("expected {expected}, found `{found}`")]
    Name {
        /// The valid form.
        expected: &'static str,
        /// The name given.
        found: String,
    },
    /// Somebody is named twice.
    #[error("expected each {what} once, found `{name}` twice")]
    Twice {
        /// What has the name.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// An existing key is unusable.
    #[error(
        "expected the seed of an nkey (SU…) in {}, found something else; remove the file for a new \
         key", path.display()
    )]
    Key {
        /// The file.
        path: PathBuf,
    },
    /// A certificate cannot be created.
    #[error("expected a certificate for `{hosts}`: {source}; name hosts with --host")]
    Certificate {
        /// The hosts.
        hosts: String,
        /// The cause.
        source: rcgen::Error,
    },
    /// A file cannot be read or written.
    #[error("expected a folder for keys, but {} cannot be used: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: std::io::Error,
    },
}
