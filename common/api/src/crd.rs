//! The three custom resource definitions, ready for an API server. Pure.

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

/// The schema of the one version that a definition has.
#[must_use]
pub fn schema_of(definition: &Value) -> &Value {
    definition.pointer(SCHEMA).unwrap_or(&Value::Null)
}
