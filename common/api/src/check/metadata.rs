//! The parts of a document that a definition's schema leaves to the API server: type and metadata. Pure.

use serde_json::{Value, json};

use crate::{API_VERSION, schema::rules};

/// Adds type and metadata to the schema of a kind.
pub(super) fn add_to(schema: &mut Value, kind: &str) {
    schema["properties"]["apiVersion"] = json!({ "type": "string", "enum": [API_VERSION] });
    schema["properties"]["kind"] = json!({ "type": "string", "enum": [kind] });
    schema["properties"]["metadata"] = metadata();
    if let Some(Value::Array(required)) = schema.get_mut("required") {
        required.extend(["apiVersion", "kind", "metadata"].map(Value::from));
    } else {
        schema["required"] = json!(["apiVersion", "kind", "metadata"]);
    }
}

fn metadata() -> Value {
    let texts = json!({ "type": "object", "additionalProperties": { "type": "string" } });
    // What the server fills in; a document that was read from a cluster carries it.
    let anything = json!({ "x-kubernetes-preserve-unknown-fields": true });
    json!({
        "type": "object",
        "required": ["name"],
        "properties": {
            "name": {
                "type": "string",
                "maxLength": 253,
                "x-kubernetes-validations": rules(&[(
                    "self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')",
                    "write lower-case letters, digits, '-' and '.', with a letter or digit at both ends",
                )]),
            },
            "namespace": {
                "type": "string",
                "maxLength": 63,
                "x-kubernetes-validations": rules(&[(
                    "self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",
                    "write lower-case letters, digits and '-', with a letter or digit at both ends",
                )]),
            },
            "labels": texts,
            "annotations": texts,
            "creationTimestamp": anything,
            "deletionGracePeriodSeconds": anything,
            "deletionTimestamp": anything,
            "finalizers": anything,
            "generateName": anything,
            "generation": anything,
            "managedFields": anything,
            "ownerReferences": anything,
            "resourceVersion": anything,
            "selfLink": anything,
            "uid": anything,
        },
    })
}
