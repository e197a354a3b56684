//! Which decisions are of interest. **pure**

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    str::FromStr,
};

use ipnet::IpNet;
use thiserror::Error;
use udplb_abi::{
    address,
    counters::DropReason,
    record,
    trace::{TraceRequest, TraceVerdict},
};

use crate::{desired::prefix::Prefix, text};

/// Which decisions to report; the default reports every one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only this forward: `namespace/name`.
    pub forward: Option<String>,
    /// Only packets from here.
    pub source: Option<IpNet>,
    /// Only what was sent to this upstream, or dropped on the way there.
    pub upstream: Option<Upstream>,
    /// Only these; none: all.
    pub verdicts: Vec<TraceVerdict>,
    /// Of what was dropped, only for these; none: all.
    pub reasons: Vec<DropReason>,
    /// Decisions a second and CPU; 0: no limit.
    pub rate: u32,
}

/// An upstream as `--upstream` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// Its address.
    pub address: IpAddr,
    /// Its port; `None`: any.
    pub port: Option<u16>,
}

/// `--upstream` names none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("write an address such as 192.0.2.1, or with a port 192.0.2.1:514 or [2001:db8::1]:514")]
pub struct UpstreamError;

impl FromStr for Upstream {
    type Err = UpstreamError;

    fn from_str(text: &str) -> Result<Self, UpstreamError> {
        if let Ok(address) = text.parse() {
            return Ok(Self {
                address,
                port: None,
            });
        }
        let socket: SocketAddr = text.parse().map_err(|_not_one| UpstreamError)?;
        Ok(Self {
            address: socket.ip(),
            port: Some(socket.port()),
        })
    }
}

impl fmt::Display for Upstream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&text::endpoint(self.address, self.port.unwrap_or_default()))
    }
}

/// A source as people write it: an address or a prefix.
pub fn source(text: &str) -> Result<IpNet, String> {
    let address = || text.parse::<IpAddr>().ok().map(IpNet::from);
    text.parse::<IpNet>()
        .ok()
        .or_else(address)
        .ok_or_else(|| "write an address or a prefix, such as 192.0.2.1 or 192.0.2.0/24".into())
}

impl Filter {
    /// What to ask of the program: from this session on, until `until` (ns of `CLOCK_MONOTONIC`).
    #[must_use]
    pub fn request(&self, session: u32, until: u64) -> TraceRequest {
        let forward = self.forward.as_ref();
        let source = self.source.map(Prefix::from_net);
        TraceRequest {
            until,
            session,
            forward: forward.map_or(0, |name| record::identity(name.as_bytes())),
            source: source.map_or([0; 16], |prefix| prefix.address()),
            source_mask: source.map_or([0; 16], |prefix| {
                Prefix::new([0xff; 16], prefix.length()).address()
            }),
            upstream: self
                .upstream
                .map_or([0; 16], |upstream| address::from_ip(upstream.address)),
            upstream_port: self
                .upstream
                .and_then(|upstream| upstream.port)
                .unwrap_or(0)
                .to_be_bytes(),
            verdicts: bits(
                self.verdicts.iter().map(|verdict| *verdict as u32),
                self.reasons.is_empty(),
                TraceVerdict::Dropped.bit(),
            ),
            reasons: bits(
                self.reasons.iter().map(|reason| *reason as u32),
                true,
                u32::MAX,
            ),
            burst: self.rate,
            interval: 1_000_000_000_u64.checked_div(self.rate.into()).unwrap_or(0),
            ..TraceRequest::OFF
        }
    }
}

/// The bits of these numbers. Where there is none: all of them, or else `otherwise`.
fn bits(numbers: impl Iterator<Item = u32>, all: bool, otherwise: u32) -> u32 {
    match numbers.fold(0, |bits, number| bits | 1 << number) {
        0 if all => u32::MAX,
        0 => otherwise,
        bits => bits,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_asked_is_everything_wanted() {
        let request = Filter::default().request(7, 9);
        let everything = TraceRequest {
            session: 7,
            until: 9,
            verdicts: u32::MAX,
            reasons: u32::MAX,
            ..TraceRequest::OFF
        };
        assert_eq!(request, everything);
    }

    #[test]
    fn each_part_narrows_it() {
        let filter = Filter {
            forward: Some("telemetry/syslog".into()),
            source: Some(source("198.51.100.9/24").unwrap()),
            upstream: Some("[2001:db8::1]:514".parse().unwrap()),
            verdicts: vec![TraceVerdict::Sent, TraceVerdict::Passed],
            reasons: vec![DropReason::NoRoute],
            rate: 1_000,
        };
        let request = filter.request(1, 2);
        assert_eq!(request.forward, record::identity(b"telemetry/syslog"));
        let prefix = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 198, 51, 100, 0];
        assert_eq!(request.source, prefix);
        let mut mask = [0xff; 16];
        mask[15] = 0;
        assert_eq!(request.source_mask, mask);
        let upstream = address::from_ip("2001:db8::1".parse().unwrap());
        assert_eq!(
            (request.upstream, request.upstream_port),
            (upstream, [2, 2])
        );
        assert_eq!((request.verdicts, request.reasons), (0b1001, 0b10));
        assert_eq!((request.burst, request.interval), (1_000, 1_000_000));
    }

    #[test]
    fn a_reason_alone_means_what_was_dropped_for_it() {
        let filter = Filter {
            reasons: vec![DropReason::MtuExceeded],
            ..Filter::default()
        };
        let request = filter.request(1, 2);
        assert_eq!((request.verdicts, request.reasons), (0b10, 0b1000));
    }

    #[test]
    fn what_cannot_be_read_says_what_to_write() {
        assert!(source("eth0").unwrap_err().contains("192.0.2.0/24"));
        assert_eq!(
            "10.0.0.1:port".parse::<Upstream>().unwrap_err().to_string(),
            "write an address such as 192.0.2.1, or with a port 192.0.2.1:514 or [2001:db8::1]:514"
        );
        for text in [
            "192.0.2.1",
            "192.0.2.1:514",
            "2001:db8::1",
            "[2001:db8::1]:514",
        ] {
            assert_eq!(text.parse::<Upstream>().unwrap().to_string(), text);
        }
    }
}
