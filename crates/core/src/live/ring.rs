//! A bounded log of changes by revision, from which any number of readers catch up.
//!
//! Readers hold no place in it: each asks for what came after the revision that it has, and is told when that is no
//! longer held. A reader that is slow therefore costs nothing but a new snapshot for itself.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::watch;

/// Changes that a ring holds at most.
const CHANGES_MAX: usize = 512;
/// Items that all changes of a ring hold at most together.
const ITEMS_MAX: usize = 8192;

/// A change with the revision it brought about.
#[derive(Debug)]
pub(crate) struct Change<T> {
    /// Revision after it.
    pub rev: u64,
    /// What changed.
    pub what: T,
    items: usize,
}

/// The log.
#[derive(Debug)]
pub(crate) struct Ring<T> {
    held: Mutex<Held<T>>,
    rev: watch::Sender<u64>,
}

#[derive(Debug)]
struct Held<T> {
    changes: VecDeque<Arc<Change<T>>>,
    items: usize,
    /// Revision before the oldest change that is held.
    before: u64,
}

impl<T> Ring<T> {
    /// An empty log at a revision.
    pub fn new(rev: u64) -> Self {
        Ring {
            held: Mutex::new(Held {
                changes: VecDeque::new(),
                items: 0,
                before: rev,
            }),
            rev: watch::Sender::new(rev),
        }
    }

    /// Present revision.
    pub fn rev(&self) -> u64 {
        *self.rev.borrow()
    }

    /// Tells of each new revision.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.rev.subscribe()
    }

    /// Adds a change of so many items, which brings about the next revision.
    pub fn push(&self, what: T, items: usize) -> u64 {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let rev = *self.rev.borrow() + 1;
        self.add(&mut held, rev, what, items);
        rev
    }

    /// Adds a change that brings about a revision which its only writer has chosen; it must be greater than the last.
    pub fn push_at(&self, rev: u64, what: T, items: usize) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        self.add(&mut held, rev, what, items);
    }

    fn add(&self, held: &mut Held<T>, rev: u64, what: T, items: usize) {
        held.changes
            .push_back(Arc::new(Change { rev, what, items }));
        held.items += items;
        while held.changes.len() > CHANGES_MAX || held.items > ITEMS_MAX {
            let Some(oldest) = held.changes.pop_front() else {
                break;
            };
            held.items -= oldest.items;
            held.before = oldest.rev;
        }
        // Under the lock, so that revisions are seen in order.
        self.rev.send_replace(rev);
    }

    /// What came after a revision, the oldest first; `None` when part of that is no longer held, or the revision is
    /// none of this log.
    pub fn after(&self, rev: u64) -> Option<Vec<Arc<Change<T>>>> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if rev < held.before || rev > *self.rev.borrow() {
            return None;
        }
        let from = held.changes.partition_point(|change| change.rev <= rev);
        Some(held.changes.range(from..).cloned().collect())
    }
}

/// The first revision of a Core that starts now. It lies above all that an earlier start can have given out, and within
/// the integers that a browser holds exactly: there are a thousand revisions to the millisecond.
pub(crate) fn first_revision(now: komodo_api::UnixMs) -> u64 {
    u64::try_from(now).unwrap_or(0).saturating_mul(1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn revs(ring: &Ring<&str>, after: u64) -> Option<Vec<u64>> {
        ring.after(after)
            .map(|changes| changes.iter().map(|change| change.rev).collect())
    }

    #[test]
    fn a_reader_gets_what_came_after_its_revision() {
        let ring = Ring::new(10);
        assert_eq!(revs(&ring, 10), Some(vec![]));
        ring.push("a", 1);
        ring.push("b", 1);
        assert_eq!(revs(&ring, 10), Some(vec![11, 12]));
        assert_eq!(revs(&ring, 11), Some(vec![12]));
        assert_eq!(revs(&ring, 12), Some(vec![]));
    }

    #[test]
    fn revisions_from_before_or_from_elsewhere_are_told_apart() {
        let ring = Ring::new(10);
        ring.push("a", 1);
        assert_eq!(revs(&ring, 9), None, "older than all that is held");
        assert_eq!(revs(&ring, 99), None, "of another start");
    }

    #[test]
    fn it_is_bounded_by_changes_and_by_items() {
        let ring = Ring::new(0);
        for _ in 0..CHANGES_MAX + 5 {
            ring.push("a", 1);
        }
        assert_eq!(revs(&ring, 4), None);
        assert_eq!(revs(&ring, 5).map(|revs| revs.len()), Some(CHANGES_MAX));
        ring.push("large", ITEMS_MAX);
        assert_eq!(
            revs(&ring, ring.rev() - 2),
            None,
            "one large change pushes out all others"
        );
        assert_eq!(revs(&ring, ring.rev() - 1).map(|revs| revs.len()), Some(1));
    }

    #[test]
    fn a_change_larger_than_the_ring_is_only_a_gap() {
        let ring = Ring::new(0);
        ring.push("too large", ITEMS_MAX + 1);
        assert_eq!(ring.rev(), 1);
        assert_eq!(revs(&ring, 0), None);
        assert_eq!(revs(&ring, 1), Some(vec![]));
    }

    #[test]
    fn revisions_chosen_by_the_writer_may_leave_gaps() {
        let ring = Ring::new(100);
        ring.push_at(105, "a", 1);
        ring.push_at(109, "b", 1);
        assert_eq!(revs(&ring, 100), Some(vec![105, 109]));
        assert_eq!(revs(&ring, 107), Some(vec![109]));
    }
}
