//! Which container depends on which, and in what order a set of them is treated.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
};

use komodo_agent_api::{Container, depends_on};

use crate::index::{Found, Index};

/// Replicas of one service that a container counts as depending on; more than that are left out of the order.
const REPLICAS_MAX: usize = 32;
/// Containers that one container counts as depending on.
const DEPENDENCIES_MAX: usize = 128;

/// Why one container depends on another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Tie {
    /// It lives in the other's network namespace.
    Network,
    /// Compose says so.
    Declared,
}

/// Edges by position; both directions, each list ascending and without doubles.
pub(crate) struct Dependencies {
    /// What each depends on.
    pub(crate) on: Vec<Vec<(usize, Tie)>>,
    /// What depends on each.
    pub(crate) of: Vec<Vec<(usize, Tie)>>,
}

impl Dependencies {
    pub(crate) fn new(containers: &[&Container], index: &Index<'_>) -> Self {
        let mut services: BTreeMap<(&str, &str), Vec<usize>> = BTreeMap::new();
        for (at, container) in containers.iter().enumerate() {
            let one_off = container
                .labels
                .get("com.docker.compose.oneoff")
                .is_some_and(|value| value == "True");
            if let (Some(project), Some(service), false) =
                (container.project(), container.service(), one_off)
            {
                services.entry((project, service)).or_default().push(at);
            }
        }
        let mut on: Vec<Vec<(usize, Tie)>> = Vec::with_capacity(containers.len());
        let mut of: Vec<Vec<(usize, Tie)>> = vec![Vec::new(); containers.len()];
        for (at, container) in containers.iter().enumerate() {
            let mut edges = Vec::new();
            if let Some(Found::One(owner)) =
                container.network_container().map(|owner| index.find(owner))
            {
                edges.push((owner, Tie::Network));
            }
            if let Some(project) = container.project() {
                for service in depends_on(&container.labels) {
                    let replicas = services
                        .get(&(project, service))
                        .map_or(&[][..], Vec::as_slice);
                    edges.extend(
                        replicas
                            .iter()
                            .take(REPLICAS_MAX)
                            .map(|&other| (other, Tie::Declared)),
                    );
                }
            }
            edges.retain(|&(other, _)| other != at);
            edges.sort_unstable();
            edges.dedup_by_key(|(other, _)| *other);
            edges.truncate(DEPENDENCIES_MAX);
            for &(other, tie) in &edges {
                of[other].push((at, tie));
            }
            on.push(edges);
        }
        Dependencies { on, of }
    }
}

/// An order of some containers.
pub(crate) struct Order {
    /// Positions, in order.
    pub(crate) sequence: Vec<usize>,
    /// For each of the sequence: which of the others come before it because of an edge.
    pub(crate) after: Vec<Vec<usize>>,
    /// Rings of dependencies that had to be broken; each starts with where it was.
    pub(crate) cycles: Vec<Vec<usize>>,
}

/// Orders `chosen` (given in the order that counts where edges say nothing) so that each comes after all that
/// `before` names for it. A ring is broken at its member that is first in `chosen`.
pub(crate) fn order<'e>(
    chosen: &[usize],
    len: usize,
    before: impl Fn(usize) -> &'e [(usize, Tie)],
) -> Order {
    const OUT: usize = usize::MAX;
    let mut rank = vec![OUT; len];
    for (at, &node) in chosen.iter().enumerate() {
        rank[node] = at;
    }
    // From here on nodes are ranks.
    let preds: Vec<Vec<usize>> = chosen
        .iter()
        .map(|&node| {
            let mut preds: Vec<usize> = before(node)
                .iter()
                .map(|&(other, _)| rank[other])
                .filter(|&other| other != OUT)
                .collect();
            preds.sort_unstable();
            preds
        })
        .collect();
    let mut succs = vec![Vec::new(); chosen.len()];
    let mut open: Vec<usize> = vec![0; chosen.len()];
    for (node, list) in preds.iter().enumerate() {
        open[node] = list.len();
        for &pred in list {
            succs[pred].push(node);
        }
    }
    let mut ready: BinaryHeap<Reverse<usize>> = (0..chosen.len())
        .filter(|&node| open[node] == 0)
        .map(Reverse)
        .collect();
    let mut placed = vec![OUT; chosen.len()];
    let mut sequence = Vec::with_capacity(chosen.len());
    let mut cycles = Vec::new();
    let mut first_left = 0;
    while sequence.len() < chosen.len() {
        let node = match ready.pop() {
            Some(Reverse(node)) => node,
            None => {
                while placed[first_left] != OUT {
                    first_left += 1;
                }
                let ring = ring_from(first_left, &preds, &placed);
                let first = ring[0];
                cycles.push(ring.into_iter().map(|node| chosen[node]).collect());
                first
            }
        };
        if placed[node] != OUT {
            continue;
        }
        placed[node] = sequence.len();
        sequence.push(node);
        for &next in &succs[node] {
            open[next] -= 1;
            if open[next] == 0 {
                ready.push(Reverse(next));
            }
        }
    }
    let after = sequence
        .iter()
        .map(|&node| {
            let earlier = preds[node]
                .iter()
                .filter(|&&pred| placed[pred] < placed[node]);
            earlier.map(|&pred| chosen[pred]).collect()
        })
        .collect();
    Order {
        sequence: sequence.into_iter().map(|node| chosen[node]).collect(),
        after,
        cycles,
    }
}

/// A ring among what is not placed yet, found by going back from `start`; its lowest member comes first.
fn ring_from(start: usize, preds: &[Vec<usize>], placed: &[usize]) -> Vec<usize> {
    let mut path = vec![start];
    let mut seen = BTreeMap::from([(start, 0)]);
    loop {
        let node = path[path.len() - 1];
        let next = preds[node]
            .iter()
            .copied()
            .find(|&pred| placed[pred] == usize::MAX);
        // What is left and not ready waits for something that is left; the other arm keeps a broken invariant finite.
        let Some(next) = next else { return vec![node] };
        if let Some(&at) = seen.get(&next) {
            let ring = &mut path[at..];
            let lowest = ring
                .iter()
                .enumerate()
                .min_by_key(|(_, node)| **node)
                .map_or(0, |(at, _)| at);
            ring.rotate_left(lowest);
            return ring.to_vec();
        }
        seen.insert(next, path.len());
        path.push(next);
    }
}
