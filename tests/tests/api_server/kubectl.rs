//! What `kubectl` shows of our kinds: `explain`, and the columns of `get`. Each is compared with a picture in
//! `kubectl/`.

use std::{env, fs, path::Path, time::Duration};

use serde_json::{Value, json};
use udplb_tests::{api_server::ApiServer, wait};

use super::objects::{Server, full};

/// Longer than a server takes to describe a new kind.
const PATIENCE: Duration = Duration::from_secs(60);
/// Set to write the pictures anew.
const UPDATE: &str = "UPDATE_PICTURES";
const HOW: &str = "UPDATE_PICTURES=1 cargo test -p udplb-tests --test api_server kubectl";
/// Our kinds by the names that `kubectl` knows them by.
const KINDS: [&str; 3] = ["uf", "nfc", "rf"];

/// The difference between a picture and what is there now.
fn compare(name: &str, now: &str) -> Option<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/api_server/kubectl")
        .join(name);
    if env::var_os(UPDATE).is_some() {
        fs::write(&path, now).unwrap();
        return None;
    }
    let picture = fs::read_to_string(&path).unwrap_or_default();
    let place = (1..)
        .zip(picture.lines().map(Some).chain([None]))
        .zip(now.lines().map(Some).chain([None]))
        .find(|((_, before), now)| before != now);
    let ((line, before), now) = place?;
    Some(format!(
        "{}:{line}: {:?}, now {:?}",
        path.display(),
        before.unwrap_or_default(),
        now.unwrap_or_default()
    ))
}

fn check(pictures: &[(String, String)]) {
    let different: Vec<String> = pictures
        .iter()
        .filter_map(|(name, now)| compare(name, now))
        .collect();
    assert!(
        different.is_empty(),
        "other than in the pictures:\n{}\nif that is meant: {HOW}",
        different.join("\n")
    );
}

#[tokio::test]
async fn kubectl_explains_every_field() {
    let server = Server::start("explain").await;
    let explain = |kind: &str, arguments: &[&str]| {
        let text = patiently(server.server(), &[&["explain", kind], arguments].concat());
        let lines = text.lines().map(|line| format!("{}\n", line.trim_end()));
        lines.collect::<String>()
    };
    let mut pictures = Vec::new();
    for kind in KINDS {
        let text = explain(kind, &[]) + "\n" + &explain(kind, &["--recursive"]);
        pictures.push((format!("explain-{kind}.txt"), text));
    }
    check(&pictures);
}

#[tokio::test]
async fn kubectl_shows_what_an_operator_looks_for() {
    let server = Server::start("columns").await;
    let server = server.server();
    for object in objects() {
        let (kind, name) = (&object["kind"], &object["metadata"]["name"]);
        let (kind, name) = (kind.as_str().unwrap(), name.as_str().unwrap());
        let file = server.file(&format!("{kind}.json"), &object.to_string());
        drop(patiently(server, &["apply", "--server-side", "-f", &file]));
        // A ResolvedForward has none.
        let Some(status) = object.get("status") else {
            continue;
        };
        let status = json!({ "status": status }).to_string();
        let patch = [
            "patch",
            kind,
            name,
            "--subresource=status",
            "--type=merge",
            "-p",
        ];
        drop(server.kubectl(&[&patch[..], &[&status]].concat()).unwrap());
    }
    let mut pictures = Vec::new();
    for kind in KINDS {
        let get = |arguments: &[&str]| {
            ages(
                &server
                    .kubectl(&[&["get", kind], arguments].concat())
                    .unwrap(),
            )
        };
        let text = get(&[]) + "\n" + &get(&["-o", "wide"]);
        pictures.push((format!("get-{kind}.txt"), text));
    }
    check(&pictures);
}

/// What `kubectl` prints once the server describes our kinds, a moment after it serves them.
fn patiently(server: &ApiServer, arguments: &[&str]) -> String {
    wait::until(PATIENCE, "kubectl to know our kinds", || {
        server.kubectl(arguments).ok()
    })
}

/// How old something is changes while one looks.
fn ages(table: &str) -> String {
    let line = |line: &str| match line.rsplit_once(' ') {
        Some((rest, age)) if age.ends_with('s') => format!("{rest} 0s\n"),
        _ => format!("{line}\n"),
    };
    table.lines().map(line).collect()
}

/// One of each kind with all that its columns show.
fn objects() -> [Value; 3] {
    let condition = |status: &str, reason: &str| {
        json!([{
            "type": "Ready", "status": status, "reason": reason, "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z", "observedGeneration": 1,
        }])
    };
    let mut forward = full();
    forward["status"] = json!({
        "conditions": condition("False", "NodesFailed"), "ports": "514,10000-10099",
        "desiredNodes": 12, "readyNodes": 9, "failedNodes": 2, "unknownNodes": 1,
    });
    let node = json!({
        "apiVersion": "udplb.dev/v1alpha1", "kind": "NodeForwardConfig", "metadata": { "name": "node-1" },
        "spec": { "forwards": [{ "namespace": "default", "name": "syslog", "uid": "file" }] },
        "status": {
            "conditions": condition("True", "Ready"), "bootID": "a", "appliedRevision": 7, "failedCount": 0,
        },
    });
    let resolved = json!({
        "apiVersion": "udplb.dev/v1alpha1", "kind": "ResolvedForward",
        "metadata": { "name": "syslog", "namespace": "default" },
        "spec": {
            "revision": 7, "action": "Clone", "whenUnavailable": "Drop", "state": "Active",
            "match": { "addresses": ["192.0.2.10/32"], "ports": [{ "port": 514 }] },
            "destinations": [{
                "name": "siem", "strategy": "SourceIP", "sourceAddress": "Preserve", "destinationAddress": "Rewrite",
                "upstreams": [{ "address": "203.0.113.5", "port": 5514, "weight": 1 }],
            }],
        },
    });
    [forward, node, resolved]
}
