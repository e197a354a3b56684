//! Takes down what carries our mark, and nothing else. **IO**

use std::collections::BTreeSet;

use thiserror::Error;
use udplb_abi::address;

use crate::kernel::{
    bpf::{PinDirectory, PinError, ReadError, Records, attachment, attachment::AttachError},
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
    fn count(&mut self, what: What, done: Result<(), CleanupError>) -> usize {
        match done {
            Ok(()) => match what {
                What::Interface => self.interfaces += 1,
                What::Neighbour => self.neighbours += 1,
            },
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

/// Detaches, gives neighbour entries back, and removes the pins, which frees the maps: those of every version. Where
/// something fails, the records stay.
pub async fn clean_up(
    records: Option<&mut Records>,
    pins: &PinDirectory,
) -> Result<Summary, CleanupError> {
    let mut summary = Summary::default();
    if let Some(records) = records {
        let left = take_down(records, pins, &mut summary).await?;
        if left > 0 {
            return Err(CleanupError::Left { count: left });
        }
    }
    pins.remove()?;
    Ok(summary)
}

/// Takes down what is recorded. Returns how much is left.
async fn take_down(
    records: &mut Records,
    pins: &PinDirectory,
    summary: &mut Summary,
) -> Result<usize, CleanupError> {
    let recorded = records.attachments()?.into_iter();
    let mut interfaces: BTreeSet<_> = recorded.map(|(interface, _)| interface).collect();
    interfaces.extend(attachment::pinned(pins)?);
    let mut left = 0;
    for interface in interfaces {
        let done = attachment::detach(records, pins, interface).await;
        left += summary.count(What::Interface, done.map_err(Into::into));
    }
    for key in records.neighbours()? {
        let address = address::to_ip(key.address);
        let done = neighbours::release(records, key.interface, address).await;
        left += summary.count(What::Neighbour, done.map_err(Into::into));
    }
    Ok(left)
}
