//! Everything that may happen, up to a number of mishaps: steps that fail, a helper that dies before and after each, a
//! host that starts anew, a service that ends, somebody else at work, a confirmation that comes or does not. From every
//! state that is reached, once nothing more happens, the loop ends with the service running the right program, which is
//! at its path, and says what is the case.

use std::collections::{BTreeSet, HashSet, VecDeque};

use super::*;

/// Mishaps on one way.
const MISHAPS_MAX: u8 = 3;
/// The same where a step never works besides.
const MISHAPS_BESIDES_MAX: u8 = 1;
/// Looks after which it has to be over once nothing more happens.
const LOOKS_MAX: usize = 120;
/// Looks in vain after which time has passed.
const AWAITS_MAX: usize = 8;
/// The times at which something may be different.
const TIMES: [UnixMs; 4] = [10_000, UNTIL, UNTIL + 60_000, UNTIL + 700_000];

/// What systemd does with the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum State {
    Runs(Content),
    /// A process that does not run its program yet.
    Begins(Content),
    Stops,
    Down,
    /// It has ended and will be started again.
    AutoRestart,
}

/// Files, systemd, and what a helper remembers.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct World {
    program: Content,
    other: Content,
    state: State,
    job: bool,
    again: bool,
    restarts: u64,
    confirmed: bool,
    /// Index into [`TIMES`].
    time: usize,
    failed: Vec<UnitFailure>,
    why: Option<String>,
    mishaps: u8,
    /// Whether somebody else put something at the path of the program.
    meddled: bool,
    /// Whether the helper that runs has given up tidying.
    untidy: bool,
    /// A step that never works.
    never: Option<UnitStep>,
    /// Whether the new program can run at all.
    is_good: bool,
    /// Whether systemd starts it again by itself.
    always: bool,
    mishaps_max: u8,
}

impl World {
    fn new(kind: &str) -> Self {
        World {
            program: Content::Old,
            other: match kind {
                "restart" => Content::Absent,
                _ => Content::New,
            },
            state: State::Runs(Content::Old),
            job: false,
            again: false,
            restarts: 0,
            confirmed: false,
            time: 0,
            failed: Vec::new(),
            why: None,
            mishaps: 0,
            meddled: false,
            untidy: false,
            never: None,
            is_good: true,
            always: true,
            mishaps_max: MISHAPS_MAX,
        }
    }

    fn scene(&self) -> UnitScene {
        let (active, runs) = match self.state {
            State::Runs(what) => (Active::Active, what),
            State::Begins(_) => (Active::Active, Content::Else),
            State::Stops => (Active::Deactivating, Content::Else),
            State::Down => (Active::Failed, Content::Absent),
            State::AutoRestart => (Active::Activating, Content::Absent),
        };
        UnitScene {
            program: self.program,
            other: self.other,
            service: Service {
                active,
                auto_restart: self.state == State::AutoRestart,
                job: self.job,
                invocation: if self.again { "second" } else { "first" }.into(),
                restarts: self.restarts,
                ended: None,
                runs,
            },
            confirmed: self.confirmed,
            now: TIMES[self.time],
            failed: self.failed.clone(),
            why: self.why.clone(),
        }
    }

    /// Looks, notes why where it is given up, and asks what is next.
    fn ask(&mut self, plan: &UnitPlan) -> UnitStep {
        self.why = self.why.take().or_else(|| reason(plan, &self.scene()));
        next(plan, &self.scene())
    }

    /// Systemd goes on; whether there was something to do.
    fn turns(&mut self) -> bool {
        match (self.state, self.job) {
            (State::Runs(_) | State::Begins(_), true) => self.state = State::Stops,
            (State::Stops | State::Down | State::AutoRestart, true) => {
                self.job = false;
                self.begins();
            }
            (State::Begins(what), false) => {
                let runs = match what {
                    Content::Old | Content::Else => true,
                    Content::New => self.is_good,
                    Content::Absent => false,
                };
                match runs {
                    true => self.state = State::Runs(what),
                    false => self.ends(),
                }
            }
            (State::AutoRestart, false) => {
                self.restarts = (self.restarts + 1).min(3);
                self.begins();
            }
            (State::Stops, false) => self.state = State::Down,
            (State::Runs(_) | State::Down, false) => return false,
        }
        true
    }

    fn begins(&mut self) {
        self.again = true;
        match self.program {
            Content::Absent => self.ends(),
            what => self.state = State::Begins(what),
        }
    }

    fn ends(&mut self) {
        self.state = match self.always {
            true => State::AutoRestart,
            false => State::Down,
        };
    }

    /// Does a step; `false` where it cannot be done.
    fn does(&mut self, step: &UnitStep) -> bool {
        if self.never.as_ref() == Some(step) {
            return false;
        }
        match step {
            UnitStep::Exchange => {
                if self.program == Content::Absent || self.other == Content::Absent {
                    return false;
                }
                std::mem::swap(&mut self.program, &mut self.other);
            }
            UnitStep::Restore => self.program = Content::Old,
            UnitStep::Restart | UnitStep::Start => {
                self.restarts = 0;
                self.job = true;
            }
            UnitStep::RemoveOther => {
                let is_last = self.other == Content::Old && self.program != Content::Old;
                let proven = self.confirmed || self.meddled;
                assert!(!is_last || proven, "nothing to go back to: {self:?}");
                self.other = Content::Absent;
            }
            UnitStep::Await => unreachable!("nothing is done"),
            UnitStep::Finish(_) => unreachable!("the loop ends"),
        }
        self.failed
            .retain(|failure| failure.step != *step && failure.step != UnitStep::Await);
        true
    }

    fn fails(&mut self, step: &UnitStep) {
        self.untidy |= *step == UnitStep::RemoveOther;
        if self.failed.iter().any(|failure| failure.step == *step) {
            // It is tried again after a pause.
            self.passes();
            return;
        }
        self.failed.push(UnitFailure {
            step: step.clone(),
            why: "no".into(),
        });
        // In whatever order.
        self.failed.sort_by_key(|failure| words(&failure.step));
    }

    fn waits_in_vain(&mut self) {
        match self.time + 1 < TIMES.len() {
            true => self.passes(),
            false => self.fails(&UnitStep::Await),
        }
    }

    fn passes(&mut self) {
        self.time = (self.time + 1).min(TIMES.len() - 1);
    }

    /// A new helper knows nothing of what the one before tried, and may not know why it is rolled back.
    fn helper_dies(&self) -> World {
        World {
            failed: Vec::new(),
            why: None,
            untidy: false,
            mishaps: self.mishaps + 1,
            ..self.clone()
        }
    }

    /// Systemd knows nothing of before, and starts what it finds.
    fn host_starts_anew(&self) -> World {
        let mut world = World {
            job: false,
            restarts: 0,
            ..self.helper_dies()
        };
        world.begins();
        world
    }

    /// What may come of a step, and what may happen besides.
    fn ways(&self, plan: &UnitPlan) -> Vec<World> {
        let mut asked = self.clone();
        let step = asked.ask(plan);
        let mut ways = Vec::new();
        if let UnitStep::Finish(_) = step {
            return ways;
        }
        let mut done = asked.clone();
        match step {
            UnitStep::Await => done.waits_in_vain(),
            _ if !done.does(&step) => done.fails(&step),
            _ => {}
        }
        ways.push(done.clone());
        let mut turned = asked.clone();
        if turned.turns() {
            ways.push(turned);
        }
        // Core knows nothing of what the helper is about to do.
        if !asked.confirmed && asked.is_through(plan) && asked.time == 0 {
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
        if step != UnitStep::Await {
            ways.push(with(&|world| world.fails(&step)));
            ways.push(done.helper_dies());
        }
        ways.push(asked.helper_dies());
        // As far as it could note why.
        ways.push(World {
            why: asked.why.clone(),
            ..asked.helper_dies()
        });
        ways.push(asked.host_starts_anew());
        ways.push(with(&|world| world.passes()));
        if matches!(asked.state, State::Runs(_)) {
            ways.push(with(&|world| world.ends()));
            // Somebody stops it, or restarts it.
            ways.push(with(&|world| world.state = State::Stops));
            ways.push(with(&|world| world.job = true));
        }
        // Somebody is at the files.
        ways.push(with(&|world| world.other = Content::Absent));
        ways.push(with(&|world| world.other = Content::Else));
        ways.push(with(&|world| {
            world.program = Content::Absent;
            world.meddled = true;
        }));
        ways.push(with(&|world| {
            world.program = Content::Else;
            world.meddled = true;
        }));
        ways
    }

    /// Whether the agent that runs may be confirmed.
    fn is_through(&self, plan: &UnitPlan) -> bool {
        let asked_for = |what: Content| plan.new_program().is_none() || what == Content::New;
        matches!(self.state, State::Runs(what) if asked_for(what)) && self.again
    }

    /// Goes on with nothing in the way, and checks how it ends.
    fn goes_on(&self, plan: &UnitPlan) {
        let mut world = self.clone();
        let mut steps = Vec::new();
        let mut awaits = 0;
        for _ in 0..LOOKS_MAX {
            let step = world.ask(plan);
            steps.push(words(&step));
            match &step {
                UnitStep::Finish(outcome) => {
                    world.check(plan, outcome, self, &steps);
                    return;
                }
                UnitStep::Await => {
                    awaits += 1;
                    if !world.turns() {
                        world.waits_in_vain();
                    } else if awaits % AWAITS_MAX == 0 {
                        world.passes();
                    }
                }
                step => {
                    if !world.does(step) {
                        world.fails(step);
                    }
                }
            }
        }
        panic!("it does not end: {self:?}\n{steps:?}");
    }

    /// Whether it is long over and what was needed did not work, or it is over and the service does not stay.
    fn is_lost(&self) -> bool {
        let mut failed = self.failed.iter();
        let does_not_stay = failed.any(|failure| failure.step == UnitStep::Start);
        (self.time > 0 && does_not_stay)
            || (self.time + 1 == TIMES.len() && !self.failed.is_empty())
    }

    fn check(&self, plan: &UnitPlan, outcome: &Outcome, from: &World, steps: &[String]) {
        let context = || format!("{outcome:?}\nfrom {from:?}\nby {steps:?}\nto {self:?}");
        let is_stuck = matches!(outcome, Outcome::Stuck { .. });
        let foreign = self.meddled && self.program == Content::Else;
        let begins = matches!(self.state, State::Begins(_));
        if is_stuck && (from.is_lost() || (foreign && begins)) {
            return;
        }
        let mut later = self.clone();
        if begins {
            later.turns();
        }
        let State::Runs(runs) = later.state else {
            panic!("it does not run: {}", context());
        };
        let is_restart = plan.new_program().is_none();
        let untouched = is_restart && matches!(outcome, Outcome::Untouched { .. });
        assert!(
            self.program != Content::Absent || untouched,
            "there is no program: {}",
            context()
        );
        let is_true = match outcome {
            Outcome::Confirmed if is_restart => self.confirmed && self.again,
            Outcome::Confirmed => {
                self.confirmed && runs == Content::New && (self.program == Content::New || foreign)
            }
            Outcome::RolledBack { why } => {
                let is_back = runs == Content::Old && self.program == Content::Old;
                !is_restart && self.again && is_back && !why.is_empty()
            }
            Outcome::Untouched { why } => {
                let is_left = self.program == Content::Old || self.meddled;
                !self.again && runs == Content::Old && is_left && !why.is_empty()
            }
            Outcome::Unconfirmed { .. } => is_restart && self.again,
            Outcome::Stuck { .. } => foreign && !is_restart,
        };
        assert!(is_true, "not true: {}", context());
        let tells = is_stuck || is_restart || self.untidy;
        assert!(
            tells || self.other == Content::Absent,
            "one is left behind: {}",
            context()
        );
    }
}

/// From a world on; the outcomes that are reached on the way.
fn explore(kind: &str, first: World, states_min: usize) -> BTreeSet<&'static str> {
    let plan = plan(kind);
    let mut seen = HashSet::from([first.clone()]);
    let mut open = VecDeque::from([first]);
    let mut outcomes = BTreeSet::new();
    while let Some(world) = open.pop_front() {
        world.goes_on(&plan);
        if let UnitStep::Finish(outcome) = world.clone().ask(&plan) {
            outcomes.insert(match outcome {
                Outcome::Confirmed => "confirmed",
                Outcome::RolledBack { .. } => "rolled back",
                Outcome::Untouched { .. } => "untouched",
                Outcome::Stuck { .. } => "stuck",
                Outcome::Unconfirmed { .. } => "unconfirmed",
            });
        }
        for way in world.ways(&plan) {
            if way.mishaps <= way.mishaps_max && seen.insert(way.clone()) {
                open.push_back(way);
            }
        }
    }
    assert!(seen.len() > states_min, "{} states", seen.len());
    outcomes
}

#[test]
fn whatever_happens_to_a_restart_it_runs_at_the_end() {
    for always in [true, false] {
        let world = World {
            always,
            ..World::new("restart")
        };
        let outcomes = explore("restart", world, 500);
        for ends in ["confirmed", "unconfirmed", "untouched"] {
            assert!(outcomes.contains(ends), "{always}: {outcomes:?}");
        }
        assert!(!outcomes.contains("rolled back"), "{outcomes:?}");
    }
}

#[test]
fn whatever_happens_to_an_update_the_right_program_runs_at_the_end() {
    for always in [true, false] {
        let world = World {
            always,
            ..World::new("replace")
        };
        let outcomes = explore("replace", world, 500);
        for ends in ["confirmed", "rolled back", "untouched"] {
            assert!(outcomes.contains(ends), "{always}: {outcomes:?}");
        }
        assert!(!outcomes.contains("unconfirmed"), "{outcomes:?}");
    }
}

#[test]
fn a_new_program_that_cannot_run_is_never_confirmed_and_the_old_one_runs() {
    for always in [true, false] {
        let world = World {
            always,
            is_good: false,
            ..World::new("replace")
        };
        let outcomes = explore("replace", world, 500);
        assert!(outcomes.contains("rolled back"), "{always}: {outcomes:?}");
        assert!(!outcomes.contains("confirmed"), "{always}: {outcomes:?}");
    }
}

/// Whatever else happens: without the step the old program is left as it is or put back.
#[test]
fn a_step_that_never_works_leaves_the_old_program() {
    for never in [UnitStep::Exchange, UnitStep::Restart] {
        let world = World {
            never: Some(never.clone()),
            mishaps_max: MISHAPS_BESIDES_MAX,
            ..World::new("replace")
        };
        let mut alone = world.clone();
        alone.mishaps_max = 0;
        let outcomes = explore("replace", alone, 2);
        assert_eq!(outcomes, BTreeSet::from(["untouched"]), "{never:?}");
    }
}

/// What only tidies up stands in the way of nothing.
#[test]
fn what_cannot_be_removed_changes_no_outcome() {
    let world = World {
        never: Some(UnitStep::RemoveOther),
        mishaps_max: MISHAPS_BESIDES_MAX,
        ..World::new("replace")
    };
    let outcomes = explore("replace", world, 50);
    for ends in ["confirmed", "rolled back", "untouched"] {
        assert!(outcomes.contains(ends), "{outcomes:?}");
    }
}
