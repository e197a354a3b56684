//! The node agent: makes the kernel of one host match the forwards that it should run.
//!
//! ```text
//! source ─ input ─▶ desired ─▶ diff ─ ops ─▶ apply ─▶ kernel
//!                      ▲        ▲ tables                 │
//!   kernel::netlink ─ facts     └────────────────────────┤
//!                                     metrics, status ◀──┘ report
//! ```
//!
//! It runs as root, which stands for `CAP_BPF` (programs, maps), `CAP_NET_ADMIN` (hooks, neighbours, netlink
//! events) and `CAP_SYS_ADMIN` (opening pins, mounting their file system). Only `kernel` needs these, and
//! only `kernel::bpf::mapped` has unsafe code.
#![deny(unsafe_code)]
pub mod apply;
pub mod cleanup;
pub mod cli;
pub mod desired;
pub mod diff;
pub mod facts;
pub mod kernel;
pub mod metrics;
pub mod next_hop;
pub mod observed;
pub mod op;
pub mod reconcile;
pub mod report;
pub mod retry;
pub mod source;
pub mod status;
pub mod tables;
pub mod trace;
