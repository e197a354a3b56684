//! Pieces of OpenAPI schema that the types share, and the clean-up that makes a derived schema one
//! that an API server takes without warnings. Pure.

use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

/// The value of `x-kubernetes-validations`: rules with the message of each.
pub(crate) fn rules(rules: &[(&str, &str)]) -> Value {
    rules
        .iter()
        .map(|(rule, message)| json!({ "rule": rule, "message": message }))
        .collect()
}

/// Schema of an IP address that the operator writes.
pub(crate) fn address(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "minLength": 2,
        "maxLength": 45,
        "x-kubernetes-validations": rules(&[("isIP(self)", "write an IPv4 or IPv6 address")]),
    })
}

/// Schema of a list of prefixes that the operator writes.
pub(crate) fn prefixes(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 64,
        "x-kubernetes-list-type": "atomic",
        "items": {
            "type": "string",
            "minLength": 4,
            "maxLength": 49,
            "x-kubernetes-validations": rules(&[("isCIDR(self)", "write a prefix such as 192.0.2.0/24")]),
        },
    })
}

/// Schema of `metav1.Condition` with the bounds that its Go comments state.
pub(crate) fn conditions(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 16,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
        "items": {
            "type": "object",
            "required": ["type", "status", "lastTransitionTime", "reason", "message"],
            "properties": {
                "type": {
                    "description": "type of the condition in CamelCase.",
                    "type": "string", "minLength": 1, "maxLength": 316,
                },
                "status": {
                    "description": "status of the condition.",
                    "type": "string", "enum": ["True", "False", "Unknown"],
                },
                "observedGeneration": {
                    "description": "observedGeneration is the metadata.generation that the condition was set for.",
                    "type": "integer", "format": "int64", "minimum": 0,
                },
                "lastTransitionTime": {
                    "description": "lastTransitionTime is when the status last changed.",
                    "type": "string", "format": "date-time", "maxLength": 64,
                },
                "reason": {
                    "description": "reason of the last transition, one word in CamelCase.",
                    "type": "string", "minLength": 1, "maxLength": 1024,
                    "pattern": "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
                },
                "message": {
                    "description": "message for a human reader.",
                    "type": "string", "maxLength": 32768,
                },
            },
        },
    })
}

/// Makes a derived schema one that an API server takes without warnings: no `nullable` and no null in
/// enums, because a field that is not set is left out; no integer formats that it does not know.
pub(crate) fn clean(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            let _ = fields.remove("nullable");
            // Line breaks of the source mean nothing to a reader of `kubectl explain`.
            if let Some(Value::String(text)) = fields.get_mut("description") {
                *text = text.replace('\n', " ");
            }
            if let Some(Value::Array(values)) = fields.get_mut("enum") {
                values.retain(|value| !value.is_null());
            }
            if let Some(format) = fields.get_mut("format") {
                if ["uint8", "uint16", "uint32"]
                    .iter()
                    .any(|known| format == known)
                {
                    *format = json!("int32");
                } else if format == "uint64" {
                    *format = json!("int64");
                }
            }
            fields.values_mut().for_each(clean);
        }
        Value::Array(items) => items.iter_mut().for_each(clean),
        // Bounds come as floating-point numbers.
        Value::Number(number) => {
            let whole = number.as_f64().filter(|exact| exact.fract() == 0.0);
            if let Some(whole) = whole.and_then(|exact| format!("{exact:.0}").parse::<i64>().ok()) {
                *schema = json!(whole);
            }
        }
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}
