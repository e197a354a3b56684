//! The eBPF side of the kernel: loads and adopts the program, its maps and its links. **IO**
//!
//! Everything lives under the pin directory, so that it outlives this process; [`udplb_abi::layout`] says how. Opening
//! adopts what is there.
pub mod attachment;
mod counters;
mod hook;
mod mapped;
mod maps;
pub mod occupants;
mod ops;
mod owners;
mod pins;
pub mod probe;
mod program;
mod query;
mod read;
mod records;
mod trace;

pub use hook::{Hook, HookChoice, HookError};
pub use maps::{Maps, OpenError};
pub use ops::{MapOpError, grace};
pub use pins::{PinDirectory, PinError, PinState};
pub use program::{LoadError, Program, RepinError, load_instead};
pub use read::ReadError;
pub use records::Records;
pub use trace::{Session, TraceError, monotonic};
