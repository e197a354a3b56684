//! `NodeForwardConfig`: which forwards one node runs, and what became of them. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema;

/// Which forwards one node runs.
#[derive(
    CustomResource, Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq,
)]
#[kube(
    group = "udplb.dev",
    version = "v1alpha1",
    kind = "NodeForwardConfig",
    status = "NodeForwardConfigStatus",
    shortname = "nfc",
    category = "udplb",
    derive = "PartialEq",
    doc = "NodeForwardConfig names the forwards that the node of the same name runs. The operator writes its spec, the node's agent its status.",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason"
    ),
    printcolumn(
        name = "Revision",
        type_ = "integer",
        json_path = ".status.appliedRevision"
    ),
    printcolumn(name = "Failed", type_ = "integer", json_path = ".status.failedCount"),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    )
)]
#[serde(rename_all = "camelCase")]
pub struct NodeForwardConfigSpec {
    /// forwards that this node runs, after selection and conflicts, sorted by namespace and name.
    #[schemars(length(max = 1_000), extend("x-kubernetes-list-type" = "atomic"))]
    pub forwards: Vec<ForwardReference>,
}

/// Names a `ResolvedForward`.
#[derive(
    Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash,
)]
#[serde(rename_all = "camelCase")]
pub struct ForwardReference {
    /// namespace of the forward.
    #[schemars(length(min = 1, max = 63))]
    pub namespace: String,
    /// name of the forward.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// uid of the UdpForward, so that one that was deleted and made anew is not taken for the old one.
    #[schemars(length(min = 1, max = 63))]
    pub uid: String,
}

/// What became of the forwards on the node.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct NodeForwardConfigStatus {
    /// conditions are Attached, Synced and Ready.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::conditions")]
    pub conditions: Vec<Condition>,
    /// bootID of the node when the agent wrote this.
    #[serde(default, rename = "bootID", skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub boot_id: Option<String>,
    /// appliedRevision: every forward of this node up to it is in force or listed as failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub applied_revision: Option<i64>,
    /// failed names the forwards that are not in force, at most 32.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), extend("x-kubernetes-list-type" = "atomic"))]
    pub failed: Vec<FailedForward>,
    /// failedCount is how many forwards are not in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 10_000))]
    pub failed_count: Option<u32>,
}

/// A forward that is not in force on the node.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
pub struct FailedForward {
    /// namespace of the forward.
    #[schemars(length(min = 1, max = 63))]
    pub namespace: String,
    /// name of the forward.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// reason in one word.
    #[schemars(length(min = 1, max = 63))]
    pub reason: String,
    /// message for a human reader.
    #[schemars(length(max = 256))]
    pub message: String,
}
