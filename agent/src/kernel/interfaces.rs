//! The host's interfaces as commands ask for them once: names, broadcast addresses, reverse-path filters. **IO**

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::{IpAddr, Ipv4Addr},
};

use ipnet::Ipv4Net;
use nix::{ifaddrs::getifaddrs, net::if_::if_nameindex, sys::socket::SockaddrStorage};

use crate::text::Names;

/// Names of the interfaces as they are now.
#[must_use]
pub fn names() -> Names {
    let mut names = BTreeMap::new();
    if let Ok(interfaces) = if_nameindex() {
        names.extend(interfaces.iter().map(|interface| {
            let name = interface.name().to_string_lossy().into_owned();
            (interface.index(), name)
        }));
    }
    Names(names)
}

/// The broadcast addresses of an interface's subnets.
#[must_use]
pub fn broadcasts(interface: &str) -> BTreeSet<IpAddr> {
    let addresses = getifaddrs().into_iter().flatten();
    let own = addresses.filter(|one| one.interface_name == interface);
    own.filter_map(|one| {
        let net = Ipv4Net::with_netmask(v4(one.address?)?, v4(one.netmask?)?).ok()?;
        // RFC 3021: a /31 has no broadcast address.
        (net.prefix_len() < 31).then(|| net.broadcast().into())
    })
    .collect()
}

/// Whether the stack checks that it would answer the sources of an interface's packets over the same
/// interface: the larger of the setting for all and its own counts (ip-sysctl, `rp_filter`). None where
/// the host has no such setting.
#[must_use]
pub fn rp_filter(interface: &str) -> Option<u8> {
    let read = |name: &str| {
        let path = format!("/proc/sys/net/ipv4/conf/{name}/rp_filter");
        fs::read_to_string(path).ok()?.trim().parse::<u8>().ok()
    };
    Some(read("all")?.max(read(interface)?))
}

fn v4(address: SockaddrStorage) -> Option<Ipv4Addr> {
    address
        .as_sockaddr_in()
        .map(nix::sys::socket::SockaddrIn::ip)
}
