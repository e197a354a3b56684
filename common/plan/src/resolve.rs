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
    /// What host names stand for, in lower case; a name that has not been asked for yet is not in here.
    pub hostnames: BTreeMap<String, HostAnswer>,
    /// What services stand for; none where there are no services.
    pub services: Option<BTreeMap<ServiceKey, ServiceAnswer>>,
}

/// What a host name stands for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostAnswer {
    /// The last good answer; empty: there has never been one.
    pub addresses: Vec<IpAddr>,
    /// When that was, in words.
    pub answered: Option<String>,
    /// Why there is no newer one, in words; none: it is what the name server says.
    pub failure: Option<String>,
}

/// The endpoints of a service, or in words why there are none: "does not exist".
pub type ServiceAnswer = Result<Vec<(IpAddr, u16)>, String>;

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
        let Found {
            upstreams: found,
            left_out,
        } = answer(&forward.key.namespace, upstream, answers);
        // Two entries that lead to one upstream add up.
        for key in found {
            let weight = weights.entry(key).or_default();
            *weight = weight.saturating_add(upstream.weight).min(MAX_WEIGHT);
        }
        notices.extend(left_out.into_iter().map(|(reason, message)| Notice {
            path: format!("{path}.upstreams[{index}]"),
            reason,
            message,
        }));
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

/// What an entry leads to, and what of it is not as written.
#[derive(Default)]
struct Found {
    upstreams: Vec<(IpAddr, Option<u16>)>,
    left_out: Vec<(Reason, String)>,
}

impl Found {
    fn nothing(reason: Reason, message: String) -> Self {
        Self {
            upstreams: Vec::new(),
            left_out: vec![(reason, message)],
        }
    }
}

fn answer(namespace: &str, upstream: &ValidatedUpstream, answers: &Answers) -> Found {
    match &upstream.source {
        UpstreamSource::Address { address, port } => Found {
            upstreams: vec![(*address, *port)],
            ..Found::default()
        },
        UpstreamSource::Hostname { hostname, port } => {
            host(hostname, *port, answers.hostnames.get(hostname))
        }
        UpstreamSource::Service(service) => {
            let name = &service.name;
            let Some(known) = &answers.services else {
                let message = format!(
                    "service {name} is left out: there are no services without a cluster, write addresses or host names"
                );
                return Found::nothing(Reason::NotSupported, message);
            };
            match known.get(&(namespace.to_owned(), service.clone())) {
                Some(Ok(endpoints)) => Found {
                    upstreams: endpoints
                        .iter()
                        .map(|&(address, port)| (address, Some(port)))
                        .collect(),
                    ..Found::default()
                },
                Some(Err(problem)) => {
                    let message = format!("service {namespace}/{name} {problem}");
                    Found::nothing(Reason::NotResolved, message)
                }
                None => {
                    let message = format!("service {namespace}/{name} is not known yet");
                    Found::nothing(Reason::NotResolved, message)
                }
            }
        }
    }
}

fn host(hostname: &str, port: Option<u16>, answer: Option<&HostAnswer>) -> Found {
    let Some(answer) = answer else {
        let message = format!("host name {hostname} has no answer yet");
        return Found::nothing(Reason::NotResolved, message);
    };
    let HostAnswer {
        addresses,
        answered,
        failure,
    } = answer;
    let (usable, unusable): (Vec<IpAddr>, Vec<IpAddr>) =
        addresses.iter().partition(|address| is_usable(**address));
    let mut left_out = Vec::new();
    if let Some(failure) = failure {
        let message = match answered {
            Some(time) => {
                format!("host name {hostname} keeps its last good answer, of {time}: {failure}")
            }
            None => format!("host name {hostname} has no answer: {failure}"),
        };
        left_out.push((Reason::NotResolved, message));
    }
    if !unusable.is_empty() {
        let mut texts: Vec<String> = unusable.iter().map(ToString::to_string).collect();
        texts.sort();
        let message = format!(
            "host name {hostname} stands for {}, which no route leads to: such an answer is left out",
            texts.join(", ")
        );
        left_out.push((Reason::NotResolved, message));
    }
    Found {
        upstreams: usable.into_iter().map(|address| (address, port)).collect(),
        left_out,
    }
}

/// The rule for addresses that are written: one host that routing leads to.
fn is_usable(address: IpAddr) -> bool {
    if address.is_unspecified() || address.is_loopback() || address.is_multicast() {
        return false;
    }
    match address {
        IpAddr::V4(v4) => !v4.is_broadcast(),
        // The maps hold IPv4 in the mapped form, so that it would be taken for IPv4.
        IpAddr::V6(v6) => !v6.is_unicast_link_local() && v6.to_ipv4_mapped().is_none(),
    }
}
