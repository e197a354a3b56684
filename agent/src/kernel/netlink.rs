//! The host's network by netlink: facts, their changes, and neighbour entries. **IO**
//!
//! ```text
//! multicast groups ─ events ─▶ cache ─ facts ─▶ Network::facts, Network::changes
//!                                ▲
//! dumps, route questions ─ conversation
//!                                │
//! Network::manage, release ─ neighbour
//! ```
//!
//! Contract: facts are complete when `open` returns, and follow the kernel from then on. Where events
//! were lost, everything is listed again; until that succeeded the facts before it stay. Sockets
//! belong to the network namespace of the thread that calls `open`, and of the runtime's threads.

mod cache;
mod conversation;
mod decode;
mod events;
mod list;
mod messages;
mod neighbour;
pub mod qdisc;
mod watcher;

#[cfg(test)]
mod tests;

use std::{
    collections::BTreeSet,
    io,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use nix::errno::Errno;
use tokio::sync::{mpsc, watch};
use tokio_util::task::AbortOnDropHandle;

use crate::facts::{Facts, InterfaceIndex};

pub use neighbour::{Entry, Origin, Outcome, entries, knows_managed, release};

/// Bytes of events that the kernel keeps for us while we are busy; taken only when needed.
const RECEIVE_BUFFER: usize = 4 << 20;

/// Why the kernel could not be asked or told something.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No socket, or it could not be set up.
    #[error("cannot open a netlink socket")]
    Open(#[source] io::Error),
    /// A socket broke, or events were lost (`ENOBUFS`).
    #[error("the netlink socket failed")]
    Socket(#[source] io::Error),
    /// A list could not be had.
    #[error("the kernel did not list its {what}")]
    List {
        /// What was to be listed.
        what: &'static str,
        /// The kernel's reason.
        #[source]
        source: Errno,
    },
    /// A list changed again and again while it was read.
    #[error("the kernel's {what} change too fast to be listed")]
    Interrupted {
        /// What was to be listed.
        what: &'static str,
    },
    /// A route question failed for another reason than the absence of a route.
    #[error("the kernel did not answer for the route to {address}")]
    Route {
        /// The address asked for.
        address: IpAddr,
        /// The kernel's reason.
        #[source]
        source: Errno,
    },
    /// A neighbour entry could not be read or changed.
    #[error("the kernel refused the neighbour entry of {address} on interface {interface}")]
    Neighbour {
        /// The entry's interface.
        interface: InterfaceIndex,
        /// The entry's address.
        address: IpAddr,
        /// The kernel's reason.
        #[source]
        source: Errno,
    },
    /// A qdisc could not be removed.
    #[error("the kernel refused to remove the clsact qdisc of interface {interface}")]
    Qdisc {
        /// The qdisc's interface.
        interface: InterfaceIndex,
        /// The kernel's reason.
        #[source]
        source: Errno,
    },
    /// The task that follows the kernel has ended.
    #[error("the network is no longer followed")]
    Stopped,
}

/// The network of one namespace, followed from `open` until it is dropped.
#[derive(Debug)]
pub struct Network {
    facts: watch::Receiver<Arc<Facts>>,
    wanted: watch::Sender<BTreeSet<IpAddr>>,
    created: mpsc::UnboundedSender<(InterfaceIndex, IpAddr)>,
    resyncs: Arc<AtomicU64>,
    _watcher: AbortOnDropHandle<()>,
}

impl Network {
    /// Lists everything and starts to follow it.
    pub async fn open() -> Result<Self, Error> {
        Self::with_receive_buffer(RECEIVE_BUFFER).await
    }

    async fn with_receive_buffer(bytes: usize) -> Result<Self, Error> {
        let (wanted, wanted_receiver) = watch::channel(BTreeSet::new());
        let (created, created_receiver) = mpsc::unbounded_channel();
        let resyncs = Arc::new(AtomicU64::new(0));
        let inputs = watcher::Inputs {
            receive_buffer: bytes,
            wanted: wanted_receiver,
            created: created_receiver,
        };
        let (watcher, facts) = watcher::Watcher::start(inputs, Arc::clone(&resyncs)).await?;
        let watcher = AbortOnDropHandle::new(tokio::spawn(watcher.run()));
        Ok(Self {
            facts,
            wanted,
            created,
            resyncs,
            _watcher: watcher,
        })
    }

    /// What is known now.
    #[must_use]
    pub fn facts(&self) -> Arc<Facts> {
        Arc::clone(&self.facts.borrow())
    }

    /// Follows the facts: `changed()` returns after a change, many changes at once count as one.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<Arc<Facts>> {
        self.facts.clone()
    }

    /// Says which addresses the routes are needed for, instead of those before, and returns facts
    /// that hold the answers. To be called from one task only.
    pub async fn want(&self, addresses: BTreeSet<IpAddr>) -> Result<Arc<Facts>, Error> {
        let _changed = self.wanted.send_if_modified(|wanted| {
            let differs = *wanted != addresses;
            if differs {
                wanted.clone_from(&addresses);
            }
            differs
        });
        let mut facts = self.facts.clone();
        let answered = facts
            .wait_for(|facts| {
                addresses
                    .iter()
                    .all(|address| facts.routes.contains_key(address))
            })
            .await
            .map_err(|_closed| Error::Stopped)?;
        Ok(Arc::clone(&answered))
    }

    /// Has the kernel keep a neighbour entry fresh. Entries that somebody else keeps stay as they are.
    pub async fn manage(
        &self,
        interface: InterfaceIndex,
        address: IpAddr,
    ) -> Result<Outcome, Error> {
        let outcome = neighbour::manage(interface, address).await?;
        if outcome == Outcome::Managed(Origin::Created) {
            // The kernel announces a new entry only once it is resolved or failed.
            let _stopped = self.created.send((interface, address));
        }
        Ok(outcome)
    }

    /// Takes back what `manage` did, where the entry still is ours.
    pub async fn release(
        &self,
        interface: InterfaceIndex,
        address: IpAddr,
        origin: Origin,
    ) -> Result<(), Error> {
        neighbour::release(interface, address, origin).await
    }

    /// How often everything had to be listed again, because events were lost or a socket broke.
    #[must_use]
    pub fn resyncs(&self) -> u64 {
        self.resyncs.load(Ordering::Relaxed)
    }
}
