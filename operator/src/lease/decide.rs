//! Whether to take the Lease. Pure.

use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::Lease;

/// A version of the Lease, and since when we know it. Other machines' clocks mean nothing here: a holder is gone when
/// the Lease has not changed for its duration by our own clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    version: Option<String>,
    holder: Option<String>,
    duration: Duration,
    since: Instant,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Write our name, with the version that was seen.
    Take,
    /// Somebody else leads: look again after this time at most.
    Wait(Duration),
}

/// The longest time until the next look at somebody else's Lease.
const LOOK: Duration = Duration::from_secs(1);

impl Seen {
    /// What is known after a look.
    #[must_use]
    pub fn update(before: Option<Self>, lease: Option<&Lease>, now: Instant) -> Self {
        let version = lease.and_then(|lease| lease.metadata.resource_version.clone());
        let spec = lease.and_then(|lease| lease.spec.as_ref());
        let holder = spec.and_then(|spec| spec.holder_identity.clone());
        let seconds = spec.and_then(|spec| spec.lease_duration_seconds);
        let since = before.filter(|before| before.version == version);
        Self {
            version,
            holder: holder.filter(|holder| !holder.is_empty()),
            duration: Duration::from_secs(seconds.and_then(|it| it.try_into().ok()).unwrap_or(0)),
            since: since.map_or(now, |before| before.since),
        }
    }
}

/// Decides after a look.
#[must_use]
pub fn decide(seen: &Seen, me: &str, now: Instant) -> Decision {
    match &seen.holder {
        Some(holder) if holder != me => {
            let end = seen.since + seen.duration;
            match end.checked_duration_since(now) {
                Some(left) if !left.is_zero() => Decision::Wait(left.min(LOOK)),
                _ => Decision::Take,
            }
        }
        _ => Decision::Take,
    }
}

#[cfg(test)]
mod tests {
    use kube::core::ObjectMeta;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn lease(holder: Option<&str>, version: &str) -> Lease {
        Lease {
            metadata: ObjectMeta {
                resource_version: Some(version.to_owned()),
                ..ObjectMeta::default()
            },
            spec: Some(k8s_openapi::api::coordination::v1::LeaseSpec {
                holder_identity: holder.map(str::to_owned),
                lease_duration_seconds: Some(15),
                ..Default::default()
            }),
        }
    }

    #[test]
    fn what_nobody_holds_is_taken() {
        let now = Instant::now();
        for lease in [None, Some(lease(None, "1")), Some(lease(Some(""), "1"))] {
            let seen = Seen::update(None, lease.as_ref(), now);
            assert_eq!(decide(&seen, "me", now), Decision::Take);
        }
        let mine = Seen::update(None, Some(&lease(Some("me"), "1")), now);
        assert_eq!(decide(&mine, "me", now), Decision::Take, "a renewal");
    }

    /// Who starts knows nothing of the past: a whole duration has to pass under its eyes.
    #[test]
    fn a_silent_holder_is_replaced_after_its_duration_by_our_clock() {
        let start = Instant::now();
        let theirs = lease(Some("other"), "1");
        let mut seen = Seen::update(None, Some(&theirs), start);
        for second in 0..15_u32 {
            let now = start + SECOND * second;
            seen = Seen::update(Some(seen), Some(&theirs), now);
            assert_eq!(decide(&seen, "me", now), Decision::Wait(LOOK), "{second}");
        }
        let now = start + SECOND * 15;
        assert_eq!(decide(&seen, "me", now), Decision::Take);
        let renewed = Seen::update(Some(seen), Some(&lease(Some("other"), "2")), now);
        assert_eq!(decide(&renewed, "me", now), Decision::Wait(LOOK));
    }
}
