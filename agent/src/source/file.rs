//! Reads forwards from a file. IO: only [`load`]; what it reads is parsed in pure modules.
//!
//! ```text
//! text ─document─▶ values with their places ─parse─┬─ UdpForward documents ─▶ Parsed
//!                                                  └─ ancestor ────────────▶
//! ```
//!
//! A file is taken as a whole or not at all: with a problem anywhere, what ran before goes on.

mod ancestor;
mod document;
mod parse;
mod syntax;

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

pub use parse::{Lines, Parsed, Problem, parse};

/// Largest file that is read, in MiB. 10,000 forwards take about 5.
const MAX_MIB: u64 = 8;

/// Why a file gave no forwards.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// There is none.
    #[error("there is no file {}: write one, or name another with -c", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// It is a folder.
    #[error("{} is a directory: name a file with -c", path.display())]
    Directory {
        /// The folder.
        path: PathBuf,
    },
    /// This user may not read it.
    #[error("this user may not read {}: change its owner or mode, or run as root", path.display())]
    Denied {
        /// The file.
        path: PathBuf,
    },
    /// It could not be read for another reason.
    #[error("failed to read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// It is too large.
    #[error(
        "{} is larger than {MAX_MIB} MiB, which is read at most: write fewer forwards, at most {} \
         fit in a file", path.display(), udplb_api::MAX_FORWARDS_IN_FILE
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// It holds other bytes.
    #[error("{} is no text in UTF-8: write YAML", path.display())]
    NotText {
        /// The file.
        path: PathBuf,
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
pub fn load(path: &Path) -> Result<Parsed, LoadError> {
    let text = read(path)?;
    parse(&text, path).map_err(|problems| LoadError::Invalid { problems })
}

/// Reads no more than is allowed, however large the file is, or becomes meanwhile.
fn read(path: &Path) -> Result<String, LoadError> {
    const MOST: u64 = MAX_MIB << 20;
    let refused = |error| refused(path, error);
    let file = File::open(path).map_err(refused)?;
    let too_large = || LoadError::TooLarge {
        path: path.to_owned(),
    };
    if file.metadata().map_err(refused)?.len() > MOST {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    let length = file
        .take(MOST + 1)
        .read_to_end(&mut bytes)
        .map_err(refused)?;
    if length as u64 > MOST {
        return Err(too_large());
    }
    String::from_utf8(bytes).map_err(|_| LoadError::NotText {
        path: path.to_owned(),
    })
}

fn refused(path: &Path, source: io::Error) -> LoadError {
    let path = path.to_owned();
    match source.kind() {
        io::ErrorKind::NotFound => LoadError::Missing { path },
        io::ErrorKind::IsADirectory => LoadError::Directory { path },
        io::ErrorKind::PermissionDenied => LoadError::Denied { path },
        _ => LoadError::Read { path, source },
    }
}

#[cfg(test)]
mod tests;
