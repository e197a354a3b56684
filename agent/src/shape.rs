//! For tests: whether JSON has the fields that docs/json.md shows, and no others. **pure**

use std::collections::BTreeSet;

use serde_json::Value;

/// Fails unless all values together have the fields of the examples in the section of that name.
pub(crate) fn assert_documented(section: &str, values: &[Value]) {
    let mut found = BTreeSet::new();
    for value in values {
        paths("", value, &mut found);
    }
    let mut documented = BTreeSet::new();
    for example in examples(section) {
        paths("", &example, &mut documented);
    }
    let missing: Vec<_> = found.difference(&documented).collect();
    let gone: Vec<_> = documented.difference(&found).collect();
    assert!(
        missing.is_empty() && gone.is_empty(),
        "docs/json.md, {section}: not documented: {missing:?}; documented, but not there: {gone:?}"
    );
}

fn paths(path: &str, value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                paths(&format!("{path}.{name}"), value, found);
            }
        }
        Value::Array(items) => {
            let _new = found.insert(format!("{path}[]"));
            for item in items {
                paths(&format!("{path}[]"), item, found);
            }
        }
        _ => {
            let _new = found.insert(path.to_owned());
        }
    }
}

fn examples(section: &str) -> Vec<Value> {
    let document = include_str!("../../docs/json.md");
    let heading = format!("\n## `udplb-agent {section}`\n");
    let (_, text) = document
        .split_once(&heading)
        .unwrap_or_else(|| panic!("docs/json.md has no section `udplb-agent {section}`"));
    let text = text.split("\n## ").next().unwrap_or(text);
    let blocks = text.split("```json\n").skip(1);
    let blocks = blocks.filter_map(|rest| rest.split("\n```").next());
    blocks
        .map(|block| serde_json::from_str(block).unwrap_or_else(|error| panic!("{error}: {block}")))
        .collect()
}
