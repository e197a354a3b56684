//! Waits until a host's links are up and its addresses usable, woken by the kernel's events. IO.

use std::{collections::BTreeSet, fs, os::fd::OwnedFd, time::Duration};

use nix::{ifaddrs::getifaddrs, net::if_::InterfaceFlags};

use super::Host;
use crate::{
    sys,
    wait::{Deadline, readable},
};

/// Far more than it takes; only a broken drawing needs it.
const TIME: Duration = Duration::from_secs(10);

/// `IFA_F_TENTATIVE` of `linux/if_addr.h`.
const TENTATIVE: u32 = 0x40;

/// Returns when the interfaces have a carrier, and those with IPv6 their link-local address.
pub(crate) fn links(host: &Host, interfaces: &[String]) {
    wait(host, || {
        let running: BTreeSet<String> = getifaddrs()
            .unwrap()
            .filter(|entry| {
                entry
                    .flags
                    .contains(InterfaceFlags::IFF_UP | InterfaceFlags::IFF_RUNNING)
            })
            .map(|entry| entry.interface_name)
            .collect();
        let missing = interfaces
            .iter()
            .find(|name| !running.contains(*name))
            .map(|name| format!("{name} is not up"));
        missing.or_else(|| interfaces.iter().find_map(|name| without_link_local(name)))
    });
}

/// Returns when no IPv6 address is tentative any more.
pub(super) fn addresses(host: &Host) {
    wait(host, || {
        let addresses = fs::read_to_string("/proc/thread-self/net/if_inet6").unwrap();
        addresses
            .lines()
            .find(|line| flags(line) & TENTATIVE != 0)
            .map(|line| format!("an address is tentative: {line}"))
    });
}

/// What is missing, where an interface makes itself a link-local address and has none yet.
fn without_link_local(interface: &str) -> Option<String> {
    const MODE_NONE: &str = "1";
    let mode =
        fs::read_to_string(format!("/proc/sys/net/ipv6/conf/{interface}/addr_gen_mode")).unwrap();
    let addresses = fs::read_to_string("/proc/thread-self/net/if_inet6").unwrap();
    let has = addresses
        .lines()
        .any(|line| line.starts_with("fe80") && line.ends_with(&format!(" {interface}")));
    (mode.trim() != MODE_NONE && !has).then(|| format!("{interface} has no link-local address"))
}

/// The flags of a line of `if_inet6`: address, index, prefix length, scope, flags, name.
fn flags(line: &str) -> u32 {
    u32::from_str_radix(line.split_whitespace().nth(4).unwrap(), 16).unwrap()
}

/// Looks again at each event of links and addresses until nothing is missing.
fn wait(host: &Host, missing: impl Fn() -> Option<String> + Sync) {
    host.enter(|| {
        let events = sys::socket(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_ROUTE).unwrap();
        sys::bind_netlink(
            &events,
            (libc::RTMGRP_LINK | libc::RTMGRP_IPV6_IFADDR)
                .try_into()
                .unwrap(),
        )
        .unwrap();
        let deadline = Deadline::after(TIME);
        while let Some(what) = missing() {
            assert!(
                readable(&events, deadline),
                "{} after {TIME:?}: {what}",
                host.name()
            );
            drain(&events);
        }
    });
}

/// Takes the waiting events away; an overrun is an event like any other.
fn drain(events: &OwnedFd) {
    let mut buffer = [0; 8 * 1024];
    while sys::receive(events, &mut buffer).is_ok() {}
}
