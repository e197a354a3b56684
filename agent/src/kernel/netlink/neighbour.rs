//! Neighbour entries that the kernel keeps fresh for us. **IO**
//!
//! `NTF_EXT_MANAGED` (kernel 5.16) makes the kernel resolve an entry and probe it for as long as it is
//! there, as if packets used it. `NDA_PROTOCOL` marks it as ours.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr},
};

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::{
    AddressFamily, RouteNetlinkMessage,
    neighbour::{
        NeighbourAddress, NeighbourAttribute, NeighbourExtFlags, NeighbourFlags, NeighbourMessage,
        NeighbourState as Nud,
    },
    route::RouteProtocol,
};
use nix::errno::Errno;

use super::{
    Error,
    conversation::Conversation,
    decode::{self, OURS},
};
use crate::facts::{InterfaceIndex, Keeper};

/// An entry can come or go between our look at it and our order.
const ATTEMPTS: u32 = 3;

/// What was there before an entry became ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nothing: the entry is ours alone.
    Created,
    /// A dynamic entry of the kernel.
    Upgraded,
}

/// How `manage` ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The entry is ours now.
    Managed(Origin),
    /// It was ours before; nothing was written.
    Already,
    /// Somebody else keeps it; nothing was written.
    LeftAlone,
}

pub(super) async fn manage(interface: InterfaceIndex, address: IpAddr) -> Result<Outcome, Error> {
    let mut conversation = Conversation::open()?;
    let failed = |source| Error::Neighbour {
        interface,
        address,
        source,
    };
    let mut error = Errno::EAGAIN;
    for _attempt in 0..ATTEMPTS {
        let found = look(&mut conversation, interface, address).await?;
        let (flags, origin) = match found.as_ref().map(decode::keeper) {
            Some(Keeper::Other) => return Ok(Outcome::LeftAlone),
            Some(Keeper::Ours) => return Ok(Outcome::Already),
            None => (NLM_F_CREATE | NLM_F_EXCL, Origin::Created),
            // With NTF_USE an existing entry keeps its state and its link-layer address.
            Some(Keeper::Kernel) => (0, Origin::Upgraded),
        };
        let mut message = entry(interface, address);
        message.header.flags = NeighbourFlags::Use;
        message.attributes.push(NeighbourAttribute::Protocol(OURS));
        message
            .attributes
            .push(NeighbourAttribute::ExtFlags(NeighbourExtFlags::Managed));
        let request = RouteNetlinkMessage::NewNeighbour(message);
        match conversation.order(request, flags).await? {
            Ok(_) => return Ok(Outcome::Managed(origin)),
            Err(reason @ (Errno::EEXIST | Errno::ENOENT)) => error = reason,
            Err(reason) => return Err(failed(reason)),
        }
    }
    Err(failed(error))
}

/// Whether the kernel knows managed entries. It is asked for one on an interface that nobody has: it looks at
/// the flags first, and refuses those that nobody defined only where it knows any.
pub async fn knows_managed() -> Result<bool, Error> {
    const NOBODYS: InterfaceIndex = i32::MAX.unsigned_abs();
    let mut conversation = Conversation::open()?;
    let mut refused = Vec::with_capacity(2);
    for flags in [NeighbourExtFlags::Managed, NeighbourExtFlags::all()] {
        let mut message = entry(NOBODYS, IpAddr::V4(Ipv4Addr::LOCALHOST));
        message.header.flags = NeighbourFlags::Use;
        message.attributes.push(NeighbourAttribute::ExtFlags(flags));
        let request = RouteNetlinkMessage::NewNeighbour(message);
        refused.push(conversation.order(request, NLM_F_CREATE).await?.err());
    }
    Ok(refused[0] == Some(Errno::ENODEV) && refused[1] != Some(Errno::ENODEV))
}

/// Takes back what `manage` did to an entry, where the entry still is ours.
pub async fn release(
    interface: InterfaceIndex,
    address: IpAddr,
    origin: Origin,
) -> Result<(), Error> {
    let mut conversation = Conversation::open()?;
    let Some(found) = look(&mut conversation, interface, address).await? else {
        return Ok(());
    };
    if decode::protocol(&found) != OURS || decode::keeper(&found) == Keeper::Other {
        return Ok(());
    }
    let mut message = entry(interface, address);
    let request = match origin {
        Origin::Created => RouteNetlinkMessage::DelNeighbour(message),
        Origin::Upgraded => {
            // NTF_USE alone: the state stays, the managed flag goes. A protocol can be replaced, but
            // not be taken away.
            message.header.flags = NeighbourFlags::Use;
            message
                .attributes
                .push(NeighbourAttribute::Protocol(RouteProtocol::Kernel));
            RouteNetlinkMessage::NewNeighbour(message)
        }
    };
    match conversation.order(request, 0).await? {
        Ok(_) | Err(Errno::ENOENT) => Ok(()),
        Err(source) => Err(Error::Neighbour {
            interface,
            address,
            source,
        }),
    }
}

/// A neighbour entry as `ip -statistics neigh` tells of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its state, in the words of `ip neigh`.
    pub state: &'static str,
    /// Seconds since the neighbour was last known to answer.
    pub confirmed: u32,
    /// Seconds since the state last changed.
    pub updated: u32,
}

/// The entries of neighbours, without those that there are none of.
pub async fn entries(
    keys: BTreeSet<(InterfaceIndex, IpAddr)>,
) -> Result<BTreeMap<(InterfaceIndex, IpAddr), Entry>, Error> {
    let mut entries = BTreeMap::new();
    let mut conversation = Conversation::open()?;
    for (interface, address) in keys {
        match look(&mut conversation, interface, address).await {
            Ok(Some(found)) => {
                let _new = entries.insert((interface, address), describe(&found));
            }
            // The interface is gone, or has no neighbours.
            Ok(None) | Err(Error::Neighbour { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(entries)
}

fn describe(message: &NeighbourMessage) -> Entry {
    // In units of USER_HZ, which is 100 on every architecture that Rust knows.
    const UNITS: u32 = 100;
    let mut entry = Entry {
        state: match message.header.state {
            Nud::Incomplete => "INCOMPLETE",
            Nud::Reachable => "REACHABLE",
            Nud::Stale => "STALE",
            Nud::Delay => "DELAY",
            Nud::Probe => "PROBE",
            Nud::Failed => "FAILED",
            Nud::Noarp => "NOARP",
            Nud::Permanent => "PERMANENT",
            _ => "NONE",
        },
        confirmed: 0,
        updated: 0,
    };
    for attribute in &message.attributes {
        if let NeighbourAttribute::CacheInfo(times) = attribute {
            entry.confirmed = times.confirmed / UNITS;
            entry.updated = times.updated / UNITS;
        }
    }
    entry
}

/// The entry as it is now.
pub(super) async fn look(
    conversation: &mut Conversation,
    interface: InterfaceIndex,
    address: IpAddr,
) -> Result<Option<NeighbourMessage>, Error> {
    let request = RouteNetlinkMessage::GetNeighbour(entry(interface, address));
    let mut answers = conversation.ask(&[request], 0).await?;
    match answers.pop() {
        Some(Ok(Some(RouteNetlinkMessage::NewNeighbour(message)))) => Ok(Some(message)),
        Some(Err(Errno::ENOENT)) => Ok(None),
        Some(Err(source)) => Err(Error::Neighbour {
            interface,
            address,
            source,
        }),
        _ => Err(Error::Neighbour {
            interface,
            address,
            source: Errno::EBADMSG,
        }),
    }
}

/// A message that names an entry and says nothing about it.
fn entry(interface: InterfaceIndex, address: IpAddr) -> NeighbourMessage {
    let mut message = NeighbourMessage::default();
    message.header.ifindex = interface;
    message.header.state = Nud::None;
    let (family, destination) = match address {
        IpAddr::V4(v4) => (AddressFamily::Inet, NeighbourAddress::Inet(v4)),
        IpAddr::V6(v6) => (AddressFamily::Inet6, NeighbourAddress::Inet6(v6)),
    };
    message.header.family = family;
    message
        .attributes
        .push(NeighbourAttribute::Destination(destination));
    message
}
