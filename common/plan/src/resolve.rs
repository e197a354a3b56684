//! Third step: names and services become upstreams. Pure; the answers are given in.

use std::{collections::BTreeMap, net::IpAddr};

use kube::core::ObjectMeta;
use udplb_api::{
    MAX_RESOLVED_UPSTREAMS, ResolvedDestination, ResolvedForward, ResolvedForwardSpec,
    ResolvedMatch, ResolvedUpstream,
    condition::Reason,
    udp_forward::destination::{RateLimit, ServiceReference},
};

use crate::{
    conflict::AcceptedForward,
    types::Notice,
    validate::{UpstreamSource, ValidatedDestination, ValidatedForward, ValidatedUpstream},
};

/// What names and services stand for now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answers {
    /// Addresses of host names; none where nobody resolves them.
    pub hostnames: Option<BTreeMap<String, Vec<IpAddr>>>,
    /// Endpoints of services by namespace; none where there are no services.
    pub services: Option<BTreeMap<ServiceKey, Vec<(IpAddr, u16)>>>,
}

/// A service with its namespace.
pub type ServiceKey = (String, ServiceReference);

/// A forward with its upstreams, and what of it could not be resolved.
#[derive(Clone, Debug, PartialEq)]
pub struct Resolution {
    /// The object to write.
    pub forward: ResolvedForward,
    /// What is left out.
    pub notices: Vec<Notice>,
}

/// Resolves an accepted forward.
#[must_use]
pub fn forward(accepted: &AcceptedForward, answers: &Answers, revision: i64) -> Resolution {
    let forward = accepted.forward();
    let mut notices = Vec::new();
    let destinations = forward
        .destinations
        .iter()
        .enumerate()
        .map(|(index, item)| {
            let path = format!("spec.destinations[{index}]");
            destination(forward, item, answers, &path, &mut notices)
        });
    let spec = ResolvedForwardSpec {
        revision,
        action: forward.action,
        when_unavailable: forward.when_unavailable,
        state: forward.state,
        interfaces: forward.interfaces.clone(),
        r#match: ResolvedMatch {
            addresses: forward.addresses.clone(),
            ports: forward.ports.clone(),
            sources: forward.sources.clone(),
        },
        destinations: destinations.collect(),
    };
    let metadata = ObjectMeta {
        namespace: Some(forward.key.namespace.clone()),
        name: Some(forward.key.name.clone()),
        ..ObjectMeta::default()
    };
    Resolution {
        forward: ResolvedForward { metadata, spec },
        notices,
    }
}

fn destination(
    forward: &ValidatedForward,
    destination: &ValidatedDestination,
    answers: &Answers,
    path: &str,
    notices: &mut Vec<Notice>,
) -> ResolvedDestination {
    let ValidatedDestination {
        name,
        strategy,
        source_address,
        destination_address,
        sampling,
        rate_limit,
        upstreams,
    } = destination;
    let mut weights: BTreeMap<(IpAddr, Option<u16>), u16> = BTreeMap::new();
    for (index, upstream) in upstreams.iter().enumerate() {
        match answer(&forward.key.namespace, upstream, answers) {
            // Two entries that lead to one upstream add up.
            Ok(found) => found.into_iter().for_each(|key| {
                let weight = weights.entry(key).or_default();
                *weight = weight.saturating_add(upstream.weight).min(MAX_WEIGHT);
            }),
            Err((reason, message)) => {
                notices.push(Notice {
                    path: format!("{path}.upstreams[{index}]"),
                    reason,
                    message,
                });
            }
        }
    }
    if weights.len() > MAX_RESOLVED_UPSTREAMS {
        notices.push(Notice {
            path: format!("{path}.upstreams"),
            reason: Reason::TooManyUpstreams,
            message: format!(
                "{} upstreams are known, the first {MAX_RESOLVED_UPSTREAMS} by address are used: spread them over several destinations or forwards",
                weights.len()
            ),
        });
    }
    ResolvedDestination {
        name: name.clone(),
        strategy: *strategy,
        source_address: *source_address,
        destination_address: *destination_address,
        sampling: *sampling,
        rate_limit: rate_limit.map(|limit| RateLimit {
            burst: Some(limit.burst.unwrap_or(limit.packets_per_second / 10).max(1)),
            ..limit
        }),
        upstreams: weights
            .into_iter()
            .take(MAX_RESOLVED_UPSTREAMS)
            .map(|((address, port), weight)| ResolvedUpstream {
                address,
                port,
                weight,
            })
            .collect(),
    }
}

const MAX_WEIGHT: u16 = 256;

type Found = Vec<(IpAddr, Option<u16>)>;

fn answer(
    namespace: &str,
    upstream: &ValidatedUpstream,
    answers: &Answers,
) -> Result<Found, (Reason, String)> {
    match &upstream.source {
        UpstreamSource::Address { address, port } => Ok(vec![(*address, *port)]),
        UpstreamSource::Hostname { hostname, port } => {
            let Some(known) = &answers.hostnames else {
                return Err((
                    Reason::NotSupported,
                    format!(
                        "host name {hostname} is left out: this version does not resolve names, write an address"
                    ),
                ));
            };
            let addresses = known.get(hostname).ok_or_else(|| {
                (
                    Reason::NotResolved,
                    format!("host name {hostname} has no answer yet"),
                )
            })?;
            Ok(addresses.iter().map(|&address| (address, *port)).collect())
        }
        UpstreamSource::Service(service) => {
            let name = &service.name;
            let Some(known) = &answers.services else {
                return Err((
                    Reason::NotSupported,
                    format!(
                        "service {name} is left out: there are no services without a cluster, write addresses"
                    ),
                ));
            };
            let endpoints = known
                .get(&(namespace.to_owned(), service.clone()))
                .ok_or_else(|| {
                    (
                        Reason::NotResolved,
                        format!("service {namespace}/{name} has no endpoints"),
                    )
                })?;
            Ok(endpoints
                .iter()
                .map(|&(address, port)| (address, Some(port)))
                .collect())
        }
    }
}
