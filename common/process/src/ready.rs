//! Readiness: a process is ready once every task that it waits for said so. **pure**

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a process waits for before it is ready. Clones share their tasks.
#[derive(Clone, Debug, Default)]
pub struct Ready {
    waiting: Arc<Mutex<Vec<&'static str>>>,
}

impl Ready {
    /// Nothing to wait for yet, so ready.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Has the process wait until the guard is dropped. Register every task before the endpoints are
    /// served.
    pub fn wait_for(&self, task: &'static str) -> ReadyGuard {
        self.lock().push(task);
        ReadyGuard {
            ready: self.clone(),
            task,
        }
    }

    /// The tasks that are not ready; empty: the process is.
    #[must_use]
    pub fn waiting(&self) -> Vec<&'static str> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<&'static str>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Held by a task that is not ready; dropped once it is.
#[derive(Debug)]
#[must_use = "dropping the guard says that the task is ready"]
pub struct ReadyGuard {
    ready: Ready,
    task: &'static str,
}

impl Drop for ReadyGuard {
    fn drop(&mut self) {
        let mut waiting = self.ready.lock();
        if let Some(position) = waiting.iter().position(|task| *task == self.task) {
            let _task = waiting.remove(position);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_when_the_last_guard_is_dropped() {
        let ready = Ready::new();
        let first = ready.wait_for("datapath");
        let second = ready.wait_for("source");
        let twin = ready.wait_for("source");
        drop(second);
        assert_eq!(ready.waiting(), ["datapath", "source"]);
        drop(first);
        drop(twin);
        assert_eq!(ready.waiting(), [""; 0]);
    }
}
