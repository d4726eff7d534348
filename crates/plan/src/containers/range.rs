//! Which containers a scope means, and which of them the caller leaves out.

use std::collections::BTreeSet;

use komodo_agent_api::Container;
use komodo_api::{
    container::{ContainerQuery, Scope},
    plan::{Effect, PlanItem, Reason, ReasonCode},
    resource::ContainerRef,
};

use super::{PlanError, PlanInput, Warnings, item};
use crate::index::{Found, Index};

/// The containers that a scope means.
pub(super) struct Range {
    /// Positions, ascending.
    pub(super) chosen: Vec<usize>,
    /// Named, but not there.
    pub(super) gone: Vec<PlanItem>,
}

/// Finds what a scope means.
pub(super) fn range(
    op: &PlanInput<'_>,
    containers: &[&Container],
    index: &Index<'_>,
) -> Result<Range, PlanError> {
    let ambiguous = |reference: &ContainerRef, hits: &[usize]| PlanError::Ambiguous {
        reference: reference.0.clone(),
        names: hits.iter().map(|&at| containers[at].name.clone()).collect(),
    };
    let mut gone = Vec::new();
    let chosen = match op.scope {
        Scope::One(reference) => match index.find(&reference.0) {
            Found::One(at) => vec![at],
            Found::None if op.expected.contains_key(&reference.0) => {
                gone.push(gone_item(&reference.0, op));
                Vec::new()
            }
            Found::None => {
                return Err(PlanError::NotFound {
                    reference: reference.0.clone(),
                });
            }
            Found::Several(hits) => return Err(ambiguous(reference, &hits)),
        },
        Scope::Listed(references) if references.is_empty() => return Err(PlanError::Empty),
        Scope::Listed(references) => {
            let mut chosen = BTreeSet::new();
            let mut missing = BTreeSet::new();
            for reference in references {
                match index.find(&reference.0) {
                    Found::One(at) => {
                        chosen.insert(at);
                    }
                    Found::None => {
                        missing.insert(&reference.0);
                    }
                    Found::Several(hits) => return Err(ambiguous(reference, &hits)),
                }
            }
            gone.extend(missing.into_iter().map(|name| gone_item(name, op)));
            chosen.into_iter().collect()
        }
        Scope::Matching(query) => {
            let query = Query::new(query);
            (0..containers.len())
                .filter(|&at| query.matches(containers[at]))
                .collect()
        }
        Scope::All => (0..containers.len()).collect(),
        // It is no container, and planned by `service`.
        Scope::Agent(_) => Vec::new(),
    };
    Ok(Range { chosen, gone })
}

/// One that was named and is not there; what is expected by its id is told by its name.
fn gone_item(reference: &str, op: &PlanInput<'_>) -> PlanItem {
    let (id, name) = match op.expected.get(reference) {
        Some(expected) if !expected.name.is_empty() => (reference, expected.name.as_str()),
        Some(_) => (reference, reference),
        None => ("", reference),
    };
    let container = Container {
        id: id.to_owned(),
        name: name.to_owned(),
        ..Container::default()
    };
    let reason = Reason::new(ReasonCode::Gone);
    item(&container, Effect::Skip, Some(reason), &[])
}

/// A query, prepared once for all containers.
struct Query<'a> {
    query: &'a ContainerQuery,
    terms: Vec<String>,
    labels: Vec<(&'a str, Option<&'a str>)>,
}

impl<'a> Query<'a> {
    fn new(query: &'a ContainerQuery) -> Self {
        Query {
            query,
            terms: query.terms.iter().map(|term| term.to_lowercase()).collect(),
            labels: query
                .labels
                .iter()
                .map(|label| {
                    label
                        .split_once('=')
                        .map_or((label.as_str(), None), |(key, value)| (key, Some(value)))
                })
                .collect(),
        }
    }

    fn matches(&self, container: &Container) -> bool {
        let query = self.query;
        let name = if self.terms.is_empty() {
            String::new()
        } else {
            container.name.to_lowercase()
        };
        self.terms.iter().all(|term| name.contains(term))
            && (query.states.is_empty() || query.states.contains(&container.state))
            && (query.images.is_empty()
                || query
                    .images
                    .iter()
                    .any(|image| is_image(&container.image, image)))
            && (query.projects.is_empty()
                || container
                    .project()
                    .is_some_and(|project| query.projects.iter().any(|asked| asked == project)))
            && self.labels.iter().all(|(key, value)| {
                container
                    .labels
                    .get(*key)
                    .is_some_and(|found| value.is_none_or(|value| found == value))
            })
    }
}

/// Whether `asked` means `image`: the same, or the same without its tag and digest.
fn is_image(image: &str, asked: &str) -> bool {
    let without_digest = image.split_once('@').map_or(image, |(name, _)| name);
    // A colon before the last slash belongs to the port of a registry.
    let name = match without_digest.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => name,
        _ => without_digest,
    };
    asked == image || asked == without_digest || asked == name
}

/// Positions of what the caller leaves out.
pub(super) fn excluded(
    exclude: &[ContainerRef],
    containers: &[&Container],
    index: &Index<'_>,
    warnings: &mut Warnings,
) -> BTreeSet<usize> {
    let mut positions = BTreeSet::new();
    for reference in exclude {
        match index.find(&reference.0) {
            Found::One(at) => {
                positions.insert(at);
            }
            // Leaving out more than was meant does no harm; acting on one that was not meant would.
            Found::Several(_) => positions.extend(
                (0..containers.len())
                    .filter(|&at| containers[at].id.starts_with(reference.0.as_str())),
            ),
            Found::None => warnings.push(format!("there is no container '{reference}' to exclude")),
        }
    }
    positions
}
