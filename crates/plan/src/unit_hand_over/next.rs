//! The next step, from what is observed alone: whoever begins anew, at whatever point, goes on rightly.
//!
//! - Forward: the programs are exchanged, then the service is restarted. Back: the same.
//! - Before the service is restarted, what goes wrong leaves it in the run that it is in.
//! - The old program at its path while the service is in another run than the plan's is one that is being put back.
//! - A new program that ended is given up; a confirmed one that runs never is.
//! - A program that somebody else put at the path is left there.

use super::{Active, Content, Service, UnitFailure, UnitPlan, UnitScene, UnitStep};
use crate::hand_over::Outcome;

/// Time after the end of the plan's in which the service is still tried to be brought back.
const PATIENCE_MS: i64 = 600_000;
/// Times that systemd has started a service again by itself, from which on it is not believed to stay.
const RESTARTS_MAX: u64 = 3;

/// The next step. One that fails is told as [`UnitScene::failed`] at the next look.
pub fn next(plan: &UnitPlan, scene: &UnitScene) -> UnitStep {
    if plan.invocation.is_empty() {
        // Nobody could tell whether it was started again.
        return finish(Outcome::Untouched {
            why: "it is not known which run the service is in".to_owned(),
        });
    }
    let look = Look { plan, scene };
    match (plan.new_program(), scene.program) {
        (None, _) => look.restart(),
        (Some(_), Content::Else) => look.foreign(),
        (Some(_), _) => look.replace(),
    }
}

/// Why a new program is given up, where it is. The first one seen is to be kept as [`UnitScene::why`]: what follows from
/// it looks like another one.
pub fn reason(plan: &UnitPlan, scene: &UnitScene) -> Option<String> {
    plan.new_program()?;
    if plan.invocation.is_empty() || scene.program == Content::Else {
        return None;
    }
    Look { plan, scene }.given_up()
}

/// How far systemd is with a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// It runs, as far as systemd knows.
    Up,
    /// It was begun and is not through with that.
    Starting,
    /// systemd stops it, or is about to do something.
    Going,
    /// It does not run.
    Down,
}

impl Stage {
    fn of(service: &Service) -> Self {
        match (service.active, service.job) {
            (Active::Activating, true) if service.auto_restart => Stage::Going,
            (Active::Activating, false) if service.auto_restart => Stage::Down,
            (Active::Active, false) => Stage::Up,
            (Active::Activating, _) => Stage::Starting,
            (Active::Inactive | Active::Failed, false) => Stage::Down,
            (Active::Active | Active::Inactive | Active::Failed, true)
            | (Active::Deactivating, _) => Stage::Going,
        }
    }
}

struct Look<'a> {
    plan: &'a UnitPlan,
    scene: &'a UnitScene,
}

impl Look<'_> {
    /// The same program is stopped and started.
    fn restart(&self) -> UnitStep {
        let auto_restart = self.service().auto_restart;
        if self.scene.program == Content::Absent {
            if (self.stage(), self.again()) == (Stage::Up, false) {
                let path = &self.plan.program;
                let why = format!("there is no program at {path} that could be started");
                return finish(Outcome::Untouched { why });
            }
            return self.insist(UnitStep::Restore, "the program was removed meanwhile");
        }
        match (self.stage(), self.again()) {
            (Stage::Up, false) => match self.failed(&UnitStep::Restart) {
                Some(failure) => finish(Outcome::Untouched { why: told(failure) }),
                None if self.is_over() => finish(Outcome::Untouched {
                    why: "its time was over before it was restarted".to_owned(),
                }),
                None => UnitStep::Restart,
            },
            (Stage::Up | Stage::Starting, true) => self.watch("there is nothing to go back to"),
            (Stage::Down, true) if auto_restart => {
                let does_not_stay = self.service().restarts >= RESTARTS_MAX;
                match does_not_stay && self.is_over() {
                    // Once by us, since what was in the way may be away.
                    true if self.may(&UnitStep::Start) => UnitStep::Start,
                    true => stuck(format!("the service {} again and again", self.ended())),
                    false => self.wait(None),
                }
            }
            (Stage::Down, _) => self.start(None),
            (Stage::Going | Stage::Starting, _) => self.wait(None),
        }
    }

    /// A new program takes the place of the old one.
    fn replace(&self) -> UnitStep {
        if self.is_proven() {
            return self.complete();
        }
        match self.given_up() {
            Some(why) => self.back(&why),
            None => self.forward(),
        }
    }

    /// Whether the new program runs, is confirmed, and is there to be run again.
    fn is_proven(&self) -> bool {
        let UnitScene { program, other, .. } = self.scene;
        let is_there = matches!(
            (program, other),
            (Content::New, _) | (Content::Old, Content::New)
        );
        self.scene.confirmed && is_there && self.runs_new()
    }

    /// Why it is given up, where it is: what the new one did itself comes before what was done to it for that.
    fn given_up(&self) -> Option<String> {
        let UnitScene { program, other, .. } = self.scene;
        if self.is_proven() {
            return None;
        }
        if let Some(why) = &self.scene.why {
            return Some(why.clone());
        }
        let forward = [UnitStep::Exchange, UnitStep::Restart, UnitStep::Start];
        if let Some(failure) = forward.iter().find_map(|step| self.failed(step)) {
            return Some(told(failure));
        }
        match (program, self.again()) {
            (Content::Absent, _) => return Some("the program was removed meanwhile".to_owned()),
            (Content::New, true) if self.service().restarts > 0 => {
                return Some(format!(
                    "the service {}, and systemd started it again (times: {})",
                    self.ended(),
                    self.service().restarts
                ));
            }
            (Content::New, true) if self.stage() == Stage::Down => {
                return Some(format!("the service {} with the new program", self.ended()));
            }
            (Content::Old, true) => {
                return Some("the service was started again with the old program".to_owned());
            }
            (Content::Old, false) if *other != Content::New => {
                return Some("the new program is not there".to_owned());
            }
            _ => {}
        }
        self.is_over().then(|| match self.again() {
            false => "its time was over before the service was restarted".to_owned(),
            true => "the new program was not confirmed within its time".to_owned(),
        })
    }

    fn forward(&self) -> UnitStep {
        if self.scene.program == Content::Old {
            return UnitStep::Exchange;
        }
        match (self.stage(), self.again()) {
            (Stage::Up, false) => UnitStep::Restart,
            // Somebody restarted it just before the programs were exchanged.
            (Stage::Up, true) if self.service().runs == Content::Old => UnitStep::Restart,
            (Stage::Down, _) => UnitStep::Start,
            (Stage::Up | Stage::Starting | Stage::Going, _) => UnitStep::Await,
        }
    }

    /// The new one is confirmed and runs.
    fn complete(&self) -> UnitStep {
        if self.scene.program == Content::Old {
            // It was about to be rolled back.
            return self.insist(UnitStep::Exchange, "the new program is confirmed");
        }
        if self.stage() == Stage::Going {
            return self.wait(None);
        }
        // One that stays behind does no harm.
        self.tidied(Outcome::Confirmed)
    }

    /// Puts the old one back.
    fn back(&self, why: &str) -> UnitStep {
        let UnitScene { program, other, .. } = self.scene;
        match (program, other) {
            (Content::Old, _) => {}
            (Content::New, Content::Old) => {
                let instead = self.failed(&UnitStep::Exchange).is_some();
                return match instead && self.may(&UnitStep::Restore) {
                    true => UnitStep::Restore,
                    false => self.insist(UnitStep::Exchange, why),
                };
            }
            _ => return self.insist(UnitStep::Restore, why),
        }
        let why = why.to_owned();
        match (self.stage(), self.service().runs) {
            (Stage::Up, Content::Old) => self.tidied(match self.again() {
                true => Outcome::RolledBack { why },
                false => Outcome::Untouched { why },
            }),
            (Stage::Up | Stage::Starting, Content::New) => self.insist(UnitStep::Restart, &why),
            (Stage::Down, _) => self.start(Some(&why)),
            // Between the start of a process and that of its program it is neither, but not for long.
            (Stage::Up, Content::Else | Content::Absent)
                if self.failed(&UnitStep::Await).is_some() =>
            {
                self.insist(UnitStep::Restart, &why)
            }
            (Stage::Up | Stage::Starting | Stage::Going, _) => self.wait(Some(&why)),
        }
    }

    /// Somebody put another program in its place: it stays, and the service has to run.
    fn foreign(&self) -> UnitStep {
        let why = || {
            let path = &self.plan.program;
            format!("another program was put at {path} meanwhile")
        };
        match (self.stage(), self.again()) {
            (Stage::Up, false) => self.tidied(Outcome::Untouched { why: why() }),
            (Stage::Up, true) if self.scene.confirmed && self.runs_new() => {
                self.tidied(Outcome::Confirmed)
            }
            (Stage::Up, true) if !self.is_over() => UnitStep::Await,
            (Stage::Up, true) => stuck(why()),
            (Stage::Down, _) => self.start(Some(&why())),
            (Stage::Starting | Stage::Going, _) => self.wait(Some(&why())),
        }
    }

    /// One that there is nothing to go back from.
    fn watch(&self, why_not: &str) -> UnitStep {
        match (self.stage(), self.scene.confirmed, self.is_over()) {
            (Stage::Up, true, _) => finish(Outcome::Confirmed),
            (_, _, true) => finish(Outcome::Unconfirmed {
                why: format!("it was not confirmed within its time; {why_not}"),
            }),
            _ => UnitStep::Await,
        }
    }

    /// Starts what has to run, again and again for a while.
    fn start(&self, why: Option<&str>) -> UnitStep {
        match self.failed(&UnitStep::Start) {
            Some(failure) if self.is_past_patience() => {
                let because = told(failure);
                stuck(also(why, &format!("the service does not run: {because}")))
            }
            _ => UnitStep::Start,
        }
    }

    /// Waits for systemd to come to an end with what it does.
    fn wait(&self, why: Option<&str>) -> UnitStep {
        match self.failed(&UnitStep::Await) {
            Some(failure) if self.is_past_patience() => stuck(also(
                why,
                &format!("systemd is not through with the service: {}", failure.why),
            )),
            _ => UnitStep::Await,
        }
    }

    /// A step without which it cannot end well, again and again for a while.
    fn insist(&self, step: UnitStep, why: &str) -> UnitStep {
        match self.failed(&step) {
            Some(failure) if self.is_past_patience() => stuck(also(Some(why), &told(failure))),
            _ => step,
        }
    }

    /// Over, once what is beside the program is away.
    fn tidied(&self, outcome: Outcome) -> UnitStep {
        match self.scene.other != Content::Absent && self.may(&UnitStep::RemoveOther) {
            true => UnitStep::RemoveOther,
            false => finish(outcome),
        }
    }

    fn service(&self) -> &Service {
        &self.scene.service
    }

    fn stage(&self) -> Stage {
        Stage::of(self.service())
    }

    fn runs_new(&self) -> bool {
        self.service().active == Active::Active && self.service().runs == Content::New
    }

    /// Whether the service is in another run than the plan's.
    fn again(&self) -> bool {
        self.service().invocation != self.plan.invocation
    }

    /// `ended (exit code 1)`.
    fn ended(&self) -> String {
        match &self.service().ended {
            Some(how) => format!("ended ({how})"),
            None => "ended".to_owned(),
        }
    }

    fn is_over(&self) -> bool {
        self.scene.now >= self.plan.until
    }

    fn is_past_patience(&self) -> bool {
        self.scene.now >= self.plan.until.saturating_add(PATIENCE_MS)
    }

    fn failed(&self, step: &UnitStep) -> Option<&UnitFailure> {
        let mut failed = self.scene.failed.iter();
        failed.find(|failure| failure.step == *step)
    }

    /// Whether a step that nothing depends on is worth a try.
    fn may(&self, step: &UnitStep) -> bool {
        self.failed(step).is_none()
    }
}

/// What could not be done, and why.
fn told(failure: &UnitFailure) -> String {
    let what = match &failure.step {
        UnitStep::Exchange => "exchange the programs",
        UnitStep::Restore => "put the old program back",
        UnitStep::Restart => "restart the service",
        UnitStep::Start => "start the service",
        UnitStep::RemoveOther => "remove what is beside the program",
        UnitStep::Await | UnitStep::Finish(_) => "wait",
    };
    format!("cannot {what}: {}", failure.why)
}

fn also(why: Option<&str>, more: &str) -> String {
    match why {
        Some(why) => format!("{why}; {more}"),
        None => more.to_owned(),
    }
}

fn finish(outcome: Outcome) -> UnitStep {
    UnitStep::Finish(outcome)
}

fn stuck(why: String) -> UnitStep {
    finish(Outcome::Stuck { why })
}
