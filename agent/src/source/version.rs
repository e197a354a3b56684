//! One version of the agent's input, and what the API server said when it came from there. **pure**

use std::sync::Arc;

use udplb_plan::ForwardKey;

use crate::desired::input::Input;

/// One version of the input.
#[derive(Clone, Debug)]
pub struct Version {
    /// Counts the versions of this process, from 1. Where only what is said about the input is new, it stays.
    pub number: u64,
    /// What to run.
    pub input: Arc<Input>,
    /// What of it does not run, known without looking at the host.
    pub notices: Arc<[String]>,
    /// What the API server told; none where the input came from elsewhere.
    pub told: Option<Arc<Told>>,
}

/// What a node was told to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The uid of its `NodeForwardConfig`.
    pub uid: String,
    /// The last version of that one's spec that could be read.
    pub generation: i64,
    /// Whether it is the present one.
    pub is_readable: bool,
    /// In its order.
    pub forwards: Vec<ToldForward>,
}

/// A forward that a node was told to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToldForward {
    /// Its name.
    pub key: ForwardKey,
    /// Its revision, or why what ran before under its name goes on.
    pub revision: Result<i64, Wait>,
}

/// Why a forward is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Wait {
    /// Its `ResolvedForward` has not been seen.
    #[error("waiting for its ResolvedForward, which the operator writes")]
    Unseen,
    /// The `ResolvedForward` is that of a `UdpForward` which is gone.
    #[error(
        "waiting for its ResolvedForward: the one there belongs to a UdpForward that was deleted"
    )]
    OtherOwner,
    /// The `ResolvedForward` is not as this agent knows it.
    #[error("its ResolvedForward cannot be read, bring operator and agent to one version: {0}")]
    Unreadable(String),
}

impl Version {
    /// The first version of a process.
    #[must_use]
    pub fn first(input: Input, notices: Vec<String>) -> Self {
        Self {
            number: 1,
            input: Arc::new(input),
            notices: notices.into(),
            told: None,
        }
    }

    /// Takes in what is known now. A changed input is a new version, an equal one only by force. Tells whether
    /// anything is new.
    pub fn replace(
        &mut self,
        input: Input,
        notices: Vec<String>,
        told: Option<Told>,
        by_force: bool,
    ) -> bool {
        let is_new = by_force || *self.input != input;
        if is_new {
            self.number += 1;
            self.input = Arc::new(input);
        }
        let is_said = *self.notices == notices && self.told.as_deref() == told.as_ref();
        if !is_said {
            self.notices = notices.into();
            self.told = told.map(Arc::new);
        }
        is_new || !is_said
    }
}
