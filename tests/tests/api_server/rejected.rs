//! Objects that the server refuses, each with its words: `rejected.json` has a change of the full object a line,
//! and what the server says to it.

use kube::Error;
use serde_json::Value;
use udplb_api::Checker;

use super::objects::{Server, changed};

#[tokio::test]
async fn every_mistake_is_refused_with_words_that_help() {
    let server = Server::start("rejected").await;
    let checker = Checker::udp_forward();
    let cases: Vec<Value> = serde_json::from_str(include_str!("rejected.json")).unwrap();
    assert!(cases.len() >= 60);
    let mut wrong = Vec::new();
    for case in cases {
        let (field, value) = (case["field"].as_str().unwrap(), case.get("value"));
        let document = changed(field, value);
        let said = match server.apply(&document).await {
            Ok(()) => "nothing".to_owned(),
            Err(Error::Api(status)) => status.message,
            Err(error) => panic!("{field}: {error}"),
        };
        if case["message"] != said.as_str() {
            wrong.push(serde_json::json!({ "field": field, "value": value, "message": said }));
        }
        let offline = checker.problems(&document);
        assert!(
            !offline.is_empty(),
            "{field}: the offline check takes it, the server says {said}"
        );
    }
    assert!(
        wrong.is_empty(),
        "other words than expected:\n{}",
        Value::from(wrong)
    );
}
