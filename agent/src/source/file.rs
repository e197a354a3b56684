//! Reads forwards from a file. IO: only [`load`]; what it reads is parsed in pure modules.
//!
//! ```text
//! text ─document─▶ values with their places ─parse─┬─ UdpForward documents ─▶ Vec<UdpForward>
//!                                                  └─ ancestor ────────────▶
//! ```
//!
//! A file is taken as a whole or not at all: with a problem anywhere, what ran before goes on.

mod ancestor;
mod document;
mod parse;

use std::{
    fs,
    path::{Path, PathBuf},
};

use udplb_api::UdpForward;

pub use parse::{Problem, parse};

/// Largest file that is read. 10,000 forwards take about 5 MB.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// Why a file gave no forwards.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It could not be read.
    #[error("failed to read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// It is too large.
    #[error("{} has {bytes} bytes: write at most {MAX_BYTES}", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// Something in it has to change.
    #[error("{}", lines(problems))]
    Invalid {
        /// What, by place.
        problems: Vec<Problem>,
    },
}

fn lines(problems: &[Problem]) -> String {
    problems
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}

/// Reads a file and parses it.
pub fn load(path: &Path) -> Result<Vec<UdpForward>, LoadError> {
    let failed = |source| LoadError::Read {
        path: path.to_owned(),
        source,
    };
    let bytes = fs::metadata(path).map_err(failed)?.len();
    if bytes > MAX_BYTES {
        return Err(LoadError::TooLarge {
            path: path.to_owned(),
            bytes,
        });
    }
    let text = fs::read_to_string(path).map_err(failed)?;
    parse(&text, path).map_err(|problems| LoadError::Invalid { problems })
}

#[cfg(test)]
mod tests;
