//! Every query of the dashboard and every expression of the alerts, on a real Prometheus with data.

use serde_json::Value;
use udplb_tests::chart::{CHART, read};

use crate::{rules::succeeds, scene::Scene};

/// The alerts and what they compute, before it is compared with a limit.
pub(crate) fn alerts() -> Vec<(String, String)> {
    let text = read(&format!("{CHART}/files/alerts.yaml"));
    let rules: Value = serde_saphyr::from_str(&text).unwrap();
    let rules = rules["groups"][0]["rules"].as_array().unwrap().clone();
    let of = |rule: &Value| {
        let expression = rule["expr"].as_str().unwrap();
        let (value, limit) = expression.rsplit_once([' ']).unwrap();
        let value = value.trim_end_matches(['>', '=', ' ']);
        assert!(
            limit.parse::<f64>().is_ok(),
            "{expression} ends without a limit"
        );
        (rule["alert"].as_str().unwrap().to_owned(), value.to_owned())
    };
    rules.iter().map(of).collect()
}

/// The queries of the dashboard with the title of their panel, its variables filled in.
fn queries() -> Vec<(String, String)> {
    let dashboard = read(&format!("{CHART}/files/dashboard.json"));
    let dashboard: Value = serde_json::from_str(&dashboard).unwrap();
    let mut queries = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let expression = target["expr"].as_str().unwrap();
            let filled = expression
                .replace("$__rate_interval", "30s")
                .replace("$namespace", ".*")
                .replace("$forward", ".*")
                .replace("$instance", ".*");
            assert!(!filled.contains('$'), "{filled}");
            queries.push((panel["title"].as_str().unwrap().to_owned(), filled));
        }
    }
    queries
}

#[tokio::test(flavor = "multi_thread")]
async fn every_query_has_data() {
    let scene = Scene::start("observability").await;
    let mut open: Vec<(String, String)> = queries();
    assert!(open.len() >= 30, "{} queries", open.len());
    open.extend(alerts());
    scene.answered(open).await;

    // Prometheus has counted what was sent.
    let sent = scene.sent();
    for counted in [
        r#"udplb_matched_packets_total{forward="syslog"}"#,
        r#"sum(udplb_sent_packets_total{forward="syslog"})"#,
        r#"udplb_matched_packets_total{forward="lost"}"#,
        r#"sum(udplb_dropped_packets_total{forward="lost"})"#,
    ] {
        scene.becomes(counted, |values| values == [sent]).await;
    }
    // What is wrong here on purpose is seen: an upstream that nobody answers for.
    let unreachable = "count(udplb_upstream_reachable == 0)";
    scene.becomes(unreachable, |values| values == [1.0]).await;
    scene
        .becomes("sum(udplb_operator_leader)", |values| values == [1.0])
        .await;
    let agents = r#"udplb_operator_agents{ready="true"}"#;
    scene.becomes(agents, |values| values == [1.0]).await;
    let count = u32::try_from(alerts().len()).unwrap();
    scene.rules_are_healthy(f64::from(count)).await;

    // What both serve is as Prometheus wants it.
    for text in scene.pages() {
        let path = scene.file("page.txt", &text);
        let lint = format!("promtool check metrics <{path}");
        let mut shell = std::process::Command::new("sh");
        let said = succeeds(shell.args(["-c", &lint]));
        assert_eq!(said, "");
    }
}
