//! Where packets go. Pure.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::text::{DestinationName, Hostname, UpstreamAddress};
use crate::schema;

/// A set of upstreams that gets every packet once.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = schema::rules(&[
    (
        "self.destinationAddress != 'Preserve' || self.sourceAddress != 'Rewrite'",
        "destinationAddress Preserve changes the next hop only: leave sourceAddress out",
    ),
    (
        "self.destinationAddress != 'Preserve' || self.upstreams.all(u, !has(u.port))",
        "destinationAddress Preserve changes the next hop only: leave out the port of upstreams",
    ),
])))]
pub struct Destination {
    /// name of the destination, unique in the forward; metrics carry it.
    pub name: DestinationName,
    /// strategy names the fields of a packet that choose its upstream. Packets that are equal in
    /// them go to the same upstream. Random chooses for each packet alone.
    #[serde(default)]
    pub strategy: Strategy,
    /// sourceAddress of what is sent: Preserve keeps the sender's, Rewrite sets the address that the
    /// packet was sent to. What goes to an address of the node itself keeps the sender's in any case: the
    /// node's stack drops packets from outside that bear an address of its own.
    #[serde(default = "preserve")]
    pub source_address: AddressHandling,
    /// destinationAddress of what is sent: Rewrite sets the upstream's, Preserve changes the next
    /// hop only, so that the upstream can answer the sender itself; it must be on-link then.
    #[serde(default = "rewrite")]
    pub destination_address: AddressHandling,
    /// sampling takes a part of the packets or flows. All where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sampling: Option<Sampling>,
    /// rateLimit bounds the packets that each node sends. Unlimited where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<RateLimit>,
    /// upstreams share the packets by weight.
    #[schemars(length(min = 1, max = 64), extend("x-kubernetes-list-type" = "atomic"))]
    pub upstreams: Vec<Upstream>,
}

const fn preserve() -> AddressHandling {
    AddressHandling::Preserve
}

const fn rewrite() -> AddressHandling {
    AddressHandling::Rewrite
}

/// Which fields of a packet choose its upstream.
#[derive(
    Serialize,
    Deserialize,
    JsonSchema,
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
)]
pub enum Strategy {
    /// Source address.
    #[default]
    #[serde(rename = "SourceIP")]
    SourceIp,
    /// Source port.
    SourcePort,
    /// Source address and port.
    #[serde(rename = "SourceIPPort")]
    SourceIpPort,
    /// Both addresses and both ports.
    FiveTuple,
    /// None: each packet alone.
    Random,
}

/// What happens with an address of a packet.
#[derive(
    Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash,
)]
pub enum AddressHandling {
    /// It stays as it arrived.
    Preserve,
    /// It is replaced.
    Rewrite,
}

/// A part of the packets or flows.
#[derive(
    Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash,
)]
#[serde(rename_all = "camelCase")]
pub struct Sampling {
    /// oneIn is n: one of n is taken.
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub one_in: u32,
    /// per Packet decides for each packet alone, per Flow takes all packets of a five-tuple or none.
    pub per: SamplingPer,
}

/// What sampling decides about.
#[derive(
    Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash,
)]
pub enum SamplingPer {
    /// Each packet alone.
    Packet,
    /// All packets of one five-tuple together.
    Flow,
}

/// A bound on the packets that one node sends to a destination.
#[derive(
    Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash,
)]
#[serde(rename_all = "camelCase")]
pub struct RateLimit {
    /// packetsPerSecond over time.
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub packets_per_second: u32,
    /// burst is how many packets may go at once. A tenth of packetsPerSecond where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub burst: Option<u32>,
}

/// One upstream, or a name behind which there are several.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = schema::rules(&[
    (
        "(has(self.address) ? 1 : 0) + (has(self.hostname) ? 1 : 0) + (has(self.service) ? 1 : 0) == 1",
        "write exactly one of address, hostname and service",
    ),
    (
        "!has(self.service) || !has(self.port)",
        "port is for address and hostname: for a service write service.port",
    ),
])))]
pub struct Upstream {
    /// address of the upstream. An address of the node itself is one, where no forward listens on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<UpstreamAddress>,
    /// hostname is a DNS name; each of its addresses is an upstream, resolved again as the TTL runs out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hostname: Option<Hostname>,
    /// service of the same namespace; each of its ready endpoints is an upstream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceReference>,
    /// port of the upstream. The port that the packet came to where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65_535))]
    pub port: Option<u16>,
    /// weight of each upstream against the others of the destination.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 256))]
    pub weight: u16,
}

const fn one() -> u16 {
    1
}

/// A Service of the forward's namespace.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
pub struct ServiceReference {
    /// name of the Service.
    #[schemars(length(min = 1, max = 63), extend("x-kubernetes-validations" = schema::rules(&[(
        "self.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
        "write the name of a Service of the same namespace, without a domain",
    )])))]
    pub name: String,
    /// port of the Service by name or number. Its only port where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<ServicePort>,
}

/// A port of a Service.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(untagged)]
pub enum ServicePort {
    /// By number.
    Number(u16),
    /// By name.
    Name(String),
}

impl JsonSchema for ServicePort {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ServicePort".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        // Each bound applies to the kind of value that it can apply to.
        schemars::json_schema!({
            "x-kubernetes-int-or-string": true,
            "minimum": 1,
            "maximum": 65_535,
            "minLength": 1,
            "maxLength": 63,
            "x-kubernetes-validations": schema::rules(&[(
                "string(self).matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",
                "write the name of a port of the Service, such as syslog, or its number",
            )]),
        })
    }
}
