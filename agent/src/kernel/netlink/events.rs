//! The kernel's announcements of changes. **IO**

use std::io;

use netlink_sys::{AsyncSocket, AsyncSocketExt, SocketAddr, TokioSocket, protocols::NETLINK_ROUTE};
use nix::sys::socket::{setsockopt, sockopt::RcvBufForce};

use super::{
    Error,
    decode::{self, Event},
    messages,
};

/// What we want to hear about.
const GROUPS: [u32; 9] = [
    libc::RTNLGRP_LINK,
    libc::RTNLGRP_NEIGH,
    libc::RTNLGRP_IPV4_IFADDR,
    libc::RTNLGRP_IPV6_IFADDR,
    libc::RTNLGRP_IPV4_ROUTE,
    libc::RTNLGRP_IPV6_ROUTE,
    libc::RTNLGRP_IPV4_RULE,
    libc::RTNLGRP_IPV6_RULE,
    libc::RTNLGRP_NEXTHOP,
];

/// A socket that hears of every change from its creation on, or fails once it missed one.
pub(super) struct Events {
    socket: TokioSocket,
}

impl Events {
    pub(super) fn open(receive_buffer: usize) -> Result<Self, Error> {
        let open = || -> io::Result<_> {
            let mut socket = TokioSocket::new(NETLINK_ROUTE)?;
            // The privileged form is not cut down to net.core.rmem_max.
            setsockopt(socket.socket_ref(), RcvBufForce, &receive_buffer)?;
            let _address = socket.socket_mut().bind_auto()?;
            for group in GROUPS {
                socket.socket_mut().add_membership(group)?;
            }
            Ok(socket)
        };
        Ok(Self {
            socket: open().map_err(Error::Open)?,
        })
    }

    /// Waits for the next changes. May be cancelled without losing any.
    pub(super) async fn receive(&self) -> Result<Vec<Event>, Error> {
        loop {
            let (datagram, sender) = self.socket.recv_from_full().await.map_err(Error::Socket)?;
            // Only the kernel has port 0.
            if sender == SocketAddr::new(0, sender.multicast_groups()) {
                return Ok(messages::split(&datagram)
                    .filter_map(decode::event)
                    .collect());
            }
        }
    }

    /// The next changes, where some are waiting.
    pub(super) async fn receive_waiting(&self) -> Result<Option<Vec<Event>>, Error> {
        tokio::select! {
            biased;
            events = self.receive() => events.map(Some),
            () = std::future::ready(()) => Ok(None),
        }
    }
}
