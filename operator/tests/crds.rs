//! The files in `crds/` are the ones that this version generates.
#![cfg(test)]

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use udplb_operator::definitions;

const HOW: &str = "run: cargo run -p udplb-operator -- crd --output-dir crds";

#[test]
fn the_committed_definitions_are_current() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crds");
    let manifests = definitions::manifests().unwrap();
    for manifest in &manifests {
        let committed = fs::read_to_string(folder.join(&manifest.file)).unwrap_or_default();
        assert!(
            committed == manifest.yaml,
            "crds/{} is not current; {HOW}",
            manifest.file
        );
    }
    let there: BTreeSet<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        // It lists the others for `kubectl apply -k`.
        .filter(|name| name != "Kustomization")
        .collect();
    let expected = manifests
        .into_iter()
        .map(|manifest| manifest.file)
        .collect();
    assert_eq!(there, expected, "crds/ holds other files; {HOW}");
}

#[test]
fn the_command_prints_documents_that_read_back_as_the_definitions() {
    let output = Command::new(env!("CARGO_BIN_EXE_udplb-operator"))
        .arg("crd")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let documents: Vec<serde_json::Value> = serde_saphyr::from_multiple(&text).unwrap();
    assert_eq!(documents, udplb_api::crd::all());
}
