//! Takes down what carries our mark, and nothing else. **IO**

use std::collections::BTreeSet;

use thiserror::Error;
use udplb_abi::address;

use crate::kernel::{
    bpf::{Maps, PinDirectory, PinError, ReadError, attachment, attachment::AttachError},
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

/// Detaches, gives neighbour entries back, and removes the pins, which frees the maps.
///
/// What fails is logged and does not stop the rest; then the records stay.
pub async fn clean_up(
    maps: Option<&mut Maps>,
    pins: &PinDirectory,
) -> Result<Summary, CleanupError> {
    let mut summary = Summary::default();
    let mut left = 0;
    if let Some(maps) = maps {
        let recorded = maps
            .attachments()?
            .into_iter()
            .map(|(interface, _)| interface);
        let mut interfaces: BTreeSet<_> = recorded.collect();
        interfaces.extend(attachment::pinned(pins)?);
        for interface in interfaces {
            match attachment::detach(maps, pins, interface).await {
                Ok(()) => summary.interfaces += 1,
                Err(error) => left += complain(&error.into()),
            }
        }
        for key in maps.managed_neighbours()? {
            let address = address::to_ip(key.address);
            match neighbours::release(maps, key.interface, address).await {
                Ok(()) => summary.neighbours += 1,
                Err(error) => left += complain(&error.into()),
            }
        }
    }
    if left > 0 {
        return Err(CleanupError::Left { count: left });
    }
    pins.remove()?;
    Ok(summary)
}

fn complain(error: &CleanupError) -> usize {
    let error = error as &dyn std::error::Error;
    tracing::error!(error, "failed");
    1
}
