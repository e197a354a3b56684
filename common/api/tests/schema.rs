//! Rules for our schemas, over the definitions as they are shipped.
#![cfg(test)]

use std::collections::BTreeSet;

use serde_json::Value;
use udplb_api::crd;

/// Calls `visit` with every schema of every kind, its path, and the field's name where it is a field.
fn each_schema(mut visit: impl FnMut(&str, Option<&str>, &Value)) {
    fn walk(
        path: &str,
        field: Option<&str>,
        schema: &Value,
        visit: &mut impl FnMut(&str, Option<&str>, &Value),
    ) {
        visit(path, field, schema);
        for (name, child) in schema["properties"].as_object().into_iter().flatten() {
            walk(&format!("{path}.{name}"), Some(name), child, visit);
        }
        for keyword in ["items", "additionalProperties"] {
            if schema[keyword].is_object() {
                walk(&format!("{path}[]"), None, &schema[keyword], visit);
            }
        }
    }
    for definition in crd::all() {
        let kind = definition["spec"]["names"]["kind"]
            .as_str()
            .unwrap()
            .to_owned();
        walk(&kind, None, crd::schema_of(&definition), &mut visit);
    }
}

#[test]
fn everything_has_a_bound() {
    each_schema(|path, _, schema| match schema["type"].as_str() {
        Some("array") => {
            assert!(schema["maxItems"].is_u64(), "{path}: maxItems");
            let list_type = schema["x-kubernetes-list-type"].as_str();
            assert!(
                matches!(list_type, Some("atomic" | "map")),
                "{path}: list type"
            );
            assert!(schema["items"].is_object(), "{path}: items");
        }
        Some("string") => {
            assert!(
                schema["enum"].is_array() || schema["maxLength"].is_u64(),
                "{path}: maxLength or enum"
            );
        }
        Some("integer") => {
            assert!(schema["minimum"].is_number(), "{path}: minimum");
            let counter = schema["format"] == "int64";
            assert!(counter || schema["maximum"].is_number(), "{path}: maximum");
        }
        Some("object") => {
            let map = schema["additionalProperties"].is_object();
            assert_eq!(
                map,
                schema["maxProperties"].is_u64(),
                "{path}: maxProperties"
            );
            assert!(
                map || schema["properties"].is_object(),
                "{path}: properties"
            );
        }
        other => assert!(
            other.is_none() && schema["x-kubernetes-int-or-string"] == true,
            "{path}: type {other:?}; booleans and floating-point numbers cannot grow"
        ),
    });
}

#[test]
fn only_keywords_that_the_server_and_the_offline_check_know() {
    let known = BTreeSet::from([
        "additionalProperties",
        "default",
        "description",
        "enum",
        "format",
        "items",
        "maxItems",
        "maxLength",
        "maxProperties",
        "maximum",
        "minItems",
        "minLength",
        "minimum",
        "pattern",
        "properties",
        "required",
        "type",
        "x-kubernetes-int-or-string",
        "x-kubernetes-list-map-keys",
        "x-kubernetes-list-type",
        "x-kubernetes-validations",
    ]);
    each_schema(|path, _, schema| {
        for keyword in schema.as_object().unwrap().keys() {
            assert!(known.contains(keyword.as_str()), "{path}: {keyword}");
        }
        if let Some(format) = schema["format"].as_str() {
            assert!(
                ["int32", "int64", "date-time"].contains(&format),
                "{path}: format {format}"
            );
        }
        for value in schema["enum"].as_array().into_iter().flatten() {
            assert!(value.is_string(), "{path}: {value} in an enum");
        }
    });
}

#[test]
fn every_field_is_described_by_its_name_first() {
    each_schema(|path, field, schema| {
        let Some(field) = field
            .filter(|field| !["spec", "status"].contains(field) || path.contains("conditions"))
        else {
            return;
        };
        let description = schema["description"].as_str().unwrap_or_default();
        let first = description
            .split([' ', ':', ','])
            .next()
            .unwrap_or_default();
        assert_eq!(first, field, "{path}: {description}");
        assert!(
            !description.contains('\n') && description.ends_with('.'),
            "{path}: {description}"
        );
    });
}

#[test]
fn every_rule_says_what_to_write() {
    let mut rules = 0;
    each_schema(|path, _, schema| {
        for rule in schema["x-kubernetes-validations"]
            .as_array()
            .into_iter()
            .flatten()
        {
            let message = rule["message"].as_str().unwrap_or_default();
            let says = ["write", "leave", "swap", "name each"]
                .iter()
                .any(|word| message.contains(word));
            assert!(says, "{path}: {rule}");
            assert!(!message.contains('\n'), "{path}: {rule}");
            rules += 1;
        }
    });
    assert!(rules > 20, "{rules} rules");
}

#[test]
fn defaults_are_the_ones_of_the_contract() {
    let mut defaults = Vec::new();
    each_schema(|path, _, schema| {
        if let Some(default) = schema.get("default") {
            defaults.push(format!("{path} = {default}"));
        }
    });
    assert_eq!(
        defaults,
        [
            "UdpForward.spec.destinations[].destinationAddress = \"Rewrite\"",
            "UdpForward.spec.destinations[].sourceAddress = \"Preserve\"",
            "UdpForward.spec.destinations[].strategy = \"SourceIP\"",
            "UdpForward.spec.destinations[].upstreams[].weight = 1",
            "UdpForward.spec.state = \"Active\"",
        ]
    );
}

#[test]
fn lists_that_several_writers_share_are_maps() {
    let mut maps = Vec::new();
    each_schema(|path, _, schema| {
        if schema["x-kubernetes-list-type"] == "map" {
            for key in schema["x-kubernetes-list-map-keys"].as_array().unwrap() {
                let required = schema["items"]["required"].as_array().unwrap();
                assert!(required.contains(key), "{path}: {key} is not required");
            }
            maps.push(path.to_owned());
        }
    });
    assert_eq!(
        maps,
        [
            "UdpForward.spec.destinations",
            "UdpForward.status.conditions",
            "NodeForwardConfig.status.conditions",
        ]
    );
}

#[test]
fn names_are_short() {
    for (definition, short) in crd::all().iter().zip(["uf", "rf", "nfc"]) {
        let names = &definition["spec"]["names"];
        assert_eq!(names["shortNames"][0], short);
        assert_eq!(names["categories"][0], "udplb");
        let columns = definition["spec"]["versions"][0]["additionalPrinterColumns"]
            .as_array()
            .unwrap();
        assert!(
            columns
                .iter()
                .all(|column| !column["jsonPath"].as_str().unwrap().contains("[*]"))
        );
    }
}
