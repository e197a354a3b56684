//! What is generated, and that schema, values and table speak of the same.

use std::collections::BTreeSet;

use serde_json::Value;
use udplb_tests::chart::{CHART, generated, read, table::commented};

#[test]
fn generated_files_are_as_they_would_be_generated() {
    let stale: Vec<String> = generated()
        .into_iter()
        .filter(|(path, text)| read(path) != *text)
        .map(|(path, _)| path)
        .collect();
    assert_eq!(stale, [""; 0], "run `make manifests`");
}

/// Every value that the schema describes, with its description.
fn described(schema: &Value, path: &str, found: &mut Vec<(String, String)>) {
    let description = schema["description"].as_str();
    if let (Some(text), false) = (description, path.is_empty()) {
        found.push((path.to_owned(), text.to_owned()));
        return;
    }
    let properties = schema["properties"].as_object();
    let properties = properties.unwrap_or_else(|| panic!("{path} has neither text nor properties"));
    assert_eq!(schema["additionalProperties"], false, "{path} is open");
    for (name, schema) in properties {
        let path = format!("{path}{}{name}", if path.is_empty() { "" } else { "." });
        described(schema, &path, found);
    }
}

#[test]
fn the_schema_knows_every_value_and_says_the_same() {
    let schema = serde_json::from_str(&read(&format!("{CHART}/values.schema.json"))).unwrap();
    let mut found = Vec::new();
    described(&schema, "", &mut found);
    // Only a parent chart sets it.
    found.retain(|(path, _)| path != "global");
    let described: BTreeSet<_> = found.into_iter().collect();
    let values = commented(&read(&format!("{CHART}/values.yaml")));
    assert_eq!(described, values.into_iter().collect());
}
