//! The only module that touches the kernel. **IO**
pub mod netlink;
