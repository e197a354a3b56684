//! From the API's types to those of the maps. **pure**

use udplb_abi::{
    forward::{
        ACTION_CLONE, ACTION_FORWARD, ADDRESS_PRESERVE, ADDRESS_REWRITE, SAMPLING_PER_FLOW,
        SAMPLING_PER_PACKET, UNAVAILABLE_DROP, UNAVAILABLE_PASS,
    },
    hash,
};
use udplb_api::{
    ResolvedDestination, ResolvedForwardSpec, ResolvedUpstream,
    udp_forward::{
        Action, State, WhenUnavailable,
        destination::{AddressHandling, SamplingPer, Strategy},
    },
};

use super::{DestinationSpec, Options, RateLimit, Spec, UpstreamSpec};

impl Spec {
    /// A resolved forward as this host needs it.
    #[must_use]
    pub fn new(name: String, forward: &ResolvedForwardSpec) -> Self {
        let ranges = forward.r#match.ports.iter();
        Self {
            name,
            paused: forward.state == State::Paused,
            interfaces: forward.interfaces.clone().unwrap_or_default(),
            addresses: forward.r#match.addresses.clone().unwrap_or_default(),
            ports: ranges.map(|range| range.first()..=range.last()).collect(),
            sources: forward.r#match.sources.clone(),
            action: match forward.action {
                Action::Clone => ACTION_CLONE,
                Action::Forward => ACTION_FORWARD,
            },
            when_unavailable: match forward.when_unavailable {
                WhenUnavailable::Drop => UNAVAILABLE_DROP,
                WhenUnavailable::Pass => UNAVAILABLE_PASS,
            },
            destinations: forward.destinations.iter().map(destination).collect(),
        }
    }
}

fn destination(destination: &ResolvedDestination) -> DestinationSpec {
    let sampling = destination.sampling.as_ref();
    DestinationSpec {
        name: destination.name.as_str().to_owned(),
        options: Options {
            strategy: match destination.strategy {
                Strategy::SourceIp => hash::Strategy::SourceIp,
                Strategy::SourcePort => hash::Strategy::SourcePort,
                Strategy::SourceIpPort => hash::Strategy::SourceIpPort,
                Strategy::FiveTuple => hash::Strategy::FiveTuple,
                Strategy::Random => hash::Strategy::Random,
            },
            source_address: address(destination.source_address),
            destination_address: address(destination.destination_address),
            sampling_one_in: sampling.map_or(1, |sampling| sampling.one_in),
            sampling_per: sampling.map_or(SAMPLING_PER_PACKET, |sampling| match sampling.per {
                SamplingPer::Packet => SAMPLING_PER_PACKET,
                SamplingPer::Flow => SAMPLING_PER_FLOW,
            }),
            rate_limit: destination.rate_limit.as_ref().map(|limit| {
                let rate = limit.packets_per_second;
                RateLimit::new(rate, limit.burst.unwrap_or(rate))
            }),
        },
        upstreams: destination.upstreams.iter().map(upstream).collect(),
    }
}

const fn address(handling: AddressHandling) -> u8 {
    match handling {
        AddressHandling::Preserve => ADDRESS_PRESERVE,
        AddressHandling::Rewrite => ADDRESS_REWRITE,
    }
}

const fn upstream(upstream: &ResolvedUpstream) -> UpstreamSpec {
    UpstreamSpec {
        address: upstream.address,
        port: upstream.port,
        weight: upstream.weight,
    }
}
