//! Neighbour entries that the kernel keeps for us, with their records. **IO**
//!
//! A record is written before the entry is changed and removed after it was given back, so that a crash
//! leaves no entry of ours without a record. Until it is known what was there before, the record says
//! "upgraded": giving such an entry back removes nothing of anybody's.

use std::net::IpAddr;

use thiserror::Error;
use udplb_abi::{
    address,
    record::{NEIGHBOUR_CREATED, NEIGHBOUR_UPGRADED, Neighbour, NeighbourKey},
};

use super::{
    bpf::{MapOpError, Records},
    netlink::{self, Network, Origin, Outcome},
};
use crate::facts::InterfaceIndex;

/// Why a neighbour entry could not be managed or released.
#[derive(Debug, Error)]
pub enum NeighbourError {
    /// The kernel refused.
    #[error(transparent)]
    Entry(#[from] netlink::Error),
    /// Its record could not be written.
    #[error(transparent)]
    Record(#[from] MapOpError),
    /// Somebody else keeps it.
    #[error("somebody else keeps the neighbour entry of {address} on interface {interface}")]
    NotOurs {
        /// The entry's interface.
        interface: InterfaceIndex,
        /// The entry's address.
        address: IpAddr,
    },
}

/// Has the kernel keep an entry fresh.
pub async fn manage(
    records: &mut Records,
    network: &Network,
    interface: InterfaceIndex,
    address: IpAddr,
) -> Result<(), NeighbourError> {
    let key = key(interface, address);
    let before = records.neighbour(&key)?;
    if before.is_none() {
        records.record_neighbour(&key, NEIGHBOUR_UPGRADED)?;
    }
    match network.manage(interface, address).await {
        Ok(Outcome::Managed(origin)) => records.record_neighbour(&key, number(origin))?,
        Ok(Outcome::Already) => {}
        Ok(Outcome::LeftAlone) => {
            records.forget_neighbour(&key)?;
            return Err(NeighbourError::NotOurs { interface, address });
        }
        Err(error) => {
            if before.is_none() {
                records.forget_neighbour(&key)?;
            }
            return Err(error.into());
        }
    }
    Ok(())
}

/// Takes back what [`manage`] did.
pub async fn release(
    records: &mut Records,
    interface: InterfaceIndex,
    address: IpAddr,
) -> Result<(), NeighbourError> {
    let key = key(interface, address);
    if let Some(record) = records.neighbour(&key)? {
        give_back(interface, address, record).await?;
        records.forget_neighbour(&key)?;
    }
    Ok(())
}

/// Takes back what a record stands for, where the entry still is ours.
pub async fn give_back(
    interface: InterfaceIndex,
    address: IpAddr,
    record: Neighbour,
) -> Result<(), NeighbourError> {
    let origin = match record.origin {
        NEIGHBOUR_CREATED => Origin::Created,
        _ => Origin::Upgraded,
    };
    match netlink::release(interface, address, origin).await {
        // With the interface it went, too.
        Err(netlink::Error::Neighbour {
            source: nix::errno::Errno::ENODEV | nix::errno::Errno::EINVAL,
            ..
        }) => Ok(()),
        released => Ok(released?),
    }
}

const fn key(interface: InterfaceIndex, address: IpAddr) -> NeighbourKey {
    NeighbourKey {
        interface,
        address: address::from_ip(address),
    }
}

const fn number(origin: Origin) -> u32 {
    match origin {
        Origin::Created => NEIGHBOUR_CREATED,
        Origin::Upgraded => NEIGHBOUR_UPGRADED,
    }
}
