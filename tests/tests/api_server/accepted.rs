//! Objects at the edge of what is allowed: `accepted.json` has a change of the full object a line, which the server
//! and the offline check both take.

use serde_json::Value;
use udplb_api::Checker;

use super::objects::{Server, changed};

#[tokio::test]
async fn what_is_just_allowed_is_taken() {
    let server = Server::start("accepted").await;
    let checker = Checker::udp_forward();
    let cases: Vec<Value> = serde_json::from_str(include_str!("accepted.json")).unwrap();
    assert!(cases.len() >= 40);
    let mut refused = Vec::new();
    for case in cases {
        let (field, value) = (case["field"].as_str().unwrap(), case.get("value"));
        let document = changed(field, value);
        if let Err(error) = server.apply(&document).await {
            refused.push(format!("{case}: the server says {error}"));
        }
        for problem in checker.problems(&document) {
            refused.push(format!("{case}: the offline check says {problem}"));
        }
    }
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}
