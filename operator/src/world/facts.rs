//! What matters of objects that others write: nodes, pods, services. Pure.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use k8s_openapi::{
    api::{
        core::v1::{Node, Pod, Service},
        discovery::v1::EndpointSlice,
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};

use super::mirror::Versioned;

/// The number of a `resourceVersion`.
#[must_use]
pub fn version(meta: &ObjectMeta) -> u64 {
    let text = meta.resource_version.as_deref();
    text.and_then(|text| text.parse().ok()).unwrap_or_default()
}

/// A node, without its heartbeat.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeFacts {
    /// Its uid, which owns its configuration.
    pub uid: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its addresses, as its kubelet reports them.
    pub addresses: BTreeSet<IpAddr>,
    /// Which start of the machine this is.
    pub boot_id: String,
    /// Whether its kubelet reports.
    pub is_ready: bool,
}

impl From<&Node> for NodeFacts {
    fn from(node: &Node) -> Self {
        let status = node.status.as_ref();
        let info = status.and_then(|status| status.node_info.as_ref());
        let conditions = status.and_then(|status| status.conditions.as_ref());
        Self {
            uid: node.metadata.uid.clone().unwrap_or_default(),
            labels: node.metadata.labels.clone().unwrap_or_default(),
            addresses: status
                .and_then(|status| status.addresses.as_ref())
                .into_iter()
                .flatten()
                .filter_map(|address| address.address.parse().ok())
                .collect(),
            boot_id: info.map(|info| info.boot_id.clone()).unwrap_or_default(),
            is_ready: conditions
                .into_iter()
                .flatten()
                .any(|condition| condition.type_ == "Ready" && condition.status == "True"),
        }
    }
}

impl NodeFacts {
    /// Whether the same forwards run there as before.
    #[must_use]
    pub fn is_chosen_alike(&self, other: &Self) -> bool {
        self.labels == other.labels && self.addresses == other.addresses
    }
}

/// Two versions of a node may be equal in all that matters.
impl Versioned for NodeFacts {
    fn version(&self) -> u64 {
        0
    }
}

/// An agent's pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AgentFacts {
    /// The node that it is on.
    pub node: String,
    /// Whether it is ready and not on its way out.
    pub is_ready: bool,
}

impl From<&Pod> for AgentFacts {
    fn from(pod: &Pod) -> Self {
        let node = pod.spec.as_ref().and_then(|spec| spec.node_name.clone());
        let conditions = pod.status.as_ref().and_then(|it| it.conditions.as_ref());
        let is_ready = conditions
            .into_iter()
            .flatten()
            .any(|condition| condition.type_ == "Ready" && condition.status == "True");
        Self {
            node: node.unwrap_or_default(),
            is_ready: is_ready && pod.metadata.deletion_timestamp.is_none(),
        }
    }
}

impl Versioned for AgentFacts {
    fn version(&self) -> u64 {
        0
    }
}

/// A port of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServicePortFacts {
    /// Its name; empty where it is the only one.
    pub name: String,
    /// The number that clients use.
    pub number: u16,
}

/// A service: its UDP ports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceFacts(pub Vec<ServicePortFacts>);

impl From<&Service> for ServiceFacts {
    fn from(service: &Service) -> Self {
        let ports = service.spec.as_ref().and_then(|spec| spec.ports.as_ref());
        let udp = ports
            .into_iter()
            .flatten()
            .filter(|port| port.protocol.as_deref() == Some("UDP"));
        Self(
            udp.map(|port| ServicePortFacts {
                name: port.name.clone().unwrap_or_default(),
                number: u16::try_from(port.port).unwrap_or_default(),
            })
            .collect(),
        )
    }
}

impl Versioned for ServiceFacts {
    fn version(&self) -> u64 {
        0
    }
}

/// One endpoint of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointFacts {
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// Whether it takes new traffic.
    pub is_ready: bool,
    /// Whether it is on its way out and still serves.
    pub is_draining: bool,
}

/// Some endpoints of a service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SliceFacts {
    /// The service.
    pub service: String,
    /// UDP port numbers by the names of the service's ports.
    pub ports: Vec<(String, u16)>,
    /// The endpoints.
    pub endpoints: Vec<EndpointFacts>,
}

/// The label that names the service of a slice.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

impl From<&EndpointSlice> for SliceFacts {
    fn from(slice: &EndpointSlice) -> Self {
        let labels = slice.metadata.labels.as_ref();
        let service = labels.and_then(|labels| labels.get(SERVICE_NAME).cloned());
        let ports = slice.ports.iter().flatten();
        let udp = ports.filter(|port| port.protocol.as_deref() == Some("UDP"));
        let endpoints = slice.endpoints.iter().map(|endpoint| {
            let conditions = endpoint.conditions.clone().unwrap_or_default();
            // What is not said means yes, but nobody terminates by silence.
            let is_ready = conditions.ready.unwrap_or(true);
            EndpointFacts {
                addresses: endpoint
                    .addresses
                    .iter()
                    .filter_map(|text| text.parse().ok())
                    .collect(),
                is_ready,
                is_draining: conditions.serving.unwrap_or(is_ready)
                    && conditions.terminating.unwrap_or(false),
            }
        });
        Self {
            service: service.unwrap_or_default(),
            ports: udp
                .filter_map(|port| {
                    let number = u16::try_from(port.port?).ok()?;
                    Some((port.name.clone().unwrap_or_default(), number))
                })
                .collect(),
            endpoints: endpoints.collect(),
        }
    }
}

impl Versioned for SliceFacts {
    fn version(&self) -> u64 {
        0
    }
}
