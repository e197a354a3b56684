//! One line of a check. **pure**

use serde::Serialize;

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// What it is.
    pub name: &'static str,
    /// What an agent needs it for.
    pub needed_for: &'static str,
    /// How it was found.
    pub result: Verdict,
    /// What to know or to do about it.
    pub message: Option<String>,
}

/// How something was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// An agent runs, but something should be known.
    Note,
    /// An agent does not run before this is mended.
    Failed,
}

impl Finding {
    /// All is well.
    #[must_use]
    pub const fn ok(name: &'static str, needed_for: &'static str) -> Self {
        Self {
            name,
            needed_for,
            result: Verdict::Ok,
            message: None,
        }
    }

    /// An agent runs, and this should be known.
    #[must_use]
    pub fn note(self, message: impl Into<String>) -> Self {
        Self {
            result: Verdict::Note,
            message: Some(message.into()),
            ..self
        }
    }

    /// An agent does not run.
    #[must_use]
    pub fn failed(self, message: impl Into<String>) -> Self {
        Self {
            result: Verdict::Failed,
            message: Some(message.into()),
            ..self
        }
    }

    /// What to do, where it failed.
    #[must_use]
    pub fn failure(&self) -> Option<&str> {
        match self.result {
            Verdict::Failed => self.message.as_deref(),
            Verdict::Ok | Verdict::Note => None,
        }
    }
}
