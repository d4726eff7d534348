//! Finds containers by what people write: name, id, or the beginning of an id.

use std::collections::BTreeMap;

use komodo_agent_api::Container;

/// Digits of an id that a reference must have at least to count as its beginning.
const ID_PREFIX_MIN: usize = 12;

/// What a reference means.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    None,
    One(usize),
    /// It is the beginning of several ids.
    Several(Vec<usize>),
}

/// Containers by name and id; positions are those in the slice it was made from.
pub(crate) struct Index<'a> {
    by_id: BTreeMap<&'a str, usize>,
    by_name: BTreeMap<&'a str, usize>,
}

impl<'a> Index<'a> {
    pub(crate) fn new(containers: &[&'a Container]) -> Self {
        let by_id = containers
            .iter()
            .enumerate()
            .map(|(at, container)| (container.id.as_str(), at))
            .collect();
        let by_name = containers
            .iter()
            .enumerate()
            .map(|(at, container)| (container.name.as_str(), at))
            .collect();
        Index { by_id, by_name }
    }

    /// As the Engine looks it up: id, then name, then beginning of an id.
    pub(crate) fn find(&self, reference: &str) -> Found {
        if let Some(at) = self.by_id.get(reference) {
            return Found::One(*at);
        }
        let name = reference.strip_prefix('/').unwrap_or(reference);
        if let Some(at) = self.by_name.get(name) {
            return Found::One(*at);
        }
        if name.len() < ID_PREFIX_MIN {
            return Found::None;
        }
        let hits: Vec<usize> = self
            .by_id
            .range(name..)
            .take_while(|(id, _)| id.starts_with(name))
            .map(|(_, at)| *at)
            .take(8)
            .collect();
        match hits[..] {
            [] => Found::None,
            [one] => Found::One(one),
            _ => Found::Several(hits),
        }
    }
}
