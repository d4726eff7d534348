//! The simulation itself: that it can be repeated, and that it finds what is broken. The many seeds are played by
//! `cargo xtask sim`, which also builds these; without `--cfg tokio_unstable` no run can be repeated (see the crate).
#![cfg(tokio_unstable)]

use komodo_simulation::{Break, Options, Run, run};

/// Steps of each run here.
const STEPS: u32 = 200;
/// Seeds within which a break is found.
const SEEDS: u64 = 20;

fn play(seed: u64, broken: Option<Break>) -> Run {
    let steps = STEPS;
    run(seed, Options { steps, broken })
}

/// The first line in which two traces differ.
fn first_difference(one: &str, other: &str) -> Option<String> {
    let (mut one, mut other) = (one.lines(), other.lines());
    for at in 1.. {
        match (one.next(), other.next()) {
            (None, None) => return None,
            (one, other) if one != other => {
                return Some(format!("line {at}:\n  {one:?}\n  {other:?}"));
            }
            _ => {}
        }
    }
    None
}

#[test]
fn a_seed_replays_to_the_same_trace() {
    for seed in [7, 8, 9] {
        let (one, other) = (play(seed, None), play(seed, None));
        if let Some(difference) = first_difference(&one.trace, &other.trace) {
            panic!("seed {seed} told two stories; {difference}");
        }
        assert_eq!(one.trace, other.trace);
        assert_eq!(one.counts, other.counts);
        assert!(one.trace.lines().count() > 100, "{}", one.trace);
    }
}

#[test]
fn two_seeds_are_two_stories() {
    assert_ne!(play(7, None).trace, play(8, None).trace);
}

/// Plays seeds until one says what the break makes untrue; it says so again, and without the break it says nothing.
fn is_found(broken: Break, says: &str) {
    let mut others = Vec::new();
    for seed in 0..SEEDS {
        let Some(failure) = play(seed, Some(broken)).failure else {
            continue;
        };
        if !failure.contains(says) {
            others.push(failure);
            continue;
        }
        assert_eq!(play(seed, Some(broken)).failure, Some(failure));
        assert_eq!(play(seed, None).failure, None);
        return;
    }
    panic!("{SEEDS} seeds with {broken:?} broken, and none said '{says}': {others:#?}");
}

#[test]
fn a_broken_guard_is_found() {
    is_found(Break::Guard, "the branch was sawn off");
}

#[test]
fn a_broken_journal_is_found() {
    is_found(Break::Journal, "asked twice for");
}

#[test]
fn a_broken_settlement_is_found() {
    is_found(Break::Settlement, "but it was");
}

#[test]
fn a_broken_probation_is_found() {
    is_found(Break::Probation, "was taken for good, and cannot work");
}
