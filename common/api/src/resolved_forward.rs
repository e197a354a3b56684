//! `ResolvedForward`: a forward with everything settled that is the same on all nodes. Pure.

use std::net::IpAddr;

use ipnet::IpNet;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    schema,
    udp_forward::{
        Action, State, WhenUnavailable,
        destination::{AddressHandling, RateLimit, Sampling, Strategy},
        matching::PortRange,
        text::{DestinationName, InterfacePattern},
    },
};

/// One version of a forward: agents put it in force as a whole.
#[derive(CustomResource, Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[kube(
    group = "udplb.dev",
    version = "v1alpha1",
    kind = "ResolvedForward",
    namespaced,
    shortname = "rf",
    category = "udplb",
    derive = "PartialEq",
    doc = "ResolvedForward is a UdpForward with its upstreams resolved. The operator writes it; change the UdpForward of the same name instead.",
    printcolumn(name = "Action", type_ = "string", json_path = ".spec.action"),
    printcolumn(name = "State", type_ = "string", json_path = ".spec.state"),
    printcolumn(name = "Revision", type_ = "integer", json_path = ".spec.revision"),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    )
)]
#[serde(rename_all = "camelCase")]
pub struct ResolvedForwardSpec {
    /// revision rises over all forwards whenever a forward's accepted spec changes.
    #[schemars(range(min = 1))]
    pub revision: i64,
    /// action is Clone or Forward.
    pub action: Action,
    /// whenUnavailable says what Forward does with a packet when no destination has a usable upstream.
    pub when_unavailable: WhenUnavailable,
    /// state is Active or Paused.
    pub state: State,
    /// interfaces on which packets arrive. The interfaces that hold default routes where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16), extend("x-kubernetes-list-type" = "atomic"))]
    pub interfaces: Option<Vec<InterfacePattern>>,
    /// match says which packets are meant.
    pub r#match: ResolvedMatch,
    /// destinations in the order of the UdpForward.
    #[schemars(
        length(min = 1, max = 8),
        extend("x-kubernetes-list-type" = "atomic")
    )]
    pub destinations: Vec<ResolvedDestination>,
}

/// Which packets are meant.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ResolvedMatch {
    /// addresses that packets are sent to, as prefixes; a single address has the full length. Every
    /// unicast address of the node where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::prefixes")]
    pub addresses: Option<Vec<IpNet>>,
    /// ports that packets are sent to.
    #[schemars(length(min = 1, max = 32), extend("x-kubernetes-list-type" = "atomic"))]
    pub ports: Vec<PortRange>,
    /// sources that packets come from, as prefixes. Any where it is empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::prefixes")]
    pub sources: Vec<IpNet>,
}

/// A set of upstreams that gets every packet once.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ResolvedDestination {
    /// name of the destination, unique in the forward.
    pub name: DestinationName,
    /// strategy names the fields of a packet that choose its upstream.
    pub strategy: Strategy,
    /// sourceAddress of what is sent.
    pub source_address: AddressHandling,
    /// destinationAddress of what is sent.
    pub destination_address: AddressHandling,
    /// sampling takes a part of the packets or flows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sampling: Option<Sampling>,
    /// rateLimit bounds the packets that each node sends; its burst is always set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<RateLimit>,
    /// upstreams sorted by address and port, each pair once.
    #[schemars(length(max = 256), extend("x-kubernetes-list-type" = "atomic"))]
    pub upstreams: Vec<ResolvedUpstream>,
}

/// One upstream. The order of fields is the order in which upstreams are sorted.
#[derive(
    Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash,
)]
#[serde(rename_all = "camelCase")]
pub struct ResolvedUpstream {
    /// address of the upstream.
    #[schemars(schema_with = "schema::address")]
    pub address: IpAddr,
    /// port of the upstream. The port that the packet came to where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65_535))]
    pub port: Option<u16>,
    /// weight against the others of the destination.
    #[schemars(range(min = 1, max = 256))]
    pub weight: u16,
}
