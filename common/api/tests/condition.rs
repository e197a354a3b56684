//! How conditions change.

use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};
use udplb_api::condition::{
    ConditionType, Finding, MAX_MESSAGE, Reason, Truth, cut, stored, summary,
};

fn at(second: i64) -> Time {
    Time(Timestamp::from_second(second).expect("within range"))
}

fn resolved(truth: Truth, message: &str) -> Finding {
    Finding::new(ConditionType::Resolved, truth, Reason::NotResolved, message)
}

/// A message may change as often as it likes: since when something fails is what a reader looks for.
#[test]
fn the_time_moves_only_with_the_status() {
    let first = stored(&[], &[resolved(Truth::False, "a")], Some(1), &at(10));
    let same = stored(&first, &[resolved(Truth::False, "a")], Some(1), &at(20));
    assert_eq!(same, first);
    let other_words = stored(&first, &[resolved(Truth::False, "b")], Some(2), &at(20));
    assert_eq!(other_words[0].last_transition_time, at(10));
    assert_eq!(other_words[0].message, "b");
    assert_eq!(other_words[0].observed_generation, Some(2));
    let turned = stored(&first, &[resolved(Truth::True, "a")], Some(2), &at(20));
    assert_eq!(turned[0].last_transition_time, at(20));
}

#[test]
fn the_summary_is_the_worst_of_all() {
    let ready = (Reason::Ready, "it works");
    let good = resolved(Truth::True, "good");
    let unknown = resolved(Truth::Unknown, "unknown");
    let bad = resolved(Truth::False, "bad");
    let of = |findings: &[Finding]| {
        let summary = summary(findings, ready);
        assert_eq!(summary.about, ConditionType::Ready);
        (summary.truth, summary.message)
    };
    assert_eq!(
        of(std::slice::from_ref(&good)),
        (Truth::True, "it works".into())
    );
    assert_eq!(
        of(&[good.clone(), unknown.clone()]),
        (Truth::Unknown, "unknown".into())
    );
    assert_eq!(of(&[unknown, bad, good]), (Truth::False, "bad".into()));
}

#[test]
fn a_long_message_is_cut_between_characters() {
    assert_eq!(cut(&"x".repeat(MAX_MESSAGE)), "x".repeat(MAX_MESSAGE));
    for filler in ["x", "ü", "→"] {
        let text = cut(&filler.repeat(MAX_MESSAGE + 1));
        assert!(
            text.len() <= MAX_MESSAGE && text.len() > MAX_MESSAGE - 8,
            "{}",
            text.len()
        );
        assert!(text.ends_with('…'));
    }
}
