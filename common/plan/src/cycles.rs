//! Third step: of forwards whose copies would go round, the youngest that closes the circle stays out. Pure.
//!
//! With two destinations, copies that come back double at each turn, until their TTL ends.

mod edges;
mod index;
mod resolved;

use std::collections::VecDeque;

use edges::Edges;
use index::Index;

pub(crate) use index::{Hosts, meet};
pub use resolved::leave_out;

use crate::{conflict::AcceptedForward, types::Rejection, validate::ValidatedForward};

/// Which forwards lead to which, and who of them runs.
#[derive(Debug)]
pub(crate) struct Cycles<'a> {
    forwards: Vec<&'a ValidatedForward>,
    edges: Vec<Edges>,
    /// Those that can be part of a circle at all.
    suspects: Vec<bool>,
    admitted: Vec<bool>,
}

impl<'a> Cycles<'a> {
    /// Of forwards from the oldest to the youngest, none of which runs yet.
    pub(crate) fn of(forwards: &'a [AcceptedForward], hosts: &Hosts<'_>) -> Self {
        let forwards: Vec<_> = forwards.iter().map(AcceptedForward::forward).collect();
        let edges = edges::of(&forwards, &mut Index::of(&forwards, hosts));
        Self {
            forwards,
            suspects: suspects(&edges),
            admitted: vec![false; edges.len()],
            edges,
        }
    }

    /// Lets a forward run, unless copies would then come back to it by way of those that run.
    pub(crate) fn admit(&mut self, index: usize) -> Result<(), Rejection> {
        if self.suspects[index]
            && let Some(way) = way(index, index, &self.edges, |at| self.admitted[at])
        {
            return Err(self.rejection(index, &way[1..]));
        }
        self.admitted[index] = true;
        Ok(())
    }

    fn rejection(&self, index: usize, way: &[usize]) -> Rejection {
        let forward = self.forwards[index];
        let next = way.first().unwrap_or(&index);
        let upstream = self.edges[index].get(next);
        let key = |index: &usize| self.forwards[*index].key().clone();
        Rejection::ForwardingLoop {
            upstream: upstream.map_or_else(String::new, |place| edges::name(forward, *place)),
            way: way.iter().map(key).collect(),
        }
    }
}

/// The shortest way from one forward to another, or back to itself, by those that `may` be on it: who is on it, the first
/// included and the last not.
fn way(from: usize, to: usize, edges: &[Edges], may: impl Fn(usize) -> bool) -> Option<Vec<usize>> {
    let mut before = vec![None; edges.len()];
    let mut queue = VecDeque::from([from]);
    while let Some(here) = queue.pop_front() {
        if edges[here].contains_key(&to) {
            let mut way: Vec<usize> = std::iter::successors(Some(here), |at| before[*at]).collect();
            way.reverse();
            return Some(way);
        }
        for &next in edges[here].keys() {
            if next != from && before[next].is_none() && may(next) {
                before[next] = Some(here);
                queue.push_back(next);
            }
        }
    }
    None
}

/// Who is left when all are taken away, again and again, who lead to nobody or to whom nobody leads.
fn suspects(edges: &[Edges]) -> Vec<bool> {
    let forwards: Vec<Vec<usize>> = (edges.iter())
        .map(|targets| targets.keys().copied().collect())
        .collect();
    let mut backwards = vec![Vec::new(); edges.len()];
    for (from, targets) in forwards.iter().enumerate() {
        for &to in targets {
            backwards[to].push(from);
        }
    }
    let mut left = vec![true; edges.len()];
    for (away, towards) in [(&forwards, &backwards), (&backwards, &forwards)] {
        let mut degrees: Vec<usize> = away.iter().map(Vec::len).collect();
        let mut ends: Vec<usize> = (0..edges.len()).filter(|at| degrees[*at] == 0).collect();
        while let Some(end) = ends.pop() {
            left[end] = false;
            for &other in &towards[end] {
                degrees[other] -= 1;
                if degrees[other] == 0 {
                    ends.push(other);
                }
            }
        }
    }
    left
}
