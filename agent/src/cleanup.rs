//! Takes down what carries our mark, and nothing else. **IO**

use std::collections::BTreeSet;

use thiserror::Error;
use udplb_abi::address;

use crate::kernel::{
    bpf::{Maps, PinDirectory, PinError, ReadError, Records, attachment, attachment::AttachError},
    neighbours::{self, NeighbourError},
};

/// Why something of ours is still there.
#[derive(Debug, Error)]
#[expect(
    missing_docs,
    reason = "each variant hands on the error of the step that failed"
)]
pub enum CleanupError {
    #[error(transparent)]
    Attachment(#[from] AttachError),
    #[error(transparent)]
    Neighbour(#[from] NeighbourError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Pins(#[from] PinError),
    /// The records stay for the next attempt.
    #[error("{count} things could not be taken down, each is named above; run cleanup again")]
    Left {
        /// How many.
        count: usize,
    },
}

/// What was taken down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Interfaces that our program was taken off.
    pub interfaces: usize,
    /// Neighbour entries that were given back.
    pub neighbours: usize,
}

impl Summary {
    /// Counts what was done. What failed is logged and does not stop the rest; returns how much that was.
    fn count(&mut self, what: What, done: Result<bool, CleanupError>) -> usize {
        match done {
            Ok(true) => match what {
                What::Interface => self.interfaces += 1,
                What::Neighbour => self.neighbours += 1,
            },
            Ok(false) => {}
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(error, "failed");
                return 1;
            }
        }
        0
    }
}

#[derive(Clone, Copy)]
enum What {
    Interface,
    Neighbour,
}

/// Detaches, gives neighbour entries back, and removes the pins, which frees the maps.
///
/// Other versions left records as well; there may be several, and they are taken down first. Where something
/// fails, the records stay.
pub async fn clean_up(
    maps: Option<&mut Maps>,
    pins: &PinDirectory,
) -> Result<Summary, CleanupError> {
    let mut summary = Summary::default();
    let mut left = 0;
    for folder in pins.other_versions()? {
        match Records::read(&folder) {
            Ok(records) => left += take_down(&records, pins, &mut summary).await,
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(
                    error,
                    "{} is of another version of udplb-agent and its records cannot be read: its pins are removed, \
                     but what it attached by clsact filters stays (`tc filter show dev IFACE ingress` shows it as \
                     udplb), and so do neighbour entries (`ip neigh show proto 209`)",
                    folder.display()
                );
            }
        }
    }
    if let Some(maps) = maps {
        left += take_down_ours(maps, pins, &mut summary).await?;
    }
    if left > 0 {
        return Err(CleanupError::Left { count: left });
    }
    pins.remove()?;
    Ok(summary)
}

/// What this version recorded. Returns how much is left.
async fn take_down_ours(
    maps: &mut Maps,
    pins: &PinDirectory,
    summary: &mut Summary,
) -> Result<usize, CleanupError> {
    let recorded = maps.attachments()?.into_iter();
    let mut interfaces: BTreeSet<_> = recorded.map(|(interface, _)| interface).collect();
    interfaces.extend(attachment::pinned(pins)?);
    let mut left = 0;
    for interface in interfaces {
        let done = attachment::detach(maps, pins, interface).await;
        left += summary.count(What::Interface, done.map(|()| true).map_err(Into::into));
    }
    for key in maps.managed_neighbours()? {
        let address = address::to_ip(key.address);
        let done = neighbours::release(maps, key.interface, address).await;
        left += summary.count(What::Neighbour, done.map(|()| true).map_err(Into::into));
    }
    Ok(left)
}

/// What another version recorded. Returns how much is left.
async fn take_down(records: &Records, pins: &PinDirectory, summary: &mut Summary) -> usize {
    let mut left = 0;
    for (interface, record) in &records.attachments {
        let done = attachment::detach_other(records, pins, *interface, *record).await;
        left += summary.count(What::Interface, done.map_err(Into::into));
    }
    for (key, record) in &records.neighbours {
        let address = address::to_ip(key.address);
        let done = neighbours::give_back(key.interface, address, *record).await;
        left += summary.count(What::Neighbour, done.map(|()| true).map_err(Into::into));
    }
    left
}
