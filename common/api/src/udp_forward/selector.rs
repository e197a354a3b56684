//! Which nodes a forward runs on. Pure. The shape of `metav1.LabelSelector`, with bounds and rules.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema;

/// Chooses nodes by their labels; every requirement must hold.
#[derive(
    Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord,
)]
#[serde(rename_all = "camelCase")]
pub struct LabelSelector {
    /// matchLabels are labels that a node must have with just this value.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32, "additionalProperties" = serde_json::json!({ "type": "string", "maxLength": 63 })))]
    pub match_labels: BTreeMap<String, String>,
    /// matchExpressions are requirements on labels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), extend("x-kubernetes-list-type" = "atomic"))]
    pub match_expressions: Vec<LabelRequirement>,
}

/// A requirement on one label.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = schema::rules(&[(
    "(self.operator in ['In', 'NotIn']) == (has(self.values) && self.values.size() > 0)",
    "operators In and NotIn need values; leave values out for Exists and DoesNotExist",
)])))]
pub struct LabelRequirement {
    /// key of the label.
    #[schemars(length(min = 1, max = 317))]
    pub key: String,
    /// operator is In, NotIn, Exists or DoesNotExist.
    pub operator: LabelOperator,
    /// values for In and NotIn.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(max = 63)), extend("x-kubernetes-list-type" = "atomic"))]
    pub values: Vec<String>,
}

/// How a label is compared.
#[derive(
    Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord,
)]
pub enum LabelOperator {
    /// The label has one of the values.
    In,
    /// The label is absent or has none of the values.
    NotIn,
    /// The label is there.
    Exists,
    /// The label is absent.
    DoesNotExist,
}

impl LabelSelector {
    /// Whether a node with these labels is chosen.
    #[must_use]
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.match_labels
            .iter()
            .all(|(key, value)| labels.get(key) == Some(value))
            && self
                .match_expressions
                .iter()
                .all(|requirement| requirement.matches(labels))
    }
}

impl LabelRequirement {
    fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        let value = labels.get(&self.key);
        let listed = value.is_some_and(|value| self.values.contains(value));
        match self.operator {
            LabelOperator::In => listed,
            LabelOperator::NotIn => !listed,
            LabelOperator::Exists => value.is_some(),
            LabelOperator::DoesNotExist => value.is_none(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_requirement_must_hold() {
        let labels = BTreeMap::from([("role".to_owned(), "edge".to_owned())]);
        let requirement = |operator, values: &[&str]| LabelSelector {
            match_labels: BTreeMap::new(),
            match_expressions: vec![LabelRequirement {
                key: "role".to_owned(),
                operator,
                values: values.iter().map(|&value| value.to_owned()).collect(),
            }],
        };
        assert!(LabelSelector::default().matches(&labels));
        assert!(requirement(LabelOperator::In, &["core", "edge"]).matches(&labels));
        assert!(!requirement(LabelOperator::In, &["core"]).matches(&labels));
        assert!(requirement(LabelOperator::NotIn, &["core"]).matches(&BTreeMap::new()));
        assert!(!requirement(LabelOperator::NotIn, &["edge"]).matches(&labels));
        assert!(requirement(LabelOperator::Exists, &[]).matches(&labels));
        assert!(!requirement(LabelOperator::DoesNotExist, &[]).matches(&labels));

        let mut both = requirement(LabelOperator::Exists, &[]);
        let _ = both
            .match_labels
            .insert("role".to_owned(), "core".to_owned());
        assert!(!both.matches(&labels));
    }
}
