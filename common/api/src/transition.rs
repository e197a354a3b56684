//! What turned between two versions of a status, for events. Pure.

use crate::condition::{ConditionType, Reason};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

/// A condition that turned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition {
    /// Whether it turned for the worse.
    pub is_warning: bool,
    /// The condition, which the event names as its action.
    pub about: String,
    /// Why, in one word.
    pub reason: String,
    /// Why, for a human reader.
    pub message: String,
}

/// What is worth an event: a condition that is False now, or False for another reason; one that recovered; and
/// Ready. What is not known yet is no news, and what follows from another condition is told once.
#[must_use]
pub fn between(old: &[Condition], new: &[Condition]) -> Vec<Transition> {
    let turned = new.iter().filter(|condition| {
        let before = old.iter().find(|it| it.type_ == condition.type_);
        let was = |status: &str| before.is_some_and(|before| before.status == status);
        let is_summary = condition.type_ == ConditionType::Ready.as_str();
        match condition.status.as_str() {
            "True" => (is_summary && !was("True")) || was("False"),
            "False" => {
                let had_reason = before.is_some_and(|before| before.reason == condition.reason);
                let follows = condition.reason == Reason::NotAccepted.as_str()
                    || (is_summary && condition.reason != Reason::Paused.as_str());
                !(follows || was("False") && had_reason)
            }
            _ => false,
        }
    });
    turned
        .map(|condition| Transition {
            is_warning: condition.status == "False",
            about: condition.type_.clone(),
            reason: condition.reason.clone(),
            message: condition.message.clone(),
        })
        .collect()
}
