//! The structural part of the check: fields, types, bounds, list keys. Pure.
//!
//! It knows what our schemas use; a test over the definitions asserts that they use nothing else.

use std::collections::BTreeSet;

use regex::Regex;
use serde_json::{Map, Value};

use super::{Problem, suggest::nearest};

/// Adds what is wrong with a value under its schema.
pub(super) fn check(schema: &Value, value: &Value, path: &str, problems: &mut Vec<Problem>) {
    check_field(schema, value, path, true, problems);
}

/// As [`check`], of a field that may be left out unless it is `required`.
fn check_field(
    schema: &Value,
    value: &Value,
    path: &str,
    required: bool,
    problems: &mut Vec<Problem>,
) {
    let mut report = |message: String| {
        problems.push(Problem {
            path: path.to_owned(),
            message,
        });
    };
    if is_set(schema, "x-kubernetes-preserve-unknown-fields") {
        return;
    }
    match (expected(schema), value) {
        (_, Value::Null) => report(format!(
            "is empty: {}{}",
            how_to_write(schema),
            or_leave_out(required)
        )),
        (Expected::Object, Value::Object(fields)) => object(schema, fields, path, problems),
        (Expected::Array, Value::Array(items)) => array(schema, items, path, required, problems),
        (Expected::String, Value::String(text)) => {
            string(schema, text).into_iter().for_each(report);
        }
        (Expected::Integer, Value::Number(number)) => {
            let message = match number.as_i64() {
                Some(number) => out_of_range(schema, number),
                None => Some(format!("{number} is no whole number: write one")),
            };
            message.into_iter().for_each(report);
        }
        (Expected::IntegerOrString, Value::Number(_)) => {
            let as_integer = with_type(schema, "integer");
            check(&as_integer, value, path, problems);
        }
        (Expected::IntegerOrString, Value::String(_)) => {
            let as_string = with_type(schema, "string");
            check(&as_string, value, path, problems);
        }
        (expected, found) => report(wrong_type(schema, expected, found)),
    }
}

const fn or_leave_out(required: bool) -> &'static str {
    if required {
        ""
    } else {
        ", or leave the field out"
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Expected {
    Object,
    Array,
    String,
    Integer,
    IntegerOrString,
}

fn expected(schema: &Value) -> Expected {
    if is_set(schema, "x-kubernetes-int-or-string") {
        return Expected::IntegerOrString;
    }
    match schema["type"].as_str() {
        Some("array") => Expected::Array,
        Some("string") => Expected::String,
        Some("integer") => Expected::Integer,
        _ => Expected::Object,
    }
}

fn is_set(schema: &Value, keyword: &str) -> bool {
    schema[keyword].as_bool() == Some(true)
}

fn with_type(schema: &Value, kind: &str) -> Value {
    let mut schema = schema.clone();
    schema["x-kubernetes-int-or-string"] = Value::Bool(false);
    schema["type"] = Value::from(kind);
    schema
}

fn wrong_type(schema: &Value, expected: Expected, found: &Value) -> String {
    let example = match schema["required"].as_array().map(Vec::as_slice) {
        Some([name]) if found.is_number() || found.is_string() => name
            .as_str()
            .map(|name| format!("{name}: {}", found.to_string().trim_matches('"'))),
        _ => values(schema),
    };
    let wanted = match expected {
        Expected::Object | Expected::String if example.is_some() => {
            example.as_deref().unwrap_or_default()
        }
        Expected::Object => "fields, one a line, as name: value",
        Expected::Array => "a list, each item after a '-'",
        Expected::String if found.is_number() || found.is_boolean() => "a text, in quotes",
        Expected::String => "a text",
        Expected::Integer if found.is_string() => "a number, without quotes",
        Expected::Integer => "a number",
        Expected::IntegerOrString => "a number or a text",
    };
    let found = match found {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a group of fields",
    };
    format!("is {found}: write {wanted}")
}

fn object(schema: &Value, fields: &Map<String, Value>, path: &str, problems: &mut Vec<Problem>) {
    let none = Map::new();
    let known = schema["properties"].as_object().unwrap_or(&none);
    let required: Vec<&str> = schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    for &name in &required {
        if !fields.contains_key(name) {
            let message = format!("is missing: {}", how_to_write(&known[name]));
            problems.push(Problem {
                path: join(path, name),
                message,
            });
        }
    }
    for (name, value) in fields {
        if let Some(schema) = known.get(name) {
            let required = required.contains(&name.as_str());
            check_field(schema, value, &join(path, name), required, problems);
        } else if schema["additionalProperties"].is_object() {
            check(
                &schema["additionalProperties"],
                value,
                &join(path, name),
                problems,
            );
        } else {
            problems.push(Problem {
                path: join(path, name),
                message: unknown_field(name, known),
            });
        }
    }
    if let Some(maximum) = limit(schema, "maxProperties")
        && fields.len() > maximum
    {
        let message = format!("has {} entries: write at most {maximum}", fields.len());
        problems.push(Problem {
            path: path.to_owned(),
            message,
        });
    }
}

fn how_to_write(schema: &Value) -> String {
    match values(schema) {
        Some(values) => format!("write {values}"),
        None => match expected(schema) {
            Expected::Object => "write it with its fields".to_owned(),
            Expected::Array => "write a list of at least one item".to_owned(),
            Expected::Integer => "write a number".to_owned(),
            Expected::String | Expected::IntegerOrString => "write a value".to_owned(),
        },
    }
}

fn unknown_field(name: &str, known: &Map<String, Value>) -> String {
    let known: Vec<&str> = known.keys().map(String::as_str).collect();
    if let Some(meant) = nearest(name, known.iter().copied()) {
        format!("is no field here: did you mean {meant}?")
    } else {
        format!("is no field here: write one of {}", known.join(", "))
    }
}

fn array(schema: &Value, items: &[Value], path: &str, required: bool, problems: &mut Vec<Problem>) {
    let count = items.len();
    if let Some(minimum) = limit(schema, "minItems")
        && count < minimum
    {
        let message = format!(
            "is an empty list: write at least one item{}",
            or_leave_out(required)
        );
        problems.push(Problem {
            path: path.to_owned(),
            message,
        });
    }
    if let Some(maximum) = limit(schema, "maxItems")
        && count > maximum
    {
        let message = format!("has {count} items: write at most {maximum}");
        problems.push(Problem {
            path: path.to_owned(),
            message,
        });
    }
    for (index, item) in items.iter().enumerate() {
        check(
            &schema["items"],
            item,
            &format!("{path}[{index}]"),
            problems,
        );
    }
    let keys: Vec<&str> = schema["x-kubernetes-list-map-keys"]
        .as_array()
        .map(|keys| keys.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    let mut seen = BTreeSet::new();
    for (index, item) in items.iter().enumerate().filter(|_| !keys.is_empty()) {
        let identity: Vec<String> = keys.iter().map(|&key| item[key].to_string()).collect();
        if !seen.insert(identity.clone()) {
            problems.push(Problem {
                path: format!("{path}[{index}].{}", keys.join(",")),
                message: format!(
                    "{} is used by an earlier item: write another one",
                    identity.join(",")
                ),
            });
        }
    }
}

fn string(schema: &Value, text: &str) -> Option<String> {
    if let Some(allowed) = schema["enum"].as_array()
        && !allowed.iter().any(|value| value == text)
    {
        let meant = nearest(text, allowed.iter().filter_map(Value::as_str));
        return Some(match meant {
            Some(meant) => format!("\"{text}\" is no value here: did you mean {meant}?"),
            None => format!(
                "\"{text}\" is no value here: write {}",
                values(schema).unwrap_or_default()
            ),
        });
    }
    let length = text.chars().count();
    if let Some(minimum) = limit(schema, "minLength")
        && length < minimum
    {
        return Some(format!(
            "\"{text}\" is too short: write at least {minimum} characters"
        ));
    }
    if let Some(maximum) = limit(schema, "maxLength")
        && length > maximum
    {
        return Some(format!("has {length} characters: write at most {maximum}"));
    }
    let pattern = schema["pattern"].as_str()?;
    let matches = Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(text));
    (!matches)
        .then(|| format!("\"{text}\" is not allowed here: write a text that matches {pattern}"))
}

fn out_of_range(schema: &Value, number: i64) -> Option<String> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "our bounds are whole numbers"
    )]
    let bound = |keyword: &str| schema[keyword].as_f64().map(|bound| bound as i64);
    let (minimum, maximum) = (bound("minimum"), bound("maximum"));
    if minimum.is_none_or(|minimum| number >= minimum)
        && maximum.is_none_or(|maximum| number <= maximum)
    {
        return None;
    }
    Some(match (minimum, maximum) {
        (Some(minimum), Some(maximum)) => {
            format!("{number} is out of range: write a number from {minimum} to {maximum}")
        }
        (Some(minimum), None) => format!("{number} is out of range: write at least {minimum}"),
        (_, maximum) => {
            format!(
                "{number} is out of range: write at most {}",
                maximum.unwrap_or_default()
            )
        }
    })
}

fn values(schema: &Value) -> Option<String> {
    let allowed: Vec<&str> = schema["enum"]
        .as_array()?
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let (last, others) = allowed.split_last()?;
    Some(if others.is_empty() {
        (*last).to_owned()
    } else {
        format!("{} or {last}", others.join(", "))
    })
}

fn limit(schema: &Value, keyword: &str) -> Option<usize> {
    schema[keyword]
        .as_u64()
        .and_then(|limit| usize::try_from(limit).ok())
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}
