//! `UdpForward`: what the user asks for. Pure.

pub mod destination;
pub mod matching;
pub mod selector;
pub mod text;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema;
use destination::Destination;
use matching::Match;
use selector::LabelSelector;
use text::InterfacePattern;

/// Which UDP packets are handled, and where they go.
#[derive(CustomResource, Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[kube(
    group = "udplb.dev",
    version = "v1alpha1",
    kind = "UdpForward",
    namespaced,
    status = "UdpForwardStatus",
    shortname = "uf",
    category = "udplb",
    derive = "PartialEq",
    doc = "UdpForward clones or forwards UDP packets that arrive at nodes to upstreams, before the network stack sees them.",
    validation = ("self.metadata.name.size() <= 63", "metadata.name is too long: write at most 63 characters"),
    printcolumn(name = "Listen", type_ = "string", json_path = ".status.ports"),
    printcolumn(name = "Action", type_ = "string", json_path = ".spec.action"),
    printcolumn(name = "Nodes", type_ = "integer", json_path = ".status.desiredNodes"),
    printcolumn(name = "Ready-nodes", type_ = "integer", json_path = ".status.readyNodes"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
    printcolumn(name = "Failed-nodes", type_ = "integer", json_path = ".status.failedNodes", priority = 1),
    printcolumn(name = "Unknown-nodes", type_ = "integer", json_path = ".status.unknownNodes", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = schema::rules(&[(
    "!has(self.whenUnavailable) || self.action == 'Forward'",
    "whenUnavailable is for action Forward: with Clone the original always goes on; leave it out",
)])))]
pub struct UdpForwardSpec {
    /// state is Active, or Paused: everything stays planned and no packet is touched.
    #[serde(default)]
    pub state: State,
    /// nodeSelector chooses the nodes by their labels. Every node where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_selector: Option<LabelSelector>,
    /// interfaces on which packets arrive, by name or glob such as eth*. The interfaces that hold
    /// default routes where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16), extend("x-kubernetes-list-type" = "atomic"))]
    pub interfaces: Option<Vec<InterfacePattern>>,
    /// match says which packets are meant. A more specific address wins over a prefix.
    pub r#match: Match,
    /// action is Clone: copies are sent and the original goes on untouched; or Forward: the packet
    /// is sent and the local stack never sees it. Replies of upstreams are not translated back.
    pub action: Action,
    /// whenUnavailable says what Forward does with a packet when no destination has a usable
    /// upstream: Drop, or Pass it to the local stack. Drop where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "WhenUnavailable")]
    pub when_unavailable: Option<WhenUnavailable>,
    /// destinations: every one gets the packet, and chooses one of its upstreams for it.
    #[schemars(
        length(min = 1, max = 8),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub destinations: Vec<Destination>,
}

/// Whether a forward runs.
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
pub enum State {
    /// Packets are handled.
    #[default]
    Active,
    /// Everything stays planned, no packet is touched.
    Paused,
}

/// What happens with the original packet.
#[derive(
    Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash,
)]
pub enum Action {
    /// Copies are sent, the original goes on byte for byte untouched.
    Clone,
    /// The packet is sent, the local stack never sees it.
    Forward,
}

/// What Forward does with a packet when no destination has a usable upstream.
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
pub enum WhenUnavailable {
    /// The packet is dropped and counted.
    #[default]
    Drop,
    /// The packet goes to the local stack.
    Pass,
}

/// What the cluster made of a `UdpForward`.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct UdpForwardStatus {
    /// observedGeneration is the metadata.generation that this status belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub observed_generation: Option<i64>,
    /// conditions are Accepted, Resolved, Programmed and Ready.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::conditions")]
    pub conditions: Vec<Condition>,
    /// ports that are listened on, as one text such as 514,10000-10099.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 384))]
    pub ports: Option<String>,
    /// desiredNodes is how many matching nodes have an agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100_000))]
    pub desired_nodes: Option<u32>,
    /// readyNodes is how many nodes run this version of the forward.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100_000))]
    pub ready_nodes: Option<u32>,
    /// failedNodes is how many nodes could not put it in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100_000))]
    pub failed_nodes: Option<u32>,
    /// unknownNodes is how many nodes have not reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100_000))]
    pub unknown_nodes: Option<u32>,
}
