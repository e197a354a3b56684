//! The only module that touches the kernel. **IO**
pub mod bpf;
pub mod interfaces;
pub mod neighbours;
pub mod netlink;
