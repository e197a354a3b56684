//! What the API server has told, and what this node runs by it. **pure**

use std::sync::Arc;

use kube::runtime::watcher::Event;
use serde::{Deserialize, Serialize};
use udplb_api::{ForwardReference, ResolvedForwardSpec};
use udplb_plan::ForwardKey;
use udplb_process::mirror::Mirror;

use super::stored::{Config, Forward};
use crate::{
    desired::input::{Input, Spec},
    source::version::{Told, ToldForward, Wait},
};

/// What a watch tells.
#[derive(Clone, Debug)]
pub enum Change {
    /// About the node's `NodeForwardConfig`.
    Config(Event<(String, Config)>),
    /// About a `ResolvedForward`.
    Forward(Event<(ForwardKey, Forward)>),
}

/// What the node runs: the part of what was told that outlives the process.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// Whose it is: a disk may have been copied to another node.
    pub node: String,
    /// In order of precedence.
    pub forwards: Vec<Running>,
}

/// A forward that the node runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Running {
    /// Which one.
    pub reference: ForwardReference,
    /// What it does.
    pub spec: Arc<ResolvedForwardSpec>,
}

impl Kept {
    /// The agent's input.
    #[must_use]
    pub fn input(&self) -> Input {
        let spec = |Running { reference, spec }: &Running| {
            Spec::new(format!("{}/{}", reference.namespace, reference.name), spec)
        };
        Input {
            forwards: self.forwards.iter().map(spec).collect(),
        }
    }

    fn spec(&self, reference: &ForwardReference) -> Option<&Arc<ResolvedForwardSpec>> {
        let name = (&reference.namespace, &reference.name);
        let mut forwards = self.forwards.iter();
        let running = forwards.find(|it| (&it.reference.namespace, &it.reference.name) == name)?;
        Some(&running.spec)
    }
}

/// Both kinds, as far as they were told, and what came of them last.
#[derive(Debug)]
pub struct Seen {
    node: String,
    configs: Mirror<String, Config>,
    forwards: Mirror<ForwardKey, Forward>,
    /// Those that could be read last, and the generation that they are of.
    references: Vec<ForwardReference>,
    generation: i64,
    kept: Kept,
}

/// What comes of everything that was told.
#[derive(Debug)]
pub struct Settled {
    /// What to run.
    pub input: Input,
    /// What of it does not run.
    pub notices: Vec<String>,
    /// What was told; none where the node has no `NodeForwardConfig`.
    pub told: Option<Told>,
}

impl Settled {
    /// Whether a forward may be on its way: the node was told of it, and it was not seen.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        let forwards = self.told.iter().flat_map(|told| &told.forwards);
        let mut waits = forwards.filter_map(|forward| forward.revision.as_ref().err());
        waits.any(|wait| matches!(wait, Wait::Unseen | Wait::OtherOwner))
    }
}

impl Seen {
    /// Nothing has been told yet; an earlier process may have kept something.
    #[must_use]
    pub fn new(node: &str, kept: Option<Kept>) -> Self {
        let kept = kept.unwrap_or_default();
        let references = kept.forwards.iter();
        Self {
            node: node.to_owned(),
            configs: Mirror::default(),
            forwards: Mirror::default(),
            references: references.map(|it| it.reference.clone()).collect(),
            generation: 0,
            kept,
        }
    }

    /// Takes in what a watch tells. Whether it may concern what runs: others' forwards do not.
    pub fn take(&mut self, change: Change) -> bool {
        let was_complete = self.is_complete();
        let is_new = match change {
            Change::Config(event) => !self.configs.take(event).is_empty(),
            Change::Forward(event) => {
                let changed = self.forwards.take(event);
                changed.iter().any(|key| self.is_referenced(key))
            }
        };
        is_new || self.is_complete() != was_complete
    }

    fn is_referenced(&self, key: &ForwardKey) -> bool {
        let mut references = self.references.iter();
        references.any(|it| it.namespace == key.namespace && it.name == key.name)
    }

    /// Whether both kinds have been listed once.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.configs.is_complete() && self.forwards.is_complete()
    }

    /// The node's own object.
    #[must_use]
    pub fn config(&self) -> Option<&Config> {
        self.configs.get(&self.node)
    }

    /// What the node runs.
    #[must_use]
    pub const fn kept(&self) -> &Kept {
        &self.kept
    }

    /// What to run by all that was told; none before it was told whole. Where a forward is not to be had, what
    /// ran before under its name goes on.
    pub fn settle(&mut self) -> Option<Settled> {
        if !self.is_complete() {
            return None;
        }
        let mut notices = Vec::new();
        let config = self.configs.get(&self.node);
        match config.map(|config| (&config.spec, config.generation)) {
            None => self.references.clear(),
            Some((Ok(spec), generation)) => {
                self.references.clone_from(&spec.forwards);
                self.generation = generation;
            }
            Some((Err(error), _)) => notices.push(format!(
                "the NodeForwardConfig of this node cannot be read, bring operator and agent to one version; \
                 what ran before goes on: {error}"
            )),
        }
        let mut running = Vec::with_capacity(self.references.len());
        let mut told = Vec::with_capacity(self.references.len());
        for reference in &self.references {
            let key = ForwardKey {
                namespace: reference.namespace.clone(),
                name: reference.name.clone(),
            };
            let found = find(&self.forwards, &key, reference);
            if let Some(spec) = found.as_ref().ok().or_else(|| self.kept.spec(reference)) {
                running.push(Running {
                    reference: reference.clone(),
                    spec: Arc::clone(spec),
                });
            }
            if let Err(wait) = &found {
                notices.push(format!("forward {key} stays as it was: {wait}"));
            }
            told.push(ToldForward {
                key,
                revision: found.map(|spec| spec.revision),
            });
        }
        self.kept = Kept {
            node: self.node.clone(),
            forwards: running,
        };
        Some(Settled {
            input: self.kept.input(),
            notices,
            told: config.map(|config| Told {
                uid: config.uid.clone(),
                generation: self.generation,
                is_readable: config.spec.is_ok(),
                forwards: told,
            }),
        })
    }
}

fn find(
    forwards: &Mirror<ForwardKey, Forward>,
    key: &ForwardKey,
    reference: &ForwardReference,
) -> Result<Arc<ResolvedForwardSpec>, Wait> {
    let forward = forwards.get(key).ok_or(Wait::Unseen)?;
    if forward.owner.as_ref() != Some(&reference.uid) {
        return Err(Wait::OtherOwner);
    }
    forward.spec.clone().map_err(Wait::Unreadable)
}

#[cfg(test)]
mod tests;
