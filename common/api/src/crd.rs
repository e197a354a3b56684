//! The three custom resource definitions, ready for an API server. Pure.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;
use serde_json::Value;

use crate::{NodeForwardConfig, ResolvedForward, UdpForward, schema};

const SCHEMA: &str = "/spec/versions/0/schema/openAPIV3Schema";

/// A definition as JSON. `K::crd()` itself still holds what [`schema::clean`] takes out.
#[must_use]
pub fn definition<K: CustomResourceExt>() -> Value {
    let mut definition = serde_json::to_value(K::crd()).unwrap_or_default();
    schema::clean(&mut definition);
    if let Some(Value::Object(schema)) = definition.pointer_mut(SCHEMA) {
        // The kind again.
        let _ = schema.remove("title");
    }
    definition
}

/// The definitions of all kinds, in the order in which they are printed.
#[must_use]
pub fn all() -> [Value; 3] {
    [
        definition::<UdpForward>(),
        definition::<ResolvedForward>(),
        definition::<NodeForwardConfig>(),
    ]
}

/// The definitions as the type that an API client sends.
pub fn typed() -> Result<Vec<CustomResourceDefinition>, serde_json::Error> {
    all().into_iter().map(serde_json::from_value).collect()
}

/// The schema of the one version that a definition has.
#[must_use]
pub fn schema_of(definition: &Value) -> &Value {
    definition.pointer(SCHEMA).unwrap_or(&Value::Null)
}
