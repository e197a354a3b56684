//! What is written, and that equal states are written once.

use k8s_openapi::jiff::Timestamp;
use udplb_api::condition::{ConditionType, Finding, MAX_MESSAGE, Truth};
use udplb_plan::ForwardKey;

use super::*;
use crate::{
    node::state::Failure,
    source::version::{ToldForward, Wait},
};

fn now(second: i64) -> Time {
    Time(Timestamp::from_second(second).unwrap())
}

/// So many forwards, of which the first ones failed. The revision of the one called `0007` is 7.
fn state(count: i64, failed: i64) -> (State, Told) {
    let name = |number: i64| format!("{number:04}");
    let forward = |number| ToldForward {
        key: ForwardKey {
            namespace: "default".to_owned(),
            name: name(number),
        },
        revision: Ok(number),
    };
    let failure = |number| {
        let failure = Failure {
            reason: Reason::MapFull,
            message: "full ".repeat(100),
        };
        (format!("default/{}", name(number)), failure)
    };
    let told = Told {
        uid: "n".to_owned(),
        generation: 3,
        is_readable: true,
        forwards: (1..=count).rev().map(forward).collect(),
    };
    let finding = |about, reason| Finding::new(about, Truth::True, reason, "");
    let state = State {
        told: None,
        findings: [
            finding(ConditionType::Attached, Reason::Attached),
            finding(ConditionType::Synced, Reason::InSync),
        ],
        failed: (1..=failed).map(failure).collect(),
    };
    (state, told)
}

#[test]
fn an_equal_state_is_an_equal_status() {
    let (mut state, told) = state(3, 1);
    let first = status(&state, &told, "boot", &[], &now(1));
    let again = status(&state, &told, "boot", &first.conditions, &now(2));
    assert_eq!(first, again);
    let types: Vec<_> = first.conditions.iter().map(|it| &it.type_[..]).collect();
    assert_eq!(types, ["Attached", "Synced", "Ready"]);
    assert!(
        first
            .conditions
            .iter()
            .all(|it| it.observed_generation == Some(3))
    );
    state.findings[1].truth = Truth::False;
    let turned = status(&state, &told, "boot", &first.conditions, &now(2));
    let times = turned.conditions.iter().map(|it| &it.last_transition_time);
    assert!(times.eq([&now(1), &now(2), &now(2)]));
}

#[test]
fn no_more_is_claimed_than_is_in_force_or_listed() {
    let applied = |count, failed| {
        let (state, told) = state(count, failed);
        let status = status(&state, &told, "boot", &[], &now(1));
        assert_eq!(status.failed_count, u32::try_from(failed).ok());
        assert!(status.failed.is_sorted());
        assert!(
            status
                .failed
                .iter()
                .all(|it| it.message.len() <= MAX_MESSAGE)
        );
        (status.failed.len(), status.applied_revision)
    };
    assert_eq!(applied(0, 0), (0, Some(0)));
    assert_eq!(applied(40, 0), (0, Some(40)));
    assert_eq!(applied(40, 32), (32, Some(40)));
    // The 33rd is not listed: nothing from its revision on is claimed.
    assert_eq!(applied(40, 33), (32, Some(32)));
    let (state, mut told) = state(5, 0);
    told.forwards[0].revision = Err(Wait::Unseen);
    let status = status(&state, &told, "boot", &[], &now(1));
    assert_eq!(status.applied_revision, Some(4));
}
