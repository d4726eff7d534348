//! Everything that may happen, up to a number of mishaps: steps that fail, a helper that dies before and after each,
//! containers that end or are removed, a confirmation that comes or does not. From every state that is reached, once
//! nothing more happens, the loop ends with one of the two running, under the right name, and says what is the case.

use std::collections::{BTreeSet, HashSet, VecDeque};

use super::*;
use ContainerStateStatusEnum::{Created, Exited, Running};

/// Mishaps on one way.
const MISHAPS_MAX: u8 = 3;
/// The same where a step never works besides.
const MISHAPS_BESIDES_MAX: u8 = 1;
/// Looks after which it has to be over once nothing more happens.
const LOOKS_MAX: usize = 60;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Fake {
    state: ContainerStateStatusEnum,
    started: Option<UnixMs>,
    ended: Option<UnixMs>,
    name: String,
    held: bool,
    restarts: u64,
}

/// The two containers, and what a helper remembers.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct World {
    old: Option<Fake>,
    new: Option<Fake>,
    confirmed: bool,
    now: UnixMs,
    failed: Vec<Failure>,
    why: Option<String>,
    mishaps: u8,
    /// Whether somebody else removed or started one.
    meddled: bool,
    /// Whether a step that only names or tidies up was given up by the helper that runs.
    untidy: bool,
    /// A step that the Engine never does.
    never: Option<Step>,
    mishaps_max: u8,
}

/// Times in which something may happen; by the last the helper has lost patience with nothing.
const LATE: UnixMs = UNTIL + 60_000;

impl World {
    fn new(policy: &str) -> Self {
        World {
            old: Some(Fake {
                state: Running,
                started: Some(BEGAN),
                ended: None,
                name: "agent".into(),
                held: policy == "no",
                restarts: 0,
            }),
            new: None,
            confirmed: false,
            now: 10_000,
            failed: Vec::new(),
            why: None,
            mishaps: 0,
            meddled: false,
            untidy: false,
            never: None,
            mishaps_max: MISHAPS_MAX,
        }
    }

    fn scene(&self) -> Scene {
        let body = |id: &str, fake: &Fake| Body {
            id: id.into(),
            name: fake.name.clone(),
            state: fake.state,
            run: Run {
                started_at: fake.started,
                finished_at: fake.ended,
            },
            restarts: fake.restarts,
            exit_code: (fake.state == Exited).then_some(1),
            held: fake.held,
        };
        Scene {
            old: self.old.as_ref().map(|fake| body("o", fake)),
            new: self.new.as_ref().map(|fake| body("n", fake)),
            confirmed: self.confirmed,
            now: self.now,
            failed: self.failed.clone(),
            why: self.why.clone(),
        }
    }

    fn one(&mut self, which: Which) -> Option<&mut Fake> {
        match which {
            Which::Old => self.old.as_mut(),
            Which::New => self.new.as_mut(),
        }
    }

    /// Looks, notes why where it is given up, and asks what is next.
    fn ask(&mut self, plan: &HandOverPlan) -> Step {
        self.why = self.why.take().or_else(|| reason(plan, &self.scene()));
        next(plan, &self.scene())
    }

    /// Does a step as the Engine would; `false` where that refuses.
    fn does(&mut self, plan: &HandOverPlan, step: &Step) -> bool {
        let now = self.now;
        if self.never.as_ref() == Some(step) {
            return false;
        }
        match step {
            Step::Create => {
                let free = self.new.is_none();
                assert!(free, "a second new one");
                self.new = Some(Fake {
                    state: Created,
                    started: None,
                    ended: None,
                    name: plan.new_name(),
                    held: false,
                    restarts: 0,
                });
            }
            Step::Hold | Step::Release => {
                let Some(old) = self.old.as_mut() else {
                    return false;
                };
                old.held = *step == Step::Hold;
            }
            Step::Stop(which) => {
                let Some(fake) = self.one(*which) else {
                    return false;
                };
                fake.state = Exited;
                fake.ended = Some(now);
            }
            Step::Rename(which, name) => {
                let names = [&self.old, &self.new];
                if names.into_iter().flatten().any(|fake| fake.name == *name) {
                    return false;
                }
                let Some(fake) = self.one(*which) else {
                    return false;
                };
                fake.name.clone_from(name);
            }
            Step::Begin => return self.does(plan, &Step::Start(Which::New)),
            Step::Start(which) => {
                let Some(fake) = self.one(*which) else {
                    return false;
                };
                fake.state = Running;
                // Never the same as another run's.
                fake.started = Some(now + 1);
                fake.ended = None;
                fake.restarts = 0;
            }
            Step::Remove(which) => {
                let Some(fake) = self.one(*which) else {
                    return false;
                };
                assert_ne!(fake.state, Running, "a running one removed");
                match which {
                    Which::Old => self.old = None,
                    Which::New => self.new = None,
                }
            }
            Step::Await => self.now += 10_000,
            Step::Finish(_) => unreachable!("the loop ends"),
        }
        self.now += 7;
        true
    }

    fn two_run(&self) -> bool {
        let runs = |fake: &Option<Fake>| fake.as_ref().is_some_and(|fake| fake.state == Running);
        runs(&self.old) && runs(&self.new)
    }

    /// A new helper knows nothing of what the one before tried.
    fn helper_dies(&self) -> World {
        World {
            failed: Vec::new(),
            why: None,
            untidy: false,
            mishaps: self.mishaps + 1,
            ..self.clone()
        }
    }

    /// What may come of a step, and what may happen besides.
    fn ways(&self, plan: &HandOverPlan) -> Vec<World> {
        let mut asked = self.clone();
        let step = asked.ask(plan);
        let mut ways = Vec::new();
        if let Step::Finish(_) = step {
            return ways;
        }
        let mut done = asked.clone();
        if done.does(plan, &step) {
            ways.push(done.clone());
        } else {
            done = asked.clone();
            done.fails(&step);
            ways.push(done.clone());
        }
        // Core knows nothing of what the helper is about to do.
        if !asked.confirmed && asked.is_up_again(plan) && asked.now < UNTIL - 10_000 {
            ways.push(World {
                confirmed: true,
                ..asked.clone()
            });
        }
        if asked.mishaps >= self.mishaps_max {
            return ways;
        }
        let with = |change: &dyn Fn(&mut World)| {
            let mut world = asked.clone();
            world.mishaps += 1;
            change(&mut world);
            world
        };
        if step != Step::Await {
            ways.push(with(&|world| world.fails(&step)));
        }
        ways.push(asked.helper_dies());
        ways.push(done.helper_dies());
        if asked.now < UNTIL {
            ways.push(with(&|world| world.now = UNTIL + 1));
        } else if asked.now < LATE {
            ways.push(with(&|world| world.now = LATE));
        }
        if asked.is_new_up() {
            ways.push(with(&|world| world.ends(Which::New)));
            ways.push(with(&|world| {
                let now = world.now;
                let new = world.new.as_mut().expect("it is up");
                new.restarts += 1;
                new.started = Some(now + 1);
            }));
        }
        if asked.old.as_ref().is_some_and(|old| old.state == Running) {
            ways.push(with(&|world| world.ends(Which::Old)));
        }
        // Somebody starts or removes one.
        for which in [Which::Old, Which::New] {
            let mut world = asked.clone();
            if world.one(which).is_some_and(|fake| fake.state != Running) {
                ways.push(with(&|world| {
                    world.meddled = true;
                    world.does(plan, &Step::Start(which));
                }));
                ways.push(with(&|world| {
                    world.meddled = true;
                    match which {
                        Which::Old => world.old = None,
                        Which::New => world.new = None,
                    }
                }));
            }
        }
        ways
    }

    fn fails(&mut self, step: &Step) {
        self.untidy |= matches!(step, Step::Rename(..) | Step::Remove(_) | Step::Release);
        self.failed.push(Failure {
            step: step.clone(),
            why: "no".into(),
        });
    }

    fn ends(&mut self, which: Which) {
        let now = self.now;
        if let Some(fake) = self.one(which) {
            fake.state = Exited;
            fake.ended = Some(now);
        }
    }

    /// Whether what bears the name may be confirmed.
    fn is_up_again(&self, plan: &HandOverPlan) -> bool {
        let again = |old: &Fake| old.state == Running && old.started != Some(BEGAN);
        let replaces = |new: &Fake| new.state == Running && new.name == plan.name;
        match plan.replace {
            Some(_) => self.new.as_ref().is_some_and(replaces),
            None => self.old.as_ref().is_some_and(again),
        }
    }

    fn is_new_up(&self) -> bool {
        self.new.as_ref().is_some_and(|new| new.state == Running)
    }

    /// Goes on with nothing in the way, and checks how it ends.
    fn goes_on(&self, plan: &HandOverPlan) {
        let mut world = self.clone();
        let mut steps = Vec::new();
        let mut twice = world.two_run();
        for _ in 0..LOOKS_MAX {
            let step = world.ask(plan);
            steps.push(words(&step));
            if let Step::Finish(outcome) = &step {
                world.check(plan, outcome, self, &steps);
                return;
            }
            if !world.does(plan, &step) {
                world.fails(&step);
            }
            assert!(twice || !world.two_run(), "two run: {self:?}\n{steps:?}");
            twice &= world.two_run();
        }
        panic!("it does not end: {self:?}\n{steps:?}");
    }

    fn check(&self, plan: &HandOverPlan, outcome: &Outcome, from: &World, steps: &[String]) {
        let context = || format!("{outcome:?}\nfrom {from:?}\nby {steps:?}\nto {self:?}");
        let runs = |fake: &Option<Fake>| fake.as_ref().is_some_and(|fake| fake.state == Running);
        let (old, new) = (runs(&self.old), runs(&self.new));
        if self.old.is_none() && self.new.is_none() {
            assert!(self.meddled, "{}", context());
            assert!(matches!(outcome, Outcome::Stuck { .. }), "{}", context());
            return;
        }
        assert!(old != new, "not one of the two runs: {}", context());
        let again = self
            .old
            .as_ref()
            .is_some_and(|old| old.started != Some(BEGAN));
        let is_true = match outcome {
            Outcome::Confirmed if plan.replace.is_none() => self.confirmed && again && old,
            Outcome::Confirmed => self.confirmed && new,
            Outcome::RolledBack { why } => again && old && !why.is_empty(),
            Outcome::Untouched { why } => !again && old && !why.is_empty(),
            Outcome::Unconfirmed { .. } if plan.replace.is_none() => again && old,
            Outcome::Unconfirmed { .. } => self.old.is_none() && new,
            Outcome::Stuck { .. } => false,
        };
        assert!(is_true, "not true: {}", context());
        if self.untidy {
            return;
        }
        let (one, other) = match old {
            true => (&self.old, &self.new),
            false => (&self.new, &self.old),
        };
        let one = one.as_ref().expect("it runs");
        assert_eq!(one.name, "agent", "{}", context());
        assert!(other.is_none(), "one is left behind: {}", context());
        let policy = plan
            .replace
            .as_ref()
            .map(|replace| &replace.restart_policy["Name"]);
        if old && policy.is_some_and(|policy| policy != "no") {
            assert!(!one.held, "its restart policy is not back: {}", context());
        }
    }
}

fn explore(kind: &str) -> BTreeSet<&'static str> {
    let policy = match kind {
        "replace-no" => "no",
        _ => "always",
    };
    explore_from(&plan(kind), World::new(policy), 500)
}

/// From a world on; the outcomes that are reached on the way.
fn explore_from(plan: &HandOverPlan, first: World, states_min: usize) -> BTreeSet<&'static str> {
    let mut seen = HashSet::from([first.clone()]);
    let mut open = VecDeque::from([first]);
    let mut outcomes = BTreeSet::new();
    while let Some(world) = open.pop_front() {
        world.goes_on(plan);
        if let Step::Finish(outcome) = world.clone().ask(plan) {
            outcomes.insert(match outcome {
                // It was all there was, or others did what the helper could not.
                Outcome::Confirmed if world.meddled => continue,
                Outcome::Confirmed => "confirmed",
                Outcome::RolledBack { .. } => "rolled back",
                Outcome::Untouched { .. } => "untouched",
                Outcome::Stuck { .. } => "stuck",
                Outcome::Unconfirmed { .. } => "unconfirmed",
            });
        }
        for way in world.ways(plan) {
            if way.mishaps <= way.mishaps_max && seen.insert(way.clone()) {
                open.push_back(way);
            }
        }
    }
    assert!(seen.len() > states_min, "{} states", seen.len());
    outcomes
}

/// Whatever else happens: without the step it is not confirmed, and the old one is left as it is or put back.
#[test]
fn a_step_that_never_works_leaves_the_old_one_or_brings_it_back() {
    let plan = plan("replace");
    for (never, ends) in [
        (Step::Create, "untouched"),
        (Step::Hold, "untouched"),
        (Step::Rename(Which::Old, plan.old_name()), "rolled back"),
        (Step::Rename(Which::New, plan.name.clone()), "rolled back"),
        (Step::Begin, "rolled back"),
    ] {
        let world = World {
            never: Some(never.clone()),
            mishaps_max: MISHAPS_BESIDES_MAX,
            ..World::new("always")
        };
        let outcomes = explore_from(&plan, world, 5);
        assert!(outcomes.contains(ends), "{never:?}: {outcomes:?}");
        assert!(!outcomes.contains("confirmed"), "{never:?}: {outcomes:?}");
    }
}

/// What only tidies up stands in the way of nothing.
#[test]
fn a_step_that_only_tidies_up_and_never_works_changes_no_outcome() {
    let plan = plan("replace");
    for never in [
        Step::Release,
        Step::Remove(Which::Old),
        Step::Remove(Which::New),
        Step::Rename(Which::Old, plan.name.clone()),
        Step::Rename(Which::New, plan.new_name()),
    ] {
        let world = World {
            never: Some(never.clone()),
            mishaps_max: MISHAPS_BESIDES_MAX,
            ..World::new("always")
        };
        let outcomes = explore_from(&plan, world, 50);
        for ends in ["confirmed", "rolled back"] {
            assert!(outcomes.contains(ends), "{never:?}: {outcomes:?}");
        }
    }
}

#[test]
fn whatever_happens_to_a_restart_it_runs_at_the_end() {
    let outcomes = explore("restart");
    let all = ["confirmed", "stuck", "unconfirmed", "untouched"];
    assert_eq!(outcomes, BTreeSet::from(all));
}

#[test]
fn whatever_happens_to_a_replacement_one_of_the_two_runs_at_the_end() {
    let all = [
        "confirmed",
        "rolled back",
        "stuck",
        "unconfirmed",
        "untouched",
    ];
    assert_eq!(explore("replace"), BTreeSet::from(all));
}

#[test]
fn so_it_is_where_the_engine_never_starts_it_by_itself() {
    let all = [
        "confirmed",
        "rolled back",
        "stuck",
        "unconfirmed",
        "untouched",
    ];
    assert_eq!(explore("replace-no"), BTreeSet::from(all));
}
