//! Whether a program runs on an empty base, and on which processors. **Pure**

use std::fmt;

use object::{
    Endianness,
    elf::{EM_AARCH64, EM_X86_64, FileHeader64},
    read::elf::{FileHeader as _, ProgramHeader as _},
};
use thiserror::Error;

/// Why a program cannot be the whole of an image.
#[derive(Debug, Error)]
pub(crate) enum ProgramError {
    /// A script, an archive, a cut file.
    #[error("it is no 64-bit ELF program: name a binary that cargo built")]
    NoProgram(#[source] object::Error),
    /// The kernel would look for a dynamic linker, which an empty base does not have.
    #[error(
        "it needs {0}, which an empty image lacks: build it with --target x86_64-unknown-linux-musl"
    )]
    Dynamic(String),
    /// One that nobody has tried.
    #[error("its processor, number {0} of ELF, is none that images are made for: x86-64, AArch64")]
    Processor(u16),
}

/// A processor, as images name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Platform {
    /// x86-64.
    Amd64,
    /// `AArch64`.
    Arm64,
}

impl fmt::Display for Platform {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        })
    }
}

/// What a static program runs on.
pub(crate) fn platform(program: &[u8]) -> Result<Platform, ProgramError> {
    let header = FileHeader64::<Endianness>::parse(program).map_err(ProgramError::NoProgram)?;
    let endian = header.endian().map_err(ProgramError::NoProgram)?;
    let segments = header
        .program_headers(endian, program)
        .map_err(ProgramError::NoProgram)?;
    for segment in segments {
        let interpreter = segment
            .interpreter(endian, program)
            .map_err(ProgramError::NoProgram)?;
        if let Some(path) = interpreter {
            let path = String::from_utf8_lossy(path).into_owned();
            return Err(ProgramError::Dynamic(path));
        }
    }
    match header.e_machine(endian) {
        EM_X86_64 => Ok(Platform::Amd64),
        EM_AARCH64 => Ok(Platform::Arm64),
        other => Err(ProgramError::Processor(other.0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dynamic_program_is_told_from_others() {
        let this = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let error = platform(&this).unwrap_err().to_string();
        assert!(error.starts_with("it needs /lib"), "{error}");
        assert!(matches!(
            platform(b"#!/bin/sh\n"),
            Err(ProgramError::NoProgram(_))
        ));
        assert!(matches!(
            platform(&this[..100]),
            Err(ProgramError::NoProgram(_))
        ));
    }
}
