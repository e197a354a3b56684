//! First step: texts become addresses, once. Pure.
//!
//! The API server and the offline check have applied every rule already. What is checked here again is
//! what later steps rely on, for objects that were stored before a rule existed.

use std::{net::IpAddr, str::FromStr};

use ipnet::IpNet;
use udplb_api::{
    ForwardReference, UdpForward,
    udp_forward::{
        Action, State, WhenUnavailable,
        destination::{
            AddressHandling, Destination, RateLimit, Sampling, ServiceReference, Strategy, Upstream,
        },
        matching::PortRange,
        selector::LabelSelector,
        text::{DestinationName, InterfacePattern, ListenAddress, SourcePrefix},
    },
};

use crate::types::{ForwardKey, Rejection, Seniority};

/// A forward whose fields are parsed. Lists whose order means nothing are sorted, each item once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidatedForward {
    pub(crate) seniority: Seniority,
    pub(crate) key: ForwardKey,
    pub(crate) uid: Option<String>,
    pub(crate) state: State,
    pub(crate) node_selector: Option<LabelSelector>,
    pub(crate) interfaces: Option<Vec<InterfacePattern>>,
    pub(crate) addresses: Option<Vec<IpNet>>,
    pub(crate) ports: Vec<PortRange>,
    pub(crate) sources: Vec<IpNet>,
    pub(crate) action: Action,
    pub(crate) when_unavailable: WhenUnavailable,
    pub(crate) destinations: Vec<ValidatedDestination>,
}

impl ValidatedForward {
    /// Its namespace and name.
    #[must_use]
    pub const fn key(&self) -> &ForwardKey {
        &self.key
    }

    /// Which nodes it chooses; every node where there is none.
    #[must_use]
    pub const fn node_selector(&self) -> Option<&LabelSelector> {
        self.node_selector.as_ref()
    }

    /// What a node's configuration calls it.
    #[must_use]
    pub fn reference(&self) -> ForwardReference {
        ForwardReference {
            namespace: self.key.namespace.clone(),
            name: self.key.name.clone(),
            uid: self.uid.clone().unwrap_or_default(),
        }
    }

    /// Whether packets are handled, or all of it is only planned.
    #[must_use]
    pub const fn state(&self) -> State {
        self.state
    }

    /// The services among its upstreams, all of its own namespace.
    pub fn services(&self) -> impl Iterator<Item = &ServiceReference> {
        self.sources().filter_map(|source| match source {
            UpstreamSource::Service(service) => Some(service),
            UpstreamSource::Address { .. } | UpstreamSource::Hostname { .. } => None,
        })
    }

    /// The host names among its upstreams.
    pub fn hostnames(&self) -> impl Iterator<Item = &str> {
        self.sources().filter_map(|source| match source {
            UpstreamSource::Hostname { hostname, .. } => Some(hostname.as_str()),
            UpstreamSource::Address { .. } | UpstreamSource::Service(_) => None,
        })
    }

    fn sources(&self) -> impl Iterator<Item = &UpstreamSource> {
        let upstreams = self.destinations.iter().flat_map(|item| &item.upstreams);
        upstreams.map(|upstream| &upstream.source)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ValidatedDestination {
    pub(crate) name: DestinationName,
    pub(crate) strategy: Strategy,
    pub(crate) source_address: AddressHandling,
    pub(crate) destination_address: AddressHandling,
    pub(crate) sampling: Option<Sampling>,
    pub(crate) rate_limit: Option<RateLimit>,
    pub(crate) upstreams: Vec<ValidatedUpstream>,
}

/// An upstream as it was asked for, in the order of the spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ValidatedUpstream {
    pub(crate) source: UpstreamSource,
    pub(crate) weight: u16,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum UpstreamSource {
    Address { address: IpAddr, port: Option<u16> },
    Hostname { hostname: String, port: Option<u16> },
    Service(ServiceReference),
}

/// Parses a forward.
pub fn forward(forward: &UdpForward, seniority: Seniority) -> Result<ValidatedForward, Rejection> {
    let spec = &forward.spec;
    let key = ForwardKey::of(forward);
    if key.name.is_empty() || key.name.len() > udplb_api::MAX_FORWARD_NAME {
        return Err(invalid(
            "metadata.name",
            "write a name of at most 63 characters",
        ));
    }
    let addresses = match &spec.r#match.addresses {
        None => None,
        Some(texts) => Some(prefixes(
            "spec.match.addresses",
            texts.iter().map(ListenAddress::as_str),
        )?),
    };
    let sources = spec
        .r#match
        .sources
        .iter()
        .flatten()
        .map(SourcePrefix::as_str);
    if spec.destinations.is_empty() || spec.destinations.len() > MAX_DESTINATIONS {
        return Err(invalid("spec.destinations", "write 1 to 8 destinations"));
    }
    let mut destinations = Vec::with_capacity(spec.destinations.len());
    for (index, item) in spec.destinations.iter().enumerate() {
        destinations.push(destination(&format!("spec.destinations[{index}]"), item)?);
    }
    Ok(ValidatedForward {
        seniority,
        key,
        uid: forward.metadata.uid.clone(),
        state: spec.state,
        node_selector: spec.node_selector.clone(),
        interfaces: spec.interfaces.clone().map(sorted),
        addresses,
        ports: ports(&spec.r#match.ports)?,
        sources: prefixes("spec.match.sources", sources)?,
        action: spec.action,
        when_unavailable: spec.when_unavailable.unwrap_or_default(),
        destinations,
    })
}

const MAX_DESTINATIONS: usize = 8;

fn invalid(path: impl Into<String>, message: impl Into<String>) -> Rejection {
    Rejection::InvalidSpec {
        path: path.into(),
        message: message.into(),
    }
}

fn sorted<T: Ord>(mut items: Vec<T>) -> Vec<T> {
    items.sort_unstable();
    items.dedup();
    items
}

fn ports(ranges: &[PortRange]) -> Result<Vec<PortRange>, Rejection> {
    if ranges.is_empty() {
        return Err(invalid("spec.match.ports", "write at least one port"));
    }
    for (index, range) in ranges.iter().enumerate() {
        let path = || format!("spec.match.ports[{index}]");
        if range.first() == 0 || range.last() < range.first() {
            return Err(invalid(
                path(),
                "write a port from 1 to 65535, and an endPort not below it",
            ));
        }
        if ranges[..index]
            .iter()
            .any(|earlier| earlier.overlaps(*range))
        {
            return Err(invalid(
                path(),
                "an earlier entry holds the same port: name each port once",
            ));
        }
    }
    // A range of one port and the port alone are the same.
    let settled = ranges.iter().map(|range| PortRange {
        port: range.first(),
        end_port: (range.last() > range.first()).then(|| range.last()),
    });
    Ok(sorted(settled.collect()))
}

fn prefixes<'a>(path: &str, texts: impl Iterator<Item = &'a str>) -> Result<Vec<IpNet>, Rejection> {
    let mut found = Vec::new();
    for (index, text) in texts.enumerate() {
        let prefix = IpNet::from_str(text).or_else(|_| IpAddr::from_str(text).map(IpNet::from));
        match prefix {
            Ok(prefix) if prefix.trunc() == prefix && !is_mapped(prefix.addr()) => {
                found.push(prefix);
            }
            _ => {
                return Err(invalid(
                    format!("{path}[{index}]"),
                    format!(
                        "\"{text}\" is neither an address nor a prefix: write one such as 192.0.2.10 or 2001:db8::/64"
                    ),
                ));
            }
        }
    }
    Ok(sorted(found))
}

/// The maps hold IPv4 in this form, so that an IPv6 address of it would be taken for IPv4.
fn is_mapped(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some())
}

fn destination(path: &str, destination: &Destination) -> Result<ValidatedDestination, Rejection> {
    let mut upstreams = Vec::with_capacity(destination.upstreams.len());
    for (index, item) in destination.upstreams.iter().enumerate() {
        upstreams.push(upstream(&format!("{path}.upstreams[{index}]"), item)?);
    }
    Ok(ValidatedDestination {
        name: destination.name.clone(),
        strategy: destination.strategy,
        source_address: destination.source_address,
        destination_address: destination.destination_address,
        sampling: destination.sampling,
        rate_limit: destination.rate_limit,
        upstreams,
    })
}

fn upstream(path: &str, upstream: &Upstream) -> Result<ValidatedUpstream, Rejection> {
    if !(1..=256).contains(&upstream.weight) {
        return Err(invalid(
            format!("{path}.weight"),
            "write a weight from 1 to 256",
        ));
    }
    if upstream.port == Some(0) {
        return Err(invalid(
            format!("{path}.port"),
            "write a port from 1 to 65535",
        ));
    }
    let source = match (&upstream.address, &upstream.hostname, &upstream.service) {
        (Some(text), None, None) => match IpAddr::from_str(text.as_str()) {
            Ok(address) if !is_mapped(address) => UpstreamSource::Address {
                address,
                port: upstream.port,
            },
            _ => {
                return Err(invalid(
                    format!("{path}.address"),
                    format!(
                        "\"{text}\" is no address: for a name write hostname instead of address"
                    ),
                ));
            }
        },
        (None, Some(hostname), None) => UpstreamSource::Hostname {
            // Case means nothing in a name, and it is asked for once.
            hostname: hostname.as_str().to_ascii_lowercase(),
            port: upstream.port,
        },
        (None, None, Some(service)) => UpstreamSource::Service(service.clone()),
        _ => {
            return Err(invalid(
                path,
                "write exactly one of address, hostname and service",
            ));
        }
    };
    Ok(ValidatedUpstream {
        source,
        weight: upstream.weight,
    })
}
