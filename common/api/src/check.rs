//! The offline check of a raw document: what the API server would reject, with the path of the field
//! and what to write instead. Pure.
//!
//! It reads the same schema as the server: first the structure, then, if that is sound, the CEL rules.
//! It works on the document before any type of ours reads it, because a type forgets what it does not
//! know. Where the server's answer depends on the verb (null), the check rejects.

mod metadata;
mod structure;
mod suggest;

use std::fmt;

use kube::{
    CustomResourceExt, Resource,
    core::cel::{CompiledSchema, Validator, compile_schema},
};
use serde_json::Value;

use crate::{UdpForward, crd};
pub use suggest::nearest;

/// Something in a document that has to change.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Path of the field, such as `spec.destinations[0].upstreams[1].port`; empty for the document.
    pub path: String,
    /// What is wrong, and what to write instead.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, message } = self;
        if path.is_empty() {
            write!(formatter, "{message}")
        } else {
            write!(formatter, "{path}: {message}")
        }
    }
}

/// Checks documents of one kind. Making one compiles the rules, so make it once.
#[derive(Debug)]
pub struct Checker {
    schema: Value,
    rules: CompiledSchema,
    validator: Validator,
}

impl Checker {
    /// Checks `UdpForward`s.
    #[must_use]
    pub fn udp_forward() -> Self {
        Self::of::<UdpForward>()
    }

    /// Checks documents of a kind.
    #[must_use]
    pub fn of<K: CustomResourceExt + Resource<DynamicType = ()>>() -> Self {
        let mut schema = crd::schema_of(&crd::definition::<K>()).clone();
        metadata::add_to(&mut schema, &K::kind(&()));
        Self::with_schema(schema)
    }

    /// Checks documents of another format, by a schema that uses the keywords which ours use.
    #[must_use]
    pub fn with_schema(schema: Value) -> Self {
        let rules = compile_schema(&schema);
        Self {
            schema,
            rules,
            validator: Validator::new(),
        }
    }

    /// Everything in the document that has to change.
    #[must_use]
    pub fn problems(&self, document: &Value) -> Vec<Problem> {
        let mut problems = Vec::new();
        structure::check(&self.schema, document, "", &mut problems);
        if problems.is_empty()
            && let Err(errors) = self
                .validator
                .validate_compiled(&self.rules, document, None)
        {
            problems.extend(errors.into_iter().map(|error| Problem {
                path: error.field_path,
                message: error.message,
            }));
        }
        problems
    }
}
