//! Frames that tc lets go: mirrored to a veth pair by the last filter of the hook. IO.
//!
//! TCX programs run before clsact filters, and this filter's priority is the last of all, so that it sees a
//! frame exactly as the others left it. What others consumed does not come here.

use super::link::Link;
use crate::lab::{Host, settle};

/// Starts the mirror and captures at its far end.
pub(super) fn open(host: &Host, interface: &str) -> Link {
    host.ip_batch(
        "link add tap0 mtu 65535 type veth peer name tap1 mtu 65535
         link set tap0 addrgenmode none up
         link set tap1 addrgenmode none up
        ",
    );
    // A device that has no carrier yet drops what is mirrored to it.
    settle::links(host, &["tap0", "tap1"].map(str::to_owned));
    // The qdisc may be there already.
    drop(host.try_run(&format!("tc qdisc add dev {interface} clsact")));
    drop(host.run(&format!(
        "tc filter add dev {interface} ingress protocol all prio 65000 u32 match u32 0 0 \
         action mirred egress mirror dev tap0"
    )));
    Link::open(host, "tap1", true)
}
