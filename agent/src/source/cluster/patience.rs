//! How long a version waits for what is on its way. **IO**

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// The two kinds come by watches of their own: what the operator wrote together comes one after the other.
const ON_ITS_WAY: Duration = Duration::from_millis(500);

/// Whether a version is held back.
#[derive(Clone, Copy, Debug)]
pub(super) enum Patience {
    /// Nothing is on its way.
    Unneeded,
    /// What has not come by then counts as missing.
    Until(Instant),
    /// It is missing.
    Over,
}

impl Patience {
    /// Whether a version should be held back, given whether it waits for anything.
    pub(super) fn holds(&mut self, is_waiting: bool) -> bool {
        *self = match *self {
            _ if !is_waiting => Self::Unneeded,
            Self::Unneeded => Self::Until(Instant::now() + ON_ITS_WAY),
            Self::Until(end) if end <= Instant::now() => Self::Over,
            goes_on => goes_on,
        };
        matches!(self, Self::Until(_))
    }

    /// Returns when a version has been held back for long enough.
    pub(super) async fn ends(self) {
        match self {
            Self::Until(end) => sleep_until(end).await,
            Self::Unneeded | Self::Over => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_on_its_way_is_waited_for_once() {
        let mut patience = Patience::Unneeded;
        assert!(!patience.holds(false));
        assert!(patience.holds(true));
        // More that waits does not make it longer.
        advance(ON_ITS_WAY / 2).await;
        assert!(patience.holds(true));
        let before = Instant::now();
        patience.ends().await;
        assert_eq!(before.elapsed(), ON_ITS_WAY / 2);
        assert!(!patience.holds(true), "it is missing");
        assert!(!patience.holds(true), "and stays so");
        assert!(!patience.holds(false), "it has come");
        assert!(patience.holds(true), "and the next one is waited for");
    }
}
