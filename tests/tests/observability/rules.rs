//! The alerts by `promtool`, and that each has cases.

use std::{collections::BTreeMap, path::Path, process::Command};

use serde_json::Value;

use crate::queries::alerts;

/// The cases, beside this file.
const CASES: &str = "tests/observability/alerts.yaml";

/// A command of `promtool`, which `make setup` does not bring but `make test` does.
pub(crate) fn promtool(arguments: &[&str]) -> Command {
    let mut command = Command::new("promtool");
    let _: &mut Command = command
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    command
}

/// What it prints.
pub(crate) fn succeeds(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| {
        panic!("{command:?}: {error}; `.ci/setup test` installs what is missing")
    });
    let text = String::from_utf8(output.stdout).unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {text}{error}");
    text
}

#[test]
fn alerts_fire_when_they_should_and_only_then() {
    drop(succeeds(&mut promtool(&[
        "check",
        "rules",
        "--lint-fatal",
        "../charts/udplb/files/alerts.yaml",
    ])));
    let said = succeeds(&mut promtool(&["test", "rules", CASES]));
    assert!(said.contains("SUCCESS"), "{said}");
}

#[test]
fn every_alert_has_cases_of_both_kinds() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(CASES);
    let cases: Value = serde_saphyr::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let mut kinds: BTreeMap<String, [usize; 2]> = alerts()
        .into_iter()
        .map(|(name, _)| (name, [0; 2]))
        .collect();
    for case in cases["tests"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let alert = name.split_once(':').unwrap().0;
        let kinds = kinds
            .get_mut(alert)
            .unwrap_or_else(|| panic!("there is no {alert}"));
        let checks = case["promql_expr_test"].as_array().unwrap();
        let fires = checks
            .iter()
            .any(|check| check["exp_samples"][0]["value"] != 0);
        kinds[usize::from(fires)] += 1;
    }
    for (alert, [silent, fires]) in kinds {
        assert!(
            silent > 0 && fires > 0,
            "{alert}: {fires} that fire, {silent} that do not"
        );
    }
}
